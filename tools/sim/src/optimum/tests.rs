//! The bounds against exhaustive search on small traces, and against each other.

use super::*;
use crate::trace::TraceBuilder;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::collections::HashMap;

fn trace_of(keys: &[u64], cost: impl Fn(u64) -> u64) -> Trace {
    let mut trace = TraceBuilder::new("test".into());
    keys.iter().for_each(|&key| trace.push(key, cost(key)).unwrap());
    trace.finish().unwrap()
}

fn random_keys(len: usize, distinct: u64, seed: u64) -> Vec<u64> {
    let mut rng = SmallRng::seed_from_u64(seed);
    (0..len).map(|_| rng.random_range(0..distinct)).collect()
}

/// The best reachable value, by trying every set of keys that could be kept after every request.
fn exhaustive(keys: &[u64], cost: impl Fn(u64) -> u64, max_cost: u64, objective: Objective) -> u64 {
    let mut best: HashMap<Vec<u64>, u64> = HashMap::from([(Vec::new(), 0)]);
    for &key in keys {
        let mut after: HashMap<Vec<u64>, u64> = HashMap::new();
        for (kept, value) in best {
            let gain = match objective {
                _ if !kept.contains(&key) => 0,
                Objective::Hits => 1,
                Objective::Cost => cost(key),
            };
            let mut choice = kept.clone();
            choice.push(key);
            choice.sort_unstable();
            choice.dedup();
            for subset in 0..1u32 << choice.len() {
                let left: Vec<u64> =
                    (0..choice.len()).filter(|&bit| subset >> bit & 1 == 1).map(|bit| choice[bit]).collect();
                if left.iter().map(|&key| cost(key)).sum::<u64>() <= max_cost {
                    let known = after.entry(left).or_default();
                    *known = (*known).max(value + gain);
                }
            }
        }
        best = after;
    }
    best.into_values().max().unwrap()
}

/// The sequence of the operating-systems textbooks: 9 faults where every page must be brought in, 8 where
/// the last use of one may bypass the cache.
#[test]
fn the_textbook_sequence_has_its_optimum() {
    let trace = trace_of(&[7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1], |_| 1);
    let bounds = Optima::new(&trace).bounds(3, Objective::Hits);
    assert_eq!(bounds, Bounds { lower: 12.0 / 20.0, upper: 12.0 / 20.0 });
}

#[test]
fn min_is_the_optimum_for_unit_costs() {
    for seed in 0..40 {
        let keys = random_keys(24, 6, seed);
        let trace = trace_of(&keys, |_| 1);
        for max_cost in 1..5 {
            let exact = exhaustive(&keys, |_| 1, max_cost, Objective::Hits);
            let bounds = Optima::new(&trace).bounds(max_cost, Objective::Hits);
            assert_eq!(bounds.lower, exact as f64 / 24.0, "seed {seed}, budget {max_cost}");
            assert_eq!(bounds.upper, bounds.lower);
        }
    }
}

#[test]
fn the_bounds_enclose_the_optimum_for_any_costs() {
    for seed in 0..40 {
        let keys = random_keys(24, 6, seed);
        let cost = |key: u64| 1 + key * 3 % 5;
        let trace = trace_of(&keys, cost);
        for max_cost in [1, 3, 6, 10, 20] {
            for (objective, whole) in
                [(Objective::Hits, trace.len() as u64), (Objective::Cost, trace.requested_cost())]
            {
                let exact = exhaustive(&keys, cost, max_cost, objective) as f64 / whole as f64;
                let Bounds { lower, upper } = Optima::new(&trace).bounds(max_cost, objective);
                assert!(lower <= exact + 1e-9, "seed {seed}, budget {max_cost}: {lower} > {exact}");
                assert!(upper >= exact - 1e-9, "seed {seed}, budget {max_cost}: {upper} < {exact}");
            }
        }
    }
}

#[test]
fn times_agree_with_a_sorted_set() {
    let mut rng = SmallRng::seed_from_u64(3);
    let (mut times, mut naive) = (times::Times::new(70_000), std::collections::BTreeSet::new());
    for _ in 0..20_000 {
        let time = rng.random_range(0..70_000) & !(rng.random_range(0..2) * 63);
        if rng.random_range(0..3) > 0 {
            times.insert(time);
            naive.insert(time);
        } else {
            assert_eq!(times.remove(time), naive.remove(&time));
        }
        assert_eq!(times.max(), naive.last().copied());
    }
}
