//! Entries that the policy may not touch: that they stay, what they may cost together, and what ends a pin. That rows, quota and engine agree after every
//! kind of step is shown by `tests/model.rs`; with threads, by `tests/stress.rs` and the last test here.

mod common;

use common::{Books, Literal, Numbers, Value, audit_to_the_end, hush, lock, planted_panic, settle, watchdog};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tollgate::clock::ManualClock;
use tollgate::policy::{
    Admission, Candidate, Departure, Ledger, Lru, Policy, PolicyConfig, PolicyKind, Slot,
};
use tollgate::{
    BuildError, Builder, Cache, Cause, Computed, InsertError, InsertOptions, Inserted, Loaded, Maintenance,
    Op, PinError, Tag,
};

type Numbered = Cache<u64, u64>;

const PINNED: InsertOptions =
    InsertOptions { pinned: true, time_to_live: None, if_present: false, tag: None };

/// A budget of 100, of which 40 may be pinned.
fn builder() -> Builder<u64, u64> {
    Cache::builder(1000, 100).maintenance(Maintenance::Manual).seed(1).pin_quota(40)
}

fn cache() -> Numbered {
    builder().build().expect("a valid configuration")
}

fn pinned(cache: &Numbered, key: u64, cost: u64) {
    let inserted = cache.try_insert_with(key, key, cost, PINNED).map(|_| ());
    inserted.unwrap_or_else(|error| panic!("{key}: {error}"));
}

/// Keys that nobody knew, more than fit.
fn flood(cache: &Numbered, from: u64) {
    for key in from..from + 2000 {
        cache.get(&key);
        cache.insert(key, key, 1 + key % 3);
    }
    settle(cache);
}

fn of_quota(cache: &Numbered) -> (u64, u64) {
    let stats = cache.stats();
    (stats.pinned, stats.pinned_cost)
}

#[test]
fn pinned_entries_outlive_any_flood_under_every_policy() {
    for kind in PolicyKind::ALL {
        for slack in [0, 5, 500] {
            let cache: Numbered = builder().policy(kind.clone()).slack(slack).build().unwrap();
            (0..10).for_each(|key| pinned(&cache, key, 2));
            (10..30).for_each(|key| assert!(cache.insert(key, key, 1)));
            assert!((10..30).all(|key| cache.pin(&key) == Ok(true)), "{kind:?}");
            assert_eq!(of_quota(&cache), (30, 40));
            flood(&cache, 1000);
            assert!((0..30).all(|key| cache.is_pinned(&key) && cache.peek(&key) == Some(key)), "{kind:?}");
            // The others have what is left, and use it.
            assert!(cache.cost() > 90, "{kind:?}: {}", cache.cost());
            assert!((0..30).all(|key| cache.unpin(&key)));
            assert_eq!(of_quota(&cache), (0, 0));
            flood(&cache, 5000);
            assert_eq!(cache.stats().pins_lost, 0);
        }
    }
}

#[test]
fn what_is_unpinned_may_leave_again() {
    let cache: Numbered = builder().policy(PolicyKind::Lru).build().unwrap();
    (0..40).for_each(|key| pinned(&cache, key, 1));
    (0..40).for_each(|key| assert!(cache.unpin(&key)));
    assert!(!cache.unpin(&0) && !cache.unpin(&99));
    settle(&cache);
    assert_eq!(cache.len(), 40, "unpinning evicts nobody while there is room");
    flood(&cache, 1000);
    assert!((0..40).all(|key| !cache.contains_key(&key)));
}

#[test]
fn the_quota_is_refused_with_an_error_that_says_how_much_is_left() {
    let cache = cache();
    assert_eq!(cache.pin(&1), Ok(false), "there is nothing to pin");
    pinned(&cache, 1, 30);
    assert_eq!(cache.pin(&1), Ok(true), "it is pinned already, and takes no more");
    cache.insert(2, 2, 11);
    assert_eq!(cache.pin(&2), Err(PinError::QuotaExceeded { cost: 11, left: 10 }));
    assert!(!cache.is_pinned(&2) && cache.contains_key(&2));
    let refused = cache.try_insert_with(3, 33, 11, PINNED).unwrap_err();
    assert_eq!(refused, InsertError::Unpinnable { value: 33, cost: 11, left: 10 });
    assert_eq!(
        refused.to_string(),
        "the cost 11 exceeds the 10 that are left of the quota for pinned entries"
    );
    assert!(!cache.contains_key(&3));
    // What gives way counts as left.
    let refused = cache.try_insert_with(1, 11, 41, PINNED).unwrap_err();
    assert_eq!(refused, InsertError::Unpinnable { value: 11, cost: 41, left: 40 });
    assert_eq!((cache.get(&1), cache.is_pinned(&1)), (Some(1), true), "a refusal changes nothing");
    assert_eq!(cache.try_insert_with(1, 11, 40, PINNED), Ok(Inserted::Replaced));
    let stats = cache.stats();
    assert_eq!((stats.pins_refused, stats.refused_unpinnable, stats.refusals), (1, 2, 2));
    assert_eq!((stats.pinned, stats.pinned_cost, stats.pin_quota, stats.pins_lost), (1, 40, 40, 0));
    assert!(stats.to_string().contains("pinned       1 (cost 40 of 40), 3 refused, 0 lost"), "{stats}");
    settle(&cache);
}

#[test]
fn without_a_quota_nothing_is_pinned_and_no_quota_exceeds_the_budget() {
    let cache: Numbered = Cache::builder(1000, 100).maintenance(Maintenance::Manual).build().unwrap();
    cache.insert(1, 1, 1);
    assert_eq!(cache.pin(&1), Err(PinError::QuotaExceeded { cost: 1, left: 0 }));
    assert!(cache.try_insert_with(2, 2, 1, PINNED).is_err() && !cache.contains_key(&2));
    assert_eq!(builder().pin_quota(101).build().err(), Some(BuildError::QuotaBeyondBudget));
    assert!(builder().pin_quota(100).build().is_ok());
}

#[test]
fn an_update_keeps_the_pin_and_takes_what_it_costs() {
    let cache = cache();
    pinned(&cache, 1, 10);
    for cost in [10, 25, 40, 3] {
        assert!(cache.insert(1, cost, cost));
        assert_eq!((cache.is_pinned(&1), of_quota(&cache)), (true, (1, cost)));
    }
    assert!(cache.insert_if_present(1, 7, 7) && cache.is_pinned(&1));
    assert!(cache.update(&1, |value| *value = 8) && cache.is_pinned(&1));
    assert!(cache.set_ttl(&1, Duration::from_secs(9)) && cache.is_pinned(&1));
    assert!(cache.set_tag(&1, Some(Tag(1))) && cache.is_pinned(&1));
    assert_eq!(cache.compute(&1, |_| Op::Recost(12)), Ok(Computed::Written(Inserted::Replaced)));
    assert_eq!((cache.is_pinned(&1), of_quota(&cache)), (true, (1, 12)));
    settle(&cache);
    flood(&cache, 1000);
    assert_eq!((cache.get(&1), of_quota(&cache)), (Some(8), (1, 12)));
    assert_eq!(cache.stats().pins_lost, 0);
}

#[test]
fn an_update_that_outgrows_the_quota_is_taken_and_loses_its_pin() {
    type Grow = fn(&Numbered);
    let ways: [Grow; 3] = [
        |cache| assert!(cache.insert(1, 11, 41)),
        |cache| assert!(cache.compute(&1, |_| Op::Recost(41)).is_ok()),
        |cache| assert!(cache.compute(&1, |_| Op::Put { value: 11, cost: 41 }).is_ok()),
    ];
    for grow in ways {
        for slack in [50, 0] {
            let cache: Numbered = builder().policy(PolicyKind::Lru).slack(slack).build().unwrap();
            pinned(&cache, 1, 10);
            settle(&cache);
            grow(&cache);
            assert!(cache.contains_key(&1) && !cache.is_pinned(&1));
            assert_eq!((of_quota(&cache), cache.stats().pins_lost), ((0, 0), 1));
            settle(&cache);
            assert_eq!(cache.cost(), 41);
            flood(&cache, 1000);
            assert!(!cache.contains_key(&1), "it is like any other");
        }
    }
}

#[test]
fn a_pin_that_has_to_make_room_stays_a_pin() {
    for slack in [0, 1] {
        let cache: Numbered = builder().slack(slack).build().unwrap();
        flood(&cache, 1000);
        pinned(&cache, 1, 10);
        assert!(cache.insert(1, 2, 30));
        assert_eq!((cache.is_pinned(&1), of_quota(&cache)), (true, (1, 30)));
        assert!(cache.compute(&1, |_| Op::Recost(39)).is_ok());
        assert_eq!((cache.is_pinned(&1), of_quota(&cache)), (true, (1, 39)));
        assert!(cache.compute(&1, |_| Op::Put { value: 3, cost: 40 }).is_ok());
        assert_eq!((cache.is_pinned(&1), of_quota(&cache), cache.get(&1)), (true, (1, 40), Some(3)));
        settle(&cache);
        assert!(cache.stats().peak_cost <= 100 + slack);
    }
}

#[test]
fn a_pin_ends_with_its_entry() {
    let clock = ManualClock::new();
    let cache: Numbered = builder().clock(clock.clone()).build().unwrap();
    let ways: [(&str, &dyn Fn()); 6] = [
        ("remove", &|| assert!(cache.remove(&1).is_some())),
        ("remove_many", &|| assert!(cache.remove_many(&[1])[0].is_some())),
        ("retain", &|| cache.retain(|_, _| false)),
        ("remove_tag", &|| assert_eq!(cache.remove_tag(Tag(1)), 1)),
        ("clear", &|| cache.clear()),
        ("compute", &|| assert!(matches!(cache.compute(&1, |_| Op::Remove), Ok(Computed::Removed(_))))),
    ];
    for (what, end) in ways {
        for settles in [false, true] {
            let options = InsertOptions { tag: Some(Tag(1)), ..PINNED };
            cache.try_insert_with(1, 1, 40, options).unwrap();
            if settles {
                settle(&cache);
            }
            end();
            assert_eq!((of_quota(&cache), cache.is_pinned(&1)), ((0, 0), false), "{what}");
            assert!(cache.insert(1, 1, 1) && !cache.is_pinned(&1), "{what}: a pin is no property of a key");
            settle(&cache);
            cache.clear();
        }
    }
    let options = InsertOptions { time_to_live: Some(Duration::from_millis(50)), ..PINNED };
    cache.try_insert_with(1, 1, 40, options).unwrap();
    settle(&cache);
    clock.advance(Duration::from_millis(49));
    settle(&cache);
    assert!(cache.is_pinned(&1), "a pin does not end early");
    clock.advance(Duration::from_millis(1));
    assert!(!cache.is_pinned(&1) && !cache.unpin(&1));
    assert_eq!(cache.pin(&1), Ok(false));
    // What has expired and was not reclaimed gives way with its quota.
    pinned(&cache, 1, 40);
    assert_eq!(of_quota(&cache), (1, 40));
    assert!(cache.set_ttl(&1, Duration::from_millis(3)));
    clock.advance(Duration::from_millis(3));
    settle(&cache);
    assert_eq!((of_quota(&cache), cache.stats().expirations, cache.stats().pins_lost), ((0, 0), 2, 0));
}

#[test]
fn a_lowered_budget_undoes_the_oldest_pins_and_no_more() {
    for slack in [0, 8] {
        let cache: Numbered = builder().slack(slack).policy(PolicyKind::Lru).build().unwrap();
        for key in [4, 2, 1, 3] {
            pinned(&cache, key, 10);
            settle(&cache);
        }
        // An update makes a pin no younger.
        assert!(cache.insert(4, 44, 9) && cache.insert(4, 4, 10));
        flood(&cache, 1000);
        cache.set_max_cost(25);
        assert_eq!((of_quota(&cache), cache.stats().pin_quota), ((2, 20), 25));
        assert!(cache.is_pinned(&1) && cache.is_pinned(&3) && cache.cost() <= 25);
        assert_eq!(cache.stats().pins_lost, 2);
        cache.insert(5, 5, 5);
        assert_eq!(cache.pin(&5), Ok(true));
        settle(&cache);
        assert_eq!((of_quota(&cache), cache.cost()), ((3, 25), 25));
        // Nothing is left to be decided upon.
        cache.insert(6, 6, 1);
        settle(&cache);
        assert!(!cache.contains_key(&6));
        cache.set_max_cost(1000);
        assert_eq!((cache.stats().pin_quota, of_quota(&cache)), (40, (3, 25)), "the quota comes back");
        settle(&cache);
        cache.set_max_cost(1);
        assert_eq!((of_quota(&cache), cache.cost() <= 1), ((0, 0), true));
        settle(&cache);
    }
}

#[test]
fn what_does_not_fit_beside_the_pins_is_turned_away_and_an_older_value_stays() {
    for slack in [0, 1] {
        let cache: Numbered = builder().pin_quota(90).slack(slack).build().unwrap();
        pinned(&cache, 1, 90);
        assert!(cache.insert(2, 2, 5));
        settle(&cache);
        let rejected = cache.try_insert(2, 22, 12).unwrap_err();
        assert!(matches!(rejected, InsertError::Rejected(22)), "{rejected:?}");
        let rejected = cache.try_insert(3, 33, 12).unwrap_err();
        assert!(matches!(rejected, InsertError::Rejected(33)), "{rejected:?}");
        assert_eq!((cache.get(&1), cache.get(&2), cache.get(&3)), (Some(1), Some(2), None));
        settle(&cache);
        // The pinned one itself has the whole budget, but then it is pinned no more.
        assert!(cache.insert(1, 11, 95) && !cache.is_pinned(&1));
        settle(&cache);
    }
}

#[test]
fn only_a_key_with_the_same_index_displaces_a_pinned_entry() {
    let cache: Cache<(u64, u64), u64, Literal> = Cache::builder(1000, 100)
        .key_hasher(Literal)
        .maintenance(Maintenance::Manual)
        .pin_quota(40)
        .build()
        .unwrap();
    cache.try_insert_with((1, 1), 1, 30, PINNED).unwrap();
    assert!(cache.insert((1, 2), 2, 35));
    assert_eq!((cache.get(&(1, 1)), cache.is_pinned(&(1, 2)), cache.stats().pinned_cost), (None, false, 0));
    settle(&cache);
    cache.try_insert_with((1, 2), 1, 30, PINNED).unwrap();
    cache.try_insert_with((1, 1), 1, 40, PINNED).unwrap();
    assert_eq!((cache.is_pinned(&(1, 1)), cache.stats().pinned_cost), (true, 40));
    settle(&cache);
}

#[test]
fn a_load_may_pin_and_a_refresh_keeps_the_pin() {
    let clock = ManualClock::new();
    let cache: Numbered = builder()
        .clock(clock.clone())
        .time_to_live(Duration::from_millis(10))
        .stale_while_revalidate(Duration::from_millis(10))
        .build()
        .unwrap();
    let load = |key: u64, cost| {
        let loaded = cache.get_or_load(&key, || Ok::<_, ()>(Loaded::new(key + 1, cost).pinned()));
        loaded.unwrap()
    };
    assert_eq!((load(1, 30), cache.is_pinned(&1)), (2, true));
    assert_eq!((load(2, 30), cache.is_pinned(&2)), (3, false), "the value matters more");
    assert_eq!(cache.stats().pins_refused, 1);
    // A load that says nothing of pins renews one that is pinned.
    clock.advance(Duration::from_millis(15));
    assert!(!cache.is_pinned(&1), "its time is over");
    let renewed = cache.get_or_load(&1, || Ok::<_, ()>(Loaded::new(5, 20)));
    assert_eq!((renewed.is_ok(), cache.is_pinned(&1), cache.stats().pinned_cost), (true, true, 20));
    settle(&cache);
    // Beyond its grace it is a new entry.
    clock.advance(Duration::from_millis(20));
    let renewed = cache.get_or_load(&1, || Ok::<_, ()>(Loaded::new(6, 20)));
    assert_eq!((renewed, cache.is_pinned(&1), cache.stats().pinned_cost), (Ok(6), false, 0));
    settle(&cache);
}

/// The room that the policy makes for a pinned entry may turn out not to be there: a victim was written to meanwhile. Then everything is as it was, and is
/// tried again.
#[test]
fn a_pinned_entry_outlives_a_decision_that_comes_to_nothing() {
    type Paired = Cache<(u64, u64), u64, Literal>;
    const PIN: (u64, u64) = (1, 1);
    /// In another shard.
    const VICTIM: (u64, u64) = (1 << 40, 1);
    let (link, evicted) = (Arc::new(Mutex::new(None::<Paired>)), Arc::new(Mutex::new(Vec::new())));
    let (linked, hears, meddles) = (Arc::clone(&link), Arc::clone(&evicted), AtomicBool::new(true));
    let cache: Paired = Cache::builder(1000, 100)
        .key_hasher(Literal)
        .policy(PolicyKind::Lru)
        .maintenance(Maintenance::Manual)
        .pin_quota(60)
        .strict()
        .replace_if(move |_, _| {
            if meddles.swap(false, Ordering::Relaxed) {
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
