//! Loading what is not there, in tasks: the methods of `load.rs` where a caller awaits instead of blocking.

use super::Cache;
use super::load::{Reservation, infallible};
use crate::core::Loaded;
use crate::key::{KeyHash, KeyHasher};
use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

/// # Loading in tasks
///
/// The same as [on threads](#loading), for futures: tasks and threads wait for each other's loads. Any executor will do. The key
/// is hashed when the method is called and not borrowed by the future; nothing else happens before the first poll.
///
/// The load is run by the task of the caller that leads, inside that caller's future. Dropping this future cancels the load, and
/// one of those who wait loads instead; dropping the future of a caller that waits harms nobody. For a load that outlives its
/// callers, spawn it and load with its join handle.
impl<K: ?Sized, V: Send + Sync + 'static, S: KeyHasher> Cache<K, V, S> {
    /// [`get_or_insert_with`](Self::get_or_insert_with) for a future; `load` is polled only if there is no value.
    ///
    /// ```
    /// use tollgate::Cache;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache: Cache<str, usize> = Cache::new(1_000, 100)?;
    /// let len = smol::block_on(cache.get_or_insert_async("page", 1, async { 4096 }));
    /// assert_eq!((len, cache.get("page")), (4096, Some(4096)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_or_insert_async<'a, Q, F>(
        &'a self,
        key: &Q,
        cost: u64,
        load: F,
    ) -> impl Future<Output = V> + use<'a, K, V, S, Q, F>
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
        V: Clone,
        F: Future<Output = V>,
    {
        let key = self.hasher.hash_key(key);
        async move { infallible(self.load_soon(key, async { Ok(Loaded::new(load.await, cost)) }).await) }
    }

    /// [`get_or_try_insert_with`](Self::get_or_try_insert_with) for a future; `load` is polled only if there is no value.
    pub fn get_or_try_insert_async<'a, Q, F, E>(
        &'a self,
        key: &Q,
        cost: u64,
        load: F,
    ) -> impl Future<Output = Result<V, Arc<E>>> + use<'a, K, V, S, Q, F, E>
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
        V: Clone,
        F: Future<Output = Result<V, E>>,
        E: Send + Sync + 'static,
    {
        let key = self.hasher.hash_key(key);
        self.load_soon(key, async move { load.await.map(|value| Loaded::new(value, cost)) })
    }

    /// [`get_or_load`](Self::get_or_load) for a future; `load` is polled only if there is no value.
    pub fn get_or_load_async<'a, Q, F, E>(
        &'a self,
        key: &Q,
        load: F,
    ) -> impl Future<Output = Result<V, Arc<E>>> + use<'a, K, V, S, Q, F, E>
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
        V: Clone,
        F: Future<Output = Result<Loaded<V>, E>>,
        E: Send + Sync + 'static,
    {
        let key = self.hasher.hash_key(key);
        self.load_soon(key, load)
    }

    /// [`get_or_reserve`](Self::get_or_reserve) for a task.
    pub fn get_or_reserve_async<'a, Q>(
        &'a self,
        key: &Q,
    ) -> impl Future<Output = Reservation<'a, V>> + use<'a, K, V, S, Q>
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
        V: Clone,
    {
        let key = self.hasher.hash_key(key);
        async move {
            match self.core.look(key) {
                Some(value) => Reservation::Present(value),
                None => Reservation::new(self.core.reserve(key).await),
            }
        }
    }

    async fn load_soon<E: Send + Sync + 'static>(
        &self,
        key: KeyHash,
        load: impl Future<Output = Result<Loaded<V>, E>>,
    ) -> Result<V, Arc<E>>
    where
        V: Clone,
    {
        match self.core.look(key) {
            Some(value) => Ok(value),
            None => self.core.load(key, load).await,
        }
    }
}
