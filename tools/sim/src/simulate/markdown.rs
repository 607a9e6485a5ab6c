//! The comparison of policies as a Markdown page.

use super::compare::{Contest, Regret, regrets};
use super::row::{Row, objective_name};
use crate::output::{grouped, percent};
use crate::policies::{DEFAULT, default_in_full};
use std::fmt::Write;
use tollgate::policy::Objective;

/// The page: what it is, how to make it, who is how far below the best, and every figure.
pub(super) fn page(rows: &[Row], command: &str, counters: &str) -> String {
    let mut page = format!("# Hit ratios\n\nMade by\n\n```sh\n{command}\n```\n\n{INTRODUCTION} {counters}\n");
    let groups: Vec<(&str, Vec<Row>)> = GROUPS
        .iter()
        .map(|group| (group.title, rows.iter().filter(|row| group.takes(row)).cloned().collect::<Vec<_>>()))
        .filter(|(_, rows)| !rows.is_empty())
        .collect();
    page += "\n## Distance from the best\n\nIn percentage points below the best policy of the same trace and budget.\n";
    for (title, rows) in &groups {
        page += &format!("\n### {title}\n\n{}", summary(&Contest::of_rows(rows)));
    }
    page += "\n## Every figure\n";
    for (title, rows) in &groups {
        page += &format!("\n### {title}\n\n{}", figures(&Contest::of_rows(rows)));
    }
    page
}

const INTRODUCTION: &str = "\
Every policy plays every trace alone (the engine, no threads), from empty. Budgets in percent are of the cost of
the trace's distinct keys. Ratios are in percent; the best of a row is bold. *Optimum*: for keys of cost 1, Belady's MIN with bypass, exact; for others the range
between an offline policy (Belady-Size for hits, furthest first for bytes) and PFOO-L, above which nothing is possible. A policy above the
optimum would not be holding its budget.";

/// Rows that may be averaged over.
struct Group {
    title: &'static str,
    unit_cost: bool,
    objective: Objective,
}

impl Group {
    fn takes(&self, row: &Row) -> bool {
        // With unit costs both objectives are one.
        row.unit_cost == self.unit_cost && (self.unit_cost || row.objective == objective_name(self.objective))
    }
}

const GROUPS: [Group; 3] = [
    Group { title: "Keys of cost 1: hits", unit_cost: true, objective: Objective::Hits },
    Group { title: "Keys of any cost: hits", unit_cost: false, objective: Objective::Hits },
    Group {
        title: "Keys of any cost: bytes, with the objective `cost`",
        unit_cost: false,
        objective: Objective::Cost,
    },
];

fn summary(contests: &[Contest<'_>]) -> String {
    let mut text = String::from("| policy | mean | max | where |\n|---|--:|--:|---|\n");
    for Regret { policy, mean, max, worst } in regrets(contests) {
        let worst = if worst.is_empty() { "-".to_owned() } else { worst };
        put(&mut text, format_args!("| {policy} | {} | {} | {worst} |\n", percent(mean), percent(max)));
    }
    text + &leads(contests)
}

/// The default policy against the best of the others, with its sign.
fn leads(contests: &[Contest<'_>]) -> String {
    let mut leads = Vec::new();
    for contest in contests {
        let default = contest.rows.iter().find(|row| row.policy == DEFAULT);
        let others = contest.rows.iter().filter(|row| row.policy != DEFAULT).map(Row::score);
        if let (Some(default), Some(best)) = (default, others.reduce(f64::max)) {
            leads.push(default.score() - best);
        }
    }
    if leads.is_empty() {
        return String::new();
    }
    let above = leads.iter().filter(|&&lead| lead > 0.0).count();
    let mean = leads.iter().sum::<f64>() / leads.len() as f64;
    let name = default_in_full();
    format!(
        "\nPolicy {name} is above every other policy in {above} of {} rows; against the best of the others it has {:+.2} \
         points in the mean.\n",
        leads.len(),
        mean * 100.0
    )
}

fn figures(contests: &[Contest<'_>]) -> String {
    let Some(first) = contests.first() else { return String::new() };
    let policies: Vec<&str> = first.rows.iter().map(|row| row.policy).collect();
    let mut text = format!("| trace | budget | max_cost | optimum | {} |\n", policies.join(" | "));
    put(&mut text, format_args!("|---|--:|--:|--:|{}\n", "--:|".repeat(policies.len())));
    for contest in contests {
        let head = contest.head();
        put(
            &mut text,
            format_args!(
                "| {} | {} | {} | {} |",
                head.trace,
                head.budget,
                grouped(head.max_cost),
                head.optimum("-").unwrap_or_default()
            ),
        );
        for policy in &policies {
            let figure = contest.row(policy).map_or(String::new(), |row| {
                let figure = percent(row.score());
                if row.score() == contest.best() { format!("**{figure}**") } else { figure }
            });
            put(&mut text, format_args!(" {figure} |"));
        }
        text.push('\n');
    }
    text
}

fn put(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("writing to a string does not fail");
}
