//! A row of the outcome, as it is printed, and what must hold for it.

use super::play::Played;
use super::{Cached, command::Setting};
use crate::simulate::objective_name;
use crate::trace::Trace;
use serde::Serialize;
use std::fmt;

/// One policy at one budget on one trace, through the real cache. Ratios are between 0 and 1.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    /// The trace's name.
    pub(super) trace: String,
    /// The policy's name.
    pub(super) policy: &'static str,
    /// `hits` or `cost`.
    pub(super) objective: &'static str,
    /// The budget as it was asked for.
    pub(super) budget: String,
    /// The budget as a cost.
    pub(super) max_cost: u64,
    /// How far undecided cost may pass it.
    pub(super) slack: u64,
    /// Counters of the frequency sketch.
    pub(super) num_counters: usize,
    /// Threads that played.
    pub(super) threads: usize,
    /// Requests played.
    pub(super) requests: usize,
    /// How many of them hit.
    pub(super) hits: u64,
    /// `hits / requests`.
    pub(super) hit_ratio: f64,
    /// The share of requested cost that hit.
    pub(super) byte_hit_ratio: f64,
    /// The highest cost of the store by the cache's own gauge.
    pub(super) peak_cost: u64,
    /// The highest cost of the store that the observer saw.
    pub(super) observed_peak_cost: u64,
    /// How often the observer looked.
    pub(super) observations: u64,
    /// The cost of the store at the end, by the cache's own gauge.
    pub(super) resident_cost: u64,
    /// The same, by adding up the store's rows.
    pub(super) census_cost: u64,
    /// The same, by the values that are alive.
    pub(super) alive_cost: u64,
    /// Entries at the end.
    pub(super) resident_entries: usize,
    /// Values made, one for each miss.
    pub(super) values_made: u64,
    /// Reads that returned another key's value.
    pub(super) wrong_values: u64,
    /// Reads that the policy did not hear of.
    pub(super) reads_lost: u64,
    /// Turns of maintenance that a playing thread ran.
    pub(super) helps: u64,
    /// How long it took, until the cache had settled.
    pub(super) seconds: f64,
    /// `requests / seconds`.
    pub(super) requests_per_second: f64,
}

/// A promise that was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// The store cost more than it may.
    Budget { peak: u64, bound: u64 },
    /// The gauge, the rows and the values disagree after everything has settled.
    Accounts { gauge: u64, rows: u64, alive: u64 },
    /// A read returned another key's value.
    WrongValues(u64),
}

impl Row {
    pub(super) fn new(trace: &Trace, setting: &Setting<'_>, cache: &Cached, played: &Played) -> Self {
        let (stats, census) = (cache.stats(), cache.census());
        let seconds = played.elapsed.as_secs_f64();
        Self {
            trace: trace.name().to_owned(),
            policy: setting.policy.name(),
            objective: objective_name(setting.objective),
            budget: setting.budget.to_string(),
            max_cost: cache.max_cost(),
            slack: cache.slack(),
            num_counters: setting.num_counters,
            threads: setting.threads,
            requests: trace.len(),
            hits: played.hits.count,
            hit_ratio: played.hits.count as f64 / trace.len() as f64,
            byte_hit_ratio: played.hits.cost as f64 / trace.requested_cost() as f64,
            peak_cost: stats.peak_cost,
            observed_peak_cost: played.seen.peak_cost,
            observations: played.seen.snapshots,
            resident_cost: stats.resident_cost,
            census_cost: census.cost,
            alive_cost: played.account.alive(),
            resident_entries: census.entries,
            values_made: played.account.made(),
            wrong_values: played.wrong_values,
            reads_lost: stats.reads_lost,
            helps: stats.helps,
            seconds,
            requests_per_second: trace.len() as f64 / seconds,
        }
    }

    /// The promises that this row breaks.
    pub(super) fn broken(&self) -> Vec<Broken> {
        let mut broken = Vec::new();
        let (peak, bound) =
            (self.peak_cost.max(self.observed_peak_cost), self.max_cost.saturating_add(self.slack));
        if peak > bound {
            broken.push(Broken::Budget { peak, bound });
        }
        let (gauge, rows, alive) = (self.resident_cost, self.census_cost, self.alive_cost);
        if gauge != rows || rows != alive || rows > self.max_cost {
            broken.push(Broken::Accounts { gauge, rows, alive });
        }
        if self.wrong_values > 0 {
            broken.push(Broken::WrongValues(self.wrong_values));
        }
        broken
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budget { peak, bound } => {
                write!(f, "the store cost {peak} where at most {bound} is allowed")
            }
            Self::Accounts { gauge, rows, alive } => write!(
                f,
                "after settling the cache counts a cost of {gauge}, its rows add up to {rows}, the values alive to {alive}"
            ),
            Self::WrongValues(count) => write!(f, "{count} reads returned the value of another key"),
        }
    }
}
