//! Ristretto: TinyLFU in front of sampled LFU, as that library publishes it.
//!
//! Dgraph Labs: "Introducing Ristretto: a high-performance Go cache", 2019; TinyLFU is by Einziger,
//! Friedman, Manes (ACM Transactions on Storage 13(4), 2017). A sketch counts every access. To make
//! room, five random residents are looked at and the least frequent of them is to leave, again and
//! again with the sample filled up to five, until there is room; as soon as such a victim is more frequent
//! than the newcomer, the newcomer is turned away. A tie lets it in. Cost plays no part in the choice. The
//! sketch ages after as many accesses as counters were asked for.
//!
//! Two things differ. The original evicts while it searches, and has lost those victims when it then
//! turns the newcomer away; here victims leave only if the newcomer comes in. And the sketch is ours: it serves a tenth as many entries as counters were asked for, and no
//! more than the budget can hold; it ages by its own measure too, and its doorkeeper forgets after eight first accesses for each of these entries. Kept as a yardstick;
//! [`TinyLfu`](super::TinyLfu) is the improved form.

use super::rng::{SplitMix64, Walk};
use super::sketch::FrequencySketch;
use super::{Admission, Candidate, Departure, Ledger, Policy, PolicyConfig, Slot};

/// TinyLFU admission and sampled LFU eviction in the form that the Ristretto library publishes (2019).
#[derive(Debug)]
pub struct Ristretto {
    config: PolicyConfig,
    sketch: FrequencySketch,
    /// Accesses since the sketch was last made to age.
    accesses: usize,
    rng: SplitMix64,
}

impl Ristretto {
    /// An empty sketch for [`PolicyConfig::expected_entries`].
    pub fn new(config: &PolicyConfig) -> Self {
        Self {
            config: *config,
            sketch: FrequencySketch::new(config.expected_entries()),
            accesses: 0,
            rng: SplitMix64::new(config.seed),
        }
    }

    /// Every access counts towards the next ageing, of a saturated key too.
    fn touch(&mut self, index: u64) {
        self.sketch.touch(index);
        self.accesses += 1;
        if self.accesses >= self.config.num_counters {
            self.sketch.age();
            self.accesses = 0;
        }
    }

    /// Names victims no more frequent than `limit`. Returns whether they suffice.
    fn draw(
        &mut self,
        ledger: &Ledger,
        shortfall: u64,
        keep: Option<Slot>,
        limit: u8,
        victims: &mut Vec<Slot>,
    ) -> bool {
        let mut walk = Walk::new(&mut self.rng, ledger.len()).filter(|&slot| Some(slot) != keep);
        let mut sample = [None; SAMPLE];
        let mut freed = 0;
        while freed < shortfall {
            for place in sample.iter_mut().filter(|place| place.is_none()) {
                *place = walk.next().map(|slot| (self.sketch.estimate(ledger.index(slot)), slot));
            }
            let least = sample
                .iter_mut()
                .filter(|place| place.is_some())
                .min_by_key(|place| place.map(|(estimate, _)| estimate));
            let Some((estimate, slot)) = least.and_then(Option::take) else { break };
            if estimate > limit {
                return false;
            }
            freed += ledger.cost(slot);
            victims.push(slot);
        }
        true
    }
}

impl Policy for Ristretto {
    fn name(&self) -> &'static str {
        "ristretto"
    }

    fn hit(&mut self, ledger: &Ledger, slot: Slot) {
        self.touch(ledger.index(slot));
    }

    fn miss(&mut self, _ledger: &Ledger, index: u64) {
        self.touch(index);
    }

    fn admit(&mut self, ledger: &Ledger, candidate: Candidate, victims: &mut Vec<Slot>) -> Admission {
        let estimate = self.sketch.estimate(candidate.index);
        if self.draw(ledger, candidate.shortfall, None, estimate, victims) {
            Admission::Admit
        } else {
            Admission::Reject
        }
    }

    fn evict(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        self.draw(ledger, shortfall, keep, u8::MAX, victims);
    }

    fn inserted(&mut self, _ledger: &Ledger, _slot: Slot) {}

    fn removed(&mut self, _ledger: &Ledger, _slot: Slot, _why: Departure) {}

    fn moved(&mut self, _from: Slot, _to: Slot) {}

    fn clear(&mut self) {
        *self = Self::new(&self.config);
    }

    fn resized(&mut self, max_cost: u64) {
        self.config.max_cost = max_cost;
        self.sketch.set_entries(self.config.expected_entries());
    }

    fn memory(&self) -> usize {
        self.sketch.memory()
    }
}

/// Residents looked at for one victim.
const SAMPLE: usize = 5;
