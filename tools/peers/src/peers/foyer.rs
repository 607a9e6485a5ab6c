//! foyer, its memory cache alone: LRU with a hot list in each of 8 shards, under the shard's lock.

use super::{Entry, Facts, Role};
use crate::subject::{Peer, Plan};
use crate::value::{Block, Value, Weighed};
use foyer_memory::{Cache, CacheBuilder, CacheProperties};

pub(super) fn entry() -> Entry {
    Entry::weighing::<Foyer<u64>, Foyer<Weighed>, Foyer<Block>>(Facts {
        name: "foyer",
        configured: "foyer-memory, default LRU and 8 shards",
        hash: "xxHash64, unseeded",
        role: Role::Peer,
        settles: false,
    })
}

struct Foyer<V: Value>(Cache<u64, V>);

impl<V: Value> Peer<V> for Foyer<V> {
    fn build(plan: &Plan) -> Self {
        let builder = CacheBuilder::new(usize::try_from(plan.capacity).expect("64 bits"));
        let cache = if V::UNIT {
            builder.build::<CacheProperties>()
        } else {
            builder.with_weighter(|_, value: &V| value.weight() as usize).build::<CacheProperties>()
        };
        Self(cache)
    }

    #[inline]
    fn get(&self, key: u64) -> Option<V> {
        self.0.get(&key).map(|entry| entry.value().clone())
    }

    #[inline]
    fn insert(&self, key: u64, value: V) {
        self.0.insert(key, value);
    }

    fn len(&self) -> Option<usize> {
        Some(self.0.entries())
    }
}
