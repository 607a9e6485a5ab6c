//! The default policy: sampled eviction by learned hit density.
//!
//! # Idea
//!
//! Classic policies hard-wire a belief: that the recent come back (LRU), the frequent (LFU), those with short
//! gaps (LIRS). Each loses badly where its belief is false. This one holds a table instead: *how many hits
//! does an entry of this kind, at this age, still promise per unit of time that it stays?*, and fills it in from
//! what it sees. It evicts where the promise is least and admits where it is greater than what has
//! to leave. Whatever the workload is, its rule appears in the table:
//!
//! | the workload | what is learned | what it amounts to |
//! |---|---|---|
//! | the recent come back | density falls with age | LRU |
//! | some keys are popular | density grows with frequency | LFU |
//! | a loop longer than the cache | density rises up to the loop's length | keep the old, refuse the new |
//! | a scan | strangers promise nothing | refuse strangers |
//! | bursts | density falls steeply after a short gap | let go soon after a burst |
//!
//! # How it works
//!
//! Time is counted in accesses. The yardstick is `C`, about the number of residents ([`class::Scale`]).
//!
//! - *Kind.* At each access an entry gets a class: how often its key was asked for before (the sketch, five
//!   levels) and how long ago (its own stamp, or the [`ghost`]; seven levels).
//! - *Lives.* The [`monitor`] watches a sample of all keys, chosen by hash, resident or not: at which age
//!   was an entry of which class asked for again, or lost from view?
//! - *Densities.* Every now and then the [`learner`] turns these lives into the table: hazard by age (Kaplan and Meier),
//!   then its Gittins index, the best ratio of expected hits to expected residence.
//! - *Victims.* The [`residents`] are swept some dozens of neighbours at a time; the least dense is the victim. Where
//!   requests are to hit, density is divided by cost.
//! - *Admission.* All victims are found first. The newcomer comes in if each of them is worth less than 0.7 of
//!   what it is worth itself; if not, nobody leaves.
//!
//! Epochs grow from 64 accesses to C/2, each by an eighth: a new cache knows something after 64 accesses and thinks again whenever it
//! has seen an eighth more, and counts fade so that it can change its mind. The table says nothing about single keys, so
//! thousands of entries share what few have shown.
//!
//! # What it is not
//!
//! It is no order book: nothing moves on a hit, five bytes by slot are all that a resident
//! costs beside the sketch (twice eight), doorkeeper (twice four) and ghost (four). It draws no random
//! numbers: what looks random is the hash of the key, so that equal events give equal decisions.
//!
//! # Sources
//!
//! LHD (Beckmann, Chen, Cidon, "LHD: Improving Cache Hit Rate by Maximizing Hit Density", NSDI 2018) ranks by hits per
//! space-time, learned per class. The Gittins index of a job with known hazard: Aalto, Ayesta, Righter, "On the
//! Gittins index in the M/G/1 queue", 2009. Frequencies: Einziger, Friedman, Manes, "TinyLFU", 2017.
//! Survival from censored lives: Kaplan, Meier, "Nonparametric estimation from incomplete observations",
//! 1958.

mod class;
mod ghost;
mod learner;
mod memory;
mod monitor;
mod offers;
mod recent;
mod residents;
#[cfg(test)]
mod tests;

use super::sketch::{FrequencySketch, remix};
use super::{
    Admission, Candidate, Departure, Keepsake, Ledger, Objective, Parameter, Policy, PolicyConfig, Slot,
};
use crate::store::slots;
use class::{Class, Scale};
use ghost::Ghost;
use learner::Learner;
use monitor::{Lesson, Monitor};
use offers::Offer;
use recent::Recent;
use residents::{Residents, View};

/// The self-tuning policy. See the module's source for the algorithm.
#[derive(Debug)]
pub struct HitDensity {
    config: PolicyConfig,
    scale: Scale,
    sketch: FrequencySketch,
    ghost: Ghost,
    monitor: Monitor,
    learner: Learner,
    residents: Residents,
    recent: Recent,
    /// The number of accesses seen, wrapping.
    clock: u32,
    /// The clock at which the next epoch ends.
    epoch_end: u32,
    /// The length of the present epoch.
    epoch_len: u32,
    epochs: u64,
    /// The clock when ages were last clamped.
    clamped: u32,
    /// Whether a cost other than 1 was seen.
    sized: bool,
    /// Scratch: the offers taken by the decision at hand.
    taken: Vec<Offer>,
}

impl HitDensity {
    /// An empty policy that has learned nothing.
    pub fn new(config: &PolicyConfig) -> Self {
        let scale = Scale::new(config.expected_entries());
        Self {
            config: *config,
            scale,
            sketch: FrequencySketch::new(2 * scale.entries() as usize),
            ghost: Ghost::new(scale.entries()),
            monitor: Monitor::new(scale.entries()),
            learner: Learner::new(scale),
            residents: Residents::default(),
            recent: Recent::new(scale.entries()),
            clock: 0,
            epoch_end: FIRST_EPOCH,
            epoch_len: FIRST_EPOCH,
            epochs: 0,
            clamped: 0,
            sized: false,
            taken: Vec::new(),
        }
    }

    /// One access: counts it, classifies the key and observes it.
    fn access(&mut self, index: u64, hash: u64, gap: impl FnOnce(&Self) -> Option<u32>) -> Class {
        self.clock = self.clock.wrapping_add(1);
        if self.clock == self.epoch_end {
            self.end_epoch();
        }
        let frequency = self.sketch.touch(index);
        let class = self.scale.class(frequency, gap(self));
        match self.monitor.observe(hash, class, self.clock) {
            Some(Lesson::Reused(class, age)) => self.learner.add_reuse(class, self.scale.bucket(age)),
            Some(Lesson::Lost(class, age)) => self.learner.add_loss(class, self.scale.bucket(age)),
            None => {}
        }
        class
    }

    /// The class of a key whose miss was heard lately.
    fn class_of_missed(&self, index: u64) -> Class {
        let hash = hash(index);
        self.recent.class(hash).unwrap_or_else(|| {
            let before = self.sketch.estimate(index).saturating_sub(1);
            self.scale.class(before, self.ghost.gap(hash, self.clock))
        })
    }

    #[cold]
    fn end_epoch(&mut self) {
        let full_len = (self.scale.entries() / 2).max(SHORTEST_EPOCH);
        let scale = self.scale;
        let watched = self.monitor.watched(self.clock).map(|(class, age)| (class, scale.bucket(age)));
        self.learner.learn(scale, watched);
        if self.epoch_len >= full_len {
            self.learner.fade();
        }
        self.epochs += 1;
        self.epoch_len = (self.epoch_len + self.epoch_len / 8).min(full_len);
        self.epoch_end = self.clock.wrapping_add(self.epoch_len);
        self.ghost.forget_old(self.clock);
        if self.clock.wrapping_sub(self.clamped) >= 1 << 30 {
            self.residents.clamp_ages(1 << 31, self.clock);
            self.monitor.clamp_ages(1 << 31, self.clock);
            self.clamped = self.clock;
        }
    }

    /// Follows the number of residents, once the cache is full or more of them came than expected.
    fn fit_scale(&mut self, full: bool) {
        let len = self.residents.len();
        let entries = self.scale.entries() as usize;
        if len > entries * 7 / 4 || full && len < entries / 8 {
            let scale = Scale::new(len);
            // There is none below 1, nor above the largest.
            if scale != self.scale {
                self.rescale(scale);
            }
        }
    }

    #[cold]
    fn rescale(&mut self, to: Scale) {
        let entries = to.entries();
        self.sketch.set_entries(2 * entries as usize);
        self.ghost.resize(entries, self.clock);
        self.monitor.resize(entries, self.clock);
        self.recent = Recent::new(entries);
        if entries > self.scale.entries() / 16 {
            self.learner.rescale(self.scale, to);
        } else {
            self.learner = Learner::new(to);
        }
        self.scale = to;
        self.epoch_len = FIRST_EPOCH;
        self.epoch_end = self.clock.wrapping_add(self.epoch_len);
    }

    /// Takes victims until `shortfall` is found or one is worth more than `limit`. Whether it was found.
    fn take(&mut self, ledger: &Ledger, shortfall: u64, limit: f32, victims: &mut Vec<Slot>) -> bool {
        let view = View {
            ledger,
            learner: &self.learner,
            scale: self.scale,
            clock: self.clock,
            sized: self.sized,
            per_cost: self.sized && self.config.objective == Objective::Hits,
        };
        let mut freed = 0;
        while freed < shortfall {
            let offer = self.residents.take_least(&view);
            self.taken.push(offer);
            if offer.density > limit {
                break;
            }
            freed += ledger.cost(offer.slot);
            victims.push(offer.slot);
        }
        let found = freed >= shortfall;
        for offer in self.taken.drain(..) {
            match found {
                true => self.residents.release(offer.slot),
                false => self.residents.put_back(&view, offer),
            }
        }
        slots::slim(&mut self.taken);
        found
    }

    /// Whether a newcomer comes in unexamined: a few do, so that nobody can keep all others out by making the
    /// policy believe in the residents. None of more than average cost: it would have to displace many.
    fn is_lucky(&self, ledger: &Ledger, candidate: Candidate) -> bool {
        let average = ledger.used() / ledger.len().max(1) as u64;
        candidate.cost <= average && remix(candidate.index ^ self.epochs).is_multiple_of(LUCK)
    }

    fn note_cost(&mut self, cost: u64) {
        self.sized |= cost != 1;
    }
}

impl Policy for HitDensity {
    fn name(&self) -> &'static str {
        "density"
    }

    fn hit(&mut self, ledger: &Ledger, slot: Slot) {
        let index = ledger.index(slot);
        let class = self.access(index, hash(index), |policy| {
            Some(policy.clock.wrapping_sub(policy.residents.stamp(slot)))
        });
        self.residents.touch(slot, class, self.clock);
    }

    fn miss(&mut self, _ledger: &Ledger, index: u64) {
        let hash = hash(index);
        let class = self.access(index, hash, |policy| policy.ghost.gap(hash, policy.clock));
        self.recent.note(hash, class);
    }

    #[inline]
    fn anticipate(&self, index: u64, slot: Option<Slot>) -> u64 {
        let past = match slot {
            Some(slot) => self.residents.stamp(slot),
            None => self.ghost.prefetch(hash(index)),
        };
        u64::from(past) ^ self.sketch.prefetch(index)
    }

    fn admit(&mut self, ledger: &Ledger, candidate: Candidate, victims: &mut Vec<Slot>) -> Admission {
        self.fit_scale(true);
        self.note_cost(candidate.cost);
        let class = self.class_of_missed(candidate.index);
        let mut density = self.learner.density(class, 0);
        if self.config.objective == Objective::Hits {
            density /= candidate.cost as f32;
        }
        let limit = if self.is_lucky(ledger, candidate) { f32::INFINITY } else { density * MARGIN };
        if self.take(ledger, candidate.shortfall, limit, victims) {
            return Admission::Admit;
        }
        self.ghost.note(hash(candidate.index), self.clock, self.clock);
        Admission::Reject
    }

    fn evict(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        // Before anything is noted in a ghost that is sized for more than ever came.
        self.fit_scale(true);
        if let Some(slot) = keep {
            self.residents.protect(slot);
        }
        self.take(ledger, shortfall, f32::INFINITY, victims);
        if let Some(slot) = keep {
            self.residents.release(slot);
        }
    }

    fn inserted(&mut self, ledger: &Ledger, slot: Slot) {
        self.note_cost(ledger.cost(slot));
        let class = self.class_of_missed(ledger.index(slot));
        self.residents.push(class, self.clock);
        self.fit_scale(false);
    }

    fn removed(&mut self, ledger: &Ledger, slot: Slot, why: Departure) {
        if why == Departure::Evicted {
            self.ghost.note(hash(ledger.index(slot)), self.residents.stamp(slot), self.clock);
        }
        self.residents.swap_remove(slot);
    }

    fn moved(&mut self, _from: Slot, _to: Slot) {
        // Done in `removed`: a swap-remove of the policy's own arrays moves the same entry.
    }

    fn recosted(&mut self, ledger: &Ledger, slot: Slot, _old_cost: u64) {
        self.note_cost(ledger.cost(slot));
    }

    fn clear(&mut self) {
        *self = Self::new(&self.config);
    }

    fn parameters(&self) -> Vec<Parameter> {
        let entries = self.scale.entries();
        let at = |age: u32| self.scale.bucket(age);
        let newcomer = |frequency| self.learner.density(self.scale.class(frequency, None), 0);
        vec![
            ("expected_entries", f64::from(entries)),
            ("epochs", self.epochs as f64),
            ("hits_per_stranger", f64::from(newcomer(0)) * f64::from(entries)),
            ("frequency", f64::from(newcomer(7) / newcomer(0))),
            ("recency", f64::from(self.learner.decline(at(entries / 8), at(entries.saturating_mul(2))))),
        ]
    }

    fn keepsake(&self, ledger: &Ledger, slot: Slot) -> Keepsake {
        self.keepsake_of(ledger, slot)
    }

    fn recall(&mut self, _ledger: &Ledger, slot: Slot, note: u64) {
        self.recall_at(slot, note);
    }

    /// The sweep takes where an entry lies to say nothing about its worth.
    fn exchange(&mut self, one: Slot, other: Slot) -> bool {
        self.residents.exchange(one, other);
        true
    }

    fn knowledge(&self) -> Vec<u64> {
        self.save()
    }

    fn learn(&mut self, knowledge: &[u64]) -> bool {
        self.load(knowledge).is_some()
    }

    fn memory(&self) -> usize {
        self.sketch.memory()
            + self.ghost.memory()
            + self.monitor.memory()
            + self.learner.memory()
            + self.residents.memory()
            + self.recent.memory()
            + self.taken.capacity() * size_of::<Offer>()
    }

    fn check(&self, ledger: &Ledger) -> Result<(), String> {
        if self.residents.len() != ledger.len() {
            return Err(format!("density: {} stamps for {} entries", self.residents.len(), ledger.len()));
        }
        self.residents.check()
    }
}

/// The hash that ghost, monitor and recent misses share; independent of the sketch's.
#[inline]
fn hash(index: u64) -> u64 {
    remix(index ^ 0x6A09_E667_F3BC_C908)
}

/// The first epoch, in accesses; each one is longer than the one before by an eighth.
const FIRST_EPOCH: u32 = 64;
/// The least length of an epoch once they do not grow any more.
const SHORTEST_EPOCH: u32 = 500;
/// One newcomer in so many comes in unexamined, each epoch others.
const LUCK: u64 = 256;
/// A newcomer must be worth more than its victims by the inverse of this factor.
const MARGIN: f32 = 0.7;
