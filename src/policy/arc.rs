//! ARC: recency and frequency trade places by what their ghosts say.
//!
//! Megiddo, Modha: "ARC: a self-tuning, low overhead replacement cache", FAST 2003. `recent` (T1) holds
//! entries seen once lately, `frequent` (T2) those seen twice, both LRU; each has ghosts (B1, B2). A ghost
//! of `recent` that is asked for says that `recent` is too small and raises its target, a ghost of
//! `frequent` lowers it. Victims come from `recent` while it is above the target.
//!
//! As published; every count is a cost: the target moves by the cost of the returning entry times the
//! ratio of the ghost queues (at least 1), `recent` and its ghosts stand for at most the budget, all
//! four for at most twice the budget. The published case "`recent` fills the cache and has no ghosts:
//! delete without a ghost" needs no code: the victim becomes a ghost and is forgotten at once.

use super::ghost_queue::{GhostLimits, GhostQueue};
use super::queues::Queues;
use super::{Admission, Candidate, Departure, Ledger, Parameter, Policy, PolicyConfig, Slot};

/// Adaptive replacement cache.
#[derive(Debug, Default)]
pub struct Arc {
    queues: Queues<2>,
    /// The ghosts of each queue.
    ghosts: [GhostQueue; 2],
    /// The cost that `recent` should have.
    target: f64,
    /// The candidate last admitted, if it was a ghost.
    returning: Option<u64>,
}

impl Arc {
    /// Empty queues.
    pub fn new(_config: &PolicyConfig) -> Self {
        Self::default()
    }

    /// Moves the target if `index` is a ghost, which it is no longer. Returns whose ghost it was.
    fn recall(&mut self, ledger: &Ledger, index: u64, cost: u64) -> Option<usize> {
        let own = (0..2).find(|&queue| self.ghosts[queue].contains(index))?;
        let ratio = self.ghosts[1 - own].cost() as f64 / self.ghosts[own].cost() as f64;
        let step = cost as f64 * ratio.max(1.0);
        self.target = match own {
            RECENT => (self.target + step).min(ledger.max_cost() as f64),
            _ => (self.target - step).max(0.0),
        };
        self.ghosts[own].take(index);
        Some(own)
    }

    /// `tie` says whether `recent` gives way when it is exactly at its target.
    fn take(&self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, tie: bool, victims: &mut Vec<Slot>) {
        let mut order = [RECENT, FREQUENT]
            .map(|queue| self.queues.oldest_first(queue).filter(|&slot| Some(slot) != keep).peekable());
        let mut recent_cost = self.queues.cost(RECENT);
        let mut freed = 0;
        while freed < shortfall {
            let excess = recent_cost as f64 - self.target;
            let above = excess > 0.0 || (tie && excess == 0.0);
            let recent = order[FREQUENT].peek().is_none() || (above && order[RECENT].peek().is_some());
            let Some(slot) = order[if recent { RECENT } else { FREQUENT }].next() else { break };
            freed += ledger.cost(slot);
            if recent {
                recent_cost -= ledger.cost(slot);
            }
            victims.push(slot);
        }
    }

    /// Forgets the ghosts that the directory has no place for.
    fn trim(&mut self, ledger: &Ledger) {
        let limits = self.limits(ledger);
        for (ghosts, limits) in self.ghosts.iter_mut().zip(limits) {
            ghosts.trim(limits);
        }
    }

    fn limits(&self, ledger: &Ledger) -> [GhostLimits; 2] {
        let budget = ledger.max_cost();
        let recent = budget.saturating_sub(self.queues.cost(RECENT));
        let known = ledger.used().saturating_add(self.ghosts[RECENT].cost().min(recent));
        let frequent = budget.saturating_mul(2).saturating_sub(known);
        [recent, frequent].map(|cost| GhostLimits::beside(ledger, cost))
    }
}

impl Policy for Arc {
    fn name(&self) -> &'static str {
        "arc"
    }

    fn hit(&mut self, ledger: &Ledger, slot: Slot) {
        self.queues.shift(ledger, slot, FREQUENT);
    }

    fn miss(&mut self, _ledger: &Ledger, _index: u64) {}

    fn admit(&mut self, ledger: &Ledger, candidate: Candidate, victims: &mut Vec<Slot>) -> Admission {
        let ghost_of = self.recall(ledger, candidate.index, candidate.cost);
        self.returning = ghost_of.map(|_| candidate.index);
        self.take(ledger, candidate.shortfall, None, ghost_of == Some(FREQUENT), victims);
        Admission::Admit
    }

    fn evict(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        self.take(ledger, shortfall, keep, false, victims);
    }

    fn inserted(&mut self, ledger: &Ledger, slot: Slot) {
        let (index, cost) = (ledger.index(slot), ledger.cost(slot));
        let returns = self.returning.take() == Some(index) || self.recall(ledger, index, cost).is_some();
        self.queues.enter(ledger, slot, if returns { FREQUENT } else { RECENT });
        self.trim(ledger);
    }

    fn removed(&mut self, ledger: &Ledger, slot: Slot, why: Departure) {
        let queue = self.queues.leave(ledger, slot);
        if why == Departure::Evicted {
            // Bounded loosely here and exactly when the newcomer is in.
            let limits = GhostLimits::beside(ledger, ledger.max_cost().saturating_mul(2));
            self.ghosts[queue].push(ledger.index(slot), ledger.cost(slot), limits);
        }
    }

    fn moved(&mut self, from: Slot, to: Slot) {
        self.queues.relocate(from, to);
    }

    fn recosted(&mut self, ledger: &Ledger, slot: Slot, old_cost: u64) {
        self.queues.recost(ledger, slot, old_cost);
    }

    fn resized(&mut self, max_cost: u64) {
        self.target = self.target.min(max_cost as f64);
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![("target_recent_cost", self.target)]
    }

    fn memory(&self) -> usize {
        self.queues.memory() + self.ghosts.iter().map(GhostQueue::memory).sum::<usize>()
    }

    fn check(&self, ledger: &Ledger) -> Result<(), String> {
        if !(0.0..=ledger.max_cost() as f64).contains(&self.target) {
            return Err(format!("arc: the target is {} of {}", self.target, ledger.max_cost()));
        }
        self.queues.check(ledger)?;
        self.ghosts.iter().try_for_each(|ghosts| ghosts.check(ledger))
    }
}

const RECENT: usize = 0;
const FREQUENT: usize = 1;
