//! Entries that the policy may not touch: that they stay, what they may cost together, and what ends a pin. That rows, quota and engine agree after every
//! kind of step is shown by `tests/model.rs`; with threads, by `tests/stress.rs` and the last test here.

#[path = "../common/mod.rs"]
mod common;

mod adversity;
mod ends;

use common::settle;
use std::time::Duration;
use tollgate::clock::ManualClock;
use tollgate::policy::PolicyKind;
use tollgate::{
    BuildError, Builder, Cache, Computed, InsertError, InsertOptions, Inserted, Loaded, Maintenance, Op,
    PinError, Tag,
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

#[test]
fn all_of_the_budget_may_be_pinned_under_every_policy() {
    for kind in PolicyKind::ALL {
        for slack in [0, 4] {
            let cache = builder().policy(kind.clone()).slack(slack).pin_quota(100).build().unwrap();
            flood(&cache, 0);
            (10_000..10_010).for_each(|key| pinned(&cache, key, 10));
            flood(&cache, 20_000);
            assert_eq!((cache.cost(), cache.len()), (100, 10));
            assert!((10_000..10_010).all(|key| cache.unpin(&key)));
            flood(&cache, 30_000);
            assert_eq!(cache.stats().policy_panics, 0);
        }
    }
}
