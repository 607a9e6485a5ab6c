//! Entries that are pinned: no policy decides on them.
//!
//! They have a ledger and a timer wheel of their own, and the policy's ledger has the budget that they leave. So no policy knows of pins: to it, an
//! entry that is pinned was removed, one that is unpinned came in, and the budget was changed in between.
//!
//! The shell sees to it that what is pinned in the store costs no more than the quota. The engine hears of the shards one after another: of a
//! pin that lives on the room of one that was undone it may hear before it hears of the undoing. For so long its pins cost more than the quota, and the
//! policy gives room for the quota only: nobody is evicted for room that is there.

use super::{Due, Effect, Engine, Ledger, Remembered, Slot, TimerWheel, Verdict, Write};
use crate::policy::{Departure, Keepsake};
use crate::store::slots;

/// The pinned entries.
pub(super) struct Pins {
    ledger: Ledger,
    wheel: TimerWheel,
    /// By slot: which pin it was, counted from the first.
    nth: Vec<u64>,
    next: u64,
}

/// What the engine knows of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) version: u32,
    pub(crate) cost: u64,
    pub(crate) is_scheduled: bool,
    pub(crate) is_pinned: bool,
}

impl Pins {
    pub(super) fn new() -> Self {
        Self { ledger: Ledger::new(u64::MAX), wheel: TimerWheel::new(), nth: Vec::new(), next: 0 }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.ledger.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.ledger.len()
    }

    /// What they cost.
    pub(super) fn used(&self) -> u64 {
        self.ledger.used()
    }

    /// The cost of an index; `None` if it is not pinned.
    pub(super) fn cost_of(&self, index: u64) -> Option<u64> {
        self.ledger.find(index).map(|slot| self.ledger.cost(slot))
    }

    /// The one that `due` names.
    fn find_due(&self, due: Due) -> Option<Slot> {
        self.ledger.find(due.index).filter(|&slot| self.ledger.version(slot) == due.version)
    }

    /// Pins an entry, or takes note of an update of one that is pinned: it stays as old a pin as it was.
    fn write(&mut self, write: Write) {
        let slot = match self.ledger.find(write.index) {
            Some(slot) => {
                self.ledger.restate(slot, write.cost, write.version);
                slot
            }
            None => {
                self.nth.push(self.next);
                self.next += 1;
                self.ledger.push(write.index, write.cost, write.version)
            }
        };
        self.wheel.schedule(slot, write.deadline);
    }

    fn remove(&mut self, slot: Slot) {
        self.wheel.removed(slot);
        self.nth.swap_remove(slot as usize);
        if let Some(from) = self.ledger.swap_remove(slot) {
            self.wheel.moved(from, slot);
        }
        self.wheel.follow(self.ledger.len());
        if let Some(capacity) = slots::another_capacity(self.nth.len(), self.nth.capacity()) {
            slots::set_capacity(&mut self.nth, capacity);
        }
    }

    pub(super) fn due(&mut self, now_ms: u64) -> Option<Due> {
        let slot = self.wheel.pop_due(now_ms)?;
        Some(Due { index: self.ledger.index(slot), version: self.ledger.version(slot) })
    }

    pub(super) fn next_due(&self) -> Option<u64> {
        self.wheel.next_due()
    }

    /// A new deadline for the one that `due` names, or for whatever version of its index there is.
    pub(super) fn postpone(&mut self, due: Due, deadline: Option<u64>) {
        if let Some(slot) = self.find_due(due) {
            self.wheel.schedule(slot, deadline);
        }
    }

    pub(super) fn reschedule(&mut self, index: u64, deadline: Option<u64>) {
        if let Some(slot) = self.ledger.find(index) {
            self.wheel.schedule(slot, deadline);
        }
    }

    /// The oldest pin first.
    fn by_age(&self) -> Vec<u64> {
        let mut slots: Vec<Slot> = (0..self.ledger.len() as Slot).collect();
        slots.sort_unstable_by_key(|&slot| self.nth[slot as usize]);
        slots.into_iter().map(|slot| self.ledger.index(slot)).collect()
    }

    pub(super) fn memory(&self) -> usize {
        self.ledger.memory() + self.wheel.memory() + self.nth.capacity() * size_of::<u64>()
    }

    pub(super) fn check(&self) -> Result<(), String> {
        self.ledger.check()?;
        self.wheel.check(self.ledger.len())?;
        if self.nth.len() != self.ledger.len() {
            return Err(format!("pins: {} are numbered of {}", self.nth.len(), self.ledger.len()));
        }
        Ok(())
    }
}

impl Engine {
    /// The same engine, in which pinned entries take at most `quota` of the policy's budget.
    pub fn with_pin_quota(mut self, quota: u64) -> Self {
        self.pin_quota = quota;
        self
    }

    /// The cost of the admitted entries and of the pinned ones.
    pub fn used(&self) -> u64 {
        self.ledger.used().saturating_add(self.pins.used())
    }

    /// The number of the admitted entries and of the pinned ones.
    pub fn len(&self) -> usize {
        self.ledger.len() + self.pins.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The indices of the pinned entries, the oldest pin first. O(n log n) in their number.
    pub fn pinned(&self) -> Vec<u64> {
        self.pins.by_age()
    }

    /// The most that an entry of that index may cost if it is not pinned.
    pub(crate) fn most_unpinned(&self, index: u64) -> u64 {
        let others = self.pins.used() - self.pins.cost_of(index).unwrap_or(0);
        self.max_cost - self.reserved_for(others)
    }

    /// What is known of an index.
    pub(crate) fn known(&self, index: u64) -> Option<Known> {
        let find = |ledger: &Ledger, wheel: &TimerWheel, is_pinned| {
            ledger.find(index).map(|slot| Known {
                version: ledger.version(slot),
                cost: ledger.cost(slot),
                is_scheduled: wheel.is_scheduled(slot),
                is_pinned,
            })
        };
        find(&self.ledger, &self.wheel, false).or_else(|| find(&self.pins.ledger, &self.pins.wheel, true))
    }

    /// Decides on a write of an entry that is, or is to be, pinned. False if it is neither: then nothing was done.
    #[cold]
    pub(super) fn write_pin(&mut self, write: Write, effects: &mut Vec<Effect>) -> bool {
        let pin = self.pins.ledger.find(write.index);
        if pin.is_none() && !write.pinned {
            return false;
        }
        let slot = self.ledger.find(write.index);
        if let Some(curve) = &mut self.curve {
            match pin.or(slot) {
                Some(_) => curve.hit(write.index, write.cost),
                None => curve.insert(write.index, write.cost),
            }
        }
        if write.pinned {
            slot.inspect(|&slot| self.forget(slot, Departure::Removed));
            self.asked.take(write.index);
            self.enter_pinned(write, effects);
        } else {
            pin.inspect(|&slot| self.pins.remove(slot));
            self.make_way(effects);
            self.enter_unasked(write, effects);
        }
        true
    }

    /// Takes a pinned entry in, or an update of one.
    pub(super) fn enter_pinned(&mut self, write: Write, effects: &mut Vec<Effect>) {
        self.pins.write(write);
        self.make_way(effects);
    }

    /// The pinned entry of an index, if there is one, is gone from the store.
    #[cold]
    pub(super) fn remove_pin(&mut self, index: u64) {
        if let Some(slot) = self.pins.ledger.find(index) {
            self.pins.remove(slot);
            self.fit_ledger();
        }
    }

    /// The same, if it is the one that `due` names.
    #[cold]
    pub(super) fn expire_pin(&mut self, due: Due) {
        if self.pins.find_due(due).is_some() {
            if let Some(curve) = &mut self.curve {
                curve.forget(due.index);
            }
            self.remove_pin(due.index);
        }
    }

    /// A read of what is not in the policy's ledger. Whether it is pinned.
    #[cold]
    pub(super) fn access_pin(&mut self, index: u64) -> bool {
        let cost = self.pins.cost_of(index);
        if let (Some(curve), Some(cost)) = (&mut self.curve, cost) {
            curve.hit(index, cost);
        }
        cost.is_some()
    }

    /// Gives the policy's ledger the budget that the pins leave.
    pub(super) fn fit_ledger(&mut self) {
        let max_cost = self.max_cost - self.reserved_for(self.pins.used());
        if max_cost != self.ledger.max_cost() {
            self.ledger.set_max_cost(max_cost);
            self.policy.resized(max_cost);
        }
    }

    /// What is taken from the policy's budget for pins that cost so much.
    fn reserved_for(&self, pinned: u64) -> u64 {
        pinned.min(self.pin_quota).min(self.max_cost)
    }

    /// The same, and evicts what no longer fits.
    fn make_way(&mut self, effects: &mut Vec<Effect>) {
        self.fit_ledger();
        self.shed(None, effects);
    }

    /// Lets an entry in that is resident already: nobody asks the policy, but for those who leave if it has grown.
    fn enter_unasked(&mut self, write: Write, effects: &mut Vec<Effect>) {
        let Write { index, version, cost, deadline, .. } = write;
        if cost > self.ledger.max_cost() {
            effects.push(Effect { index, version, cost, verdict: Verdict::Evicted });
            return;
        }
        let shortfall = self.ledger.shortfall(cost);
        if shortfall > 0 {
            self.victims.clear();
            self.policy.evict(&self.ledger, shortfall, None, &mut self.victims);
            self.evict_victims(shortfall, None, effects);
        }
        let slot = self.ledger.push(index, cost, version);
        self.policy.inserted(&self.ledger, slot);
        self.wheel.schedule(slot, deadline);
    }

    /// The pinned entries, as they are remembered: worth more than any other, and of no interest to the policy.
    pub(super) fn remember_pins(&self) -> impl Iterator<Item = Remembered> {
        let keepsake = Keepsake { worth: f32::INFINITY, note: 0 };
        self.pinned().into_iter().map(move |index| Remembered { index, keepsake })
    }

    pub(super) fn check_pins(&self) -> Result<(), String> {
        self.pins.check()?;
        let left = self.max_cost - self.reserved_for(self.pins.used());
        if self.ledger.max_cost() != left {
            return Err(format!("pins: they leave {left}, the ledger has {}", self.ledger.max_cost()));
        }
        match self.pinned().into_iter().find(|&index| self.ledger.find(index).is_some()) {
            Some(index) => Err(format!("pins: {index:#x} is pinned and known to the policy")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{PolicyConfig, PolicyKind};

    fn write(index: u64, cost: u64, pinned: bool) -> Write {
        Write { index, version: index as u32, cost, deadline: None, pinned }
    }

    /// The undoing of a pin and the pin that lives on its room come by two logs, in any order.
    #[test]
    fn pins_heard_of_too_early_evict_nobody() {
        let config =
            PolicyConfig { num_counters: 100, max_cost: 100, seed: 1, objective: Default::default() };
        let mut engine = Engine::new(PolicyKind::Lru, config).with_pin_quota(40);
        let mut effects = Vec::new();
        engine.write(write(1, 40, true), &mut effects);
        (2..8).for_each(|index| engine.write(write(index, 10, false), &mut effects));
        engine.write(write(8, 40, true), &mut effects);
        assert_eq!((effects.len(), engine.used(), engine.pinned()), (0, 140, vec![1, 8]));
        // Now there is one too many, as in the store.
        engine.write(write(1, 40, false), &mut effects);
        let mut evicted: Vec<_> = effects.iter().map(|effect| (effect.index, effect.verdict)).collect();
        evicted.sort_unstable_by_key(|&(index, _)| index);
        assert_eq!(evicted, [2, 3, 4, 5].map(|index| (index, Verdict::Evicted)));
        assert_eq!((engine.used(), engine.pinned()), (100, vec![8]));
        engine.check().unwrap();
    }

    #[test]
    fn a_pinned_entry_is_in_nobodys_way_when_it_is_rewritten() {
        let config =
            PolicyConfig { num_counters: 100, max_cost: 100, seed: 1, objective: Default::default() };
        let mut engine = Engine::new(PolicyKind::Lru, config).with_pin_quota(40);
        engine.write(write(1, 30, true), &mut Vec::new());
        assert_eq!((engine.most_unpinned(1), engine.most_unpinned(2)), (100, 70));
        engine.write(write(3, 10, true), &mut Vec::new());
        assert_eq!((engine.most_unpinned(1), engine.most_unpinned(2)), (90, 60));
    }

    /// As heard of too early, where 64 bits do not hold the sum.
    #[test]
    fn pins_heard_of_too_early_may_cost_more_than_a_budget_can() {
        let config =
            PolicyConfig { num_counters: 100, max_cost: u64::MAX, seed: 1, objective: Default::default() };
        let mut engine = Engine::new(PolicyKind::Lru, config).with_pin_quota(u64::MAX);
        let mut effects = Vec::new();
        (1..=2).for_each(|index| engine.write(write(index, 1 << 63, true), &mut effects));
        assert_eq!((engine.used(), engine.ledger().max_cost()), (u64::MAX, 0));
        engine.remove(1);
        assert_eq!((engine.used(), engine.pinned(), effects.len()), (1 << 63, vec![2], 0));
        engine.check().unwrap();
    }
}
