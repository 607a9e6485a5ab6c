//! The command line of `tollgate replay`.

use super::Cached;
use super::play::play;
use super::row::Row;
use crate::budget::{self, Budget};
use crate::failure::Failure;
use crate::output::{self, RowFormat, grouped, percent};
use crate::policies::PolicyChoice;
use crate::progress::Progress;
use crate::simulate::ObjectiveName;
use crate::source::TraceArgs;
use crate::trace::Trace;
use clap::Args;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use tollgate::policy::{Objective, PolicyKind};

/// Arguments of `tollgate replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    #[command(flatten)]
    source: TraceArgs,

    /// Budgets: costs, or percentages of the cost of the trace's distinct keys.
    #[arg(long, value_name = "N|P%", value_delimiter = ',', default_value = "1%,5%,20%")]
    max_cost: Vec<Budget>,

    /// Threads that play the trace, besides the cache's own and the observer.
    #[arg(long, value_name = "T", default_value = "1")]
    threads: NonZeroUsize,

    /// Policies by name, or `all`.
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "default", value_parser = PolicyChoice::parse)]
    policy: Vec<PolicyChoice>,

    /// What to maximise.
    #[arg(long, value_enum, default_value = "hits")]
    objective: ObjectiveName,

    /// How far undecided cost may pass the budget; the cache's default if absent.
    #[arg(long, value_name = "N", conflicts_with = "strict")]
    slack: Option<u64>,

    /// No slack: every insert is decided before it returns.
    #[arg(long)]
    strict: bool,

    /// Counters of the frequency sketch; ten for each entry that fits, if absent.
    #[arg(long, value_name = "N")]
    num_counters: Option<NonZeroUsize>,

    /// How to print the rows.
    #[arg(long, value_enum, default_value = "table")]
    format: RowFormat,
}

/// How one cache is built and played.
#[derive(Debug)]
pub(super) struct Setting<'a> {
    pub(super) policy: &'a PolicyKind,
    pub(super) objective: Objective,
    pub(super) budget: Budget,
    pub(super) max_cost: u64,
    pub(super) slack: Option<u64>,
    pub(super) num_counters: usize,
    pub(super) threads: usize,
    pub(super) seed: u64,
}

/// Runs `tollgate replay`. The exit code is 1 if the cache broke a promise.
///
/// # Errors
/// A trace's, of building the cache, or of writing.
pub fn run(args: &ReplayArgs) -> Result<ExitCode, Failure> {
    args.source.probe()?;
    let (policies, budgets) = (PolicyChoice::unique(&args.policy), budget::unique(&args.max_cost));
    let mut rows = Vec::new();
    for at in 0..args.source.count() {
        let trace = args.source.load(at)?;
        let label = format!("[{}/{}] {}", at + 1, args.source.count(), trace.name());
        let runs = policies.len() * budgets.len();
        let progress = Progress::new(label, (runs * trace.len()) as u64);
        for &budget in &budgets {
            for policy in &policies {
                rows.push(args.setting(&trace, policy, budget).run(&trace, &progress)?);
            }
        }
        progress.finish();
    }
    let verdict = verdict(&rows);
    match output::print(&rows, args.format, table) {
        // Whoever has read enough still gets the verdict.
        Err(failure) if !failure.is_broken_pipe() => Err(failure),
        _ => Ok(verdict),
    }
}

impl ReplayArgs {
    fn setting<'a>(&self, trace: &Trace, policy: &'a PolicyKind, budget: Budget) -> Setting<'a> {
        let max_cost = budget.resolve(trace.distinct_cost());
        let num_counters = self.num_counters.map_or(10 * trace.expected_entries(max_cost), NonZeroUsize::get);
        Setting {
            policy,
            objective: self.objective.into(),
            budget,
            max_cost,
            slack: if self.strict { Some(0) } else { self.slack },
            num_counters,
            threads: self.threads.get(),
            seed: self.source.seed,
        }
    }
}

impl Setting<'_> {
    pub(super) fn run(&self, trace: &Trace, progress: &Progress) -> Result<Row, Failure> {
        let cache = self.build()?;
        let played = play(&cache, trace, self.threads, progress).map_err(Failure::Thread)?;
        Ok(Row::new(trace, self, &cache, &played))
    }

    fn build(&self) -> Result<Cached, Failure> {
        let builder = Cached::builder(self.num_counters, self.max_cost)
            .policy(self.policy.clone())
            .objective(self.objective)
            .seed(self.seed);
        let builder = match self.slack {
            Some(slack) => builder.slack(slack),
            None => builder,
        };
        builder.build().map_err(Failure::Build)
    }
}

/// Says which promises were broken, if any.
fn verdict(rows: &[Row]) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for row in rows {
        for broken in row.broken() {
            eprintln!(
                "broken promise: {}, policy {}, max_cost {}: {broken}",
                row.trace, row.policy, row.max_cost
            );
            code = ExitCode::FAILURE;
        }
    }
    code
}

fn table(rows: &[Row]) -> String {
    let header = [
        "trace",
        "budget",
        "policy",
        "max cost",
        "slack",
        "requests",
        "hits %",
        "bytes %",
        "peak cost",
        "observed peak",
        "resident",
        "reads lost %",
        "threads",
        "seconds",
        "requests/s",
    ];
    let mut table = output::new_table(&header, 3);
    for row in rows {
        table.add_row([
            row.trace.clone(),
            row.budget.clone(),
            row.policy.to_owned(),
            grouped(row.max_cost),
            grouped(row.slack),
            grouped(row.requests as u64),
            percent(row.hit_ratio),
            percent(row.byte_hit_ratio),
            grouped(row.peak_cost),
            grouped(row.observed_peak_cost),
            grouped(row.resident_cost),
            percent(row.reads_lost as f64 / row.requests as f64),
            row.threads.to_string(),
            format!("{:.2}", row.seconds),
            grouped(row.requests_per_second as u64),
        ]);
    }
    table.to_string()
}
