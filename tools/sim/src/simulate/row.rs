//! A row of the outcome, as it is printed.

use super::Cell;
use super::play::Played;
use crate::optimum::Bounds;
use crate::output::percent;
use crate::trace::Trace;
use serde::Serialize;
use tollgate::policy::{Objective, PolicyKind};

/// One policy at one budget on one trace. Ratios are between 0 and 1.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The trace's name.
    pub trace: String,
    /// Whether every key of it costs 1.
    pub unit_cost: bool,
    /// The policy's name.
    pub policy: &'static str,
    /// `hits` or `cost`.
    pub objective: &'static str,
    /// The budget as it was asked for.
    pub budget: String,
    /// The budget as a cost.
    pub max_cost: u64,
    /// Counters of the frequency sketch.
    pub num_counters: usize,
    /// Requests played.
    pub requests: usize,
    /// How many of them hit.
    pub hits: u64,
    /// `hits / requests`.
    pub hit_ratio: f64,
    /// The share of requested cost that hit.
    pub byte_hit_ratio: f64,
    /// Lower bound on the optimum of the objective's ratio; equals the upper one for unit costs.
    pub optimum_lower: Option<f64>,
    /// Upper bound on the optimum of the objective's ratio.
    pub optimum_upper: Option<f64>,
    /// Entries resident at the end.
    pub resident_entries: usize,
    /// Their cost.
    pub resident_cost: u64,
    /// Bytes that ledger and policy held at the end.
    pub memory_bytes: usize,
    /// How long the run took.
    pub seconds: f64,
}

impl Row {
    pub(super) fn new(
        trace: &Trace,
        policy: &PolicyKind,
        cell: &Cell,
        played: &Played,
        bounds: Option<Bounds>,
    ) -> Self {
        Self {
            trace: trace.name().to_owned(),
            unit_cost: trace.is_unit(),
            policy: policy.name(),
            objective: objective_name(cell.objective),
            budget: cell.budget.to_string(),
            max_cost: cell.max_cost,
            num_counters: cell.num_counters,
            requests: trace.len(),
            hits: played.hits.count,
            hit_ratio: played.hits.count as f64 / trace.len() as f64,
            byte_hit_ratio: played.hits.cost as f64 / trace.requested_cost() as f64,
            optimum_lower: bounds.map(|bounds| bounds.lower),
            optimum_upper: bounds.map(|bounds| bounds.upper),
            resident_entries: played.resident_entries,
            resident_cost: played.resident_cost,
            memory_bytes: played.memory,
            seconds: played.elapsed.as_secs_f64(),
        }
    }

    /// The optimum of the objective's ratio in percent: one figure if it is exact, else the two bounds with
    /// `between` in between; nothing if it was not computed.
    pub fn optimum(&self, between: &str) -> Option<String> {
        let (lower, upper) = (percent(self.optimum_lower?), percent(self.optimum_upper?));
        Some(if lower == upper { upper } else { format!("{lower}{between}{upper}") })
    }

    /// The ratio that was to be maximised.
    pub fn score(&self) -> f64 {
        if self.objective == objective_name(Objective::Cost) { self.byte_hit_ratio } else { self.hit_ratio }
    }
}

/// The objective's name, as on the command line.
pub fn objective_name(objective: Objective) -> &'static str {
    match objective {
        Objective::Hits => "hits",
        Objective::Cost => "cost",
    }
}
