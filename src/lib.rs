//! A concurrent, in-process, admission-controlled, cost-bounded cache.
//!
//! Every entry has a cost, in whatever unit you like: bytes, rows, one each. The costs of all entries stay
//! within a budget. A policy learns from the accesses which entries are worth keeping; what is not leaves, and a
//! listener may hear of it. Keys are hashed to 128 bits and never stored.
//!
//! ```
//! use tollgate::Cache;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A sketch of 10,000 frequency counters; a budget of 1,000 units.
//! let cache: Cache<u64, String> = Cache::new(10_000, 1_000)?;
//!
//! cache.insert(7, "seven".to_owned(), 5); // costs 5; visible at once
//! assert_eq!(cache.get(&7).as_deref(), Some("seven"));
//!
//! cache.wait()?; // the policy has decided
//! assert!(cache.cost() <= 1_000);
//! assert_eq!(cache.remove(&7).as_deref(), Some("seven"));
//! # Ok(())
//! # }
//! ```
//!
//! # Promises
//!
//! 1. **The budget holds.** At every instant the entries in the store, admitted or not yet decided upon, cost at
//!    most `max_cost + slack`. The slack is [yours to choose](Builder::slack), 0 included
//!    ([`strict`](Builder::strict)). While a budget is lowered, it is the one before until
//!    [`set_max_cost`](Cache::set_max_cost) returns. [`Stats::peak_cost`] shows the peak. No hidden unit is added to a cost;
//!    [counting the bookkeeping](Builder::charge_overhead) is an option.
//! 2. **Read your writes.** After an insert returned true, every thread sees that value or a later one, until it
//!    leaves. After a remove or a clear returned, no older value is ever seen again (but by a `restore`: a snapshot knows nothing of
//!    what was removed since).
//! 3. **Nothing is dropped silently.** When maintenance lags, the inserting thread helps. Only the statistics of
//!    *reads* are lossy, and the loss is [counted](Stats::reads_lost).
//! 4. **Every value is accounted for exactly once**: handed back to the caller, or given to the
//!    [listener](Builder::listener) with one [cause](Cause), or resident. When the last handle is dropped, the
//!    residents are dropped on the dropping thread, without listener calls.
//! 5. **Store and ledger agree.** After [`wait`](Cache::wait), the rows of the store and the entries that the policy knows
//!    are the same, with the same costs. [`Cache::check`] verifies it.
//! 6. **No re-entrancy trap.** Every method may be called from a listener or a destructor. Handles hold no lock. A
//!    panic in user code fails that call or that callback only.
//! 7. **Wrong answers need a 128-bit collision under a secret.** See [`key`].
//! 8. **Monotonic time.** The host's clock may jump; any `Duration` is accepted, `Duration::MAX` means never.
//!
//! # Choosing the numbers
//!
//! `max_cost` is the budget. `num_counters` sizes the frequency sketch and should be about ten times the number of
//! entries that fit; the memory for it is two to three bytes per counter, taken as the cache fills. In the repository,
//! `tollgate simulate TRACE --report report.html` recommends both from a trace of yours, and `tollgate analyze TRACE` tells what it is like.
//!
//! # Forking
//!
//! A cache belongs to the process that built it. In a forked child there is no maintenance thread, and a lock may
//! be held by a thread that does not exist there: [`wait`](Cache::wait) returns an error, dropping the cache is
//! safe, anything else may block. Build caches after forking.

#![forbid(unsafe_code)]

mod budget;
mod builder;
mod cache;
pub mod clock;
mod contain;
mod core;
mod counters;
pub mod engine;
mod error;
mod expiry;
mod flight;
pub mod key;
mod life;
mod listener;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "persist")]
pub mod persist;
pub mod policy;
mod processor;
mod ring;
mod share;
mod stats;
mod store;
mod sync;
mod trace;

/// Bodies of fuzz targets that need what is private. Not part of the API.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing {
    /// See `policy/sketch_model.rs`.
    pub fn sketch(entries: u32, steps: &[(u8, u16, u8)], noise: &[u64]) {
        crate::policy::sketch::model::play(entries, steps, noise);
    }
}

pub use crate::core::{Expiry, Lifespan, Living, Loaded, Maintenance, Op, Refresh};
pub use builder::Builder;
pub use cache::{Cache, Computed, InsertOptions, Inserted, Iter, Reservation, Vacancy};
pub use engine::MissRatioCurve;
pub use error::{BuildError, Inconsistency, InsertError, PinError, WaitError};
pub use key::{KeyHash, KeyHasher};
pub use life::LifeExpectancy;
pub use listener::{Cause, Event};
pub use processor::SharedProcessor;
pub use share::{Share, SharedBudget};
pub use stats::{Census, Stats};
pub use store::Tag;
