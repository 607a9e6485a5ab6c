//! A row: one entry as the store keeps it, packed into four words and the value.

use crate::clock::{millis, millis_up};
use crate::key::KeyHash;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A deadline that never comes.
pub(crate) const NEVER: u64 = (1 << DEADLINE_BITS) - 1;

/// The highest cost of one entry: 2^44 - 1, sixteen tebibytes if a unit is a byte.
pub(crate) const MAX_ENTRY_COST: u64 = (1 << (64 - VERSION_BITS)) - 1;

/// Versions are told apart short of 2^20 writes to one shard between a decision and its effect. A writer that
/// has logged a few hundred commands waits for a turn of maintenance, so that there are never that many.
const VERSION_BITS: u32 = 20;
const VERSION_MASK: u64 = (1 << VERSION_BITS) - 1;

/// Milliseconds since the cache was built: 34 years. What lies beyond is for ever.
const DEADLINE_BITS: u32 = 40;
const READ_AT_MASK: u32 = (1 << (64 - DEADLINE_BITS)) - 1;

/// One entry: who it is, what it costs, how long it lives.
#[derive(Debug)]
pub(crate) struct Row<V> {
    pub(crate) index: u64,
    pub(crate) conflict: u64,
    /// Cost (upper 44 bits, at least 1) and version (lower 20 bits).
    stake: NonZeroU64,
    /// Deadline (lower 40 bits) and, where a time to idle is set, the tick of the last read or write (upper 24
    /// bits). Writers: whoever holds the shard exclusively; readers, under the shared lock, the tick, or a later deadline. It publishes nothing,
    /// and a reader that loses a race has read at the same time: Relaxed.
    times: AtomicU64,
    pub(crate) value: V,
}

/// The next write of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Version(u32);

impl Version {
    pub(crate) fn next(self) -> Self {
        Self((self.0 + 1) & VERSION_MASK as u32)
    }

    pub(crate) fn get(self) -> u32 {
        self.0
    }
}

/// A time to idle, in ticks coarse enough that 24 bits of a tick tell any two reads apart that matter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Idle {
    /// At most [`IDLE_TICKS`].
    ticks: u32,
    /// A tick is `2^shift` milliseconds.
    shift: u32,
}

/// A time to idle has at most so many ticks: a tick is a millisecond or at most 2^-20 of it, and half of the
/// circle of 24 bits is left to tell the past from the future.
const IDLE_TICKS: u64 = 1 << 21;

impl Idle {
    /// Rounded up to a tick.
    pub(crate) fn new(ms: u64) -> Self {
        let shift = (64 - (ms / IDLE_TICKS).leading_zeros()).min(63);
        Self { ticks: ms.div_ceil(1 << shift).max(1) as u32, shift }
    }

    /// The time to idle, in milliseconds.
    pub(crate) fn ms(self) -> u64 {
        u64::from(self.ticks).saturating_mul(1 << self.shift)
    }

    /// How long rows may go unswept. Ticks lie on a circle: a row that was idle for half of it would look as if it were read
    /// just now. With a sweep at least this often, no row that lives is older than this and twice the time to idle:
    /// less than half of the circle.
    pub(crate) fn sweep_ms(self) -> u64 {
        IDLE_TICKS.saturating_mul(1 << self.shift)
    }

    /// The tick that `now` lies in: what a reader compares.
    fn tick(self, now: Duration) -> u32 {
        (millis(now) >> self.shift) as u32 & READ_AT_MASK
    }

    /// The tick that begins at or after `now`: what a read leaves behind, so that nothing expires early.
    fn next_tick(self, now: Duration) -> u32 {
        millis_up(now).div_ceil(1 << self.shift) as u32 & READ_AT_MASK
    }
}

impl<V> Row<V> {
    /// A row. `cost` is at least 1 and at most [`MAX_ENTRY_COST`]; a deadline beyond the last is never.
    pub(crate) fn new(key: KeyHash, cost: u64, deadline: u64, version: Version, value: V) -> Self {
        debug_assert!((1..=MAX_ENTRY_COST).contains(&cost), "costs are checked before they come here");
        let stake = Self::stake(cost, version);
        let KeyHash { index, conflict } = key;
        Self { index, conflict, stake, times: AtomicU64::new(deadline.min(NEVER)), value }
    }

    /// Another cost, and a version that stands for it.
    pub(crate) fn recost(&mut self, cost: u64, version: Version) {
        self.stake = Self::stake(cost, version);
    }

    /// Another deadline, and a version that stands for it.
    pub(crate) fn retime(&mut self, deadline: u64, version: Version) {
        self.stake = Self::stake(self.cost(), version);
        let times = self.times.get_mut();
        *times = *times & !NEVER | deadline.min(NEVER);
    }

    /// A later deadline, in the same version. Of several at once, the latest stays.
    pub(crate) fn put_off(&self, deadline: u64) {
        self.change_times(|times| times & !NEVER | deadline.max(times & NEVER));
    }

    /// Readers change the one or the other part at the same time: neither may undo the other's change.
    fn change_times(&self, change: impl Fn(u64) -> u64) {
        let mut times = self.times.load(Ordering::Relaxed);
        while change(times) != times {
            match self.times.compare_exchange_weak(times, change(times), Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(now) => times = now,
            }
        }
    }

    fn stake(cost: u64, version: Version) -> NonZeroU64 {
        NonZeroU64::new(cost << VERSION_BITS | u64::from(version.0)).expect("no entry is free")
    }

    pub(crate) fn key(&self) -> KeyHash {
        KeyHash { index: self.index, conflict: self.conflict }
    }

    #[inline]
    pub(crate) fn cost(&self) -> u64 {
        self.stake.get() >> VERSION_BITS
    }

    #[inline]
    pub(crate) fn version(&self) -> u32 {
        (self.stake.get() & VERSION_MASK) as u32
    }

    /// Milliseconds since the cache was built; [`NEVER`] without a time to live.
    #[inline]
    pub(crate) fn deadline(&self) -> u64 {
        self.times.load(Ordering::Relaxed) & NEVER
    }

    /// Whether the row lives at `now`, if the last `grace_ms` before its deadline are no life. `now` is asked only if the row can expire at all.
    #[inline]
    pub(crate) fn is_live(&self, idle: Option<Idle>, grace_ms: u64, now: impl FnOnce() -> Duration) -> bool {
        let deadline = self.deadline();
        if deadline == NEVER && idle.is_none() {
            return true;
        }
        let now = now();
        (deadline == NEVER || millis(now).saturating_add(grace_ms) < deadline)
            && idle.is_none_or(|idle| self.idle_ticks(idle, now) < idle.ticks)
    }

    /// Remembers a read.
    #[inline]
    pub(crate) fn touch(&self, idle: Idle, now: Duration) {
        let tick = u64::from(idle.next_tick(now)) << DEADLINE_BITS;
        self.change_times(|times| times & NEVER | tick);
    }

    /// When the row expires if nobody reads it again and the last `grace_ms` before its deadline are no life; `None` is never.
    pub(crate) fn expiry(
        &self,
        idle: Option<Idle>,
        grace_ms: u64,
        now: impl FnOnce() -> Duration,
    ) -> Option<u64> {
        let deadline = Some(self.deadline()).filter(|&deadline| deadline != NEVER);
        let deadline = deadline.map(|deadline| deadline.saturating_sub(grace_ms));
        let Some(idle) = idle else { return deadline };
        let now = now();
        let read_at = (self.times.load(Ordering::Relaxed) >> DEADLINE_BITS) as u32;
        // From the tick of `now` to the end of the idle time: on the circle of 24 bits, and never beyond that end.
        let left = (read_at + idle.ticks).wrapping_sub(idle.tick(now)) & READ_AT_MASK;
        let left = if left > READ_AT_MASK / 2 { 0 } else { u64::from(left) };
        let idle_at = (millis(now) >> idle.shift).saturating_add(left).saturating_mul(1 << idle.shift);
        Some(deadline.map_or(idle_at, |deadline| deadline.min(idle_at)))
    }

    /// Whole ticks since the last read.
    fn idle_ticks(&self, idle: Idle, now: Duration) -> u32 {
        let read_at = (self.times.load(Ordering::Relaxed) >> DEADLINE_BITS) as u32;
        let elapsed = idle.tick(now).wrapping_sub(read_at) & READ_AT_MASK;
        // A read leaves the tick that begins after it, and a concurrent one may know a later time: both
        // lie ahead of `now` and mean no idleness at all.
        if elapsed > READ_AT_MASK / 2 { 0 } else { elapsed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: KeyHash = KeyHash { index: 3, conflict: 4 };

    fn row(cost: u64, deadline: u64, version: u32) -> Row<()> {
        Row::new(KEY, cost, deadline, Version(version), ())
    }

    #[test]
    fn a_row_of_a_word_takes_five() {
        assert_eq!(size_of::<Row<u64>>(), 40);
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_out(cost in 1..=MAX_ENTRY_COST, deadline in 0..=NEVER, version in 0..1_u32 << VERSION_BITS) {
            let row = row(cost, deadline, version);
            prop_assert_eq!((row.cost(), row.deadline(), row.version()), (cost, deadline, version));
        }

        #[test]
        fn nothing_idles_away_early_or_much_too_late(
            tti_ms in 1..1_u64 << 36, read_ns in 0..1_u64 << 60, waited in 0.0..1.99_f64,
        ) {
            let idle = Idle::new(tti_ms);
            let (tti, read_at) = (Duration::from_millis(tti_ms), Duration::from_nanos(read_ns));
            let row = row(1, NEVER, 0);
            row.touch(idle, read_at);
            prop_assert!(row.is_live(Some(idle), 0, || read_at));
            let waited = tti.mul_f64(waited);
            let lives = row.is_live(Some(idle), 0, || read_at + waited);
            let tick = Duration::from_millis(1 << idle.shift);
            prop_assert!(tick <= Duration::from_millis(1).max(tti / (1 << 19)));
            if waited < tti {
                prop_assert!(lives);
            } else if waited >= tti + 3 * tick {
                prop_assert!(!lives);
            }
            prop_assert_eq!(row.deadline(), NEVER);
            let expiry = row.expiry(Some(idle), 0, || read_at).expect("it idles");
            prop_assert!(!row.is_live(Some(idle), 0, || Duration::from_millis(expiry)));
        }
    }

    #[test]
    fn whole_milliseconds_are_exact() {
        let idle = Idle::new(10_000);
        let row = row(1, NEVER, 0);
        row.touch(idle, Duration::from_secs(7));
        assert!(row.is_live(Some(idle), 0, || Duration::from_millis(16_999)));
        assert!(!row.is_live(Some(idle), 0, || Duration::from_millis(17_000)));
    }
}
