//! The analysis against naive counting and a naive LRU.

use super::*;
use crate::trace::TraceBuilder;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

fn trace_of(keys: &[u64], cost: impl Fn(u64) -> u64) -> Trace {
    let mut trace = TraceBuilder::new("test".into());
    keys.iter().for_each(|&key| trace.push(key, cost(key)).unwrap());
    trace.finish().unwrap()
}

fn skewed_keys(len: usize) -> Vec<u64> {
    let mut rng = SmallRng::seed_from_u64(5);
    (0..len).map(|_| (rng.random::<f64>().powi(3) * 200.0) as u64).collect()
}

/// The most recent first; hits and the cost of the hits.
fn naive_lru(keys: &[u64], cost: impl Fn(u64) -> u64, max_cost: u64) -> (u64, u64) {
    let (mut stack, mut hits, mut hit_cost) = (Vec::new(), 0, 0);
    for &key in keys {
        if let Some(place) = stack.iter().position(|&known| known == key) {
            stack.remove(place);
            hits += 1;
            hit_cost += cost(key);
        }
        stack.insert(0, key);
        while stack.iter().map(|&key| cost(key)).sum::<u64>() > max_cost {
            stack.pop();
        }
    }
    (hits, hit_cost)
}

#[test]
fn figures_of_a_trace_that_can_be_counted_by_hand() {
    let analysis = Analysis::of(&trace_of(&[1, 2, 1, 3, 2, 2], |key| key * 10));
    assert_eq!((analysis.requests, analysis.distinct_keys, analysis.distinct_cost), (6, 3, 60));
    assert_eq!(analysis.requested_cost, 10 + 20 + 10 + 30 + 20 + 20);
    assert_eq!((analysis.one_hit_wonders, analysis.cold_miss_ratio), (1, 0.5));
    // 1 comes back after {2, 1}; 2 after {1, 3, 2} and after {2}.
    let distances = analysis.reuse_distance.unwrap();
    assert_eq!((distances.min, distances.p50, distances.max), (1, 2, 3));
    let costs = analysis.reuse_distance_cost.unwrap();
    assert_eq!((costs.min, costs.p50, costs.max), (20, 30, 60));
}

#[test]
fn the_curve_is_what_lru_does() {
    let keys = skewed_keys(3_000);
    for cost in [|_| 1, |key: u64| 1 + key % 17] {
        let trace = trace_of(&keys, cost);
        let largest = trace.keys().iter().map(|key| key.cost).max().unwrap();
        for point in Analysis::of(&trace).lru_curve.iter().filter(|point| point.max_cost >= largest) {
            let (hits, hit_cost) = naive_lru(&keys, cost, point.max_cost);
            assert!((1.0 - point.miss_ratio - hits as f64 / 3_000.0).abs() < 1e-12, "{point:?}");
            let byte_ratio = hit_cost as f64 / trace.requested_cost() as f64;
            assert!((1.0 - point.byte_miss_ratio - byte_ratio).abs() < 1e-12, "{point:?}");
        }
    }
}

#[test]
fn a_zipf_exponent_is_found_again() {
    for alpha in [0.6, 0.9, 1.2] {
        let counts = (1..5_000).map(|rank| (1e6 * f64::from(rank).powf(-alpha)) as u32).collect();
        let popularity = Popularity::of(counts);
        assert!((popularity.zipf_alpha.unwrap() - alpha).abs() < 0.01, "{popularity:?}");
        assert!(popularity.zipf_r_squared.unwrap() > 0.99, "{popularity:?}");
    }
    // No power law: two plateaus.
    let counts = (0..1_000).map(|key| if key < 500 { 1_000 } else { 2 }).collect();
    assert!(Popularity::of(counts).zipf_r_squared.unwrap() < 0.6);
}

#[test]
fn a_trace_without_reuse_has_no_distances() {
    let analysis = Analysis::of(&trace_of(&[1, 2, 3], |_| 1));
    assert_eq!(analysis.reuse_distance, None);
    assert_eq!(analysis.popularity.zipf_alpha, None);
    assert!(analysis.lru_curve.iter().all(|point| point.miss_ratio == 1.0));
}

#[test]
fn percentiles_are_nearest_ranks() {
    let hundred: Vec<u64> = (1..=100).collect();
    let spread = Spread::of_sorted(&hundred).unwrap();
    assert_eq!((spread.p10, spread.p50, spread.p99, spread.max), (10, 50, 99, 100));
    assert_eq!(Spread::of_sorted(&[7]).unwrap().p10, 7);
    assert_eq!(Spread::of_sorted(&[]), None);
}
