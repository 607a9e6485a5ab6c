//! What comes back after a restart, what does not, and what a broken snapshot does: nothing but an error.

#![cfg(feature = "persist")]

#[path = "../common/mod.rs"]
mod common;

mod damage;
mod hostile;
mod lives;
mod marks;
mod panics;
mod returns;
mod together;
mod traces;

use common::settle;
use std::collections::BTreeMap;
use tollgate::key::SecretHasher;
use tollgate::persist::Snapshot;
use tollgate::{Builder, Cache, Maintenance};

type Small = Cache<u64, u64>;

fn builder(max_cost: u64) -> Builder<u64, u64> {
    let hasher = SecretHasher::with_seed(1);
    Cache::builder(10 * max_cost as usize, max_cost)
        .maintenance(Maintenance::Manual)
        .seed(1)
        .key_hasher(hasher)
}

fn saved<V: Clone + serde::Serialize + Send + Sync + 'static>(cache: &Cache<u64, V>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let saved = cache.save(&mut bytes).unwrap();
    assert_eq!((saved.bytes, saved.entries), (bytes.len() as u64, cache.len() as u64));
    bytes
}

/// A cache that knows the keys of a snapshot.
fn heir(builder: Builder<u64, u64>, bytes: &[u8]) -> Small {
    builder.same_keys_as(&Snapshot::open(bytes).unwrap()).unwrap().build().unwrap()
}

/// What is in a cache, by key.
fn contents(cache: &Small, keys: std::ops::Range<u64>) -> BTreeMap<u64, u64> {
    settle(cache);
    let found: BTreeMap<_, _> = keys.filter_map(|key| Some((key, cache.peek(&key)?))).collect();
    assert_eq!(found.len(), cache.len(), "there are keys that nobody knows");
    found
}
