//! mini-moka, the concurrent cache: the early moka, W-TinyLFU, decided in batches by the calling threads.

use super::{Entry, Facts, Role};
use crate::subject::{Peer, Plan};
use crate::value::{Block, Value, Weighed};
use mini_moka::sync::{Cache, ConcurrentCacheExt};

pub(super) fn entry() -> Entry {
    Entry::weighing::<MiniMoka<u64>, MiniMoka<Weighed>, MiniMoka<Block>>(Facts {
        name: "mini-moka",
        configured: "`sync::Cache`, default TinyLFU",
        hash: "SipHash-1-3",
        role: Role::Peer,
        settles: true,
    })
}

struct MiniMoka<V: Value>(Cache<u64, V>);

impl<V: Value> Peer<V> for MiniMoka<V> {
    fn build(plan: &Plan) -> Self {
        let builder = Cache::builder().max_capacity(plan.capacity);
        let builder = if V::UNIT { builder } else { builder.weigher(|_, value: &V| value.weight()) };
        Self(builder.build())
    }

    #[inline]
    fn get(&self, key: u64) -> Option<V> {
        self.0.get(&key)
    }

    #[inline]
    fn insert(&self, key: u64, value: V) {
        self.0.insert(key, value);
    }

    fn settle(&self) {
        self.0.sync();
    }
}
