//! PFOO-L: an upper bound on the hit ratio for keys of any cost.
//!
//! Berger, Beckmann, Harchol-Balter, "Practical Bounds on Optimal Caching with Variable Object Sizes",
//! SIGMETRICS 2018 (PFOO-L bounds the *misses* from below, whence its name). A hit needs the entry to
//! occupy its cost for the time since its last request. A cache of `max_cost` has `max_cost x requests`
//! of this space-time in all. Filling that with the cheapest intervals first, as if space-time could be
//! moved freely between moments, and counting the last one in part, reaches at least as many hits as
//! any real schedule.

use crate::trace::{NEVER, Trace};
use tollgate::policy::Objective;

/// The intervals between requests of the same key, the best value for space-time first.
#[derive(Debug)]
pub(super) struct Intervals {
    sorted: Vec<Interval>,
    objective: Objective,
}

#[derive(Debug, Clone, Copy)]
struct Interval {
    cost: u64,
    length: u32,
}

impl Interval {
    fn space_time(self) -> u128 {
        u128::from(self.cost) * u128::from(self.length)
    }
}

impl Intervals {
    pub(super) fn new(trace: &Trace, next: &[u32], objective: Objective) -> Self {
        let mut sorted: Vec<Interval> = (0u32..)
            .zip(trace.ids())
            .zip(next)
            .filter(|&(_, &next)| next != NEVER)
            .map(|((at, &id), &next)| Interval { cost: trace.cost(id), length: next - at })
            .collect();
        match objective {
            Objective::Hits => sorted.sort_unstable_by_key(|interval| interval.space_time()),
            Objective::Cost => sorted.sort_unstable_by_key(|interval| interval.length),
        }
        Self { sorted, objective }
    }

    /// The most that can be hit: requests, or their cost.
    pub(super) fn most_hits(&self, max_cost: u64, requests: usize) -> f64 {
        let mut left = u128::from(max_cost) * requests as u128;
        let mut reached = 0.0;
        for interval in self.sorted.iter().filter(|interval| interval.cost <= max_cost) {
            let value = match self.objective {
                Objective::Hits => 1.0,
                Objective::Cost => interval.cost as f64,
            };
            let needed = interval.space_time();
            if needed > left {
                return reached + value * left as f64 / needed as f64;
            }
            left -= needed;
            reached += value;
        }
        reached
    }
}
