//! fibre_cache: S3-FIFO in each shard, under the shard's lock; a janitor thread for the clock.

use super::{Entry, Facts, Role};
use crate::subject::{Peer, Plan};
use crate::value::{Block, Value, Weighed};
use fibre_cache::{Cache, CacheBuilder};

pub(super) fn entry() -> Entry {
    Entry::weighing::<Fibre<u64>, Fibre<Weighed>, Fibre<Block>>(Facts {
        name: "fibre_cache",
        configured: "default S3-FIFO, 8 shards a core; values in an Arc of its own",
        hash: "aHash",
        role: Role::Peer,
        settles: false,
    })
}

struct Fibre<V: Value>(Cache<u64, V>);

impl<V: Value> Peer<V> for Fibre<V> {
    fn build(plan: &Plan) -> Self {
        Self(CacheBuilder::default().capacity(plan.capacity).build().expect("a valid plan"))
    }

    #[inline]
    fn get(&self, key: u64) -> Option<V> {
        self.0.get(&key, V::clone)
    }

    #[inline]
    fn insert(&self, key: u64, value: V) {
        let cost = u64::from(value.weight());
        self.0.insert(key, value, cost);
    }
}
