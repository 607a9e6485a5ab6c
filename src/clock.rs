//! Time: where it comes from, and how it becomes ticks.
//!
//! A [`Clock`] says how much time has passed since some origin of its own. It never goes back and has
//! nothing to do with the date: the host's clock may jump by years without an entry expiring early or living for
//! ever.
//!
//! Inside the cache, time is counted in *ticks*: whole milliseconds since the cache was made. The present is rounded down
//! and deadlines are rounded up, so that nothing expires before its time, and everything less than a
//! tick after it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A source of monotonic time.
///
/// ```
/// use std::time::Duration;
/// use tollgate::clock::{Clock, ManualClock};
///
/// let clock = ManualClock::new();
/// clock.advance(Duration::from_secs(3));
/// assert_eq!(clock.now(), Duration::from_secs(3));
/// ```
pub trait Clock: Send + Sync + 'static {
    /// The time since an origin that stays the same as long as the clock exists. Of two calls, the one that happens
    /// later returns no less.
    fn now(&self) -> Duration;
}

/// The default clock: [`Instant`], from the moment at which the clock was made.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose origin is now.
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// A clock that stands still until it is told to advance: for tests and simulations.
///
/// Clones show the same time, so that a test keeps one and gives one away.
#[derive(Debug, Clone, Default)]
pub struct ManualClock {
    /// Nanoseconds since the clock was made: 584 years of them. Written by [`advance`](Self::advance) and read by
    /// `now`, both Relaxed: the value publishes nothing but itself, and a single atomic never goes back.
    now_ns: Arc<AtomicU64>,
}

impl ManualClock {
    /// A clock that shows zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Advances the clock. It stops for good when it has reached its end, 584 years after its origin.
    pub fn advance(&self, by: Duration) {
        let by_ns = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        let _ = self
            .now_ns
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now_ns| Some(now_ns.saturating_add(by_ns)));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.now_ns.load(Ordering::Relaxed))
    }
}

/// A cache's view of its clock: the time since the cache was made.
#[derive(Clone)]
pub(crate) struct Ticks {
    clock: Arc<dyn Clock>,
    /// What the clock showed when the cache was made.
    origin: Duration,
}

impl Ticks {
    /// Counts from now on.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let origin = clock.now();
        Self { clock, origin }
    }

    /// The time since the cache was made.
    pub(crate) fn now(&self) -> Duration {
        self.clock.now().saturating_sub(self.origin)
    }
}

impl fmt::Debug for Ticks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticks").field("now", &self.now()).finish_non_exhaustive()
    }
}

/// Whole milliseconds, rounded down.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Whole milliseconds, rounded up.
pub(crate) fn millis_up(time: Duration) -> u64 {
    let rounds_up = time.subsec_nanos() % NANOS_PER_TICK != 0;
    millis(time).saturating_add(u64::from(rounds_up))
}

/// The first tick that lies `ttl` or more after `now`. `None` is never: what lies beyond the last tick but one, such as
/// [`Duration::MAX`].
///
/// `ttl` is positive (a `ttl` of zero means "no deadline" to users, and is not asked about). The tick
/// is then later than `now`'s own: the shortest life lasts to the next tick.
pub(crate) fn deadline_ms(now: Duration, ttl: Duration) -> Option<u64> {
    debug_assert!(!ttl.is_zero(), "zero stands for no deadline");
    let end = now.checked_add(ttl)?;
    let rounds_up = end.subsec_nanos() % NANOS_PER_TICK != 0;
    let tick = end.as_millis() + u128::from(rounds_up);
    u64::try_from(tick).ok().filter(|&tick| tick < u64::MAX)
}

const NANOS_PER_TICK: u32 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TICK: Duration = Duration::from_millis(1);

    #[test]
    fn the_system_clock_starts_at_zero_and_never_goes_back() {
        let clock = SystemClock::new();
        let mut last = clock.now();
        assert!(last < Duration::from_secs(60));
        for _ in 0..1000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
    }

    #[test]
    fn clones_of_a_manual_clock_show_the_same_time() {
        let clock = ManualClock::new();
        let other = clock.clone();
        other.advance(TICK);
        other.advance(TICK);
        assert_eq!(clock.now(), 2 * TICK);
    }

    #[test]
    fn a_manual_clock_stops_at_its_end() {
        let clock = ManualClock::new();
        clock.advance(Duration::MAX);
        let end = clock.now();
        clock.advance(TICK);
        assert_eq!(clock.now(), end);
        assert!(end > Duration::from_secs(500 * 365 * 86_400));
    }

    #[test]
    fn ticks_count_from_the_making_of_the_cache() {
        let clock = ManualClock::new();
        clock.advance(Duration::from_secs(1_000));
        let ticks = Ticks::new(Arc::new(clock.clone()));
        assert_eq!(millis(ticks.now()), 0);
        clock.advance(Duration::from_micros(2_999));
        assert_eq!(millis(ticks.now()), 2);
        assert_eq!(deadline_ms(ticks.now(), Duration::from_micros(1)), Some(3));
        assert_eq!(deadline_ms(ticks.now(), Duration::from_micros(2)), Some(4));
    }

    #[test]
    fn a_clock_that_breaks_its_promise_is_taken_for_one_that_stands_still() {
        struct Backwards(AtomicU64);
        impl Clock for Backwards {
            fn now(&self) -> Duration {
                Duration::from_secs(self.0.fetch_sub(1, Ordering::Relaxed))
            }
        }
        let ticks = Ticks::new(Arc::new(Backwards(AtomicU64::new(10))));
        assert_eq!(millis(ticks.now()), 0);
        assert_eq!(millis(ticks.now()), 0);
    }

    #[test]
    fn what_lies_beyond_the_last_tick_never_comes() {
        let last = Duration::from_millis(u64::MAX);
        assert_eq!(deadline_ms(Duration::ZERO, Duration::MAX), None);
        assert_eq!(deadline_ms(Duration::MAX, TICK), None);
        assert_eq!(deadline_ms(Duration::ZERO, last), None);
        assert_eq!(deadline_ms(TICK, last), None);
        assert_eq!(deadline_ms(Duration::ZERO, last - TICK), Some(u64::MAX - 1));
        assert_eq!(millis(Duration::MAX), u64::MAX);
    }

    #[test]
    fn the_shortest_life_lasts_to_the_next_tick() {
        let nano = Duration::from_nanos(1);
        assert_eq!(deadline_ms(Duration::ZERO, nano), Some(1));
        assert_eq!(deadline_ms(TICK, nano), Some(2));
        assert_eq!(deadline_ms(TICK - nano, nano), Some(1));
        assert_eq!(deadline_ms(TICK, TICK), Some(2));
    }

    proptest! {
        #[test]
        fn nothing_expires_early_or_a_tick_late(now in any::<u64>(), ttl in 1..u64::MAX, after in any::<u64>()) {
            let (now, ttl) = (Duration::from_nanos(now), Duration::from_nanos(ttl));
            let deadline = deadline_ms(now, ttl).expect("centuries are in range");
            prop_assert!(deadline > millis(now));
            // At any time: expired if a tick after the end, and only if the end has come.
            let then = Duration::from_nanos(after);
            let expired = millis(then) >= deadline;
            prop_assert!(!expired || then >= now + ttl);
            prop_assert!(expired || then < now + ttl + TICK);
            // In particular at the end itself, and just before.
            prop_assert!(millis(now + ttl - Duration::from_nanos(1)) < deadline);
            prop_assert!(millis(now + ttl + TICK) >= deadline);
        }
    }
}
