//! Tags, pins and ages come back, and a snapshot of the first version, which has none of them, is read all the same.

use crate::common::settle;
use crate::{Small, builder, heir, saved};
use std::time::Duration;
use tollgate::clock::ManualClock;
use tollgate::persist::Snapshot;
use tollgate::policy::PolicyKind;
use tollgate::{Cache, InsertOptions, Loaded, Maintenance, Tag};

fn insert(cache: &Small, key: u64, options: InsertOptions) {
    cache.try_insert_with(key, key + 100, 2, options).unwrap();
}

fn pinned() -> InsertOptions {
    InsertOptions { pinned: true, ..Default::default() }
}

/// A cache of many, some of which are pinned and some in groups.
fn marked(kind: &PolicyKind) -> Small {
    let cache = builder(100).policy(kind.clone()).pin_quota(20).build().unwrap();
    for key in 0..40 {
        let tag = [None, Some(Tag(1)), Some(Tag(u64::MAX))][key as usize % 3];
        insert(&cache, key, InsertOptions { tag, pinned: key % 8 == 5, ..Default::default() });
        cache.get(&key);
        // One after the other: the order of the pins is known.
        settle(&cache);
    }
    cache
}

#[test]
fn tags_and_pins_come_back_under_every_policy() {
    for kind in PolicyKind::ALL {
        let before = marked(kind);
        let bytes = saved(&before);
        let after = heir(builder(100).policy(kind.clone()).pin_quota(20), &bytes);
        let restored = after.restore(bytes.as_slice()).unwrap();
        assert_eq!((restored.entries, restored.pinned), (before.len() as u64, 5), "{kind:?}");
        for key in 0..40 {
            assert_eq!((after.tag(&key), after.is_pinned(&key)), (before.tag(&key), before.is_pinned(&key)));
        }
        settle(&after);
        assert_eq!(after.remove_tag(Tag(1)), before.remove_tag(Tag(1)), "{kind:?}");
        // And once more.
        let bytes = saved(&after);
        let third = heir(builder(100).policy(kind.clone()).pin_quota(20), &bytes);
        assert_eq!(third.restore(bytes.as_slice()).unwrap().pinned, after.stats().pinned);
        (1000..2000).for_each(|key| _ = third.insert(key, key, 1));
        settle(&third);
        assert!((0..40).all(|key| third.is_pinned(&key) == after.is_pinned(&key)), "{kind:?}");
    }
}

#[test]
fn what_the_quota_has_no_room_for_comes_back_like_any_other() {
    let bytes = saved(&marked(&PolicyKind::HitDensity));
    for (quota, expected) in [(0, 0), (5, 2), (100, 5)] {
        let after = heir(builder(100).pin_quota(quota), &bytes);
        let restored = after.restore(bytes.as_slice()).unwrap();
        assert_eq!((restored.entries, restored.pinned), (40, expected), "{quota}");
        settle(&after);
        // The oldest pins first.
        assert!((0..expected).all(|nth| after.is_pinned(&(5 + 8 * nth))));
    }
    // Beside what is pinned already.
    let after = heir(builder(100).pin_quota(6), &bytes);
    insert(&after, 5, pinned());
    insert(&after, 99, pinned());
    let restored = after.restore(bytes.as_slice()).unwrap();
    assert_eq!((restored.present, restored.pinned, after.stats().pinned_cost), (1, 1, 6));
    assert!(after.is_pinned(&13) && !after.is_pinned(&21) && after.contains_key(&21));
    settle(&after);
}

#[test]
fn a_pinned_entry_comes_back_into_a_full_cache() {
    let bytes = saved(&marked(&PolicyKind::Lru));
    for slack in [0, 7] {
        let after = heir(builder(30).policy(PolicyKind::Lru).pin_quota(30).slack(slack), &bytes);
        (1000..1030).for_each(|key| assert!(after.insert(key, key, 1)));
        let restored = after.restore(bytes.as_slice()).unwrap();
        assert_eq!((restored.pinned, after.stats().pinned_cost), (5, 10));
        settle(&after);
        assert!(after.stats().peak_cost <= 30 + slack);
    }
}

#[test]
fn ages_go_on_where_they_were() {
    let day = Duration::from_secs(86_400);
    let young = |clock: &ManualClock| builder(100).clock(clock.clone()).refresh_after(day);
    let clock = ManualClock::new();
    let before = young(&clock).build().unwrap();
    before.insert(1, 1, 1);
    clock.advance(day / 2);
    before.insert(2, 2, 1);
    let bytes = saved(&before);
    // Who refreshes is a load, of which there are as many as of values that are due.
    let refreshes = |cache: &Small| {
        (1..=2).for_each(|key| _ = cache.get_or_load(&key, || Ok::<_, ()>(Loaded::new(0, 1))).unwrap());
        cache.stats().refreshes
    };
    for (away, later, due) in [
        (Duration::ZERO, day / 2 - Duration::from_millis(1), 0),
        (Duration::ZERO, day / 2, 1),
        (day / 4, day / 4, 1),
        (day / 4, day * 3 / 4, 2),
        (day * 9, Duration::ZERO, 2),
    ] {
        let clock = ManualClock::new();
        clock.advance(Duration::from_secs(7));
        let after = heir(young(&clock), &bytes);
        clock.advance(Duration::from_secs(7));
        let snapshot = Snapshot::open(bytes.as_slice()).unwrap().away_for(away);
        assert_eq!(after.restore_from(snapshot).unwrap().entries, 2);
        clock.advance(later);
        assert_eq!(refreshes(&after), due, "{away:?} away, {later:?} later");
        settle(&after);
    }
    // Where values are refreshed earlier now, the earlier time counts; where they are not, none does.
    let clock = ManualClock::new();
    let after = heir(builder(100).clock(clock.clone()).refresh_after(day / 100), &bytes);
    after.restore_from(Snapshot::open(bytes.as_slice()).unwrap().away_for(Duration::ZERO)).unwrap();
    clock.advance(day / 100);
    assert_eq!(refreshes(&after), 2);
    let after = heir(builder(100).clock(clock.clone()), &bytes);
    after.restore(bytes.as_slice()).unwrap();
    clock.advance(day * 2);
    assert_eq!(refreshes(&after), 0);
    settle(&after);
}

#[test]
fn a_snapshot_of_the_first_version_is_read_without_marks() {
    let digits: Vec<char> = FIRST_VERSION.chars().collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    let bytes: Vec<u8> = digits.chunks(2).map(byte).collect();
    let (clock, open) = (ManualClock::new(), || Snapshot::open(bytes.as_slice()).unwrap());
    let cache: Cache<u64, String> = Cache::builder(10, 100)
        .clock(clock.clone())
        .maintenance(Maintenance::Manual)
        .pin_quota(100)
        .refresh_after(Duration::from_secs(60))
        .same_keys_as(&open())
        .unwrap()
        .build()
        .unwrap();
    let restored = cache.restore_from(open().away_for(Duration::from_secs(2))).unwrap();
    assert_eq!((restored.entries, restored.pinned, cache.cost()), (3, 0, 12));
    for (key, value) in [(1, "one"), (2, "two"), (3, "three")] {
        assert_eq!(cache.get(&key).as_deref(), Some(value));
        assert_eq!((cache.tag(&key), cache.is_pinned(&key)), (None, false));
    }
    assert_eq!(cache.remaining_ttl(&3), Some(Duration::from_secs(7)));
    settle(&cache);
    let load = || cache.get_or_load(&1, || Ok::<_, ()>(Loaded::new("new".into(), 1))).unwrap();
    clock.advance(Duration::from_millis(59_999));
    assert_eq!((load(), cache.stats().refreshes), ("one".into(), 0));
    clock.advance(Duration::from_millis(1));
    assert_eq!((load(), cache.stats().refreshes), ("new".into(), 1));
    // And what it writes itself is of the present version.
    let mut again = Vec::new();
    cache.save(&mut again).unwrap();
    assert_eq!(again[8..12], [2, 0, 0, 0]);
}

/// What version 1 wrote of a cache of three: `1` and `2` for ever (the one had a tag), `3` for nine seconds.
const FIRST_VERSION: &str = "\
    544f4c4c47415445010000004a010000c9f32d1a8b2767c892952373b479983aebb117940700000000000000c15c0289ec2d0a91\
    67ec8e65a18debbe5f5532fbeea293f80bc942ee9086c171b9b501d1d854bb7180021590ff0b4dc3a53c36d76cec99e0c258bdff\
    a10100001500000000000000616c6c6f633a3a737472696e673a3a537472696e6703000000000000006c72750000000000000000\
    0154a2fe101807134203000000000000000500000000000000282300000000000028230000000000000000000000000000060000\
    000000000005746872656501cde17c0f300bbf8302000000000000000400000000000000ffffffffffffffffffffffffffffffff\
    000000000000000004000000000000000374776f0164010e4a1b38140801000000000000000300000000000000ffffffffffffff\
    ffffffffffffffffff00000000000000000400000000000000036f6e6500030000000000000000000000008a70e0";
