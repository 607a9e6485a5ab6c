//! Loading many keys with one call.

use super::Cache;
use crate::core::Loaded;
use crate::flight::block_on;
use crate::key::KeyHasher;
use std::borrow::Borrow;
use std::future::ready;
use std::hash::Hash;
use std::sync::Arc;

/// # Loading many keys
///
/// These methods ask once for all keys that have no value: one query instead of many. What [loading](#loading) promises holds for each
/// key by itself: keys that others are loading are waited for, not loaded again, and others wait for those that are loaded here. Each key counts as a load.
impl<K: ?Sized, V: Send + Sync + 'static, S: KeyHasher> Cache<K, V, S> {
    /// The values of keys, in their order; for those that have none, `load` is called with them (each once, in their order), and returns a value
    /// for each, in that order. It is called again, with the keys in question, only if others whose loads this call waited for gave up.
    ///
    /// # Errors
    /// That of `load`, or of a load that this call waited for. Then nothing of what `load` was asked for is inserted, unless an earlier call of
    /// it brought it.
    ///
    /// # Blocking
    /// While other callers load some of the keys, but not before what is to be loaded here is loaded.
    ///
    /// # Panics
    /// If `load` does, asks for one of its keys, or returns more or fewer values than it was asked for.
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use tollgate::{Cache, Loaded};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let squares: Cache<u64, u64> = Cache::new(1_000, 100)?;
    /// squares.insert(2, 4, 1);
    /// let all = squares.get_many_or_load(&[1, 2, 3], |missing| {
    ///     assert_eq!(missing, [&1, &3]);
    ///     Ok::<_, Infallible>(missing.into_iter().map(|n| Loaded::new(n * n, 1)).collect())
    /// })?;
    /// assert_eq!(all, [1, 4, 9]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_many_or_load<'q, Q, E>(
        &self,
        keys: impl IntoIterator<Item = &'q Q>,
        mut load: impl FnMut(Vec<&'q Q>) -> Result<Vec<Loaded<V>>, E>,
    ) -> Result<Vec<V>, Arc<E>>
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized + 'q,
        V: Clone,
        E: Send + Sync + 'static,
    {
        let keys: Vec<&Q> = keys.into_iter().collect();
        let hashes = self.hashes(keys.iter().copied());
        block_on(self.core.load_many(&hashes, |missing| ready(load(pick(&keys, missing)))))
    }

    /// [`get_many_or_load`](Self::get_many_or_load) for a future. Dropping it cancels the loads of all keys that it leads.
    #[cfg(feature = "async")]
    pub fn get_many_or_load_async<'q, Q, F, E>(
        &self,
        keys: impl IntoIterator<Item = &'q Q>,
        mut load: impl FnMut(Vec<&'q Q>) -> F,
    ) -> impl Future<Output = Result<Vec<V>, Arc<E>>>
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized + 'q,
        V: Clone,
        F: Future<Output = Result<Vec<Loaded<V>>, E>>,
        E: Send + Sync + 'static,
    {
        let keys: Vec<&Q> = keys.into_iter().collect();
        let hashes = self.hashes(keys.iter().copied());
        async move { self.core.load_many(&hashes, |missing| load(pick(&keys, missing))).await }
    }
}

fn pick<'q, Q: ?Sized>(keys: &[&'q Q], positions: Vec<usize>) -> Vec<&'q Q> {
    positions.into_iter().map(|at| keys[at]).collect()
}
