//! Reading and writing in one step.

use super::{Cache, Inserted};
use crate::core::{Done, Op};
use crate::error::InsertError;
use crate::key::KeyHasher;
use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;

/// What [`Cache::compute`] did.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Computed<V> {
    /// There was no entry, and none was put.
    Absent,
    /// The entry stayed, at its cost.
    Kept,
    /// A value was put, or the entry's cost changed.
    Written(Inserted),
    /// The entry was removed; here is its value.
    Removed(V),
}

/// # Read-modify-write
///
/// The closures of these methods run under the exclusive lock of the key's shard: nobody reads or writes the key between what they
/// see and what they do. They must be quick and must not call the cache. They count as updates, not as reads.
///
/// There is no `entry`: a handle to an entry would have to hold the shard's lock beyond the call, or to look again at every step. `compute` says the
/// same in one step, and where the value is to be loaded, [`get_or_reserve`](Self::get_or_reserve) gives a handle that holds no lock.
impl<K: ?Sized, V: Send + Sync + 'static, S: KeyHasher> Cache<K, V, S> {
    /// Changes a value in place, if there is one; returns whether there was. Cost and deadline stay.
    ///
    /// # Blocking
    /// What `change` drops, it drops under the lock: an old value by an assignment, and all that it has captured. A destructor that calls this cache
    /// then waits for itself. Take such a value out (`std::mem::replace`), and drop it after the call.
    ///
    /// # Panics
    /// If `change` does; the value is then as `change` left it.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let visits: tollgate::Cache<str, u64> = tollgate::Cache::new(1_000, 100)?;
    /// visits.insert("index.html", 1, 1);
    /// assert!(visits.update("index.html", |count| *count += 1));
    /// assert_eq!(visits.get("index.html"), Some(2));
    /// assert!(!visits.update("nothing", |count| *count += 1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn update<Q>(&self, key: &Q, change: impl FnOnce(&mut V)) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
    {
        self.core.update(self.hasher.hash_key(key), change)
    }

    /// Shows the value of a key, if there is one, to `choose`, which may change it in place, and does what `choose` says: keeps
    /// it, gives it another cost, puts another value, or removes it. Nothing is cloned. An [`Op`] other than
    /// [`Put`](Op::Put) does nothing where there is no entry.
    ///
    /// A put is an insert: it starts a new time to live, and `replace_if` is asked. A cost of 0 asks the weigher, here under the
    /// lock.
    ///
    /// What `choose` drops is dropped under the lock, as by [`update`](Self::update).
    ///
    /// If a larger cost finds no room, room is made after the lock was given back. The old entry leaves first (a replaced
    /// value goes to the listener as [`Removed`](crate::Cause::Removed)), so that whoever comes in between finds none, as after an eviction.
    ///
    /// # Errors
    /// If a value was not taken, as [`try_insert`](Self::try_insert) says; the error holds it. Also if what was to be recosted no longer
    /// fits: it has left. [`Kept`](InsertError::Kept) can then mean that another writer came in between.
    ///
    /// # Panics
    /// If `choose` does; the value is then as `choose` left it.
    ///
    /// ```
    /// use tollgate::{Cache, Computed, Op};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let lists: Cache<str, Vec<u64>> = Cache::new(1_000, 100)?;
    /// for number in 1..=3 {
    ///     lists.compute("numbers", |list| match list {
    ///         Some(list) => {
    ///             list.push(number);
    ///             Op::Recost(list.len() as u64)
    ///         }
    ///         None => Op::Put { value: vec![number], cost: 1 },
    ///     })?;
    /// }
    /// assert_eq!((lists.get("numbers"), lists.cost()), (Some(vec![1, 2, 3]), 3));
    /// assert_eq!(lists.compute("numbers", |_| Op::Remove)?, Computed::Removed(vec![1, 2, 3]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn compute<Q>(
        &self,
        key: &Q,
        choose: impl FnOnce(Option<&mut V>) -> Op<V>,
    ) -> Result<Computed<V>, InsertError<V>>
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
    {
        self.core.compute(self.hasher.hash_key(key), choose).map(|done| match done {
            Done::Absent => Computed::Absent,
            Done::Kept => Computed::Kept,
            Done::Written { updated } => {
                Computed::Written(if updated { Inserted::Replaced } else { Inserted::New })
            }
            Done::Removed(value) => Computed::Removed(value),
        })
    }
}

/// Prints what was done, never the value.
impl<V> fmt::Debug for Computed<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::Kept => f.write_str("Kept"),
            Self::Written(inserted) => f.debug_tuple("Written").field(inserted).finish(),
            Self::Removed(_) => f.write_str("Removed(..)"),
        }
    }
}
