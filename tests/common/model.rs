//! The naive model of a cache: a map of what must be there. Shared with the fuzz target.
//!
//! Every departure is announced, so the model knows exactly what is in the cache after every step, without
//! knowing a thing about policies: it is what was accepted and has not been announced as gone. Any value that is
//! seen otherwise, not seen, announced twice, or not dropped in time is a defect.

#[path = "model_pins.rs"]
mod pins;
#[path = "model_steps.rs"]
mod steps;

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use steps::{Config, Step};
use tollgate::clock::ManualClock;
use tollgate::key::{KeyHash, KeyHasher};
use tollgate::{Cache, Cause, Event, InsertError, InsertOptions, Inserted, Tag};

/// One step in its raw form, as a generator or a fuzzer makes it: what, on which key, with which number.
pub type RawStep = (u8, u8, u16);

/// A configuration in its raw form.
pub type RawConfig = [u8; 8];

/// Plays `steps` on a cache and on the model.
pub fn play(config: RawConfig, steps: &[RawStep]) {
    let mut world = World::new(Config::from(config));
    for (number, &raw) in steps.iter().enumerate() {
        let step = Step::from(raw);
        world.context = format!("step {number}, {step:?}, of {:?}", world.config);
        world.play(step);
        world.compare();
    }
    world.end();
}

/// Few enough keys that they meet often.
const KEYS: u8 = 40;

/// A key of the model; keys 2n and 2n + 1 below ten have the same index. Zero is a word like any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pair(u8);

impl Pair {
    fn index(self) -> u64 {
        let number = u64::from(if self.0 < 10 { self.0 / 2 } else { self.0 });
        number | (number % 7) << 40
    }
}

impl Hash for Pair {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u8(self.0);
    }
}

/// Takes a [`Pair`] at its word.
#[derive(Debug, Clone, Copy)]
struct Pairwise;

impl KeyHasher for Pairwise {
    fn hash_key<Q: Hash + ?Sized>(&self, key: &Q) -> KeyHash {
        struct Last(u8);
        impl Hasher for Last {
            fn finish(&self) -> u64 {
                0
            }
            fn write(&mut self, bytes: &[u8]) {
                self.0 = bytes[0];
            }
        }
        let mut last = Last(0);
        key.hash(&mut last);
        KeyHash { index: Pair(last.0).index(), conflict: last.0.into() }
    }
}

/// A value that says when it is dropped.
#[derive(Debug)]
struct Counted {
    id: u32,
    drops: Arc<Mutex<Vec<u32>>>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.drops.lock().unwrap()[self.id as usize] += 1;
    }
}

/// What the model knows of a resident value.
#[derive(Debug, Clone, Copy)]
struct Present {
    id: u32,
    cost: u64,
    /// `None` is never.
    deadline: Option<u64>,
    touched: u64,
    tag: Option<Tag>,
    pinned: bool,
    /// A turn has passed since it was written: the policy has decided.
    decided: bool,
}

struct World {
    config: Config,
    context: String,
    /// The key that is being inserted.
    newcomer: Option<u8>,
    cache: Cache<Pair, Counted, Pairwise>,
    clock: ManualClock,
    now: u64,
    events: Arc<Mutex<Vec<Event<Counted>>>>,
    drops: Arc<Mutex<Vec<u32>>>,
    present: HashMap<u8, Present>,
    /// By id: has left, and was dropped.
    gone: Vec<bool>,
    tally: Tally,
}

#[derive(Debug, Default)]
struct Tally {
    hits: u64,
    misses: u64,
    inserts: u64,
    updates: u64,
    removals: u64,
    by_cause: HashMap<Cause, u64>,
    refusals: u64,
    pins_refused: u64,
    pins_lost: u64,
    rejected_at_once: u64,
    clears: u64,
}

impl World {
    fn new(config: Config) -> Self {
        let clock = ManualClock::new();
        let events: Arc<Mutex<Vec<Event<Counted>>>> = Arc::default();
        let heard = Arc::clone(&events);
        let mut builder = Cache::builder(400, config.max_cost)
            .key_hasher(Pairwise)
            .policy(config.policy.clone())
            .objective(config.objective)
            .seed(config.seed)
            .pin_quota(config.pin_quota)
            .maintenance(config.maintenance)
            .clock(clock.clone())
            .charge_overhead(config.charges_overhead)
            .listener(move |event| heard.lock().unwrap().push(event));
        if config.weighs {
            builder = builder.weigher(|value: &Counted| weight(value.id));
        }
        if config.keeps_some {
            builder = builder.replace_if(|old, new| may_replace(old.id, new.id));
        }
        if let Some(slack) = config.slack {
            builder = builder.slack(slack);
        }
        if let Some(ttl) = config.time_to_live {
            builder = builder.time_to_live(Duration::from_millis(ttl));
        }
        if let Some(tti) = config.time_to_idle {
            builder = builder.time_to_idle(Duration::from_millis(tti));
        }
        Self {
            cache: builder.build().unwrap(),
            config,
            context: String::new(),
            newcomer: None,
            clock,
            now: 0,
            events,
            drops: Arc::default(),
            present: HashMap::new(),
            gone: Vec::new(),
            tally: Tally::default(),
        }
    }

    fn play(&mut self, step: Step) {
        match step {
            Step::Insert { key, cost, options } => self.insert(key, cost, options),
            Step::Get { key } => self.get(key),
            Step::Peek { key } => {
                let seen = self.cache.contains_key(&Pair(key));
                assert_eq!(seen, self.live(key).is_some(), "contains_key, {}", self.context);
            }
            Step::Remove { key } => self.remove(key),
            Step::Retime { key, ttl } => self.retime(key, ttl),
            Step::Retain { divisor } => self.retain(divisor),
            Step::Clear => self.clear(),
            Step::SetTag { key, tag } => self.set_tag(key, tag),
            Step::Pin { key } => self.pin(key),
            Step::Unpin { key } => self.unpin(key),
            Step::RemoveTag { tag } => self.remove_tag(tag),
            Step::Advance { ms } => {
                self.now += ms;
                self.clock.advance(Duration::from_millis(ms));
            }
            Step::RunPending => {
                self.cache.run_pending();
                self.settled();
            }
            Step::Wait => {
                self.cache.wait().unwrap();
                self.settled();
            }
            Step::SetMaxCost { max_cost } => self.set_max_cost(max_cost),
        }
    }

    fn insert(&mut self, key: u8, cost: u64, options: InsertOptions) {
        let id = self.gone.len() as u32;
        self.gone.push(false);
        self.drops.lock().unwrap().push(0);
        let charged = self.charged(id, cost);
        let before = self.live(key);
        let had_room = self.has_quota_for(key, charged);
        let value = Counted { id, drops: Arc::clone(&self.drops) };
        let outcome = self.cache.try_insert_with(Pair(key), value, cost, options);
        self.newcomer = Some(key);
        let left_already = self.hear(Some(id));
        self.newcomer = None;
        let refused = match outcome {
            Ok(inserted) => {
                self.accept(key, id, charged, options, before, inserted, left_already);
                self.expect_pin(key, options, before, had_room, left_already);
                return;
            }
            Err(error) => error,
        };
        assert!(!left_already, "handed back and announced: {}", self.context);
        let live = self.live(key);
        match &refused {
            InsertError::TooCostly { cost, max_cost, .. } => {
                assert_eq!((*cost, *max_cost), (charged, self.config.max_cost), "{}", self.context);
                assert!(charged > self.config.max_cost, "{}", self.context);
            }
            InsertError::Rejected(_) => {
                assert!(!options.pinned, "no policy decides on a pinned entry: {}", self.context);
                self.tally.rejected_at_once += 1;
            }
            InsertError::Unpinnable { cost, left, .. } => {
                assert!(options.pinned && !self.has_quota_for(key, charged), "{}", self.context);
                let expected = (charged, self.quota().saturating_sub(self.pinned_cost()) + self.held(key));
                assert_eq!((*cost, *left), expected, "{}", self.context);
            }
            InsertError::Kept(_) => {
                let old = live.unwrap_or_else(|| panic!("kept what is not there: {}", self.context));
                assert!(self.config.keeps_some && !may_replace(old.id, id), "{}", self.context);
            }
            InsertError::Absent(_) => assert!(options.if_present && live.is_none(), "{}", self.context),
            other => panic!("a new kind of refusal: {other:?}"),
        }
        self.tally.refusals += u64::from(!matches!(refused, InsertError::Rejected(_)));
        let value = refused.into_value();
        assert_eq!(value.id, id, "somebody else's value was handed back: {}", self.context);
        self.leave(value);
    }

    #[expect(clippy::too_many_arguments, reason = "all that is known of one insert")]
    fn accept(
        &mut self,
        key: u8,
        id: u32,
        cost: u64,
        options: InsertOptions,
        before: Option<Present>,
        inserted: Inserted,
        left_already: bool,
    ) {
        assert!(cost <= self.config.max_cost, "{}", self.context);
        let mate = self.present.keys().find(|&&other| Pair(other).index() == Pair(key).index());
        assert_eq!(mate, None, "two rows with one index: {}", self.context);
        match inserted {
            Inserted::New => {
                assert!(!options.if_present, "it was not present: {}", self.context);
                self.tally.inserts += 1;
            }
            Inserted::Replaced => {
                assert!(before.is_some(), "replaced what was not there: {}", self.context);
                self.tally.updates += 1;
            }
        }
        if left_already {
            return;
        }
        let kept = before.and_then(|before| before.deadline);
        let deadline = match options.time_to_live {
            Some(Duration::ZERO | Duration::MAX) => None,
            Some(ttl) => Some(self.now + ttl.as_millis() as u64),
            None if options.if_present => kept,
            None => self.config.time_to_live.map(|ttl| self.now + ttl),
        };
        let decided = self.config.slack == Some(0);
        let keeps_tag = options.if_present && options.tag.is_none();
        let tag = if keeps_tag { before.and_then(|before| before.tag) } else { options.tag };
        self.present
            .insert(key, Present { id, cost, deadline, touched: self.now, tag, pinned: false, decided });
    }

    fn get(&mut self, key: u8) {
        let seen = self.cache.get_with(&Pair(key), |value| value.id);
        self.hear(None);
        let live = self.live(key);
        assert_eq!(seen, live.map(|live| live.id), "get, {}", self.context);
        match seen {
            Some(_) => self.tally.hits += 1,
            None => self.tally.misses += 1,
        }
        let now = self.now;
        if let Some(live) = live {
            self.present.insert(key, Present { touched: now, ..live });
        }
    }

    fn remove(&mut self, key: u8) {
        let live = self.live(key);
        let removed = self.cache.remove(&Pair(key));
        assert_eq!(removed.as_ref().map(|value| value.id), live.map(|live| live.id), "{}", self.context);
        if let Some(value) = removed {
            self.present.remove(&key);
            self.tally.removals += 1;
            self.leave(value);
        }
        self.hear(None);
    }

    fn retime(&mut self, key: u8, ttl: Option<u64>) {
        let live = self.live(key);
        if let Some(live) = live {
            let deadline = ttl.map(|ttl| self.now + ttl);
            // If it was to leave meanwhile, its new deadline is a newcomer's.
            self.present.insert(key, Present { deadline, decided: false, ..live });
        }
        let pair = Pair(key);
        let changed = match ttl {
            None => self.cache.persist(&pair),
            Some(0) => self.cache.expire_at(&pair, Instant::now()),
            Some(ttl) => self.cache.set_ttl(&pair, Duration::from_millis(ttl)),
        };
        assert_eq!(changed, live.is_some(), "{}", self.context);
        self.hear(None);
    }

    fn retain(&mut self, divisor: u32) {
        let mut asked = Vec::new();
        self.cache.retain(|hash, value| {
            asked.push((hash.conflict as u8, value.id));
            !value.id.is_multiple_of(divisor)
        });
        let is_there = |&(key, id): &(u8, u32)| self.live(key).is_some_and(|live| live.id == id);
        assert!(asked.iter().all(is_there), "{asked:?}, {}", self.context);
        self.hear(None);
        // What a turn evicted on the way was not asked about; the rest was, and stays because it was wanted.
        for (&key, present) in &self.present {
            assert!(asked.contains(&(key, present.id)), "not asked about {key}, {}", self.context);
            assert!(!present.id.is_multiple_of(divisor), "{}", self.context);
        }
        // It reclaims what has expired on its way.
        let expired = self.present.keys().filter(|&&key| self.live(key).is_none()).count();
        assert_eq!(expired, 0, "{}", self.context);
    }

    fn set_tag(&mut self, key: u8, tag: Option<Tag>) {
        let live = self.live(key);
        assert_eq!(self.cache.set_tag(&Pair(key), tag), live.is_some(), "{}", self.context);
        if let Some(live) = live {
            self.present.insert(key, Present { tag, ..live });
        }
        self.hear(None);
    }

    fn remove_tag(&mut self, tag: Tag) {
        let heard = |tally: &Tally| tally.by_cause.get(&Cause::Removed).copied().unwrap_or_default();
        let before = heard(&self.tally);
        let removed = self.cache.remove_tag(tag);
        let is_other = |event: &Event<Counted>| {
            let present = self.present.get(&(event.key.conflict as u8));
            present.is_some_and(|present| present.id == event.value.id && present.tag != Some(tag))
        };
        let events = self.events.lock().unwrap();
        let strays = events.iter().filter(|event| event.cause == Cause::Removed && is_other(event)).count();
        assert_eq!(strays, 0, "{}", self.context);
        drop(events);
        self.hear(None);
        assert_eq!(heard(&self.tally) - before, removed as u64, "{}", self.context);
        let left = self.present.values().find(|present| present.tag == Some(tag));
        assert!(left.is_none(), "{left:?} outlived {}", self.context);
    }

    fn clear(&mut self) {
        self.cache.clear();
        self.tally.clears += 1;
        self.hear(None);
        assert!(self.present.is_empty(), "{:?} outlived {}", self.present, self.context);
    }

    /// Everything pending was decided upon, and everything expired is gone.
    fn settled(&mut self) {
        self.hear(None);
        let expired: Vec<_> = self.present.keys().filter(|&&key| self.live(key).is_none()).collect();
        assert!(expired.is_empty(), "{expired:?} were not reclaimed: {}", self.context);
        assert!(self.cost() <= self.config.max_cost, "{}", self.context);
        self.present.values_mut().for_each(|present| present.decided = true);
    }

    /// Takes the announcements in. Whether `newcomer`, which is being inserted, is among them.
    fn hear(&mut self, newcomer: Option<u32>) -> bool {
        let mut newcomer_left = false;
        let events = std::mem::take(&mut *self.events.lock().unwrap());
        for event in events {
            let (id, key) = (event.value.id, event.key.conflict as u8);
            assert_eq!(event.key.index, Pair(key).index(), "{}", self.context);
            *self.tally.by_cause.entry(event.cause).or_default() += 1;
            if newcomer == Some(id) {
                assert!(matches!(event.cause, Cause::Evicted | Cause::Rejected), "{}", self.context);
                newcomer_left = true;
            } else {
                let live = self.live(key).is_some();
                let present = self.present.remove(&key);
                let present = present.filter(|present| present.id == id).unwrap_or_else(|| {
                    panic!("{event:?} of value {id}, which is not there: {}", self.context)
                });
                assert_eq!(event.cost, present.cost, "{}", self.context);
                let is_mate = |newcomer| Pair(newcomer).index() == Pair(key).index();
                if present.pinned && !self.newcomer.is_some_and(is_mate) {
                    let is_decision = matches!(event.cause, Cause::Evicted | Cause::Rejected);
                    assert!(!is_decision, "{present:?} was pinned: {}", self.context);
                }
                match event.cause {
                    Cause::Expired => assert!(!live, "{present:?} expired early: {}", self.context),
                    Cause::Replaced => assert!(live && newcomer.is_some(), "{present:?}, {}", self.context),
                    Cause::Removed => assert!(live, "{present:?}, {}", self.context),
                    Cause::Rejected => assert!(!present.decided, "{present:?} was in: {}", self.context),
                    Cause::Evicted | Cause::Cleared => {}
                }
            }
            self.leave(event.value);
        }
        newcomer_left
    }

    fn leave(&mut self, value: Counted) {
        let gone = &mut self.gone[value.id as usize];
        assert!(!*gone, "value {} left twice: {}", value.id, self.context);
        *gone = true;
    }

    /// The whole structure, after every step.
    fn compare(&mut self) {
        if let Err(inconsistency) = self.cache.check() {
            panic!("{inconsistency}: {}", self.context);
        }
        for key in 0..KEYS {
            let live = self.live(key);
            let ttl = self.cache.remaining_ttl(&Pair(key));
            assert_eq!(ttl, live.map(|live| self.left(live)), "remaining_ttl of {key}, {}", self.context);
            assert_eq!(self.cache.tag(&Pair(key)), live.and_then(|live| live.tag), "{}", self.context);
            let is_pinned = live.is_some_and(|live| live.pinned);
            assert_eq!(self.cache.is_pinned(&Pair(key)), is_pinned, "{key}, {}", self.context);
        }
        let (census, stats) = (self.cache.census(), self.cache.stats());
        assert_eq!(census.entries, self.present.len(), "{}", self.context);
        assert_eq!(self.cache.len(), self.present.len(), "{}", self.context);
        assert_eq!((census.cost, self.cache.cost()), (self.cost(), self.cost()), "{}", self.context);
        assert!(census.cost <= self.config.max_cost.saturating_add(self.cache.slack()), "{}", self.context);
        let by_cause = |cause| self.tally.by_cause.get(&cause).copied().unwrap_or_default();
        let counted = [
            ("hits", stats.hits, self.tally.hits),
            ("misses", stats.misses, self.tally.misses),
            ("inserts", stats.inserts, self.tally.inserts),
            ("updates", stats.updates, self.tally.updates),
            ("replaced", stats.updates, by_cause(Cause::Replaced)),
            ("removals", stats.removals, self.tally.removals + by_cause(Cause::Removed)),
            ("evictions", stats.evictions, by_cause(Cause::Evicted)),
            ("rejections", stats.rejections, by_cause(Cause::Rejected) + self.tally.rejected_at_once),
            ("expirations", stats.expirations, by_cause(Cause::Expired)),
            ("cleared", stats.cleared, by_cause(Cause::Cleared)),
            ("clears", stats.clears, self.tally.clears),
            ("refusals", stats.refusals, self.tally.refusals),
            ("pinned", stats.pinned, self.pinned().count() as u64),
            ("pinned cost", stats.pinned_cost, self.pinned_cost()),
            ("quota", stats.pin_quota, self.quota()),
            ("pins refused", stats.pins_refused, self.tally.pins_refused),
            ("pins lost", stats.pins_lost, self.tally.pins_lost),
            ("panics", stats.callback_panics + stats.policy_panics, 0),
        ];
        for (what, is, ought) in counted {
            assert_eq!(is, ought, "{what}, {}", self.context);
        }
        let drops = self.drops.lock().unwrap();
        for (id, (&drops, &gone)) in drops.iter().zip(&self.gone).enumerate() {
            assert_eq!(drops, u32::from(gone), "destructor calls of value {id}, {}", self.context);
        }
    }

    fn end(self) {
        let Self { cache, drops, events, gone, present, .. } = self;
        drop(cache);
        assert!(events.lock().unwrap().is_empty(), "the drop of the last handle announces nothing");
        assert_eq!(gone.iter().filter(|&&gone| !gone).count(), present.len());
        assert!(drops.lock().unwrap().iter().all(|&drops| drops == 1), "residents drop with the cache");
    }

    fn live(&self, key: u8) -> Option<Present> {
        self.present.get(&key).copied().filter(|&present| !self.left(present).is_zero())
    }

    /// The time that a present value has left.
    fn left(&self, present: Present) -> Duration {
        let idle_end = self.config.time_to_idle.map(|tti| present.touched + tti);
        match present.deadline.into_iter().chain(idle_end).min() {
            None => Duration::MAX,
            Some(end) => Duration::from_millis(end.saturating_sub(self.now)),
        }
    }

    fn cost(&self) -> u64 {
        self.present.values().map(|present| present.cost).sum()
    }

    fn charged(&self, id: u32, cost: u64) -> u64 {
        let overhead = Cache::<Pair, Counted, Pairwise>::entry_overhead();
        let cost = if cost == 0 && self.config.weighs { weight(id) } else { cost };
        cost.max(1) + if self.config.charges_overhead { overhead } else { 0 }
    }
}

/// The weigher: sometimes zero, which counts as one.
fn weight(id: u32) -> u64 {
    u64::from(id % 5)
}

/// The replacement predicate: now and then, the old value stays.
fn may_replace(old: u32, new: u32) -> bool {
    !(old ^ new).is_multiple_of(4)
}
