//! What is stored: a plain number, a number with a weight, or a block of bytes whose life is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A value that every cache can hold, and that tells whether the right one came back.
pub(crate) trait Value: Clone + Send + Sync + 'static {
    /// Whether every value weighs 1, so that a cache needs no weigher.
    const UNIT: bool;

    fn of(key: u64, weight: u32) -> Self;
    fn is_of(&self, key: u64) -> bool;
    /// What it takes of the budget.
    fn weight(&self) -> u32;
}

impl Value for u64 {
    const UNIT: bool = true;

    #[inline]
    fn of(key: u64, _weight: u32) -> Self {
        key
    }

    #[inline]
    fn is_of(&self, key: u64) -> bool {
        *self == key
    }

    #[inline]
    fn weight(&self) -> u32 {
        1
    }
}

/// A value that only claims to be large: for hit ratios.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weighed {
    key: u64,
    weight: u32,
}

impl Value for Weighed {
    const UNIT: bool = false;

    fn of(key: u64, weight: u32) -> Self {
        Self { key, weight }
    }

    fn is_of(&self, key: u64) -> bool {
        self.key == key
    }

    fn weight(&self) -> u32 {
        self.weight
    }
}

/// A value that is as large as it weighs, shared by its clones, and counted while it lives.
#[derive(Debug, Clone)]
pub(crate) struct Block(Arc<Bytes>);

#[derive(Debug)]
struct Bytes {
    key: u64,
    data: Box<[u8]>,
}

impl Value for Block {
    const UNIT: bool = false;

    fn of(key: u64, weight: u32) -> Self {
        LIVE.add(1, i64::from(weight));
        Self(Arc::new(Bytes { key, data: vec![0; weight as usize].into_boxed_slice() }))
    }

    fn is_of(&self, key: u64) -> bool {
        self.0.key == key
    }

    fn weight(&self) -> u32 {
        u32::try_from(self.0.data.len()).expect("made from a u32")
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        LIVE.add(-1, -i64::try_from(self.data.len()).expect("made from a u32"));
    }
}

/// The blocks that are alive, wherever they are: in a cache, in its queues, or in a thread's hands.
pub(crate) struct Live {
    count: AtomicI64,
    peak_count: AtomicI64,
    bytes: AtomicI64,
    peak_bytes: AtomicI64,
}

pub(crate) static LIVE: Live = Live {
    count: AtomicI64::new(0),
    peak_count: AtomicI64::new(0),
    bytes: AtomicI64::new(0),
    peak_bytes: AtomicI64::new(0),
};

impl Live {
    // Relaxed: four counters, each read for itself.
    fn add(&self, count: i64, bytes: i64) {
        let now = self.count.fetch_add(count, Ordering::Relaxed) + count;
        self.peak_count.fetch_max(now, Ordering::Relaxed);
        let now = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak_bytes.fetch_max(now, Ordering::Relaxed);
    }

    /// Starts a new peak from what is alive now.
    pub(crate) fn restart(&self) {
        self.peak_count.store(self.count(), Ordering::Relaxed);
        self.peak_bytes.store(self.bytes(), Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> i64 {
        self.count.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes(&self) -> i64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn peak_count(&self) -> i64 {
        self.peak_count.load(Ordering::Relaxed)
    }

    pub(crate) fn peak_bytes(&self) -> i64 {
        self.peak_bytes.load(Ordering::Relaxed)
    }
}
