//! Random: anyone may leave.
//!
//! The baseline that knows nothing, and therefore cannot be fooled: on a loop longer than the cache it
//! beats LRU.
//!
//! Costs: a random [`Walk`] over the slots goes on until there is room.

use super::rng::{SplitMix64, Walk};
use super::{Admission, Candidate, Departure, Ledger, Policy, PolicyConfig, Slot};

/// Uniformly random victims.
#[derive(Debug)]
pub struct Random {
    seed: u64,
    rng: SplitMix64,
}

impl Random {
    /// A fresh stream of choices.
    pub fn new(config: &PolicyConfig) -> Self {
        Self { seed: config.seed, rng: SplitMix64::new(config.seed) }
    }

    fn draw(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        let mut freed = 0;
        for slot in Walk::new(&mut self.rng, ledger.len()).filter(|&slot| Some(slot) != keep) {
            freed += ledger.cost(slot);
            victims.push(slot);
            if freed >= shortfall {
                break;
            }
        }
    }
}

impl Policy for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn hit(&mut self, _ledger: &Ledger, _slot: Slot) {}

    fn miss(&mut self, _ledger: &Ledger, _index: u64) {}

    fn admit(&mut self, ledger: &Ledger, candidate: Candidate, victims: &mut Vec<Slot>) -> Admission {
        self.draw(ledger, candidate.shortfall, None, victims);
        Admission::Admit
    }

    fn evict(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        self.draw(ledger, shortfall, keep, victims);
    }

    fn inserted(&mut self, _ledger: &Ledger, _slot: Slot) {}

    fn removed(&mut self, _ledger: &Ledger, _slot: Slot, _why: Departure) {}

    fn moved(&mut self, _from: Slot, _to: Slot) {}

    fn clear(&mut self) {
        self.rng = SplitMix64::new(self.seed);
    }
}
