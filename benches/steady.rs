//! A fixed number of operations of one kind, always the same ones, on one thread: to be counted by instruction, not by time.
//!
//! `tools/feature-cost` compares what they cost with and without the optional features, none of which is in use.
//!
//! `cargo bench --bench steady -- hits`

use std::hint::black_box;
use tollgate::key::SecretHasher;
use tollgate::{Cache, Maintenance};

const KEYS: u64 = 10_000;
const OPERATIONS: u64 = 200_000;

fn main() {
    // Cargo adds arguments of its own.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    for (name, operation) in KINDS {
        if wanted.is_empty() || wanted.iter().any(|kind| kind == name) {
            let cache = filled();
            (0..OPERATIONS).for_each(|n| operation(&cache, n));
            cache.wait().expect("this process built it");
            black_box(cache.cost());
        }
    }
}

type Operation = fn(&Cache<u64, u64>, u64);

const KINDS: &[(&str, Operation)] = &[
    ("none", |_, _| ()),
    ("hits", |cache, n| _ = black_box(cache.get(&(n % KEYS)))),
    ("misses", |cache, n| _ = black_box(cache.get(&(KEYS + n)))),
    ("updates", |cache, n| _ = black_box(cache.insert(n % KEYS, n, 1))),
    ("inserts", |cache, n| _ = black_box(cache.insert(KEYS + n, n, 1))),
    ("loads that hit", |cache, n| _ = black_box(cache.get_or_insert_with(&(n % KEYS), 1, || n))),
    ("loads", |cache, n| _ = black_box(cache.get_or_insert_with(&(KEYS + n), 1, || n))),
];

fn filled() -> Cache<u64, u64> {
    let cache = Cache::builder(10 * KEYS as usize, KEYS)
        .maintenance(Maintenance::Inline)
        .seed(1)
        .key_hasher(SecretHasher::with_seed(1))
        .build()
        .expect("the budget is not zero");
    (0..KEYS).for_each(|key| _ = cache.insert(key, key, 1));
    cache.wait().expect("this process built it");
    cache
}
