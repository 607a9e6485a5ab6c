//! Pins where decisions come to nothing, policies panic, and everything happens at once.

use crate::common::{
    Books, Literal, Numbers, Value, audit_to_the_end, hush, lock, planted_panic, settle, watchdog,
};
use crate::{Numbered, PINNED, builder, flood, of_quota, pinned};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tollgate::policy::{
    Admission, Candidate, Departure, Ledger, Lru, Policy, PolicyConfig, PolicyKind, Slot,
};
use tollgate::{Cache, Cause, InsertOptions, Maintenance, Op};

/// The room that the policy makes for a pinned entry may turn out not to be there: a victim was written to meanwhile. Then everything is as it was, and is
/// tried again.
#[test]
fn a_pinned_entry_outlives_a_decision_that_comes_to_nothing() {
    type Paired = Cache<(u64, u64), u64, Literal>;
    const PIN: (u64, u64) = (1, 1);
    /// In another shard.
    const VICTIM: (u64, u64) = (1 << 40, 1);
    let (link, evicted) = (Arc::new(Mutex::new(None::<Paired>)), Arc::new(Mutex::new(Vec::new())));
    let (linked, hears, calls) = (Arc::clone(&link), Arc::clone(&evicted), AtomicU64::new(0));
    let cache: Paired = Cache::builder(1000, 100)
        .key_hasher(Literal)
        .policy(PolicyKind::Lru)
        .maintenance(Maintenance::Manual)
        .pin_quota(60)
        .strict()
        .replace_if(move |_, _| {
            // The first time there is no room, the second time everything was settled to make some.
            if calls.fetch_add(1, Ordering::Relaxed) == 1 {
                // Not to be done in earnest: it would be a deadlock if they were in one shard.
                let cache = lock(&linked).clone();
                assert!(cache.is_some_and(|cache| cache.set_ttl(&VICTIM, Duration::from_secs(9))));
            }
            true
        })
        .listener(move |event| {
            if event.cause == Cause::Evicted {
                lock(&hears).push(event.key.index);
            }
        })
        .build()
        .unwrap();
    *lock(&link) = Some(cache.clone());
    cache.try_insert_with(PIN, 1, 10, PINNED).unwrap();
    assert!(cache.insert(VICTIM, 2, 90));
    cache.wait().unwrap();
    assert!(cache.insert(PIN, 3, 50));
    assert_eq!((cache.get(&PIN), cache.is_pinned(&PIN), cache.stats().pinned_cost), (Some(3), true, 50));
    assert_eq!(*lock(&evicted), [VICTIM.0]);
    cache.wait().unwrap();
    cache.check().unwrap();
    lock(&link).take();
}

/// Panics over its next decision when it is told to.
struct Fragile(Lru, Arc<AtomicBool>);

impl Policy for Fragile {
    fn name(&self) -> &'static str {
        "fragile"
    }
    fn hit(&mut self, ledger: &Ledger, slot: Slot) {
        self.0.hit(ledger, slot);
    }
    fn miss(&mut self, ledger: &Ledger, index: u64) {
        self.0.miss(ledger, index);
    }
    fn admit(&mut self, ledger: &Ledger, candidate: Candidate, victims: &mut Vec<Slot>) -> Admission {
        self.0.admit(ledger, candidate, victims)
    }
    fn evict(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        if self.1.swap(false, Ordering::Relaxed) {
            planted_panic();
        }
        self.0.evict(ledger, shortfall, keep, victims);
    }
    fn inserted(&mut self, ledger: &Ledger, slot: Slot) {
        self.0.inserted(ledger, slot);
    }
    fn removed(&mut self, ledger: &Ledger, slot: Slot, why: Departure) {
        self.0.removed(ledger, slot, why);
    }
    fn moved(&mut self, from: Slot, to: Slot) {
        self.0.moved(from, to);
    }
    fn clear(&mut self) {
        self.0.clear();
    }
}

#[test]
fn pins_outlive_a_policy_that_panics() {
    hush();
    let fuse = Arc::new(AtomicBool::new(false));
    let policy = {
        let fuse = Arc::clone(&fuse);
        PolicyKind::Custom(Arc::new(move |_: &PolicyConfig| {
            Box::new(Fragile(Lru::default(), Arc::clone(&fuse))) as Box<dyn Policy>
        }))
    };
    let cache: Numbered = builder().policy(policy).slack(50).build().unwrap();
    (0..30).for_each(|key| pinned(&cache, key, 1));
    flood(&cache, 1000);
    // A pinned row that grows makes the policy evict.
    fuse.store(true, Ordering::Relaxed);
    assert!(cache.insert(7, 77, 11));
    settle(&cache);
    assert_eq!((cache.stats().policy_panics, of_quota(&cache)), (1, (30, 40)));
    flood(&cache, 5000);
    assert!((0..30).all(|key| cache.is_pinned(&key)));
    cache.set_max_cost(20);
    settle(&cache);
    assert!(of_quota(&cache).1 <= 20);
}

/// Pins and unpins against everything that may take an entry, a budget that moves, and a listener that looks.
#[test]
fn a_pinned_entry_is_never_evicted_whatever_happens_at_the_same_time() {
    for (seed, slack) in [(1, None), (2, Some(0)), (3, Some(4))] {
        watchdog(move || {
            let books = Books::new();
            let hears = Arc::clone(&books);
            let mut builder = Cache::<u64, Value>::builder(2000, 200).pin_quota(60).listener(move |event| {
                // What is tagged so is pinned from its birth to its death.
                assert!(
                    event.value.tag != 1 || event.cause != Cause::Evicted && event.cause != Cause::Rejected
                );
                hears.hear(event);
            });
            if let Some(slack) = slack {
                builder = builder.slack(slack);
            }
            let cache = builder.build().unwrap();
            let bound = 200 + cache.slack();
            thread::scope(|scope| {
                for number in 0..3 {
                    let (cache, books) = (&cache, &books);
                    scope.spawn(move || {
                        let mut numbers = Numbers::new(seed * 8 + number);
                        for _ in 0..4000 {
                            step(cache, books, &mut numbers);
                            assert!(cache.cost() <= bound);
                        }
                    });
                }
            });
            let stats = cache.stats();
            assert!(stats.peak_cost <= bound);
            assert!(stats.pinned_cost <= 60 && stats.callback_panics == 0, "{stats}");
            audit_to_the_end(cache, &books);
        });
    }
}

/// Keys below 20 are pinned for good, and together fit; others are pinned now and then.
fn step(cache: &Cache<u64, Value>, books: &Arc<Books>, numbers: &mut Numbers) {
    let (key, other) = (numbers.below(20), 20 + numbers.below(100));
    match numbers.below(120) {
        0 => cache.clear(),
        1 => cache.check().unwrap(),
        2 => cache.set_max_cost(100 + numbers.below(100)),
        3 => cache.set_max_cost(200),
        4 => cache.retain(|_, value| value.id % 3 != 0),
        5..15 => cache.remove(&key).into_iter().for_each(|value| books.hand_back(value)),
        15..35 => {
            // As others take of the quota, it may be refused; never does it come in without its pin.
            let options = InsertOptions { if_present: numbers.below(3) == 0, ..PINNED };
            books.hand_back_refused(cache.try_insert_with(key, books.value(1), 1, options));
        }
        35..45 => _ = cache.pin(&other),
        45..60 => _ = cache.unpin(&other),
        60..65 => {
            let outcome = cache.compute(&other, |_| Op::Recost(1 + numbers.below(9)));
            books.hand_back_refused(outcome);
        }
        65..75 => _ = cache.get_with(&other, |value| value.id),
        _ => {
            let cost = 1 + numbers.below(7);
            books.hand_back_refused(cache.try_insert(other, books.value(0), cost));
        }
    }
}
