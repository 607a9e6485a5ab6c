//! LRU: the least recently used leaves first.
//!
//! The default of most caches for fifty years. It adapts to a shift of the working set at once, and it
//! is emptied by every scan and useless on a loop longer than itself.
//!
//! Costs: victims are taken from the old end until there is room.

use super::queues::Queues;
use super::{Admission, Candidate, Departure, Ledger, Policy, PolicyConfig, Slot};

/// Least recently used.
#[derive(Debug, Default)]
pub struct Lru {
    queue: Queues<1>,
}

impl Lru {
    /// An empty queue.
    pub fn new(_config: &PolicyConfig) -> Self {
        Self::default()
    }
}

impl Policy for Lru {
    fn name(&self) -> &'static str {
        "lru"
    }

    fn hit(&mut self, ledger: &Ledger, slot: Slot) {
        self.queue.shift(ledger, slot, 0);
    }

    fn miss(&mut self, _ledger: &Ledger, _index: u64) {}

    fn admit(&mut self, ledger: &Ledger, candidate: Candidate, victims: &mut Vec<Slot>) -> Admission {
        self.queue.name_oldest(ledger, 0, candidate.shortfall, None, victims);
        Admission::Admit
    }

    fn evict(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        self.queue.name_oldest(ledger, 0, shortfall, keep, victims);
    }

    fn inserted(&mut self, ledger: &Ledger, slot: Slot) {
        self.queue.enter(ledger, slot, 0);
    }

    fn removed(&mut self, ledger: &Ledger, slot: Slot, _why: Departure) {
        self.queue.leave(ledger, slot);
    }

    fn moved(&mut self, from: Slot, to: Slot) {
        self.queue.relocate(from, to);
    }

    fn recosted(&mut self, ledger: &Ledger, slot: Slot, old_cost: u64) {
        self.queue.recost(ledger, slot, old_cost);
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn memory(&self) -> usize {
        self.queue.memory()
    }

    fn check(&self, ledger: &Ledger) -> Result<(), String> {
        self.queue.check(ledger)
    }
}
