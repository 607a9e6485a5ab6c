//! DashMap: a concurrent map, no cache; a limit.

use super::{Entry, Facts, Role};
use crate::subject::{Peer, Plan};
use crate::value::{Block, Value};
use dashmap::DashMap;

pub(super) fn entry() -> Entry {
    Entry::counting::<Dash<u64>, Dash<Block>>(Facts {
        name: "dashmap",
        configured: "no cache: a concurrent map, unbounded",
        hash: "SipHash-1-3",
        role: Role::Limit,
        settles: false,
    })
}

struct Dash<V>(DashMap<u64, V>);

impl<V: Value> Peer<V> for Dash<V> {
    fn build(_plan: &Plan) -> Self {
        Self(DashMap::new())
    }

    #[inline]
    fn get(&self, key: u64) -> Option<V> {
        self.0.get(&key).map(|row| row.value().clone())
    }

    #[inline]
    fn insert(&self, key: u64, value: V) {
        self.0.insert(key, value);
    }

    fn len(&self) -> Option<usize> {
        Some(self.0.len())
    }
}
