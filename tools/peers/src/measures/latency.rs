//! How long single gets and inserts take: percentiles of each, with a clock around every operation.
//!
//! The clock's own time is in every figure; it is measured and stated, not subtracted.

use super::progress;
use crate::peers::Entry;
use crate::report::{Cell, Report};
use crate::stream::{Mix, Place, Pool, Spread};
use crate::subject::{Latencies, Plan, Subject};
use hdrhistogram::Histogram;
use std::sync::Barrier;
use std::time::{Duration, Instant};

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Settings {
    /// How many different keys there are.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) universe: u64,
    /// Capacity in percent of the keys.
    #[arg(long, default_value_t = 10)]
    pub(crate) capacity: u64,
    /// Reads/writes in percent.
    #[arg(long, value_parser = Mix::parse, default_value = "75/25")]
    pub(crate) mix: Mix,
    #[arg(long, default_value_t = 2)]
    pub(crate) threads: usize,
    /// How long one slice lasts.
    #[arg(long, default_value_t = 400)]
    pub(crate) slice_ms: u64,
}

/// The histogram of one kind of operation.
type Kind = fn(&Latencies) -> &Histogram<u64>;

const QUANTILES: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 0.9999];

pub(crate) fn run(settings: &Settings, entries: &[Entry], rounds: usize, operations: u64) -> Vec<Report> {
    let pool = Pool::draw(Spread::Zipf, settings.universe, 1 << 24, 43);
    let plan = Plan::entries(usize::try_from(settings.universe * settings.capacity / 100).expect("64 bits"));
    progress("latency");
    let mut lanes: Vec<_> = entries
        .iter()
        .map(|entry| {
            let subject = (entry.of_units)(&plan);
            let (mut done, mut place) = (0, Place::default());
            let start = Instant::now();
            while done < operations && start.elapsed() < Duration::from_secs(5) {
                let walk = pool.walk(place.next(), 0);
                done += subject.run(walk, Mix::CacheAside, Duration::from_millis(50)).operations;
            }
            subject.settle();
            (entry, subject, Latencies::new())
        })
        .collect();
    let mut place = Place::default();
    for round in 0..=rounds {
        place.next();
        for (_, subject, latencies) in &mut lanes {
            let of_round = slice(&**subject, &pool, settings, place);
            // The first is for warming up.
            if round > 0 {
                latencies.gets.add(&of_round.gets).expect("histograms of one shape");
                latencies.inserts.add(&of_round.inserts).expect("histograms of one shape");
            }
        }
    }
    let clock = clock_overhead();
    let kinds: [(&str, Kind); 2] =
        [("get", |latencies| &latencies.gets), ("insert", |latencies| &latencies.inserts)];
    let report = |(kind, of): (&str, Kind)| {
        let mut report = Report::new(
            format!(
                "Latency of {kind}, µs: {}, threads: {}, {} over {} keys, capacity {} %",
                settings.mix,
                settings.threads,
                Spread::Zipf,
                settings.universe,
                settings.capacity
            ),
            ["cache", "p50", "p90", "p99", "p99.9", "p99.99", "max", "samples"],
        );
        for (entry, _, latencies) in &lanes {
            let histogram = of(latencies);
            let quantile = |q: f64| Cell::figure(histogram.value_at_quantile(q) as f64 / 1e3, 3);
            let mut row = vec![Cell::from(entry.name())];
            row.extend(QUANTILES.map(quantile));
            row.push(Cell::figure(histogram.max() as f64 / 1e3, 1));
            row.push(Cell::figure(histogram.len() as f64, 0));
            report.row(row);
        }
        report.note(format!("The clock takes {clock} ns of each figure (median of empty intervals)."));
        report
            .note("Tails beyond p99.99 are the scheduler's as much as the cache's: compare within one run.");
        report
    };
    kinds.map(report).into()
}

fn slice(subject: &dyn Subject, pool: &Pool, settings: &Settings, place: Place) -> Latencies {
    let barrier = Barrier::new(settings.threads);
    let time = Duration::from_millis(settings.slice_ms);
    std::thread::scope(|scope| {
        let start = |thread: usize| {
            let barrier = &barrier;
            scope.spawn(move || {
                let mut latencies = Latencies::new();
                let walk = pool.walk(place, thread);
                barrier.wait();
                subject.run_timed(walk, settings.mix, time, &mut latencies);
                latencies
            })
        };
        let workers: Vec<_> = (0..settings.threads).map(start).collect();
        let mut sum = Latencies::new();
        for worker in workers {
            let latencies = worker.join().expect("a cache panicked");
            sum.gets.add(&latencies.gets).expect("histograms of one shape");
            sum.inserts.add(&latencies.inserts).expect("histograms of one shape");
        }
        sum
    })
}

/// What two looks at the clock with nothing between them say.
fn clock_overhead() -> u64 {
    let mut empty = Latencies::new().gets;
    for _ in 0..100_000 {
        let before = Instant::now();
        let took = before.elapsed();
        empty.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }
    empty.value_at_quantile(0.5)
}
