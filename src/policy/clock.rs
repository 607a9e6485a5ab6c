//! CLOCK: LRU's second chance, for the price of one bit.
//!
//! Corbató: "A paging experiment with the Multics system", 1968. Entries stand in a circle; a hit
//! sets a bit; the hand clears the bits that it finds set and evicts the first entry without. Here the
//! circle is a queue whose old end is where the hand points: passing an entry is moving it to the
//! new end, which is the same order.
//!
//! Costs: the hand goes on until there is room. One step is O(1); a search steps over as many entries
//! as were hit since it last passed them, so that it is O(1) per hit, not per search.

use super::queues::Queues;
use super::{Admission, Candidate, Departure, Ledger, Policy, PolicyConfig, Slot};

/// FIFO with a second chance (Corbató 1968): LRU for the price of one bit.
#[derive(Debug, Default)]
pub struct Clock {
    queue: Queues<1>,
}

impl Clock {
    /// An empty circle.
    pub fn new(_config: &PolicyConfig) -> Self {
        Self::default()
    }

    fn turn(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        let kept = usize::from(keep.is_some());
        let mut freed = 0;
        while freed < shortfall && self.queue.len(0) > kept {
            let Some(slot) = self.queue.oldest(0) else { break };
            if Some(slot) == keep {
                self.queue.shift(ledger, slot, 0);
            } else if self.queue.mark(slot) != 0 {
                self.queue.set_mark(slot, 0);
                self.queue.shift(ledger, slot, 0);
            } else {
                freed += ledger.cost(slot);
                self.queue.pull(ledger, slot);
                victims.push(slot);
            }
        }
    }
}

impl Policy for Clock {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn hit(&mut self, _ledger: &Ledger, slot: Slot) {
        self.queue.set_mark(slot, 1);
    }

    fn miss(&mut self, _ledger: &Ledger, _index: u64) {}

    fn admit(&mut self, ledger: &Ledger, candidate: Candidate, victims: &mut Vec<Slot>) -> Admission {
        self.turn(ledger, candidate.shortfall, None, victims);
        Admission::Admit
    }

    fn evict(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        self.turn(ledger, shortfall, keep, victims);
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
