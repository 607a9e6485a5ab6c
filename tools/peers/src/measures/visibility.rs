//! What a caller sees: inserts that a get right after does not find, and entries alive beyond the capacity.

use super::progress;
use crate::isolated::{Figures, Probe, figures, probe};
use crate::peers::Entry;
use crate::report::{Cell, Report};
use crate::stream::scatter;
use crate::subject::{Plan, Subject};
use crate::value::LIVE;
use std::time::{Duration, Instant};

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Settings {
    /// Capacity in entries.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) entries: u64,
}

pub(crate) fn run(settings: &Settings, entries: &[Entry]) -> Vec<Report> {
    let mut report = Report::new(
        format!(
            "Visibility: new keys by 2 threads at full speed, each got right after, capacity {}",
            settings.entries
        ),
        ["cache", "inserts unseen, %", "most alive / capacity", "after settling / capacity"],
    );
    for entry in entries.iter().filter(|entry| !entry.is_limit()) {
        progress(&format!("visibility: {}", entry.name()));
        let found = probe(Probe::Visibility, entry, settings.entries).unwrap_or_else(|reason| {
            report.note(reason);
            Figures::new()
        });
        let figure = |name: &str, decimals| Cell::figure(found.get(name).copied(), decimals);
        report.row([entry.name().into(), figure("unseen", 3), figure("peak", 3), figure("settled", 3)]);
    }
    report.note("Alive: values counted from their creation to their destruction, wherever they are.");
    vec![report]
}

/// Inserts unseen, and entries beyond a capacity of `size`.
pub(crate) fn measure(entry: &Entry, size: u64) -> Figures {
    let Some(build) = entry.of_blocks else { return Figures::new() };
    let plan = Plan::entries(usize::try_from(size).expect("64 bits"));
    let unseen = unseen(&*build(&plan));
    // Time for deferred frees of the first cache.
    std::thread::sleep(Duration::from_millis(300));
    let left = LIVE.count();
    let subject = build(&plan);
    LIVE.restart();
    flood(|key| subject.insert(key, 1));
    let peak = LIVE.peak_count() - left;
    for _ in 0..4 {
        subject.settle();
        std::thread::sleep(Duration::from_millis(50));
    }
    let settled = LIVE.count() - left;
    figures([
        ("unseen", Some(unseen)),
        ("peak", Some(peak as f64 / size as f64)),
        ("settled", Some(settled as f64 / size as f64)),
    ])
}

/// The share of inserts, in percent, that the same thread does not see.
fn unseen(subject: &dyn Subject) -> f64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    let (asked, absent) = (AtomicU64::new(0), AtomicU64::new(0));
    flood(|key| {
        subject.insert(key, 1);
        let seen = subject.has(key);
        // Relaxed: counters, read after the threads have ended.
        asked.fetch_add(1, Ordering::Relaxed);
        absent.fetch_add(u64::from(!seen), Ordering::Relaxed);
    });
    100.0 * absent.into_inner() as f64 / asked.into_inner() as f64
}

/// Two threads with keys that were never seen before.
fn flood(work: impl Fn(u64) + Sync) {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..2u64 {
            let work = &work;
            scope.spawn(move || {
                let mut rank = thread;
                while start.elapsed() < FLOOD {
                    for _ in 0..64 {
                        work(scatter(rank));
                        rank += 2;
                    }
                }
            });
        }
    });
}

const FLOOD: Duration = Duration::from_secs(2);
