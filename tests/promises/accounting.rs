//! Nothing is dropped silently; every value is accounted for exactly once; store and ledger agree.

use crate::common::{Books, Literal, Numbers, Signal, Value, audit_to_the_end, residents, settle, watchdog};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use tollgate::clock::ManualClock;
use tollgate::policy::PolicyKind;
use tollgate::{Builder, Cache, Cause, Inserted, Maintenance};

fn accounted(books: &Arc<Books>, max_cost: u64) -> Builder<u64, Value> {
    let books = books.clone();
    Cache::builder(1000, max_cost).listener(move |event| books.hear(event))
}

fn manual(books: &Arc<Books>, max_cost: u64) -> Builder<u64, Value> {
    accounted(books, max_cost).maintenance(Maintenance::Manual)
}

#[test]
fn no_insert_is_lost_however_far_the_processor_lags() {
    watchdog(|| {
        let cache: Cache<u64, u64> = Cache::builder(100_000, 1 << 20).build().unwrap();
        thread::scope(|scope| {
            for thread in 0..3 {
                let cache = &cache;
                scope.spawn(move || {
                    (0..15_000).for_each(|number| assert!(cache.insert(number * 3 + thread, number, 1)));
                });
            }
        });
        cache.wait().unwrap();
        assert_eq!(cache.len(), 45_000, "everything fits, so everything is there");
        assert!((0..45_000).all(|key| cache.contains_key(&key)));
        settle(&cache);
    });
}

#[test]
fn replaced_values_are_announced_and_removed_ones_handed_back() {
    let books = Books::new();
    let cache = manual(&books, 100).build().unwrap();
    assert_eq!(cache.try_insert(1, books.value(1), 1).unwrap(), Inserted::New);
    assert_eq!(cache.try_insert(1, books.value(2), 1).unwrap(), Inserted::Replaced);
    assert_eq!(cache.try_insert(1, books.value(3), 2).unwrap(), Inserted::Replaced);
    assert_eq!(books.count(Cause::Replaced), 2);
    let value = cache.remove(&1).unwrap();
    assert_eq!(value.tag, 3);
    books.hand_back(value);
    assert!(cache.remove(&1).is_none());
    assert_eq!(books.count(Cause::Removed), 0, "the caller has it: no event");
    audit_to_the_end(cache, &books);
}

#[test]
fn what_replace_if_keeps_out_is_handed_back() {
    let books = Books::new();
    let cache = manual(&books, 100).replace_if(|old, new| new.tag > old.tag).build().unwrap();
    assert!(books.hand_back_refused(cache.try_insert(1, books.value(5), 1)));
    assert!(!books.hand_back_refused(cache.try_insert(1, books.value(4), 1)), "older");
    assert!(!books.hand_back_refused(cache.try_insert(1, books.value(5), 9)), "not newer");
    assert!(books.hand_back_refused(cache.try_insert(1, books.value(6), 1)));
    assert_eq!(cache.get_with(&1, |value| value.tag), Some(6));
    assert_eq!(cache.cost(), 1);
    audit_to_the_end(cache, &books);
}

#[test]
fn a_key_with_the_same_index_displaces_and_the_listener_hears_whose_value_left() {
    let books = Books::new();
    let heard = books.clone();
    let cache: Cache<(u64, u64), Value, Literal> = Cache::builder(1000, 100)
        .maintenance(Maintenance::Manual)
        .key_hasher(Literal)
        .listener(move |event: tollgate::Event<Value>| {
            assert_eq!(event.key.conflict, event.value.tag);
            heard.hear(event);
        })
        .build()
        .unwrap();
    for round in 0..10 {
        let conflict = round % 2;
        assert_eq!(cache.try_insert((9, conflict), books.value(conflict), 1 + round).unwrap(), Inserted::New);
        assert!(!cache.contains_key(&(9, 1 - conflict)) && cache.len() == 1);
        cache.check().unwrap();
    }
    assert_eq!(books.count(Cause::Evicted), 9);
    audit_to_the_end(cache, &books);
}

#[test]
fn evicted_and_rejected_values_are_announced_with_their_cost() {
    for policy in PolicyKind::ALL {
        let books = Books::new();
        let cache = manual(&books, 50).policy(policy.clone()).slack(5).build().unwrap();
        for key in 0..500 {
            books.hand_back_refused(cache.try_insert(key % 90, books.value(key), 1 + key % 7));
        }
        settle(&cache);
        let stats = cache.stats();
        let left = books.count(Cause::Evicted) + books.count(Cause::Rejected) + books.count(Cause::Replaced);
        assert!(left > 300, "{policy:?}: {left}");
        assert_eq!(stats.evictions as usize, books.count(Cause::Evicted));
        assert_eq!(stats.updates as usize, books.count(Cause::Replaced));
        audit_to_the_end(cache, &books);
    }
}

#[test]
fn an_expired_value_goes_one_way_whoever_finds_it() {
    let clock = ManualClock::new();
    let books = Books::new();
    let cache =
        manual(&books, 100).clock(clock.clone()).time_to_live(Duration::from_millis(10)).build().unwrap();
    for key in 0..5 {
        assert!(books.hand_back_refused(cache.try_insert(key, books.value(key), 1)));
    }
    clock.advance(Duration::from_millis(10));
    assert!(cache.remove(&0).is_none(), "an expired entry is absent: nothing to hand back");
    assert_eq!(cache.try_insert(1, books.value(11), 1).unwrap(), Inserted::New);
    cache.retain(|_, value| value.tag == 11);
    assert_eq!(books.count(Cause::Expired), 5, "retain reclaims the rest");
    assert_eq!(books.count(Cause::Removed) + books.count(Cause::Replaced), 0);
    assert_eq!(cache.stats().expirations, 5);
    audit_to_the_end(cache, &books);
}

#[test]
fn cleared_and_dropped_values_during_inserts_are_accounted_for() {
    watchdog(|| {
        let books = Books::new();
        let cache = accounted(&books, 300).build().unwrap();
        let signal = Signal::default();
        thread::scope(|scope| {
            for seed in 1..=2 {
                let (cache, books, signal) = (&cache, &books, &signal);
                scope.spawn(move || {
                    let mut numbers = Numbers::new(seed);
                    while signal.is_on() {
                        let key = numbers.below(400);
                        books.hand_back_refused(cache.try_insert(key, books.value(0), 1 + key % 4));
                        if key.is_multiple_of(7)
                            && let Some(value) = cache.remove(&numbers.below(400))
                        {
                            books.hand_back(value);
                        }
                        signal.seen.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let enough = || {
                let heard = books.count(Cause::Cleared) > 0 && books.count(Cause::Removed) > 0;
                heard && signal.seen.load(Ordering::Relaxed) > 8000
            };
            for round in 0.. {
                match round % 2 {
                    0 => cache.clear(),
                    _ => cache.retain(|key, _| !(key.conflict + round).is_multiple_of(3)),
                }
                thread::sleep(Duration::from_millis(1));
                if round >= 60 && enough() {
                    break;
                }
            }
            signal.stop();
        });
        audit_to_the_end(cache, &books);
    });
}

#[test]
fn residents_drop_with_the_last_handle_on_its_thread_without_events() {
    watchdog(|| {
        let books = Books::new();
        let dropper = Arc::new(std::sync::Mutex::new(None));
        let seen = dropper.clone();
        let cache: Cache<u64, (Value, crate::common::OnDrop)> =
            Cache::builder(1000, 1000).listener(|_| panic!("nobody left")).build().unwrap();
        for key in 0..500 {
            let seen = seen.clone();
            let on_drop =
                crate::common::OnDrop::new(move || *seen.lock().unwrap() = Some(thread::current().id()));
            assert!(cache.insert(key, (books.value(key), on_drop), 1));
        }
        cache.wait().unwrap();
        let clone = cache.clone();
        drop(cache);
        assert_eq!(books.alive(), 500, "a handle is left");
        let id = thread::spawn(move || {
            drop(clone);
            thread::current().id()
        });
        assert_eq!(Some(id.join().unwrap()), *dropper.lock().unwrap());
        books.audit_drops();
    });
}

#[test]
fn pending_inserts_drop_with_the_cache() {
    for maintenance in [Maintenance::Manual, Maintenance::Thread, Maintenance::Inline] {
        let books = Books::new();
        let cache = accounted(&books, 1 << 20).maintenance(maintenance).build().unwrap();
        for key in 0..3000 {
            assert!(books.hand_back_refused(cache.try_insert(key, books.value(key), 1)));
        }
        drop(cache);
        books.audit_drops();
    }
}

#[test]
fn store_and_ledger_agree_after_wait_for_every_policy() {
    watchdog(|| {
        for policy in PolicyKind::ALL {
            let books = Books::new();
            let cache = accounted(&books, 200).policy(policy.clone()).build().unwrap();
            thread::scope(|scope| {
                for seed in 1..=2 {
                    let (cache, books) = (&cache, &books);
                    scope.spawn(move || {
                        let mut numbers = Numbers::new(seed);
                        for number in 0..1500 {
                            let key = numbers.below(300);
                            match numbers.below(8) {
                                0 => _ = cache.remove(&key).map(|value| books.hand_back(value)),
                                1 | 2 => _ = cache.get_with(&key, |_| ()),
                                _ => {
                                    let cost = 1 + numbers.below(9);
                                    books.hand_back_refused(cache.try_insert(key, books.value(number), cost));
                                }
                            }
                        }
                    });
                }
            });
            settle(&cache);
            assert_eq!(residents(&cache).len(), cache.len());
            audit_to_the_end(cache, &books);
        }
    });
}

#[test]
fn check_and_wait_may_run_beside_everything_else() {
    watchdog(|| {
        let cache: Cache<u64, u64> = Cache::new(1000, 100).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| (0..20_000).for_each(|key| _ = cache.insert(key % 300, key, 1 + key % 3)));
            for _ in 0..100 {
                cache.check().unwrap();
                cache.wait().unwrap();
            }
        });
        settle(&cache);
    });
}
