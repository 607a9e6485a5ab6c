//! tollgate: one budget for all shards, decisions by a maintenance thread and by writers who find no room.

use super::{Entry, Facts, Role};
use crate::subject::{Peer, Plan};
use crate::value::{Block, Value, Weighed};

pub(super) fn entry() -> Entry {
    Entry::weighing::<Tollgate<u64>, Tollgate<Weighed>, Tollgate<Block>>(Facts {
        name: "tollgate",
        configured: "default policy, maintenance thread and slack; ten counters an entry",
        hash: "exact integers (a keyed bijection)",
        role: Role::Ours,
        settles: true,
    })
}

struct Tollgate<V>(tollgate::Cache<u64, V>);

impl<V: Value> Peer<V> for Tollgate<V> {
    fn build(plan: &Plan) -> Self {
        Self(tollgate::Cache::new(plan.num_counters(), plan.capacity).expect("a valid plan"))
    }

    #[inline]
    fn get(&self, key: u64) -> Option<V> {
        self.0.get(&key)
    }

    #[inline]
    fn insert(&self, key: u64, value: V) {
        let cost = u64::from(value.weight());
        self.0.insert(key, value, cost);
    }

    fn settle(&self) {
        self.0.wait().expect("not forked");
    }

    fn len(&self) -> Option<usize> {
        Some(self.0.len())
    }
}
