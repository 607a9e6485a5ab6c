//! FIFO: the oldest leaves first; hits change nothing.

use super::list::{Links, List};
use super::{Admission, Candidate, Departure, Ledger, Policy, PolicyConfig, Slot};

/// First in, first out: the baseline that keeps no record of hits.
#[derive(Debug, Default)]
pub struct Fifo {
    links: Links,
    queue: List,
}

impl Fifo {
    /// An empty queue.
    pub fn new(_config: &PolicyConfig) -> Self {
        Self::default()
    }

    fn take_oldest(&self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        let mut freed = 0;
        for slot in self.queue.oldest_first(&self.links).filter(|&slot| Some(slot) != keep) {
            if freed >= shortfall {
                break;
            }
            freed += ledger.cost(slot);
            victims.push(slot);
        }
    }
}

impl Policy for Fifo {
    fn name(&self) -> &'static str {
        "fifo"
    }

    fn hit(&mut self, _ledger: &Ledger, _slot: Slot) {}

    fn miss(&mut self, _ledger: &Ledger, _index: u64) {}

    fn admit(&mut self, ledger: &Ledger, candidate: Candidate, victims: &mut Vec<Slot>) -> Admission {
        self.take_oldest(ledger, candidate.shortfall, None, victims);
        Admission::Admit
    }

    fn evict(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        self.take_oldest(ledger, shortfall, keep, victims);
    }

    fn inserted(&mut self, ledger: &Ledger, slot: Slot) {
        self.queue.push(&mut self.links, slot, ledger.cost(slot));
    }

    fn removed(&mut self, ledger: &Ledger, slot: Slot, _why: Departure) {
        self.queue.unlink(&mut self.links, slot, ledger.cost(slot));
    }

    fn moved(&mut self, from: Slot, to: Slot) {
        self.queue.relocate(&mut self.links, from, to);
    }

    fn recosted(&mut self, ledger: &Ledger, slot: Slot, old_cost: u64) {
        self.queue.recost(old_cost, ledger.cost(slot));
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn memory(&self) -> usize {
        self.links.memory()
    }
}
