//! The command line of `tollgate simulate`.

use super::{Plan, Row};
use crate::budget::Budget;
use crate::failure::Failure;
use crate::output::{self, RowFormat, grouped, percent};
use crate::source::TraceArgs;
use clap::{Args, ValueEnum};
use std::process::ExitCode;
use tollgate::policy::{Objective, PolicyKind};

/// Arguments of `tollgate simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    #[command(flatten)]
    source: TraceArgs,

    /// Budgets: costs, or percentages of the cost of the trace's distinct keys.
    #[arg(long, value_name = "N|P%", value_delimiter = ',', required = true)]
    max_cost: Vec<Budget>,

    /// Policies by name, or `all`.
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "default", value_parser = parse_policy)]
    policy: Vec<PolicyChoice>,

    /// What to maximise; both, one after the other, with `hits,cost`.
    #[arg(long, value_name = "OBJECTIVE", value_delimiter = ',', default_value = "hits")]
    objective: Vec<ObjectiveName>,

    /// How to print the rows.
    #[arg(long, value_enum, default_value = "table")]
    format: RowFormat,

    /// Counters of the frequency sketch; ten for each entry that fits, if absent.
    #[arg(long, value_name = "N")]
    num_counters: Option<usize>,

    /// Leave out the optimum.
    #[arg(long)]
    no_optimum: bool,
}

/// Runs `tollgate simulate`.
///
/// # Errors
/// A trace's, or of writing.
pub fn run(args: &SimulateArgs) -> Result<ExitCode, Failure> {
    args.source.probe()?;
    let plan = args.plan();
    let mut rows = Vec::new();
    for at in 0..args.source.count() {
        let trace = args.source.load(at)?;
        let label = format!("[{}/{}] {}", at + 1, args.source.count(), trace.name());
        let outcome = plan.run(&trace, label);
        rows.extend(outcome.rows);
    }
    output::print(&rows, args.format, table)?;
    Ok(ExitCode::SUCCESS)
}

impl SimulateArgs {
    fn plan(&self) -> Plan {
        let mut policies: Vec<PolicyKind> = Vec::new();
        for kind in self.policy.iter().flat_map(PolicyChoice::kinds) {
            if policies.iter().all(|known| known.name() != kind.name()) {
                policies.push(kind);
            }
        }
        let mut objectives: Vec<Objective> = self.objective.iter().map(|&name| name.into()).collect();
        objectives.dedup();
        Plan {
            policies,
            budgets: self.max_cost.clone(),
            objectives,
            num_counters: self.num_counters,
            seed: self.source.seed,
            optimum: !self.no_optimum,
            samples: 0,
        }
    }
}

/// One or all policies.
#[derive(Debug, Clone)]
pub enum PolicyChoice {
    /// Every built-in policy.
    All,
    /// This one.
    One(PolicyKind),
}

impl PolicyChoice {
    /// The policies chosen.
    pub fn kinds(&self) -> Vec<PolicyKind> {
        match self {
            Self::All => PolicyKind::ALL.to_vec(),
            Self::One(kind) => vec![kind.clone()],
        }
    }
}

/// Reads a policy's name, for clap.
///
/// # Errors
/// A sentence with the names that there are.
pub fn parse_policy(name: &str) -> Result<PolicyChoice, String> {
    match name {
        "all" => Ok(PolicyChoice::All),
        "default" => Ok(PolicyChoice::One(PolicyKind::from_name(name).unwrap_or_default())),
        _ => PolicyKind::from_name(name).map(PolicyChoice::One).ok_or_else(|| {
            let names: Vec<&str> = PolicyKind::ALL.iter().map(PolicyKind::name).collect();
            format!("the policies are: all, default, {}", names.join(", "))
        }),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ObjectiveName {
    /// The share of requests that hit.
    Hits,
    /// The share of requested cost that hits.
    Cost,
}

impl From<ObjectiveName> for Objective {
    fn from(name: ObjectiveName) -> Self {
        match name {
            ObjectiveName::Hits => Self::Hits,
            ObjectiveName::Cost => Self::Cost,
        }
    }
}

fn table(rows: &[Row]) -> String {
    let header = [
        "trace",
        "objective",
        "budget",
        "policy",
        "max cost",
        "requests",
        "hits %",
        "bytes %",
        "optimum %",
        "seconds",
    ];
    let mut table = output::new_table(&header, 4);
    for row in rows {
        table.add_row([
            row.trace.clone(),
            row.objective.to_owned(),
            row.budget.clone(),
            row.policy.to_owned(),
            grouped(row.max_cost),
            grouped(row.requests as u64),
            percent(row.hit_ratio),
            percent(row.byte_hit_ratio),
            optimum_text(row),
            format!("{:.2}", row.seconds),
        ]);
    }
    table.to_string()
}

/// The optimum of a row: one figure if it is exact, else its bounds.
fn optimum_text(row: &Row) -> String {
    match (row.optimum_lower, row.optimum_upper) {
        (Some(lower), Some(upper)) if lower == upper => percent(upper),
        (Some(lower), Some(upper)) => format!("{} to {}", percent(lower), percent(upper)),
        _ => "-".to_owned(),
    }
}
