//! Operations a second: every mix, capacity and number of threads, in interleaved rounds.
//!
//! All caches live side by side. A round gives each of them one slice of time, in turn, so that what else goes on in
//! the machine falls on all alike; ratios are taken within a round, and their median is reported. Before the first
//! round of a setting each cache runs one slice that is not measured.

use super::{in_parallel, progress};
use crate::machine;
use crate::peers::{Entry, Role};
use crate::report::{Cell, Report};
use crate::stats::{Spread, median};
use crate::stream::{Mix, Place, Pool, Spread as Keys, scatter};
use crate::subject::{Plan, Subject};
use std::time::{Duration, Instant};

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Settings {
    /// How the keys are spread.
    #[arg(long, value_delimiter = ',', default_value = "zipf,uniform")]
    pub(crate) keys: Vec<Keys>,
    /// How many different keys there are.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) universe: u64,
    /// Capacities in percent of the keys; 100 fits all.
    #[arg(long, value_delimiter = ',', default_value = "10,100")]
    pub(crate) capacity: Vec<u64>,
    /// Reads/writes in percent, or cache-aside.
    #[arg(long, value_delimiter = ',', value_parser = Mix::parse, default_value = "100/0,95/5,75/25,50/50,0/100,cache-aside")]
    pub(crate) mix: Vec<Mix>,
    /// Numbers of threads.
    #[arg(long, value_delimiter = ',', default_value = "1,2,4,8")]
    pub(crate) threads: Vec<usize>,
    /// How long one slice lasts.
    #[arg(long, default_value_t = 200)]
    pub(crate) slice_ms: u64,
}

/// One slice of one cache.
#[derive(Debug, Clone, Copy)]
struct Slice {
    mops: f64,
    /// Processor time of all threads, the cache's own included, an operation.
    cpu_ns: f64,
    hit_ratio: f64,
}

/// A cache with its slices, one a round.
struct Lane {
    entry: Entry,
    subject: Box<dyn Subject>,
    slices: Vec<Slice>,
}

pub(crate) fn run(settings: &Settings, entries: &[Entry], rounds: usize, operations: u64) -> Vec<Report> {
    let mut reports = Vec::new();
    for &keys in &settings.keys {
        let pool = Pool::draw(keys, settings.universe, POOL, 42);
        let mut place = Place::default();
        for &percent in &settings.capacity {
            let capacity = settings.universe * percent / 100;
            let mut lanes = warm(entries, &pool, settings, capacity, operations);
            for &threads in &settings.threads {
                let heading = format!(
                    "Throughput: {keys} over {} keys, capacity {percent} %, threads: {threads}",
                    settings.universe
                );
                progress(&heading);
                let mut table = Table::new(&heading, entries);
                for &mix in &settings.mix {
                    measure(&mut lanes, &pool, &mut place, mix, threads, rounds, settings.slice_ms);
                    table.add(mix, &lanes);
                }
                reports.extend(table.finish());
            }
        }
    }
    reports
}

/// The words that are drawn: enough that a slice does not see one twice.
const POOL: usize = 1 << 24;

/// Builds every cache and brings it to the steady state of cache-aside.
fn warm(entries: &[Entry], pool: &Pool, settings: &Settings, capacity: u64, operations: u64) -> Vec<Lane> {
    let plan = Plan::entries(usize::try_from(capacity).expect("64 bits"));
    let warm = |entry: &Entry| {
        let subject = (entry.of_units)(&plan);
        if capacity >= settings.universe {
            (0..settings.universe).for_each(|rank| subject.insert(scatter(rank), 1));
        }
        let start = Instant::now();
        let mut place = Place::default();
        let mut done = 0;
        while done < operations && start.elapsed() < WARM_UP_LIMIT {
            let walk = pool.walk(place.next(), 0);
            done += subject.run(walk, Mix::CacheAside, Duration::from_millis(50)).operations;
        }
        subject.settle();
        Lane { entry: *entry, subject, slices: Vec::new() }
    };
    entries.iter().map(warm).collect()
}

/// The slowest caches are not warmed for longer.
const WARM_UP_LIMIT: Duration = Duration::from_secs(5);

fn measure(
    lanes: &mut [Lane],
    pool: &Pool,
    place: &mut Place,
    mix: Mix,
    threads: usize,
    rounds: usize,
    slice_ms: u64,
) {
    let time = Duration::from_millis(slice_ms);
    place.next();
    for lane in &mut *lanes {
        lane.slices.clear();
        in_parallel(&*lane.subject, pool, mix, threads, *place, time);
    }
    let count = lanes.len();
    for round in 0..rounds {
        let places = [place.next(), place.next()];
        // Nobody always follows the same neighbour out of the processor's caches.
        for turn in 0..count {
            let lane = &mut lanes[(turn + round) % count];
            lane.slices.push(slice(&*lane.subject, pool, mix, threads, places, time));
        }
    }
}

fn slice(
    subject: &dyn Subject,
    pool: &Pool,
    mix: Mix,
    threads: usize,
    [before, place]: [Place; 2],
    time: Duration,
) -> Slice {
    // The first moments are the processor's, to fetch what it needs.
    in_parallel(subject, pool, mix, threads, before, time / 10);
    let cpu = machine::cpu_time();
    let tallies = in_parallel(subject, pool, mix, threads, place, time);
    let cpu = machine::cpu_time().saturating_sub(cpu);
    assert!(tallies.iter().all(|tally| tally.wrong == 0), "another key's value came back");
    let sum = |of: fn(&crate::subject::Tally) -> u64| tallies.iter().map(of).sum::<u64>() as f64;
    let mops = tallies.iter().map(|tally| tally.operations as f64 / tally.elapsed.as_secs_f64() / 1e6).sum();
    Slice {
        mops,
        cpu_ns: cpu.as_nanos() as f64 / sum(|tally| tally.operations),
        hit_ratio: sum(|tally| tally.hits) / sum(|tally| tally.reads),
    }
}

/// The tables of one setting: all caches by mix, and how tollgate stands.
struct Table {
    speed: Report,
    standing: Report,
}

impl Table {
    fn new(heading: &str, entries: &[Entry]) -> Self {
        let mut speed = Report::new(format!("{heading} — Mops/s, median (range)"), ["cache"]);
        for entry in entries {
            speed.row([Cell::from(entry.name())]);
        }
        let standing = Report::new(
            format!("{heading} — tollgate, ratios within a round"),
            [
                "mix",
                "Mops/s",
                "best peer",
                "to best peer",
                "to quick_cache",
                "to moka",
                "to bare map",
                "CPU ns/op",
                "hit %",
                "best peer's hit %",
                "quick_cache's hit %",
            ],
        );
        Self { speed, standing }
    }

    fn add(&mut self, mix: Mix, lanes: &[Lane]) {
        self.speed.columns.push(mix.to_string());
        for (row, lane) in self.speed.rows.iter_mut().zip(lanes) {
            row.push(Cell::range(Spread::of(lane.slices.iter().map(|slice| slice.mops)), 1));
        }
        if mix == Mix::CacheAside {
            self.speed.columns.push("hit %".into());
            for (row, lane) in self.speed.rows.iter_mut().zip(lanes) {
                row.push(Cell::figure(if lane.entry.is_limit() { None } else { hit_percent(lane) }, 2));
            }
        }
        self.speed.columns.push("CPU ns".into());
        for (row, lane) in self.speed.rows.iter_mut().zip(lanes) {
            row.push(Cell::figure(median(lane.slices.iter().map(|slice| slice.cpu_ns)), 0));
        }
        if let Some(ours) = lanes.iter().find(|lane| lane.entry.facts.role == Role::Ours) {
            self.stand(mix, ours, lanes);
        }
    }

    fn stand(&mut self, mix: Mix, ours: &Lane, lanes: &[Lane]) {
        let speed = |lane: &Lane| median(lane.slices.iter().map(|slice| slice.mops)).unwrap_or(0.0);
        let peers = lanes.iter().filter(|lane| lane.entry.facts.role == Role::Peer);
        let best = peers.max_by(|a, b| speed(a).total_cmp(&speed(b)));
        let named = |name: &str| lanes.iter().find(|lane| lane.entry.name() == name);
        let to = |other: Option<&Lane>| {
            let other = other?;
            let pairs = ours.slices.iter().zip(&other.slices);
            Spread::of(pairs.map(|(ours, theirs)| ours.mops / theirs.mops))
        };
        self.standing.row([
            Cell::from(mix.to_string()),
            Cell::range(Spread::of(ours.slices.iter().map(|slice| slice.mops)), 1),
            best.map_or(Cell::Absent, |lane| lane.entry.name().into()),
            Cell::range(to(best), 2),
            Cell::range(to(named("quick_cache")), 2),
            Cell::range(to(named("moka")), 1),
            Cell::range(to(named("bare map")), 2),
            Cell::figure(median(ours.slices.iter().map(|slice| slice.cpu_ns)), 0),
            Cell::figure(hit_percent(ours), 2),
            Cell::figure(best.and_then(hit_percent), 2),
            Cell::figure(named("quick_cache").and_then(hit_percent), 2),
        ]);
    }

    fn finish(self) -> Vec<Report> {
        let mut reports = vec![self.speed];
        if !self.standing.rows.is_empty() {
            reports.push(self.standing);
        }
        reports
    }
}

fn hit_percent(lane: &Lane) -> Option<f64> {
    let ratios = lane.slices.iter().map(|slice| slice.hit_ratio).filter(|ratio| ratio.is_finite());
    median(ratios).map(|ratio| 100.0 * ratio)
}
