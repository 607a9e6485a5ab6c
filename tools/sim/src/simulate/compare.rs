//! Policies side by side: who is how far below the best.

use super::row::Row;

/// The rows of one trace, objective and budget.
#[derive(Debug, Clone)]
pub struct Contest<'a> {
    /// In the order of the policies; at least one.
    pub rows: &'a [Row],
}

impl<'a> Contest<'a> {
    /// Groups rows, which come in order.
    pub fn of_rows(rows: &'a [Row]) -> Vec<Self> {
        rows.chunk_by(|a, b| {
            (&a.trace, a.objective, a.max_cost, &a.budget) == (&b.trace, b.objective, b.max_cost, &b.budget)
        })
        .map(|rows| Self { rows })
        .collect()
    }

    /// What all rows share: the trace, the objective, the budget, the optimum.
    pub fn head(&self) -> &'a Row {
        &self.rows[0]
    }

    /// The best score.
    pub fn best(&self) -> f64 {
        self.rows.iter().map(Row::score).fold(0.0, f64::max)
    }

    /// The row of a policy.
    pub fn row(&self, policy: &str) -> Option<&'a Row> {
        self.rows.iter().find(|row| row.policy == policy)
    }
}

/// How far a policy stays below the best of each contest, as ratios.
#[derive(Debug, Clone, PartialEq)]
pub struct Regret {
    /// The policy.
    pub policy: &'static str,
    /// Over all contests.
    pub mean: f64,
    /// In the worst contest.
    pub max: f64,
    /// Which that was: trace and budget.
    pub worst: String,
}

/// The regret of every policy of the contests, least first.
pub fn regrets(contests: &[Contest<'_>]) -> Vec<Regret> {
    let mut regrets: Vec<Regret> = Vec::new();
    for row in contests.first().map_or(&[][..], |contest| contest.rows) {
        let mut regret = Regret { policy: row.policy, mean: 0.0, max: 0.0, worst: String::new() };
        let mut count = 0.0;
        for contest in contests {
            let Some(row) = contest.row(row.policy) else { continue };
            let below = contest.best() - row.score();
            regret.mean += below;
            count += 1.0;
            if below > regret.max {
                regret.max = below;
                regret.worst = format!("{} at {}", row.trace, row.budget);
            }
        }
        regret.mean /= count;
        regrets.push(regret);
    }
    regrets.sort_by(|a, b| a.mean.total_cmp(&b.mean));
    regrets
}
