//! Hit ratios of the real caches on recorded accesses: one thread, cache-aside, nothing awaited.

use super::progress;
use crate::peers::{Entry, Role};
use crate::report::{Cell, Report};
use crate::subject::Plan;
use crate::trace::{Trace, list};
use std::path::PathBuf;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Settings {
    /// The directory of `*.trc.zst`.
    #[arg(long, env = "TOLLGATE_TRACES", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/traces"))]
    pub(crate) traces: PathBuf,
    /// Only traces whose name has one of these in it.
    #[arg(long, value_delimiter = ',')]
    pub(crate) trace: Vec<String>,
    /// Capacities in percent of the distinct keys, or of their bytes where the trace has sizes.
    #[arg(long, value_delimiter = ',', default_value = "1,5,20")]
    pub(crate) percent: Vec<f64>,
    /// Capacities in entries or bytes, instead.
    #[arg(long, value_delimiter = ',')]
    pub(crate) capacity: Vec<u64>,
    /// Leave out traces with more accesses.
    #[arg(long, default_value_t = usize::MAX)]
    pub(crate) longest: usize,
}

pub(crate) fn run(settings: &Settings, entries: &[Entry]) -> Vec<Report> {
    let entries: Vec<&Entry> = entries.iter().filter(|entry| entry.facts.role != Role::Limit).collect();
    let columns = || {
        let named = ["trace".to_owned(), "capacity".to_owned()];
        named.into_iter().chain(entries.iter().map(|entry| entry.name().to_owned()))
    };
    let mut of_units = Report::new("Hit ratio, %: entries of one size", columns());
    let mut of_bytes = Report::new("Hit ratio, %: entries of their own sizes, budget in bytes", columns());
    let paths = list(&settings.traces).unwrap_or_else(|error| {
        of_units.note(format!("No traces: {error}."));
        Vec::new()
    });
    for path in paths {
        let name = path.to_string_lossy().into_owned();
        if !settings.trace.is_empty() && !settings.trace.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        match Trace::read(&path) {
            Ok(trace) if trace.accesses.len() <= settings.longest => {
                progress(&format!("hit ratio: {}", trace.name));
                replay_all(
                    settings,
                    &entries,
                    &trace,
                    if trace.is_sized() { &mut of_bytes } else { &mut of_units },
                );
            }
            Ok(_) => {}
            Err(error) => of_units.note(format!("{name}: {error}.")),
        }
    }
    let mut reports = vec![of_units, of_bytes];
    reports.retain(|report| !report.rows.is_empty() || !report.notes.is_empty());
    reports.iter_mut().for_each(add_means);
    reports
}

fn replay_all(settings: &Settings, entries: &[&Entry], trace: &Trace, report: &mut Report) {
    let whole = if trace.is_sized() { trace.footprint } else { trace.keys as u64 };
    let capacities: Vec<u64> = if settings.capacity.is_empty() {
        settings.percent.iter().map(|percent| (whole as f64 * percent / 100.0) as u64).collect()
    } else {
        settings.capacity.clone()
    };
    for capacity in capacities.into_iter().map(|capacity| capacity.max(1)) {
        let entries_that_fit = trace.keys as f64 * capacity as f64 / whole as f64;
        let plan = Plan { capacity, entries: (entries_that_fit as usize).max(1), max_weight: trace.largest };
        let mut row = vec![Cell::from(trace.name.as_str()), Cell::figure(capacity as f64, 0)];
        row.extend(entries.iter().map(|entry| Cell::figure(replay(entry, trace, &plan), 2)));
        report.row(row);
    }
}

/// The hit ratio in percent; `None` if the cache cannot weigh.
fn replay(entry: &Entry, trace: &Trace, plan: &Plan) -> Option<f64> {
    let build = if trace.is_sized() { entry.of_weights? } else { entry.of_units };
    let subject = build(plan);
    let hits = trace.accesses.iter().filter(|&&(key, size)| subject.access(key, size)).count();
    Some(100.0 * hits as f64 / trace.accesses.len() as f64)
}

/// A last row with each cache's mean, and how often it came first.
fn add_means(report: &mut Report) {
    let figure = |cell: &Cell| if let Cell::Figure(figure, _) = cell { Some(*figure) } else { None };
    let best = |row: &Vec<Cell>| row[2..].iter().filter_map(figure).fold(0.0, f64::max);
    let columns = 2..report.columns.len();
    let mean = |column: usize| {
        let figures: Vec<f64> = report.rows.iter().filter_map(|row| figure(&row[column])).collect();
        (!figures.is_empty()).then(|| figures.iter().sum::<f64>() / figures.len() as f64)
    };
    let firsts = |column: usize| {
        let first = |row: &&Vec<Cell>| figure(&row[column]).is_some_and(|own| own >= best(row) - 0.005);
        report.rows.iter().filter(first).count() as f64
    };
    let means: Vec<Cell> = columns.clone().map(|column| Cell::figure(mean(column), 2)).collect();
    let firsts: Vec<Cell> = columns.map(|column| Cell::figure(firsts(column), 0)).collect();
    let rows = report.rows.len();
    report.row([vec![Cell::from("mean"), Cell::Absent], means].concat());
    report.row([vec![Cell::from(format!("first, of {rows}")), Cell::Absent], firsts].concat());
    report.note("scc rounds its capacity up to a power of two; TinyUFO's weights are rounded to 16 bits.");
}
