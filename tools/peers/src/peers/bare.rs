//! The limit: a sharded hash table under reader-writer locks, and nothing else. It holds everything for ever.

use super::{Entry, Facts, Role};
use crate::subject::{Peer, Plan};
use crate::value::{Block, Value};
use crossbeam_utils::CachePadded;
use hashbrown::HashTable;
use parking_lot::RwLock;
use std::hash::BuildHasher;

pub(super) fn entry() -> Entry {
    Entry::counting::<Bare<u64>, Bare<Block>>(Facts {
        name: "bare map",
        configured: "no cache: 64 padded shards of `RwLock<hashbrown::HashTable>`, unbounded",
        hash: "foldhash",
        role: Role::Limit,
        settles: false,
    })
}

const SHARDS: usize = 64;

type Shard<V> = RwLock<HashTable<(u64, V)>>;

struct Bare<V> {
    shards: Box<[CachePadded<Shard<V>>]>,
    hasher: hashbrown::DefaultHashBuilder,
}

impl<V> Bare<V> {
    /// The table uses the lowest and the highest bits of a hash; the shard takes others.
    #[inline]
    fn shard(&self, hash: u64) -> &Shard<V> {
        &self.shards[(hash >> 40) as usize % SHARDS]
    }
}

impl<V: Value> Peer<V> for Bare<V> {
    fn build(_plan: &Plan) -> Self {
        Self { shards: (0..SHARDS).map(|_| CachePadded::default()).collect(), hasher: Default::default() }
    }

    #[inline]
    fn get(&self, key: u64) -> Option<V> {
        let hash = self.hasher.hash_one(key);
        self.shard(hash).read().find(hash, |row| row.0 == key).map(|row| row.1.clone())
    }

    #[inline]
    fn insert(&self, key: u64, value: V) {
        let hash = self.hasher.hash_one(key);
        let mut shard = self.shard(hash).write();
        match shard.find_mut(hash, |row| row.0 == key) {
            Some(row) => row.1 = value,
            None => {
                shard.insert_unique(hash, (key, value), |row| self.hasher.hash_one(row.0));
            }
        }
    }

    fn len(&self) -> Option<usize> {
        Some(self.shards.iter().map(|shard| shard.read().len()).sum())
    }
}
