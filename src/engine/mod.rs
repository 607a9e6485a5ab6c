//! The engine: every decision of the cache, as one deterministic, single-threaded structure.
//!
//! Events go in ([`access`](Engine::access), [`write`](Engine::write), [`remove`](Engine::remove),
//! deadlines), [`Effect`]s come out. There is no thread, lock, clock, value or user type in here: the
//! concurrent shell feeds it in the order in which the store changed, and carries its effects out.
//! Given the same configuration and the same events, the effects are the same.
//!
//! # Invariants at rest
//!
//! - The costs of the ledger and of what is pinned add up to at most `max_cost`.
//! - Every entry of the ledger has the version of the last write that the engine has seen for it.
//! - A newcomer that is turned away costs no resident: victims leave only when somebody comes in.
//!
//! It is public because it is also the simulator: [`request`](Engine::request) plays one access of a
//! trace against a policy alone, exactly and fast.
//!
//! ```
//! use tollgate::engine::Engine;
//! use tollgate::policy::{PolicyConfig, PolicyKind};
//!
//! let config = PolicyConfig { num_counters: 1_000, max_cost: 100, seed: 1, objective: Default::default() };
//! let mut engine = Engine::new(PolicyKind::Fifo, config);
//! assert!(!engine.request(42, 1));
//! assert!(engine.request(42, 1));
//! ```

mod asked;
mod curve;
pub(crate) mod ledger;
mod memory;
mod pins;
mod room;

use crate::expiry::TimerWheel;
use crate::policy::{Departure, Parameter, Policy, PolicyConfig, PolicyKind};
pub use crate::ring::log::Write;
use asked::Asked;
use curve::Curve;
pub use curve::MissRatioCurve;
pub use ledger::{Ledger, Slot};
pub use memory::Remembered;
pub(crate) use pins::Known;
use pins::Pins;

/// Why a row must leave the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was admitted once and had to make room.
    Evicted,
    /// It was not admitted.
    Rejected,
}

/// A row that must leave the store, if its version is still the one decided upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect {
    /// The index hash of its key.
    pub index: u64,
    /// The version decided upon.
    pub version: u32,
    /// The cost that leaves with it.
    pub cost: u64,
    /// Why.
    pub verdict: Verdict,
}

/// An entry whose deadline has passed; see [`Engine::due`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The index hash of its key.
    pub index: u64,
    /// The version that was scheduled.
    pub version: u32,
}

/// Ledger, policy and timer wheel, what is pinned, and a miss-ratio curve if asked for. See the [module](self).
pub struct Engine {
    /// The budget. The ledger's is what the pins leave of it.
    max_cost: u64,
    ledger: Ledger,
    policy: Box<dyn Policy>,
    wheel: TimerWheel,
    pins: Pins,
    /// What pins may take of the budget.
    pin_quota: u64,
    asked: Asked,
    curve: Option<Box<Curve>>,
    /// Scratch: the victims of one decision.
    victims: Vec<Slot>,
    /// Scratch of [`request`](Self::request).
    discarded: Vec<Effect>,
}

impl Engine {
    /// An empty engine.
    pub fn new(policy: PolicyKind, config: PolicyConfig) -> Self {
        Self {
            max_cost: config.max_cost,
            ledger: Ledger::new(config.max_cost),
            policy: policy.build(&config),
            wheel: TimerWheel::new(),
            pins: Pins::new(),
            pin_quota: 0,
            asked: Asked::new(),
            curve: None,
            victims: Vec::new(),
            discarded: Vec::new(),
        }
    }

    /// The same engine, with a live [miss-ratio curve](Self::miss_ratio_curve) that begins now. It takes less than 512 KiB.
    pub fn with_miss_ratio_curve(mut self) -> Self {
        self.curve = Some(Box::new(Curve::new(self.max_cost)));
        self
    }

    /// Gives the curve away, if there is one.
    pub(crate) fn hand_curve_to(&mut self, other: &mut Self) {
        other.curve = self.curve.take();
        if let Some(curve) = &mut other.curve {
            // The other may have been built for another budget.
            curve.resize(other.max_cost);
        }
    }

    /// The admitted entries: those that the policy decides upon, not the pinned ones.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The policy's name.
    pub fn policy_name(&self) -> &'static str {
        self.policy.name()
    }

    /// The policy's present parameters.
    pub fn parameters(&self) -> Vec<Parameter> {
        self.policy.parameters()
    }

    /// What LRU would miss with other budgets; `None` unless [asked for](Self::with_miss_ratio_curve).
    pub fn miss_ratio_curve(&self) -> Option<MissRatioCurve> {
        self.curve.as_ref().map(|curve| curve.snapshot())
    }

    /// Bytes of heap memory held, the policy's included.
    pub fn memory(&self) -> usize {
        let curve = self.curve.as_ref().map_or(0, |curve| curve.memory());
        let entries = self.ledger.memory() + self.wheel.memory() + self.pins.memory();
        entries + self.policy.memory() + self.asked.memory() + curve
    }

    /// Plays one request of a trace: a read and, if it missed, the insertion that answers it. Returns
    /// whether it hit. For simulation: effects are carried out at once and forgotten.
    pub fn request(&mut self, index: u64, cost: u64) -> bool {
        if self.access(index) {
            return true;
        }
        let mut effects = std::mem::take(&mut self.discarded);
        self.write(
            Write { index, version: 0, cost: cost.max(1), deadline: None, pinned: false },
            &mut effects,
        );
        effects.clear();
        self.discarded = effects;
        false
    }

    /// A read. Returns whether the entry is resident. Expected O(1).
    pub fn access(&mut self, index: u64) -> bool {
        self.access_at(index, self.ledger.find(index))
    }

    /// A read of an index that lives at `slot`.
    #[inline]
    fn access_at(&mut self, index: u64, slot: Option<Slot>) -> bool {
        if let Some(slot) = slot {
            if let Some(curve) = &mut self.curve {
                curve.hit(index, self.ledger.cost(slot));
            }
            self.policy.hit(&self.ledger, slot);
            true
        } else if !self.pins.is_empty() && self.access_pin(index) {
            true
        } else {
            if let Some(curve) = &mut self.curve {
                curve.miss(index);
            }
            self.policy.miss(&self.ledger, index);
            self.asked.note(index);
            false
        }
    }

    /// Reads, in order. The same as [`access`](Self::access) for each, but the memory that they need is
    /// fetched for many at a time.
    pub(crate) fn access_all(&mut self, indices: &[u64]) {
        let mut slots = [None; BATCH];
        for batch in indices.chunks(BATCH) {
            let mut touched = 0;
            for (slot, &index) in slots.iter_mut().zip(batch) {
                *slot = self.ledger.find(index);
                touched ^= self.policy.anticipate(index, *slot);
            }
            std::hint::black_box(touched);
            // Reads move nobody: where an entry was found, it still is.
            for (&slot, &index) in slots.iter().zip(batch) {
                self.access_at(index, slot);
            }
        }
    }

    /// Touches what commands and reads about these keys will need. The loads do not depend on each other, so
    /// that the processor overlaps the misses that would come one after another in the course of deciding.
    pub(crate) fn anticipate(&self, indices: impl Iterator<Item = u64>) {
        let mut touched = 0;
        for index in indices {
            touched ^= self.policy.anticipate(index, self.ledger.find(index));
        }
        std::hint::black_box(touched);
    }

    /// Decides on a write. What must leave for it, or the row itself if it is turned away, is appended
    /// to `effects`. Expected O(1) and the number of victims.
    ///
    /// What is pinned is never turned away and never leaves for others. Its cost, and that of everything else that is pinned, is to stay within
    /// the [quota](Self::with_pin_quota).
    pub fn write(&mut self, write: Write, effects: &mut Vec<Effect>) {
        debug_assert!(write.cost > 0, "no entry is free");
        if (write.pinned || !self.pins.is_empty()) && self.write_pin(write, effects) {
            return;
        }
        let slot = self.ledger.find(write.index);
        if let Some(curve) = &mut self.curve {
            match slot {
                Some(_) => curve.hit(write.index, write.cost),
                None => curve.insert(write.index, write.cost),
            }
        }
        match slot {
            Some(slot) => self.update(slot, write, effects),
            None => self.insert(write, effects),
        }
    }

    /// The row of `index` was removed by its owner; unknown indices are none of the engine's business.
    pub fn remove(&mut self, index: u64) {
        if let Some(curve) = &mut self.curve {
            curve.forget(index);
        }
        if let Some(slot) = self.ledger.find(index) {
            self.forget(slot, Departure::Removed);
        } else if !self.pins.is_empty() {
            self.remove_pin(index);
        }
    }

    /// Changes the budget. What must leave is appended to `effects`.
    pub fn set_max_cost(&mut self, max_cost: u64, effects: &mut Vec<Effect>) {
        self.max_cost = max_cost;
        if let Some(curve) = &mut self.curve {
            curve.resize(max_cost);
        }
        self.fit_ledger();
        self.shed(None, effects);
    }

    /// Forgets everything, the policy's knowledge included.
    pub fn clear(&mut self) {
        self.ledger.clear();
        self.wheel = TimerWheel::new();
        self.pins = Pins::new();
        // First the whole budget: that is what a policy that starts afresh takes its measure by.
        self.fit_ledger();
        self.policy.clear();
        self.asked.clear();
        if let Some(curve) = &mut self.curve {
            curve.clear();
        }
    }

    /// Takes the next entry whose deadline is at or before `now_ms` off the timer wheel; it stays in the
    /// ledger until the caller, who can see when it was last read, says [`expire`](Self::expire) or
    /// [`postpone`](Self::postpone).
    pub fn due(&mut self, now_ms: u64) -> Option<Due> {
        let Some(slot) = self.wheel.pop_due(now_ms) else { return self.pins.due(now_ms) };
        Some(Due { index: self.ledger.index(slot), version: self.ledger.version(slot) })
    }

    /// The due entry is gone from the store.
    pub fn expire(&mut self, due: Due) {
        if let Some(slot) = self.find_due(due) {
            if let Some(curve) = &mut self.curve {
                curve.forget(due.index);
            }
            self.forget(slot, Departure::Expired);
        } else if !self.pins.is_empty() {
            self.expire_pin(due);
        }
    }

    /// The due entry lives on until `deadline`.
    pub fn postpone(&mut self, due: Due, deadline: Option<u64>) {
        match self.find_due(due) {
            Some(slot) => self.wheel.schedule(slot, deadline),
            None => self.pins.postpone(due, deadline),
        }
    }

    /// Changes the deadline of a resident entry.
    pub fn reschedule(&mut self, index: u64, deadline: Option<u64>) {
        match self.ledger.find(index) {
            Some(slot) => self.wheel.schedule(slot, deadline),
            None => self.pins.reschedule(index, deadline),
        }
    }

    /// When [`due`](Self::due) should be asked next, in milliseconds; `None` if nothing is scheduled.
    pub fn next_due(&self) -> Option<u64> {
        self.wheel.next_due().into_iter().chain(self.pins.next_due()).min()
    }

    /// Verifies ledger, wheel, policy and curve, against each other where they share something. O(n); for tests and fuzzing.
    ///
    /// # Errors
    /// A sentence that names what disagrees.
    pub fn check(&self) -> Result<(), String> {
        self.ledger.check()?;
        if self.ledger.used() > self.ledger.max_cost() {
            return Err(format!("engine: used {} of {}", self.ledger.used(), self.ledger.max_cost()));
        }
        self.wheel.check(self.ledger.len())?;
        self.check_pins()?;
        self.curve.as_ref().map_or(Ok(()), |curve| curve.check())?;
        self.policy.check(&self.ledger)
    }

    fn find_due(&self, due: Due) -> Option<Slot> {
        self.ledger.find(due.index).filter(|&slot| self.ledger.version(slot) == due.version)
    }

    fn insert(&mut self, write: Write, effects: &mut Vec<Effect>) {
        if !self.asked.take(write.index) {
            self.policy.miss(&self.ledger, write.index);
        }
        self.enter(write, effects);
    }

    /// Lets a newcomer in, if it may; where it lives then. The request that it answers has been told to the policy.
    fn enter(&mut self, write: Write, effects: &mut Vec<Effect>) -> Option<Slot> {
        if !self.make_room(write.index, write.cost, effects) {
            effects.push(Effect {
                index: write.index,
                version: write.version,
                cost: write.cost,
                verdict: Verdict::Rejected,
            });
            return None;
        }
        let slot = self.ledger.push(write.index, write.cost, write.version);
        self.policy.inserted(&self.ledger, slot);
        self.wheel.schedule(slot, write.deadline);
        self.asked.follow(self.ledger.len());
        Some(slot)
    }

    fn update(&mut self, slot: Slot, write: Write, effects: &mut Vec<Effect>) {
        if write.cost > self.ledger.max_cost() {
            // The budget was lowered after the store took the row.
            self.ledger.restate(slot, self.ledger.cost(slot), write.version);
            self.evict(slot, effects);
            if let Some(effect) = effects.last_mut() {
                effect.cost = write.cost;
            }
            return;
        }
        let slot = self.make_countable(slot, write.cost, effects);
        let old_cost = self.ledger.cost(slot);
        self.ledger.restate(slot, write.cost, write.version);
        if old_cost != write.cost {
            self.policy.recosted(&self.ledger, slot, old_cost);
        }
        self.policy.hit(&self.ledger, slot);
        self.wheel.schedule(slot, write.deadline);
        self.shed(Some(slot), effects);
    }
}

/// Reads whose memory is fetched ahead: few enough to be still in the nearest cache when their turn comes.
const BATCH: usize = 32;

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("policy", &self.policy.name())
            .field("entries", &self.ledger.len())
            .field("pinned", &self.pins.len())
            .field("used", &self.used())
            .field("max_cost", &self.max_cost)
            .finish_non_exhaustive()
    }
}
