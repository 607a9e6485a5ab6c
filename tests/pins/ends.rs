//! What ends a pin, and what does not come in beside pins.

use crate::common::{Literal, settle};
use crate::{Numbered, PINNED, builder, flood, of_quota, pinned};
use std::time::Duration;
use tollgate::clock::ManualClock;
use tollgate::policy::PolicyKind;
use tollgate::{Cache, Computed, InsertError, InsertOptions, Maintenance, Op, Tag};

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
fn a_pin_that_is_lost_in_making_room_is_counted_as_lost() {
    let cache = builder().policy(PolicyKind::Lru).slack(4).build().unwrap();
    pinned(&cache, 1, 40);
    flood(&cache, 10);
    cache.compute(&1, |_| Op::Recost(60)).unwrap();
    settle(&cache);
    let stats = cache.stats();
    assert_eq!((stats.pins_lost, stats.pins_refused), (1, 0));
}

#[test]
fn what_takes_the_place_of_an_entry_whose_time_was_over_is_not_pinned() {
    let clock = ManualClock::new();
    let cache = builder().policy(PolicyKind::Lru).slack(4).clock(clock.clone()).build().unwrap();
    let options = InsertOptions { time_to_live: Some(Duration::from_secs(1)), ..PINNED };
    cache.try_insert_with(1, 1, 10, options).unwrap();
    flood(&cache, 10);
    clock.advance(Duration::from_secs(5));
    cache.compute(&1, |_| Op::Put { value: 2, cost: 30 }).unwrap();
    assert!(cache.contains_key(&1) && !cache.is_pinned(&1));
    settle(&cache);
}
