//! Entries that the policy may not touch.

use super::Cache;
use crate::error::PinError;
use crate::key::KeyHasher;
use std::borrow::Borrow;
use std::hash::Hash;

/// # Pins
///
/// A pinned entry is never evicted: the policy does not know of it. It counts towards the budget like any other, and pinned entries may together
/// cost at most the [quota](crate::Builder::pin_quota). For what every request needs and no statistics have to prove, like the index and filter blocks of a
/// store.
///
/// A pin belongs to an entry, not to its key. An update keeps it; `remove`, `retain`, `remove_tag`, `clear` and a time to live that is over end it with the entry, and what is inserted
/// afterwards is not pinned unless it says so ([`InsertOptions::pinned`](crate::InsertOptions::pinned), [`Loaded::pinned`](crate::Loaded::pinned)). The cache undoes
/// a pin in two cases, and [counts](crate::Stats::pins_lost) them; the entry is then like any other:
///
/// - An update is too large for what is left of the quota. The new value is taken.
/// - [`set_max_cost`](Self::set_max_cost) lowers the budget below the quota. The oldest pins are undone, until the others fit. The quota is as it was when the
///   budget is. A [shared budget](crate::Builder::shared_budget) leaves a member the room for what is pinned; but for a pin that is set while the share is being lowered it may be too late.
///
/// Where a larger value of a pinned entry finds no room, [`compute`](Self::compute) takes the old one out before room is made: others may find none in between. Until maintenance reclaims it, an entry whose time is over takes its part of
/// the quota.
///
/// A pin takes some fifty bytes, which are not charged, and nothing in a cache that has none. The policy hears of no read of a pinned
/// entry: one that is unpinned is as good as new to it.
impl<K: ?Sized, V: Send + Sync + 'static, S: KeyHasher> Cache<K, V, S> {
    /// Pins a live entry: it stays until it is unpinned or removed, or its time is over. False if there is none. Without effect on one that is pinned
    /// already. O(1). Leaves no trace: no statistics of reads, no recency.
    ///
    /// # Errors
    /// If the quota has no room for it. Nothing has changed then.
    ///
    /// ```
    /// use tollgate::Cache;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let blocks: Cache<u64, Vec<u8>> = Cache::builder(1_000, 10_000).pin_quota(1_000).build()?;
    /// blocks.insert(0, vec![0; 600], 600);
    /// assert_eq!(blocks.pin(&0), Ok(true));
    /// assert_eq!(blocks.pin(&1), Ok(false)); // there is no such entry
    /// blocks.insert(1, vec![0; 600], 600);
    /// assert!(blocks.pin(&1).is_err()); // 400 are left
    /// assert!(blocks.unpin(&0));
    /// assert_eq!(blocks.pin(&1), Ok(true));
    /// # Ok(())
    /// # }
    /// ```
    pub fn pin<Q>(&self, key: &Q) -> Result<bool, PinError>
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
    {
        self.core.pin(self.hasher.hash_key(key))
    }

    /// Lets the policy decide on an entry again; it does not leave at once if it need not. Returns whether there was a live entry that was pinned. O(1).
    pub fn unpin<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
    {
        self.core.unpin(self.hasher.hash_key(key))
    }

    /// Whether there is a live entry that is pinned. Leaves no trace.
    pub fn is_pinned<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
    {
        self.core.is_pinned(self.hasher.hash_key(key))
    }
}
