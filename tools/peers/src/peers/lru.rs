//! lru: exact LRU under one mutex, the simplest thing that works. The crate counts entries; the weights are kept here.

use super::{Entry, Facts, Role};
use crate::subject::{Peer, Plan};
use crate::value::{Block, Value, Weighed};
use lru::LruCache;
use parking_lot::Mutex;
use std::num::NonZeroUsize;

pub(super) fn entry() -> Entry {
    Entry::weighing::<Lru<u64>, Lru<Weighed>, Lru<Block>>(Facts {
        name: "lru (mutex)",
        configured: "one `parking_lot::Mutex`; weighed by popping until it fits",
        hash: "foldhash",
        role: Role::Peer,
        settles: false,
    })
}

struct Lru<V> {
    state: Mutex<State<V>>,
    capacity: u64,
}

struct State<V> {
    cache: LruCache<u64, V>,
    weight: u64,
}

impl<V: Value> Peer<V> for Lru<V> {
    fn build(plan: &Plan) -> Self {
        let cache = if V::UNIT {
            LruCache::new(NonZeroUsize::new(plan.entries).expect("at least one entry"))
        } else {
            LruCache::unbounded()
        };
        Self { state: Mutex::new(State { cache, weight: 0 }), capacity: plan.capacity }
    }

    #[inline]
    fn get(&self, key: u64) -> Option<V> {
        self.state.lock().cache.get(&key).cloned()
    }

    #[inline]
    fn insert(&self, key: u64, value: V) {
        if V::UNIT {
            self.state.lock().cache.push(key, value);
        } else {
            self.insert_weighed(key, value);
        }
    }

    fn len(&self) -> Option<usize> {
        Some(self.state.lock().cache.len())
    }
}

impl<V: Value> Lru<V> {
    fn insert_weighed(&self, key: u64, value: V) {
        let weight = u64::from(value.weight());
        if weight > self.capacity {
            return;
        }
        let mut state = self.state.lock();
        if let Some(old) = state.cache.pop(&key) {
            state.weight -= u64::from(old.weight());
        }
        while state.weight + weight > self.capacity {
            let (_, old) = state.cache.pop_lru().expect("weight without entries");
            state.weight -= u64::from(old.weight());
        }
        state.cache.push(key, value);
        state.weight += weight;
    }
}
