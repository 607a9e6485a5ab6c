//! SLRU: an entry must be hit once before it counts.
//!
//! Karedla, Love, Wherry: "Caching strategies to improve disk system performance", IEEE Computer
//! 27(3), 1994. Newcomers go to a probation queue; a hit there promotes to a protected queue, which
//! holds at most four fifths of the budget and gives its least recently used members back to
//! probation. Victims are the oldest on probation. A scan passes through probation and leaves the
//! protected entries alone.
//!
//! Costs: the share of the protected queue is a share of the budget's cost. The demotions that one
//! promotion causes are bounded; what is left over is demoted by the next promotions.

use super::queues::Queues;
use super::{Admission, Candidate, Departure, Ledger, Policy, PolicyConfig, Slot};

/// Segmented LRU.
#[derive(Debug, Default)]
pub struct Slru {
    queues: Queues<2>,
}

impl Slru {
    /// Empty queues.
    pub fn new(_config: &PolicyConfig) -> Self {
        Self::default()
    }

    fn take_oldest(&self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        let freed = self.queues.name_oldest(ledger, PROBATION, shortfall, keep, victims);
        self.queues.name_oldest(ledger, PROTECTED, shortfall.saturating_sub(freed), keep, victims);
    }
}

impl Policy for Slru {
    fn name(&self) -> &'static str {
        "slru"
    }

    fn hit(&mut self, ledger: &Ledger, slot: Slot) {
        self.queues.shift(ledger, slot, PROTECTED);
        let limit = ledger.max_cost() - ledger.max_cost() / 5;
        for _ in 0..DEMOTIONS {
            if self.queues.cost(PROTECTED) <= limit {
                break;
            }
            let Some(oldest) = self.queues.oldest(PROTECTED) else { break };
            self.queues.shift(ledger, oldest, PROBATION);
        }
    }

    fn miss(&mut self, _ledger: &Ledger, _index: u64) {}

    fn admit(&mut self, ledger: &Ledger, candidate: Candidate, victims: &mut Vec<Slot>) -> Admission {
        self.take_oldest(ledger, candidate.shortfall, None, victims);
        Admission::Admit
    }

    fn evict(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        self.take_oldest(ledger, shortfall, keep, victims);
    }

    fn inserted(&mut self, ledger: &Ledger, slot: Slot) {
        self.queues.enter(ledger, slot, PROBATION);
    }

    fn removed(&mut self, ledger: &Ledger, slot: Slot, _why: Departure) {
        self.queues.leave(ledger, slot);
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
        self.queues.memory()
    }

    fn check(&self, ledger: &Ledger) -> Result<(), String> {
        self.queues.check(ledger)
    }
}

const PROBATION: usize = 0;
const PROTECTED: usize = 1;

/// The demotions that one hit carries out at most.
const DEMOTIONS: usize = 64;
