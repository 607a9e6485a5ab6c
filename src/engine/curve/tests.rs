//! The curve against exact stack distances, on synthetic and recorded traces.

use super::stack::Stack;
use super::*;
use crate::engine::{Engine, Write};
use crate::policy::rng::SplitMix64;
use crate::policy::{PolicyConfig, PolicyKind};
use std::collections::HashMap;

/// Requests: index and cost.
type Trace = Vec<(u64, u64)>;

/// What LRU misses of a trace, exactly.
struct Exact {
    /// Of the requests that are not the first of their key; sorted.
    distances: Vec<u64>,
    requests: usize,
    distinct_cost: u64,
}

impl Exact {
    fn of(trace: &Trace) -> Self {
        let mut stack = Stack::new(trace.len());
        let mut distances = Vec::new();
        for &(index, cost) in trace {
            if let Some(position) = stack.find(index) {
                distances.push(stack.cost_since(position) + cost);
                stack.remove(position);
            }
            stack.push(index, cost, false);
        }
        distances.sort_unstable();
        Self { distances, requests: trace.len(), distinct_cost: stack.samples_cost() }
    }

    fn miss_ratio_at(&self, max_cost: u64) -> f64 {
        let hits = self.distances.partition_point(|&distance| distance <= max_cost);
        1.0 - hits as f64 / self.requests as f64
    }

    /// The mean and the greatest difference over budgets that grow by a tenth, from a thousandth of the reach on.
    fn errors(&self, curve: &MissRatioCurve) -> (f64, f64) {
        let mut errors = Vec::new();
        let mut budget = curve.reach() as f64 / 1000.0;
        while budget <= curve.reach() as f64 {
            let max_cost = (budget as u64).max(1);
            errors.push((curve.miss_ratio_at(max_cost) - self.miss_ratio_at(max_cost)).abs());
            budget *= 1.1;
        }
        (errors.iter().sum::<f64>() / errors.len() as f64, errors.iter().fold(0.0, |a: f64, &b| a.max(b)))
    }
}

impl Curve {
    fn without_ageing(max_cost: u64) -> Self {
        let mut curve = Self::new(max_cost);
        curve.levels[0].keep_everything(); // and so do its copies
        curve
    }

    /// Some requests as hits, some as misses with their insertion, some as insertions alone.
    fn play(&mut self, trace: &Trace) -> &mut Self {
        for (nth, &(index, cost)) in trace.iter().enumerate() {
            match nth % 5 {
                0 => self.insert(index, cost),
                1 | 2 => {
                    self.miss(index);
                    self.insert(index, cost);
                }
                _ => self.hit(index, cost),
            }
        }
        self
    }
}

fn spread(key: u64) -> u64 {
    remix(key.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// Zipf with exponent `skew`, by the inverse of its (continuous) distribution.
fn zipf(requests: usize, keys: u64, skew: f64, cost: impl Fn(u64) -> u64) -> Trace {
    let mut rng = SplitMix64::new(11);
    let last = (keys as f64).powf(1.0 - skew);
    let draw = |_| {
        let uniform = rng.next() as f64 / 2_f64.powi(64);
        let key = (1.0 + uniform * (last - 1.0)).powf(1.0 / (1.0 - skew)) as u64;
        (spread(key), cost(key))
    };
    (0..requests).map(draw).collect()
}

/// From a byte to some kilobytes, skewed as sizes are.
fn size(key: u64) -> u64 {
    1 + (64.0 * 2_f64.powf((spread(key + 77) % 1000) as f64 / 160.0)) as u64
}

fn cycle(requests: usize, keys: u64) -> Trace {
    (0..requests as u64).map(|nth| (spread(nth % keys), 1)).collect()
}

#[test]
fn a_small_set_of_keys_is_told_exactly() {
    for trace in [zipf(100_000, 1_500, 0.8, |_| 1), zipf(100_000, 1_500, 0.8, size), cycle(100_000, 1_500)] {
        let exact = Exact::of(&trace);
        let mut curve = Curve::without_ageing(exact.distinct_cost / 8 + 1);
        let snapshot = curve.play(&trace).snapshot();
        assert_eq!(snapshot.sampling_rate(), 1.0);
        assert_eq!(snapshot.references(), trace.len() as u64);
        // Exact at the bounds of the buckets.
        for (max_cost, miss_ratio) in snapshot.points().filter(|point| point.0 < snapshot.reach()) {
            assert!((miss_ratio - exact.miss_ratio_at(max_cost)).abs() < 1e-9, "{max_cost}");
        }
        assert_eq!(curve.check(), Ok(()));
    }
}

#[test]
fn a_large_set_of_keys_is_told_nearly() {
    let traces = [
        ("zipf 0.7", zipf(1_000_000, 200_000, 0.7, |_| 1)),
        ("zipf 0.99", zipf(1_000_000, 200_000, 0.99, |_| 1)),
        ("zipf 1.2", zipf(1_000_000, 200_000, 1.2, |_| 1)),
        ("zipf 0.9, sized", zipf(1_000_000, 200_000, 0.9, size)),
        ("loop", cycle(500_000, 50_000)),
    ];
    for (name, trace) in traces {
        let exact = Exact::of(&trace);
        let mut curve = Curve::without_ageing(exact.distinct_cost / 8 + 1);
        let snapshot = curve.play(&trace).snapshot();
        let (mean, greatest) = exact.errors(&snapshot);
        println!("{name}: mean {mean:.4}, max {greatest:.4}, rate {:.3}", snapshot.sampling_rate());
        assert!(snapshot.sampling_rate() < 0.5);
        assert!(mean < 0.01, "{name}: {mean}");
        assert_eq!(curve.check(), Ok(()));
    }
}

/// Every second request is of one key, which no level samples, or all of them.
#[test]
fn a_very_hot_key_is_accounted_for_whether_it_is_sampled_or_not() {
    let mut keys: Vec<u64> = (0..200_000).map(spread).collect();
    keys.sort_unstable_by_key(|&index| hash(index));
    for hot in [keys[0], keys[keys.len() - 1]] {
        let mut random = SplitMix64::new(5);
        let mut draw = |nth| if nth % 2 == 0 { hot } else { keys[random.below(200_000) as usize] };
        let trace: Trace = (0..1_000_000).map(|nth| (draw(nth), 1)).collect();
        let exact = Exact::of(&trace);
        let mut curve = Curve::without_ageing(4_000_000);
        let snapshot = curve.play(&trace).snapshot();
        assert!(curve.levels.iter().all(|level| level.rate() < 0.1), "it may be outside of every sample");
        for max_cost in [2_000, 20_000, 100_000, 200_000] {
            let error = snapshot.miss_ratio_at(max_cost) - exact.miss_ratio_at(max_cost);
            assert!(error.abs() < 0.02, "{error} at {max_cost}");
        }
    }
}

/// A loop is one step. Where it is told to be is a matter of the rate alone.
#[test]
fn the_step_of_a_loop_is_where_the_loop_ends() {
    let mut curve = Curve::without_ageing(20_000);
    let snapshot = curve.play(&cycle(500_000, 50_000)).snapshot();
    assert!(snapshot.miss_ratio_at(47_500) > 0.95);
    assert!(snapshot.miss_ratio_at(52_500) < 0.2);
    let knee = snapshot.budget_for(0.5).expect("within reach");
    assert!((48_000..52_000).contains(&knee), "{knee}");
}

#[test]
fn the_threshold_falls_as_keys_come_and_memory_does_not_grow() {
    let mut curve = Curve::new(1 << 40);
    let empty = curve.memory();
    let mut rate = 1.0;
    for key in 0..1_000_000 {
        curve.insert(spread(key), 1);
        if key % 100_000 == 99_999 {
            let now = curve.snapshot().sampling_rate();
            assert!(now < rate, "{now} after {rate}");
            assert!((0.5..1.2).contains(&(now * (key + 1) as f64 / 2048.0)), "{now} after {key} keys");
            rate = now;
            assert_eq!(curve.check(), Ok(()));
            assert!(curve.memory() < 480 << 10, "{} bytes", curve.memory());
        }
    }
    println!("{empty} bytes grew to {}", curve.memory());
}

/// Keys that never come back must not use the sample up.
#[test]
fn the_rate_is_what_the_reach_needs_however_many_keys_come() {
    let mut curve = Curve::new(10_000);
    (0..2_000_000).for_each(|key| curve.insert(spread(key), 1));
    let rate = curve.snapshot().sampling_rate();
    // The reach is 80,000 keys.
    assert!((0.015..0.03).contains(&rate), "{rate}");
    // Of larger entries, a sixty-fourth fit: the rate must rise.
    (2_000_000..4_000_000).for_each(|key| curve.insert(spread(key), 64));
    assert!(curve.snapshot().sampling_rate() > 0.2);
    assert_eq!(curve.check(), Ok(()));
}

#[test]
fn a_lowered_budget_needs_a_higher_rate_and_a_raised_one_reaches_further() {
    let trace = zipf(1_000_000, 200_000, 0.8, |_| 1);
    let mut curve = Curve::new(20_000);
    curve.play(&trace).resize(40_000);
    assert_eq!(curve.snapshot().reach(), 320_000);
    assert!(curve.snapshot().sampling_rate() < 0.1);
    curve.resize(100);
    curve.play(&trace);
    assert!(curve.snapshot().sampling_rate() > 0.3);
    let (mean, _) = Exact::of(&trace).errors(&curve.snapshot());
    assert!(mean < 0.01, "{mean}");
    assert_eq!(curve.check(), Ok(()));
}

#[test]
fn a_miss_and_its_insertion_are_one_request() {
    let mut curve = Curve::new(1000);
    for index in 0..10 {
        curve.miss(index); // unknown, so not counted yet
        curve.insert(index, 3);
    }
    assert_eq!(curve.levels[0].counts(), (10, 10.0, 10.0));
    curve.miss(0);
    assert_eq!(curve.levels[0].counts(), (10, 11.0, 10.0));
    curve.insert(0, 5);
    assert_eq!(curve.levels[0].counts(), (10, 11.0, 11.0));
    assert_eq!(curve.references, 11);
    // Recorded with the cost that was known; from now on it costs 5.
    curve.hit(1, 3);
    assert_eq!(curve.check(), Ok(()));
    let occupied: Vec<_> = curve.levels[0].distances().collect();
    assert_eq!(occupied, [(30, 30, 1.0), (32, 32, 1.0)]);
    // An insertion that nobody asked for is a request.
    curve.insert(1, 3);
    assert_eq!(curve.levels[0].counts(), (10, 13.0, 13.0));
}

/// A cache that is filled by writers only: a larger one would have served the reads that now miss.
#[test]
fn a_miss_that_is_not_answered_counts_if_the_key_is_known() {
    let mut curve = Curve::new(10);
    (0..20).for_each(|index| curve.insert(index, 1));
    (0..20).for_each(|index| curve.miss(index));
    (100..120).for_each(|index| curve.miss(index));
    let snapshot = curve.snapshot();
    assert_eq!(snapshot.miss_ratio_at(19), 1.0);
    assert_eq!(snapshot.miss_ratio_at(20), 0.5);
}

#[test]
fn what_was_removed_is_missed_with_any_budget() {
    let mut curve = Curve::new(1000);
    for _ in 0..100 {
        curve.insert(1, 1);
        curve.forget(1);
        curve.forget(2);
    }
    assert_eq!(curve.snapshot().miss_ratio_at(8000), 1.0);
    assert_eq!(curve.levels[0].counts().0, 0);
    assert_eq!(curve.check(), Ok(()));
}

#[test]
fn old_requests_count_for_less() {
    let mut curve = Curve::new(100);
    // First a loop that does not fit, then one key: of the loop, a thirty-second is left in all after five ageings.
    let period = level::PERIOD;
    curve.play(&cycle(period, 50));
    assert!(curve.snapshot().miss_ratio_at(40) > 0.95);
    curve.play(&vec![(7, 1); 4 * period]);
    let after = curve.snapshot().miss_ratio_at(40);
    assert!((0.01..0.04).contains(&after), "{after}");
    assert_eq!(curve.references, 5 * period as u64);
}

#[test]
fn a_new_curve_and_a_cleared_one_know_nothing() {
    let new = Curve::new(100).snapshot();
    assert!(new.points().eq([(0, 1.0), (800, 1.0)]));
    let mut curve = Curve::new(100);
    curve.play(&zipf(100_000, 50_000, 0.9, |_| 1)).clear();
    assert_eq!(curve.snapshot(), new);
    assert_eq!(curve.check(), Ok(()));
}

#[test]
fn the_same_requests_make_the_same_curve() {
    let trace = zipf(300_000, 100_000, 0.9, size);
    let play = || Curve::new(1 << 20).play(&trace).snapshot();
    assert_eq!(play(), play());
}

#[test]
fn extreme_costs_overflow_nothing() {
    for max_cost in [1, u64::MAX] {
        let mut curve = Curve::new(max_cost);
        for key in 0..100_000 {
            curve.insert(spread(key % 20_000), if key % 3 == 0 { u64::MAX } else { 1 });
        }
        assert_eq!(curve.check(), Ok(()));
        assert!(curve.snapshot().points().all(|point| (0.0..=1.0).contains(&point.1)));
    }
}

fn config(max_cost: u64) -> PolicyConfig {
    PolicyConfig { num_counters: 10 * max_cost as usize, max_cost, seed: 1, objective: Default::default() }
}

/// Whatever the policy, the engine's curve is that of LRU: here it is played.
#[test]
fn it_is_the_curve_of_lru() {
    let trace = zipf(100_000, 1_800, 0.8, |_| 1);
    let mut engine = Engine::new(PolicyKind::Sieve, config(200)).with_miss_ratio_curve();
    for &(index, cost) in &trace {
        engine.request(index, cost);
    }
    engine.check().unwrap();
    let curve = engine.miss_ratio_curve().expect("asked for");
    for max_cost in [20, 50, 100, 200, 400, 800, 1500] {
        let mut lru = Engine::new(PolicyKind::Lru, config(max_cost));
        let misses = trace.iter().filter(|&&(index, cost)| !lru.request(index, cost)).count();
        let error = curve.miss_ratio_at(max_cost) - misses as f64 / trace.len() as f64;
        assert!(error.abs() < 0.002, "{error} at {max_cost}");
    }
}

#[test]
fn the_engine_tells_the_curve_of_everything() {
    let mut engine = Engine::new(PolicyKind::Lru, config(100)).with_miss_ratio_curve();
    let mut effects = Vec::new();
    let mut write = |engine: &mut Engine, index, version, cost, deadline| {
        engine.write(Write { index, version, cost, deadline, pinned: false }, &mut effects);
    };
    let sampled =
        |engine: &Engine| engine.curve.as_ref().map(|curve| (curve.levels[0].counts().0, curve.references));
    write(&mut engine, 1, 0, 10, None);
    write(&mut engine, 2, 0, 10, Some(5_000));
    write(&mut engine, 3, 0, 1000, None); // does not fit, but might with eight times the budget
    write(&mut engine, 1, 1, 20, None); // an update
    engine.access(1);
    assert_eq!(sampled(&engine), Some((3, 5)));
    engine.access(9); // never asked for again
    assert_eq!(sampled(&engine), Some((3, 5)));
    engine.remove(1);
    assert_eq!(sampled(&engine), Some((2, 5)));
    let due = std::iter::from_fn(|| engine.due(60_000)).next().expect("it is due");
    engine.expire(due);
    assert_eq!(sampled(&engine), Some((1, 5)));
    engine.set_max_cost(50, &mut Vec::new());
    assert_eq!(engine.miss_ratio_curve().unwrap().max_cost(), 50);
    engine.check().unwrap();
    engine.clear();
    assert_eq!(sampled(&engine), Some((0, 0)));
    let without = Engine::new(PolicyKind::Lru, config(100)).memory();
    assert!((1..512 << 10).contains(&(engine.memory() - without)));
}

/// A trace of the collection, if it is at hand: `TOLLGATE_TRACES`, or beside the project.
fn recorded(name: &str) -> Option<Trace> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/traces");
    let folder = std::env::var("TOLLGATE_TRACES").unwrap_or_else(|_| beside.to_owned());
    let Ok(file) = std::fs::File::open(format!("{folder}/{name}.trc.zst")) else {
        eprintln!("skipped: no trace {name} at hand (set TOLLGATE_TRACES)");
        return None;
    };
    let bytes = zstd::decode_all(file).unwrap();
    let mut costs = HashMap::new();
    let records = bytes.chunks_exact(12).map(|record| {
        let (key, size) = record.split_at(8);
        let key = u64::from_le_bytes(key.try_into().unwrap());
        let size = u64::from(u32::from_le_bytes(size.try_into().unwrap()).max(1));
        (spread(key), *costs.entry(key).or_insert(size))
    });
    Some(records.collect())
}

fn compare(names: &[&str]) {
    for name in names {
        let Some(trace) = recorded(name) else { continue };
        let exact = Exact::of(&trace);
        for percent in [12.5, 1.0] {
            let max_cost = (exact.distinct_cost as f64 * percent / 100.0) as u64 + 1;
            let mut curve = Curve::without_ageing(max_cost);
            let snapshot = curve.play(&trace).snapshot();
            let (mean, greatest) = exact.errors(&snapshot);
            let rate = snapshot.sampling_rate();
            println!("{name}, budget {percent} %: mean {mean:.4}, max {greatest:.4}, rate {rate:.3}");
            assert!(mean < 0.015, "{name}: {mean}");
            assert_eq!(curve.check(), Ok(()));
        }
    }
}

#[test]
fn recorded_traces_are_told_nearly() {
    compare(&[
        "arc_oltp",
        "cache2k_web12",
        "corda_vault",
        "lirs_sprite",
        "tencentblock_ns3300",
        "wikicdn_val",
    ]);
}

#[test]
#[ignore = "minutes without optimisation; its figures are in the documentation of `MissRatioCurve`"]
fn more_recorded_traces_are_told_nearly() {
    compare(&[
        "arc_p2",
        "arc_p3",
        "arc_p6",
        "cache2k_orm_busy",
        "cloudphysics_io",
        "cloudphysics_w106",
        "disksim_postmark_4k",
        "dns_domains",
        "dtrs",
        "dtrs_4k",
        "addr_gcc",
        "addr_twolf",
        "hplajw",
        "jedi_d1",
        "jedi_tc0",
        "kvsyn_c45",
        "kvsyn_c52",
        "lirs_multi3",
        "mooncake_conversation",
        "phone_mobi0",
        "scarab_recs",
        "tencentblock_ns1326",
        "tencentblock_ns2706",
        "adaptsize_req",
        "metacdn_bigcache",
        "weblog_elastic",
    ]);
}
