//! Which rows of a shard are pinned, kept under the shard's lock, and the quota that all of them share.
//!
//! Beside the rows and not in them: a cache that pins nothing pays a comparison for a write or removal, and no byte. A pinned row costs some
//! twenty bytes here.

use super::Table;
use crate::sync::{Arc, AtomicU64, Ordering};
use std::num::NonZeroU64;

/// How much the pinned rows of all shards may cost together, and how much they do.
///
/// `taken` is raised *before* a row is pinned, by compare-and-swap against the limit, and lowered *after* it is pinned no more, both under the lock of the
/// row's shard: so whoever holds all of those finds the exact sum. `Ordering:` Relaxed. It is a number and publishes nothing; rows are
/// published by their shard's lock.
#[derive(Debug)]
pub(crate) struct Quota {
    /// The cost of all pinned rows. Writers: who pins, unpins, recosts or removes one.
    taken: AtomicU64,
    /// What `taken` may reach. Writers: the holder of the engine's mutex.
    limit: AtomicU64,
}

impl Quota {
    pub(crate) fn new(limit: u64) -> Self {
        Self { taken: AtomicU64::new(0), limit: AtomicU64::new(limit) }
    }

    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// What is not taken.
    pub(crate) fn left(&self) -> u64 {
        self.limit().saturating_sub(self.taken())
    }

    /// Sets `cost` aside, if so much is left. For nothing there is always room.
    pub(crate) fn try_reserve(&self, cost: u64) -> bool {
        if cost == 0 {
            return true;
        }
        let limit = self.limit();
        let raise = |taken: u64| taken.checked_add(cost).filter(|&raised| raised <= limit);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, raise).is_ok()
    }

    pub(crate) fn release(&self, cost: u64) {
        if cost > 0 {
            self.taken.fetch_sub(cost, Ordering::Relaxed);
        }
    }

    /// Sets another limit. Who lowers it sees to it that rows are unpinned.
    pub(crate) fn resize(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }
}

/// The pinned rows of one shard. What they cost is taken from the quota, and given back when they are pinned no more, whatever the reason.
pub(crate) struct Pins {
    pinned: Table<Pinned>,
    quota: Arc<Quota>,
}

struct Pinned {
    index: u64,
    cost: NonZeroU64,
}

impl Pins {
    pub(crate) fn new(quota: Arc<Quota>) -> Self {
        Self { pinned: Table::new(), quota }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.pinned.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.pinned.len()
    }

    /// Whether the row of an index is pinned.
    #[inline]
    pub(crate) fn has(&self, index: u64) -> bool {
        !self.is_empty() && self.cost_of(index) > 0
    }

    /// What the row of an index takes from the quota; 0 if it is not pinned.
    pub(crate) fn cost_of(&self, index: u64) -> u64 {
        let place = self.pinned.find(index, |pinned| pinned.index == index);
        place.map_or(0, |place| self.pinned.at(place).cost.get())
    }

    /// The row of an index is pinned from now on, or still, at a cost (what it takes more than before has been set aside), or is not.
    #[inline]
    pub(crate) fn set(&mut self, index: u64, cost: Option<u64>) {
        if cost.is_some() || !self.is_empty() {
            self.change(index, cost);
        }
    }

    /// The row of an index is gone.
    #[inline]
    pub(crate) fn forget(&mut self, index: u64) {
        self.set(index, None);
    }

    /// All rows are gone.
    pub(crate) fn clear(&mut self) {
        self.quota.release(self.cost());
        self.pinned = Table::new();
    }

    /// The indices of the pinned rows, in no particular order.
    pub(crate) fn indices(&self) -> impl Iterator<Item = u64> {
        self.pinned.iter().map(|pinned| pinned.index)
    }

    /// What they take from the quota together.
    pub(crate) fn cost(&self) -> u64 {
        self.pinned.iter().map(|pinned| pinned.cost.get()).sum()
    }

    #[cold]
    fn change(&mut self, index: u64, cost: Option<u64>) {
        let cost = cost.map(|cost| NonZeroU64::new(cost).expect("no entry is free"));
        match (self.pinned.find(index, |pinned| pinned.index == index), cost) {
            (None, None) => {}
            (None, Some(cost)) => {
                self.pinned.insert(index, Pinned { index, cost }, |pinned| pinned.index);
            }
            (Some(place), Some(cost)) => {
                let before = std::mem::replace(&mut self.pinned.at_mut(place).cost, cost);
                self.quota.release(before.get().saturating_sub(cost.get()));
            }
            (Some(place), None) => {
                let before = self.pinned.remove(place, index);
                self.pinned.shrink(|pinned| pinned.index);
                self.quota.release(before.cost.get());
            }
        }
    }

    /// Verifies the table, and that each has a row of that cost. For tests.
    pub(crate) fn check(&self, cost_of_row: impl Fn(u64) -> Option<u64>) -> Result<(), String> {
        self.pinned.check(|pinned| pinned.index)?;
        for pinned in self.pinned.iter() {
            let (index, found) = (pinned.index, cost_of_row(pinned.index));
            if found != Some(pinned.cost.get()) {
                return Err(format!("pins: row {index:#x} costs {found:?}, {} is set aside", pinned.cost));
            }
        }
        Ok(())
    }
}
