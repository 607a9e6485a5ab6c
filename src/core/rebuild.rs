//! Starting over after the policy has panicked.

use super::deliver::Departed;
use super::{Core, Count, Decisions};
use crate::contain::contain;
use crate::engine::Engine;
use crate::policy::{PolicyConfig, PolicyKind};
use crate::ring::log::Write;

impl<V> Core<V> {
    /// The policy panicked half-way: what it knew cannot be trusted. Starts over with the default policy, and
    /// lets every row of the store ask for admission again, so that the budget and the agreement of store and ledger
    /// hold as before.
    #[cold]
    pub(super) fn rebuild(&self, decisions: &mut Decisions, departed: &mut Vec<Departed<V>>) {
        self.count(Count::PolicyPanics, 1);
        let max_cost = self.budget.max_cost();
        let num_counters = decisions.engine.len().saturating_mul(10).max(10);
        let (seed, objective) = (self.settings.seed, self.settings.objective);
        let config = PolicyConfig { num_counters, max_cost, seed, objective };
        let new = Engine::new(PolicyKind::default(), config).with_pin_quota(self.settings.pin_quota);
        let mut old = std::mem::replace(&mut decisions.engine, new);
        // Nothing of the user's may run from here on that could panic again. Without births, no victim asks for the time.
        let now = self.now_or(decisions.latest);
        decisions.births.clear();
        decisions.effects.clear();
        decisions.commands.clear();
        // A panic in the midst of lowering the budget: who pins by the old quota holds its shard's lock until it is done.
        (0..self.store.shards()).for_each(|number| drop(self.store.write(number)));
        self.undo_pins(&old.pinned(), now);
        for number in 0..self.store.shards() {
            {
                let mut shard = self.store.write(number);
                self.store.dirty().unmark(number);
                shard.swap_log(&mut decisions.commands);
                decisions.commands.clear();
                for row in shard.rows() {
                    let deadline = row.expiry(self.settings.idle, 0, || now);
                    let write = Write {
                        index: row.index,
                        version: row.version(),
                        cost: row.cost(),
                        deadline,
                        pinned: shard.pins.has(row.index),
                    };
                    decisions.engine.write(write, &mut decisions.effects);
                }
            }
            self.carry_out(decisions, departed);
        }
        // Not before: that rows ask again is no request of anybody's.
        old.hand_curve_to(&mut decisions.engine);
        // The policy's destructor is the user's, too.
        contain(|| drop(old));
    }
}
