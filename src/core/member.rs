//! A cache as a member of a shared budget; see [`share`](crate::share).
//!
//! Its share bounds all that it holds, slack included: `max_cost` is the largest whose slack fits as well.

use super::{Core, Slack};
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
                (near..share).take_while(|&max_cost| self.share_for(max_cost) <= share).last().unwrap_or(0)
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

    /// A turn of maintenance has ended, and no lock is held.
    #[inline]
    pub(super) fn turned(&self) {
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
            Core::deliver(self, Vec::new());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
