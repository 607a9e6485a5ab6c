//! papaya: a lock-free concurrent map, no cache; a limit.

use super::{Entry, Facts, Role};
use crate::subject::{Peer, Plan};
use crate::value::{Block, Value};
use papaya::HashMap;

pub(super) fn entry() -> Entry {
    Entry::counting::<Papaya<u64>, Papaya<Block>>(Facts {
        name: "papaya",
        configured: "no cache: a lock-free map, unbounded; pinned once an operation",
        hash: "SipHash-1-3",
        role: Role::Limit,
        settles: false,
    })
}

struct Papaya<V>(HashMap<u64, V>);

impl<V: Value> Peer<V> for Papaya<V> {
    fn build(_plan: &Plan) -> Self {
        Self(HashMap::new())
    }

    #[inline]
    fn get(&self, key: u64) -> Option<V> {
        self.0.pin().get(&key).cloned()
    }

    #[inline]
    fn insert(&self, key: u64, value: V) {
        self.0.pin().insert(key, value);
    }

    fn len(&self) -> Option<usize> {
        Some(self.0.len())
    }
}
