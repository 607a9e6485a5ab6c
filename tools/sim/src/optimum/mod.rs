//! What no policy can pass: the best hit ratio that knowledge of the future allows.
//!
//! | trace, objective | lower bound | upper bound |
//! |---|---|---|
//! | every cost 1 | exact: Belady's MIN with bypass | the same |
//! | costs, object hits | [Belady-Size](belady_size), sampled: a policy that could be run offline | [PFOO-L](pfoo) |
//! | costs, cost hits | [furthest first](belady): likewise | [PFOO-L](pfoo) |
//!
//! With costs the exact optimum is NP-hard (Chrobak, Woeginger, Makino, Xu 2010), hence two bounds.
//! An online policy above the upper one is not holding its budget.

mod belady;
mod belady_size;
mod pfoo;
mod times;

use crate::trace::Trace;
use std::sync::OnceLock;
use tollgate::policy::Objective;

/// Bounds on the optimum, as ratios of the objective (of requests, or of requested cost).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Reached by a policy that sees the future.
    pub lower: f64,
    /// Reached by none.
    pub upper: f64,
}

/// Hits and the cost of the hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hits {
    /// How many requests hit.
    pub count: u64,
    /// The sum of their costs.
    pub cost: u64,
}

/// The optima of one trace; what all budgets share is computed once.
#[derive(Debug)]
pub struct Optima<'a> {
    trace: &'a Trace,
    next_requests: OnceLock<Vec<u32>>,
    /// One per [`Objective`].
    intervals: [OnceLock<pfoo::Intervals>; 2],
}

impl<'a> Optima<'a> {
    /// Nothing is computed before it is asked for.
    pub fn new(trace: &'a Trace) -> Self {
        Self { trace, next_requests: OnceLock::new(), intervals: Default::default() }
    }

    /// The bounds for one budget. O(requests x log requests).
    pub fn bounds(&self, max_cost: u64, objective: Objective) -> Bounds {
        let next = self.next_requests.get_or_init(|| self.trace.next_requests());
        if self.trace.is_unit() {
            let exact =
                belady::furthest_first(self.trace, next, max_cost).count as f64 / self.trace.len() as f64;
            return Bounds { lower: exact, upper: exact };
        }
        let (place, whole, found) = match objective {
            Objective::Hits => {
                let hits = belady_size::sampled(self.trace, next, max_cost);
                (0, self.trace.len() as u64, hits.count)
            }
            Objective::Cost => {
                let hits = belady::furthest_first(self.trace, next, max_cost);
                (1, self.trace.requested_cost(), hits.cost)
            }
        };
        let intervals =
            self.intervals[place].get_or_init(|| pfoo::Intervals::new(self.trace, next, objective));
        let lower = found as f64 / whole as f64;
        let upper = intervals.most_hits(max_cost, self.trace.len()) / whole as f64;
        // The bounds meet where the budget is ample; rounding must not cross them.
        Bounds { lower, upper: upper.max(lower) }
    }
}

#[cfg(test)]
mod tests;
