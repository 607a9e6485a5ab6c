//! Groups of entries: what gives an entry its tag, what takes it away, and that a group that was removed does not come back by a load.
//! That tags, rows and groups agree after every kind of step is shown by `tests/model.rs`.

#[path = "common/callers.rs"]
mod callers;
mod common;

use callers::{CALLERS, Caller};
use common::lock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;
use tollgate::clock::ManualClock;
use tollgate::policy::PolicyKind;
use tollgate::{Cache, Cause, Computed, InsertOptions, Inserted, Loaded, Maintenance, Op, Reservation, Tag};

type Numbers = Cache<u64, u64>;

const RED: Option<Tag> = Some(Tag(1));
const BLUE: Option<Tag> = Some(Tag(2));

fn cache() -> Numbers {
    Cache::builder(10_000, 100_000).maintenance(Maintenance::Manual).build().expect("a valid configuration")
}

fn check<V: Send + Sync + 'static>(cache: &Cache<u64, V>) {
    cache.check().unwrap_or_else(|inconsistency| panic!("{inconsistency}"));
    cache.run_pending();
    cache.check().unwrap_or_else(|inconsistency| panic!("{inconsistency}"));
}

fn insert(cache: &Numbers, key: u64, tag: Option<Tag>) {
    let options = InsertOptions { tag, ..Default::default() };
    cache.try_insert_with(key, key, 1, options).expect("there is room");
}

#[test]
fn a_group_leaves_and_no_other_entry_does() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let cache: Numbers = Cache::builder(10_000, 100_000)
        .maintenance(Maintenance::Manual)
        .listener(move |event| lock(&hears).push((event.value, event.cause)))
        .build()
        .expect("a valid configuration");
    for key in 0..9_000 {
        insert(&cache, key, [None, RED, BLUE][key as usize % 3]);
    }
    check(&cache);
    assert_eq!(cache.remove_tag(Tag(1)), 3_000);
    assert_eq!((cache.len(), cache.cost(), cache.stats().removals), (6_000, 6_000, 3_000));
    assert!((0..9_000).all(|key| cache.contains_key(&key) == (key % 3 != 1)));
    let mut left = std::mem::take(&mut *lock(&heard));
    left.sort_unstable_by_key(|&(value, _)| value);
    assert!(left.into_iter().eq((0..3_000).map(|nth| (3 * nth + 1, Cause::Removed))));
    assert_eq!((cache.remove_tag(Tag(1)), cache.remove_tag(Tag(3))), (0, 0));
    check(&cache);
    cache.clear();
    assert_eq!(cache.remove_tag(Tag(2)), 0);
    check(&cache);
}

/// What happens to entry 7, which is red, and what it is then.
type Change = (fn(&Numbers), Option<Tag>);

const CHANGES: [Change; 12] = [
    (|cache| insert(cache, 7, BLUE), BLUE),
    (|cache| insert(cache, 7, None), None),
    (|cache| assert!(cache.insert(7, 70, 9)), None),
    (|cache| assert!(cache.insert_if_present(7, 70, 9)), RED),
    (|cache| assert!(cache.insert_if_present(7, 70, 1)), RED),
    (|cache| assert!(cache.update(&7, |value| *value = 70)), RED),
    (|cache| assert!(matches!(cache.compute(&7, |_| Op::Recost(9)), Ok(Computed::Written(_)))), RED),
    (|cache| assert!(cache.compute(&7, |_| Op::Put { value: 70, cost: 1 }).is_ok()), None),
    (|cache| assert_eq!((cache.remove(&7), cache.insert(7, 7, 1)), (Some(7), true)), None),
    (|cache| assert!(cache.set_tag(&7, BLUE)), BLUE),
    (|cache| assert!(cache.set_tag(&7, None)), None),
    (|cache| assert!(cache.persist(&7)), RED),
];

#[test]
fn a_tag_belongs_to_the_entry_that_was_written_with_it() {
    for (nth, (change, tag)) in CHANGES.into_iter().enumerate() {
        let cache = cache();
        // Others on both sides, in whichever shard.
        (0..20).for_each(|key| insert(&cache, key, RED));
        change(&cache);
        assert_eq!(cache.tag(&7), tag, "change {nth}");
        check(&cache);
        assert_eq!(cache.remove_tag(Tag(1)), if tag == RED { 20 } else { 19 }, "change {nth}");
        assert_eq!(cache.contains_key(&7), tag != RED, "change {nth}");
        check(&cache);
    }
    let cache = cache();
    assert!(!cache.set_tag(&7, RED) && cache.tag(&7).is_none());
}

/// A larger cost that finds no room takes the entry out for a while.
#[test]
fn a_recosted_entry_keeps_its_tag_even_if_room_has_to_be_made() {
    let cache: Numbers = Cache::builder(100, 10)
        .policy(PolicyKind::Lru)
        .maintenance(Maintenance::Manual)
        .strict()
        .build()
        .expect("a valid configuration");
    (0..9).for_each(|key| insert(&cache, key, BLUE));
    insert(&cache, 9, RED);
    check(&cache);
    assert_eq!(cache.compute(&9, |_| Op::Recost(5)), Ok(Computed::Written(Inserted::Replaced)));
    assert_eq!((cache.tag(&9), cache.cost(), cache.len()), (RED, 10, 6));
    check(&cache);
    assert_eq!((cache.remove_tag(Tag(1)), cache.remove_tag(Tag(2))), (1, 5));
    check(&cache);
}

#[test]
fn a_load_says_the_tag_of_what_it_brings() {
    for caller in CALLERS {
        let cache = cache();
        let load = || Ok::<_, ()>(Loaded::new(1, 1).tag(Tag(1)));
        let loaded = match caller {
            Caller::Thread => cache.get_or_load(&7, load),
            _ => caller.run(cache.get_or_load_async(&7, async { load() })),
        };
        assert_eq!((loaded, cache.tag(&7)), (Ok(1), RED));
        assert_eq!((cache.remove_tag(Tag(1)), cache.len()), (1, 0));
        check(&cache);
    }
}

/// A value with that tag may have been read from its source before the group was removed.
#[test]
fn a_load_that_began_before_its_group_was_removed_brings_nothing() {
    for (ended, brings, stays) in [(RED, RED, false), (RED, BLUE, true), (RED, None, true), (None, RED, true)]
    {
        let cache = cache();
        let Reservation::Vacant(vacancy) = cache.get_or_reserve(&7) else { panic!("a fresh cache") };
        insert(&cache, 8, RED);
        if let Some(tag) = ended {
            assert_eq!((cache.remove_tag(tag), cache.remove_tag(tag)), (1, 0));
        }
        let mut loaded = Loaded::new(1, 1);
        loaded.tag = brings;
        assert_eq!(vacancy.insert_loaded(loaded), 1);
        assert_eq!(cache.get(&7), stays.then_some(1), "{ended:?} {brings:?}");
        assert_eq!(cache.stats().loads_overtaken, u64::from(!stays));
        check(&cache);
        // The next load is none the worse for it.
        cache.remove(&7);
        let Reservation::Vacant(vacancy) = cache.get_or_reserve(&7) else { panic!("it was removed") };
        vacancy.insert_loaded(Loaded::new(2, 1).tag(Tag(1)));
        assert_eq!(cache.tag(&7), RED);
        check(&cache);
    }
}

#[test]
fn a_refresh_of_what_leaves_with_its_group_brings_nothing() {
    for brings in [None, RED, BLUE] {
        let clock = ManualClock::new();
        let cache: Numbers = Cache::builder(100, 100)
            .maintenance(Maintenance::Manual)
            .clock(clock.clone())
            .refresh_after(Duration::from_secs(1))
            .build()
            .expect("a valid configuration");
        insert(&cache, 7, RED);
        clock.advance(Duration::from_secs(1));
        let Reservation::Vacant(vacancy) = cache.get_or_reserve(&7) else { panic!("it is due") };
        assert_eq!(cache.remove_tag(Tag(1)), 1);
        let mut loaded = Loaded::new(1, 1);
        loaded.tag = brings;
        vacancy.insert_loaded(loaded);
        assert_eq!(cache.len(), 0);
        check(&cache);
    }
}

/// Writers bump a number behind each key and then remove the group; whoever loads after that must not see an older number.
#[test]
fn what_was_removed_with_its_group_is_never_seen_again() {
    common::watchdog(|| {
        let cache = cache();
        let source: Vec<std::sync::atomic::AtomicU64> = (0..8).map(|_| 0.into()).collect();
        let (done, start) = (AtomicBool::new(false), Barrier::new(4));
        thread::scope(|scope| {
            for number in 0..3_u64 {
                let (cache, source, done, start) = (&cache, &source, &done, &start);
                scope.spawn(move || {
                    let mut numbers = common::Numbers::new(number);
                    start.wait();
                    while !done.load(Ordering::Relaxed) {
                        let key = numbers.below(8);
                        let floor = source[key as usize].load(Ordering::SeqCst);
                        if floor % 2 == 1 {
                            continue; // The group is being removed just now.
                        }
                        let load = || {
                            let seen = source[key as usize].load(Ordering::SeqCst);
                            thread::yield_now();
                            Ok::<_, ()>(Loaded::new(seen, 1).tag(Tag(key % 2)))
                        };
                        let seen = cache.get_or_load(&key, load).expect("it does not fail");
                        assert!(seen >= floor.saturating_sub(1), "{seen} is older than {floor}");
                    }
                });
            }
            start.wait();
            for round in 0..2_000_u64 {
                let group = round % 2;
                let keys = || (group..8).step_by(2);
                // Odd while values of both ages may be seen; even when the older are gone.
                keys().for_each(|key| _ = source[key as usize].fetch_add(1, Ordering::SeqCst));
                cache.remove_tag(Tag(group));
                keys().for_each(|key| _ = source[key as usize].fetch_add(1, Ordering::SeqCst));
            }
            done.store(true, Ordering::Relaxed);
        });
        check(&cache);
    });
}

#[test]
fn a_tag_shared_by_all_and_a_tag_for_each_cost_the_same() {
    let cache = cache();
    for tag in [|_| RED, |key| Some(Tag(key))] as [fn(u64) -> Option<Tag>; 2] {
        for key in 0..10_000 {
            insert(&cache, key, tag(key));
        }
        check(&cache);
        // In an order that is not theirs.
        for key in 0..10_000 {
            let key = key * 7_919 % 10_000;
            assert_eq!(cache.tag(&key), tag(key));
            assert_eq!(cache.remove(&key), Some(key));
        }
        check(&cache);
    }
}

/// Whoever asks after the removal is not given what was read before it, even if the flight he joined was overtaken since.
#[test]
fn an_overtaken_load_gives_nothing_of_a_group_that_was_removed() {
    common::watchdog(|| {
        let cache = cache();
        let Reservation::Vacant(lead) = cache.get_or_reserve(&1) else { panic!("a fresh cache") };
        assert_eq!(cache.remove_tag(Tag(7)), 0);
        thread::scope(|scope| {
            let later = scope.spawn(|| cache.get_or_insert_with(&1, 1, || 2));
            thread::sleep(Duration::from_millis(50));
            cache.remove(&1);
            assert_eq!(lead.insert_loaded(Loaded::new(1, 1).tag(Tag(7))), 1);
            assert_eq!(later.join().unwrap(), 2);
        });
        check(&cache);
    });
}

/// A load that is long under way does not remember every group for ever.
#[test]
fn a_load_outlives_any_number_of_removed_groups() {
    common::watchdog(|| {
        let cache = cache();
        let Reservation::Vacant(lead) = cache.get_or_reserve(&1) else { panic!("a fresh cache") };
        (0..20_000).for_each(|tag| _ = cache.remove_tag(Tag(tag)));
        assert_eq!(lead.insert_loaded(Loaded::new(1, 1).tag(Tag(77_777))), 1);
        assert_eq!(cache.get(&1), None, "it may have been among those that are forgotten");
        check(&cache);
    });
}
