//! Groups of entries.

use super::Cache;
use crate::key::KeyHasher;
use crate::store::Tag;
use std::borrow::Borrow;
use std::hash::Hash;

/// # Tags
///
/// An entry may have a [`Tag`]: it belongs to a group that is removed with one call. An insert gives it one
/// ([`InsertOptions::tag`](crate::InsertOptions::tag)), or a load ([`Loaded::tag`](crate::Loaded::tag)), or [`set_tag`](Self::set_tag). A write
/// that says no tag leaves the entry without one; only `insert_if_present`, `update` and a `compute` that puts nothing keep it.
///
/// Tags take about fifty bytes for each tagged entry, which are not charged, and nothing in a cache that uses none. They are saved in
/// snapshots (feature `persist`).
impl<K: ?Sized, V: Send + Sync + 'static, S: KeyHasher> Cache<K, V, S> {
    /// Removes every entry with that tag, shard by shard; the listener hears of each. Returns how many there were. Loads that are under way and
    /// bring a value with that tag insert nothing: it may be older than this call. Entries that are inserted
    /// meanwhile may or may not stay.
    ///
    /// O(entries with the tag), and a lock for each shard (32 to 256).
    ///
    /// ```
    /// use tollgate::{Cache, InsertOptions, Tag};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let pages: Cache<str, String> = Cache::new(1_000, 100)?;
    /// let of_anna = InsertOptions { tag: Some(Tag(7)), ..Default::default() };
    /// pages.try_insert_with("anna/inbox", "3 letters".into(), 1, of_anna)?;
    /// pages.try_insert_with("anna/photo", "none".into(), 1, of_anna)?;
    /// pages.insert("news", "none".into(), 1);
    /// assert_eq!(pages.remove_tag(Tag(7)), 2);
    /// assert_eq!((pages.get("anna/inbox"), pages.contains_key("news")), (None, true));
    /// # Ok(())
    /// # }
    /// ```
    pub fn remove_tag(&self, tag: Tag) -> usize {
        self.core.remove_tag(tag)
    }

    /// Gives a live entry another tag, or none; returns whether there is one. A load of the key that is under way is overtaken. O(1).
    pub fn set_tag<Q>(&self, key: &Q, tag: Option<Tag>) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
    {
        self.core.set_tag(self.hasher.hash_key(key), tag)
    }

    /// The tag of a live entry. Leaves no trace.
    pub fn tag<Q>(&self, key: &Q) -> Option<Tag>
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
    {
        self.core.tag(self.hasher.hash_key(key))
    }
}
