//! Building a cache: every option, checked once.

mod refresh;

use crate::cache::Cache;
use crate::clock::{Clock, SystemClock, Ticks, millis_up};
use crate::core::{Core, Expiry, Freshness, Jitter, Maintenance, ReplaceIf, Settings, Slack, Weigher};
use crate::engine::Engine;
use crate::error::BuildError;
use crate::key::{KeyHasher, SecretHasher};
use crate::listener::{Event, Listener};
use crate::policy::{Objective, PolicyConfig, PolicyKind};
use crate::processor::{self, Processor, SharedProcessor};
use crate::share::SharedBudget;
use crate::store::Idle;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// Builds a [`Cache`]; from [`Cache::builder`].
#[must_use = "a builder does nothing until `build`"]
pub struct Builder<K: ?Sized, V, S = SecretHasher> {
    num_counters: usize,
    max_cost: u64,
    weigher: Option<Box<Weigher<V>>>,
    replace_if: Option<Box<ReplaceIf<V>>>,
    listener: Option<Listener<V>>,
    charge_overhead: bool,
    slack: Slack,
    pin_quota: u64,
    time_to_live: Option<Duration>,
    time_to_idle: Option<Duration>,
    ttl_jitter: f64,
    freshness: Freshness,
    expiry: Option<Box<dyn Expiry<V>>>,
    clock: Arc<dyn Clock>,
    policy: PolicyKind,
    objective: Objective,
    miss_ratio_curve: bool,
    seed: Option<u64>,
    maintenance: Maintenance,
    name: String,
    processor: Option<SharedProcessor>,
    shared_budget: Option<(SharedBudget, u32)>,
    hasher: S,
    _key: PhantomData<fn() -> *const K>,
}

impl<K: ?Sized, V> Builder<K, V> {
    pub(crate) fn new(num_counters: usize, max_cost: u64) -> Self {
        Self {
            num_counters,
            max_cost,
            weigher: None,
            replace_if: None,
            listener: None,
            charge_overhead: false,
            slack: Slack::Share,
            pin_quota: 0,
            time_to_live: None,
            time_to_idle: None,
            ttl_jitter: 0.0,
            freshness: Freshness::default(),
            expiry: None,
            clock: Arc::new(SystemClock::new()),
            policy: PolicyKind::default(),
            objective: Objective::default(),
            miss_ratio_curve: false,
            seed: None,
            maintenance: Maintenance::default(),
            name: String::new(),
            processor: None,
            shared_budget: None,
            hasher: SecretHasher::new(),
            _key: PhantomData,
        }
    }
}

impl<K: ?Sized, V, S: KeyHasher> Builder<K, V, S> {
    /// What a value costs where the caller passes a cost of 0. A result of 0 counts as 1: no entry is free.
    ///
    /// Called on the inserting thread, with no lock held (but for [`Cache::compute`], which asks under the lock of a shard).
    pub fn weigher(mut self, weigher: impl Fn(&V) -> u64 + Send + Sync + 'static) -> Self {
        self.weigher = Some(Box::new(weigher));
        self
    }

    /// Whether [`Cache::entry_overhead`] bytes of bookkeeping are added to every cost. Sensible where costs
    /// are bytes. The default is no: a cost means what the caller says.
    pub fn charge_overhead(mut self, charge: bool) -> Self {
        self.charge_overhead = charge;
        self
    }

    /// How far cost that the policy has not decided upon may pass `max_cost`, in units of cost. At every
    /// instant the store holds at most `max_cost + slack`. The default is a 64th of `max_cost`, at least 1.
    ///
    /// More slack means larger batches of decisions under write-heavy load. An entry that costs more than
    /// the slack is decided before its insert returns.
    pub fn slack(mut self, slack: u64) -> Self {
        self.slack = Slack::Fixed(slack);
        self
    }

    /// No slack: the store never holds more than `max_cost`. Inserts into a full cache are decided before
    /// they return, one after another.
    pub fn strict(self) -> Self {
        self.slack(0)
    }

    /// How much of the budget [pinned](Cache::pin) entries may take together, in units of cost; at most `max_cost`. The default is 0: nothing can be
    /// pinned. What is not taken is there for all entries.
    pub fn pin_quota(mut self, cost: u64) -> Self {
        self.pin_quota = cost;
        self
    }

    /// How long entries live after they were written, unless their insert says otherwise. The default, and
    /// `Duration::MAX`, is for ever.
    pub fn time_to_live(mut self, ttl: Duration) -> Self {
        self.time_to_live = Some(ttl);
        self
    }

    /// How long entries live after they were last read or written. Measured to a millisecond, or to a
    /// millionth of the duration if that is longer. Every read of such a cache asks the clock.
    pub fn time_to_idle(mut self, tti: Duration) -> Self {
        self.time_to_idle = Some(tti);
        self
    }

    /// By how much a time to live is cut at random, so that what was written together does not expire together: up to this share of
    /// it, from 0 (the default) up to but not including 1. The cut depends on the key and the [`seed`](Self::seed) alone.
    ///
    /// It applies to what the builder, an insert or a load says; not to [`set_ttl`](Cache::set_ttl) and its kin, nor to what an [`Expiry`] decides.
    pub fn ttl_jitter(mut self, share: f64) -> Self {
        self.ttl_jitter = share;
        self
    }

    /// Who decides how long each entry lives, beyond one time for all; see [`Expiry`].
    pub fn expiry(mut self, expiry: impl Expiry<V> + 'static) -> Self {
        self.expiry = Some(Box::new(expiry));
        self
    }

    /// Who hears of every value that leaves other than into the hands of a caller.
    ///
    /// Called with no lock held, after the state has settled, on whichever thread settled it; any method of
    /// the cache may be called from it. A panic is contained, counted, and loses at most its own event.
    pub fn listener(mut self, listener: impl Fn(Event<V>) + Send + Sync + 'static) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    /// Whether a live entry's value (first) may be replaced by a new one (second). A refused value is handed
    /// back by `try_insert`; `insert` returns false.
    ///
    /// Called under the lock of the key's shard: it must be quick, and must not call the cache.
    pub fn replace_if(mut self, replace_if: impl Fn(&V, &V) -> bool + Send + Sync + 'static) -> Self {
        self.replace_if = Some(Box::new(replace_if));
        self
    }

    /// How keys are hashed. The default resists chosen keys; [`FastHasher`](crate::key::FastHasher) is for
    /// keys that nobody else chooses.
    pub fn key_hasher<T: KeyHasher>(self, hasher: T) -> Builder<K, V, T> {
        Builder {
            num_counters: self.num_counters,
            max_cost: self.max_cost,
            weigher: self.weigher,
            replace_if: self.replace_if,
            listener: self.listener,
            charge_overhead: self.charge_overhead,
            slack: self.slack,
            pin_quota: self.pin_quota,
            time_to_live: self.time_to_live,
            time_to_idle: self.time_to_idle,
            ttl_jitter: self.ttl_jitter,
            freshness: self.freshness,
            expiry: self.expiry,
            clock: self.clock,
            policy: self.policy,
            objective: self.objective,
            miss_ratio_curve: self.miss_ratio_curve,
            seed: self.seed,
            maintenance: self.maintenance,
            name: self.name,
            processor: self.processor,
            shared_budget: self.shared_budget,
            hasher,
            _key: PhantomData,
        }
    }

    /// What the cache is called in metrics, traces and `Debug`. The default is the empty string.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// What to keep when not everything fits.
    pub fn policy(mut self, policy: PolicyKind) -> Self {
        self.policy = policy;
        self
    }

    /// What the policy maximises: hits (the default) or cost that hits.
    pub fn objective(mut self, objective: Objective) -> Self {
        self.objective = objective;
        self
    }

    /// Whether [`Stats::miss_ratio_curve`](crate::Stats::miss_ratio_curve) is to tell what a smaller or larger budget would buy.
    /// The default is no. It costs less than 512 KiB, and about 100 ns of maintenance for each access that
    /// the policy hears of (less in caches of a million entries; `cargo bench --bench engine -- lru`).
    pub fn miss_ratio_curve(mut self, wanted: bool) -> Self {
        self.miss_ratio_curve = wanted;
        self
    }

    /// The seed of the policy's random choices, and of the [`ttl_jitter`](Self::ttl_jitter). The default is different for every cache. The hasher has
    /// secrets of its own.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The clock that deadlines are measured by. It should not go backwards.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Who runs the turns of maintenance.
    pub fn maintenance(mut self, maintenance: Maintenance) -> Self {
        self.maintenance = maintenance;
        self
    }

    /// Lets a processor that is shared with other caches do what a thread of the cache's own would do ([`Maintenance::Thread`], the
    /// default; with any other, this is without effect). For programs with hundreds of caches.
    pub fn processor(mut self, processor: &SharedProcessor) -> Self {
        self.processor = Some(processor.clone());
        self
    }

    /// Makes the cache a member of a [`SharedBudget`]: how much it may hold is settled there, from time to time, by what it and the others need and by
    /// their weights (1 or more). The `max_cost` of the builder is the most that it gets; `u64::MAX` is as much as there is.
    pub fn shared_budget(mut self, budget: &SharedBudget, weight: u32) -> Self {
        self.shared_budget = Some((budget.clone(), weight));
        self
    }
}

impl<K: ?Sized, V: Send + Sync + 'static, S: KeyHasher> Builder<K, V, S> {
    /// Builds the cache, and starts its thread if it is to have one.
    ///
    /// # Errors
    /// If a budget, a number of counters, a weight or a duration is 0, the quota for pins exceeds the budget, the jitter is no share, a shared budget has no room
    /// for another cache, or the thread cannot be started.
    pub fn build(self) -> Result<Cache<K, V, S>, BuildError> {
        if self.num_counters == 0 {
            return Err(BuildError::NoCounters);
        }
        if self.max_cost == 0 {
            return Err(BuildError::NoBudget);
        }
        if self.pin_quota > self.max_cost {
            return Err(BuildError::QuotaBeyondBudget);
        }
        if self.shared_budget.as_ref().is_some_and(|&(_, weight)| weight == 0) {
            return Err(BuildError::NoWeight);
        }
        let refresh_after = self.freshness.refresh_after();
        if [self.time_to_live, self.time_to_idle, refresh_after].contains(&Some(Duration::ZERO)) {
            return Err(BuildError::ZeroDuration);
        }
        let seed = self.seed.unwrap_or_else(rand::random);
        let config = PolicyConfig {
            num_counters: self.num_counters,
            // The most that there may be: by that the policy takes its measure.
            max_cost: self
                .shared_budget
                .as_ref()
                .map_or(u64::MAX, |(budget, _)| budget.total())
                .clamp(1, self.max_cost),
            seed,
            objective: self.objective,
        };
        let settings = Settings {
            weigher: self.weigher,
            replace_if: self.replace_if,
            listener: self.listener,
            overhead: if self.charge_overhead {
                Cache::<K, V, S>::entry_overhead() + self.freshness.entry_bytes()
            } else {
                0
            },
            slack: self.slack,
            pin_quota: self.pin_quota,
            time_to_live: self.time_to_live,
            freshness: self.freshness,
            jitter: Jitter::new(self.ttl_jitter, seed).ok_or(BuildError::NoShare)?,
            expiry: self.expiry,
            // A time to idle beyond what milliseconds can count is no time to idle.
            idle: self.time_to_idle.map(millis_up).filter(|&ms| ms < u64::MAX / 2).map(Idle::new),
            ticks: Ticks::new(self.clock),
            maintenance: self.maintenance,
            name: self.name.into(),
            process: std::process::id(),
            seed,
            objective: self.objective,
        };
        let mut engine = Engine::new(self.policy, config).with_pin_quota(self.pin_quota);
        if self.miss_ratio_curve {
            engine = engine.with_miss_ratio_curve();
        }
        // A member begins with as little as possible, and gets its share when it joins.
        let mut max_cost = self.max_cost;
        if self.shared_budget.is_some() {
            max_cost = 1;
            engine.set_max_cost(max_cost, &mut Vec::new());
        }
        let core = Arc::new(Core::new(engine, shards(), max_cost, settings));
        let processor = match self.maintenance {
            Maintenance::Thread => Some(start(&core, self.processor)?),
            Maintenance::Inline | Maintenance::Manual => None,
        };
        let cache = Cache::assemble(Arc::clone(&core), processor, self.hasher);
        match self.shared_budget {
            Some((budget, weight)) if !core.join(&budget, weight, self.max_cost) => {
                Err(BuildError::BudgetTaken)
            }
            _ => Ok(cache),
        }
    }
}

fn start<V: Send + Sync + 'static>(
    core: &Arc<Core<V>>,
    shared: Option<SharedProcessor>,
) -> Result<Processor, BuildError> {
    let core = Arc::clone(core);
    match shared {
        Some(shared) => Ok(shared.serve(core)),
        None => Processor::spawn("tollgate".into(), move || processor::run(&*core))
            .map_err(|_| BuildError::NoThread),
    }
}

/// Enough shards that threads rarely meet, few enough that an empty cache is small: sixteen for each core.
fn shards() -> usize {
    if cfg!(tollgate_shuttle) {
        // Every lock is a place to preempt at: few of them leave more schedules that differ in what matters.
        return 2;
    }
    let cores = std::thread::available_parallelism().map_or(4, usize::from);
    (16 * cores).next_power_of_two().clamp(32, 256)
}

impl<K: ?Sized, V, S> fmt::Debug for Builder<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("num_counters", &self.num_counters)
            .field("max_cost", &self.max_cost)
            .field("policy", &self.policy)
            .field("objective", &self.objective)
            .field("miss_ratio_curve", &self.miss_ratio_curve)
            .field("slack", &self.slack)
            .field("pin_quota", &self.pin_quota)
            .field("time_to_live", &self.time_to_live)
            .field("time_to_idle", &self.time_to_idle)
            .field("freshness", &self.freshness)
            .field("maintenance", &self.maintenance)
            .finish_non_exhaustive()
    }
}
