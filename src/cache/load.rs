//! Loading what is not there, on threads: once for each key, however many callers want it.

use super::Cache;
use crate::core::{Lead, Loaded};
use crate::flight::block_on;
use crate::key::{KeyHash, KeyHasher};
use std::borrow::Borrow;
use std::convert::Infallible;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

/// # Loading
///
/// These methods get a value or load it, and load it once: while a load runs, other callers that miss the same key wait for
/// it, threads and tasks alike, and receive a clone of what it brings. A hit costs what [`get`](Self::get) costs.
///
/// | the load | its caller | those who wait for it | the cache |
/// |---|---|---|---|
/// | brings a value | gets it | get it | has it, if it fits and the policy wants it |
/// | fails with an `E` | gets the error | get the same error; those with another error type load for themselves | unchanged |
/// | panics | panics | one of them loads | unchanged |
/// | is cancelled: its future or [`Vacancy`] was dropped | | one of them loads | unchanged |
///
/// **Writes win.** If the key is inserted, removed or cleared while a load runs, the load is *overtaken*: it changes nothing in
/// the cache. Its caller, and those who waited for it already, get what it loaded, as their calls began before that write was
/// done. Whoever asks later waits for it no more: finding no value, it loads afresh. So no call returns a value whose load began
/// before a write of that key which was over when the call began. An insert that was refused overtakes nothing, and neither does
/// `retain`, which judges entries that exist.
///
/// **Loaders** run with no lock held and may call any method of the cache, also load other keys. A loader that asks for
/// the key that it is loading would wait for itself: that panics, and so fails the load. A listener that asks for it, and is
/// called on the loader's thread because the loader has called the cache, panics too; that is counted, and fails nothing else. Loaders that wait for each other across
/// threads (A needs B, while B needs A) wait for ever, as with any lock.
impl<K: ?Sized, V: Send + Sync + 'static, S: KeyHasher> Cache<K, V, S> {
    /// The value of a key; if there is none, what `load` returns, inserted with `cost` (0 is the weigher's, or 1).
    ///
    /// # Blocking
    /// While another caller loads the same key.
    ///
    /// # Panics
    /// If `load` does; then nothing is inserted, and one of those who wait loads. If `load` asks for the key itself.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tollgate::Cache;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let squares: Cache<u64, Arc<str>> = Cache::new(1_000, 100)?;
    /// let square = squares.get_or_insert_with(&12, 1, || (12 * 12).to_string().into());
    /// assert_eq!(&*square, "144");
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn get_or_insert_with<Q>(&self, key: &Q, cost: u64, load: impl FnOnce() -> V) -> V
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
        V: Clone,
    {
        let key = self.hasher.hash_key(key);
        match self.core.look(key) {
            Some(value) => value,
            None => infallible(self.load_now(key, || Ok(Loaded::new(load(), cost)))),
        }
    }

    /// The value of a key; if there is none, what `load` returns, inserted with `cost` (0 is the weigher's, or 1).
    ///
    /// # Errors
    /// That of `load`, or of the load that this call waited for.
    ///
    /// # Blocking
    /// While another caller loads the same key.
    ///
    /// # Panics
    /// If `load` does, or asks for the key itself.
    #[inline]
    pub fn get_or_try_insert_with<Q, E>(
        &self,
        key: &Q,
        cost: u64,
        load: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, Arc<E>>
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
        V: Clone,
        E: Send + Sync + 'static,
    {
        self.get_or_load(key, || load().map(|value| Loaded::new(value, cost)))
    }

    /// The value of a key; if there is none, what `load` returns, inserted with the cost and the time to live that `load` gives
    /// it. See [`Loaded`], also for how to remember an absence for a while.
    ///
    /// # Errors
    /// That of `load`, or of the load that this call waited for.
    ///
    /// # Blocking
    /// While another caller loads the same key.
    ///
    /// # Panics
    /// If `load` does, or asks for the key itself.
    #[inline]
    pub fn get_or_load<Q, E>(&self, key: &Q, load: impl FnOnce() -> Result<Loaded<V>, E>) -> Result<V, Arc<E>>
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
        V: Clone,
        E: Send + Sync + 'static,
    {
        let key = self.hasher.hash_key(key);
        match self.core.look(key) {
            Some(value) => Ok(value),
            None => self.load_now(key, load),
        }
    }

    /// The value of a key, or a [`Vacancy`]: the duty to load it, for loads that do not fit into a closure. Others who want
    /// the key wait until it is filled or dropped.
    ///
    /// # Blocking
    /// While another caller loads the same key. A thread that holds the vacancy of a key must not ask for that key in a way
    /// that waits: it would wait for itself.
    ///
    /// ```
    /// use tollgate::{Cache, Reservation};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache: Cache<str, u32> = Cache::new(1_000, 100)?;
    /// let port = match cache.get_or_reserve("port") {
    ///     Reservation::Present(port) => port,
    ///     // If the parsing fails, the vacancy is dropped, and the next caller gets one.
    ///     Reservation::Vacant(vacancy) => vacancy.insert("8080".parse()?, 1),
    /// };
    /// assert_eq!((port, cache.get("port")), (8080, Some(8080)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_or_reserve<Q>(&self, key: &Q) -> Reservation<'_, V>
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
        V: Clone,
    {
        let key = self.hasher.hash_key(key);
        match self.core.look(key) {
            Some(value) => Reservation::Present(value),
            None => Reservation::new(block_on(self.core.reserve(key))),
        }
    }

    #[cold]
    fn load_now<E: Send + Sync + 'static>(
        &self,
        key: KeyHash,
        load: impl FnOnce() -> Result<Loaded<V>, E>,
    ) -> Result<V, Arc<E>>
    where
        V: Clone,
    {
        block_on(self.core.load(key, async { load() }))
    }
}

/// A value, or the duty to load it; from [`Cache::get_or_reserve`].
#[must_use = "others wait until a vacancy is filled or dropped"]
pub enum Reservation<'a, V> {
    /// The key has a value.
    Present(V),
    /// It has none, and this caller is to load it.
    Vacant(Vacancy<'a, V>),
}

impl<'a, V> Reservation<'a, V> {
    pub(super) fn new(reserved: Result<V, Lead<'a, V>>) -> Self {
        match reserved {
            Ok(value) => Self::Present(value),
            Err(lead) => Self::Vacant(Vacancy { lead }),
        }
    }
}

/// Prints which it is, never the value.
impl<V> fmt::Debug for Reservation<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Present(_) => "Present(..)",
            Self::Vacant(_) => "Vacant(..)",
        })
    }
}

/// The duty to load the value of a key. Others who want it wait until this is filled or dropped; if it is dropped, one of them
/// loads instead. It holds no lock, and may be sent to another thread or held across an `await`.
#[must_use = "others wait until a vacancy is filled or dropped"]
pub struct Vacancy<'a, V> {
    lead: Lead<'a, V>,
}

impl<V> Vacancy<'_, V> {
    /// Inserts a value, gives clones of it to all who wait, and hands one back. The cache does not keep it if it costs too
    /// much, if the policy does not want it, or if the key was written, removed or cleared since the vacancy was given out.
    pub fn insert(self, value: V, cost: u64) -> V
    where
        V: Clone,
    {
        self.insert_loaded(Loaded::new(value, cost))
    }

    /// Like [`insert`](Self::insert), with a time to live.
    pub fn insert_loaded(self, loaded: Loaded<V>) -> V
    where
        V: Clone,
    {
        self.lead.land(loaded)
    }

    /// Gives an error to all who wait for a result with this type of error (the others try for themselves), and hands it back.
    pub fn fail<E: Send + Sync + 'static>(self, error: E) -> Arc<E> {
        self.lead.fail(error)
    }
}

impl<V> fmt::Debug for Vacancy<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vacancy").finish_non_exhaustive()
    }
}

/// The value of a load that cannot fail.
pub(super) fn infallible<V>(loaded: Result<V, Arc<Infallible>>) -> V {
    loaded.unwrap_or_else(|never| match *never {})
}
