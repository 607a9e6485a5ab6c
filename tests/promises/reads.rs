//! Read your writes; what was removed or cleared is never seen again.

use crate::common::{Numbers, Signal, settle, watchdog};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use tollgate::{Cache, Maintenance};

#[test]
fn an_accepted_value_is_seen_by_every_thread_until_a_later_one_is() {
    watchdog(|| {
        let cache: Cache<u64, u64> = Cache::builder(10_000, 1 << 20).build().unwrap();
        let newest: Vec<AtomicU64> = (0..8).map(|_| AtomicU64::new(0)).collect();
        let signal = Signal::default();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut numbers = Numbers::new(3);
                    while signal.is_on() {
                        let key = numbers.below(8);
                        let at_least = newest[key as usize].load(Ordering::Acquire);
                        let seen = cache.get(&key).unwrap_or_default();
                        assert!(seen >= at_least, "saw {seen} of {key} after {at_least}: everything fits");
                        signal.seen.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            for version in 1.. {
                let key = version % 8;
                assert!(cache.insert(key, version, 1 + version % 50));
                assert_eq!(cache.get(&key), Some(version));
                newest[key as usize].store(version, Ordering::Release);
                if version > 20_000 && signal.seen.load(Ordering::Relaxed) > 1000 {
                    break;
                }
            }
            signal.stop();
        });
        settle(&cache);
    });
}

/// A writer per key counts up; now and then it forgets all that it wrote. `forget` returns with the guarantee.
fn nothing_old_is_seen_after(forget: impl Fn(&Cache<u64, u64>, u64) + Send + Sync + 'static) {
    watchdog(move || {
        let cache: Cache<u64, u64> = Cache::builder(1000, 64).build().unwrap();
        let floor: Vec<AtomicU64> = (0..4).map(|_| AtomicU64::new(0)).collect();
        let signal = Signal::default();
        thread::scope(|scope| {
            let readers = (0..2).map(|reader| {
                let (cache, floor, signal) = (&cache, &floor, &signal);
                scope.spawn(move || {
                    let mut numbers = Numbers::new(reader);
                    while signal.is_on() {
                        let key = numbers.below(4);
                        let forgotten = floor[key as usize].load(Ordering::Acquire);
                        if let Some(seen) = cache.get(&key) {
                            assert!(seen > forgotten, "saw {seen}, {forgotten} was forgotten");
                            signal.seen.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                })
            });
            let readers: Vec<_> = readers.collect();
            for version in 1.. {
                let key = version % 4;
                cache.insert(key, version, 1 + version % 9);
                if version % 3 == 0 {
                    forget(&cache, key);
                    floor[key as usize].store(version, Ordering::Release);
                }
                let enough = version > 5000 && signal.seen.load(Ordering::Relaxed) > 100;
                if enough || readers.iter().any(thread::ScopedJoinHandle::is_finished) {
                    break;
                }
            }
            signal.stop();
        });
        settle(&cache);
    });
}

#[test]
fn what_was_removed_is_never_seen_again() {
    nothing_old_is_seen_after(|cache, key| _ = cache.remove(&key));
}

#[test]
fn what_was_cleared_is_never_seen_again() {
    nothing_old_is_seen_after(|cache, _| cache.clear());
}

#[test]
fn what_was_not_retained_is_never_seen_again() {
    nothing_old_is_seen_after(|cache, _| cache.retain(|_, _| false));
}

#[test]
fn removal_overtakes_no_pending_insert() {
    for maintenance in [Maintenance::Manual, Maintenance::Inline, Maintenance::Thread] {
        let cache: Cache<u64, u64> = Cache::builder(1000, 1000).maintenance(maintenance).build().unwrap();
        for round in 0..500 {
            assert!(cache.insert(7, round, 3));
            assert_eq!(cache.remove(&7), Some(round));
            assert_eq!(cache.get(&7), None);
            assert!(cache.insert(7, round, 3));
            cache.clear();
            assert_eq!((cache.get(&7), cache.len(), cache.cost()), (None, 0, 0));
        }
        settle(&cache);
        assert!(cache.is_empty());
    }
}

#[test]
fn a_write_that_lands_after_the_clear_survives_it() {
    let cache: Cache<u64, u64> = Cache::builder(1000, 1000).maintenance(Maintenance::Manual).build().unwrap();
    (0..100).for_each(|key| _ = cache.insert(key, key, 1));
    cache.clear();
    (0..100).for_each(|key| assert!(cache.insert(key, key + 1, 1)));
    settle(&cache);
    (0..100).for_each(|key| assert_eq!(cache.get(&key), Some(key + 1)));
}

#[test]
fn peek_leaves_no_trace_and_get_does() {
    let cache: Cache<u64, u64> = Cache::builder(1000, 1000).maintenance(Maintenance::Manual).build().unwrap();
    cache.insert(1, 10, 1);
    cache.wait().unwrap();
    assert_eq!((cache.peek(&1), cache.peek(&2)), (Some(10), None));
    assert!(cache.contains_key(&1) && !cache.contains_key(&2));
    assert_eq!(cache.stats().reads(), 0);
    assert_eq!(
        (cache.get(&1), cache.get(&2), cache.get_with(&1, |value| value + 1)),
        (Some(10), None, Some(11))
    );
    cache.wait().unwrap();
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses), (2, 1));
    assert_eq!(stats.reads_recorded + stats.reads_lost, 3, "wait() flushes the caller's reads");
}
