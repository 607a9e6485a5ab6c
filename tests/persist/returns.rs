//! Entries come back as they were, as far as the budget and the policy let them, and what is there already is newer.

use crate::common::{Numbers, lock, settle};
use crate::{Small, builder, contents, heir, saved};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tollgate::key::{FastHasher, SecretHasher};
use tollgate::persist::{RestoreError, Snapshot};
use tollgate::policy::PolicyKind;
use tollgate::{Cache, KeyHasher, Maintenance, Reservation};

/// Small keys are asked for much more often than large ones.
fn skewed(numbers: &mut Numbers) -> u64 {
    let bound = 1 + numbers.below(1000);
    numbers.below(bound)
}

/// A cache that has worked for a while.
fn worn(builder: tollgate::Builder<u64, u64>, requests: u64) -> Small {
    let cache = builder.build().unwrap();
    let mut numbers = Numbers::new(7);
    for _ in 0..requests {
        let key = skewed(&mut numbers);
        if cache.get(&key).is_none() {
            cache.insert(key, 3 * key, 1 + key % 7);
        }
    }
    settle(&cache);
    cache
}

/// How many of so many requests would hit.
fn hits<V: Clone + Send + Sync + 'static>(cache: &Cache<u64, V>) -> usize {
    let mut numbers = Numbers::new(8);
    (0..20_000).filter(|_| cache.peek(&skewed(&mut numbers)).is_some()).count()
}

#[test]
fn every_policy_gets_its_entries_back() {
    for kind in PolicyKind::ALL {
        let before = worn(builder(600).policy(kind.clone()), 20_000);
        let bytes = saved(&before);
        let after = heir(builder(600).policy(kind.clone()), &bytes);
        let restored = after.restore(bytes.as_slice()).unwrap();
        assert_eq!(restored.entries, before.len() as u64, "{kind:?}");
        assert_eq!((restored.rejected, restored.expired, restored.present), (0, 0, 0), "{kind:?}");
        assert_eq!(
            restored.learned,
            matches!(kind, PolicyKind::HitDensity | PolicyKind::TinyLfu),
            "{kind:?}"
        );
        assert_eq!(contents(&after, 0..1000), contents(&before, 0..1000), "{kind:?}");
        assert_eq!(after.cost(), before.cost(), "{kind:?}");
        // And the policy works on.
        (0..3000).for_each(|key| _ = after.insert(key, 3 * key, 1 + key % 7));
        settle(&after);
    }
}

#[test]
fn another_policy_takes_what_there_is_room_for() {
    for (from, to) in [(PolicyKind::HitDensity, PolicyKind::Lru), (PolicyKind::Lru, PolicyKind::HitDensity)] {
        let before = worn(builder(600).policy(from), 20_000);
        let bytes = saved(&before);
        let after = heir(builder(200).policy(to), &bytes);
        let restored = after.restore(bytes.as_slice()).unwrap();
        assert!(!restored.learned);
        assert_eq!(restored.entries + restored.rejected, before.len() as u64);
        assert_eq!(restored.entries, after.len() as u64, "nobody who came back had to make room for another");
        assert!(after.cost() > 190, "{} of 200", after.cost());
        settle(&after);
    }
}

#[test]
fn a_smaller_budget_keeps_the_best_and_is_never_passed() {
    for (max_cost, slack) in [(1, 0), (2, 5), (50, 0), (300, 0), (300, 30), (599, 0)] {
        let before = worn(builder(600), 20_000);
        let bytes = saved(&before);
        let after = heir(builder(max_cost).slack(slack), &bytes);
        let restored = after.restore(bytes.as_slice()).unwrap();
        assert!(restored.learned);
        assert_eq!(restored.entries + restored.rejected, before.len() as u64);
        let stats = after.stats();
        assert!(stats.peak_cost <= max_cost, "{} of {max_cost} at its peak", stats.peak_cost);
        settle(&after);
        if max_cost == 300 {
            let grown = hits(&worn(builder(300), 20_000));
            assert!(after.cost() > 280, "{} of 300", after.cost());
            assert!(hits(&after) * 100 > grown * 95, "{} hits, {grown} grown at that size", hits(&after));
        }
    }
}

#[test]
fn the_most_valuable_come_first() {
    // About sixty values to a frame.
    let build = || {
        let hasher = SecretHasher::with_seed(1);
        Cache::<u64, String>::builder(6000, 600).maintenance(Maintenance::Manual).seed(1).key_hasher(hasher)
    };
    let before = build().build().unwrap();
    let mut numbers = Numbers::new(7);
    for _ in 0..40_000 {
        let key = skewed(&mut numbers);
        if before.get(&key).is_none() {
            before.insert(key, "x".repeat(1000), 1);
        }
    }
    before.wait().unwrap();
    let mut bytes = Vec::new();
    before.save(&mut bytes).unwrap();
    // What had come before the reader broke off is in.
    let after = build().same_keys_as(&Snapshot::open(bytes.as_slice()).unwrap()).unwrap().build().unwrap();
    let error = after.restore(&bytes[..bytes.len() / 2]).unwrap_err();
    assert!(matches!(error, RestoreError::Truncated), "{error:?}");
    settle(&after);
    let half = before.len() / 2;
    assert!((half / 2..half + 60).contains(&after.len()), "{} of {}", after.len(), before.len());
    let (found, all) = (hits(&after), hits(&before));
    assert!(found * before.len() * 10 > all * after.len() * 12, "{found} of {all} hits");
}

#[test]
fn what_is_there_is_newer() {
    let before = builder(100).build().unwrap();
    (0..50).for_each(|key| assert!(before.insert(key, 1000 + key, 1)));
    before.wait().unwrap();
    let bytes = saved(&before);
    let after = heir(builder(100), &bytes);
    (0..20).for_each(|key| assert!(after.insert(key, key, 1)));
    // One is being loaded.
    let Reservation::Vacant(guard) = after.get_or_reserve(&30) else { panic!("it is not there") };
    let restored = after.restore(bytes.as_slice()).unwrap();
    assert_eq!((restored.entries, restored.present, restored.rejected), (29, 21, 0));
    assert_eq!(guard.insert(30, 1), 30);
    for key in 0..50 {
        let is_newer = key < 20 || key == 30;
        assert_eq!(after.get(&key), Some(if is_newer { key } else { 1000 + key }));
    }
    // Twice is once.
    let restored = after.restore(bytes.as_slice()).unwrap();
    assert_eq!((restored.entries, restored.present), (0, 50));
    settle(&after);
}

#[test]
fn what_had_expired_gives_way() {
    let clock = tollgate::clock::ManualClock::new();
    let before = builder(100).build().unwrap();
    (0..10).for_each(|key| assert!(before.insert(key, 1000 + key, 1)));
    let bytes = {
        before.wait().unwrap();
        saved(&before)
    };
    let heard = Arc::new(AtomicU64::new(0));
    let hears = heard.clone();
    let listener = move |event: tollgate::Event<u64>| {
        assert_eq!(event.cause, tollgate::Cause::Expired);
        hears.fetch_add(1, Ordering::Relaxed);
    };
    let after = heir(builder(100).clock(clock.clone()).listener(listener), &bytes);
    let second = std::time::Duration::from_secs(1);
    (0..5).for_each(|key| assert!(after.insert_with_ttl(key, key, 1, second)));
    clock.advance(second);
    assert_eq!(after.restore(bytes.as_slice()).unwrap().entries, 10);
    assert_eq!(after.get(&3), Some(1003));
    settle(&after);
    assert_eq!(heard.load(Ordering::Relaxed), 5);
}

#[test]
fn costs_come_back_without_the_overhead_and_with_it() {
    let overhead = Small::entry_overhead();
    for (charged_before, charged_after) in [(false, false), (false, true), (true, false), (true, true)] {
        let before = builder(100_000).charge_overhead(charged_before).build().unwrap();
        (0..10).for_each(|key| assert!(before.insert(key, key, 10 * key)));
        before.wait().unwrap();
        let bytes = saved(&before);
        let after = heir(builder(100_000).charge_overhead(charged_after), &bytes);
        after.restore(bytes.as_slice()).unwrap();
        let net = 451; // 0 costs 1.
        assert_eq!(after.cost(), net + if charged_after { 10 * overhead } else { 0 });
        settle(&after);
    }
}

#[test]
fn keys_are_known_to_the_same_hasher_only() {
    let before = builder(100).build().unwrap();
    assert!(before.insert(1, 1, 1));
    before.wait().unwrap();
    let bytes = saved(&before);
    let stranger = builder(100).key_hasher(SecretHasher::new()).build().unwrap();
    assert!(matches!(stranger.restore(bytes.as_slice()), Err(RestoreError::OtherKeys)));
    assert!(stranger.is_empty());
    let fast = builder(100).key_hasher(FastHasher::new());
    let snapshot = Snapshot::open(bytes.as_slice()).unwrap();
    assert!(matches!(fast.same_keys_as(&snapshot), Err(RestoreError::OtherKeys)));

    // Hashers that the program keeps equal by itself need no secret.
    let hasher = SecretHasher::new();
    let [one, two] = [0, 1].map(|_| builder(100).key_hasher(hasher.clone()).build().unwrap());
    assert!(one.insert(5, 6, 1));
    let mut bytes = Vec::new();
    one.save(&mut bytes).unwrap();
    assert_eq!(two.restore(bytes.as_slice()).unwrap().entries, 1);
    assert_eq!(two.get(&5), Some(6));
}

#[test]
fn a_hasher_comes_back_from_its_secret_and_from_no_other_words() {
    fn check<S: KeyHasher>(hasher: &S) {
        let secret = hasher.secret().unwrap();
        let same = S::with_secret(&secret).unwrap();
        assert_eq!(same.identity(), hasher.identity());
        for key in [0_u64, 1, u64::MAX] {
            assert_eq!(same.hash_key(&key), hasher.hash_key(&key));
        }
        for key in ["", "a", "a key of more than sixteen bytes"] {
            assert_eq!(same.hash_key(key), hasher.hash_key(key));
        }
        assert_eq!(same.hash_key(&(1_u8, "b", 'c')), hasher.hash_key(&(1_u8, "b", 'c')));
        for len in (0..secret.len()).chain([secret.len() + 1]) {
            let words: Vec<_> = secret.iter().copied().cycle().take(len).collect();
            assert!(S::with_secret(&words).is_none(), "{len} words");
        }
    }
    check(&SecretHasher::new());
    check(&FastHasher::new());
}

/// Takes any words for its secret, and is another one than it says.
#[derive(Clone)]
struct Impostor;

impl KeyHasher for Impostor {
    fn hash_key<Q: std::hash::Hash + ?Sized>(&self, key: &Q) -> tollgate::KeyHash {
        SecretHasher::with_seed(99).hash_key(key)
    }

    fn with_secret(_secret: &[u64]) -> Option<Self> {
        Some(Self)
    }
}

#[test]
fn a_hasher_that_hashes_differently_is_not_adopted() {
    let bytes = saved(&worn(builder(100), 500));
    let snapshot = Snapshot::open(bytes.as_slice()).unwrap();
    let adopted = builder(100).key_hasher(Impostor).same_keys_as(&snapshot);
    assert!(matches!(adopted, Err(RestoreError::OtherKeys)));
}

#[test]
fn a_fast_hasher_is_adopted_too() {
    let build = || Cache::<str, u64>::builder(1000, 100).key_hasher(FastHasher::new());
    let before = build().build().unwrap();
    assert!(before.insert("a", 1, 1));
    before.wait().unwrap();
    let mut bytes = Vec::new();
    before.save(&mut bytes).unwrap();
    let snapshot = Snapshot::open(bytes.as_slice()).unwrap();
    let after = build().same_keys_as(&snapshot).unwrap().build().unwrap();
    assert_eq!(after.restore_from(snapshot).unwrap().entries, 1);
    assert_eq!(after.get("a"), Some(1));
}

#[test]
fn nothing_but_inserts_is_counted_and_nobody_hears() {
    let before = worn(builder(600), 5_000);
    let bytes = saved(&before);
    let heard = Arc::new(AtomicU64::new(0));
    let hears = heard.clone();
    let after = heir(builder(400).listener(move |_| _ = hears.fetch_add(1, Ordering::Relaxed)), &bytes);
    let restored = after.restore(bytes.as_slice()).unwrap();
    let stats = after.stats();
    assert!(restored.rejected > 0);
    assert_eq!(stats.inserts, restored.entries);
    assert_eq!((stats.hits, stats.misses, stats.updates, stats.rejections, stats.refusals), (0, 0, 0, 0, 0));
    assert_eq!(stats.evictions, heard.load(Ordering::Relaxed), "of restored ones, for better ones");
    settle(&after);
}

#[test]
fn an_empty_cache_makes_a_snapshot_too() {
    let before = builder(100).build().unwrap();
    let bytes = saved(&before);
    let after = heir(builder(100), &bytes);
    assert_eq!(after.restore(bytes.as_slice()).unwrap().entries, 0);
    settle(&after);
}

#[test]
fn what_comes_after_the_snapshot_stays_in_the_reader() {
    let before = worn(builder(100), 500);
    let mut bytes = saved(&before);
    let after = heir(builder(100), &bytes);
    bytes.extend_from_slice(b"and so on");
    let mut reader = bytes.as_slice();
    after.restore(&mut reader).unwrap();
    assert_eq!(reader, b"and so on");
}

#[test]
fn large_values_pass_through_small_frames() {
    let before: Cache<u64, String> = Cache::builder(1000, 1 << 30).build().unwrap();
    for key in 0..8 {
        let len = [0, 1, 65_535, 65_536, 65_537, 200_000, 3 << 20, 7][key as usize];
        assert!(before.insert(key, key.to_string().repeat(len), 1 + len as u64));
    }
    before.wait().unwrap();
    let bytes = saved(&before);
    let snapshot = Snapshot::open(bytes.as_slice()).unwrap();
    let after: Cache<u64, String> =
        Cache::builder(1000, 1 << 30).same_keys_as(&snapshot).unwrap().build().unwrap();
    assert_eq!(after.restore_from(snapshot).unwrap().entries, 8);
    (0..8).for_each(|key| assert!(after.get(&key) == before.get(&key), "{key}"));
    settle(&after);
}

#[test]
fn a_listener_may_save_and_restore() {
    let before = worn(builder(100), 500);
    let bytes = Arc::new(saved(&before));
    let (inside, done) = (bytes.clone(), Arc::new(AtomicU64::new(0)));
    let (slot, counts) = (Arc::new(Mutex::new(None::<Small>)), done.clone());
    let mine = slot.clone();
    let after = heir(
        builder(100).listener(move |_| {
            let cache = lock(&mine).clone().unwrap();
            cache.save(std::io::sink()).unwrap();
            cache.restore(inside.as_slice()).unwrap();
            counts.fetch_add(1, Ordering::Relaxed);
        }),
        &bytes,
    );
    *lock(&slot) = Some(after.clone());
    assert!(after.insert(5000, 1, 1));
    after.clear();
    assert!(done.load(Ordering::Relaxed) > 0);
    after.wait().unwrap();
    after.check().unwrap();
    // A cache that holds itself would live for ever.
    lock(&slot).take();
}
