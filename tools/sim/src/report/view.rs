//! What a report shows of one trace and one objective.

use super::knee::{Knee, knee};
use crate::simulate::{Contest, History, Regret, Row, is_default, objective_name, regrets};
use tollgate::policy::{Objective, PolicyKind};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) trace: &'a str,
    pub(super) objective: &'static str,
    pub(super) requests: usize,
    pub(super) distinct_keys: usize,
    pub(super) distinct_cost: u64,
    /// By rising budget, each budget once.
    pub(super) contests: Vec<Contest<'a>>,
    /// The policies, least regret first.
    pub(super) regrets: Vec<Regret>,
    pub(super) knee: Option<Knee>,
    /// The default policy over time at the knee, or at the largest budget.
    pub(super) history: Option<&'a History>,
}

impl<'a> View<'a> {
    pub(super) fn new(source: &'a super::Source, rows: &'a [Row]) -> Self {
        let mut contests = Contest::of_rows(rows);
        contests.sort_by_key(|contest| contest.head().max_cost);
        contests.dedup_by_key(|contest| contest.head().max_cost);
        let objective = rows[0].objective;
        let regrets = regrets(&contests);
        let default = PolicyKind::ALL.iter().find(|kind| is_default(kind)).map_or("", PolicyKind::name);
        let leader =
            if regrets.iter().any(|regret| regret.policy == default) { default } else { regrets[0].policy };
        let knee = knee(contests.iter().filter_map(|contest| contest.row(leader)));
        let histories =
            source.histories.iter().filter(|history| objective_name(history.objective) == objective);
        let wanted = knee.as_ref().map(|knee| knee.max_cost);
        let history = histories
            .clone()
            .find(|history| Some(history.max_cost) == wanted)
            .or_else(|| histories.max_by_key(|history| history.max_cost));
        Self {
            trace: &source.trace,
            objective,
            requests: rows[0].requests,
            distinct_keys: source.distinct_keys,
            distinct_cost: source.distinct_cost,
            contests,
            regrets,
            knee,
            history,
        }
    }

    /// What is compared.
    pub(super) fn score_name(&self) -> &'static str {
        if self.objective == objective_name(Objective::Cost) { "byte hit ratio" } else { "hit ratio" }
    }

    /// The smallest and the largest budget, never the same.
    pub(super) fn span(&self) -> (f64, f64) {
        let budget =
            |contest: Option<&Contest<'_>>| contest.map_or(1.0, |contest| contest.head().max_cost as f64);
        let (from, to) = (budget(self.contests.first()), budget(self.contests.last()));
        if from < to { (from, to) } else { (from / 2.0, from * 2.0) }
    }

    /// Whether the two bounds are one everywhere.
    pub(super) fn optimum_is_exact(&self) -> bool {
        self.contests.iter().all(|contest| contest.head().optimum_lower == contest.head().optimum_upper)
    }
}
