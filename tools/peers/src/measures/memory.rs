//! Memory: bytes for an entry, an empty cache, and the peak of values against a budget. Each figure from a process of its own.

use super::progress;
use crate::isolated::{Figures, Probe, figures, probe};
use crate::peers::{Entry, Role};
use crate::report::{Cell, Report};
use crate::stream::scatter;
use crate::subject::{Plan, Subject};
use crate::value::LIVE;
use crate::{alloc, machine};
use std::time::{Duration, Instant};

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Settings {
    /// Numbers of entries to fill in.
    #[arg(long, value_delimiter = ',', default_value = "100000,1000000")]
    pub(crate) entries: Vec<u64>,
    /// Capacities of the empty caches.
    #[arg(long, value_delimiter = ',', default_value = "1000,1000000")]
    pub(crate) empty: Vec<u64>,
    /// The budget for values, in bytes.
    #[arg(long, default_value_t = 64 << 20)]
    pub(crate) budget: u64,
}

pub(crate) fn run(settings: &Settings, entries: &[Entry]) -> Vec<Report> {
    vec![
        entries_report(&settings.entries, entries),
        empty_report(&settings.empty, entries),
        budget_report(settings.budget, entries),
    ]
}

fn entries_report(sizes: &[u64], entries: &[Entry]) -> Report {
    let columns = sizes.iter().flat_map(|size| {
        ["settled", "peak", "after turnover", "residents"].map(|what| format!("{size}: {what}"))
    });
    let mut report = Report::new(
        "Memory: bytes an entry beyond the 16 of key and value, capacity as many as entries",
        std::iter::once("cache".to_owned()).chain(columns),
    );
    for entry in entries {
        progress(&format!("memory of entries: {}", entry.name()));
        let mut row = vec![Cell::from(entry.name())];
        for &size in sizes {
            let found = probed(&mut report, Probe::Entries, entry, size);
            row.extend(["settled", "peak", "turnover"].map(|name| Cell::figure(found.get(name).copied(), 1)));
            row.push(Cell::figure(found.get("residents").copied(), 0));
        }
        report.row(row);
    }
    report.note("Everything on the heap counts as asked for: tables with their spare room, sketches, ghosts, queues. Peak: while filling (a growing table holds the old one too). Turnover: after twice as many other keys went by, cache-aside; then ghosts and histories are full.");
    report.note("Maps hold all keys after the turnover: no figure.");
    report
}

fn empty_report(sizes: &[u64], entries: &[Entry]) -> Report {
    let columns =
        sizes.iter().flat_map(|size| ["allocated KiB", "touched KiB"].map(|what| format!("{size}: {what}")));
    let mut report = Report::new(
        "Memory: an empty cache",
        std::iter::once("cache".to_owned()).chain(columns).chain(["threads started".into()]),
    );
    for entry in entries {
        progress(&format!("memory of an empty cache: {}", entry.name()));
        let mut row = vec![Cell::from(entry.name())];
        let mut threads = None;
        for &size in sizes {
            let found = probed(&mut report, Probe::Empty, entry, size);
            row.push(Cell::figure(found.get("allocated").map(|bytes| bytes / 1024.0), 1));
            row.push(Cell::figure(found.get("touched").map(|bytes| bytes / 1024.0), 0));
            threads = found.get("threads").copied().or(threads);
        }
        row.push(Cell::figure(threads, 0));
        report.row(row);
    }
    report.note("Touched: growth of the resident set, in pages; it includes the allocator's and a thread's first pages (about 10 to 100 KiB).");
    report
}

fn budget_report(budget: u64, entries: &[Entry]) -> Report {
    let mut report = Report::new(
        format!("Memory: values against a budget of {} MiB, 2 threads inserting at full speed", budget >> 20),
        ["cache", "peak / budget", "after settling / budget", "inserts, M/s"],
    );
    for entry in entries.iter().filter(|entry| !entry.is_limit()) {
        progress(&format!("budget: {}", entry.name()));
        let mut row = vec![Cell::from(entry.name())];
        if entry.of_weights.is_some() {
            let found = probed(&mut report, Probe::Budget, entry, budget);
            row.extend([
                Cell::figure(found.get("peak").copied(), 3),
                Cell::figure(found.get("settled").copied(), 3),
                Cell::figure(found.get("mops").copied(), 2),
            ]);
        } else {
            row.extend([Cell::Absent, Cell::Absent, Cell::Absent]);
            report.note(format!("{}: knows no weights.", entry.name()));
        }
        report.row(row);
    }
    report.note("Sizes from 256 B to 64 KiB, each octave as likely; bytes of values alive anywhere, the inserting threads' own included (0.2 %).");
    report
}

fn probed(report: &mut Report, what: Probe, entry: &Entry, size: u64) -> Figures {
    probe(what, entry, size).unwrap_or_else(|reason| {
        report.note(reason);
        Figures::new()
    })
}

/// Bytes for each of `size` entries.
pub(crate) fn entries(entry: &Entry, size: u64) -> Figures {
    let plan = Plan::entries(usize::try_from(size).expect("64 bits"));
    let before = alloc::bytes();
    alloc::restart_peak();
    let subject = (entry.of_units)(&plan);
    (0..size).for_each(|rank| subject.insert(scatter(rank), 1));
    rest(&*subject);
    let (settled, peak) = (alloc::bytes() - before, alloc::peak() - before);
    let residents = residents(&*subject, 0..size);
    let turnover = (entry.facts.role != Role::Limit).then(|| {
        for rank in size..3 * size {
            subject.access(scatter(rank), 1);
        }
        rest(&*subject);
        let bytes = alloc::bytes() - before;
        each(bytes, self::residents(&*subject, 0..3 * size))
    });
    figures([
        ("settled", Some(each(settled, residents))),
        ("peak", Some(each(peak, residents))),
        ("turnover", turnover),
        ("residents", Some(residents as f64)),
    ])
}

fn each(bytes: i64, residents: usize) -> f64 {
    bytes as f64 / residents.max(1) as f64 - 16.0
}

fn residents(subject: &dyn Subject, ranks: std::ops::Range<u64>) -> usize {
    subject.len().unwrap_or_else(|| ranks.filter(|&rank| subject.has(scatter(rank))).count())
}

/// Lets background threads finish, and deferred frees happen.
fn rest(subject: &dyn Subject) {
    for _ in 0..4 {
        subject.settle();
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// An empty cache of capacity `size`.
pub(crate) fn empty(entry: &Entry, size: u64) -> Figures {
    let plan = Plan::entries(usize::try_from(size).expect("64 bits"));
    let bytes = alloc::bytes();
    let (touched, threads) = (machine::resident_bytes(), machine::threads());
    let subject = (entry.of_units)(&plan);
    std::thread::sleep(Duration::from_millis(100));
    let grown = |before: Option<i64>, after: Option<i64>| Some((after? - before?) as f64);
    let found = figures([
        ("allocated", Some((alloc::bytes() - bytes) as f64)),
        ("touched", grown(touched, machine::resident_bytes())),
        ("threads", threads.zip(machine::threads()).map(|(before, after)| (after - before) as f64)),
    ]);
    drop(subject);
    found
}

/// The peak of values alive against `budget` bytes.
pub(crate) fn budget(entry: &Entry, budget: u64) -> Figures {
    let Some(build) = entry.of_blocks else { return Figures::new() };
    let plan = Plan { capacity: budget, entries: (budget / MEAN_SIZE) as usize, max_weight: MAX_SIZE };
    let subject = &*build(&plan);
    LIVE.restart();
    let start = Instant::now();
    let insert = |thread: usize| {
        let mut inserted = 0;
        while start.elapsed() < BUDGET_TIME {
            for _ in 0..64 {
                let draw = scatter(inserted * THREADS as u64 + thread as u64);
                subject.insert(draw % KEYS, size(draw));
                inserted += 1;
            }
        }
        inserted
    };
    let inserted: u64 = std::thread::scope(|scope| {
        let insert = &insert;
        let workers: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || insert(thread))).collect();
        workers.into_iter().map(|worker| worker.join().expect("a cache panicked")).sum()
    });
    let elapsed = start.elapsed();
    let peak = LIVE.peak_bytes();
    rest(subject);
    figures([
        ("peak", Some(peak as f64 / budget as f64)),
        ("settled", Some(LIVE.bytes() as f64 / budget as f64)),
        ("mops", Some(inserted as f64 / elapsed.as_secs_f64() / 1e6)),
    ])
}

const THREADS: usize = 2;
const BUDGET_TIME: Duration = Duration::from_secs(3);
const KEYS: u64 = 1_000_000;
const MAX_SIZE: u32 = 65_535;
/// Of 256 B to 64 KiB, each octave as likely.
const MEAN_SIZE: u64 = 11_772;

/// A size from 256 B to 64 KiB, each octave as likely. A key always has the same, as its draw decides both.
fn size(draw: u64) -> u32 {
    let share = scatter(draw % KEYS) as f64 / (1u64 << 56) as f64;
    (256.0 * 256f64.powf(share)) as u32
}
