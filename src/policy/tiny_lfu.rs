//! TinyLFU: what is asked for more often stays.
//!
//! Admission compares the newcomer's frequency with that of the entries that would leave (Einziger,
//! Friedman, Manes, "TinyLFU: A Highly Efficient Cache Admission Policy", 2017); eviction takes the
//! least frequent of a small random sample, as Ristretto does. There is no order book: a resident
//! costs nothing but its share of the sketch.
//!
//! What differs from the published combination: victims are chosen before anything leaves, so that a
//! refused newcomer costs nobody; a tie does not evict, so that a loop or a scan over keys that are all asked for
//! equally often leaves the residents in peace; sampling is one array access on the dense slab.
//!
//! # Cost
//!
//! What counts is frequency per unit of cost when requests are to hit ([`Objective::Hits`]),
//! and frequency alone when cost is ([`Objective::Cost`]). A newcomer comes in if *every* victim is worth
//! less than it by that measure; many small victims may leave for one large newcomer.
//!
//! # Poisoned frequencies
//!
//! Whoever knows the hash could ask for a few keys until the residents look popular for good. So a
//! newcomer that is refused though it is asked for often comes in anyway once in 128 times.

use super::sketch::FrequencySketch;
use super::{Admission, Candidate, Departure, Ledger, Objective, Policy, PolicyConfig, Slot};

/// TinyLFU admission with sampled LFU eviction. See the module's source for the algorithm.
#[derive(Debug)]
pub struct TinyLfu {
    sketch: FrequencySketch,
    random: SplitMix,
    seed: u64,
    objective: Objective,
    /// By slot: taken by the decision at hand. All false between decisions.
    taken: Vec<bool>,
}

impl TinyLfu {
    /// An empty policy with frequencies for [`PolicyConfig::expected_entries`].
    pub fn new(config: &PolicyConfig) -> Self {
        Self {
            sketch: FrequencySketch::new(config.expected_entries()),
            random: SplitMix(config.seed),
            seed: config.seed,
            objective: config.objective,
            taken: Vec::new(),
        }
    }

    fn worth(&self, index: u64, cost: u64) -> Worth {
        let frequency = self.sketch.estimate(index);
        match self.objective {
            Objective::Hits => Worth { frequency, cost },
            Objective::Cost => Worth { frequency, cost: 1 },
        }
    }

    /// The least worthy of a sample of the entries that are not taken yet, of which there is one.
    fn sample(&mut self, ledger: &Ledger) -> (Slot, Worth) {
        let mut least: Option<(Slot, Worth)> = None;
        for _ in 0..SAMPLE {
            let slot = self.draw(ledger.len());
            let worth = self.worth(ledger.index(slot), ledger.cost(slot));
            if least.is_none_or(|(_, least)| worth.is_less(least)) {
                least = Some((slot, worth));
            }
        }
        least.expect("a sample is not empty")
    }

    /// A random slot that is not taken: the next one from a random place. Expected steps: one over
    /// the share of slots not taken.
    fn draw(&mut self, len: usize) -> Slot {
        let mut slot = self.random.below(len);
        while self.taken[slot] {
            slot = if slot + 1 < len { slot + 1 } else { 0 };
        }
        slot as Slot
    }

    /// Takes victims until `shortfall` is found, or until one is worth no less than `limit`. Whether it was
    /// found.
    fn take(
        &mut self,
        ledger: &Ledger,
        shortfall: u64,
        keep: Option<Slot>,
        limit: Option<Worth>,
        victims: &mut Vec<Slot>,
    ) -> bool {
        let mut freed = 0;
        self.set_taken(keep.as_slice(), true);
        while freed < shortfall {
            let (slot, worth) = self.sample(ledger);
            if limit.is_some_and(|limit| !worth.is_less(limit)) {
                break;
            }
            freed += ledger.cost(slot);
            self.taken[slot as usize] = true;
            victims.push(slot);
        }
        self.set_taken(keep.as_slice(), false);
        self.set_taken(victims, false);
        freed >= shortfall
    }

    fn set_taken(&mut self, slots: &[Slot], taken: bool) {
        for &slot in slots {
            self.taken[slot as usize] = taken;
        }
    }
}

impl Policy for TinyLfu {
    fn name(&self) -> &'static str {
        "tinylfu"
    }

    fn hit(&mut self, ledger: &Ledger, slot: Slot) {
        self.sketch.touch(ledger.index(slot));
    }

    fn miss(&mut self, _ledger: &Ledger, index: u64) {
        self.sketch.touch(index);
    }

    fn admit(&mut self, ledger: &Ledger, candidate: Candidate, victims: &mut Vec<Slot>) -> Admission {
        let worth = self.worth(candidate.index, candidate.cost);
        let lucky = worth.frequency >= LUCKY_FREQUENCY && self.random.below(LUCK) == 0;
        let limit = (!lucky).then_some(worth);
        match self.take(ledger, candidate.shortfall, None, limit, victims) {
            true => Admission::Admit,
            false => Admission::Reject,
        }
    }

    fn evict(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        self.take(ledger, shortfall, keep, None, victims);
    }

    fn inserted(&mut self, _ledger: &Ledger, slot: Slot) {
        if self.taken.len() <= slot as usize {
            self.taken.push(false);
        }
    }

    fn removed(&mut self, _ledger: &Ledger, _slot: Slot, _why: Departure) {}

    fn moved(&mut self, _from: Slot, _to: Slot) {}

    fn clear(&mut self) {
        self.sketch.clear();
        self.random = SplitMix(self.seed);
        self.taken = Vec::new();
    }

    fn memory(&self) -> usize {
        self.sketch.memory() + self.taken.capacity()
    }

    fn check(&self, ledger: &Ledger) -> Result<(), String> {
        if self.taken.len() < ledger.len() || self.taken.contains(&true) {
            return Err(format!(
                "tinylfu: {} marks for {} entries, {} of them set at rest",
                self.taken.len(),
                ledger.len(),
                self.taken.iter().filter(|&&taken| taken).count()
            ));
        }
        Ok(())
    }
}

/// Frequency per cost, kept as the pair so that comparisons are exact.
#[derive(Debug, Clone, Copy)]
struct Worth {
    frequency: u8,
    cost: u64,
}

impl Worth {
    fn is_less(self, than: Self) -> bool {
        u128::from(self.frequency) * u128::from(than.cost)
            < u128::from(than.frequency) * u128::from(self.cost)
    }
}

/// The generator of Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
#[derive(Debug)]
struct SplitMix(u64);

impl SplitMix {
    /// A number below `bound`, which is not zero and at most 2^32.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let high = super::sketch::remix(self.0) >> 32;
        ((high * bound as u64) >> 32) as usize
    }
}

/// Entries looked at for one victim.
const SAMPLE: usize = 5;
/// One in so many newcomers that are asked for often comes in unexamined.
const LUCK: usize = 128;
/// The estimate from which on a newcomer is asked for often.
const LUCKY_FREQUENCY: u8 = 6;

#[cfg(test)]
mod tests {
    use crate::engine::{Effect, Engine, Verdict, Write};
    use crate::policy::{Objective, PolicyConfig, PolicyKind};

    fn engine(max_cost: u64, objective: Objective) -> Engine {
        let config = PolicyConfig { num_counters: 10_000, max_cost, seed: 7, objective };
        Engine::new(PolicyKind::TinyLfu, config)
    }

    fn insert(engine: &mut Engine, index: u64, cost: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        engine.write(Write { index, version: 1, cost, deadline: None }, &mut effects);
        engine.check().unwrap();
        effects
    }

    #[test]
    fn a_tie_does_not_evict() {
        let mut engine = engine(100, Objective::Hits);
        for index in 0..100 {
            assert!(insert(&mut engine, index, 1).is_empty());
        }
        for index in 100..150 {
            assert_eq!(insert(&mut engine, index, 1)[0].verdict, Verdict::Rejected);
        }
        assert!((0..100).all(|index| engine.access(index)));
    }

    #[test]
    fn the_frequent_replace_the_rare() {
        let mut engine = engine(50, Objective::Hits);
        for round in 0..40 {
            (0..50).for_each(|index| _ = engine.request(index, 1));
            (0..200).for_each(|stranger| _ = engine.request(1000 + round * 200 + stranger, 1));
        }
        assert_eq!((0..50).filter(|&index| engine.access(index)).count(), 50);
    }

    #[test]
    fn several_small_victims_leave_for_a_large_newcomer_or_none() {
        let mut engine = engine(100, Objective::Cost);
        (0..100).for_each(|index| assert!(insert(&mut engine, index, 1).is_empty()));
        let refused = insert(&mut engine, 500, 40);
        assert!(matches!(refused[..], [Effect { verdict: Verdict::Rejected, cost: 40, .. }]));
        assert_eq!(engine.ledger().len(), 100);
        let evicted = insert(&mut engine, 500, 40);
        assert_eq!(evicted.len(), 40);
        assert!(evicted.iter().all(|effect| effect.verdict == Verdict::Evicted));
        assert!(engine.access(500));
    }

    #[test]
    fn a_large_entry_must_be_asked_for_more_often_when_requests_count() {
        for (objective, is_resident) in [(Objective::Hits, false), (Objective::Cost, true)] {
            let mut engine = engine(100, objective);
            (0..100).for_each(|index| _ = engine.request(index, 1));
            (0..5).for_each(|_| _ = engine.request(500, 50));
            assert_eq!(engine.ledger().find(500).is_some(), is_resident, "{objective:?}");
        }
    }

    #[test]
    fn poisoned_residents_give_way_in_the_end() {
        let mut engine = engine(100, Objective::Hits);
        for _ in 0..20 {
            (0..100).for_each(|index| _ = engine.request(index, 1));
        }
        // The poisoner goes on: nobody else would ever come in by frequency.
        let mut came_in = 0;
        for _ in 0..500 {
            (0..100).for_each(|index| _ = engine.request(index, 1));
            (200..210).for_each(|index| came_in += usize::from(engine.request(index, 1)));
        }
        assert!(came_in > 0);
    }

    #[test]
    fn lowered_budgets_and_removals_keep_the_books() {
        let mut engine = engine(1000, Objective::Hits);
        for index in 0..3000 {
            insert(&mut engine, index % 700, 1 + index % 9);
            if index % 7 == 0 {
                engine.remove(index % 311);
            }
        }
        let mut effects = Vec::new();
        engine.set_max_cost(3, &mut effects);
        engine.check().unwrap();
        assert!(effects.len() > 100 && engine.ledger().used() <= 3);
        engine.clear();
        assert!(insert(&mut engine, 1, 1).is_empty());
    }
}
