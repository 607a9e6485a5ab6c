//! TinyLFU: what is asked for more often stays.
//!
//! Admission compares the newcomer's frequency with that of the entries that would leave (Einziger,
//! Friedman, Manes, "TinyLFU: A Highly Efficient Cache Admission Policy", 2017); eviction takes the
//! least frequent of a small random sample, as Ristretto does. There is no order book: a resident
//! costs nothing but its share of the sketch.
//!
//! What differs from the published combination: victims are chosen before anything leaves, so that a
//! refused newcomer costs nobody; a tie does not evict, so that a loop or a scan over keys that are all asked for
//! equally often leaves the residents in peace; sampling is one array access on the dense slab; and an entry can be
//! *stale*.
//!
//! # Staleness
//!
//! The sketch forgets slowly, in steps of many accesses, and a burst of interest leaves a frequency
//! that outlives it. So an entry is worth nothing once it has gone without a hit for as many accesses as
//! there are residents, if it was asked for once; for three times as many, if twice; for six times
//! as many, if more often. Of residents that are worth the same, the one that has waited longest goes.
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

use super::knowledge::Words;
use super::rng::SplitMix64;
use super::sketch::FrequencySketch;
use super::{Admission, Candidate, Departure, Keepsake, Ledger, Objective, Policy, PolicyConfig, Slot};
use crate::store::slots;
use std::cmp::Ordering;

/// TinyLFU admission with sampled LFU eviction. See the module's source for the algorithm.
#[derive(Debug)]
pub struct TinyLfu {
    config: PolicyConfig,
    sketch: FrequencySketch,
    random: SplitMix64,
    /// The number of accesses seen, wrapping.
    clock: u32,
    /// By slot: the clock at the last access.
    stamps: Vec<u32>,
    /// By slot: taken by the decision at hand. All false between decisions.
    taken: Vec<bool>,
}

impl TinyLfu {
    /// An empty policy with frequencies for [`PolicyConfig::expected_entries`].
    pub fn new(config: &PolicyConfig) -> Self {
        Self {
            config: *config,
            sketch: FrequencySketch::new(config.expected_entries()),
            random: SplitMix64::new(config.seed),
            clock: 0,
            stamps: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// Counts an access.
    fn touch(&mut self, index: u64) {
        self.clock = self.clock.wrapping_add(1);
        self.sketch.touch(index);
    }

    /// Accesses since the last one to the entry at `slot`.
    fn idle(&self, slot: Slot) -> u32 {
        self.clock.wrapping_sub(self.stamps[slot as usize])
    }

    fn worth(&self, index: u64, cost: u64) -> Worth {
        let frequency = self.sketch.estimate(index);
        match self.config.objective {
            Objective::Hits => Worth { frequency, cost },
            Objective::Cost => Worth { frequency, cost: 1 },
        }
    }

    /// What a resident is worth: nothing if it is stale.
    fn present_worth(&self, ledger: &Ledger, slot: Slot) -> Worth {
        let worth = self.worth(ledger.index(slot), ledger.cost(slot));
        let patience = PATIENCE[usize::from(worth.frequency).min(PATIENCE.len() - 1)];
        let limit = patience * ledger.len() as u64;
        if u64::from(self.idle(slot)) < limit { worth } else { Worth { frequency: 0, ..worth } }
    }

    /// The least worthy of a sample of the entries that are not taken yet, of which there is one.
    fn sample(&mut self, ledger: &Ledger) -> (Slot, Worth) {
        let mut least: Option<(Slot, Worth)> = None;
        for _ in 0..SAMPLE {
            let slot = self.draw(ledger.len());
            let worth = self.present_worth(ledger, slot);
            let is_less = |(other, least): (Slot, Worth)| match worth.compare(least) {
                Ordering::Equal => self.idle(slot) > self.idle(other),
                order => order.is_lt(),
            };
            if least.is_none_or(is_less) {
                least = Some((slot, worth));
            }
        }
        least.expect("a sample is not empty")
    }

    /// A random slot that is not taken: the next one from a random place. Expected steps: one over
    /// the share of slots not taken.
    fn draw(&mut self, len: usize) -> Slot {
        let mut slot = self.random.below(len as u64) as usize;
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
            if limit.is_some_and(|limit| worth.compare(limit).is_ge()) {
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
        self.touch(ledger.index(slot));
        self.stamps[slot as usize] = self.clock;
    }

    fn miss(&mut self, _ledger: &Ledger, index: u64) {
        self.touch(index);
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
        debug_assert_eq!(slot as usize, self.stamps.len(), "newcomers are appended");
        self.stamps.push(self.clock);
        self.taken.push(false);
    }

    fn removed(&mut self, _ledger: &Ledger, slot: Slot, _why: Departure) {
        self.stamps.swap_remove(slot as usize);
        self.taken.swap_remove(slot as usize);
        let len = self.stamps.len();
        slots::follow(&mut self.stamps, len);
        slots::follow(&mut self.taken, len);
    }

    fn moved(&mut self, _from: Slot, _to: Slot) {
        // Done in `removed`: a swap-remove of our own arrays moves the same entry.
    }

    fn clear(&mut self) {
        *self = Self::new(&self.config);
    }

    fn resized(&mut self, max_cost: u64) {
        self.config.max_cost = max_cost;
        self.sketch.set_entries(self.config.expected_entries());
    }

    fn keepsake(&self, ledger: &Ledger, slot: Slot) -> Keepsake {
        let Worth { frequency, cost } = self.present_worth(ledger, slot);
        Keepsake { worth: f32::from(frequency) / cost as f32, note: self.idle(slot).into() }
    }

    fn recall(&mut self, _ledger: &Ledger, slot: Slot, note: u64) {
        self.stamps[slot as usize] = self.clock.wrapping_sub(note as u32);
    }

    fn knowledge(&self) -> Vec<u64> {
        let mut words = vec![KNOWLEDGE];
        self.sketch.save(&mut words);
        words
    }

    fn learn(&mut self, knowledge: &[u64]) -> bool {
        let mut words = Words::new(knowledge);
        let mut load = || {
            words.next().filter(|&format| format == KNOWLEDGE)?;
            FrequencySketch::load(&mut words).filter(|_| words.is_empty())
        };
        let Some(mut sketch) = load() else { return false };
        sketch.set_entries(self.sketch.entries());
        self.sketch = sketch;
        true
    }

    fn memory(&self) -> usize {
        self.sketch.memory() + self.stamps.capacity() * size_of::<u32>() + self.taken.capacity()
    }

    fn check(&self, ledger: &Ledger) -> Result<(), String> {
        if self.stamps.len() != ledger.len() || self.taken.len() != ledger.len() {
            return Err(format!("tinylfu: {} stamps for {} entries", self.stamps.len(), ledger.len()));
        }
        if self.taken.contains(&true) {
            return Err("tinylfu: an entry is marked as taken, though nothing is being decided".into());
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
    fn compare(self, other: Self) -> Ordering {
        let ours = u128::from(self.frequency) * u128::from(other.cost);
        ours.cmp(&(u128::from(other.frequency) * u128::from(self.cost)))
    }
}

/// Entries looked at for one victim.
const SAMPLE: usize = 5;
/// By frequency: accesses per resident that an entry may go without a hit.
const PATIENCE: [u64; 4] = [0, 1, 3, 6];
/// One in so many newcomers that are asked for often comes in unexamined.
const LUCK: u64 = 128;
/// The estimate from which on a newcomer is asked for often.
const LUCKY_FREQUENCY: u8 = 6;

/// Changes with the meaning of the words.
const KNOWLEDGE: u64 = 2;

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
        engine.write(Write { index, version: 1, cost, deadline: None, pinned: false }, &mut effects);
        engine.check().unwrap();
        effects
    }

    #[test]
    fn a_tie_does_not_evict() {
        let mut engine = engine(100, Objective::Hits);
        for _ in 0..2 {
            (0..100).for_each(|index| _ = engine.request(index, 1));
        }
        (100..150).for_each(|index| assert!(!engine.access(index)));
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
            (0..90).for_each(|stranger| _ = engine.request(1000 + round * 90 + stranger, 1));
        }
        assert!((0..50).filter(|&index| engine.access(index)).count() >= 45);
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
    fn the_stale_give_way_to_anybody() {
        let mut engine = engine(100, Objective::Hits);
        for _ in 0..4 {
            (0..100).for_each(|index| _ = engine.request(index, 1));
        }
        let newcomers_in = |engine: &mut Engine, indices: std::ops::Range<u64>| {
            indices.filter(|&index| insert(engine, index, 1)[0].verdict == Verdict::Evicted).count()
        };
        assert_eq!(newcomers_in(&mut engine, 1000..1450), 0);
        assert!(newcomers_in(&mut engine, 2000..2500) > 50, "residents idle for more than 600 accesses");
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
