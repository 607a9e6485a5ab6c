//! The one trait that every cache is seen through, and the loops that are compiled for each.
//!
//! [`Peer`] is what an adapter writes. [`Subject`] is its object-safe face: the hot loops are methods of it, so
//! that the dynamic call is made once a slice and `get` and `insert` inside are static calls that the compiler may inline.

use crate::stream::{Mix, Walk};
use crate::value::Value;
use hdrhistogram::Histogram;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

/// What a cache is to hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// The budget, in units of [`Value::weight`].
    pub(crate) capacity: u64,
    /// How many entries that is about.
    pub(crate) entries: usize,
    /// The heaviest value to come.
    pub(crate) max_weight: u32,
}

impl Plan {
    /// Room for so many values of weight 1.
    pub(crate) fn entries(entries: usize) -> Self {
        Self { capacity: entries as u64, entries, max_weight: 1 }
    }

    /// Ten counters for each entry, as the Ristretto family recommends.
    pub(crate) fn num_counters(&self) -> usize {
        self.entries.saturating_mul(10)
    }
}

/// A cache, behind the smallest common interface.
pub(crate) trait Peer<V: Value>: Send + Sync + Sized + 'static {
    fn build(plan: &Plan) -> Self;
    fn get(&self, key: u64) -> Option<V>;
    /// Inserts or replaces.
    fn insert(&self, key: u64, value: V);
    /// Waits until what was inserted is decided upon, where the cache has such a call.
    fn settle(&self) {}
    /// The entries that it says it holds, where it says so.
    fn len(&self) -> Option<usize> {
        None
    }
}

/// What one thread did in one slice.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) operations: u64,
    pub(crate) reads: u64,
    pub(crate) hits: u64,
    /// Reads that brought another key's value.
    pub(crate) wrong: u64,
    pub(crate) elapsed: Duration,
}

/// How long single operations took, in nanoseconds.
pub(crate) struct Latencies {
    pub(crate) gets: Histogram<u64>,
    pub(crate) inserts: Histogram<u64>,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        let histogram = || Histogram::new_with_max(LONGEST, 3).expect("3 digits are within 0 to 5");
        Self { gets: histogram(), inserts: histogram() }
    }
}

/// What takes longer counts as this long: a minute.
const LONGEST: u64 = 60_000_000_000;

/// A cache under measurement.
pub(crate) trait Subject: Send + Sync {
    /// Works through a stream until the time is up.
    fn run(&self, walk: Walk<'_>, mix: Mix, time: Duration) -> Tally;
    /// The same with a clock around every operation.
    fn run_timed(&self, walk: Walk<'_>, mix: Mix, time: Duration, latencies: &mut Latencies);
    /// One cache-aside access; whether it hit.
    fn access(&self, key: u64, weight: u32) -> bool;
    /// Whether the key's value is there.
    fn has(&self, key: u64) -> bool;
    fn insert(&self, key: u64, weight: u32);
    fn settle(&self);
    fn len(&self) -> Option<usize>;
}

/// Gives a [`Peer`] its [`Subject`] face.
pub(crate) struct Bench<V, P>(P, PhantomData<fn() -> V>);

impl<V: Value, P: Peer<V>> Bench<V, P> {
    pub(crate) fn build(plan: &Plan) -> Self {
        Self(P::build(plan), PhantomData)
    }
}

/// The operations between two looks at the clock.
const CHUNK: usize = 1000;

impl<V: Value, P: Peer<V>> Subject for Bench<V, P> {
    fn run(&self, walk: Walk<'_>, mix: Mix, time: Duration) -> Tally {
        let mut tally = Tally::default();
        let start = Instant::now();
        for chunk in walk.chunks(CHUNK) {
            match mix {
                Mix::CacheAside => self.cache_aside(chunk, &mut tally),
                Mix::Writes(percent) => self.reads_and_writes(chunk, percent, &mut tally),
            }
            tally.operations += chunk.len() as u64;
            tally.elapsed = start.elapsed();
            if tally.elapsed >= time {
                break;
            }
        }
        tally
    }

    fn run_timed(&self, walk: Walk<'_>, mix: Mix, time: Duration, latencies: &mut Latencies) {
        let start = Instant::now();
        for chunk in walk.chunks(CHUNK) {
            for &word in chunk {
                let key = word.key();
                let before = Instant::now();
                if word.is_write(mix) {
                    self.0.insert(key, V::of(key, 1));
                    let took = before.elapsed();
                    latencies.inserts.saturating_record(nanoseconds(took));
                } else {
                    std::hint::black_box(self.0.get(key));
                    let took = before.elapsed();
                    latencies.gets.saturating_record(nanoseconds(took));
                }
            }
            if start.elapsed() >= time {
                break;
            }
        }
    }

    fn access(&self, key: u64, weight: u32) -> bool {
        match self.0.get(key) {
            Some(value) => {
                assert!(value.is_of(key), "another key's value came back");
                true
            }
            None => {
                self.0.insert(key, V::of(key, weight));
                false
            }
        }
    }

    fn has(&self, key: u64) -> bool {
        self.0.get(key).is_some_and(|value| value.is_of(key))
    }

    fn insert(&self, key: u64, weight: u32) {
        self.0.insert(key, V::of(key, weight));
    }

    fn settle(&self) {
        self.0.settle();
    }

    fn len(&self) -> Option<usize> {
        self.0.len()
    }
}

impl<V: Value, P: Peer<V>> Bench<V, P> {
    /// Own functions, not inlined: each is one symbol in a profile.
    #[inline(never)]
    fn cache_aside(&self, chunk: &[crate::stream::Word], tally: &mut Tally) {
        let (mut hits, mut wrong) = (0, 0);
        for &word in chunk {
            let key = word.key();
            match self.0.get(key) {
                Some(value) => {
                    hits += 1;
                    wrong += u64::from(!value.is_of(key));
                }
                None => self.0.insert(key, V::of(key, 1)),
            }
        }
        tally.reads += chunk.len() as u64;
        tally.hits += hits;
        tally.wrong += wrong;
    }

    #[inline(never)]
    fn reads_and_writes(&self, chunk: &[crate::stream::Word], percent: u8, tally: &mut Tally) {
        let (mut reads, mut hits, mut wrong) = (0, 0, 0);
        for &word in chunk {
            let key = word.key();
            if word.is_write(Mix::Writes(percent)) {
                self.0.insert(key, V::of(key, 1));
            } else {
                reads += 1;
                if let Some(value) = self.0.get(key) {
                    hits += 1;
                    wrong += u64::from(!value.is_of(key));
                }
            }
        }
        tally.reads += reads;
        tally.hits += hits;
        tally.wrong += wrong;
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1)
}
