//! The core: store, budget, rings and engine, put together.
//!
//! - [`read`](self) — the life of a get; touches one shard's lock and one stripe of the access ring.
//! - `write` — the life of an insert and a remove.
//! - `pressure` — what a writer does so that decisions keep up.
//! - `decided` — inserts that cannot wait: decided before they are written.
//! - `load`, `load_many` — the life of a load: who runs it, who waits for it, what of it is written.
//! - `births` — when a sample of the entries came in.
//! - `bulk` — many keys at once, and all of them.
//! - `freshness`, `refresh` — values served beyond their time, and loaded anew meanwhile.
//! - `tags` — groups of entries.
//! - `pins` — entries that the policy may not touch.
//! - `modify` — reading and writing in one step.
//! - `lifetime` — deadlines: what a write gives an entry, and what changes it.
//! - `snapshot` — what is remembered for the next process, and how it comes back.
//! - `maintain` — one turn of maintenance: events into the engine, effects out to the store.
//! - `member` — a share of a budget instead of a budget of its own.
//! - `resize`, `rebuild` — another budget; starting over after the policy has panicked.
//! - `deliver` — values that left: listener calls and destructors, with no lock held.
//! - `inspect` — the oracle, the census and the statistics.
//!
//! # Locks
//!
//! | lock | protects | may be taken while holding |
//! |---|---|---|
//! | `decisions` | engine, drain state, every decision | nothing of ours, or the division of a shared budget |
//! | a shard's lock | its rows and its log | `decisions` |
//! | a second shard's lock | the same | `decisions` and one shard's lock |
//! | `deliveries` | tickets; events that arose inside a callback | any of these, for a few instructions |
//! | the division of a shared budget | the shares of its members | nothing of ours |
//! | a flight's state | who waits for a load, how it ended | nothing of ours |
//!
//! Only the holder of `decisions` ever holds two shards, and nobody waits for `decisions` with a shard's lock in
//! hand: no cycle can form. No user code runs under any of them but what is documented at the method
//! (`Clone` in `get`, the closures of `get_with`, `replace_if` and `retain`, an `Expiry`), and no value is dropped under one.

mod births;
mod bulk;
mod decided;
mod deliver;
mod freshness;
mod inspect;
mod jitter;
mod lifetime;
mod load;
mod load_many;
mod maintain;
mod member;
mod modify;
mod pins;
mod pressure;
mod read;
mod rebuild;
mod refresh;
mod resize;
#[cfg(feature = "persist")]
mod snapshot;
mod tags;
mod write;

pub(crate) use deliver::in_callback;
pub(crate) use freshness::Freshness;
pub(crate) use jitter::Jitter;
pub(crate) use lifetime::Lifetime;
pub use lifetime::{Expiry, Lifespan, Living};
pub(crate) use load::Lead;
pub use load::Loaded;
pub(crate) use modify::Done;
pub use modify::Op;
pub(crate) use pins::Pinning;
pub use refresh::Refresh;
#[cfg(feature = "persist")]
pub(crate) use snapshot::{Returning, Returns};
pub(crate) use write::Request;

use crate::budget::Budget;
use crate::clock::Ticks;
use crate::counters::Striped;
use crate::engine::{Effect, Engine};
use crate::life::LifeTimes;
use crate::listener::Listener;
use crate::policy::Objective;
use crate::processor::Bell;
use crate::ring::access::{AccessRing, Drainer};
use crate::ring::log::Command;
use crate::share::Membership;
use crate::store::{Idle, Store};
use crate::sync::Mutex;
use births::Births;
use deliver::Deliveries;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

/// Everything but the faces and the thread.
pub(crate) struct Core<V> {
    store: Store<V>,
    budget: Budget,
    reads: AccessRing,
    /// How many more reads the policy wants to hear of from readers themselves; see [`maintain`]. Written under
    /// `decisions`, read by anybody; a hint, hence Relaxed.
    appetite: AtomicUsize,
    counters: Striped<COUNTS>,
    /// Whoever holds this decides.
    decisions: Mutex<Decisions>,
    deliveries: Deliveries<V>,
    lifetimes: LifeTimes,
    /// When the last turn looked for what had expired, in milliseconds. Written under `decisions`; Relaxed: who reads
    /// an older time sweeps once more.
    swept_ms: AtomicU64,
    bell: Bell,
    /// The place in a shared budget, if there is one. Set once, before the cache is built.
    share: OnceLock<Membership>,
    /// How many entries had no room, if there is a place. Relaxed: a hint for who divides.
    turned_away: AtomicU64,
    settings: Settings<V>,
}

/// What the builder settled.
pub(crate) struct Settings<V> {
    pub(crate) weigher: Option<Box<Weigher<V>>>,
    pub(crate) replace_if: Option<Box<ReplaceIf<V>>>,
    pub(crate) listener: Option<Listener<V>>,
    /// Added to every cost; 0 unless the overhead is charged.
    pub(crate) overhead: u64,
    pub(crate) slack: Slack,
    /// What pinned entries may cost, if the budget is not smaller.
    pub(crate) pin_quota: u64,
    /// `None` is for ever.
    pub(crate) time_to_live: Option<Duration>,
    pub(crate) jitter: Jitter,
    pub(crate) freshness: Freshness,
    pub(crate) expiry: Option<Box<dyn Expiry<V>>>,
    pub(crate) idle: Option<Idle>,
    pub(crate) ticks: Ticks,
    pub(crate) maintenance: Maintenance,
    /// What metrics and traces call the cache.
    pub(crate) name: Box<str>,
    /// The process that built the cache.
    pub(crate) process: u32,
    pub(crate) seed: u64,
    pub(crate) objective: Objective,
}

pub(crate) type Weigher<V> = dyn Fn(&V) -> u64 + Send + Sync;
pub(crate) type ReplaceIf<V> = dyn Fn(&V, &V) -> bool + Send + Sync;

/// Who runs the turns of maintenance.
///
/// Whatever the mode, the budget holds at every instant: a thread whose insert finds no room runs a turn
/// itself, and [`wait`](crate::Cache::wait) and [`run_pending`](crate::Cache::run_pending) run one on the calling thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub enum Maintenance {
    /// One thread of the cache's own, asleep while there is nothing to do.
    #[default]
    Thread,
    /// No thread: every write settles what is pending, unless another thread is at it. Entries that expire
    /// are reclaimed by the next write.
    Inline,
    /// No thread: only `run_pending` and `wait` run turns, and writers who must. For tests, simulation and
    /// event loops; deterministic on a single thread.
    Manual,
}

/// How far undecided cost may pass the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slack {
    /// A 64th of the budget, at least 1.
    Share,
    /// As the user said; 0 is strict.
    Fixed(u64),
}

impl Slack {
    pub(crate) fn of(self, max_cost: u64) -> u64 {
        match self {
            Self::Share => (max_cost / 64).max(1),
            Self::Fixed(slack) => slack,
        }
    }
}

/// What the holder of the mutex works with.
struct Decisions {
    engine: Engine,
    drainer: Drainer,
    /// Where the next turn looks for a dirty shard first.
    cursor: usize,
    /// The latest time at which a turn looked for what had expired.
    latest: Duration,
    /// Scratch: reads that were drained.
    heard: Vec<u64>,
    /// Scratch: a log that was swapped out.
    commands: Vec<Command>,
    /// Scratch: what the engine decided.
    effects: Vec<Effect>,
    births: Births,
}

/// What is counted, by the thread that does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    Misses,
    RefusedTooCostly,
    RefusedKept,
    RefusedAbsent,
    RefusedUnpinnable,
    PinsRefused,
    PinsLost,
    Rejections,
    RejectedCost,
    RejectedAtOnce,
    Evictions,
    EvictedCost,
    Expirations,
    ExpiredCost,
    Cleared,
    ClearedCost,
    Clears,
    Helps,
    DecidedAtOnce,
    Loads,
    LoadsFailed,
    LoadsAbandoned,
    LoadsOvertaken,
    Refreshes,
    RefreshesFailed,
    ServedStale,
    CallbackPanics,
    PolicyPanics,
    Turns,
}

const COUNTS: usize = Count::Turns as usize + 1;

impl<V> Core<V> {
    pub(crate) fn new(engine: Engine, shards: usize, max_cost: u64, settings: Settings<V>) -> Self {
        let slack = settings.slack.of(max_cost);
        let (reads, drainer) = AccessRing::new();
        Self {
            store: Store::new(shards, settings.pin_quota.min(max_cost)),
            budget: Budget::new(max_cost, slack),
            reads,
            appetite: AtomicUsize::new(0),
            counters: Striped::new(),
            decisions: Mutex::new(Decisions {
                engine,
                drainer,
                cursor: 0,
                latest: Duration::ZERO,
                heard: Vec::new(),
                commands: Vec::new(),
                effects: Vec::new(),
                births: Births::new(),
            }),
            deliveries: Deliveries::default(),
            lifetimes: LifeTimes::new(),
            swept_ms: AtomicU64::new(0),
            bell: Bell::new(),
            share: OnceLock::new(),
            turned_away: AtomicU64::new(0),
            settings,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    pub(crate) fn bell(&self) -> &Bell {
        &self.bell
    }

    pub(crate) fn max_cost(&self) -> u64 {
        self.budget.max_cost()
    }

    pub(crate) fn slack(&self) -> u64 {
        self.budget.slack()
    }

    pub(crate) fn cost(&self) -> u64 {
        self.budget.occupied()
    }

    pub(crate) fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether this process was forked from the one that built the cache.
    pub(crate) fn is_forked(&self) -> bool {
        std::process::id() != self.settings.process
    }

    /// The time since the cache was built.
    fn now(&self) -> Duration {
        self.settings.ticks.now()
    }

    /// The time as a turn of maintenance sees it, which is not to end half-way: if the clock panics, it is still the `latest`.
    /// What it threw is forgotten: locks are held, and it may be anything.
    fn now_or(&self, latest: Duration) -> Duration {
        catch_unwind(AssertUnwindSafe(|| self.now())).unwrap_or_else(|payload| {
            forget(payload);
            self.count(Count::CallbackPanics, 1);
            latest
        })
    }

    fn count(&self, what: Count, by: u64) {
        self.counters.add(what as usize, by);
    }

    fn counted(&self, what: Count) -> u64 {
        self.counters.sum(what as usize)
    }
}
