//! Stack distances, and LRU's miss-ratio curve from them.
//!
//! Mattson, Gecsei, Slutz, Traiger, "Evaluation techniques for storage hierarchies", 1970: LRU hits
//! exactly if the keys asked for since the last request of this one, itself included, fit into the
//! budget. One pass therefore yields the hit ratio of every budget at once. The sums over "keys
//! asked for since" come from Fenwick trees over the trace's positions, in which only the latest
//! request of each key counts: O(log requests) each.
//!
//! For keys of different costs the same holds with costs instead of numbers: LRU's content is always the
//! longest recent part of the stack that fits. (Exact but for entries above the whole budget, which a
//! cache refuses and this curve does not.)

use crate::trace::{NEVER, Trace};
use serde::Serialize;

/// The distances of all reuses of a trace.
#[derive(Debug)]
pub(super) struct StackDistances {
    /// In distinct keys, sorted.
    keys: Vec<u64>,
    /// In cost, with the cost of the request itself, sorted by the first.
    costs: Vec<(u64, u64)>,
}

/// LRU at one budget.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CurvePoint {
    /// The budget.
    pub max_cost: u64,
    /// The budget as a share of the distinct cost.
    pub share: f64,
    /// The share of requests that miss.
    pub miss_ratio: f64,
    /// The share of requested cost that misses.
    pub byte_miss_ratio: f64,
}

impl StackDistances {
    pub(super) fn of(trace: &Trace) -> Self {
        let (mut keys, mut costs) = (Vec::new(), Vec::new());
        let (mut key_tree, mut cost_tree) = (Fenwick::new(trace.len()), Fenwick::new(trace.len()));
        let mut last_seen = vec![NEVER; trace.distinct()];
        for (at, &id) in trace.ids().iter().enumerate() {
            let cost = trace.cost(id);
            let last = std::mem::replace(&mut last_seen[id as usize], at as u32);
            if last != NEVER {
                let last = last as usize;
                keys.push(key_tree.from(last));
                costs.push((cost_tree.from(last), cost));
                key_tree.subtract(last, 1);
                cost_tree.subtract(last, cost);
            }
            key_tree.add(at, 1);
            cost_tree.add(at, cost);
        }
        keys.sort_unstable();
        costs.sort_unstable();
        Self { keys, costs }
    }

    /// In distinct keys, sorted.
    pub(super) fn keys(&self) -> &[u64] {
        &self.keys
    }

    /// In cost, sorted.
    pub(super) fn costs(&self) -> Vec<u64> {
        self.costs.iter().map(|&(distance, _)| distance).collect()
    }

    /// LRU's misses at budgets of [`CURVE_PERCENT`] of the distinct cost.
    pub(super) fn curve(&self, trace: &Trace) -> Vec<CurvePoint> {
        let mut points = Vec::new();
        let (mut hits, mut hit_cost) = (0, 0);
        for percent in CURVE_PERCENT {
            let max_cost = ((trace.distinct_cost() as f64 * percent / 100.0).round() as u64).max(1);
            while let Some(&(_, cost)) = self.costs.get(hits).filter(|(distance, _)| *distance <= max_cost) {
                hits += 1;
                hit_cost += cost;
            }
            points.push(CurvePoint {
                max_cost,
                share: percent / 100.0,
                miss_ratio: 1.0 - hits as f64 / trace.len() as f64,
                byte_miss_ratio: 1.0 - hit_cost as f64 / trace.requested_cost() as f64,
            });
        }
        points
    }
}

/// Sums over the tail of an array, with O(log n) updates (Fenwick 1994).
struct Fenwick {
    total: u64,
    sums: Vec<u64>,
}

impl Fenwick {
    fn new(len: usize) -> Self {
        Self { total: 0, sums: vec![0; len + 1] }
    }

    fn add(&mut self, at: usize, amount: u64) {
        self.total += amount;
        self.update(at, |sum| sum + amount);
    }

    fn subtract(&mut self, at: usize, amount: u64) {
        self.total -= amount;
        self.update(at, |sum| sum - amount);
    }

    fn update(&mut self, at: usize, change: impl Fn(u64) -> u64) {
        let mut place = at + 1;
        while place < self.sums.len() {
            self.sums[place] = change(self.sums[place]);
            place += place & place.wrapping_neg();
        }
    }

    /// The sum from position `at` on.
    fn from(&self, at: usize) -> u64 {
        let (mut before, mut place) = (0, at);
        while place > 0 {
            before += self.sums[place];
            place &= place - 1;
        }
        self.total - before
    }
}

/// Where the curve is sampled, in percent of the distinct cost.
const CURVE_PERCENT: [f64; 13] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 50.0, 70.0, 90.0, 100.0];
