//! The budget holds: at every instant, the entries cost at most `max_cost + slack`.

use crate::common::{Numbers, Signal, settle, watchdog};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};
use tollgate::policy::PolicyKind;
use tollgate::{Builder, Cache, Maintenance};

const MAX_COST: u64 = 1000;

/// Two threads write entries of mixed sizes, update, remove and read, while a third looks at what the store holds.
fn sample_under_load(slack: Option<u64>, policy: PolicyKind, maintenance: Maintenance) {
    let mut builder: Builder<u64, u64> =
        Cache::builder(10_000, MAX_COST).policy(policy).maintenance(maintenance);
    if let Some(slack) = slack {
        builder = builder.slack(slack);
    }
    let cache = builder.build().unwrap();
    let bound = MAX_COST + cache.slack();
    let signal = Signal::default();
    let mut highest = 0;
    thread::scope(|scope| {
        for seed in 1..=2 {
            let (cache, signal) = (&cache, &signal);
            scope.spawn(move || {
                let mut numbers = Numbers::new(seed);
                while signal.is_on() {
                    let key = numbers.below(3000);
                    match numbers.below(10) {
                        0 => _ = cache.remove(&key),
                        1 => _ = cache.get(&key),
                        2 => _ = cache.insert(key, key, 1 + numbers.below(MAX_COST)),
                        _ => _ = cache.insert(key, key, 1 + numbers.below(20)),
                    }
                    signal.seen.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(150) || signal.seen.load(Ordering::Relaxed) < 2000 {
            let (cost, census) = (cache.cost(), cache.census());
            assert!(cost <= bound && census.cost <= bound, "{cost} and {census:?} exceed {bound}");
            highest = highest.max(cost).max(census.cost);
        }
        signal.stop();
    });
    let peak = cache.stats().peak_cost;
    assert!(peak <= bound, "a peak of {peak} exceeds {bound}");
    assert!(peak >= highest && highest > MAX_COST / 2, "peak {peak}, seen {highest}");
    settle(&cache);
}

#[test]
fn budget_holds_at_every_instant_under_load() {
    watchdog(|| {
        for slack in [None, Some(0), Some(7), Some(10 * MAX_COST)] {
            sample_under_load(slack, PolicyKind::default(), Maintenance::Thread);
        }
    });
}

#[test]
fn budget_holds_without_a_processor() {
    watchdog(|| {
        sample_under_load(Some(0), PolicyKind::TinyLfu, Maintenance::Manual);
        sample_under_load(None, PolicyKind::TinyLfu, Maintenance::Manual);
        sample_under_load(None, PolicyKind::Fifo, Maintenance::Inline);
    });
}

#[test]
fn lowering_the_budget_sheds_before_it_returns_while_others_write() {
    watchdog(|| {
        let cache: Cache<u64, u64> = Cache::builder(10_000, MAX_COST).slack(5).build().unwrap();
        let signal = Signal::default();
        thread::scope(|scope| {
            for seed in 1..=2 {
                let (cache, signal) = (&cache, &signal);
                scope.spawn(move || {
                    let mut numbers = Numbers::new(seed);
                    while signal.is_on() {
                        cache.insert(numbers.below(5000), 0, 1 + numbers.below(30));
                        signal.seen.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            for round in 0..150 {
                let low = 50 + round % 40;
                cache.set_max_cost(low);
                for _ in 0..5 {
                    let (cost, census) = (cache.cost(), cache.census());
                    assert!(cost <= low + 5 && census.cost <= low + 5, "{cost}, {census:?} after {low}");
                }
                cache.set_max_cost(MAX_COST);
                assert_eq!((cache.max_cost(), cache.slack()), (MAX_COST, 5));
                thread::yield_now();
            }
            while signal.seen.load(Ordering::Relaxed) < 1000 {
                thread::yield_now();
            }
            signal.stop();
        });
        settle(&cache);
    });
}

#[test]
fn lowering_sheds_at_once_and_raising_makes_room_at_once() {
    for policy in PolicyKind::ALL {
        let cache: Cache<u64, u64> = Cache::builder(1000, 100)
            .slack(0)
            .policy(policy.clone())
            .maintenance(Maintenance::Manual)
            .build()
            .unwrap();
        (0..100).for_each(|key| assert!(cache.insert(key, key, 1)));
        cache.set_max_cost(30);
        assert_eq!((cache.cost(), cache.census().cost, cache.max_cost()), (30, 30, 30), "{policy:?}");
        cache.set_max_cost(60);
        (200..230).for_each(|key| assert!(cache.insert(key, key, 1), "{policy:?} has room for {key}"));
        assert_eq!(cache.census().cost, 60);
        cache.set_max_cost(0);
        assert_eq!((cache.max_cost(), cache.cost()), (1, 1), "nothing is free: zero counts as one");
        settle(&cache);
    }
}

#[test]
fn the_default_slack_follows_the_budget_and_a_fixed_one_stays() {
    let share: Cache<u64, u64> = Cache::builder(1000, 6400).maintenance(Maintenance::Manual).build().unwrap();
    assert_eq!(share.slack(), 100);
    share.set_max_cost(10);
    assert_eq!(share.slack(), 1);
    let fixed: Cache<u64, u64> =
        Cache::builder(1000, 6400).slack(9).maintenance(Maintenance::Manual).build().unwrap();
    fixed.set_max_cost(10);
    assert_eq!(fixed.slack(), 9);
}

#[test]
fn growing_an_entry_evicts_at_once() {
    for policy in PolicyKind::ALL {
        for slack in [0, 10] {
            let cache: Cache<u64, u64> = Cache::builder(1000, 100)
                .slack(slack)
                .policy(policy.clone())
                .maintenance(Maintenance::Manual)
                .build()
                .unwrap();
            (0..100).for_each(|key| assert!(cache.insert(key, key, 1)));
            cache.run_pending();
            for key in 0..100 {
                cache.insert(key, key, 60);
                assert!(cache.census().cost <= 100 + slack, "{policy:?}, {:?}", cache.census());
            }
            settle(&cache);
        }
    }
}

#[test]
fn after_wait_the_cost_is_within_max_cost_whatever_the_load_was() {
    watchdog(|| {
        let cache: Cache<u64, u64> = Cache::builder(10_000, 500).slack(100_000).build().unwrap();
        thread::scope(|scope| {
            for thread in 0..3 {
                let cache = &cache;
                scope.spawn(move || {
                    for number in 0..20_000 {
                        assert!(cache.insert(number * 3 + thread, number, 1 + number % 5));
                    }
                });
            }
        });
        cache.wait().unwrap();
        assert!(cache.cost() <= 500, "{} after wait", cache.cost());
        settle(&cache);
    });
}

#[test]
fn a_strict_cache_never_takes_back_its_word() {
    for policy in PolicyKind::ALL {
        let taken_back = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
        let heard = std::sync::Arc::clone(&taken_back);
        let cache: Cache<u64, u64> = Cache::builder(1000, 50)
            .strict()
            .policy(policy.clone())
            .maintenance(Maintenance::Manual)
            .listener(move |event| {
                heard.fetch_add(u64::from(event.cause == tollgate::Cause::Rejected), Ordering::Relaxed);
            })
            .build()
            .unwrap();
        let mut numbers = Numbers::new(5);
        for key in 0..2000 {
            let cost = 1 + numbers.below(4);
            if cache.insert(key, key, cost) {
                assert_eq!(cache.get(&key), Some(key), "{policy:?} took {key} and does not have it");
            }
            if key % 2 == 0 {
                // Frees room in one shard that an insert into another one takes.
                cache.remove(&(key.saturating_sub(numbers.below(60))));
                let mate = key.saturating_sub(numbers.below(60));
                cache.insert_if_present(mate, mate, 1);
            }
            if key % 5 == 0 {
                cache.run_pending();
            }
            assert!(cache.census().cost <= 50);
        }
        settle(&cache);
        assert_eq!(taken_back.load(Ordering::Relaxed), 0, "{policy:?} rejected what it had accepted");
    }
}
