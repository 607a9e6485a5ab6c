//! From build to drop: threads, configuration, statistics.

use crate::common::{eventually, settle, watchdog};
use std::thread;
use std::time::{Duration, Instant};
use tollgate::policy::{Objective, PolicyKind};
use tollgate::{BuildError, Builder, Cache, Maintenance};

fn builder(num_counters: usize, max_cost: u64) -> Builder<u64, u64> {
    Cache::builder(num_counters, max_cost)
}

#[test]
fn bad_configurations_are_errors() {
    assert_eq!(builder(0, 10).build().unwrap_err(), BuildError::NoCounters);
    assert_eq!(builder(10, 0).build().unwrap_err(), BuildError::NoBudget);
    assert_eq!(builder(10, 10).time_to_live(Duration::ZERO).build().unwrap_err(), BuildError::ZeroDuration);
    assert_eq!(builder(10, 10).time_to_idle(Duration::ZERO).build().unwrap_err(), BuildError::ZeroDuration);
    assert!(Cache::<u64, u64>::new(0, 0).is_err());
}

#[test]
fn any_number_of_counters_makes_a_working_cache() {
    watchdog(|| {
        for policy in PolicyKind::ALL {
            for counters in [1, 2, 1000, 1 << 40, usize::MAX] {
                for max_cost in [1, 1000, u64::MAX] {
                    let cache = builder(counters, max_cost)
                        .policy(policy.clone())
                        .maintenance(Maintenance::Manual)
                        .build();
                    let cache = cache.unwrap();
                    for key in 0..300 {
                        cache.insert(key, key, 1);
                        cache.get(&(key / 2));
                    }
                    settle(&cache);
                    let stats = cache.stats();
                    assert!(
                        stats.policy_memory < 4 << 20,
                        "{policy:?} takes {} bytes with {counters} counters",
                        stats.policy_memory
                    );
                    assert_eq!(stats.policy_panics, 0, "{policy:?}, {counters}, {max_cost}");
                }
            }
        }
        // The thread, too, survives the extremes.
        for counters in [1, usize::MAX] {
            let cache = builder(counters, 100).build().unwrap();
            (0..3000).for_each(|key| _ = cache.insert(key, key, 1));
            settle(&cache);
            assert!(cache.cost() <= 100);
        }
    });
}

#[test]
fn a_cache_has_one_thread_or_none_and_the_drop_ends_it() {
    watchdog(|| {
        let cache = builder(100, 10).build().unwrap();
        let clones: Vec<_> = (0..10).map(|_| cache.clone()).collect();
        drop(cache);
        clones[0].insert(1, 1, 1);
        assert_eq!(clones[9].get(&1), Some(1), "clones are the same cache");
        let start = Instant::now();
        drop(clones);
        assert!(start.elapsed() < Duration::from_secs(10));
    });
}

#[test]
fn an_idle_cache_sleeps() {
    watchdog(|| {
        let cache = builder(1000, 100).build().unwrap();
        (0..500).for_each(|key| _ = cache.insert(key, key, 1));
        cache.wait().unwrap();
        let settled = || {
            let before = cache.stats().turns;
            thread::sleep(Duration::from_millis(20));
            cache.stats().turns == before
        };
        eventually("it has gone to sleep", settled);
        let before = cache.stats().turns;
        thread::sleep(Duration::from_millis(300));
        assert!(cache.stats().turns - before <= 1, "an idle cache does not turn");
    });
}

#[test]
fn pending_work_is_done_without_anybody_asking() {
    watchdog(|| {
        let cache = builder(1000, 1000).slack(1000).policy(PolicyKind::Fifo).build().unwrap();
        for round in 1..=20 {
            (0..100).for_each(|key| _ = cache.insert(round * 100 + key, key, 10));
            eventually("the processor has evicted", || cache.cost() <= 1000);
            thread::sleep(Duration::from_millis(2));
        }
        settle(&cache);
    });
}

#[test]
fn manual_maintenance_runs_only_when_told() {
    let cache = builder(1000, 100).slack(100).maintenance(Maintenance::Manual).build().unwrap();
    (0..150).for_each(|key| assert!(cache.insert(key, key, 1)));
    thread::sleep(Duration::from_millis(5));
    assert_eq!((cache.len(), cache.stats().turns), (150, 0));
    cache.run_pending();
    assert_eq!((cache.cost(), cache.stats().turns), (100, 1));
    settle(&cache);
}

#[test]
fn inline_maintenance_settles_with_the_write() {
    let cache = builder(1000, 100).slack(100).maintenance(Maintenance::Inline).build().unwrap();
    for key in 0..300 {
        cache.insert(key, key, 1);
        assert!(cache.cost() <= 100, "the write has settled");
    }
    settle(&cache);
}

#[test]
fn the_same_seed_and_history_make_the_same_cache() {
    for policy in PolicyKind::ALL {
        let history = || {
            let cache: Cache<u64, u64, _> = builder(1000, 50)
                .key_hasher(tollgate::key::SecretHasher::with_seed(3))
                .policy(policy.clone())
                .objective(Objective::Cost)
                .seed(9)
                .maintenance(Maintenance::Manual)
                .build()
                .unwrap();
            for key in 0..2000_u64 {
                let key = key * key % 211;
                if cache.get(&key).is_none() {
                    cache.insert(key, key, 1 + key % 5);
                }
            }
            settle(&cache);
            (0..211).filter(|key| cache.contains_key(key)).collect::<Vec<_>>()
        };
        assert_eq!(history(), history(), "{policy:?}");
    }
}

#[test]
fn statistics_add_up_and_print() {
    let cache = builder(1000, 100).maintenance(Maintenance::Manual).build().unwrap();
    (0..50).for_each(|key| assert!(cache.insert(key, key, 2)));
    (0..50).for_each(|key| assert!(cache.insert(key, key, 1)));
    (0..10).for_each(|key| assert!(cache.remove(&key).is_some()));
    (0..20).for_each(|key| _ = cache.get(&key));
    cache.clear();
    settle(&cache);
    let stats = cache.stats();
    assert_eq!((stats.inserts, stats.inserted_cost, stats.updates, stats.updated_cost), (50, 100, 50, 50));
    assert_eq!((stats.removals, stats.removed_cost), (10, 10));
    assert_eq!((stats.hits, stats.misses, stats.reads()), (10, 10, 20));
    assert_eq!((stats.clears, stats.cleared, stats.cleared_cost), (1, 40, 40));
    assert_eq!((stats.resident_cost, stats.peak_cost, stats.max_cost), (0, 100, 100));
    assert!((stats.hit_ratio() - 0.5).abs() < 1e-9);
    let text = stats.to_string();
    for word in ["hits", "evictions", "resident", "peak", "policy"] {
        assert!(text.contains(word), "{word} is missing in:\n{text}");
    }
    assert!(format!("{cache:?}").contains("max_cost: 100"));
}

#[test]
fn clones_are_one_cache() {
    let cache = builder(1000, 100).build().unwrap();
    let clone = cache.clone();
    clone.insert(1, 1, 1);
    assert_eq!(cache.get(&1), Some(1));
    assert_eq!((cache.stats().hits, clone.stats().hits), (1, 1));
    settle(&cache);
}
