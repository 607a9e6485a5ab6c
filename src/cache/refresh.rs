//! Loading what is not there, and refreshing what is old without making anybody wait.

use super::Cache;
use crate::core::Loaded;
use crate::flight::block_on;
use crate::key::KeyHasher;
use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

/// # Refreshing
///
/// With [`refresh_after`](crate::Builder::refresh_after) a value is *due* at some age, with
/// [`stale_while_revalidate`](crate::Builder::stale_while_revalidate) it is *stale*, not gone, for a while after its time to live. The methods that
/// load (all that are called `get_or_...`) serve such a value at once, while one refresh of it runs:
///
/// | method | who refreshes | who is served what |
/// |---|---|---|
/// | `get_or_refresh`, `get_or_refresh_async`, with a [`spawner`](crate::Builder::spawner) | the spawner's thread or task | everybody the old value, at once |
/// | these without a spawner, and all others, whose loads may borrow from their caller | the first caller who finds the value due or stale, within the call | that caller the new value, or the old one if the load fails; everybody else the old value, at once |
/// | `get_or_reserve` | the same caller, who gets a [`Vacancy`](super::Vacancy) | the same |
///
/// A refresh is a load: there is one at a time for each key, it is counted as one, and **writes win**. If the key is inserted,
/// updated, removed, given another lifetime, or cleared while its refresh runs, or `retain` drops it, the refresh changes nothing. If it fails, panics or is dropped, the old value stays
/// until its grace ends, and the next caller begins another refresh.
///
/// Where a value may not be served while it is refreshed, or there was none when the load began, callers wait for the load as ever;
/// with [`stale_if_error`](crate::Builder::stale_if_error) an error then gives way to the old value.
impl<K: ?Sized, V: Send + Sync + 'static, S: KeyHasher> Cache<K, V, S> {
    /// Like [`get_or_load`](Self::get_or_load), but refreshes on the builder's [`spawner`](crate::Builder::spawner), so that no caller
    /// waits for a refresh. `load` has to own what it needs for that.
    ///
    /// # Errors
    /// That of `load`, or of the load that this call waited for. A refresh that fails has no caller to tell; it is
    /// [counted](crate::Stats::loads_failed).
    ///
    /// # Blocking
    /// If there is no value: while it is loaded.
    ///
    /// # Panics
    /// If `load` does within the call, or asks for the key itself.
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use std::time::Duration;
    /// use tollgate::clock::ManualClock;
    /// use tollgate::{Cache, Loaded, Refresh};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let clock = ManualClock::new();
    /// let rates: Cache<str, u64> = Cache::builder(1_000, 100)
    ///     .clock(clock.clone())
    ///     .time_to_live(Duration::from_secs(10))
    ///     .stale_while_revalidate(Duration::from_secs(60))
    ///     .spawner(Refresh::run) // for the sake of the example: at once, on this very thread
    ///     .build()?;
    /// let rate = |now: u64| rates.get_or_refresh("eur", move || Ok::<_, Infallible>(Loaded::new(now, 1)));
    /// assert_eq!(rate(100)?, 100);
    /// clock.advance(Duration::from_secs(11));
    /// assert_eq!(rate(101)?, 100); // stale; refreshed meanwhile
    /// assert_eq!(rate(102)?, 101);
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_or_refresh<Q, E>(
        &self,
        key: &Q,
        load: impl FnOnce() -> Result<Loaded<V>, E> + Send + 'static,
    ) -> Result<V, Arc<E>>
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
        V: Clone,
        E: Send + Sync + 'static,
    {
        let key = self.hasher.hash_key(key);
        match self.core.look(key) {
            Some(value) => Ok(value),
            None => block_on(self.core.load_or_refresh(key, async move { load() })),
        }
    }

    /// [`get_or_refresh`](Self::get_or_refresh) for a future; `load` is polled only if there is no value, or one that is due or stale. Unlike
    /// other loads, a refresh on the spawner outlives the future of its caller.
    #[cfg(feature = "async")]
    pub fn get_or_refresh_async<'a, Q, F, E>(
        &'a self,
        key: &Q,
        load: F,
    ) -> impl Future<Output = Result<V, Arc<E>>> + use<'a, K, V, S, Q, F, E>
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
        V: Clone,
        F: Future<Output = Result<Loaded<V>, E>> + Send + 'static,
        E: Send + Sync + 'static,
    {
        let key = self.hasher.hash_key(key);
        async move {
            match self.core.look(key) {
                Some(value) => Ok(value),
                None => self.core.load_or_refresh(key, load).await,
            }
        }
    }
}
