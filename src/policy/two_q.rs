//! 2Q: a second chance only for what is asked for again after it left.
//!
//! Johnson, Shasha: "2Q: a low overhead high performance buffer management replacement algorithm",
//! VLDB 1994; the full version. Newcomers enter a FIFO queue, "in", where hits do not count, since they
//! tend to be one use in several steps. What leaves it becomes a ghost, "out". A ghost that is asked
//! for again enters the LRU queue, "main". "In" gives way while it holds more than a quarter of the
//! budget, "main" otherwise; the ghosts stand for half the budget.
//!
//! Costs: the shares are shares of the budget's cost.

use super::ghost_queue::{GhostLimits, GhostQueue};
use super::queues::Queues;
use super::{Admission, Candidate, Departure, Ledger, Policy, PolicyConfig, Slot};

/// The "in" and "main" queues, and the ghosts of the former.
#[derive(Debug, Default)]
pub struct TwoQ {
    queues: Queues<2>,
    out: GhostQueue,
    /// The candidate last admitted, if it was a ghost: its own victims may have pushed it out since.
    returning: Option<u64>,
}

impl TwoQ {
    /// Empty queues.
    pub fn new(_config: &PolicyConfig) -> Self {
        Self::default()
    }

    fn take(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        // "In" down to its share, then "main", then the rest of "in".
        let excess = self.queues.cost(IN).saturating_sub(ledger.max_cost() / 4);
        let before = victims.len();
        let mut freed = self.queues.name_oldest(ledger, IN, excess.min(shortfall), keep, victims);
        let from_in = victims.len() - before;
        freed += self.queues.name_oldest(ledger, MAIN, shortfall.saturating_sub(freed), keep, victims);
        for slot in self.queues.oldest_first(IN).filter(|&slot| Some(slot) != keep).skip(from_in) {
            if freed >= shortfall {
                break;
            }
            freed += ledger.cost(slot);
            victims.push(slot);
        }
    }
}

impl Policy for TwoQ {
    fn name(&self) -> &'static str {
        "two-q"
    }

    fn hit(&mut self, ledger: &Ledger, slot: Slot) {
        if self.queues.queue_of(slot) == MAIN {
            self.queues.shift(ledger, slot, MAIN);
        }
    }

    fn miss(&mut self, _ledger: &Ledger, _index: u64) {}

    fn admit(&mut self, ledger: &Ledger, candidate: Candidate, victims: &mut Vec<Slot>) -> Admission {
        self.returning = self.out.take(candidate.index).then_some(candidate.index);
        self.take(ledger, candidate.shortfall, None, victims);
        Admission::Admit
    }

    fn evict(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        self.take(ledger, shortfall, keep, victims);
    }

    fn inserted(&mut self, ledger: &Ledger, slot: Slot) {
        let index = ledger.index(slot);
        let returns = self.returning.take() == Some(index) || self.out.take(index);
        self.queues.enter(ledger, slot, if returns { MAIN } else { IN });
    }

    fn removed(&mut self, ledger: &Ledger, slot: Slot, why: Departure) {
        if self.queues.leave(ledger, slot) == IN && why == Departure::Evicted {
            let limits = GhostLimits::beside(ledger, ledger.max_cost() / 2);
            self.out.push(ledger.index(slot), ledger.cost(slot), limits);
        }
    }

    fn moved(&mut self, from: Slot, to: Slot) {
        self.queues.relocate(from, to);
    }

    fn recosted(&mut self, ledger: &Ledger, slot: Slot, old_cost: u64) {
        self.queues.recost(ledger, slot, old_cost);
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn memory(&self) -> usize {
        self.queues.memory() + self.out.memory()
    }

    fn check(&self, ledger: &Ledger) -> Result<(), String> {
        self.queues.check(ledger)?;
        self.out.check(ledger)
    }
}

const IN: usize = 0;
const MAIN: usize = 1;
