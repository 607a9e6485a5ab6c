//! TinyUFO: S3-FIFO with a TinyLFU sketch, lock-free. Weights have 16 bits, so they are given in larger units.

use super::{Entry, Facts, Role};
use crate::subject::{Peer, Plan};
use crate::value::{Block, Value, Weighed};
use tinyufo::TinyUfo;

pub(super) fn entry() -> Entry {
    Entry::weighing::<Ufo<u64>, Ufo<Weighed>, Ufo<Block>>(Facts {
        name: "TinyUFO",
        configured: "`new` (not `new_compact`); `put`, which may reject; weights rounded up to 16 bits of a coarser unit",
        hash: "aHash",
        role: Role::Peer,
        settles: false,
    })
}

struct Ufo<V: Value> {
    cache: TinyUfo<u64, V>,
    unit: u32,
}

impl<V: Value> Peer<V> for Ufo<V> {
    fn build(plan: &Plan) -> Self {
        let unit = plan.max_weight.div_ceil(u32::from(u16::MAX));
        let capacity = usize::try_from(plan.capacity / u64::from(unit)).expect("64 bits").max(1);
        Self { cache: TinyUfo::new(capacity, plan.entries), unit }
    }

    #[inline]
    fn get(&self, key: u64) -> Option<V> {
        self.cache.get(&key)
    }

    #[inline]
    fn insert(&self, key: u64, value: V) {
        let weight = if V::UNIT { 1 } else { value.weight().div_ceil(self.unit).max(1) };
        self.cache.put(key, value, u16::try_from(weight).expect("the unit is chosen for the heaviest"));
    }
}
