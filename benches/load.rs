//! What a hit costs through the loading methods, beside a plain `get`; and what a load costs.
//!
//! `cargo bench --bench load`. Compare ratios within one run: absolute times depend on the machine.

use divan::{Bencher, black_box, counter::ItemsCount};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tollgate::{Cache, Maintenance};

const ENTRIES: u64 = 100_000;

fn main() {
    divan::main();
}

fn filled() -> Cache<u64, u64> {
    let cache = Cache::builder(10 * ENTRIES as usize, 2 * ENTRIES)
        .maintenance(Maintenance::Thread)
        .build()
        .expect("a valid configuration");
    for key in 0..ENTRIES {
        cache.insert(key, key, 1);
    }
    cache.run_pending();
    cache
}

/// Keys in an order that no prefetcher guesses.
fn keys() -> impl FnMut() -> u64 {
    let mut step = 0_u64;
    move || {
        step = step.wrapping_add(1);
        step.wrapping_mul(0x9e37_79b9_7f4a_7c15) % ENTRIES
    }
}

#[divan::bench]
fn hit_get(bencher: Bencher) {
    let (cache, mut keys) = (filled(), keys());
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| cache.get(black_box(&keys())));
}

#[divan::bench]
fn hit_get_or_insert_with(bencher: Bencher) {
    let (cache, mut keys) = (filled(), keys());
    bencher
        .counter(ItemsCount::new(1_u32))
        .bench_local(|| cache.get_or_insert_with(black_box(&keys()), 1, || 0));
}

#[divan::bench]
fn hit_get_or_try_insert_with(bencher: Bencher) {
    let (cache, mut keys) = (filled(), keys());
    bencher
        .counter(ItemsCount::new(1_u32))
        .bench_local(|| cache.get_or_try_insert_with(black_box(&keys()), 1, || Err::<u64, _>("no value")));
}

#[divan::bench]
fn hit_get_or_insert_async(bencher: Bencher) {
    let (cache, mut keys) = (filled(), keys());
    let mut context = Context::from_waker(Waker::noop());
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        let hit = pin!(cache.get_or_insert_async(black_box(&keys()), 1, async { 0 }));
        match hit.poll(&mut context) {
            Poll::Ready(value) => value,
            Poll::Pending => unreachable!("a hit is ready at once"),
        }
    });
}

/// A miss, an insert and a remove by hand: what the next one does with protection.
#[divan::bench]
fn miss_insert_remove(bencher: Bencher) {
    let cache = filled();
    let key = ENTRIES + 1;
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        if cache.get(black_box(&key)).is_none() {
            cache.insert(key, 1, 1);
        }
        cache.remove(&key)
    });
}

#[divan::bench]
fn load_remove(bencher: Bencher) {
    let cache = filled();
    let key = ENTRIES + 1;
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        cache.get_or_insert_with(black_box(&key), 1, || 1);
        cache.remove(&key)
    });
}
