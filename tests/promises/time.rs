//! Time: exact at the deadline, monotonic, any `Duration`; reclaimed without traffic.

use crate::common::{Books, audit_to_the_end, eventually, settle, watchdog};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tollgate::clock::{Clock, ManualClock};
use tollgate::{Builder, Cache, Cause, InsertOptions, Inserted, Maintenance};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn manual<V: Send + Sync + 'static>(clock: &ManualClock) -> Builder<u64, V> {
    Cache::builder(1000, 1000).maintenance(Maintenance::Manual).clock(clock.clone())
}

#[test]
fn an_entry_lives_up_to_its_deadline_and_not_at_it() {
    let clock = ManualClock::new();
    clock.advance(ms(123_456));
    let cache = manual(&clock).time_to_live(ms(100)).build().unwrap();
    assert!(cache.insert(1, 1, 1));
    assert!(cache.insert_with_ttl(2, 2, 1, ms(50)));
    assert!(cache.insert_with_ttl(3, 3, 1, Duration::ZERO), "for ever");
    assert_eq!(cache.remaining_ttl(&1), Some(ms(100)));
    assert_eq!(cache.remaining_ttl(&3), Some(Duration::MAX));
    clock.advance(ms(49));
    assert_eq!((cache.get(&1), cache.get(&2)), (Some(1), Some(2)));
    clock.advance(ms(1));
    assert_eq!((cache.get(&1), cache.get(&2), cache.remaining_ttl(&2)), (Some(1), None, None));
    clock.advance(ms(49));
    assert_eq!((cache.get(&1), cache.remaining_ttl(&1)), (Some(1), Some(ms(1))));
    clock.advance(ms(1));
    assert_eq!((cache.get(&1), cache.peek(&1), cache.contains_key(&1)), (None, None, false));
    assert_eq!(cache.len(), 3, "not reclaimed yet");
    cache.run_pending();
    assert_eq!((cache.len(), cache.cost(), cache.get(&3)), (1, 1, Some(3)));
    settle(&cache);
}

#[test]
fn a_deadline_is_never_early_and_at_most_a_millisecond_late() {
    let clock = ManualClock::new();
    let cache = manual(&clock).build().unwrap();
    for nanos in [1, 999_999, 1_000_000, 1_000_001, 3_141_592] {
        clock.advance(Duration::from_nanos(777_777));
        let ttl = Duration::from_nanos(nanos);
        assert!(cache.insert_with_ttl(1, nanos, 1, ttl));
        clock.advance(ttl - Duration::from_nanos(1));
        assert_eq!(cache.get(&1), Some(nanos), "{ttl:?}: early");
        clock.advance(ms(1));
        assert_eq!(cache.get(&1), None, "{ttl:?}: late");
    }
    settle(&cache);
}

#[test]
fn reads_and_writes_restart_the_time_to_idle_and_peeks_do_not() {
    let clock = ManualClock::new();
    let cache = manual(&clock).time_to_idle(ms(10)).build().unwrap();
    (0..4).for_each(|key| assert!(cache.insert(key, key, 1)));
    for _ in 0..5 {
        clock.advance(ms(9));
        assert_eq!(cache.get(&0), Some(0));
        assert!(cache.insert(1, 1, 1));
        cache.run_pending();
    }
    cache.insert(5, 5, 1);
    clock.advance(ms(9));
    assert_eq!((cache.peek(&5), cache.contains_key(&5)), (Some(5), true));
    assert_eq!(cache.remaining_ttl(&5), Some(ms(1)));
    assert_eq!((cache.get(&2), cache.get(&3)), (None, None));
    clock.advance(ms(1));
    assert_eq!((cache.get(&0), cache.get(&1), cache.get(&5)), (None, None, None));
    cache.run_pending();
    assert!(cache.is_empty());
    settle(&cache);
}

#[test]
fn the_earlier_of_time_to_live_and_time_to_idle_counts() {
    let clock = ManualClock::new();
    let cache = manual(&clock).time_to_live(ms(25)).time_to_idle(ms(10)).build().unwrap();
    cache.insert(1, 1, 1);
    cache.insert(2, 2, 1);
    for _ in 0..3 {
        clock.advance(ms(8));
        assert_eq!(cache.get(&1), Some(1));
    }
    assert_eq!((cache.get(&2), cache.remaining_ttl(&1)), (None, Some(ms(1))));
    clock.advance(ms(1));
    assert_eq!(cache.get(&1), None);
    settle(&cache);
}

/// However long nobody looks: what has idled away does not come back.
#[test]
fn an_idle_entry_never_comes_back() {
    for tti in [ms(1), ms(1000), Duration::from_secs(3600), Duration::from_secs(86_400 * 365)] {
        for maintenance in [Maintenance::Manual, Maintenance::Inline] {
            let clock = ManualClock::new();
            let cache: Cache<u64, u64> = Cache::builder(1000, 1000)
                .maintenance(maintenance)
                .clock(clock.clone())
                .time_to_idle(tti)
                .build()
                .unwrap();
            cache.insert(1, 1, 1);
            for step in 0..40 {
                // A long time to idle is measured to a millionth of it.
                clock.advance((tti + tti / 1000).max(Duration::from_secs(1200)) * (1 + step / 3));
                assert_eq!(cache.peek(&1), None, "{tti:?}, {maintenance:?}: back at step {step}");
            }
            for step in 0..200 {
                clock.advance((tti + tti / 1000).max(ms(100_000)));
                assert_eq!(cache.get(&1), None, "{tti:?}, {maintenance:?}: back at step {step}");
            }
        }
    }
}

#[test]
fn a_time_to_live_is_kept_by_insert_if_present_and_an_expired_entry_is_absent() {
    let clock = ManualClock::new();
    let cache = manual(&clock).time_to_live(ms(1000)).build().unwrap();
    assert!(!cache.insert_if_present(1, 1, 1), "nothing is there");
    cache.insert_with_ttl(1, 1, 1, ms(100));
    clock.advance(ms(40));
    for cost in [1, 2] {
        assert!(cache.insert_if_present(1, 2, cost));
        assert_eq!((cache.get(&1), cache.remaining_ttl(&1)), (Some(2), Some(ms(60))), "the deadline stays");
    }
    let renewed = InsertOptions { time_to_live: Some(ms(70)), if_present: true, ..Default::default() };
    assert_eq!(cache.try_insert_with(1, 3, 1, renewed).unwrap(), Inserted::Replaced);
    assert_eq!(cache.remaining_ttl(&1), Some(ms(70)));
    assert!(cache.insert(1, 4, 1));
    assert_eq!(cache.remaining_ttl(&1), Some(ms(1000)), "a plain insert starts anew");
    clock.advance(ms(1000));
    assert!(!cache.insert_if_present(1, 5, 1), "it has expired");
    assert_eq!(cache.get(&1), None);
    cache.insert_with_ttl(2, 2, 1, Duration::ZERO);
    assert!(cache.insert_if_present(2, 3, 1));
    assert_eq!(cache.remaining_ttl(&2), Some(Duration::MAX));
    settle(&cache);
}

#[test]
fn every_duration_is_accepted() {
    let clock = ManualClock::new();
    let huge = [
        Duration::MAX,
        Duration::MAX - Duration::from_nanos(1),
        Duration::from_secs(u64::MAX),
        Duration::from_millis(u64::MAX),
        Duration::from_millis(u64::MAX - 1),
        Duration::from_nanos(u64::MAX),
        Duration::from_secs(86_400 * 365 * 30),
        Duration::from_secs(86_400 * 365 * 100),
    ];
    for duration in huge {
        let cache = manual(&clock).time_to_live(duration).time_to_idle(duration).build().unwrap();
        assert!(cache.insert(1, 1, 1) && cache.insert_with_ttl(2, 2, 1, duration));
        cache.run_pending();
        clock.advance(Duration::from_secs(86_400 * 365));
        assert_eq!((cache.get(&1), cache.get(&2)), (Some(1), Some(2)), "{duration:?} has not passed");
        assert!(cache.remaining_ttl(&1).is_some());
        settle(&cache);
    }
    let forever = manual(&clock).time_to_live(Duration::MAX).build().unwrap();
    forever.insert(1, 1, 1);
    assert_eq!(forever.remaining_ttl(&1), Some(Duration::MAX));
    clock.advance(Duration::MAX);
    assert_eq!(forever.get(&1), Some(1));
    settle(&forever);
}

/// A clock of the host that is set back and forth.
#[derive(Clone, Default)]
struct Jumping(Arc<AtomicU64>);

impl Clock for Jumping {
    fn now(&self) -> Duration {
        ms(self.0.load(Ordering::Relaxed))
    }
}

#[test]
fn a_clock_that_goes_back_breaks_nothing() {
    let clock = Jumping::default();
    clock.0.store(1_000_000, Ordering::Relaxed);
    let cache: Cache<u64, u64> = Cache::builder(1000, 1000)
        .maintenance(Maintenance::Manual)
        .clock(clock.clone())
        .time_to_idle(ms(1000))
        .build()
        .unwrap();
    for (round, now) in [1_000_000, 500, 0, 2_000_000, 1_999_000, 10, 3_000_000].into_iter().enumerate() {
        clock.0.store(now, Ordering::Relaxed);
        for key in 0..20 {
            cache.insert_with_ttl(key, round as u64, 1 + key, ms(500));
            cache.get(&key);
            cache.remaining_ttl(&key);
        }
        settle(&cache);
    }
    clock.0.store(4_000_000, Ordering::Relaxed);
    cache.run_pending();
    assert!(cache.is_empty(), "all have expired by any account");
    assert_eq!(cache.stats().policy_panics, 0);
}

#[test]
fn a_refreshed_entry_outlives_the_deadline_of_the_value_it_replaced() {
    let clock = ManualClock::new();
    let cache = manual(&clock).build().unwrap();
    cache.insert_with_ttl(1, 1, 1, ms(10));
    cache.run_pending();
    clock.advance(ms(9));
    // The engine hears of it only after the old deadline: by then, the version is another.
    cache.insert_with_ttl(1, 2, 1, ms(100));
    clock.advance(ms(5));
    cache.run_pending();
    assert_eq!(cache.get(&1), Some(2));
    cache.insert_with_ttl(1, 3, 1, Duration::ZERO);
    clock.advance(ms(1000));
    cache.run_pending();
    assert_eq!((cache.get(&1), cache.remaining_ttl(&1)), (Some(3), Some(Duration::MAX)));
    settle(&cache);
}

#[test]
fn one_wait_reclaims_everything_that_has_expired() {
    let clock = ManualClock::new();
    let books = Books::new();
    let heard = books.clone();
    let cache: Cache<u64, _> = Cache::builder(100_000, 1 << 20)
        .maintenance(Maintenance::Manual)
        .clock(clock.clone())
        .listener(move |event| heard.hear(event))
        .build()
        .unwrap();
    for key in 0..20_000 {
        cache.insert_with_ttl(key, books.value(key), 1, ms(100_000 + key % 5000));
    }
    cache.wait().unwrap();
    clock.advance(ms(110_000));
    cache.wait().unwrap();
    assert_eq!((cache.len(), books.count(Cause::Expired)), (0, 20_000));
    audit_to_the_end(cache, &books);
}

#[test]
fn expired_entries_are_reclaimed_without_traffic() {
    watchdog(|| {
        let start = Instant::now();
        let cache: Cache<u64, Arc<()>> =
            Cache::builder(10_000, 1 << 20).time_to_idle(ms(90)).build().unwrap();
        let token = Arc::new(());
        (0..5000).for_each(|key| assert!(cache.insert_with_ttl(key, Arc::clone(&token), 1, ms(60))));
        (5000..6000).for_each(|key| assert!(cache.insert(key, Arc::clone(&token), 1)));
        let filled = start.elapsed();
        eventually("everything has expired", || Arc::strong_count(&token) == 1);
        // The delay is a tick and a turn; the bound is for a loaded machine.
        assert!(start.elapsed() < filled + ms(90) + Duration::from_secs(5), "{:?}", start.elapsed());
        assert!(start.elapsed() >= ms(60));
        settle(&cache);
        assert!(cache.is_empty());
    });
}

/// An insert that is decided at once has no command in any log: the processor must learn of its deadline all the same.
#[test]
fn expired_entries_are_reclaimed_without_traffic_in_a_full_strict_cache() {
    watchdog(|| {
        let token = Arc::new(());
        let cache: Cache<u64, Arc<()>> =
            Cache::builder(1000, 10).strict().policy(tollgate::policy::PolicyKind::Fifo).build().unwrap();
        (0..10).for_each(|key| assert!(cache.insert(key, Arc::default(), 1)));
        cache.wait().unwrap();
        // The processor has gone to sleep: nothing is due.
        thread::sleep(ms(30));
        (10..20).for_each(|key| assert!(cache.insert_with_ttl(key, Arc::clone(&token), 1, ms(40))));
        assert!(cache.stats().decided_at_once > 0);
        eventually("what was decided at once has expired", || Arc::strong_count(&token) == 1);
        settle(&cache);
    });
}

#[test]
fn an_earlier_deadline_wakes_a_sleeping_processor() {
    watchdog(|| {
        let token = Arc::new(());
        let cache: Cache<u64, Arc<()>> = Cache::new(1000, 100).unwrap();
        cache.insert_with_ttl(1, Arc::default(), 1, Duration::from_secs(3600));
        cache.wait().unwrap();
        thread::sleep(ms(20));
        cache.insert_with_ttl(2, Arc::clone(&token), 1, ms(20));
        eventually("the earlier one has expired", || Arc::strong_count(&token) == 1);
        assert_eq!(cache.len(), 1);
        settle(&cache);
    });
}
