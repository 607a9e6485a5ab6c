//! Many keys at once do what one at a time does, and iteration sees what is there.

mod common;

use common::{Books, Numbers, audit_to_the_end, hush, panics, planted_panic, settle, watchdog};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tollgate::clock::ManualClock;
use tollgate::{Cache, Cause, InsertError, Inserted, Maintenance};

const MODES: [Maintenance; 3] = [Maintenance::Thread, Maintenance::Inline, Maintenance::Manual];

#[test]
fn answers_come_in_the_order_of_the_keys() {
    for maintenance in MODES {
        let cache: Cache<u64, u64> =
            Cache::builder(100_000, 10_000).maintenance(maintenance).build().unwrap();
        let answers = cache.insert_many((0..5000).map(|key| (key, key + 1, 1)));
        assert!(answers.iter().all(|answer| *answer == Ok(Inserted::New)));
        let keys: Vec<u64> = (0..5000).rev().chain([9999, 7, 7]).collect();
        let found = cache.get_many(&keys);
        let expected: Vec<_> = keys.iter().map(|&key| (key < 5000).then_some(key + 1)).collect();
        assert_eq!(found, expected);
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses, stats.inserts), (5002, 1, 5000));
        let removed = cache.remove_many(&keys);
        assert_eq!(removed[..5000], expected[..5000]);
        assert_eq!(removed[5000..], [None, None, None], "an entry is handed back once");
        assert!(cache.is_empty());
        assert_eq!((cache.cost(), cache.stats().removals), (0, 5000));
        settle(&cache);
    }
}

#[test]
fn equal_keys_are_written_in_order() {
    for (slack, maintenance) in
        [(0, Maintenance::Manual), (1, Maintenance::Thread), (1000, Maintenance::Inline)]
    {
        let cache: Cache<u64, u64> =
            Cache::builder(10_000, 2000).slack(slack).maintenance(maintenance).build().unwrap();
        cache.insert_many((0..1000).map(|n| (n % 10, n, 1 + n % 50)));
        assert_eq!(cache.get_many(&[0, 3, 9]), [Some(990), Some(993), Some(999)]);
        settle(&cache);
    }
}

#[test]
fn refused_values_come_back() {
    let cache: Cache<u64, u64> = Cache::builder(1000, 100).replace_if(|old, new| new > old).build().unwrap();
    cache.insert(1, 10, 1);
    let answers = cache.insert_many([(1, 5, 1), (2, 6, 101), (1, 20, 1), (3, 7, 1)]);
    assert_eq!(answers[0], Err(InsertError::Kept(5)));
    assert_eq!(answers[1], Err(InsertError::TooCostly { value: 6, cost: 101, max_cost: 100 }));
    assert_eq!(answers[2..], [Ok(Inserted::Replaced), Ok(Inserted::New)]);
    assert_eq!(cache.stats().refusals, 2);
    settle(&cache);
}

#[test]
fn batches_keep_the_budget_and_account_for_every_value() {
    watchdog(|| {
        for (slack, maintenance) in
            [(0, Maintenance::Thread), (8, Maintenance::Thread), (64, Maintenance::Manual)]
        {
            let books = Books::new();
            let heard = books.clone();
            let cache = Cache::builder(1000, 100)
                .slack(slack)
                .maintenance(maintenance)
                .listener(move |event| heard.hear(event))
                .build()
                .unwrap();
            std::thread::scope(|scope| {
                for seed in 0..3 {
                    let (cache, books) = (&cache, &books);
                    scope.spawn(move || {
                        let mut numbers = Numbers::new(seed);
                        for _ in 0..60 {
                            let items: Vec<_> = (0..150)
                                .map(|_| (numbers.below(300), books.value(0), 1 + numbers.below(5)))
                                .collect();
                            for answer in cache.insert_many(items) {
                                books.hand_back_refused(answer);
                            }
                            let keys: Vec<_> = (0..20).map(|_| numbers.below(300)).collect();
                            cache
                                .remove_many(&keys)
                                .into_iter()
                                .flatten()
                                .for_each(|value| books.hand_back(value));
                        }
                    });
                }
            });
            settle(&cache);
            let stats = cache.stats();
            assert!(stats.peak_cost <= 100 + slack, "{} with a slack of {slack}", stats.peak_cost);
            assert!(books.count(Cause::Replaced) > 0 && stats.evictions + stats.rejections > 0);
            audit_to_the_end(cache, &books);
        }
    });
}

#[test]
fn a_panic_in_the_middle_leaves_the_accounts_exact() {
    hush();
    let books = Books::new();
    let heard = books.clone();
    let asked = Arc::new(AtomicUsize::new(0));
    let asks = asked.clone();
    let cache = Cache::builder(1000, 1000)
        .maintenance(Maintenance::Manual)
        .replace_if(move |_: &common::Value, _| match asks.fetch_add(1, Ordering::Relaxed) {
            40 => planted_panic(),
            _ => true,
        })
        .listener(move |event| heard.hear(event))
        .build()
        .unwrap();
    for key in 0..100_u64 {
        assert!(cache.insert(key, books.value(key), 1));
    }
    let items: Vec<_> = (0..100).map(|key| (key, books.value(key), 2)).collect();
    panics(|| cache.insert_many(items));
    settle(&cache);
    assert_eq!(books.count(Cause::Replaced), 40, "those before the panic were replaced");
    assert_eq!((cache.len(), cache.cost()), (100, 140));
}

#[test]
fn a_panicking_clone_drops_nothing_under_the_lock() {
    hush();
    struct Fickle(Cache<u64, Arc<()>>, Arc<AtomicUsize>);
    impl Clone for Fickle {
        fn clone(&self) -> Self {
            if self.1.fetch_add(1, Ordering::Relaxed) == 20 {
                planted_panic();
            }
            Self(self.0.clone(), self.1.clone())
        }
    }
    watchdog(|| {
        let clones = Arc::new(AtomicUsize::new(0));
        let cache: Cache<u64, Fickle> = Cache::new(1000, 100).unwrap();
        let inner = Cache::new(100, 10).unwrap();
        (0..50).for_each(|key| _ = cache.insert(key, Fickle(inner.clone(), clones.clone()), 1));
        panics(|| cache.get_many(&(0..50).collect::<Vec<_>>()));
        clones.store(0, Ordering::Relaxed);
        panics(|| cache.iter().count());
        assert_eq!(cache.iter().count(), 50);
        assert_eq!(cache.remove_many(&(0..50).collect::<Vec<_>>()).into_iter().flatten().count(), 50);
        settle(&cache);
    });
}

#[test]
fn iteration_yields_what_is_there_once_and_leaves_no_trace() {
    let clock = ManualClock::new();
    let cache: Cache<u64, u64> = Cache::builder(100_000, 10_000)
        .clock(clock.clone())
        .maintenance(Maintenance::Manual)
        .build()
        .unwrap();
    cache.insert_many((0..3000).map(|key| (key, key, 1)));
    cache.insert_with_ttl(5000, 5000, 1, Duration::from_secs(1));
    assert_eq!(cache.iter().count(), 3001);
    clock.advance(Duration::from_secs(2));
    let before = cache.stats();
    let seen: HashMap<_, _> = (&cache).into_iter().collect();
    assert_eq!(seen.len(), 3000, "what has expired is absent");
    for key in 0..3000 {
        assert_eq!(seen.get(&cache.key_hash(&key)), Some(&key));
    }
    let after = cache.stats();
    assert_eq!((after.hits, after.misses), (before.hits, before.misses));
    settle(&cache);
}

#[test]
fn iteration_holds_no_lock_between_steps_and_sees_residents_exactly_once() {
    watchdog(|| {
        let cache: Cache<u64, u64> = Cache::new(100_000, 10_000).unwrap();
        cache.insert_many((0..1000).map(|key| (key, key, 1)));
        let mut seen = HashSet::new();
        let mut iter = cache.iter();
        for (key, value) in iter.by_ref() {
            assert!(seen.insert(key), "twice");
            // Replaces, adds and removes others while it goes on.
            if value < 1000 {
                cache.insert(2000 + value, 5000, 1);
                cache.remove(&(2000 + value / 2));
                cache.insert(value, value, 2);
            }
        }
        assert!((0..1000).all(|key| seen.contains(&cache.key_hash(&key))));
        assert!(iter.next().is_none());
        settle(&cache);
    });
}

#[test]
fn extend_weighs_and_takes_any_number() {
    let mut cache: Cache<str, Vec<u8>> =
        Cache::builder(100_000, 1 << 20).weigher(|value: &Vec<u8>| value.len() as u64).build().unwrap();
    cache.extend((0..3000).map(|n| (n.to_string(), vec![0; 2])));
    cache.extend([("dear", vec![1], 500)]);
    assert_eq!((cache.len(), cache.cost()), (3001, 6500));
    settle(&cache);
}

#[test]
fn idle_entries_are_touched_by_a_batch() {
    let clock = ManualClock::new();
    let cache: Cache<u64, u64> = Cache::builder(1000, 100)
        .time_to_idle(Duration::from_secs(10))
        .clock(clock.clone())
        .maintenance(Maintenance::Manual)
        .build()
        .unwrap();
    cache.insert_many([(1, 1, 1), (2, 2, 1)]);
    clock.advance(Duration::from_secs(6));
    assert_eq!(cache.get_many(&[1]), [Some(1)]);
    clock.advance(Duration::from_secs(6));
    assert_eq!(cache.remove_many(&[1, 2]), [Some(1), None], "the other idled away");
    assert_eq!(cache.stats().expirations, 1);
    settle(&cache);
}
