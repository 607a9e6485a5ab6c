//! A cache as a member of a shared budget; see [`share`](crate::share).
//!
//! Its share bounds all that it holds, slack included: `max_cost` is the largest whose slack fits as well.

use super::{Core, Maintenance, Slack, in_callback};
use crate::share::{Member, SharedBudget};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Slack {
    /// What a cache with that budget may hold.
    fn share_for(self, max_cost: u64) -> u64 {
        max_cost.saturating_add(self.of(max_cost))
    }

    /// The largest budget of a cache that may hold so much; at least 1.
    fn max_cost_in(self, share: u64) -> u64 {
        let max_cost = match self {
            Self::Fixed(slack) => share.saturating_sub(slack),
            Self::Share => {
                let near = (u128::from(share) * 64 / 65) as u64;
                // Not `share_for`, which saturates: everything would fit into the largest share.
                let fits = |&max_cost: &u64| self.of(max_cost) <= share - max_cost;
                (near..share).take_while(fits).last().unwrap_or(0)
            }
        };
        max_cost.max(1)
    }

    /// The smallest share with which the store keeps within it.
    fn least_share(self) -> u64 {
        self.share_for(1)
    }
}

impl<V: Send + Sync + 'static> Core<V> {
    /// Becomes a member, that may get a budget of `max_cost` at the most. False if there is no room for another one.
    pub(crate) fn join(self: &Arc<Self>, budget: &SharedBudget, weight: u32, max_cost: u64) -> bool {
        let member = budget.join(Arc::clone(self) as Arc<dyn Member>, weight, max_cost);
        member.is_some_and(|membership| self.share.set(membership).is_ok())
    }
}

impl<V> Core<V> {
    /// The cache holds nothing any more, and needs no share.
    pub(crate) fn leave(&self) {
        if let Some(share) = self.share.get() {
            share.leave();
        }
    }

    /// An entry left or did not come in for want of room.
    #[inline]
    pub(super) fn note_need(&self) {
        if self.share.get().is_some() {
            self.turned_away.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A turn of maintenance has ended, and no lock of ours is taken by it. Where there is a processor, it is left to that to divide: the caller may be
    /// at work in a closure that runs under a lock of another member. Nor does a thread divide that delivers or defers: the callbacks of another
    /// member would wait for what it is in the middle of. The next turn does.
    #[inline]
    pub(super) fn turned(&self) {
        if let Some(share) = self.share.get() {
            match self.settings.maintenance {
                Maintenance::Thread if share.is_due() => self.bell.ring(),
                Maintenance::Thread => {}
                Maintenance::Inline | Maintenance::Manual if in_callback() => {}
                Maintenance::Inline | Maintenance::Manual => share.turned(),
            }
        }
    }

    /// The processor has run a turn.
    pub(super) fn visited(&self) {
        if let Some(share) = self.share.get() {
            share.turned();
        }
    }
}

impl<V: Send + Sync> Member for Core<V> {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn held(&self) -> u64 {
        self.budget.occupied()
    }

    fn pinned(&self) -> u64 {
        self.store.quota().taken()
    }

    fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }

    fn least(&self) -> u64 {
        self.settings.slack.least_share()
    }

    fn share_for(&self, max_cost: u64) -> u64 {
        self.settings.slack.share_for(max_cost)
    }

    fn resize(&self, share: u64) {
        self.deferring(|| Core::resize(self, self.settings.slack.max_cost_in(share)));
    }

    fn deliver(&self) {
        if self.has_deferred() {
            Core::deliver(self, Vec::new(), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_largest_share_is_like_any() {
        for share in [u64::MAX, u64::MAX - 1] {
            let max_cost = Slack::Share.max_cost_in(share);
            assert!(max_cost + max_cost / 64 <= share && share - (max_cost + max_cost / 64) <= 1);
        }
    }

    proptest! {
        #[test]
        fn a_budget_and_its_slack_fill_the_share(share in 2..u64::MAX, shift in 0..63_u32, fixed in 0..1000_u64) {
            let share = (share >> shift).max(2);
            for slack in [Slack::Share, Slack::Fixed(fixed)] {
                let max_cost = slack.max_cost_in(share);
                prop_assert!(slack.share_for(max_cost) <= share.max(slack.least_share()));
                if share >= slack.least_share() {
                    prop_assert!(slack.share_for(max_cost + 1) > share, "{max_cost} of {share}");
                }
            }
        }
    }
}
