//! stretto: the Ristretto port; inserts are queued, decided by its processor thread, and dropped when the queue is full.

use super::{Entry, Facts, Role};
use crate::subject::{Peer, Plan};
use crate::value::{Block, Value, Weighed};
use stretto::Cache;

pub(super) fn entry() -> Entry {
    Entry::weighing::<Stretto<u64>, Stretto<Weighed>, Stretto<Block>>(Facts {
        name: "stretto",
        configured: "default options, ten counters an entry, default key builder; drops inserts under load",
        hash: "SeaHash and xxHash64",
        role: Role::Peer,
        settles: true,
    })
}

struct Stretto<V: Value>(Cache<u64, V>);

impl<V: Value> Peer<V> for Stretto<V> {
    fn build(plan: &Plan) -> Self {
        let max_cost = i64::try_from(plan.capacity).expect("far below 2^63");
        Self(Cache::new(plan.num_counters(), max_cost).expect("a valid plan"))
    }

    #[inline]
    fn get(&self, key: u64) -> Option<V> {
        self.0.get(&key).map(|value| value.value().clone())
    }

    #[inline]
    fn insert(&self, key: u64, value: V) {
        let cost = i64::from(value.weight());
        self.0.insert(key, value, cost);
    }

    fn settle(&self) {
        self.0.wait().expect("its processor is alive");
    }

    fn len(&self) -> Option<usize> {
        Some(self.0.len())
    }
}
