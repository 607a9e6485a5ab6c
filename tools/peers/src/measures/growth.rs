//! What one new key costs in a full cache, decided upon and all, as the cache grows.

use super::progress;
use crate::isolated::{Figures, Probe, figures, probe};
use crate::peers::Entry;
use crate::report::{Cell, Report};
use crate::stats::median;
use crate::stream::scatter;
use crate::subject::Plan;
use std::time::{Duration, Instant};

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Settings {
    /// Numbers of residents.
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,100000,1000000,10000000")]
    pub(crate) residents: Vec<u64>,
}

pub(crate) fn run(settings: &Settings, entries: &[Entry]) -> Vec<Report> {
    let sizes = settings.residents.iter().map(u64::to_string);
    let mut report = Report::new(
        "Growth: one new key into a full cache, ns, median",
        ["cache".to_owned(), "awaited".to_owned()].into_iter().chain(sizes),
    );
    for entry in entries.iter().filter(|entry| !entry.is_limit()) {
        let mut row = vec![
            Cell::from(entry.name()),
            Cell::from(if entry.facts.settles { "yes" } else { "decides at once" }),
        ];
        for &size in &settings.residents {
            progress(&format!("growth: {} at {size}", entry.name()));
            let found = probe(Probe::Growth, entry, size).unwrap_or_else(|reason| {
                report.note(reason);
                Figures::new()
            });
            row.push(Cell::figure(found.get("ns").copied(), 0));
        }
        report.row(row);
    }
    report.note("Each key was never seen before; the clock takes some 20 ns of each figure.");
    vec![report]
}

/// One new key into a cache of `size` residents.
pub(crate) fn measure(entry: &Entry, size: u64) -> Figures {
    let subject = (entry.of_units)(&Plan::entries(usize::try_from(size).expect("64 bits")));
    // Twice as many as fit: per-shard budgets are then full too.
    for rank in 0..2 * size {
        subject.access(scatter(rank), 1);
        if rank % 1000 == 0 {
            subject.settle();
        }
    }
    subject.settle();
    let mut took = Vec::new();
    let start = Instant::now();
    for rank in 0..SAMPLES {
        let key = scatter(3 * size + rank);
        let before = Instant::now();
        subject.insert(key, 1);
        subject.settle();
        took.push(before.elapsed().as_nanos() as f64);
        if start.elapsed() > LIMIT {
            break;
        }
    }
    figures([("ns", median(took))])
}

const SAMPLES: u64 = 20_000;
const LIMIT: Duration = Duration::from_secs(2);
