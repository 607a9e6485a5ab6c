//! The handle.

mod bulk;
mod lifetime;
mod load;
mod load_many;
mod modify;
#[cfg(feature = "persist")]
mod persist;
mod pins;
mod refresh;
mod tags;
#[cfg(feature = "async")]
mod tasks;

pub use bulk::Iter;
pub use load::{Reservation, Vacancy};
pub use modify::Computed;

use crate::builder::Builder;
use crate::core::{Core, Lifetime, Pinning, Request, in_callback};
use crate::engine::ledger::Ledger;
use crate::error::{BuildError, Inconsistency, InsertError, WaitError};
use crate::key::{AsKey, KeyHash, KeyHasher, SecretHasher};
use crate::processor::Processor;
use crate::stats::{Census, Stats};
use crate::store::{Row, Rows, Tag};
use crate::sync::Mutex;
use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// A concurrent cache whose entries have costs, and whose costs stay within a budget.
///
/// A handle: cloning it is cheap, and all clones are the same cache. When the last one is dropped, the
/// maintenance thread ends and the resident values are dropped on the dropping thread, without listener calls.
///
/// Keys are hashed and not stored; see [`key`](crate::key). `K` only says which types go in: it may be
/// unsized (`Cache<str, V>`), and a cache of `&'static str` or of tuples with references takes shorter-lived keys too.
///
/// Values lie in the table itself. They are moved when it grows and when another entry leaves, and [`get`](Self::get) clones them: values
/// of more than some words belong behind an `Arc` or a `Box`.
///
/// # Consistency
/// A value is visible to every thread when its insert returns true, until it leaves. What was removed or
/// cleared is never seen again. The policy decides later whether a newcomer may stay, in the order in which the
/// store changed; at every instant the entries in the store cost at most `max_cost + slack`.
///
/// # Blocking
/// Reads take one shard's lock shared, writes take it exclusively; neither is held beyond the call. A writer
/// that finds no room runs a turn of maintenance. Every method may be called from a listener or a destructor.
///
/// Another thread's callbacks are waited for by [`wait`](Self::wait), and by the drop of the last handle, which joins the
/// maintenance thread: whoever drops it must hold no lock that a listener or a destructor wants. Another thread's loader is waited for by
/// the methods that [load](#loading).
///
/// # Panics
/// A panic in a key's `Hash`, in a value's `Clone` or in a closure passed to a method fails that call and harms no other. What
/// was done before stays done: what a closure of [`update`](Self::update) or [`compute`](Self::compute) has changed in a value, what
/// [`retain`](Self::retain) has removed, what [`insert_many`](Self::insert_many) has inserted. A value that was loaded, and whose `Clone`
/// panics only when it is cloned for those who wait, is in the cache, though its load counts as failed.
///
/// ```
/// use tollgate::Cache;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cache: Cache<str, Vec<u8>> = Cache::new(10_000, 64 << 20)?;
/// assert!(cache.insert("block-7", vec![0; 4096], 4096));
/// assert_eq!(cache.get("block-7").map(|block| block.len()), Some(4096));
/// # Ok(())
/// # }
/// ```
pub struct Cache<K: ?Sized, V, S = SecretHasher> {
    core: Arc<Core<V>>,
    owner: Arc<Owner<V>>,
    hasher: S,
    _key: PhantomData<fn() -> *const K>,
}

/// Ends the cache when the last handle goes.
struct Owner<V> {
    core: Arc<Core<V>>,
    processor: Mutex<Option<Processor>>,
}

impl<V> Drop for Owner<V> {
    fn drop(&mut self) {
        if self.core.is_forked() {
            // The thread is not in this process, and any lock may be held by one that is not, with what it guards half
            // changed. What is here stays, the values too: the memory is the other process's, copied.
            std::mem::forget(self.processor.get_mut().take());
            std::mem::forget(Arc::clone(&self.core));
            return;
        }
        self.core.bell().stop();
        if let Some(processor) = self.processor.get_mut().take() {
            processor.end(!in_callback());
        }
        self.core.dismantle();
        self.core.leave();
    }
}

/// Options of one insert; see [`Cache::try_insert_with`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InsertOptions {
    /// How long the entry lives: `None` is what the builder said, zero is for ever (not over at once; see [`Cache::insert_with_ttl`]).
    pub time_to_live: Option<Duration>,
    /// Only replace a live entry. Without a `time_to_live`, the new one keeps the deadline of the old; without a `tag`, the tag.
    pub if_present: bool,
    /// The group that the entry belongs to; see [`Cache::remove_tag`].
    pub tag: Option<Tag>,
    /// Pin the entry, or refuse it if the [quota](Builder::pin_quota) has no room; see [`Cache::pin`]. Without it, a new entry is not pinned, and an update is
    /// if the old one was.
    pub pinned: bool,
}

/// What an accepted insert did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Inserted {
    /// There was no live entry for the key.
    New,
    /// It took the place of a live entry.
    Replaced,
}

impl<K: ?Sized, V: Send + Sync + 'static> Cache<K, V> {
    /// A cache with the default options.
    ///
    /// `num_counters` sizes the frequency sketch: about ten times the number of entries that fit.
    /// `max_cost` is the budget, in whatever unit the costs are given.
    ///
    /// # Errors
    /// If either is 0, or the maintenance thread cannot be started.
    pub fn new(num_counters: usize, max_cost: u64) -> Result<Self, BuildError> {
        Self::builder(num_counters, max_cost).build()
    }

    /// Starts a cache with options.
    pub fn builder(num_counters: usize, max_cost: u64) -> Builder<K, V> {
        Builder::new(num_counters, max_cost)
    }
}

impl<K: ?Sized, V: Send + Sync + 'static, S: KeyHasher> Cache<K, V, S> {
    pub(crate) fn assemble(core: Arc<Core<V>>, processor: Option<Processor>, hasher: S) -> Self {
        let owner = Arc::new(Owner { core: Arc::clone(&core), processor: Mutex::new(processor) });
        Self { core, owner, hasher, _key: PhantomData }
    }

    /// Inserts or replaces. Returns whether the value was accepted and is visible now; the policy may still
    /// turn it away later, which the listener hears.
    ///
    /// A `cost` of 0 is the weigher's, or 1; one entry costs at most 2^44 - 1 (16 TiB, where costs are bytes). False if
    /// the cost exceeds that or `max_cost`, if `replace_if` kept
    /// the old value, or if the policy rejected the entry at once (a strict cache, or a cost beyond the slack);
    /// [`try_insert`](Self::try_insert) says which, and hands the value back.
    ///
    /// Expected O(1), and the number of victims if this thread has to make room.
    pub fn insert(&self, key: impl AsKey<K>, value: V, cost: u64) -> bool {
        self.try_insert(key, value, cost).is_ok()
    }

    /// Inserts or replaces an entry that lives for `ttl`; `Duration::ZERO` is for ever, and so is whatever ends more
    /// than 34 years after the cache was built. **What is left of a deadline may come out as zero and means the opposite here**: say
    /// `.max(Duration::from_nanos(1))`, or give the deadline itself to [`expire_at`](Self::expire_at).
    pub fn insert_with_ttl(&self, key: impl AsKey<K>, value: V, cost: u64, ttl: Duration) -> bool {
        let options = InsertOptions { time_to_live: Some(ttl), ..Default::default() };
        self.try_insert_with(key, value, cost, options).is_ok()
    }

    /// Replaces a live entry, keeping its deadline; does nothing if there is none.
    pub fn insert_if_present(&self, key: impl AsKey<K>, value: V, cost: u64) -> bool {
        let options = InsertOptions { if_present: true, ..Default::default() };
        self.try_insert_with(key, value, cost, options).is_ok()
    }

    /// Inserts or replaces.
    ///
    /// # Errors
    /// If the value was not taken; the error holds it.
    pub fn try_insert(&self, key: impl AsKey<K>, value: V, cost: u64) -> Result<Inserted, InsertError<V>> {
        self.try_insert_with(key, value, cost, InsertOptions::default())
    }

    /// Inserts or replaces with options.
    ///
    /// # Errors
    /// If the value was not taken; the error holds it.
    pub fn try_insert_with(
        &self,
        key: impl AsKey<K>,
        value: V,
        cost: u64,
        options: InsertOptions,
    ) -> Result<Inserted, InsertError<V>> {
        let lifetime = match options.time_to_live {
            Some(ttl) => Lifetime::For(ttl),
            None if options.if_present => Lifetime::Kept,
            None => Lifetime::Default,
        };
        let request = Request {
            key: key.key_hash(&self.hasher),
            cost,
            lifetime,
            only_present: options.if_present,
            tag: options.tag,
            pinning: if options.pinned { Pinning::Required } else { Pinning::Kept },
            flight: None,
        };
        self.core
            .insert(request, value)
            .map(|updated| if updated { Inserted::Replaced } else { Inserted::New })
    }

    /// The value of a key, cloned under the shared lock of its shard: keep `Clone` cheap (an `Arc`), and do
    /// not call the cache from it.
    #[inline]
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
        V: Clone,
    {
        self.core.get_with(self.hasher.hash_key(key), V::clone)
    }

    /// What `read` makes of the value of a key. It runs under the shared lock of the shard: it must not call
    /// the cache.
    #[inline]
    pub fn get_with<Q, R>(&self, key: &Q, read: impl FnOnce(&V) -> R) -> Option<R>
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
    {
        self.core.get_with(self.hasher.hash_key(key), read)
    }

    /// Like [`get`](Self::get), but leaves no trace: no statistics, no recency, no frequency.
    pub fn peek<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
        V: Clone,
    {
        self.core.peek_with(self.hasher.hash_key(key), |row| row.value.clone())
    }

    /// Whether a key has a live entry. Leaves no trace.
    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
    {
        self.core.peek_with(self.hasher.hash_key(key), |_| ()).is_some()
    }

    /// How long a live entry has left, if nobody reads it meanwhile; `Duration::MAX` without a deadline.
    /// Leaves no trace.
    pub fn remaining_ttl<Q>(&self, key: &Q) -> Option<Duration>
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
    {
        self.core.remaining(self.hasher.hash_key(key))
    }

    /// Removes an entry and hands its value back. No older value of the key is ever seen afterwards. The
    /// listener hears nothing, unless the entry had expired: then that is its cause, and there is nothing to hand back.
    pub fn remove<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
    {
        self.core.remove(self.hasher.hash_key(key))
    }

    /// Removes every entry that `keep` does not want, shard by shard; the listener hears of each. `keep` runs
    /// under the exclusive lock of a shard: it must not call the cache. Entries that are inserted meanwhile
    /// may or may not be seen. If it panics, what it has judged in earlier shards stays judged. O(rows).
    pub fn retain(&self, keep: impl FnMut(KeyHash, &V) -> bool) {
        self.core.retain(keep);
    }

    /// Removes every entry; the listener hears of each. What was inserted before the call is never seen after
    /// it; what is inserted meanwhile may or may not stay. The policy starts afresh. O(rows), under the engine's mutex, one shard at a time;
    /// listener and destructors run afterwards, on this thread.
    pub fn clear(&self) {
        self.core.clear();
    }

    /// Settles everything that was pending before the call: when it returns, every insert has been decided,
    /// what had expired is reclaimed, the reads are known to the policy, and all of that has been delivered. The
    /// cost is then at most `max_cost`, whatever the load was.
    ///
    /// What a write or removal of one key on another thread displaces is told by that thread, before its call returns: by a load, or
    /// within a callback, perhaps later.
    ///
    /// From inside a callback or a loader (of any cache) it settles the state but does not wait for other threads'
    /// deliveries, so that a callback never waits for another, nor a load for a callback that waits for it.
    ///
    /// # Errors
    /// In a process that was forked from the one that built the cache.
    pub fn wait(&self) -> Result<(), WaitError> {
        self.core.wait()
    }

    /// Runs everything that is pending on the calling thread, like [`wait`](Self::wait), but waits for nobody
    /// else. For a cache without a thread; harmless with one.
    pub fn run_pending(&self) {
        self.core.run_pending();
    }

    /// The number of rows in the store: entries that are not decided upon yet, and expired ones that were not
    /// reclaimed yet, included. O(number of shards).
    pub fn len(&self) -> usize {
        self.core.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The cost of everything in the store, decided upon or not; at most `max_cost + slack`.
    pub fn cost(&self) -> u64 {
        self.core.cost()
    }

    /// The budget: of a member of a [shared budget](Builder::shared_budget), as it is now.
    pub fn max_cost(&self) -> u64 {
        self.core.max_cost()
    }

    /// How far undecided cost may pass the budget.
    pub fn slack(&self) -> u64 {
        self.core.slack()
    }

    /// Changes the budget; 0 counts as 1. Of a member of a [shared budget](Builder::shared_budget), the most that it may get. If it is lowered, what no longer fits has been evicted when this
    /// returns. A slack that was not set explicitly follows. So does what may be [pinned](Self::pin), if it is more than the budget.
    /// Under the engine's mutex; O(what is pending and what is evicted), and the callbacks of these run on this thread.
    pub fn set_max_cost(&self, max_cost: u64) {
        self.core.set_max_cost(max_cost);
    }

    /// What the [builder](Builder::name) called it.
    pub fn name(&self) -> &str {
        self.core.name()
    }

    /// A snapshot of the counters. Takes the engine's mutex, so that it waits for a turn of maintenance, or a `clear`, that is under way: for
    /// every scrape, not for every request. O(shards), and a copy of the miss-ratio curve if there is one.
    pub fn stats(&self) -> Stats {
        self.core.stats()
    }

    /// The two hashes that a key is known by in this cache: what a listener sees.
    pub fn key_hash<Q>(&self, key: &Q) -> KeyHash
    where
        K: Borrow<Q>,
        Q: Hash + ?Sized,
    {
        self.hasher.hash_key(key)
    }

    /// The bookkeeping of one entry in bytes, beyond the value itself: its row in the store, its line in the ledger, and for
    /// each of the two four bytes in a table of slots with two bytes of control. Spare capacity of tables
    /// and the policy's sketch, which `num_counters` sizes, are not in it.
    pub const fn entry_overhead() -> u64 {
        (size_of::<Row<V>>() - size_of::<V>() + Rows::<V>::ENTRY_BYTES + Ledger::ENTRY_BYTES) as u64
    }

    /// Counts every row and its cost, with the whole store locked for an instant: a true snapshot, for tests
    /// and reports. O(entries); writers wait.
    pub fn census(&self) -> Census {
        self.core.census()
    }

    /// Verifies the whole structure: store, ledger, budget, logs and timer wheel agree. For tests. O(entries);
    /// everybody waits.
    ///
    /// # Errors
    /// What disagrees. That is a defect.
    pub fn check(&self) -> Result<(), Inconsistency> {
        self.core.check()
    }
}

impl<K: ?Sized, V, S: Clone> Clone for Cache<K, V, S> {
    fn clone(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
            owner: Arc::clone(&self.owner),
            hasher: self.hasher.clone(),
            _key: PhantomData,
        }
    }
}

/// Prints facts, never values.
impl<K: ?Sized, V, S> fmt::Debug for Cache<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.core.name())
            .field("entries", &self.core.len())
            .field("cost", &self.core.cost())
            .field("max_cost", &self.core.max_cost())
            .field("slack", &self.core.slack())
            .finish_non_exhaustive()
    }
}
