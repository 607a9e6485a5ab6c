//! moka, the synchronous cache: W-TinyLFU, decided in batches by the calling threads.

use super::{Entry, Facts, Role};
use crate::subject::{Peer, Plan};
use crate::value::{Block, Value, Weighed};
use moka::sync::Cache;

pub(super) fn entry() -> Entry {
    Entry::weighing::<Moka<u64>, Moka<Weighed>, Moka<Block>>(Facts {
        name: "moka",
        configured: "`sync::Cache`, default TinyLFU, not segmented",
        hash: "SipHash-1-3",
        role: Role::Peer,
        settles: true,
    })
}

struct Moka<V: Value>(Cache<u64, V>);

impl<V: Value> Peer<V> for Moka<V> {
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
        self.0.run_pending_tasks();
    }
}
