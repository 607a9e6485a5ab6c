//! What a listener hears.

use crate::key::KeyHash;
use std::fmt;

/// Why an entry left the cache. Every departure has exactly one cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It was admitted, and made room for another, for a growing entry or for a lowered budget. Also an
    /// entry displaced by a key with the same 64-bit index but another conflict hash.
    Evicted,
    /// The policy never admitted it.
    Rejected,
    /// Its time to live or to idle ran out.
    Expired,
    /// A later insert for the same key took its place.
    Replaced,
    /// [`retain`](crate::Cache::retain) or [`remove_tag`](crate::Cache::remove_tag) dropped it, or [`compute`](crate::Cache::compute) replaced it
    /// by what needed more room. (`remove`, `remove_many` and a `compute` that removes hand the value to their caller instead.)
    Removed,
    /// [`clear`](crate::Cache::clear) dropped it.
    Cleared,
}

/// A departure: the listener owns the value now. Made by the cache only; it may have more to tell some day.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event<V> {
    /// The hashes of the key. Keys are not stored; [`Cache::key_hash`](crate::Cache::key_hash) tells
    /// which hash a key has.
    pub key: KeyHash,
    /// The value.
    pub value: V,
    /// The cost that left with it.
    pub cost: u64,
    /// Why it left.
    pub cause: Cause,
}

/// Prints the facts, never the value.
impl<V> fmt::Debug for Event<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("key", &self.key)
            .field("cost", &self.cost)
            .field("cause", &self.cause)
            .finish_non_exhaustive()
    }
}

/// The listener given to the builder. Called with no lock held, on whichever thread settled the
/// departure; a panic loses at most its own event.
pub(crate) type Listener<V> = Box<dyn Fn(Event<V>) + Send + Sync>;
