//! What other caches got wrong, where no promise's own test has it: each test names the behaviour that ours
//! must not have.

mod common;

use common::{Literal, Signal, eventually, settle, watchdog};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tollgate::clock::ManualClock;
use tollgate::engine::Engine;
use tollgate::policy::{Objective, PolicyConfig, PolicyKind};
use tollgate::{Builder, Cache, Cause, Event, Maintenance};

fn manual(max_cost: u64) -> Builder<u64, u64> {
    Cache::builder(1000, max_cost).maintenance(Maintenance::Manual)
}

/// A scan of all entries for a victim would make the larger cache 64 times as slow.
#[test]
fn finding_a_victim_takes_no_longer_among_many_entries_than_among_few() {
    let per_request = |policy: &PolicyKind, entries: usize| {
        let config = PolicyConfig {
            num_counters: 10 * entries,
            max_cost: entries as u64,
            seed: 1,
            objective: Objective::Hits,
        };
        let mut engine = Engine::new(policy.clone(), config);
        let key = |number: usize| (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (0..entries).for_each(|number| _ = engine.request(key(number), 1));
        let fastest = (1..=5).map(|round| {
            let start = Instant::now();
            // Asked for twice: most policies admit what they have seen before.
            for number in 0..300 {
                engine.request(key(round * 1_000_000 + number), 1);
                engine.request(key(round * 1_000_000 + number), 1);
            }
            start.elapsed() / 600
        });
        fastest.min().expect("five rounds")
    };
    for policy in PolicyKind::ALL {
        let (few, many) = (per_request(policy, 512), per_request(policy, 512 * 64));
        assert!(many < 20 * few + Duration::from_micros(5), "{policy:?}: {few:?} of 512, {many:?} of 32768");
    }
}

#[test]
fn inserting_and_removing_one_key_for_ever_takes_no_memory() {
    for policy in PolicyKind::ALL {
        let cache = manual(100).policy(policy.clone()).build().unwrap();
        let churn = |rounds: u64| {
            for round in 0..rounds {
                cache.insert(round % 3, round, 1);
                cache.get(&(round % 3));
                cache.remove(&(round % 3));
            }
            cache.wait().unwrap();
            cache.stats().policy_memory
        };
        let (early, late) = (churn(3000), churn(12_000));
        assert!(late <= early + early / 2 + 4096, "{policy:?}: {early} bytes grew to {late}");
        settle(&cache);
    }
}

#[test]
fn removals_expirations_and_evictions_are_counted_apart() {
    let clock = ManualClock::new();
    let cache = manual(10).clock(clock.clone()).policy(PolicyKind::Fifo).build().unwrap();
    (0..12).for_each(|key| _ = cache.insert(key, key, 1));
    cache.wait().unwrap();
    // Which ones left depends on the shards that they live in.
    let residents: Vec<u64> = (0..12).filter(|key| cache.contains_key(key)).collect();
    residents[..3].iter().for_each(|key| assert!(cache.remove(key).is_some()));
    cache.retain(|_, value| *value != residents[3]);
    cache.insert_with_ttl(50, 50, 1, Duration::from_millis(5));
    cache.insert(residents[4], 0, 1);
    clock.advance(Duration::from_millis(5));
    cache.wait().unwrap();
    let stats = cache.stats();
    assert_eq!((stats.evictions, stats.removals, stats.expirations, stats.rejections), (2, 4, 1, 0));
    assert_eq!((stats.inserts, stats.updates), (13, 1));
    settle(&cache);
}

#[test]
fn reads_that_nobody_drains_are_bounded_and_their_loss_is_counted() {
    let cache = manual(100).build().unwrap();
    cache.insert(1, 1, 1);
    for _ in 0..100_000 {
        assert_eq!(cache.get(&1), Some(1));
    }
    cache.wait().unwrap();
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses), (100_000, 0), "hits themselves are never lost");
    assert_eq!(stats.reads_recorded + stats.reads_lost, 100_000);
    assert!(stats.reads_lost > 50_000, "a ring that keeps everything is no ring: lost {}", stats.reads_lost);
}

#[test]
fn reads_in_an_idle_stripe_reach_the_policy_with_the_next_turn() {
    let cache = manual(100).build().unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..3).for_each(|key| _ = cache.get(&key)));
        }
    });
    cache.run_pending();
    assert_eq!(cache.stats().reads_recorded, 24, "the threads are gone, their reads are not");
}

#[test]
fn any_number_of_threads_hits() {
    watchdog(|| {
        let cache: Cache<u64, u64> = Cache::new(1000, 100).unwrap();
        cache.insert(1, 1, 1);
        for _ in 0..20 {
            thread::scope(|scope| {
                for _ in 0..40 {
                    scope.spawn(|| (0..10).for_each(|_| assert_eq!(cache.get(&1), Some(1))));
                }
            });
        }
        cache.wait().unwrap();
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses), (8000, 0));
        assert_eq!(stats.reads_recorded + stats.reads_lost, 8000);
        settle(&cache);
    });
}

#[test]
fn two_caches_on_one_thread_share_nothing() {
    let (one, two) = (manual(10).build().unwrap(), manual(10).build().unwrap());
    one.insert(1, 1, 1);
    for _ in 0..5 {
        assert_eq!((one.get(&1), two.get(&1)), (Some(1), None));
        two.get(&2);
    }
    one.wait().unwrap();
    two.wait().unwrap();
    assert_eq!((one.stats().reads_recorded, two.stats().reads_recorded), (5, 10));
    assert_eq!((one.stats().hits, two.stats().hits), (5, 0));
    settle(&one);
    settle(&two);
}

#[test]
fn an_expired_entry_does_not_block_its_index_mate() {
    let clock = ManualClock::new();
    let cache: Cache<(u64, u64), u64, Literal> = Cache::builder(1000, 10)
        .maintenance(Maintenance::Manual)
        .clock(clock.clone())
        .key_hasher(Literal)
        .replace_if(|_, _| false)
        .build()
        .unwrap();
    assert!(cache.insert_with_ttl((3, 1), 1, 1, Duration::from_millis(5)));
    cache.wait().unwrap();
    clock.advance(Duration::from_millis(5));
    assert!(cache.insert((3, 2), 2, 1), "what has expired is nobody's to protect");
    assert_eq!(cache.get(&(3, 2)), Some(2));
    cache.wait().unwrap();
    assert_eq!((cache.get(&(3, 2)), cache.stats().expirations), (Some(2), 1));
    settle(&cache);
}

#[test]
fn asking_for_the_time_to_live_beside_writers_deadlocks_nobody() {
    watchdog(|| {
        let cache: Cache<u64, u64> =
            Cache::builder(1000, 100).time_to_live(Duration::from_secs(60)).build().unwrap();
        let signal = Signal::default();
        thread::scope(|scope| {
            scope.spawn(|| {
                while signal.is_on() {
                    cache.insert(1, 1, 1 + signal.seen.fetch_add(1, Ordering::Relaxed) % 3);
                }
            });
            for _ in 0..20_000 {
                cache.remaining_ttl(&1);
            }
            signal.stop();
        });
        settle(&cache);
    });
}

#[test]
fn an_update_that_nobody_heard_of_cannot_leak() {
    watchdog(|| {
        let left = Arc::new(AtomicU64::new(0));
        let heard = left.clone();
        let cache: Cache<u64, u64> = Cache::builder(1000, 64)
            .slack(64)
            .listener(move |event: Event<u64>| {
                heard.fetch_add(u64::from(event.cause != Cause::Replaced), Ordering::Relaxed);
            })
            .build()
            .unwrap();
        thread::scope(|scope| {
            for thread in 0..2 {
                let cache = &cache;
                scope.spawn(move || {
                    for round in 0..20_000_u64 {
                        cache.insert(round % 100, thread, 1 + (round * 7 + thread) % 5);
                    }
                });
            }
        });
        settle(&cache);
        let stats = cache.stats();
        let at_once = left.load(Ordering::Relaxed) + cache.len() as u64 - stats.inserts;
        assert_eq!(at_once, 0, "what came in is resident or has left");
    });
}

#[test]
fn an_entry_as_large_as_the_whole_budget_fits() {
    for policy in PolicyKind::ALL {
        let cache = manual(1_000_000).policy(policy.clone()).strict().build().unwrap();
        assert!(cache.insert(1, 1, 1_000_000), "{policy:?}: the limit is max_cost, not a shard's share");
        assert_eq!(cache.get(&1), Some(1));
        settle(&cache);
    }
}

#[test]
fn the_life_expectancy_of_a_strict_cache_is_known_as_well() {
    let cache: Cache<u64, u64> =
        Cache::builder(10_000, 1000).strict().policy(PolicyKind::Fifo).build().unwrap();
    (0..40_000).for_each(|key| _ = cache.insert(key, key, 1));
    settle(&cache);
    let seen = cache.stats().life_expectancy.count();
    assert!(seen > 39_000 / 32, "{seen} of 39,000 evictions, where one in 16 is looked at");
}

#[test]
fn the_life_expectancy_is_that_of_the_entries_that_were_evicted() {
    let clock = ManualClock::new();
    let cache: Cache<u64, u64> = Cache::builder(100_000, 2000)
        .maintenance(Maintenance::Manual)
        .policy(PolicyKind::Fifo)
        .clock(clock.clone())
        .build()
        .unwrap();
    for generation in 0..4 {
        (0..2000).for_each(|key| _ = cache.insert(generation * 10_000 + key, key, 1));
        cache.wait().unwrap();
        clock.advance(Duration::from_millis(800));
    }
    let life = cache.stats().life_expectancy;
    assert!(life.count() > 100, "{life}");
    for percent in [5.0, 50.0, 95.0] {
        let lived = life.percentile(percent).unwrap();
        assert!(lived >= Duration::from_millis(400) && lived <= Duration::from_millis(1600), "{lived:?}");
    }
    // What was removed and came back has lived since it came back.
    cache.clear();
    (0..2000).for_each(|key| _ = cache.insert(key, key, 1));
    cache.wait().unwrap();
    (0..2000).for_each(|key| _ = cache.remove(&key));
    cache.wait().unwrap();
    clock.advance(Duration::from_secs(3600));
    (0..2000).for_each(|key| _ = cache.insert(key, key, 1));
    cache.wait().unwrap();
    (2000..6000).for_each(|key| _ = cache.insert(key, key, 1));
    cache.wait().unwrap();
    let oldest = cache.stats().life_expectancy.percentile(100.0).unwrap();
    assert!(oldest < Duration::from_secs(60), "nothing lived for {oldest:?}");
    settle(&cache);
}

/// Values of a cache that only one thread uses are gone when the turn that evicted them is over.
#[test]
fn evicted_values_do_not_linger() {
    watchdog(|| {
        let alive = Arc::new(());
        let cache: Cache<u64, Arc<()>> = Cache::new(10_000, 100).unwrap();
        (0..5000).for_each(|key| _ = cache.insert(key, alive.clone(), 1));
        eventually("the evicted are dropped without a wait", || Arc::strong_count(&alive) <= 101);
        settle(&cache);
        assert_eq!(Arc::strong_count(&alive), cache.len() + 1);
    });
}
