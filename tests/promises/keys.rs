//! Keys: wrong answers need both words to collide; no word is special; lookups take borrowed forms.

use crate::common::{Literal, settle};
use std::path::{Path, PathBuf};
use tollgate::key::{FastHasher, SecretHasher};
use tollgate::{Builder, Cache, KeyHasher, Maintenance};

type Literally = Cache<(u64, u64), u64, Literal>;

fn literal() -> Literally {
    Cache::builder(1000, 100).maintenance(Maintenance::Manual).key_hasher(Literal).build().unwrap()
}

#[test]
fn keys_with_one_index_never_answer_for_each_other() {
    for index in [0, 1, u64::MAX] {
        for (mine, other) in [(0, 1), (1, 0), (0, u64::MAX), (u64::MAX, 0), (7, 8)] {
            let cache = literal();
            assert!(cache.insert((index, mine), 1, 1));
            assert_eq!(cache.get(&(index, other)), None, "conflict {other} read {mine}'s value");
            assert_eq!(cache.peek(&(index, other)), None);
            assert_eq!(cache.remaining_ttl(&(index, other)), None);
            assert_eq!(cache.remove(&(index, other)), None, "conflict {other} removed {mine}'s value");
            assert!(!cache.insert_if_present((index, other), 2, 1), "somebody else's entry is not present");
            assert_eq!(cache.get(&(index, mine)), Some(1));
            settle(&cache);
        }
    }
}

#[test]
fn keys_with_one_index_never_lock_each_other_out() {
    let cache = literal();
    for round in 0..20 {
        let conflict = round % 3;
        assert!(cache.insert((5, conflict), round, 1), "the newer may always come in");
        assert_eq!(cache.get(&(5, conflict)), Some(round));
        if round % 2 == 0 {
            cache.wait().unwrap();
        }
        settle(&cache);
    }
}

#[test]
fn zero_is_a_word_like_any_other() {
    let cache = literal();
    for key in [(0, 0), (0, 1), (1, 0), (1 << 40, 0)] {
        assert!(cache.insert(key, key.0 ^ key.1, 1));
        assert_eq!(cache.get(&key), Some(key.0 ^ key.1));
    }
    assert_eq!(cache.get(&(0, 0)), None, "its index-mate came later");
    settle(&cache);
}

#[test]
fn every_field_of_a_key_counts() {
    fn with<S: KeyHasher>(hasher: S) {
        let builder: Builder<(u32, &str, u32), u32> = Cache::builder(1000, 100);
        let cache = builder.key_hasher(hasher).maintenance(Maintenance::Manual).build().unwrap();
        let keys = [(1, "a", 2), (2, "a", 2), (1, "b", 2), (1, "a", 3), (1, "", 2), (0, "a", 0)];
        for (number, key) in (0..).zip(keys) {
            assert!(cache.insert(key, number, 1));
        }
        for (number, key) in (0..).zip(keys) {
            assert_eq!(cache.get(&key), Some(number));
        }
    }
    with(SecretHasher::new());
    with(FastHasher::new());
}

#[test]
fn two_caches_hash_with_different_secrets() {
    let (one, two): (Cache<u64, ()>, Cache<u64, ()>) =
        (Cache::new(100, 10).unwrap(), Cache::new(100, 10).unwrap());
    assert_ne!(one.key_hash(&7), two.key_hash(&7));
    assert_eq!(one.key_hash(&7), one.clone().key_hash(&7));
}

#[test]
fn lookups_and_inserts_take_borrowed_forms() {
    let cache: Cache<String, u32> = Cache::new(100, 10).unwrap();
    assert!(cache.insert("borrowed", 1, 1));
    assert!(cache.insert(String::from("owned"), 2, 1));
    let key = String::from("reference");
    assert!(cache.insert(&key, 3, 1));
    assert_eq!(
        (cache.get("borrowed"), cache.get("owned"), cache.get("reference")),
        (Some(1), Some(2), Some(3))
    );
    assert_eq!(cache.get(&String::from("borrowed")), Some(1));
    assert_eq!(cache.remove("owned"), Some(2));

    let bytes: Cache<Vec<u8>, u32> = Cache::new(100, 10).unwrap();
    assert!(bytes.insert(b"one".as_slice(), 1, 1) && bytes.insert(vec![2], 2, 1));
    assert_eq!((bytes.get(b"one".as_slice()), bytes.get([2].as_slice())), (Some(1), Some(2)));

    let paths: Cache<PathBuf, u32> = Cache::new(100, 10).unwrap();
    assert!(paths.insert(Path::new("a/b"), 1, 1));
    assert_eq!(paths.get(Path::new("a/b")), Some(1));
}

#[test]
fn keys_may_be_unsized_or_short_lived() {
    let cache: Cache<str, u32> = Cache::new(100, 10).unwrap();
    {
        let gone = String::from("short-lived");
        assert!(cache.insert(gone.as_str(), 1, 1) && cache.insert(gone.clone() + "!", 2, 1));
    }
    assert_eq!((cache.get("short-lived"), cache.get("short-lived!")), (Some(1), Some(2)));
    assert_eq!(cache.peek("short-lived"), Some(1));
    assert!(cache.contains_key("short-lived!"));
    settle(&cache);
}

/// Handles go wherever threads go, whatever the key.
#[test]
fn handles_are_send_and_sync_even_if_keys_are_not() {
    fn is_shareable<T: Send + Sync + Clone + 'static>(_: &T) {}
    let cache: Cache<std::rc::Rc<str>, u32> = Cache::new(100, 10).unwrap();
    is_shareable(&cache);
}
