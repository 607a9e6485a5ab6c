//! Random: anyone may leave.
//!
//! The baseline that knows nothing, and therefore cannot be fooled: on a loop longer than the cache it
//! beats LRU.
//!
//! One decision visits the slots in the order `start, start + stride, start + 2 stride, ...` modulo
//! their number, with a random start and a random stride that has no factor in common with that
//! number: distinct by construction, in O(1) memory, uniform for each victim taken alone.

use super::rng::SplitMix64;
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
        let len = ledger.len() as u64;
        let mut place = self.rng.below(len);
        let mut stride = None;
        let mut freed = 0;
        for _ in 0..len {
            let slot = place as Slot;
            if Some(slot) != keep {
                freed += ledger.cost(slot);
                victims.push(slot);
            }
            if freed >= shortfall {
                break;
            }
            place = (place + *stride.get_or_insert_with(|| self.stride(len))) % len;
        }
    }

    /// A random number from 1 to `len` that has no factor in common with it.
    fn stride(&mut self, len: u64) -> u64 {
        loop {
            let stride = 1 + self.rng.below(len);
            if gcd(stride, len) == 1 {
                return stride;
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

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
