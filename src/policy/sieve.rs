//! SIEVE: a hand that leaves what was visited where it is.
//!
//! Zhang, Yang, Yue, Vigfusson, Rashmi: "SIEVE is simpler than LRU", NSDI 2024. A FIFO queue and a
//! visited bit. The hand walks from the old end to the new one, clears the bits that it finds set and
//! evicts the first entry without; unlike CLOCK's, it does not move what it spares, so that newcomers
//! are judged soon and survivors stay out of its way.
//!
//! Costs: the hand goes on until there is room. A search is O(1) per hit since the hand last passed.

use super::queues::Queues;
use super::{Admission, Candidate, Departure, Ledger, Policy, PolicyConfig, Slot};

/// A FIFO queue with a visited bit and a moving hand.
#[derive(Debug, Default)]
pub struct Sieve {
    queue: Queues<1>,
    /// The entry that is looked at next; `None` is the oldest.
    hand: Option<Slot>,
}

impl Sieve {
    /// An empty queue.
    pub fn new(_config: &PolicyConfig) -> Self {
        Self::default()
    }

    fn sift(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        let kept = usize::from(keep.is_some());
        let mut freed = 0;
        while freed < shortfall && self.queue.len(0) > kept {
            let Some(slot) = self.hand.or(self.queue.oldest(0)) else { break };
            self.hand = self.queue.newer(slot);
            if self.queue.mark(slot) != 0 {
                self.queue.set_mark(slot, 0);
            } else if Some(slot) != keep {
                freed += ledger.cost(slot);
                self.queue.pull(ledger, slot);
                victims.push(slot);
            }
        }
    }
}

impl Policy for Sieve {
    fn name(&self) -> &'static str {
        "sieve"
    }

    fn hit(&mut self, _ledger: &Ledger, slot: Slot) {
        self.queue.set_mark(slot, 1);
    }

    fn miss(&mut self, _ledger: &Ledger, _index: u64) {}

    fn admit(&mut self, ledger: &Ledger, candidate: Candidate, victims: &mut Vec<Slot>) -> Admission {
        self.sift(ledger, candidate.shortfall, None, victims);
        Admission::Admit
    }

    fn evict(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        self.sift(ledger, shortfall, keep, victims);
    }

    fn inserted(&mut self, ledger: &Ledger, slot: Slot) {
        self.queue.enter(ledger, slot, 0);
    }

    fn removed(&mut self, ledger: &Ledger, slot: Slot, _why: Departure) {
        // The hand never rests on a pulled entry, whose neighbours are no longer its own.
        if self.hand == Some(slot) {
            self.hand = self.queue.newer(slot);
        }
        self.queue.leave(ledger, slot);
    }

    fn moved(&mut self, from: Slot, to: Slot) {
        self.queue.relocate(from, to);
        if self.hand == Some(from) {
            self.hand = Some(to);
        }
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
        match self.hand {
            Some(hand) if hand as usize >= ledger.len() => {
                Err(format!("sieve: the hand points at {hand} of {}", ledger.len()))
            }
            _ => self.queue.check(ledger),
        }
    }
}
