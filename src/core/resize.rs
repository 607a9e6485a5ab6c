//! Another budget, while the cache works.

use super::Core;
use crate::contain::contain;
use crate::trace;

impl<V> Core<V> {
    /// Changes the budget, or of a member the most that its share may come to; what no longer fits is gone when this returns.
    pub(crate) fn set_max_cost(&self, max_cost: u64) {
        let max_cost = max_cost.max(1);
        let span = trace::resize(self.name(), max_cost);
        let _entered = span.enter();
        match self.share.get() {
            Some(share) => share.set_max_cost(max_cost),
            None => self.resize(max_cost),
        }
    }

    /// The same, whatever a shared budget says. `max_cost` is not 0.
    pub(super) fn resize(&self, max_cost: u64) {
        // The clock is the user's. If it panics, that is none of the business of who divides a shared budget: the time of the last turn
        // will do.
        let now = contain(|| self.time_to_touch());
        self.decide(|decisions, departed| {
            self.budget.resize(max_cost, self.settings.slack.of(max_cost));
            self.store.quota().resize(self.pin_limit(max_cost));
            // A writer that read the old limit holds its shard's lock until its command is logged: after one
            // pass over every shard, all further writes have seen the new limit.
            for number in 0..self.store.shards() {
                self.settle_shard(decisions, number, departed);
            }
            if self.store.quota().taken() > self.store.quota().limit() {
                self.undo_pins(&decisions.engine.pinned(), now.unwrap_or(decisions.latest));
                self.settle_all(decisions, departed);
            }
            decisions.engine.set_max_cost(max_cost, &mut decisions.effects);
            self.carry_out(decisions, departed);
            // An eviction whose row was rewritten meanwhile took no effect; its command is pending now.
            while self.budget.occupied() > max_cost.saturating_add(self.budget.slack())
                && self.store.dirty().any()
            {
                self.settle_all(decisions, departed);
            }
        });
    }
}
