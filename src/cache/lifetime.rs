//! Changing how long an entry lives, without writing it.

use super::Cache;
use crate::key::KeyHasher;
use std::borrow::Borrow;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// # Lifetimes
///
/// These methods change the deadline of a live entry and return whether there was one. They have the last word over the builder's
/// time to live and an [`Expiry`](crate::Expiry), until the next write. A time to idle goes on counting. The policy takes them for
/// updates. O(1); they take the shard's lock exclusively.
impl<K: ?Sized, V: Send + Sync + 'static, S: KeyHasher> Cache<K, V, S> {
    /// Lets an entry live for `ttl` from now; as in [`insert_with_ttl`](Self::insert_with_ttl), `Duration::ZERO` is for ever.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sessions: tollgate::Cache<str, u64> = tollgate::Cache::new(1_000, 100)?;
    /// sessions.insert("anna", 7, 1);
    /// assert!(sessions.set_ttl("anna", Duration::from_secs(600)));
    /// assert!(sessions.remaining_ttl("anna").is_some_and(|left| left <= Duration::from_secs(600)));
    /// assert!(sessions.persist("anna"));
    /// assert_eq!(sessions.remaining_ttl("anna"), Some(Duration::MAX));
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_ttl<Q>(&self, key: &Q, ttl: Duration) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
    {
        self.core.set_ttl(self.hasher.hash_key(key), Some(ttl).filter(|ttl| !ttl.is_zero()))
    }

    /// Lets an entry live until `instant`; if that has passed, the entry has expired when this returns. The time until then is
    /// read off the host's monotonic clock, and counted by the cache's.
    pub fn expire_at<Q>(&self, key: &Q, instant: Instant) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
    {
        let ttl = instant.saturating_duration_since(Instant::now());
        self.core.set_ttl(self.hasher.hash_key(key), Some(ttl))
    }

    /// Lets an entry live for ever (but for a time to idle).
    pub fn persist<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
    {
        self.core.set_ttl(self.hasher.hash_key(key), None)
    }
}
