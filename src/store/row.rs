//! A row: one entry as the store keeps it.

use crate::clock::{ceil_ms, floor_ms};
use crate::key::KeyHash;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A deadline that never comes.
pub(crate) const NEVER: u64 = u64::MAX;

/// One entry: who it is, what it costs, how long it lives.
#[derive(Debug)]
pub(crate) struct Row<V> {
    pub(crate) index: u64,
    pub(crate) conflict: u64,
    /// At least 1.
    pub(crate) cost: u64,
    /// Milliseconds since the cache was built; [`NEVER`] without a time to live.
    pub(crate) deadline: u64,
    /// Unique among the writes of the shard, short of 2^32 of them between a decision and its effect.
    pub(crate) version: u32,
    /// The tick of the last read or write, where a time to idle is set. Writers: readers, under the shared
    /// lock. It publishes nothing, and a reader that loses a race has read at the same time: Relaxed.
    read_at: AtomicU32,
    pub(crate) value: V,
}

/// A time to idle, in ticks coarse enough that the lower 32 bits of a tick tell any two reads apart that
/// matter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Idle {
    ticks: u32,
    /// A tick is `2^shift` milliseconds.
    shift: u32,
}

impl Idle {
    /// Rounded up to a tick. A tick is at most 2^-20 of the time to idle, or a millisecond.
    pub(crate) fn new(ms: u64) -> Self {
        let shift = (64 - ms.leading_zeros()).saturating_sub(21);
        let ticks = (ms >> shift) + u64::from(ms & ((1 << shift) - 1) != 0);
        Self { ticks: ticks.max(1) as u32, shift }
    }

    /// The tick that `now` lies in: what a reader compares.
    fn tick(self, now: Duration) -> u32 {
        (floor_ms(now) >> self.shift) as u32
    }

    /// The tick that begins at or after `now`: what a read leaves behind, so that nothing expires early.
    fn next_tick(self, now: Duration) -> u32 {
        let ms = ceil_ms(now);
        ((ms >> self.shift) + u64::from(ms & ((1 << self.shift) - 1) != 0)) as u32
    }
}

impl<V> Row<V> {
    pub(crate) fn new(key: KeyHash, cost: u64, deadline: u64, version: u32, value: V) -> Self {
        let KeyHash { index, conflict } = key;
        Self { index, conflict, cost, deadline, version, read_at: AtomicU32::new(0), value }
    }

    pub(crate) fn key(&self) -> KeyHash {
        KeyHash { index: self.index, conflict: self.conflict }
    }

    /// Whether the row lives at `now`. `now` is asked only if the row can expire at all.
    #[inline]
    pub(crate) fn is_live(&self, idle: Option<Idle>, now: impl FnOnce() -> Duration) -> bool {
        if self.deadline == NEVER && idle.is_none() {
            return true;
        }
        let now = now();
        floor_ms(now) < self.deadline && idle.is_none_or(|idle| self.idle_ticks(idle, now) < idle.ticks)
    }

    /// Remembers a read.
    #[inline]
    pub(crate) fn touch(&self, idle: Idle, now: Duration) {
        let tick = idle.next_tick(now);
        if self.read_at.load(Ordering::Relaxed) != tick {
            self.read_at.store(tick, Ordering::Relaxed);
        }
    }

    /// When the row expires if nobody reads it again; [`NEVER`] if it does not.
    pub(crate) fn expiry(&self, idle: Option<Idle>, now: Duration) -> u64 {
        match idle {
            None => self.deadline,
            Some(idle) => {
                let left = u64::from(idle.ticks.saturating_sub(self.idle_ticks(idle, now)));
                let idle_at =
                    (floor_ms(now) >> idle.shift).saturating_add(left).saturating_mul(1 << idle.shift);
                self.deadline.min(idle_at)
            }
        }
    }

    /// Whole ticks since the last read.
    fn idle_ticks(&self, idle: Idle, now: Duration) -> u32 {
        let elapsed = idle.tick(now).wrapping_sub(self.read_at.load(Ordering::Relaxed));
        // A read leaves the tick that begins after it, and a concurrent one may know a later time: both
        // lie ahead of `now` and mean no idleness at all.
        if elapsed > u32::MAX / 2 { 0 } else { elapsed }
    }
}
