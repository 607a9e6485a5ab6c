//! Lifetimes: changed by hand, or by an `Expiry`, exact to the millisecond, known to the timer wheel.

mod common;

use common::{Numbers, hush, panics, planted_panic};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tollgate::clock::ManualClock;
use tollgate::{Builder, Cache, Cause, Expiry, InsertOptions, Lifespan, Living, Loaded, Maintenance};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn builder<V: Send + Sync + 'static>(clock: &ManualClock) -> Builder<u64, V> {
    Cache::builder(1_000, 1_000).maintenance(Maintenance::Manual).clock(clock.clone())
}

fn check<V: Send + Sync + 'static>(cache: &Cache<u64, V>) {
    cache.check().unwrap_or_else(|inconsistency| panic!("{inconsistency}"));
    cache.run_pending();
    cache.check().unwrap_or_else(|inconsistency| panic!("{inconsistency}"));
}

#[test]
fn a_deadline_is_set_moved_and_lifted() {
    let clock = ManualClock::new();
    let cache = builder(&clock).build().unwrap();
    assert!(!cache.set_ttl(&1, ms(5)) && !cache.persist(&1) && !cache.expire_at(&1, Instant::now()));
    cache.insert(1, 'a', 1);
    for settles in [false, true] {
        for (ttl, left) in [(ms(5), ms(5)), (ms(50), ms(50)), (Duration::ZERO, Duration::MAX), (ms(7), ms(7))]
        {
            assert!(cache.set_ttl(&1, ttl));
            assert_eq!(cache.remaining_ttl(&1), Some(left));
            if settles {
                check(&cache);
            }
        }
        assert!(cache.persist(&1));
        assert_eq!(cache.remaining_ttl(&1), Some(Duration::MAX));
        assert!(cache.set_ttl(&1, Duration::MAX));
        assert_eq!(cache.remaining_ttl(&1), Some(Duration::MAX));
    }
    assert!(cache.set_ttl(&1, ms(7)));
    check(&cache);
    clock.advance(ms(6));
    assert_eq!(cache.get(&1), Some('a'));
    clock.advance(ms(1));
    assert_eq!(cache.get(&1), None);
    assert!(!cache.set_ttl(&1, ms(5)) && !cache.persist(&1), "it does not come back");
    check(&cache);
    assert_eq!(cache.len(), 0, "reclaimed at its deadline");
    assert_eq!((cache.stats().updates, cache.stats().expirations), (0, 1));
}

#[test]
fn what_is_to_expire_at_an_instant_that_has_passed_has_expired() {
    let clock = ManualClock::new();
    let events: Arc<Mutex<Vec<Cause>>> = Arc::default();
    let heard = Arc::clone(&events);
    let cache =
        builder(&clock).listener(move |event| heard.lock().unwrap().push(event.cause)).build().unwrap();
    cache.insert(1, 'a', 1);
    cache.insert(2, 'b', 1);
    check(&cache);
    assert!(cache.expire_at(&1, Instant::now()));
    assert!(cache.expire_at(&2, Instant::now() + Duration::from_secs(3600)));
    assert_eq!((cache.get(&1), cache.contains_key(&1), cache.remove(&1)), (None, false, None));
    let left = cache.remaining_ttl(&2).unwrap();
    assert!(left > Duration::from_secs(3500) && left <= Duration::from_secs(3600), "{left:?}");
    check(&cache);
    assert_eq!(*events.lock().unwrap(), [Cause::Expired]);
}

/// With a processor thread asleep until the far deadline, a nearer one wakes it.
#[test]
fn a_nearer_deadline_wakes_the_processor() {
    let cache: Cache<u64, u64> = Cache::new(1_000, 100).unwrap();
    cache.insert_with_ttl(1, 1, 1, Duration::from_secs(3600));
    cache.wait().unwrap();
    thread::sleep(ms(20));
    assert!(cache.set_ttl(&1, ms(10)));
    common::eventually("it is reclaimed without traffic", || cache.is_empty());
    cache.check().unwrap();
}

#[test]
fn a_time_to_idle_goes_on_counting() {
    let clock = ManualClock::new();
    let cache = builder(&clock).time_to_idle(ms(10)).build().unwrap();
    cache.insert(1, 'a', 1);
    assert!(cache.set_ttl(&1, ms(25)));
    assert_eq!(cache.remaining_ttl(&1), Some(ms(10)));
    for _ in 0..3 {
        clock.advance(ms(8));
        assert_eq!(cache.get(&1), Some('a'));
        check(&cache);
    }
    assert_eq!(cache.remaining_ttl(&1), Some(ms(1)));
    assert!(cache.persist(&1));
    assert_eq!(cache.remaining_ttl(&1), Some(ms(10)));
    clock.advance(ms(10));
    assert_eq!(cache.get(&1), None);
    check(&cache);
    assert!(cache.is_empty());
}

/// Lives as its value says: so long after each of the three, or as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Says {
    create: Lifespan,
    update: Lifespan,
    read: Lifespan,
}

impl Says {
    fn any(numbers: &mut Numbers) -> Self {
        let mut any = || match numbers.below(5) {
            0 | 1 => Lifespan::Keep,
            2 => Lifespan::Forever,
            _ => Lifespan::For(ms(numbers.below(40))),
        };
        Self { create: any(), update: any(), read: any() }
    }
}

struct AsTheValueSays;

impl Expiry<Says> for AsTheValueSays {
    fn after_create(&self, entry: &Living<'_, Says>) -> Lifespan {
        entry.value.create
    }
    fn after_update(&self, entry: &Living<'_, Says>, _left: Duration) -> Lifespan {
        entry.value.update
    }
    fn after_read(&self, entry: &Living<'_, Says>) -> Lifespan {
        entry.value.read
    }
}

/// A map of values and deadlines: `None` is for ever.
#[derive(Default)]
struct Model(HashMap<u64, (Says, Option<u64>)>);

impl Model {
    fn live(&self, key: u64, now: u64) -> Option<(Says, Option<u64>)> {
        self.0.get(&key).copied().filter(|(_, deadline)| deadline.is_none_or(|deadline| now < deadline))
    }

    fn apply(&mut self, key: u64, value: Says, lifespan: Lifespan, given: Option<u64>, now: u64) {
        let deadline = match lifespan {
            Lifespan::Keep => given,
            Lifespan::Forever => None,
            Lifespan::For(ttl) => Some(now + ttl.as_millis() as u64),
        };
        self.0.insert(key, (value, deadline));
    }
}

/// Against a naive model: what lives is seen, what does not is not, and after a turn nothing is left of it.
#[test]
fn an_expiry_is_obeyed_to_the_millisecond() {
    for seed in 1..=30 {
        let numbers = &mut Numbers::new(seed);
        let clock = ManualClock::new();
        let ttl = (seed % 2 == 0).then_some(15);
        let mut options = builder(&clock).expiry(AsTheValueSays);
        if let Some(ttl) = ttl {
            options = options.time_to_live(ms(ttl));
        }
        if seed % 3 == 0 {
            options = options.strict();
        }
        let cache = options.build().unwrap();
        let (mut model, mut now) = (Model::default(), 0);
        for step in 0..1_000 {
            let key = numbers.below(12);
            let live = model.live(key, now);
            let given = ttl.map(|ttl| now + ttl);
            match numbers.below(16) {
                0..=2 => {
                    let value = Says::any(numbers);
                    let lifespan = live.map_or(value.create, |_| value.update);
                    model.apply(key, value, lifespan, given, now);
                    assert!(cache.insert(key, value, 1 + numbers.below(3)));
                }
                3 => {
                    let value = Says::any(numbers);
                    let present = InsertOptions { if_present: true, ..Default::default() };
                    if let Some((_, deadline)) = live {
                        model.apply(key, value, value.update, deadline, now);
                    }
                    assert_eq!(cache.try_insert_with(key, value, 1, present).is_ok(), live.is_some());
                }
                4..=7 => {
                    if let Some((value, deadline)) = live {
                        model.apply(key, value, value.read, deadline, now);
                    }
                    let expected = live.map(|(value, _)| value);
                    let got = if numbers.below(2) == 0 { cache.get(&key) } else { cache.get_many(&[key])[0] };
                    assert_eq!(got, expected, "seed {seed}, step {step}");
                }
                8 => {
                    let value = Says::any(numbers);
                    match live {
                        Some((value, deadline)) => model.apply(key, value, value.read, deadline, now),
                        None => model.apply(key, value, value.create, Some(now + 20), now),
                    }
                    let loaded = Loaded::new(value, 1).time_to_live(ms(20));
                    let got = cache.get_or_load(&key, || Ok::<_, ()>(loaded)).unwrap();
                    assert_eq!(got, live.map_or(value, |(value, _)| value));
                }
                9 => {
                    let value = Says::any(numbers);
                    if let Some((_, deadline)) = live {
                        model.apply(key, value, value.update, deadline, now);
                    }
                    assert_eq!(cache.update(&key, |old| *old = value), live.is_some());
                }
                10 => {
                    if let Some((value, _)) = live {
                        model.apply(key, value, Lifespan::For(ms(9)), None, now);
                    }
                    assert_eq!(cache.set_ttl(&key, ms(9)), live.is_some());
                }
                11 => cache.run_pending(),
                _ => {
                    let by = numbers.below(6);
                    clock.advance(ms(by));
                    now += by;
                }
            }
            cache.check().unwrap_or_else(|wrong| panic!("seed {seed}, step {step}: {wrong}"));
            for key in 0..12 {
                let left = model
                    .live(key, now)
                    .map(|(_, deadline)| deadline.map_or(Duration::MAX, |deadline| ms(deadline - now)));
                assert_eq!(cache.remaining_ttl(&key), left, "seed {seed}, step {step}, key {key}");
            }
            if numbers.below(4) == 0 {
                cache.run_pending();
                model.0.retain(|_, (_, deadline)| deadline.is_none_or(|deadline| now < deadline));
                assert_eq!(cache.len(), model.0.len(), "seed {seed}, step {step}: not reclaimed in time");
            }
        }
        check(&cache);
    }
}

#[test]
fn an_expiry_sees_the_entry_and_what_it_would_have() {
    type Seen = (&'static str, u64, Duration, Duration);
    struct Watches(Arc<Mutex<Vec<Seen>>>);
    impl Expiry<u64> for Watches {
        fn after_create(&self, entry: &Living<'_, u64>) -> Lifespan {
            self.0.lock().unwrap().push(("create", entry.cost, entry.time_to_live, Duration::ZERO));
            Lifespan::Keep
        }
        fn after_update(&self, entry: &Living<'_, u64>, left: Duration) -> Lifespan {
            self.0.lock().unwrap().push(("update", entry.cost, entry.time_to_live, left));
            Lifespan::Keep
        }
        fn after_read(&self, entry: &Living<'_, u64>) -> Lifespan {
            self.0.lock().unwrap().push(("read", entry.cost, entry.time_to_live, Duration::ZERO));
            Lifespan::Keep
        }
    }
    let clock = ManualClock::new();
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let cache = builder(&clock).time_to_live(ms(100)).expiry(Watches(Arc::clone(&seen))).build().unwrap();
    let heard = |what: Seen| assert_eq!(seen.lock().unwrap().drain(..).collect::<Vec<_>>(), [what]);
    cache.insert(1, 7, 3);
    heard(("create", 3, ms(100), Duration::ZERO));
    clock.advance(ms(10));
    cache.get(&1);
    heard(("read", 3, ms(90), Duration::ZERO));
    cache.insert_with_ttl(1, 8, 4, ms(50));
    heard(("update", 4, ms(50), ms(90)));
    clock.advance(ms(10));
    assert!(cache.update(&1, |value| *value += 1));
    heard(("update", 4, ms(40), ms(40)));
    cache.get_or_insert_with(&1, 1, || unreachable!("it is there"));
    heard(("read", 4, ms(40), Duration::ZERO));
    assert!(cache.persist(&1) && cache.contains_key(&1) && cache.peek(&1) == Some(9));
    assert!(seen.lock().unwrap().is_empty(), "nobody is asked");
    cache.insert_if_present(1, 9, 4);
    heard(("update", 4, Duration::MAX, Duration::MAX));
    check(&cache);
}

#[test]
fn an_expiry_that_panics_fails_the_call_and_changes_nothing() {
    hush();
    /// Panics on even values.
    struct Panics;
    impl Panics {
        fn mind(entry: &Living<'_, u64>) -> Lifespan {
            if entry.value.is_multiple_of(2) { planted_panic() } else { Lifespan::For(ms(50)) }
        }
    }
    impl Expiry<u64> for Panics {
        fn after_create(&self, entry: &Living<'_, u64>) -> Lifespan {
            if *entry.value < 100 { Self::mind(entry) } else { Lifespan::Keep }
        }
        fn after_update(&self, entry: &Living<'_, u64>, _left: Duration) -> Lifespan {
            Self::mind(entry)
        }
        fn after_read(&self, entry: &Living<'_, u64>) -> Lifespan {
            Self::mind(entry)
        }
    }
    for strict in [false, true] {
        let clock = ManualClock::new();
        let mut options = builder(&clock).expiry(Panics);
        if strict {
            options = options.strict();
        }
        let cache = options.build().unwrap();
        panics(|| cache.insert(1, 0, 1));
        assert!(cache.is_empty());
        assert!(cache.insert(1, 1, 1));
        check(&cache);
        panics(|| cache.insert(1, 2, 1));
        panics(|| cache.insert(1, 2, 500));
        assert_eq!((cache.get(&1), cache.cost()), (Some(1), 1));
        // The change is made before anybody is asked.
        panics(|| cache.update(&1, |value| *value = 4));
        panics(|| cache.get(&1));
        assert_eq!(cache.peek(&1), Some(4));
        // Into a full cache: where an insert is decided at once, the panic comes under every lock there is.
        assert!(cache.insert(100, 100, 999));
        panics(|| cache.insert(2, 0, 900));
        panics(|| cache.get_or_insert_with(&3, 900, || 0));
        assert_eq!(cache.stats().loading, 0);
        assert_eq!(cache.remove(&1), Some(4));
        assert!(cache.insert(1, 1, 1), "the cache goes on");
        check(&cache);
        clock.advance(ms(50));
        assert_eq!(cache.get(&1), None);
        check(&cache);
    }
}

/// Readers prolong and shorten the lives of the same few entries at once, and a writer sets them.
#[test]
fn readers_and_writers_change_deadlines_at_once() {
    struct AtRandom(AtomicU64);
    impl Expiry<u64> for AtRandom {
        fn after_read(&self, _entry: &Living<'_, u64>) -> Lifespan {
            match self.0.fetch_add(1, Ordering::Relaxed) % 7 {
                0 => Lifespan::Forever,
                1 => Lifespan::For(Duration::ZERO),
                2 => Lifespan::Keep,
                number => Lifespan::For(Duration::from_micros(300 * number)),
            }
        }
    }
    common::watchdog(|| {
        let cache: Cache<u64, u64> = Cache::builder(1_000, 100)
            .expiry(AtRandom(AtomicU64::new(0)))
            .time_to_idle(Duration::from_secs(60))
            .build()
            .unwrap();
        thread::scope(|scope| {
            for worker in 0..4 {
                let cache = &cache;
                scope.spawn(move || {
                    let mut numbers = Numbers::new(worker + 1);
                    for _ in 0..20_000 {
                        let key = numbers.below(8);
                        match numbers.below(10) {
                            0 => drop(cache.insert(key, key, 1)),
                            1 => drop(cache.set_ttl(&key, ms(1))),
                            _ => drop(cache.get(&key)),
                        }
                    }
                });
            }
        });
        cache.wait().unwrap();
        cache.check().unwrap();
        (0..8).for_each(|key| _ = cache.set_ttl(&key, ms(1)));
        common::eventually("everything expires without traffic", || cache.is_empty());
        cache.check().unwrap();
    });
}

/// When each of a thousand entries expires.
fn deadlines(seed: u64, share: f64, ttl: Duration) -> Vec<Duration> {
    let clock = ManualClock::new();
    let cache: Cache<(u64, u64), u64, _> = Cache::builder(10_000, 10_000)
        .key_hasher(common::Literal)
        .maintenance(Maintenance::Manual)
        .clock(clock)
        .seed(seed)
        .ttl_jitter(share)
        .time_to_live(ttl)
        .build()
        .unwrap();
    (0..1_000).for_each(|key| assert!(cache.insert((key << 40, key), key, 1)));
    (0..1_000).map(|key| cache.remaining_ttl(&(key << 40, key)).unwrap()).collect()
}

#[test]
fn jitter_spreads_what_is_written_together_and_its_seed_decides() {
    let spread = deadlines(1, 0.2, ms(1_000));
    assert!(spread.iter().all(|left| (ms(800)..=ms(1_000)).contains(left)), "{spread:?}");
    let early = spread.iter().filter(|&&left| left < ms(900)).count();
    assert!((400..600).contains(&early), "{early} of 1000 expire in the first half");
    assert_eq!(spread, deadlines(1, 0.2, ms(1_000)));
    assert_ne!(spread, deadlines(2, 0.2, ms(1_000)));
    assert!(deadlines(1, 0.0, ms(1_000)).iter().all(|&left| left == ms(1_000)));
    assert!(deadlines(1, 0.9, Duration::MAX).iter().all(|&left| left == Duration::MAX));
    assert!(deadlines(1, 0.9, Duration::from_nanos(1)).iter().all(|&left| left == ms(1)));
    for share in [1.0, -0.5, f64::NAN] {
        let error = Cache::<u64, u64>::builder(1, 1).ttl_jitter(share).build().unwrap_err();
        assert_eq!(error, tollgate::BuildError::NoShare);
    }
}

#[test]
fn what_is_said_by_hand_or_kept_is_not_cut() {
    let clock = ManualClock::new();
    let cache = builder(&clock).ttl_jitter(0.5).time_to_live(ms(100_000)).build().unwrap();
    for key in 0..20 {
        cache.insert_with_ttl(key, key, 1, ms(1_000));
        let left = cache.remaining_ttl(&key).unwrap();
        assert!((ms(500)..=ms(1_000)).contains(&left));
        cache.insert_if_present(key, key + 1, 1);
        cache.compute(&key, |_| tollgate::Op::Recost(2)).unwrap();
        assert_eq!(cache.remaining_ttl(&key), Some(left));
        cache.set_ttl(&key, ms(1_000));
        assert_eq!(cache.remaining_ttl(&key), Some(ms(1_000)));
        let loaded = Loaded::new(0, 1).time_to_live(ms(1_000));
        cache.get_or_load(&(key + 100), || Ok::<_, ()>(loaded)).unwrap();
        assert!((ms(500)..=ms(1_000)).contains(&cache.remaining_ttl(&(key + 100)).unwrap()));
    }
    check(&cache);
}

#[test]
fn an_absence_is_remembered_for_its_own_time() {
    let clock = ManualClock::new();
    let cache: Cache<u64, Option<u64>> = builder(&clock).time_to_live(ms(100)).build().unwrap();
    let asked = AtomicU64::new(0);
    let ask = |found: Option<u64>| {
        cache.get_or_load(&1, || {
            asked.fetch_add(1, Ordering::Relaxed);
            Ok::<_, ()>(found.map_or(Loaded::absent(ms(5)), |found| Loaded::new(Some(found), 10)))
        })
    };
    assert_eq!((ask(None), ask(Some(1))), (Ok(None), Ok(None)));
    assert_eq!((asked.load(Ordering::Relaxed), cache.cost()), (1, 1));
    clock.advance(ms(5));
    assert_eq!((ask(Some(1)), ask(None)), (Ok(Some(1)), Ok(Some(1))));
    clock.advance(ms(99));
    assert_eq!((ask(None), cache.cost()), (Ok(Some(1)), 10));
    check(&cache);
}
