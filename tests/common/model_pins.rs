//! What the model of a cache knows of pins.

use super::{Pair, Present, World};
use tollgate::{InsertOptions, PinError};

impl World {
    /// Whether what was accepted is pinned.
    pub(super) fn expect_pin(
        &mut self,
        key: u8,
        options: InsertOptions,
        before: Option<Present>,
        had_room: bool,
        left_already: bool,
    ) {
        let was_pinned = before.is_some_and(|before| before.pinned);
        let is_pinned = self.cache.is_pinned(&Pair(key));
        if options.pinned || was_pinned && had_room {
            assert!(is_pinned && !left_already, "{}", self.context);
        } else if is_pinned {
            // What else was pinned may have expired on the way.
            assert!(was_pinned, "{}", self.context);
        }
        self.tally.pins_lost += u64::from(was_pinned && !is_pinned);
        if let Some(present) = self.present.get_mut(&key) {
            present.pinned = is_pinned;
        }
    }

    pub(super) fn pin(&mut self, key: u8) {
        let live = self.live(key);
        let has_room = live.is_some_and(|live| live.pinned || self.has_quota_for(key, live.cost));
        let pinned = self.cache.pin(&Pair(key));
        self.hear(None);
        match (pinned, live) {
            (Ok(found), None) => assert!(!found, "{}", self.context),
            (Ok(found), Some(live)) => {
                assert!(found, "{}", self.context);
                self.present.entry(key).and_modify(|present| present.pinned = true);
                assert!(self.pinned_cost() <= self.quota(), "{live:?}, {}", self.context);
            }
            (Err(error), live) => {
                assert!(!has_room, "{error}: {}", self.context);
                let (cost, left) = (live.unwrap().cost, self.quota().saturating_sub(self.pinned_cost()));
                assert_eq!(error, PinError::QuotaExceeded { cost, left }, "{}", self.context);
                self.tally.pins_refused += 1;
            }
        }
    }

    pub(super) fn unpin(&mut self, key: u8) {
        let live = self.live(key);
        // Before the call: in an inline cache, the policy may evict it at once.
        self.present.entry(key).and_modify(|present| present.pinned &= live.is_none());
        let unpinned = self.cache.unpin(&Pair(key));
        assert_eq!(unpinned, live.is_some_and(|live| live.pinned), "{}", self.context);
        self.hear(None);
    }

    pub(super) fn set_max_cost(&mut self, max_cost: u64) {
        if self.pinned().any(|(key, _)| self.live(key).is_none()) {
            // Nobody can be asked whether what has expired is pinned.
            self.cache.run_pending();
            self.settled();
        }
        let pinned: Vec<u8> = self.pinned().map(|(key, _)| key).collect();
        let before = self.pinned_cost();
        self.cache.set_max_cost(max_cost);
        self.config.max_cost = max_cost;
        let lost = self.cache.stats().pins_lost - self.tally.pins_lost;
        assert_eq!(lost > 0, before > self.quota(), "{}", self.context);
        self.tally.pins_lost += lost;
        // Whose pin was undone may have left since, like any other.
        for key in pinned {
            let is_pinned = self.cache.is_pinned(&Pair(key));
            self.present.entry(key).and_modify(|present| present.pinned = is_pinned);
        }
        self.hear(None);
        assert!(self.cost() <= max_cost.saturating_add(self.cache.slack()), "{}", self.context);
    }

    pub(super) fn quota(&self) -> u64 {
        self.config.pin_quota.min(self.config.max_cost)
    }

    pub(super) fn pinned(&self) -> impl Iterator<Item = (u8, Present)> {
        self.present.iter().filter(|(_, present)| present.pinned).map(|(&key, &present)| (key, present))
    }

    pub(super) fn pinned_cost(&self) -> u64 {
        self.pinned().map(|(_, present)| present.cost).sum()
    }

    /// What the entry that gives way to a key, if it is pinned, takes from the quota.
    pub(super) fn held(&self, key: u8) -> u64 {
        let gives_way = |other: u8| Pair(other).index() == Pair(key).index();
        self.pinned().filter(|&(other, _)| gives_way(other)).map(|(_, present)| present.cost).sum()
    }

    pub(super) fn has_quota_for(&self, key: u8, cost: u64) -> bool {
        cost <= self.held(key) || self.pinned_cost() - self.held(key) + cost <= self.quota()
    }
}
