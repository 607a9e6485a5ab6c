//! scc HashCache: 32-way associative, LRU within a bucket; no weights.

use super::{Entry, Facts, Role};
use crate::subject::{Peer, Plan};
use crate::value::{Block, Value};
use scc::HashCache;

pub(super) fn entry() -> Entry {
    Entry::counting::<Scc<u64>, Scc<Block>>(Facts {
        name: "scc HashCache",
        configured: "capacity is rounded up to a power of two (100,000 is 131,072); no weights",
        hash: "SipHash-1-3",
        role: Role::Peer,
        settles: false,
    })
}

struct Scc<V>(HashCache<u64, V>);

impl<V: Value> Peer<V> for Scc<V> {
    fn build(plan: &Plan) -> Self {
        Self(HashCache::with_capacity(0, plan.entries))
    }

    #[inline]
    fn get(&self, key: u64) -> Option<V> {
        self.0.read_sync(&key, |_, value| value.clone())
    }

    #[inline]
    fn insert(&self, key: u64, value: V) {
        self.0.entry_sync(key).put_entry(value);
    }

    fn len(&self) -> Option<usize> {
        Some(self.0.len())
    }
}
