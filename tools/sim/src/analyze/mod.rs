//! `tollgate analyze`: what a trace is like, without any cache.
//!
//! | question | figures |
//! |---|---|
//! | how much is there to hit? | requests, distinct keys, cold misses, one-hit wonders |
//! | how much would hold it all? | distinct cost, the distribution of costs |
//! | how skewed is popularity? | a fitted Zipf exponent with its fit, the shares of the most popular keys |
//! | how soon do keys come back? | stack distances: how much is asked for in between |
//! | what would LRU make of it? | its exact miss-ratio curve, from the stack distances |

mod command;
mod popularity;
mod stack;

pub use command::{AnalyzeArgs, run};

use crate::trace::Trace;
use popularity::Popularity;
use serde::Serialize;
use stack::{CurvePoint, StackDistances};

/// What is known of a trace. Ratios and shares are between 0 and 1.
#[derive(Debug, Serialize)]
pub struct Analysis {
    /// The trace's name.
    pub trace: String,
    /// Requests.
    pub requests: usize,
    /// Distinct keys; each is a cold miss once.
    pub distinct_keys: usize,
    /// Cost of the distinct keys: the budget that holds everything. Bytes, where cost is bytes.
    pub distinct_cost: u64,
    /// Cost of all requests.
    pub requested_cost: u64,
    /// Whether every key costs 1.
    pub unit_cost: bool,
    /// The share of requests that miss in any cache.
    pub cold_miss_ratio: f64,
    /// The share of requested cost that misses in any cache.
    pub cold_byte_miss_ratio: f64,
    /// Keys that are asked for once only.
    pub one_hit_wonders: usize,
    /// Their share of the distinct keys.
    pub one_hit_wonder_share: f64,
    /// How requests spread over keys.
    pub popularity: Popularity,
    /// Costs of the distinct keys.
    pub cost: Spread,
    /// For each request of a key seen before: how many distinct keys were asked for since, itself included.
    /// Absent if no key comes back.
    pub reuse_distance: Option<Spread>,
    /// The same, as the cost of these keys.
    pub reuse_distance_cost: Option<Spread>,
    /// LRU's miss ratios over the budget.
    pub lru_curve: Vec<CurvePoint>,
}

/// A distribution by its percentiles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The smallest.
    pub min: u64,
    /// A tenth is no larger.
    pub p10: u64,
    /// A quarter is no larger.
    pub p25: u64,
    /// Half is no larger.
    pub p50: u64,
    /// Three quarters are no larger.
    pub p75: u64,
    /// Nine tenths are no larger.
    pub p90: u64,
    /// All but a hundredth are no larger.
    pub p99: u64,
    /// The largest.
    pub max: u64,
}

impl Spread {
    /// The spread of sorted numbers; none of none.
    fn of_sorted(sorted: &[u64]) -> Option<Self> {
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        // Nearest rank: the smallest member that at least this share of the members do not exceed.
        let at = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1];
        let mean = sorted.iter().map(|&number| number as f64).sum::<f64>() / sorted.len() as f64;
        Some(Self {
            mean,
            min,
            p10: at(10),
            p25: at(25),
            p50: at(50),
            p75: at(75),
            p90: at(90),
            p99: at(99),
            max,
        })
    }
}

impl Analysis {
    /// Analyses a trace. O(requests x log requests).
    pub fn of(trace: &Trace) -> Self {
        let mut counts = vec![0u32; trace.distinct()];
        trace.ids().iter().for_each(|&id| counts[id as usize] += 1);
        let one_hit_wonders = counts.iter().filter(|&&count| count == 1).count();
        let mut costs: Vec<u64> = trace.keys().iter().map(|key| key.cost).collect();
        costs.sort_unstable();
        let distances = StackDistances::of(trace);
        Self {
            trace: trace.name().to_owned(),
            requests: trace.len(),
            distinct_keys: trace.distinct(),
            distinct_cost: trace.distinct_cost(),
            requested_cost: trace.requested_cost(),
            unit_cost: trace.is_unit(),
            cold_miss_ratio: trace.distinct() as f64 / trace.len() as f64,
            cold_byte_miss_ratio: trace.distinct_cost() as f64 / trace.requested_cost() as f64,
            one_hit_wonders,
            one_hit_wonder_share: one_hit_wonders as f64 / trace.distinct() as f64,
            popularity: Popularity::of(counts),
            cost: Spread::of_sorted(&costs).expect("a trace has a key"),
            reuse_distance: Spread::of_sorted(distances.keys()),
            reuse_distance_cost: Spread::of_sorted(&distances.costs()),
            lru_curve: distances.curve(trace),
        }
    }
}

#[cfg(test)]
mod tests;
