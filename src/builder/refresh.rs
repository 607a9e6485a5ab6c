//! When values are refreshed, and by whom.

use super::Builder;
use crate::core::Refresh;
use crate::key::KeyHasher;
use std::time::Duration;

/// # Refreshing
///
/// What these options mean to callers is told [at the cache](crate::Cache#refreshing).
impl<K: ?Sized, V, S: KeyHasher> Builder<K, V, S> {
    /// How long after its time to live a value is still served by the methods that load, while one refresh of it runs. The default is
    /// not at all. All other methods take it for expired. After RFC 5861; rounded up to a millisecond, at most 17 years.
    ///
    /// Such a value stays resident, and counts towards the budget, until its grace is over.
    pub fn stale_while_revalidate(mut self, grace: Duration) -> Self {
        self.freshness = self.freshness.revalidating_for(grace);
        self
    }

    /// How long after its time to live a value is still served by the methods that load if loading a new one fails with an error. The
    /// default is not at all. All other methods take it for expired. After RFC 5861; rounded up to a millisecond, at most 17 years.
    ///
    /// Such a value stays resident, and counts towards the budget, until its grace is over.
    pub fn stale_if_error(mut self, grace: Duration) -> Self {
        self.freshness = self.freshness.forgiving_for(grace);
        self
    }

    /// How long after it was written (or changed in place) a value is refreshed by the next caller of a method that loads. Until then, and
    /// while it is refreshed, it is served as ever. The default is never. The age is cut by the [`ttl_jitter`](Self::ttl_jitter), if there is
    /// one.
    ///
    /// A cache that refreshes by age keeps 18 bytes more for each entry; they are charged with the
    /// [overhead](Self::charge_overhead).
    pub fn refresh_after(mut self, age: Duration) -> Self {
        self.freshness = self.freshness.due_after(age);
        self
    }

    /// Who runs the refreshes of [`get_or_refresh`](crate::Cache::get_or_refresh) and its kin: spawn the [`Refresh`] on an executor, or run it on
    /// another thread. Without a spawner, whoever finds a value due refreshes it within the call.
    ///
    /// Called with no lock held, within the call that found the value due. A panic is contained and counted, and the refresh is off. A
    /// refresh must be run or dropped in the end: should its entry be evicted meanwhile, whoever wants the key waits for it.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    /// use tollgate::{Cache, Refresh};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // One thread for all refreshes. On tokio: `let handle = Handle::current()`, and `.spawner(move |refresh| drop(handle.spawn(refresh)))`.
    /// let (sender, refreshes) = mpsc::channel::<Refresh>();
    /// std::thread::spawn(move || refreshes.into_iter().for_each(Refresh::run));
    /// let pages: Cache<str, String> = Cache::builder(10_000, 1 << 20)
    ///     .time_to_live(Duration::from_secs(60))
    ///     .stale_while_revalidate(Duration::from_secs(600))
    ///     .spawner(move |refresh| drop(sender.send(refresh)))
    ///     .build()?;
    /// # let _ = pages;
    /// # Ok(())
    /// # }
    /// ```
    pub fn spawner(mut self, spawner: impl Fn(Refresh) + Send + Sync + 'static) -> Self {
        self.freshness = self.freshness.with_spawner(Box::new(spawner));
        self
    }
}
