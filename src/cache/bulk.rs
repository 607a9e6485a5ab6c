//! Many keys at once, and all of them.

use super::{Cache, Inserted};
use crate::core::{Core, Lifetime, Pinning, Request};
use crate::error::InsertError;
use crate::key::{AsKey, KeyHash, KeyHasher};
use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::iter::FusedIterator;
use std::vec;

/// # Many keys at once
///
/// These take the lock of a shard once for all keys that it guards (writers: once for up to 64 of them). Answers are in the order of
/// the keys. A batch is not atomic: others may come between two of its keys, but equal keys are treated in the order given.
impl<K: ?Sized, V: Send + Sync + 'static, S: KeyHasher> Cache<K, V, S> {
    /// The values of keys, as by [`get`](Self::get) for each: cloned under the shared lock of a shard. O(n log n) for `n` keys.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache: tollgate::Cache<str, u64> = tollgate::Cache::new(1_000, 100)?;
    /// let refused = cache.insert_many([("one", 1, 1), ("two", 2, 1)]).into_iter().filter(Result::is_err).count();
    /// assert_eq!(refused, 0);
    /// assert_eq!(cache.get_many(["two", "three", "one"]), [Some(2), None, Some(1)]);
    /// assert_eq!(cache.remove_many(["one", "one"]), [Some(1), None]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_many<'q, Q>(&self, keys: impl IntoIterator<Item = &'q Q>) -> Vec<Option<V>>
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized + 'q,
        V: Clone,
    {
        self.core.get_many(&self.hashes(keys))
    }

    /// Inserts or replaces, as by [`try_insert`](Self::try_insert) for each key, value and cost. O(n log n) for `n` items, which
    /// are all held in memory; [`extend`](Extend::extend) takes any number.
    ///
    /// # Panics
    /// If the weigher does: nothing is inserted then. If `replace_if` does: what came before stays inserted.
    pub fn insert_many<Q: AsKey<K>>(
        &self,
        items: impl IntoIterator<Item = (Q, V, u64)>,
    ) -> Vec<Result<Inserted, InsertError<V>>> {
        let items = items.into_iter().map(|(key, value, cost)| {
            let key = key.key_hash(&self.hasher);
            let lifetime = Lifetime::Default;
            let pinning = Pinning::Kept;
            (Request { key, cost, lifetime, only_present: false, tag: None, pinning, flight: None }, value)
        });
        let answers = self.core.insert_many(items.collect()).into_iter();
        answers
            .map(|answer| answer.map(|updated| if updated { Inserted::Replaced } else { Inserted::New }))
            .collect()
    }

    /// Removes entries and hands their values back, as by [`remove`](Self::remove) for each. O(n log n) for `n` keys.
    pub fn remove_many<'q, Q>(&self, keys: impl IntoIterator<Item = &'q Q>) -> Vec<Option<V>>
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized + 'q,
    {
        self.core.remove_many(&self.hashes(keys))
    }

    /// All live entries, shard by shard, as they are when the iterator comes to their shard.
    ///
    /// # Consistency
    /// An entry that is there from the first to the last step is yielded exactly once. One that is inserted, replaced or removed meanwhile
    /// may be yielded or not, in its old or its new state, but no key is yielded twice. The entries of one shard are of one
    /// moment; those of two shards are not.
    ///
    /// # Blocking
    /// Values are cloned under the shared lock of their shard: keep `Clone` cheap, and do not call the cache from it. Between two steps no
    /// lock is held: the loop may do with the cache what it likes. Leaves no trace: no statistics, no recency, no frequency.
    ///
    /// The iterator holds the clones of one shard at a time: about a 32nd to a 256th of the entries.
    pub fn iter(&self) -> Iter<'_, V>
    where
        V: Clone,
    {
        Iter { core: &self.core, next_shard: 0, entries: Vec::new().into_iter() }
    }

    pub(super) fn hashes<'q, Q: Hash + ?Sized + 'q>(
        &self,
        keys: impl IntoIterator<Item = &'q Q>,
    ) -> Vec<KeyHash> {
        keys.into_iter().map(|key| self.hasher.hash_key(key)).collect()
    }
}

/// The live entries of a cache; see [`Cache::iter`].
#[must_use = "an iterator does nothing unless it is asked"]
pub struct Iter<'a, V> {
    core: &'a Core<V>,
    next_shard: usize,
    /// Of the shard before `next_shard`.
    entries: vec::IntoIter<(KeyHash, V)>,
}

impl<V: Clone> Iterator for Iter<'_, V> {
    type Item = (KeyHash, V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Some(entry);
            }
            if self.next_shard == self.core.shards() {
                return None;
            }
            let mut entries = Vec::new();
            self.next_shard += 1;
            self.core.copy_shard(self.next_shard - 1, &mut entries);
            self.entries = entries.into_iter();
        }
    }
}

impl<V: Clone> FusedIterator for Iter<'_, V> {}

/// Prints where it is, never a value.
impl<V> fmt::Debug for Iter<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").field("next_shard", &self.next_shard).finish_non_exhaustive()
    }
}

impl<'a, K: ?Sized, V: Clone + Send + Sync + 'static, S: KeyHasher> IntoIterator for &'a Cache<K, V, S> {
    type Item = (KeyHash, V);
    type IntoIter = Iter<'a, V>;

    fn into_iter(self) -> Iter<'a, V> {
        self.iter()
    }
}

/// Inserts keys and values at the cost that the weigher says, or 1. What is not taken is dropped.
impl<Q: AsKey<K>, K: ?Sized, V: Send + Sync + 'static, S: KeyHasher> Extend<(Q, V)> for Cache<K, V, S> {
    fn extend<I: IntoIterator<Item = (Q, V)>>(&mut self, items: I) {
        self.extend(items.into_iter().map(|(key, value)| (key, value, 0)));
    }
}

/// Inserts keys and values at the costs given. What is not taken is dropped.
impl<Q: AsKey<K>, K: ?Sized, V: Send + Sync + 'static, S: KeyHasher> Extend<(Q, V, u64)> for Cache<K, V, S> {
    fn extend<I: IntoIterator<Item = (Q, V, u64)>>(&mut self, items: I) {
        let mut items = items.into_iter().peekable();
        while items.peek().is_some() {
            self.insert_many(items.by_ref().take(AT_ONCE));
        }
    }
}

/// How many items `extend` holds in memory.
const AT_ONCE: usize = 1024;
