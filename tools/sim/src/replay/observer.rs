//! An independent observer: a thread that counts the store's rows while others work.
//!
//! The cache's own gauge is what the cache believes. The observer adds up the rows themselves, in
//! snapshots taken under the locks of the whole store, and keeps the highest sum. A snapshot takes time in
//! proportion to the entries and holds writers up, so the observer rests for thirty times as long as the last one took.

use super::Cached;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// What the observer saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Seen {
    /// The highest cost of the rows of one snapshot.
    pub(super) peak_cost: u64,
    /// How many snapshots.
    pub(super) snapshots: u64,
}

/// Takes snapshots until `done`, and one more then.
pub(super) fn observe(cache: &Cached, done: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    loop {
        // Acquire: pairs with the Release in `Dismissal`; the last snapshot follows the last request.
        let last = done.load(Ordering::Acquire);
        let started = Instant::now();
        seen.peak_cost = seen.peak_cost.max(cache.census().cost);
        seen.snapshots += 1;
        if last {
            return seen;
        }
        thread::park_timeout((started.elapsed() * 30).clamp(SHORTEST_REST, LONGEST_REST));
    }
}

/// Tells the observer that the work is done, when it is dropped.
pub(super) struct Dismissal<'a> {
    pub(super) observer: Thread,
    pub(super) done: &'a AtomicBool,
}

impl Drop for Dismissal<'_> {
    fn drop(&mut self) {
        // Release: pairs with the Acquire in `observe`.
        self.done.store(true, Ordering::Release);
        self.observer.unpark();
    }
}

const SHORTEST_REST: Duration = Duration::from_micros(100);
const LONGEST_REST: Duration = Duration::from_secs(1);
