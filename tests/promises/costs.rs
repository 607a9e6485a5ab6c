//! Costs: never free, never overflowing, and exactly what was said.

use crate::common::{Books, Numbers, Value, audit_to_the_end, settle};
use tollgate::policy::PolicyKind;
use tollgate::{Builder, Cache, Cause, InsertError, Inserted, Maintenance};

fn manual<V: Send + Sync + 'static>(max_cost: u64) -> Builder<u64, V> {
    Cache::builder(1000, max_cost).maintenance(Maintenance::Manual)
}

#[test]
fn an_entry_beyond_the_budget_is_refused_with_its_value() {
    let books = Books::new();
    let heard = books.clone();
    let cache = manual(100).listener(move |event| heard.hear(event)).build().unwrap();
    assert_eq!(cache.try_insert(1, books.value(0), 100).unwrap(), Inserted::New);
    let error = cache.try_insert(2, books.value(7), 101).unwrap_err();
    assert!(matches!(error, InsertError::TooCostly { cost: 101, max_cost: 100, .. }), "{error:?}");
    assert_eq!(error.to_string(), "the cost 101 exceeds the budget 100");
    let value = error.into_value();
    assert_eq!(value.tag, 7);
    books.hand_back(value);
    // A refused update leaves the old value where it was.
    assert!(!books.hand_back_refused(cache.try_insert(1, books.value(8), u64::MAX)));
    assert_eq!(cache.get_with(&1, |value| value.tag), Some(0));
    assert_eq!(cache.stats().refusals, 2);
    audit_to_the_end(cache, &books);
}

#[test]
fn no_entry_is_free() {
    for policy in PolicyKind::ALL {
        let cache = manual(100).policy(policy.clone()).slack(3).build().unwrap();
        (0..5000).for_each(|key| _ = cache.insert(key, (), 0));
        assert!(cache.len() <= 103, "{} rows", cache.len());
        settle(&cache);
        assert_eq!(cache.cost(), cache.len() as u64);
    }
    let weighed = manual(100).weigher(|_: &()| 0).build().unwrap();
    weighed.insert(1, (), 0);
    assert_eq!(weighed.cost(), 1);
}

#[test]
fn the_weigher_is_asked_only_where_the_caller_says_nothing() {
    let cache = manual(1000).weigher(|value: &String| value.len() as u64).build().unwrap();
    cache.insert(1, "twelve bytes".into(), 0);
    assert_eq!(cache.cost(), 12);
    cache.insert(2, "twelve bytes".into(), 5);
    assert_eq!(cache.cost(), 17);
    assert!(!cache.insert(3, "x".repeat(1001), 0));
    assert_eq!(cache.cost(), 17);
    settle(&cache);
}

#[test]
fn charged_overhead_is_the_documented_number_of_bytes() {
    // A row of four words beside the value, and a line of 20 bytes in the ledger; for each a slot of 4 bytes with two bytes of control.
    assert_eq!(Cache::<u64, u64>::entry_overhead(), ROW + 6 + 20 + 6);
    assert_eq!(Cache::<u64, [u64; 100]>::entry_overhead(), ROW + 32);
    assert!(Cache::<u64, u8>::entry_overhead() >= ROW + 32, "padding is bookkeeping");
    let overhead = Cache::<u64, u64>::entry_overhead();
    let cache = manual(100 * (overhead + 10)).charge_overhead(true).build().unwrap();
    for key in 0..10 {
        cache.insert(key, key, 10);
        assert_eq!(cache.cost(), (key + 1) * (overhead + 10));
    }
    cache.insert(0, 0, 1);
    assert_eq!(cache.cost(), 10 * (overhead + 10) - 9);
    cache.remove(&0);
    assert_eq!(cache.cost(), 9 * (overhead + 10));
    settle(&cache);
    let small = manual(overhead).charge_overhead(true).build().unwrap();
    let error = small.try_insert(1, 1_u64, 1).unwrap_err();
    assert!(
        matches!(error, InsertError::TooCostly { .. }),
        "the overhead counts towards the limit: {error:?}"
    );
}

const ROW: u64 = 32;

/// The most that a row can hold: about 17.6 million million.
const MOST: u64 = (1 << 44) - 1;

#[test]
fn costs_do_not_overflow() {
    for policy in PolicyKind::ALL {
        for max_cost in [MOST, 3 * MOST + 1, u64::MAX] {
            for slack in [0, 7, u64::MAX] {
                let cache = manual(max_cost).policy(policy.clone()).slack(slack).build().unwrap();
                let mut numbers = Numbers::new(4);
                for _ in 0..200 {
                    let (key, part) = (numbers.below(12), numbers.below(5));
                    assert!(!cache.insert(key, key, [MOST + 1, u64::MAX / 2, u64::MAX][part as usize % 3]));
                    cache.insert(key, key, MOST >> (part * 3));
                    cache.get(&numbers.below(12));
                    cache.check().unwrap();
                    assert!(cache.census().cost <= max_cost.saturating_add(slack));
                }
                cache.set_max_cost(u64::MAX);
                (10..200).for_each(|key| _ = cache.insert(key, key, MOST));
                cache.set_max_cost(1);
                settle(&cache);
                assert_eq!(cache.stats().policy_panics, 0, "{policy:?}, {max_cost}, slack {slack}");
            }
        }
    }
    let charged = manual(u64::MAX).charge_overhead(true).build().unwrap();
    assert!(!charged.insert(1, 1, u64::MAX), "an overhead on top of it does not wrap");
    assert!(charged.is_empty());
}

#[test]
fn one_entry_costs_at_most_what_a_row_can_hold() {
    let cache = manual(u64::MAX).build().unwrap();
    assert!(cache.insert(1, 1, MOST));
    assert_eq!(cache.cost(), MOST);
    let error = cache.try_insert(2, 2, MOST + 1).unwrap_err();
    assert!(matches!(error, InsertError::TooCostly { value: 2, max_cost: MOST, .. }), "{error:?}");
    settle(&cache);
}

#[test]
fn an_update_charges_the_difference() {
    let books = Books::new();
    let heard = books.clone();
    let cache: Cache<u64, Value> =
        manual(1000).slack(0).listener(move |event| heard.hear(event)).build().unwrap();
    for cost in [500, 1000, 1, 999, 7] {
        assert!(books.hand_back_refused(cache.try_insert(1, books.value(cost), cost)));
        assert_eq!(cache.cost(), cost);
    }
    assert_eq!(books.count(Cause::Replaced), 4);
    audit_to_the_end(cache, &books);
}

#[test]
fn a_large_newcomer_may_take_the_place_of_many_and_is_there_when_insert_returns() {
    for policy in PolicyKind::ALL {
        let cache = manual(100).policy(policy.clone()).build().unwrap();
        (0..100).for_each(|key| _ = cache.insert(key, key, 1));
        cache.run_pending();
        let mut admitted = false;
        for _ in 0..40 {
            cache.get(&1000);
            admitted = cache.insert(1000, 1000, 90);
            assert!(cache.census().cost <= 100 + cache.slack());
            assert_eq!(cache.contains_key(&1000), admitted, "{policy:?}");
            if admitted {
                break;
            }
        }
        settle(&cache);
        if policy.name() == "fifo" {
            assert!(admitted);
        }
    }
}
