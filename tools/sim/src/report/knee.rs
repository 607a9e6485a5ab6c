//! The budget at which more budget stops paying.
//!
//! The knee of the hit-ratio curve in the sense of Kneedle (Satopää, Albrecht, Irwin, Raghavan, 2011):
//! with both axes scaled to 0..1, budget linear, the measured point furthest above the diagonal from
//! nothing to the largest budget. Up to there a unit of budget buys more than the average unit does,
//! beyond it less. The budget is linear because memory is paid for by the byte, whatever the chart's axis.

use crate::simulate::Row;

/// See the [module](self).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Knee {
    /// The budget at the knee, which is the recommended one.
    pub(super) max_cost: u64,
    /// The counters recommended with it.
    pub(super) num_counters: usize,
    /// What the policy reaches there.
    pub(super) score: f64,
    /// The most that it reaches, at whatever budget.
    pub(super) ceiling: f64,
    /// Whose curve it is.
    pub(super) policy: &'static str,
}

/// The knee of a policy's rows, which come by rising budget; none if nothing hits, or of fewer than three.
pub(super) fn knee<'a>(rows: impl Iterator<Item = &'a Row>) -> Option<Knee> {
    let rows: Vec<&Row> = rows.collect();
    let last = *rows.last().filter(|_| rows.len() >= 3)?;
    let ceiling = rows.iter().map(|row| row.score()).fold(0.0, f64::max);
    if ceiling == 0.0 {
        return None;
    }
    let above = |row: &Row| row.score() / ceiling - row.max_cost as f64 / last.max_cost as f64;
    let best = rows.iter().max_by(|a, b| above(a).total_cmp(&above(b)))?;
    Some(Knee {
        max_cost: best.max_cost,
        num_counters: best.num_counters,
        score: best.score(),
        ceiling,
        policy: best.policy,
    })
}
