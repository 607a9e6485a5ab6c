//! Bad input: every public function with its extremes. It is refused with a typed error, or it works; nothing panics, aborts
//! or hangs, and the cache agrees with itself afterwards.
//!
//! A table of cases, each a name and a body. A body that returns has said what is to be expected by its assertions.

mod common;

use common::{Literal, settle, watchdog};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;
use tollgate::clock::{Clock, ManualClock};
use tollgate::engine::{Effect, Engine, Write};
use tollgate::key::{FastHasher, KeyHasher, SecretHasher};
use tollgate::policy::{Objective, PolicyConfig, PolicyKind};
use tollgate::{
    BuildError, Builder, Cache, Computed, InsertError, InsertOptions, Loaded, Maintenance, Op, Reservation,
};

type Case = (&'static str, fn());

/// What one entry may cost at most.
const MOST: u64 = (1 << 44) - 1;
const YEAR: Duration = Duration::from_secs(365 * 86_400);

fn manual(num_counters: usize, max_cost: u64) -> Builder<u64, u64> {
    Cache::builder(num_counters, max_cost).maintenance(Maintenance::Manual)
}

/// Some of everything, and then the oracle.
fn exercise<S: KeyHasher>(cache: &Cache<u64, u64, S>) {
    for key in 0..200 {
        cache.insert(key, key, key % 4);
        if let Some(value) = cache.get(&(key / 2)) {
            assert_eq!(value, key / 2);
        }
        if key % 9 == 0 {
            cache.remove(&(key / 3));
        }
    }
    settle(cache);
    assert_eq!(cache.stats().policy_panics, 0);
}

fn refused(builder: Builder<u64, u64>, error: BuildError) {
    assert_eq!(builder.build().err(), Some(error));
}

fn works(builder: Builder<u64, u64>) {
    exercise(&builder.build().unwrap());
}

const BUILDERS: &[Case] = &[
    ("num_counters 0", || refused(manual(0, 1), BuildError::NoCounters)),
    ("max_cost 0", || refused(manual(1, 0), BuildError::NoBudget)),
    ("both 0", || assert!(Cache::<u64, u64>::new(0, 0).is_err())),
    ("num_counters 1", || works(manual(1, 100))),
    ("num_counters usize::MAX", || works(manual(usize::MAX, 100))),
    ("max_cost 1", || works(manual(100, 1))),
    ("max_cost u64::MAX", || works(manual(100, u64::MAX))),
    ("everything 1", || works(manual(1, 1).slack(1))),
    ("everything at its maximum", || works(manual(usize::MAX, u64::MAX).slack(u64::MAX))),
    ("slack 0 and max_cost 1", || works(manual(10, 1).strict())),
    ("slack u64::MAX", || works(manual(10, 10).slack(u64::MAX))),
    ("time_to_live 0", || refused(manual(1, 1).time_to_live(Duration::ZERO), BuildError::ZeroDuration)),
    ("time_to_idle 0", || refused(manual(1, 1).time_to_idle(Duration::ZERO), BuildError::ZeroDuration)),
    ("time_to_live 1 ns", || works(manual(10, 10).time_to_live(Duration::from_nanos(1)))),
    ("time_to_idle 1 ns", || works(manual(10, 10).time_to_idle(Duration::from_nanos(1)))),
    ("time_to_live Duration::MAX", || works(manual(10, 10).time_to_live(Duration::MAX))),
    ("time_to_idle Duration::MAX", || works(manual(10, 10).time_to_idle(Duration::MAX))),
    ("time_to_idle of half of all milliseconds", || {
        for off in [u64::MAX / 2 - 1, u64::MAX / 2, u64::MAX / 2 + 1] {
            works(manual(10, 10).time_to_idle(Duration::from_millis(off)));
        }
    }),
    ("time_to_idle around a tick of its ring", || {
        for ms in [(1 << 21) - 1, 1 << 21, (1 << 21) + 1, (1 << 40) - 1, 1 << 40, 1 << 62] {
            works(manual(10, 10).time_to_idle(Duration::from_millis(ms)));
        }
    }),
    ("charge_overhead beyond the budget", || {
        let cache = manual(10, 1).charge_overhead(true).build().unwrap();
        assert!(matches!(cache.try_insert(1, 1, 1), Err(InsertError::TooCostly { value: 1, .. })));
        settle(&cache);
    }),
    ("seeds", || [0, 1, u64::MAX].into_iter().for_each(|seed| works(manual(10, 10).seed(seed)))),
    ("a miss-ratio curve over extremes", || {
        for (counters, max_cost) in [(1, 1), (1, u64::MAX), (usize::MAX, 1), (usize::MAX, u64::MAX)] {
            let cache = manual(counters, max_cost).miss_ratio_curve(true).build().unwrap();
            exercise(&cache);
            let curve = cache.stats().miss_ratio_curve.unwrap();
            for budget in [0, 1, max_cost, u64::MAX] {
                assert!((0.0..=1.0).contains(&curve.miss_ratio_at(budget)), "{budget}");
            }
            for ratio in [f64::NAN, f64::NEG_INFINITY, -1.0, 0.0, 0.5, 1.0, f64::MAX, f64::INFINITY] {
                let _ = curve.budget_for(ratio);
            }
            assert!(curve.to_string().len() < 100_000);
        }
    }),
    ("every policy at both ends", || {
        for policy in PolicyKind::ALL {
            for max_cost in [1, u64::MAX] {
                for objective in [Objective::Hits, Objective::Cost] {
                    works(manual(1, max_cost).policy(policy.clone()).objective(objective));
                }
            }
        }
    }),
    ("every maintenance mode in the smallest cache", || {
        for mode in [Maintenance::Thread, Maintenance::Inline, Maintenance::Manual] {
            for slack in [0, 1, u64::MAX] {
                works(Cache::builder(1, 1).maintenance(mode).slack(slack));
            }
        }
    }),
    ("a weigher that says 0", || works(manual(10, 10).weigher(|_| 0))),
    ("a weigher that says u64::MAX", || {
        let cache = manual(10, u64::MAX).weigher(|_| u64::MAX).build().unwrap();
        assert!(!cache.insert(1, 1, 0) && cache.insert(1, 1, 1));
        settle(&cache);
    }),
    ("a replace_if that never agrees", || works(manual(10, 10).replace_if(|_, _| false))),
    ("names of policies", || {
        let long = "x".repeat(1 << 16);
        for name in ["", " ", "\0", "LRU", "custom", &long] {
            assert!(PolicyKind::from_name(name).is_none(), "{}", name.len());
        }
        assert!(PolicyKind::from_name("default").is_some());
    }),
    ("printing a builder and a cache", || {
        let builder = manual(usize::MAX, u64::MAX);
        assert!(!format!("{builder:?}").is_empty());
        assert!(!format!("{:?}", builder.build().unwrap()).is_empty());
    }),
];

const COSTS: &[Case] = &[
    ("cost 0", || {
        let cache = manual(10, 10).build().unwrap();
        assert!(cache.insert(1, 1, 0));
        assert_eq!(cache.cost(), 1);
        settle(&cache);
    }),
    ("cost max_cost", || {
        let cache = manual(10, 10).build().unwrap();
        assert!(cache.insert(1, 1, 10) && !cache.insert(2, 2, 11));
        settle(&cache);
    }),
    ("cost u64::MAX", || {
        let cache = manual(10, u64::MAX).build().unwrap();
        let error = cache.try_insert(1, 1, u64::MAX).unwrap_err();
        assert!(matches!(error, InsertError::TooCostly { value: 1, cost: u64::MAX, max_cost: MOST }));
        settle(&cache);
    }),
    ("the dearest entry, in and out, until sums wrap", || {
        let cache = manual(10, u64::MAX).slack(u64::MAX).build().unwrap();
        for number in 0..(1_u64 << 20) + 5 {
            assert!(cache.insert(1, number, MOST - number % 2));
        }
        cache.remove(&1);
        settle(&cache);
        assert_eq!(cache.stats().updates, (1 << 20) + 4);
    }),
    ("the dearest entries until the budget is full", || {
        for slack in [0, u64::MAX] {
            let cache = manual(10, u64::MAX).slack(slack).build().unwrap();
            (0..1000).for_each(|key| _ = cache.insert(key, key, MOST));
            settle(&cache);
            cache.clear();
            cache.retain(|_, _| false);
            settle(&cache);
            assert_eq!(cache.cost(), 0);
        }
    }),
    ("budgets up and down", || {
        let cache = manual(10, 10).build().unwrap();
        for max_cost in [0, 1, u64::MAX, 0, MOST, MOST + 1, 1, u64::MAX - 1, 7] {
            cache.set_max_cost(max_cost);
            assert_eq!(cache.max_cost(), max_cost.max(1));
            exercise(&cache);
        }
    }),
    ("recosting to every extreme", || {
        for slack in [0, 1, u64::MAX] {
            for max_cost in [1, 10, u64::MAX] {
                let cache = manual(10, max_cost).slack(slack).build().unwrap();
                for cost in [0, 1, 10, MOST, MOST + 1, u64::MAX] {
                    cache.insert(1, 1, 1);
                    let _ = cache.compute(&1, |_| Op::Recost(cost));
                    let _ = cache.compute(&1, |_| Op::Put { value: 2, cost });
                    assert!(cache.census().cost <= max_cost.saturating_add(slack));
                    settle(&cache);
                }
            }
        }
    }),
    ("loads of every cost", || {
        let cache = manual(10, 10).build().unwrap();
        for (key, cost) in [(1, 0), (2, 10), (3, 11), (4, u64::MAX)] {
            assert_eq!(cache.get_or_insert_with(&key, cost, || key), key);
            assert_eq!(cache.get_or_try_insert_with(&(key + 10), cost, || Ok::<_, ()>(key)), Ok(key));
        }
        settle(&cache);
    }),
    ("reservations of every cost", || {
        let cache = manual(10, 10).build().unwrap();
        for (key, cost) in [(1_u64, 0), (2, 10), (3, 11), (4, u64::MAX)] {
            if let Reservation::Vacant(vacancy) = cache.get_or_reserve(&key) {
                assert_eq!(vacancy.insert(key, cost), key);
            }
        }
        settle(&cache);
    }),
];

const TIMES: &[Case] = &[
    ("a time to live of any length", || {
        let cache = manual(100, 100).build().unwrap();
        for (key, ttl) in lengths().into_iter().enumerate() {
            assert!(cache.insert_with_ttl(key as u64, 1, 1, ttl));
            // What is for ever or beyond 34 years has no end.
            let left = cache.remaining_ttl(&(key as u64)).unwrap_or_default();
            // Times to live are rounded up to milliseconds.
            let given = ttl.saturating_add(Duration::from_nanos(999_999));
            assert!(left <= given || left == Duration::MAX, "{left:?} of {ttl:?}");
        }
        settle(&cache);
    }),
    ("a loaded value's time to live of any length", || {
        let cache = manual(100, 100).build().unwrap();
        for (key, ttl) in lengths().into_iter().enumerate() {
            let loaded = cache
                .get_or_load(&(key as u64), || Ok::<_, ()>(Loaded::new(key as u64, 1).time_to_live(ttl)));
            assert_eq!(loaded, Ok(key as u64));
        }
        settle(&cache);
    }),
    ("options in every combination, on what is not there", || {
        let cache = manual(100, 100).build().unwrap();
        for ttl in lengths() {
            let options = InsertOptions { time_to_live: Some(ttl), if_present: true, ..Default::default() };
            assert!(matches!(cache.try_insert_with(1, 5, 1, options), Err(InsertError::Absent(5))));
        }
        settle(&cache);
    }),
    ("a clock at its end", || {
        for idle in [Duration::from_nanos(1), YEAR, Duration::MAX] {
            let clock = ManualClock::new();
            clock.advance(Duration::MAX);
            let cache = manual(10, 10).clock(clock.clone()).time_to_idle(idle).build().unwrap();
            exercise(&cache);
            clock.advance(Duration::MAX);
            exercise(&cache);
        }
    }),
    ("a clock that leaps to its end", || {
        for idle in [Duration::from_nanos(1), YEAR, Duration::MAX] {
            let clock = ManualClock::new();
            let cache = manual(10, 10).clock(clock.clone()).time_to_idle(idle).build().unwrap();
            cache.insert_with_ttl(1, 1, 1, YEAR);
            clock.advance(Duration::MAX);
            assert_eq!(cache.get(&1), None);
            cache.insert_with_ttl(1, 1, 1, YEAR);
            exercise(&cache);
        }
    }),
    ("a clock that leaps beyond all milliseconds", || {
        struct Leap(std::sync::atomic::AtomicBool);
        impl Clock for Leap {
            fn now(&self) -> Duration {
                let has_leapt = self.0.swap(true, std::sync::atomic::Ordering::Relaxed);
                if has_leapt { Duration::MAX } else { Duration::ZERO }
            }
        }
        for idle in [Duration::from_nanos(1), YEAR, 1000 * YEAR] {
            let clock = Leap(std::sync::atomic::AtomicBool::new(false));
            exercise(&manual(10, 10).clock(clock).time_to_idle(idle).build().unwrap());
        }
    }),
    ("a clock beyond all milliseconds", || {
        struct End;
        impl Clock for End {
            fn now(&self) -> Duration {
                Duration::MAX
            }
        }
        let cache = manual(10, 10).clock(End).time_to_idle(YEAR).time_to_live(YEAR).build().unwrap();
        exercise(&cache);
    }),
    ("a clock that throws dice", || {
        struct Dice(std::sync::Mutex<common::Numbers>);
        impl Clock for Dice {
            fn now(&self) -> Duration {
                let mut numbers = self.0.lock().unwrap();
                Duration::from_millis(numbers.next() >> (numbers.next() % 64))
            }
        }
        for seed in 0..40 {
            let clock = Dice(std::sync::Mutex::new(common::Numbers::new(seed)));
            let cache = manual(100, 50).clock(clock).time_to_idle(YEAR).build().unwrap();
            for key in 0..300 {
                cache.insert_with_ttl(key % 70, key, 1, Duration::from_millis(1 << (key % 40)));
                cache.get(&(key % 50));
                cache.check().unwrap();
            }
            settle(&cache);
        }
    }),
    ("percentiles of nothing and of nonsense", || {
        let life = manual(10, 10).build().unwrap().stats().life_expectancy;
        for percent in [f64::NAN, f64::NEG_INFINITY, -1.0, 0.0, 50.0, 100.0, 101.0, f64::INFINITY] {
            assert_eq!(life.percentile(percent), None, "{percent}");
        }
        let cache = manual(10, 50).policy(PolicyKind::Fifo).build().unwrap();
        (0..20_000).for_each(|key| _ = cache.insert(key, key, 1));
        settle(&cache);
        let life = cache.stats().life_expectancy;
        for percent in [f64::NAN, f64::NEG_INFINITY, -1.0, 0.0, 100.0, 101.0, f64::INFINITY] {
            let _ = life.percentile(percent);
        }
    }),
];

fn lengths() -> [Duration; 12] {
    [
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_nanos(999_999),
        Duration::from_millis(1),
        Duration::from_millis((1 << 40) - 2),
        Duration::from_millis((1 << 40) - 1),
        Duration::from_millis(1 << 40),
        34 * YEAR,
        35 * YEAR,
        Duration::from_millis(u64::MAX),
        Duration::MAX - Duration::from_nanos(1),
        Duration::MAX,
    ]
}

/// A key that makes any writes.
struct Writes<F: Fn(&mut dyn Hasher)>(F);

impl<F: Fn(&mut dyn Hasher)> Hash for Writes<F> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.0)(state);
    }
}

fn with_each_hasher(write: impl Fn(&mut dyn Hasher)) {
    let key = Writes(write);
    let (secret, fast) = (SecretHasher::new(), FastHasher::new());
    assert_eq!(secret.hash_key(&key), secret.hash_key(&key));
    assert_eq!(fast.hash_key(&key), fast.hash_key(&key));
}

fn with_strings(key: &str) {
    let cache: Cache<str, u64> = Cache::builder(10, 10).maintenance(Maintenance::Manual).build().unwrap();
    assert!(cache.insert(key, 7, 1));
    assert_eq!((cache.get(key), cache.get(&format!("{key}x")[..])), (Some(7), None));
    assert_eq!(cache.remove(key), Some(7));
    settle(&cache);
}

const KEYS: &[Case] = &[
    ("a key that writes nothing", || with_each_hasher(|_| ())),
    ("a key that writes no bytes", || with_each_hasher(|state| state.write(&[]))),
    ("a key that writes no bytes a million times", || {
        with_each_hasher(|state| (0..1_000_000).for_each(|_| state.write(&[])));
    }),
    ("a key of a million integers", || {
        with_each_hasher(|state| (0..1_000_000).for_each(|i| state.write_u8(i as u8)));
    }),
    ("a key that asks for its own hash", || {
        with_each_hasher(|state| {
            let so_far = state.finish();
            state.write_u64(so_far);
            assert_eq!(state.finish(), state.finish());
        });
    }),
    ("integers at their ends", || {
        with_each_hasher(|state| state.write_u64(u64::MAX));
        with_each_hasher(|state| state.write_usize(usize::MAX));
        with_each_hasher(|state| state.write_u128(u128::MAX));
        with_each_hasher(|state| state.write_i64(i64::MIN));
        with_each_hasher(|state| state.write_u8(0));
    }),
    ("the empty string", || with_strings("")),
    ("a string of zeros", || with_strings("\0\0\0\0\0\0\0\0\0")),
    ("a string of sixteen mebibytes", || with_strings(&"k".repeat(16 << 20))),
    ("strings around the length that the shape holds", || {
        [(1 << 20) - 2, (1 << 20) - 1, 1 << 20].into_iter().for_each(|len| with_strings(&"k".repeat(len)));
    }),
    ("the unit as a key", || {
        let cache: Cache<(), u64> = Cache::new(10, 10).unwrap();
        assert!(cache.insert((), 1, 1));
        assert_eq!(cache.get(&()), Some(1));
        settle(&cache);
    }),
    ("words at their ends", || {
        let cache: Cache<(u64, u64), u64, Literal> =
            Cache::builder(100, 100).maintenance(Maintenance::Manual).key_hasher(Literal).build().unwrap();
        let ends = [0, 1, u64::MAX - 1, u64::MAX];
        for index in ends {
            for conflict in ends {
                assert!(cache.insert((index, conflict), index ^ conflict, 1));
                assert_eq!(cache.get(&(index, conflict)), Some(index ^ conflict));
            }
        }
        settle(&cache);
        assert_eq!(cache.len(), ends.len(), "one row for an index");
    }),
    ("all keys in one bucket of one shard", || {
        let cache: Cache<(u64, u64), u64, Literal> =
            Cache::builder(1000, 5000).maintenance(Maintenance::Manual).key_hasher(Literal).build().unwrap();
        // They differ in the bits that choose neither bucket, tag nor shard.
        (0..3000_u64).for_each(|key| assert!(cache.insert((key << 24, 0), key, 1)));
        (0..3000_u64).for_each(|key| assert_eq!(cache.get(&(key << 24, 0)), Some(key)));
        settle(&cache);
    }),
];

const VALUES: &[Case] = &[
    ("values of no size", || {
        let cache: Cache<u64, ()> = Cache::new(100, 100).unwrap();
        (0..300).for_each(|key| _ = cache.insert(key, (), 1));
        settle(&cache);
        assert!(Cache::<u64, ()>::entry_overhead() > 0);
    }),
    ("values of 64 KiB, in the row", || {
        let cache: Cache<u64, [u8; 1 << 16]> =
            Cache::builder(10, 10).maintenance(Maintenance::Manual).build().unwrap();
        (0..30).for_each(|key| _ = cache.insert(key, [key as u8; 1 << 16], 1));
        settle(&cache);
        assert!(Cache::<u64, [u8; 1 << 16]>::entry_overhead() < 200);
    }),
    ("values aligned to a page", || {
        #[repr(align(4096))]
        struct Page(u8);
        let cache: Cache<u64, Page> =
            Cache::builder(10, 10).maintenance(Maintenance::Manual).build().unwrap();
        (0..30).for_each(|key| _ = cache.insert(key, Page(key as u8), 1));
        for key in 0..30 {
            assert!(cache.get_with(&key, |page| page.0).is_none_or(|byte| byte == key as u8));
        }
        settle(&cache);
    }),
    ("a value that holds its own cache", || {
        type Own = Cache<u64, Arc<std::sync::Mutex<Option<Box<dyn std::any::Any + Send>>>>>;
        let cache: Own = Cache::new(10, 10).unwrap();
        let slot = Arc::new(std::sync::Mutex::new(None));
        cache.insert(1, Arc::clone(&slot), 1);
        *slot.lock().unwrap() = Some(Box::new(cache.clone()));
        settle(&cache);
        drop(slot.lock().unwrap().take());
    }),
    ("an error of no size and a large one", || {
        let cache = manual(10, 10).build().unwrap();
        assert!(cache.get_or_try_insert_with(&1, 1, || Err(())).is_err());
        #[expect(clippy::result_large_err, reason = "that is the case")]
        let large = || Err([0_u8; 1 << 16]);
        assert!(cache.get_or_try_insert_with(&1, 1, large).is_err());
        settle(&cache);
    }),
];

const CALLS: &[Case] = &[
    ("everything on an empty cache", || {
        let cache = manual(10, 10).build().unwrap();
        assert_eq!((cache.get(&0), cache.peek(&0), cache.remove(&0)), (None, None, None));
        assert_eq!((cache.remaining_ttl(&0), cache.contains_key(&0)), (None, false));
        assert!(!cache.update(&0, |_| ()) && !cache.insert_if_present(0, 0, 0));
        for op in [Op::Keep, Op::Recost(u64::MAX), Op::Remove] {
            assert_eq!(cache.compute(&0, |_| op).unwrap(), Computed::Absent);
        }
        cache.retain(|_, _| false);
        cache.clear();
        cache.run_pending();
        settle(&cache);
        assert!(cache.is_empty() && cache.stats().hit_ratio() == 0.0);
    }),
    ("the same call ten thousand times", || {
        let cache = manual(10, 10).build().unwrap();
        for _ in 0..10_000 {
            cache.clear();
            cache.run_pending();
            cache.set_max_cost(1);
            cache.wait().unwrap();
        }
        settle(&cache);
    }),
    ("ten thousand vacancies, dropped, failed and filled", || {
        let cache = manual(10, 10).build().unwrap();
        for key in 0..10_000_u64 {
            if let Reservation::Vacant(vacancy) = cache.get_or_reserve(&(key % 20)) {
                match key % 3 {
                    0 => drop(vacancy),
                    1 => _ = vacancy.fail("no"),
                    _ => _ = vacancy.insert(key, 1),
                }
            }
        }
        assert_eq!(cache.stats().loading, 0);
        settle(&cache);
    }),
    ("a thousand vacancies at once, leaked", || {
        let cache = manual(10, 10).build().unwrap();
        (0..1000_u64).for_each(|key| std::mem::forget(cache.get_or_reserve(&key)));
        assert_eq!(cache.stats().loading, 1000);
        (0..1000_u64).for_each(|key| _ = cache.insert(key, key, 1));
        assert_eq!(cache.stats().loading, 0, "a write overtakes what will never land");
        cache.clear();
        settle(&cache);
    }),
    ("ten thousand handles", || {
        let cache = manual(10, 10).build().unwrap();
        let handles: Vec<_> = (0..10_000).map(|_| cache.clone()).collect();
        handles[9_999].insert(1, 1, 1);
        drop(handles);
        assert_eq!(cache.get(&1), Some(1));
        settle(&cache);
    }),
    ("three thousand caches without a thread", || {
        let caches: Vec<_> = (0..3000).map(|_| manual(100, 100).build().unwrap()).collect();
        for (number, cache) in caches.iter().enumerate() {
            cache.insert(1, number as u64, 1);
        }
        for (number, cache) in caches.iter().enumerate() {
            assert_eq!(cache.get(&1), Some(number as u64));
        }
        settle(&caches[2999]);
    }),
    ("two hundred caches with a thread, at once", || {
        let caches: Vec<_> = (0..200).map(|_| Cache::<u64, u64>::new(10, 10).unwrap()).collect();
        caches.iter().for_each(exercise);
    }),
    ("a thousand caches with a thread, one after the other", || {
        (0..1000).for_each(|key| assert!(Cache::<u64, u64>::new(10, 10).unwrap().insert(key, key, 1)));
    }),
];

const ENGINES: &[Case] = &[
    ("engines of every size", || {
        for kind in PolicyKind::ALL {
            for (num_counters, max_cost) in [(0, 1), (1, 1), (usize::MAX, u64::MAX), (1, u64::MAX)] {
                let config = PolicyConfig { num_counters, max_cost, seed: 0, objective: Objective::Hits };
                assert!(config.expected_entries() >= 1);
                let mut engine = Engine::new(kind.clone(), config);
                (0..100).for_each(|index| _ = engine.request(index % 30, 1));
                engine.check().unwrap_or_else(|error| panic!("{kind:?}: {error}"));
            }
        }
    }),
    ("deadlines at both ends of time", || {
        for kind in PolicyKind::ALL {
            let config = PolicyConfig { num_counters: 10, max_cost: 10, seed: 0, objective: Objective::Hits };
            let mut engine = Engine::new(kind.clone(), config);
            let mut effects: Vec<Effect> = Vec::new();
            for (index, deadline) in [0, 1, u64::MAX - 1, u64::MAX].into_iter().enumerate() {
                let write = Write {
                    index: index as u64,
                    version: 0,
                    cost: 1,
                    deadline: Some(deadline),
                    pinned: false,
                };
                engine.write(write, &mut effects);
            }
            for now in [0, 1, 1 << 40, u64::MAX - 1, u64::MAX] {
                for _ in 0..10_000 {
                    if let Some(due) = engine.due(now) {
                        engine.expire(due);
                    }
                }
                engine.check().unwrap_or_else(|error| panic!("{kind:?} at {now}: {error}"));
            }
            assert!(engine.ledger().is_empty(), "{kind:?}: {} left", engine.ledger().len());
        }
    }),
    ("what an engine does not know", || {
        let config = PolicyConfig { num_counters: 10, max_cost: 10, seed: 0, objective: Objective::Hits };
        let mut engine = Engine::new(PolicyKind::default(), config);
        assert!(!engine.access(0) && !engine.access(u64::MAX));
        engine.remove(7);
        engine.reschedule(7, Some(0));
        engine.clear();
        assert!(engine.due(u64::MAX).is_none());
        engine.check().unwrap();
    }),
];

#[test]
fn bad_input_is_refused_or_works() {
    let tables = [BUILDERS, COSTS, TIMES, KEYS, VALUES, CALLS, ENGINES];
    let cases: Vec<Case> = tables.concat();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    let mut failed = Vec::new();
    for (name, body) in cases {
        if std::panic::catch_unwind(move || watchdog(body)).is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "panicked or hung: {failed:#?}");
}
