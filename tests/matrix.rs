//! The configuration matrix: one body that calls everything, in every configuration that options can be combined to, seeded.
//!
//! `TOLLGATE_MATRIX=5000 cargo test --release --test matrix` plays so many configurations instead of 2,000, and
//! `TOLLGATE_MATRIX_ONLY=417` one of them. A configuration is a function of its number.

mod common;

use common::matrix_config::{Config, Costs, Hearing, Keys, Lives, Loads};
use common::{Books, Numbers, Value, hush, lock, planted_panic, settle, watchdog};
use std::collections::BTreeMap;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;
use tollgate::clock::ManualClock;
use tollgate::key::{FastHasher, KeyHash, KeyHasher, SecretHasher};
use tollgate::{
    Cache, Computed, Expiry, InsertOptions, Lifespan, Living, Loaded, Maintenance, Op, Reservation,
};

const STEPS: u64 = 150;

#[test]
fn every_method_in_every_configuration() {
    hush();
    let only = std::env::var("TOLLGATE_MATRIX_ONLY").ok().and_then(|number| number.parse().ok());
    let count = std::env::var("TOLLGATE_MATRIX").ok().and_then(|count| count.parse().ok()).unwrap_or(2000);
    let numbers = only.map_or(0..count, |only| only..only + 1);
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for number in numbers.clone() {
        let config = Config::number(number);
        config.options().into_iter().for_each(|option| *seen.entry(option).or_default() += 1);
        let told = config.clone();
        let played = catch_unwind(AssertUnwindSafe(|| watchdog(move || play(&config))));
        assert!(played.is_ok(), "configuration {number}, {told:?}");
    }
    println!("{} configurations of {} options", numbers.end - numbers.start, seen.len());
    if only.is_none() {
        for (option, times) in &seen {
            assert!(*times * 40 > count, "{option} was tried {times} times only");
        }
    }
}

fn play(config: &Config) {
    match config.keys {
        Keys::Integer => play_with::<u64, _>(config, SecretHasher::with_seed(config.number)),
        Keys::Text => play_with::<String, _>(config, SecretHasher::with_seed(config.number)),
        Keys::Pair => play_with::<(u32, String), _>(config, FastHasher::with_seed(config.number)),
        Keys::Bytes => play_with::<Vec<u8>, _>(config, FastHasher::with_seed(config.number)),
        Keys::Crowded => play_with::<u64, _>(config, Crowded(SecretHasher::with_seed(config.number))),
    }
}

/// A key for each number.
trait TestKey: Hash + Send + Sync + 'static {
    fn key(number: u64) -> Self;
}

impl TestKey for u64 {
    fn key(number: u64) -> Self {
        number
    }
}

impl TestKey for String {
    fn key(number: u64) -> Self {
        "k".repeat(number as usize)
    }
}

impl TestKey for (u32, String) {
    fn key(number: u64) -> Self {
        (number as u32 % 4, "x".repeat(number as usize / 4))
    }
}

impl TestKey for Vec<u8> {
    fn key(number: u64) -> Self {
        vec![0; number as usize]
    }
}

/// Twelve indices for all keys: most keys have mates.
#[derive(Clone)]
struct Crowded(SecretHasher);

impl KeyHasher for Crowded {
    fn hash_key<Q: Hash + ?Sized>(&self, key: &Q) -> KeyHash {
        let KeyHash { index, conflict } = self.0.hash_key(key);
        let twelfth = index % 12;
        KeyHash { index: (twelfth << 32) | twelfth, conflict }
    }
}

/// Some entries die young, some are kept alive by reads.
struct ByTag;

impl Expiry<Held> for ByTag {
    fn after_create(&self, entry: &Living<'_, Held>) -> Lifespan {
        [Lifespan::Keep, Lifespan::For(Duration::from_millis(9)), Lifespan::Forever]
            [entry.value.tag as usize % 3]
    }

    fn after_read(&self, entry: &Living<'_, Held>) -> Lifespan {
        let longer = Lifespan::For(Duration::from_millis(30));
        [Lifespan::Keep, longer, Lifespan::Keep, Lifespan::For(Duration::ZERO)][entry.value.tag as usize % 4]
    }
}

/// Cloned by reads, counted once.
type Held = Arc<Value>;

struct World<K, S> {
    config: Config,
    cache: Cache<K, Held, S>,
    books: Arc<Books>,
    clock: ManualClock,
    /// The most that the store may ever have held.
    bound: AtomicU64,
    /// Values whose fate their caller cannot know: loaded, or lost to a panic.
    unclear: Mutex<Vec<usize>>,
}

fn play_with<K: TestKey, S: KeyHasher + Clone>(config: &Config, hasher: S) {
    let (books, clock) = (Books::new(), ManualClock::new());
    let link: Link<K, S> = Arc::default();
    let cache = build(config, hasher, &books, &clock, &link);
    *lock(&link) = Some(cache.clone());
    let bound = AtomicU64::new(cache.max_cost().saturating_add(cache.slack()));
    let world = World { config: config.clone(), cache, books, clock, bound, unclear: Mutex::default() };
    thread::scope(|scope| {
        for thread in 0..config.threads {
            let world = &world;
            let mut numbers = Numbers::new(config.number * 64 + thread);
            scope.spawn(move || (0..STEPS).for_each(|_| world.step(&mut numbers)));
        }
    });
    drop(lock(&link).take());
    world.end();
}

type Link<K, S> = Arc<Mutex<Option<Cache<K, Held, S>>>>;

fn build<K: TestKey, S: KeyHasher + Clone>(
    config: &Config,
    hasher: S,
    books: &Arc<Books>,
    clock: &ManualClock,
    link: &Link<K, S>,
) -> Cache<K, Held, S> {
    let mut builder = Cache::<K, Held>::builder(300, config.max_cost)
        .key_hasher(hasher)
        .policy(config.policy.clone())
        .maintenance(config.maintenance)
        .seed(config.number)
        .pin_quota(config.pin_quota)
        .miss_ratio_curve(config.number.is_multiple_of(5))
        .clock(clock.clone());
    if let Some(slack) = config.slack {
        builder = builder.slack(slack);
    }
    match config.costs {
        Costs::Weighed => builder = builder.weigher(|value: &Held| value.tag % 5),
        Costs::Overhead => builder = builder.charge_overhead(true),
        Costs::Unit | Costs::Varied | Costs::Huge => {}
    }
    match config.lives {
        Lives::Default => builder = builder.time_to_live(Duration::from_millis(20)).ttl_jitter(0.4),
        Lives::Idle => builder = builder.time_to_idle(Duration::from_millis(15)),
        Lives::Expiry => builder = builder.expiry(ByTag),
        Lives::Forever | Lives::PerInsert => {}
    }
    if config.number.is_multiple_of(3) {
        builder = builder.replace_if(|old: &Held, new: &Held| !(old.tag ^ new.tag).is_multiple_of(6));
    }
    let (heard, link, calls) = (Arc::clone(books), Arc::clone(link), AtomicU64::new(0));
    builder = match config.hearing {
        Hearing::Nobody => builder,
        Hearing::Books => builder.listener(move |event| heard.hear_id(event.value.id, event.cause)),
        Hearing::Panics => builder.listener(move |event| {
            heard.hear_id(event.value.id, event.cause);
            if calls.fetch_add(1, Ordering::Relaxed) % 11 == 10 {
                planted_panic();
            }
        }),
        Hearing::CallsBack => builder.listener(move |event| {
            heard.hear_id(event.value.id, event.cause);
            let call = calls.fetch_add(1, Ordering::Relaxed);
            let cache = lock(&link).clone();
            let Some(cache) = cache.filter(|_| call.is_multiple_of(4)) else { return };
            let key = K::key(call % 30);
            match call % 3 {
                0 => cache.remove(&key).into_iter().for_each(|value| heard.hand_back_id(value.id)),
                1 => {
                    let value = Arc::new(heard.value(call));
                    if let Err(error) = cache.try_insert(key, value, 1) {
                        heard.hand_back_id(error.into_value().id);
                    }
                }
                _ => cache.wait().unwrap(),
            }
        }),
    };
    builder.build().unwrap()
}

impl<K: TestKey, S: KeyHasher + Clone> World<K, S> {
    fn step(&self, numbers: &mut Numbers) {
        let (what, key) = (numbers.below(43), K::key(numbers.below(30)));
        let cost = self.cost(numbers);
        match what {
            0..=9 => self.settle_insert(self.cache.try_insert_with(
                key,
                self.value(numbers),
                cost,
                self.options(numbers),
            )),
            10 => self.insert_many(numbers, cost),
            11..=15 => drop(self.cache.get(&key)),
            16 => drop(self.cache.get_with(&key, |value| value.tag)),
            17 => drop((self.cache.peek(&key), self.cache.contains_key(&key))),
            18 => drop(self.cache.get_many(&[key, K::key(3), K::key(4)])),
            19..=21 => self.cache.remove(&key).into_iter().for_each(|value| self.handed_back(value)),
            22 => {
                let removed = self.cache.remove_many(&[K::key(1), key, K::key(1)]);
                removed.into_iter().flatten().for_each(|value| self.handed_back(value));
            }
            23 | 24 => self.compute(numbers, &key, cost),
            25 => _ = self.cache.update(&key, |value| _ = value.tag),
            26 => _ = self.cache.set_ttl(&key, Duration::from_millis(numbers.below(20))),
            27 => _ = (self.cache.persist(&key), self.cache.remaining_ttl(&key)),
            28 => self.clock.advance(Duration::from_millis(numbers.below(8))),
            29 => self.resize(numbers),
            30 if numbers.below(4) == 0 => self.cache.clear(),
            30 => self.cache.retain(|_, value| !value.tag.is_multiple_of(3)),
            31 => self.cache.run_pending(),
            32 => self.cache.wait().unwrap(),
            33 => _ = (self.cache.iter().count(), self.cache.len(), self.cache.stats().to_string()),
            34 => {
                let census = self.cache.census();
                let bound = self.bound.load(Ordering::Relaxed);
                assert!(census.cost <= bound, "{census:?} passes {bound}");
            }
            35 | 36 => _ = self.cache.pin(&key),
            37 => _ = (self.cache.is_pinned(&key), self.cache.unpin(&key)),
            _ => self.load(numbers, &key, cost),
        }
    }

    fn value(&self, numbers: &mut Numbers) -> Held {
        Arc::new(self.books.value(numbers.below(1000)))
    }

    /// A value whose fate its caller will not know.
    fn unclear_value(&self, numbers: &mut Numbers) -> Held {
        let value = self.value(numbers);
        lock(&self.unclear).push(value.id);
        value
    }

    fn cost(&self, numbers: &mut Numbers) -> u64 {
        match self.config.costs {
            Costs::Unit => 1,
            Costs::Weighed => numbers.below(2) * 3,
            Costs::Varied | Costs::Overhead => numbers.below(12),
            Costs::Huge => (self.config.max_cost / 3).saturating_mul(numbers.below(5)),
        }
    }

    fn options(&self, numbers: &mut Numbers) -> InsertOptions {
        let lives = [Duration::ZERO, Duration::from_millis(4), Duration::from_millis(50), Duration::MAX];
        let per_insert = self.config.lives == Lives::PerInsert;
        InsertOptions {
            time_to_live: per_insert.then(|| lives[numbers.below(4) as usize]),
            if_present: numbers.below(6) == 0,
            tag: None,
            pinned: numbers.below(8) == 0,
        }
    }

    fn handed_back(&self, value: Held) {
        self.books.hand_back_id(value.id);
    }

    fn settle_insert<T>(&self, outcome: Result<T, tollgate::InsertError<Held>>) {
        if let Err(error) = outcome {
            self.handed_back(error.into_value());
        }
    }

    fn insert_many(&self, numbers: &mut Numbers, cost: u64) {
        let items: Vec<_> = (0..5).map(|_| (K::key(numbers.below(30)), self.value(numbers), cost)).collect();
        self.cache.insert_many(items).into_iter().for_each(|outcome| self.settle_insert(outcome));
    }

    fn compute(&self, numbers: &mut Numbers, key: &K, cost: u64) {
        let (choice, fresh) = (numbers.below(4), self.value(numbers));
        let id = fresh.id;
        let mut fresh = Some(fresh);
        let outcome = self.cache.compute(key, |entry| match (entry.is_some(), choice) {
            (false, 0 | 1) | (true, 0) => Op::Put { value: fresh.take().expect("once"), cost },
            (true, 1) => Op::Remove,
            (true, 2) => Op::Recost(cost),
            _ => Op::Keep,
        });
        if fresh.is_some() {
            self.books.hand_back_id(id);
        }
        match outcome {
            Ok(Computed::Removed(value)) => self.handed_back(value),
            other => self.settle_insert(other),
        }
    }

    fn resize(&self, numbers: &mut Numbers) {
        let max_cost = (self.config.max_cost / 2).saturating_add(numbers.below(20)).max(1);
        let slack = self.cache.slack().max(1 + max_cost / 64);
        // Before it may be made use of.
        self.bound.fetch_max(max_cost.saturating_add(slack), Ordering::Relaxed);
        self.cache.set_max_cost(max_cost);
    }

    fn load(&self, numbers: &mut Numbers, key: &K, cost: u64) {
        match self.config.loads {
            Loads::None => drop(self.cache.get(key)),
            Loads::Closure => drop(self.cache.get_or_insert_with(key, cost, || self.unclear_value(numbers))),
            Loads::Fallible => {
                let ttl = Duration::from_millis(5);
                let loaded = self.cache.get_or_load(key, || match numbers.below(3) {
                    0 => Err("planted"),
                    _ => Ok(Loaded::new(self.unclear_value(numbers), cost).time_to_live(ttl)),
                });
                assert!(loaded.is_ok() || *loaded.unwrap_err() == "planted");
            }
            Loads::Panics => {
                // Others who wait for it start over.
                let fails = numbers.below(3) == 0;
                let load = || if fails { planted_panic() } else { self.unclear_value(numbers) };
                let loaded =
                    catch_unwind(AssertUnwindSafe(|| drop(self.cache.get_or_insert_with(key, cost, load))));
                assert!(loaded.is_ok() || fails);
            }
            Loads::Reserved => match self.cache.get_or_reserve(key) {
                Reservation::Present(value) => drop(value),
                Reservation::Vacant(vacancy) => match numbers.below(4) {
                    0 => drop(vacancy),
                    1 => drop(vacancy.fail("planted")),
                    _ => drop(vacancy.insert(self.unclear_value(numbers), cost)),
                },
            },
            Loads::Tasks => {
                let value = self.unclear_value(numbers);
                let load = self.cache.get_or_insert_async(key, cost, async move {
                    smol::future::yield_now().await;
                    value
                });
                if numbers.below(3) == 0 {
                    // Polled once, then dropped.
                    let mut load = pin!(load);
                    let _ = load.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                } else {
                    drop(smol::block_on(load));
                }
            }
        }
    }

    fn end(self) {
        let Self { config, cache, books, bound, unclear, .. } = self;
        settle(&cache);
        let mut resident = Vec::new();
        cache.retain(|_, value| {
            resident.push(value.id);
            true
        });
        settle(&cache);
        let (stats, bound) = (cache.stats(), bound.into_inner());
        assert!(stats.peak_cost <= bound, "a peak of {} passes {bound}", stats.peak_cost);
        assert_eq!((stats.loading, stats.policy_panics), (0, 0));
        assert!(config.hearing == Hearing::Panics || stats.callback_panics == 0);
        assert_eq!(cache.len(), resident.len(), "nothing was late");
        books.forgive(&lock(&unclear));
        if config.hearing == Hearing::Nobody {
            books.audit_quiet(&resident);
        } else {
            books.audit(&resident);
        }
        if config.maintenance != Maintenance::Thread {
            let after = cache.stats();
            assert_eq!(after.resident_cost, cache.census().cost);
        }
        drop(cache);
        books.audit_drops();
    }
}
