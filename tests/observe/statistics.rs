//! Every value that does not stay is counted, under one cause; and snapshots can be subtracted.

use crate::common::{hush, panics, planted_panic, settle};
use std::time::Duration;
use tollgate::clock::ManualClock;
use tollgate::policy::PolicyKind;
use tollgate::{Cache, Maintenance, Stats};

fn busy() -> (Cache<u64, u64>, ManualClock) {
    let clock = ManualClock::new();
    let cache = Cache::builder(1000, 100)
        .maintenance(Maintenance::Manual)
        .clock(clock.clone())
        .replace_if(|old, new| new >= old)
        .build()
        .unwrap();
    (cache, clock)
}

fn work(cache: &Cache<u64, u64>, clock: &ManualClock) {
    (0..400).for_each(|key| {
        cache.get(&(key % 60));
        cache.insert(key, key, 1 + key % 3);
    });
    cache.wait().unwrap();
    cache.clear();
    // There is room for these: nobody is turned away.
    assert!(cache.insert_with_ttl(1, 1000, 1, Duration::from_secs(1)));
    assert!(cache.insert(2, 2000, 1) && cache.insert(2, 2001, 1) && cache.insert(3, 3000, 1));
    assert_eq!(cache.remove(&2), Some(2001));
    clock.advance(Duration::from_secs(1));
    cache.wait().unwrap();
}

#[test]
fn refusals_have_a_cause_each() {
    let (cache, _) = busy();
    assert!(cache.insert(1, 10, 1));
    assert!(!cache.insert(1, 9, 1), "kept");
    assert!(!cache.insert(2, 1, 101), "too costly");
    assert!(!cache.insert(2, 1, 102), "too costly");
    for _ in 0..3 {
        assert!(!cache.insert_if_present(3, 1, 1), "absent");
    }
    let stats = cache.stats();
    assert_eq!((stats.refused_kept, stats.refused_too_costly, stats.refused_absent), (1, 2, 3));
    assert_eq!(stats.refusals, 6);
    settle(&cache);
}

#[test]
fn rejections_at_once_are_told_from_later_ones() {
    for (slack, at_once) in [(0, true), (20, false)] {
        let cache: Cache<u64, u64> = Cache::builder(1000, 10)
            .slack(slack)
            .maintenance(Maintenance::Manual)
            .policy(PolicyKind::TinyLfu)
            .build()
            .unwrap();
        for _ in 0..20 {
            (0..10).for_each(|key| _ = cache.get_or_insert_with(&key, 1, || key));
            cache.wait().unwrap();
        }
        (100..110).for_each(|key| assert_eq!(cache.insert(key, key, 1), !at_once));
        settle(&cache);
        let stats = cache.stats();
        assert!(stats.rejections >= 10, "{stats}");
        assert_eq!(stats.rejected_at_once, if at_once { stats.rejections } else { 0 });
    }
}

#[test]
fn loads_that_bring_nothing_failed_or_were_abandoned() {
    hush();
    let (cache, _) = busy();
    let _ = cache.get_or_try_insert_with(&1, 1, || Err::<u64, _>("no"));
    panics(|| cache.get_or_insert_with(&1, 1, || planted_panic()));
    drop(cache.get_or_reserve(&1));
    let stats = cache.stats();
    assert_eq!((stats.loads, stats.loads_failed, stats.loads_abandoned), (3, 3, 2));
    settle(&cache);
}

#[test]
fn a_difference_tells_what_happened_in_between() {
    let (cache, clock) = busy();
    work(&cache, &clock);
    let first = cache.stats();
    assert!(
        first.evictions + first.rejections > 0
            && first.expirations > 0
            && first.removals > 0
            && first.cleared > 0
    );
    assert_eq!(quiet(&first.since(&first)), quiet(&busy().0.stats()));

    work(&cache, &clock);
    let second = cache.stats();
    let between = second.since(&first);
    assert_eq!(between.hits, second.hits - first.hits);
    assert_eq!(between.expired_cost, second.expired_cost - first.expired_cost);
    assert_eq!(
        between.life_expectancy.count(),
        second.life_expectancy.count() - first.life_expectancy.count()
    );
    assert_eq!((between.clears, between.removals), (1, 1));
    assert_eq!(
        (between.peak_cost, between.max_cost, between.entries),
        (second.peak_cost, 100, second.entries)
    );
    // The wrong way round there is nothing.
    assert_eq!(quiet(&first.since(&second)), quiet(&first.since(&first)));
    settle(&cache);
}

/// The counters, as they are printed.
fn quiet(stats: &Stats) -> Vec<String> {
    let lines = stats.to_string();
    let counters = [
        "reads",
        "inserts",
        "updates",
        "rejections",
        "evictions",
        "expirations",
        "removals",
        "cleared",
        "refusals",
        "maintenance",
        "loads",
    ];
    lines
        .lines()
        .filter(|line| counters.iter().any(|counter| line.starts_with(counter)))
        .map(str::to_owned)
        .collect()
}

#[test]
fn entries_are_the_rows() {
    let (cache, _) = busy();
    (0..7).for_each(|key| assert!(cache.insert(key, key, 1)));
    assert_eq!(cache.stats().entries, 7);
    settle(&cache);
}
