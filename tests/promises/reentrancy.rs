//! No re-entrancy trap: every method may be called from a listener and from a destructor.

use crate::common::{
    Books, Literal, Numbers, OnDrop, Value, audit_to_the_end, eventually, lock, settle, watchdog,
};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tollgate::clock::ManualClock;
use tollgate::policy::PolicyKind;
use tollgate::{Cache, Cause, Event, InsertOptions, KeyHasher, Maintenance, Tag};

/// Where a callback finds the cache that it belongs to; emptied at the end, or the cache would own itself.
type Slot<C> = Arc<Mutex<Option<C>>>;

/// Calls every method there is.
fn call_everything<V, S>(cache: &Cache<u64, V, S>, key: u64, value: impl Fn() -> V)
where
    V: Send + Sync + 'static,
    S: KeyHasher + Clone,
{
    cache.insert(key, value(), 1);
    cache.insert_with_ttl(key + 1, value(), 2, Duration::from_millis(5));
    cache.insert_if_present(key, value(), 3);
    _ = cache.try_insert(key + 2, value(), cache.max_cost());
    _ = cache.try_insert_with(key, value(), 1, InsertOptions { if_present: true, ..Default::default() });
    cache.get_with(&key, |_| ());
    cache.contains_key(&key);
    cache.remaining_ttl(&key);
    cache.remove(&(key + 1));
    cache.retain(|hash, _| hash.conflict % 7 != 0);
    cache.set_max_cost(cache.max_cost());
    cache.wait().unwrap();
    cache.run_pending();
    cache.census();
    cache.check().unwrap();
    cache.stats();
    assert!(cache.cost() <= cache.max_cost() + cache.slack());
    _ = (cache.len(), cache.is_empty(), cache.key_hash(&key), format!("{cache:?}"));
    if key.is_multiple_of(16) {
        cache.clear();
    }
    drop(cache.clone());
}

fn handle<C: Clone>(slot: &Slot<C>) -> Option<C> {
    lock(slot).clone()
}

/// Some traffic from two threads; every call may run callbacks, here or on the processor.
fn traffic<V: Send + Sync + 'static>(cache: &Cache<u64, V>, value: impl Fn() -> V + Sync) {
    thread::scope(|scope| {
        for seed in 1..=2 {
            let value = &value;
            scope.spawn(move || {
                let mut numbers = Numbers::new(seed);
                for _ in 0..800 {
                    let key = numbers.below(400);
                    cache.insert(key, value(), 1 + numbers.below(6));
                    if numbers.below(50) == 0 {
                        cache.clear();
                    }
                }
            });
        }
    });
}

fn every_method_from_a_listener(maintenance: Maintenance, slack: u64) {
    watchdog(move || {
        let slot: Slot<Cache<u64, Value>> = Arc::default();
        let (books, calls) = (Books::new(), Arc::new(AtomicU64::new(0)));
        let on_threads: Arc<Mutex<HashSet<Option<String>>>> = Arc::default();
        let (listening, heard, counted, seen) =
            (slot.clone(), books.clone(), calls.clone(), on_threads.clone());
        let cache = Cache::builder(1000, 100)
            .slack(slack)
            .maintenance(maintenance)
            .listener(move |event: Event<Value>| {
                let (key, books) = (event.key.conflict, heard.clone());
                heard.hear(event);
                lock(&seen).insert(thread::current().name().map(String::from));
                if counted.fetch_add(1, Ordering::Relaxed) < 400
                    && let Some(cache) = handle(&listening)
                {
                    call_everything(&cache, key, || books.value(0));
                }
            })
            .build()
            .unwrap();
        *lock(&slot) = Some(cache.clone());
        traffic(&cache, || books.value(0));
        settle(&cache);
        assert!(calls.load(Ordering::Relaxed) > 400);
        if maintenance == Maintenance::Thread {
            // Nobody but the processor looks after what expires while no writer is short of room.
            cache.clear();
            eventually("the processor has called, too", || {
                cache.insert_with_ttl(1, books.value(0), 1, Duration::from_millis(1));
                thread::sleep(Duration::from_millis(5));
                lock(&on_threads).contains(&Some("tollgate".into()))
            });
        }
        lock(&slot).take();
        assert_eq!(cache.stats().callback_panics, 0);
        settle(&cache);
        drop(cache);
        books.audit_drops();
    });
}

#[test]
fn every_method_works_in_a_listener() {
    every_method_from_a_listener(Maintenance::Thread, 20);
    every_method_from_a_listener(Maintenance::Thread, 0);
}

#[test]
fn every_method_works_in_a_listener_of_a_cache_without_a_thread() {
    every_method_from_a_listener(Maintenance::Manual, 0);
    every_method_from_a_listener(Maintenance::Inline, 20);
}

/// With a listener, values are dropped by it; without, by the cache itself.
fn every_method_from_a_destructor(maintenance: Maintenance, slack: u64) {
    watchdog(move || {
        let slot: Slot<Cache<u64, OnDrop>> = Arc::default();
        let calls = Arc::new(AtomicU64::new(0));
        let cache = Cache::builder(1000, 100).slack(slack).maintenance(maintenance).build().unwrap();
        *lock(&slot) = Some(cache.clone());
        let value = {
            let (slot, calls) = (slot.clone(), calls.clone());
            move || {
                let (slot, calls) = (slot.clone(), calls.clone());
                OnDrop::new(move || {
                    let call = calls.fetch_add(1, Ordering::Relaxed);
                    if call < 300
                        && let Some(cache) = handle(&slot)
                    {
                        call_everything(&cache, call, OnDrop::idle);
                    }
                })
            }
        };
        traffic(&cache, value);
        settle(&cache);
        assert!(calls.load(Ordering::Relaxed) > 300);
        lock(&slot).take();
        assert_eq!(cache.stats().callback_panics, 0);
        settle(&cache);
    });
}

#[test]
fn every_method_works_in_a_destructor() {
    every_method_from_a_destructor(Maintenance::Thread, 20);
    every_method_from_a_destructor(Maintenance::Thread, 0);
    every_method_from_a_destructor(Maintenance::Manual, 20);
    every_method_from_a_destructor(Maintenance::Inline, 20);
}

#[test]
fn two_caches_may_call_each_other_from_their_listeners() {
    watchdog(|| {
        let slots: [Slot<Cache<u64, u64>>; 2] = Default::default();
        let calls = Arc::new(AtomicU64::new(0));
        let build = |other: &Slot<Cache<u64, u64>>, maintenance| {
            let (other, calls) = (other.clone(), calls.clone());
            Cache::builder(1000, 50)
                .maintenance(maintenance)
                .listener(move |event: Event<u64>| {
                    if calls.fetch_add(1, Ordering::Relaxed) < 20_000
                        && let Some(other) = handle(&other)
                    {
                        other.insert(event.key.conflict + 1, event.value, event.cost);
                        if event.value.is_multiple_of(64) {
                            call_everything(&other, event.value, || 1);
                        }
                    }
                })
                .build()
                .unwrap()
        };
        let caches = [build(&slots[1], Maintenance::Thread), build(&slots[0], Maintenance::Thread)];
        for (slot, cache) in slots.iter().zip(&caches) {
            *lock(slot) = Some(cache.clone());
        }
        thread::scope(|scope| {
            for cache in &caches {
                scope.spawn(move || {
                    (0..1500).for_each(|key| _ = cache.insert(key, key, 1 + key % 3));
                    cache.wait().unwrap();
                });
            }
        });
        assert!(calls.load(Ordering::Relaxed) > 1000);
        slots.iter().for_each(|slot| drop(lock(slot).take()));
        caches.iter().for_each(settle);
    });
}

#[test]
fn a_listener_that_puts_back_what_leaves_ends_no_stack_and_no_wait() {
    watchdog(|| {
        for maintenance in [Maintenance::Thread, Maintenance::Inline, Maintenance::Manual] {
            let slot: Slot<Cache<u64, u64>> = Arc::default();
            let putting = Arc::new(AtomicBool::new(true));
            let (listening, active) = (slot.clone(), putting.clone());
            let cache = Cache::builder(1000, 20)
                .maintenance(maintenance)
                .policy(PolicyKind::Fifo)
                .listener(move |event: Event<u64>| {
                    if active.load(Ordering::Relaxed)
                        && let Some(cache) = handle(&listening)
                    {
                        cache.insert(event.key.conflict, event.value, event.cost);
                    }
                })
                .build()
                .unwrap();
            *lock(&slot) = Some(cache.clone());
            for key in 0..120 {
                cache.insert(key, key, 1);
                if key % 20 == 0 {
                    cache.wait().unwrap();
                }
            }
            putting.store(false, Ordering::Relaxed);
            lock(&slot).take();
            settle(&cache);
        }
    });
}

#[test]
fn departures_caused_by_callbacks_are_announced_without_anybody_asking() {
    watchdog(|| {
        let slot: Slot<Cache<u64, Value>> = Arc::default();
        let books = Books::new();
        let (listening, heard) = (slot.clone(), books.clone());
        let inserted = Arc::new(AtomicU64::new(0));
        let count = inserted.clone();
        let cache = Cache::builder(1000, 20)
            .policy(PolicyKind::Fifo)
            .listener(move |event: Event<Value>| {
                let books = heard.clone();
                heard.hear(event);
                if let Some(cache) = handle(&listening)
                    && count.fetch_add(1, Ordering::Relaxed) < 300
                {
                    // Replaced twice over within the callback, and evicts in the end.
                    for number in 0..3 {
                        books.hand_back_refused(cache.try_insert(1000 + number, books.value(number), 7));
                        books.hand_back_refused(cache.try_insert(1000 + number, books.value(number), 6));
                    }
                }
            })
            .build()
            .unwrap();
        *lock(&slot) = Some(cache.clone());
        for key in 0..200 {
            books.hand_back_refused(cache.try_insert(key, books.value(key), 1));
        }
        lock(&slot).take();
        eventually("what callbacks displaced was delivered", || books.alive() == cache.len());
        assert!(inserted.load(Ordering::Relaxed) > 50);
        audit_to_the_end(cache, &books);
    });
}

/// The last handle goes inside a callback, which runs on the processor or on a writer.
fn last_handle_dropped_in_a_listener(maintenance: Maintenance) {
    for round in 0..100 {
        let slot: Slot<Cache<u64, Value>> = Arc::default();
        let books = Books::new();
        let (listening, heard) = (slot.clone(), books.clone());
        let cache = Cache::builder(1000, 10)
            .maintenance(maintenance)
            .listener(move |event: Event<Value>| {
                heard.hear(event);
                // Outside the lock: the drop of a cache runs destructors.
                let last = lock(&listening).take();
                drop(last);
            })
            .build()
            .unwrap();
        for key in 0..5 + round % 40 {
            books.hand_back_refused(cache.try_insert(key, books.value(key), 1));
        }
        *lock(&slot) = Some(cache.clone());
        books.hand_back_refused(cache.try_insert(1000, books.value(1), 9));
        books.hand_back_refused(cache.try_insert(1001, books.value(1), 8));
        if maintenance == Maintenance::Manual || round % 2 == 0 {
            cache.run_pending();
        }
        drop(cache);
        eventually("the listener or the end has taken the last handle", || {
            if books.alive() > 0 {
                // Nobody left: then nothing was evicted by the time.
                drop(lock(&slot).take());
            }
            books.alive() == 0
        });
        books.audit_drops();
    }
}

#[test]
fn the_last_handle_may_be_dropped_in_a_listener() {
    watchdog(|| last_handle_dropped_in_a_listener(Maintenance::Thread));
    watchdog(|| last_handle_dropped_in_a_listener(Maintenance::Manual));
    watchdog(|| last_handle_dropped_in_a_listener(Maintenance::Inline));
}

/// A callback's callback replaces a value and lets the last handle go: that value is announced all the same.
#[test]
fn what_the_last_callback_displaced_is_announced() {
    watchdog(|| {
        for _ in 0..50 {
            let slot: Slot<Cache<u64, Value>> = Arc::default();
            let (books, round) = (Books::new(), Arc::new(AtomicU64::new(0)));
            let (listening, heard) = (slot.clone(), books.clone());
            let cache = Cache::builder(1000, 10)
                .policy(PolicyKind::Fifo)
                .slack(10)
                .listener(move |event: Event<Value>| {
                    let books = heard.clone();
                    heard.hear(event);
                    let last = lock(&listening).take();
                    let Some(cache) = last else { return };
                    let round = round.fetch_add(1, Ordering::Relaxed);
                    books.hand_back_refused(cache.try_insert(7, books.value(100 + round), 1));
                    if round < 4 {
                        *lock(&listening) = Some(cache);
                    }
                })
                .build()
                .unwrap();
            assert!(books.hand_back_refused(cache.try_insert(7, books.value(99), 1)));
            cache.wait().unwrap();
            *lock(&slot) = Some(cache.clone());
            assert!(books.hand_back_refused(cache.try_insert(8, books.value(0), 10)));
            drop(cache);
            eventually("the last handle is gone", || lock(&slot).is_none() && books.alive() == 0);
            let unannounced = books.fates().iter().filter(|fate| fate.causes.is_empty()).count();
            assert_eq!(unannounced, 1, "the resident alone goes unannounced: {:?}", books.fates());
        }
    });
}

#[test]
fn the_last_handle_may_be_dropped_in_a_destructor() {
    watchdog(|| {
        for _ in 0..100 {
            let slot: Slot<Cache<u64, OnDrop>> = Arc::default();
            let (sender, receiver) = channel();
            let cache = Cache::builder(1000, 10).policy(PolicyKind::Fifo).build().unwrap();
            let (holder, sender) = (slot.clone(), Mutex::new(sender));
            let ends_it = OnDrop::new(move || {
                let last = lock(&holder).take();
                drop(last);
                lock(&sender).send(()).unwrap();
            });
            cache.insert(1, ends_it, 1);
            cache.wait().unwrap();
            *lock(&slot) = Some(cache.clone());
            cache.insert(2, OnDrop::idle(), 10);
            drop(cache);
            receiver.recv_timeout(Duration::from_secs(30)).unwrap();
        }
    });
}

#[test]
fn only_wait_waits_for_a_callback_of_another_thread() {
    watchdog(|| {
        let (enter, entered) = channel();
        let (open, gate) = channel::<()>();
        let (enter, gate) = (Mutex::new(enter), Mutex::new(gate));
        let waited = Arc::new(AtomicBool::new(false));
        let cache: Cache<u64, u64> = Cache::builder(1000, 10)
            .slack(100)
            .policy(PolicyKind::Fifo)
            .listener(move |_| {
                if thread::current().name() == Some("tollgate") {
                    lock(&enter).send(()).unwrap();
                    lock(&gate).recv().unwrap();
                }
            })
            .build()
            .unwrap();
        (0..20).for_each(|key| assert!(cache.insert(key, key, 1)));
        entered.recv().unwrap();
        // The processor is inside the listener, and will be until the gate opens.
        for key in 0..3000 {
            cache.insert(key, key, 1 + key % 3);
            cache.get(&key);
            cache.remove(&(key / 2));
        }
        cache.retain(|key, _| key.conflict % 2 == 0);
        cache.set_max_cost(5);
        cache.clear();
        cache.run_pending();
        cache.check().unwrap();
        assert_eq!(cache.stats().clears, 1);
        let waiter = thread::spawn({
            let (cache, waited) = (cache.clone(), waited.clone());
            move || {
                cache.wait().unwrap();
                waited.store(true, Ordering::SeqCst);
            }
        });
        thread::sleep(Duration::from_millis(30));
        assert!(!waited.load(Ordering::SeqCst), "wait() returned before the delivery that it waits for");
        drop(open);
        _ = waiter.join();
        assert!(waited.load(Ordering::SeqCst));
        drop(entered);
        settle(&cache);
    });
}

#[test]
fn wait_waits_for_what_another_thread_takes_out_by_the_shard() {
    let tag = Tag(1);
    type Removal = fn(&Cache<u64, u64>, Tag);
    let removals: [Removal; 2] =
        [|cache, _| cache.retain(|_, _| false), |cache, tag| _ = cache.remove_tag(tag)];
    for (removal, slack) in removals.into_iter().flat_map(|removal| [(removal, 0), (removal, 100)]) {
        watchdog(move || {
            let (enter, entered) = channel();
            let (open, gate) = channel::<()>();
            let (enter, gate) = (Mutex::new(enter), Mutex::new(gate));
            let waited = AtomicBool::new(false);
            let cache: Cache<u64, u64> = Cache::builder(1000, 10)
                .slack(slack)
                .maintenance(Maintenance::Manual)
                .listener(move |_| {
                    lock(&enter).send(()).unwrap();
                    _ = lock(&gate).recv();
                })
                .build()
                .unwrap();
            cache.try_insert_with(1, 1, 1, InsertOptions { tag: Some(tag), ..Default::default() }).unwrap();
            cache.wait().unwrap();
            thread::scope(|scope| {
                scope.spawn(|| removal(&cache, tag));
                entered.recv().unwrap();
                assert!(!cache.contains_key(&1));
                scope.spawn(|| {
                    cache.wait().unwrap();
                    waited.store(true, Ordering::SeqCst);
                });
                thread::sleep(Duration::from_millis(30));
                let is_early = waited.load(Ordering::SeqCst);
                drop(open);
                assert!(!is_early, "wait() returned before the delivery that it waits for");
            });
            settle(&cache);
        });
    }
}

#[test]
fn handles_hold_no_lock() {
    watchdog(|| {
        let cache: Cache<u64, Arc<u64>> = Cache::new(1000, 100).unwrap();
        cache.insert(1, Arc::new(1), 1);
        let value = cache.get(&1).unwrap();
        cache.insert(1, Arc::new(2), 1);
        cache.wait().unwrap();
        cache.clear();
        assert_eq!(*value, 1, "a value outlives its entry");
        settle(&cache);
    });
}

/// A batch of updates that cost less sets cost free shard by shard, all at once: what its callbacks do finds that room.
#[test]
fn a_callback_of_a_batch_has_the_room_that_the_batch_set_free() {
    for slack in [0, 1] {
        watchdog(move || {
            let slot: Slot<Cache<(u64, u64), u64, Literal>> = Arc::default();
            let (listening, clock) = (slot.clone(), ManualClock::new());
            let cache = Cache::builder(1000, 30)
                .slack(slack)
                .policy(PolicyKind::Fifo)
                .maintenance(Maintenance::Inline)
                .clock(clock.clone())
                .key_hasher(Literal)
                .listener(move |event: Event<u64>| {
                    if let (Cause::Expired, Some(cache)) = (event.cause, handle(&listening)) {
                        assert!(cache.insert((100, 100), 100, 20));
                    }
                })
                .build()
                .unwrap();
            *lock(&slot) = Some(cache.clone());
            assert!(cache.insert((1, 1), 1, 10) && cache.insert((2, 2), 2, 10));
            assert!(cache.insert_with_ttl((3, 3), 3, 10, Duration::from_secs(1)));
            clock.advance(Duration::from_secs(2));
            let updated = cache.insert_many([((1, 1), 1, 5), ((2, 2), 2, 5)]);
            assert!(updated.iter().all(Result::is_ok));
            lock(&slot).take();
            settle(&cache);
            assert!(cache.contains_key(&(100, 100)) && cache.stats().callback_panics == 0);
        });
    }
}
