//! What one event costs in the engine, by policy and by number of residents.
//!
//! ```text
//! cargo bench --bench engine                    # everything: a few minutes
//! cargo bench --bench engine -- lru             # one policy
//! cargo bench --bench engine -- hit             # one kind of event
//! ```
//!
//! *hit*: a read of a resident, chosen at random. *replace*: a read that misses and the insertion that
//! answers it, in a full cache; most policies evict for it, those that refuse newcomers may do so. `lru+curve` is
//! LRU with a live miss-ratio curve. A
//! sample is a batch of 1000 events: read its microseconds as nanoseconds per event. The memory
//! is printed first.

use divan::Bencher;
use divan::counter::ItemsCount;
use std::cell::RefCell;
use tollgate::engine::Engine;
use tollgate::policy::{Objective, PolicyConfig, PolicyKind};

fn main() {
    if std::env::args().any(|arg| arg == "--bench") {
        print_memory();
    }
    divan::main();
}

/// A policy and a number of residents; with or without a miss-ratio curve.
#[derive(Clone)]
struct Case {
    kind: PolicyKind,
    residents: u64,
    has_curve: bool,
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let curve = if self.has_curve { "+curve" } else { "" };
        write!(f, "{}{curve} {}", self.kind.name(), self.residents)
    }
}

fn cases() -> impl Iterator<Item = Case> {
    let kinds = PolicyKind::ALL.iter().map(|kind| (kind, false)).chain([(&PolicyKind::Lru, true)]);
    kinds.flat_map(|(kind, has_curve)| {
        RESIDENTS.map(|residents| Case { kind: kind.clone(), residents, has_curve })
    })
}

#[divan::bench(args = cases(), sample_count = 100, sample_size = 1)]
fn hit(bencher: Bencher, case: &Case) {
    let engine = RefCell::new(full_engine(case));
    let residents: Vec<u64> = {
        let engine = engine.borrow();
        (0..engine.ledger().len()).map(|slot| engine.ledger().index(slot as u32)).collect()
    };
    let mut random = Numbers(1);
    bencher
        .counter(ItemsCount::new(BATCH))
        .with_inputs(|| -> Vec<u64> {
            (0..BATCH).map(|_| residents[random.next() as usize % residents.len()]).collect()
        })
        .bench_local_refs(|indices| {
            let mut engine = engine.borrow_mut();
            indices.iter().filter(|&&index| engine.access(index)).count()
        });
}

#[divan::bench(args = cases(), sample_count = 100, sample_size = 1)]
fn replace(bencher: Bencher, case: &Case) {
    let engine = RefCell::new(full_engine(case));
    let mut random = Numbers(2);
    bencher
        .counter(ItemsCount::new(BATCH))
        .with_inputs(|| -> Vec<u64> { (0..BATCH).map(|_| random.next()).collect() })
        .bench_local_refs(|indices| {
            let mut engine = engine.borrow_mut();
            indices.iter().filter(|&&index| engine.request(index, 1)).count()
        });
}

/// An engine that is full, and that has seen some hits and some evictions.
fn full_engine(case: &Case) -> Engine {
    let config = PolicyConfig {
        num_counters: 10 * case.residents as usize,
        max_cost: case.residents,
        seed: 1,
        objective: Objective::Hits,
    };
    let mut engine = Engine::new(case.kind.clone(), config);
    if case.has_curve {
        engine = engine.with_miss_ratio_curve();
    }
    let mut random = Numbers(3);
    // After the first fill, keys up to twice the residents, the lower half twice as popular.
    for step in 0..4 * case.residents {
        let key = if step < case.residents { step } else { random.next() % (case.residents * 2) };
        let popular = if step % 3 == 0 { key % case.residents } else { key };
        engine.request(popular.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15), 1);
    }
    engine
}

/// Bytes of memory per resident; the line of `random`, which keeps nothing, is that of the ledger alone.
fn print_memory() {
    println!("{:<12}{:>44}", "", "bytes per resident in ledger and policy, at");
    println!("{:<12}{}", "policy", RESIDENTS.map(|residents| format!("{residents:>11}")).concat());
    for kind in PolicyKind::ALL {
        let bytes = RESIDENTS.map(|residents| {
            let engine = full_engine(&Case { kind: kind.clone(), residents, has_curve: false });
            format!("{:>11.1}", engine.memory() as f64 / engine.ledger().len() as f64)
        });
        println!("{:<12}{}", kind.name(), bytes.concat());
    }
}

/// SplitMix64.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

const RESIDENTS: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Events of one sample: microseconds per sample are nanoseconds per event.
const BATCH: usize = 1_000;
