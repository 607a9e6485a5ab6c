//! How many instructions ten thousand operations take, counted by callgrind, each with a limit.
//!
//! Instructions are no time: they say nothing of cache misses, locks or threads. But they are the same on every run of
//! one build, so that a limit a few per cent above the count fails whenever the work has grown, on the noisiest machine.
//!
//! Everything runs on one thread with fixed seeds; reads and writes are settled by the thread that made them, and are counted
//! with what settles them. `tools/instructions/run` installs the runner and counts. A limit belongs to the toolchain
//! and target that it was measured with: where a new compiler is better or worse, measure again, and say so in the commit.

use gungraun::{
    Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};
use std::hint::black_box;
use tollgate::engine::Engine;
use tollgate::key::FastHasher;
use tollgate::policy::{Objective, PolicyConfig, PolicyKind};
use tollgate::{Cache, Maintenance};

const ENTRIES: u64 = 10_000;
const OPERATIONS: u64 = 10_000;

type Fixed = Cache<u64, u64, FastHasher>;

/// So many instructions an operation, in the mean of them all: what happens every now and then (an epoch of the policy, a batch
/// of reads) is in it.
fn at_most(per_operation: u64) -> LibraryBenchmarkConfig {
    LibraryBenchmarkConfig::default()
        .tool(Callgrind::default().hard_limits([(EventKind::Ir, per_operation * OPERATIONS)]))
        .clone()
}

/// A full cache of `u64` in which every key up to `ENTRIES` was asked for twice.
fn filled() -> Fixed {
    let cache = Cache::builder(10 * ENTRIES as usize, ENTRIES)
        .maintenance(Maintenance::Inline)
        .key_hasher(FastHasher::with_seed(1))
        .seed(1)
        .build()
        .expect("a valid configuration");
    for _ in 0..2 {
        for key in 0..ENTRIES {
            if cache.get(&key).is_none() {
                cache.insert(key, key, 1);
            }
        }
    }
    cache.run_pending();
    cache
}

fn keys(from: u64) -> impl Iterator<Item = u64> {
    (0..OPERATIONS).map(move |step| from + step.wrapping_mul(0x9e37_79b9_7f4a_7c15) % ENTRIES)
}

#[library_benchmark(config = at_most(820), setup = filled)]
fn get_hit(cache: Fixed) -> Fixed {
    keys(0).for_each(|key| _ = black_box(cache.get(&key)));
    cache
}

#[library_benchmark(config = at_most(830), setup = filled)]
fn get_miss(cache: Fixed) -> Fixed {
    keys(ENTRIES).for_each(|key| _ = black_box(cache.get(&key)));
    cache
}

// Same cost, no time to live: no command, a record of an access.
#[library_benchmark(config = at_most(1040), setup = filled)]
fn update(cache: Fixed) -> Fixed {
    keys(0).for_each(|key| _ = black_box(cache.insert(key, 1, 1)));
    cache
}

// Decides, and evicts if it is admitted.
#[library_benchmark(config = at_most(4590), setup = filled)]
fn insert_into_full(cache: Fixed) -> Fixed {
    (ENTRIES..ENTRIES + OPERATIONS).for_each(|key| _ = black_box(cache.insert(key, key, 1)));
    cache.run_pending();
    cache
}

#[library_benchmark(config = at_most(970), setup = filled)]
fn remove(cache: Fixed) -> Fixed {
    keys(0).for_each(|key| _ = black_box(cache.remove(&key)));
    cache.run_pending();
    cache
}

fn full_engine(policy: PolicyKind) -> Engine {
    let config = PolicyConfig {
        num_counters: 10 * ENTRIES as usize,
        max_cost: ENTRIES,
        seed: 1,
        objective: Objective::Hits,
    };
    let mut engine = Engine::new(policy, config);
    for round in 0..2 * ENTRIES {
        engine.request(index(round % ENTRIES), 1);
    }
    engine
}

/// Spreads small numbers, as a key hasher does.
fn index(key: u64) -> u64 {
    let key = (key ^ key >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    key ^ key >> 32
}

#[library_benchmark]
#[bench::density(args = (PolicyKind::default()), setup = full_engine, config = at_most(560))]
#[bench::lru(args = (PolicyKind::Lru), setup = full_engine, config = at_most(215))]
fn engine_hit(mut engine: Engine) -> Engine {
    keys(0).for_each(|key| _ = black_box(engine.access(index(key))));
    engine
}

#[library_benchmark]
#[bench::density(args = (PolicyKind::default()), setup = full_engine, config = at_most(2260))]
#[bench::lru(args = (PolicyKind::Lru), setup = full_engine, config = at_most(1150))]
fn engine_replace(mut engine: Engine) -> Engine {
    (ENTRIES..ENTRIES + OPERATIONS).for_each(|key| _ = black_box(engine.request(index(key), 1)));
    engine
}

library_benchmark_group!(name = cache; benchmarks = get_hit, get_miss, update, insert_into_full, remove);
library_benchmark_group!(name = engine; benchmarks = engine_hit, engine_replace);

main!(library_benchmark_groups = cache, engine);
