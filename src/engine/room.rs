//! Who leaves: room for a newcomer, for an entry that has grown, for a lowered budget.
//!
//! The policy names the victims; the engine sees to it that they are enough, whatever the policy says.

use super::{Effect, Engine, Slot, Verdict};
use crate::policy::{Admission, Candidate, Departure};
use crate::store::slots;

impl Engine {
    /// Whether the newcomer may come in; if so, it fits now.
    pub(super) fn make_room(&mut self, index: u64, cost: u64, effects: &mut Vec<Effect>) -> bool {
        if cost > self.ledger.max_cost() {
            return false;
        }
        let shortfall = self.ledger.shortfall(cost);
        if shortfall == 0 {
            return true;
        }
        self.victims.clear();
        let candidate = Candidate { index, cost, shortfall };
        match self.policy.admit(&self.ledger, candidate, &mut self.victims) {
            Admission::Reject => false,
            Admission::Admit => {
                self.evict_victims(shortfall, None, effects);
                true
            }
        }
    }

    /// Sees to it that the sum of the costs is a number of 64 bits even while an entry has grown and nobody has left
    /// for it yet. Only where the budget nears 2^64 does anybody leave here. Returns where the entry lives now.
    pub(super) fn make_countable(&mut self, slot: Slot, cost: u64, effects: &mut Vec<Effect>) -> Slot {
        let excess = self.ledger.excess(slot, cost);
        if excess == 0 {
            return slot;
        }
        self.victims.clear();
        self.policy.evict(&self.ledger, excess, Some(slot), &mut self.victims);
        self.evict_victims(excess, Some(slot), effects).expect("what is kept is still there")
    }

    /// Evicts until the budget holds.
    pub(super) fn shed(&mut self, keep: Option<Slot>, effects: &mut Vec<Effect>) {
        let shortfall = self.ledger.shortfall(0);
        if shortfall == 0 {
            return;
        }
        self.victims.clear();
        self.policy.evict(&self.ledger, shortfall, keep, &mut self.victims);
        self.evict_victims(shortfall, keep, effects);
    }

    /// Evicts what the policy named. A policy is replaceable and may be wrong; the budget may not: slots
    /// out of range, repeated or protected are ignored, and what is missing is taken from the end.
    /// Returns where `keep` lives afterwards.
    pub(super) fn evict_victims(
        &mut self,
        shortfall: u64,
        keep: Option<Slot>,
        effects: &mut Vec<Effect>,
    ) -> Option<Slot> {
        let mut victims = std::mem::take(&mut self.victims);
        let target = self.ledger.used().saturating_sub(shortfall);
        // From the highest slot down, a swap-remove never moves a victim that is still to come.
        victims.sort_unstable_by(|a, b| b.cmp(a));
        victims.dedup();
        let mut keep = keep;
        for &slot in &victims {
            if (slot as usize) < self.ledger.len() && Some(slot) != keep {
                keep = self.evict_beside(slot, keep, effects);
            }
        }
        victims.clear();
        slots::slim(&mut victims);
        self.victims = victims;
        while self.ledger.used() > target {
            let last = (self.ledger.len() - 1) as Slot;
            let slot = if Some(last) == keep { last - 1 } else { last };
            keep = self.evict_beside(slot, keep, effects);
        }
        keep
    }

    /// Evicts `slot` and returns where `keep` lives afterwards.
    fn evict_beside(&mut self, slot: Slot, keep: Option<Slot>, effects: &mut Vec<Effect>) -> Option<Slot> {
        let last = (self.ledger.len() - 1) as Slot;
        self.evict(slot, effects);
        if keep == Some(last) { Some(slot) } else { keep }
    }

    pub(super) fn evict(&mut self, slot: Slot, effects: &mut Vec<Effect>) {
        effects.push(Effect {
            index: self.ledger.index(slot),
            version: self.ledger.version(slot),
            cost: self.ledger.cost(slot),
            verdict: Verdict::Evicted,
        });
        self.forget(slot, Departure::Evicted);
    }

    pub(super) fn forget(&mut self, slot: Slot, why: Departure) {
        self.policy.removed(&self.ledger, slot, why);
        self.wheel.removed(slot);
        if let Some(from) = self.ledger.swap_remove(slot) {
            self.policy.moved(from, slot);
            self.wheel.moved(from, slot);
        }
        self.wheel.follow(self.ledger.len());
    }
}
