//! Single-threaded cost of the operations of a cache of a hundred thousand entries.
//!
//! `cargo bench --bench cache`. Compare ratios within one run: absolute times depend on the machine.

use divan::{Bencher, black_box, counter::ItemsCount};
use tollgate::{Cache, Maintenance};

const ENTRIES: u64 = 100_000;

fn main() {
    divan::main();
}

fn filled(maintenance: Maintenance) -> Cache<u64, u64> {
    let cache = Cache::builder(10 * ENTRIES as usize, ENTRIES)
        .maintenance(maintenance)
        .build()
        .expect("a valid configuration");
    for key in 0..ENTRIES {
        cache.insert(key, key, 1);
    }
    cache.run_pending();
    cache
}

/// Keys in an order that no prefetcher guesses.
fn keys(from: u64) -> impl Iterator<Item = u64> {
    (0..).map(move |step: u64| from + step.wrapping_mul(0x9e37_79b9_7f4a_7c15) % ENTRIES)
}

#[divan::bench]
fn get_hit(bencher: Bencher) {
    let cache = filled(Maintenance::Thread);
    let mut keys = keys(0);
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| cache.get(black_box(&keys.next().unwrap_or(0))));
}

#[divan::bench]
fn get_miss(bencher: Bencher) {
    let cache = filled(Maintenance::Thread);
    let mut keys = keys(ENTRIES);
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| cache.get(black_box(&keys.next().unwrap_or(0))));
}

#[divan::bench]
fn update(bencher: Bencher) {
    let cache = filled(Maintenance::Thread);
    let mut keys = keys(0);
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| cache.insert(keys.next().unwrap_or(0), 1, 1));
}

#[divan::bench]
fn insert_into_full(bencher: Bencher) {
    let cache = filled(Maintenance::Thread);
    let mut fresh = ENTRIES..;
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| cache.insert(fresh.next().unwrap_or(0), 1, 1));
}

#[divan::bench]
fn insert_and_remove(bencher: Bencher) {
    let cache = filled(Maintenance::Thread);
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        cache.insert(ENTRIES + 1, 1, 1);
        cache.remove(&(ENTRIES + 1))
    });
}

#[divan::bench]
fn cache_aside(bencher: Bencher) {
    let cache = filled(Maintenance::Thread);
    // Ten times as many keys as fit, skewed: nine in ten reads hit.
    let mut state = 1_u64;
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let uniform = (state >> 11) as f64 / (1_u64 << 53) as f64;
        let key = (uniform.powi(6) * 10.0 * ENTRIES as f64) as u64;
        if cache.get(&key).is_none() {
            cache.insert(key, key, 1);
        }
    });
}
