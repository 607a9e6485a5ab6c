//! The command line of `tollgate simulate`.

use super::{Plan, Row, markdown};
use crate::budget::{self, Budget};
use crate::command_line::command_line;
use crate::failure::Failure;
use crate::output::{self, RowFormat, grouped, percent};
use crate::policies::PolicyChoice;
use crate::report::{self, Source, Target};
use crate::source::TraceArgs;
use clap::{Args, ValueEnum};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use tollgate::policy::Objective;

/// Arguments of `tollgate simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    #[command(flatten)]
    source: TraceArgs,

    /// Budgets: costs, or percentages of the cost of the trace's distinct keys.
    #[arg(long, value_name = "N|P%", value_delimiter = ',', default_value = "1%,5%,20%")]
    max_cost: Vec<Budget>,

    /// Policies by name, or `all`.
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "default", value_parser = PolicyChoice::parse)]
    policy: Vec<PolicyChoice>,

    /// What to maximise; both, one after the other, with `hits,cost`.
    #[arg(long, value_name = "OBJECTIVE", value_delimiter = ',', default_value = "hits")]
    objective: Vec<ObjectiveName>,

    /// How to print the rows.
    #[arg(long, value_enum, default_value = "table")]
    format: RowFormat,

    /// Also write a report: .html (all of it), .svg or .png (the charts). With fewer than eight budgets, a grid
    /// of budgets from 0.1% to 100% is played besides, for the curves; its rows are not printed.
    #[arg(long, value_name = "FILE", value_parser = Target::parse)]
    report: Option<Target>,

    /// Also write the comparison of policies as a Markdown page.
    #[arg(long, value_name = "FILE", value_parser = parse_markdown)]
    markdown: Option<PathBuf>,

    /// Counters of the frequency sketch; ten for each entry that fits, if absent.
    #[arg(long, value_name = "N")]
    num_counters: Option<NonZeroUsize>,

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
    let mut sources = Vec::new();
    for at in 0..args.source.count() {
        let trace = args.source.load(at)?;
        let label = format!("[{}/{}] {}", at + 1, args.source.count(), trace.name());
        let outcome = plan.run(&trace, label);
        rows.extend(outcome.rows.iter().filter(|row| args.asked_for(row)).cloned());
        if args.report.is_some() {
            sources.push(Source {
                trace: trace.name().to_owned(),
                distinct_keys: trace.distinct(),
                distinct_cost: trace.distinct_cost(),
                rows: outcome.rows,
                histories: outcome.histories,
            });
        }
    }
    if let Some(target) = &args.report {
        report::write(target, &sources, &command_line(), &args.notes())?;
    }
    if let Some(path) = &args.markdown {
        std::fs::write(path, markdown::page(&rows, &command_line(), &args.counters()))
            .map_err(|source| Failure::Write { path: path.clone(), source })?;
    }
    output::print(&rows, args.format, table)?;
    Ok(ExitCode::SUCCESS)
}

impl SimulateArgs {
    fn plan(&self) -> Plan {
        let mut objectives: Vec<Objective> = Vec::new();
        for objective in self.objective.iter().map(|&name| Objective::from(name)) {
            if !objectives.contains(&objective) {
                objectives.push(objective);
            }
        }
        let mut budgets = budget::unique(&self.max_cost);
        if self.needs_grid() {
            budgets.extend(
                GRID_PERCENT.map(Budget::Percent).iter().filter(|budget| !self.max_cost.contains(budget)),
            );
        }
        Plan {
            policies: PolicyChoice::unique(&self.policy),
            budgets,
            objectives,
            num_counters: self.num_counters.map(NonZeroUsize::get),
            seed: self.source.seed,
            optimum: !self.no_optimum,
            samples: if self.report.is_some() { SAMPLES } else { 0 },
        }
    }

    /// Whether budgets must be added to make curves of the report.
    fn needs_grid(&self) -> bool {
        self.report.is_some() && budget::unique(&self.max_cost).len() < ENOUGH_BUDGETS
    }

    /// Whether the row's budget was on the command line, or else on the grid only.
    fn asked_for(&self, row: &Row) -> bool {
        self.max_cost.iter().any(|budget| budget.to_string() == row.budget)
    }

    /// How large the frequency sketches were.
    fn counters(&self) -> String {
        match self.num_counters {
            Some(counters) => format!("The frequency sketches have {counters} counters, as was asked for."),
            None => "The frequency sketches have ten counters for each entry that fits.".to_owned(),
        }
    }

    /// What the reader of the report must know of how it came about.
    fn notes(&self) -> Vec<String> {
        let mut notes = vec![
            "Every policy plays the trace alone, from empty. Ratios are in percent of all requests, cold misses included."
                .to_owned(),
        ];
        notes.push(self.counters());
        if self.needs_grid() {
            let asked: Vec<String> = self.max_cost.iter().map(Budget::to_string).collect();
            notes.push(format!(
                "The budgets asked for were {}; a grid from 0.1% to 100% of the cost of the distinct keys was added for the \
                 curves.",
                asked.join(", ")
            ));
        }
        notes
    }
}

/// Budgets added for the curves of a report, in percent of the distinct cost.
const GRID_PERCENT: [f64; 13] = [0.1, 0.2, 0.5, 1.0, 2.0, 3.5, 5.0, 10.0, 20.0, 35.0, 50.0, 75.0, 100.0];
const ENOUGH_BUDGETS: usize = 8;

/// Samples of the default policy's parameters in a run, for the report.
const SAMPLES: usize = 100;

/// Reads the name of a file to write, for clap.
fn parse_markdown(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    report::check_folder(&path).map(|()| path)
}

/// An objective, as it is named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ObjectiveName {
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
            row.optimum(" to ").unwrap_or_default(),
            format!("{:.2}", row.seconds),
        ]);
    }
    table.to_string()
}
