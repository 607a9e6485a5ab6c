//! quick_cache: CLOCK-PRO-like (S3-FIFO hybrid) in each shard, under the shard's lock; a budget for each shard.

use super::{Entry, Facts, Role};
use crate::subject::{Peer, Plan};
use crate::value::{Block, Value, Weighed};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

pub(super) fn entry() -> Entry {
    Entry::weighing::<Quick<u64>, Quick<Weighed>, Quick<Block>>(Facts {
        name: "quick_cache",
        configured: "default options: 4 shards a core",
        hash: "foldhash",
        role: Role::Peer,
        settles: false,
    })
}

struct Quick<V>(Cache<u64, V, ByWeight>);

/// A constant for values that weigh 1, as `UnitWeighter` is.
#[derive(Clone)]
struct ByWeight;

impl<V: Value> Weighter<u64, V> for ByWeight {
    #[inline]
    fn weight(&self, _key: &u64, value: &V) -> u64 {
        u64::from(value.weight())
    }
}

impl<V: Value> Peer<V> for Quick<V> {
    fn build(plan: &Plan) -> Self {
        Self(Cache::with_weighter(plan.entries, plan.capacity, ByWeight))
    }

    #[inline]
    fn get(&self, key: u64) -> Option<V> {
        self.0.get(&key)
    }

    #[inline]
    fn insert(&self, key: u64, value: V) {
        self.0.insert(key, value);
    }

    fn len(&self) -> Option<usize> {
        Some(self.0.len())
    }
}
