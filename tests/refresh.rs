//! Values that are served beyond their time, and refreshed meanwhile: once, by whom the builder says, and never over a write. What
//! holds for threads and for tasks is one body, run by both.

#[path = "common/callers.rs"]
mod callers;
mod common;

use callers::{CALLERS, Caller, yields};
use common::{eventually, lock, panics, planted_panic, watchdog};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;
use tollgate::clock::{Clock, ManualClock};
use tollgate::policy::PolicyKind;
use tollgate::{
    Builder, Cache, Cause, Computed, Expiry, Inserted, Lifespan, Living, Loaded, Maintenance, Op, Refresh,
    Reservation,
};

type Numbers = Cache<u64, u64>;

const KEY: u64 = 7;
const TTL: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(1);

/// Refreshes that wait for the test to run them.
#[derive(Clone, Default)]
struct Held(Arc<Mutex<Vec<Refresh>>>);

impl Held {
    fn len(&self) -> usize {
        lock(&self.0).len()
    }

    /// The only one that there is.
    fn take(&self) -> Refresh {
        let mut held = lock(&self.0);
        assert_eq!(held.len(), 1);
        held.remove(0)
    }

    fn run(&self) {
        self.take().run();
    }
}

fn builder(clock: &ManualClock) -> Builder<u64, u64> {
    Cache::builder(10_000, 100_000).maintenance(Maintenance::Manual).clock(clock.clone())
}

fn swr(clock: &ManualClock) -> Builder<u64, u64> {
    builder(clock).time_to_live(TTL).stale_while_revalidate(GRACE)
}

fn built(builder: Builder<u64, u64>) -> Numbers {
    builder.build().expect("a valid configuration")
}

/// A cache with a stale value of 1 whose refreshes are held.
fn stale() -> (Numbers, ManualClock, Held) {
    let (clock, held) = (ManualClock::new(), Held::default());
    let spawner = held.clone();
    let cache = built(swr(&clock).spawner(move |refresh| lock(&spawner.0).push(refresh)));
    cache.insert(KEY, 1, 1);
    clock.advance(TTL + MOMENT);
    (cache, clock, held)
}

/// Nothing is under way, and everything agrees.
fn check<V: Send + Sync + 'static>(cache: &Cache<u64, V>) {
    assert_eq!(cache.stats().loading, 0, "a refresh has leaked");
    cache.run_pending();
    cache.check().unwrap_or_else(|inconsistency| panic!("{inconsistency}"));
}

trait Refreshes: Copy {
    fn try_refresh(
        self,
        cache: &Numbers,
        key: u64,
        load: impl FnOnce() -> Result<u64, u16> + Send + 'static,
    ) -> Result<u64, Arc<u16>>;

    fn refresh(self, cache: &Numbers, key: u64, value: u64) -> u64 {
        self.try_refresh(cache, key, move || Ok(value)).expect("it does not fail")
    }

    fn load(self, cache: &Numbers, load: impl FnOnce() -> Result<u64, u16>) -> Result<u64, Arc<u16>>;
}

impl Refreshes for Caller {
    fn try_refresh(
        self,
        cache: &Numbers,
        key: u64,
        load: impl FnOnce() -> Result<u64, u16> + Send + 'static,
    ) -> Result<u64, Arc<u16>> {
        let load = move || load().map(|value| Loaded::new(value, 1));
        match self {
            Self::Thread => cache.get_or_refresh(&key, load),
            _ => self.run(cache.get_or_refresh_async(&key, async move {
                yields(3).await;
                load()
            })),
        }
    }

    fn load(self, cache: &Numbers, load: impl FnOnce() -> Result<u64, u16>) -> Result<u64, Arc<u16>> {
        match self {
            Self::Thread => cache.get_or_try_insert_with(&KEY, 1, load),
            _ => self.run(cache.get_or_try_insert_async(&KEY, 1, async {
                yields(3).await;
                load()
            })),
        }
    }
}

fn with_every_caller(test: impl Fn(Caller) + Send + Sync + 'static) {
    watchdog(move || CALLERS.into_iter().for_each(test));
}

#[test]
fn a_stale_value_is_served_at_once_while_one_refresh_runs() {
    with_every_caller(|caller| {
        let (cache, _, held) = stale();
        assert_eq!((cache.get(&KEY), cache.peek(&KEY), cache.remaining_ttl(&KEY)), (None, None, None));
        assert_eq!((cache.get_many(&[KEY]), cache.iter().count()), (vec![None], 0));
        for new in 2..10 {
            assert_eq!(caller.refresh(&cache, KEY, new), 1);
        }
        assert_eq!(caller.load(&cache, || unreachable!("somebody refreshes it")), Ok(1));
        assert!(matches!(cache.get_or_reserve(&KEY), Reservation::Present(1)));
        assert_eq!((held.len(), cache.stats().loading), (1, 1));
        held.run();
        assert_eq!(cache.get(&KEY), Some(2));
        assert_eq!(caller.refresh(&cache, KEY, 3), 2);
        assert_eq!(cache.remaining_ttl(&KEY), Some(TTL));
        let stats = cache.stats();
        assert_eq!((stats.loads, stats.refreshes, stats.refreshes_failed, stats.served_stale), (1, 1, 0, 10));
        check(&cache);
    });
}

#[test]
fn when_the_grace_is_over_the_value_is_gone() {
    with_every_caller(|caller| {
        let (clock, heard) = (ManualClock::new(), Arc::new(Mutex::new(Vec::new())));
        let hears = Arc::clone(&heard);
        let cache = built(
            swr(&clock)
                .listener(move |event| lock(&hears).push((event.value, event.cause)))
                .spawner(|_| unreachable!("nobody asks for a stale value")),
        );
        cache.insert(KEY, 1, 1);
        clock.advance(TTL + GRACE - MOMENT);
        cache.run_pending();
        assert_eq!((cache.len(), cache.get(&KEY)), (1, None));
        clock.advance(MOMENT);
        if caller == Caller::Thread {
            cache.run_pending();
            assert_eq!(cache.len(), 0);
        }
        assert_eq!(caller.refresh(&cache, KEY, 2), 2);
        assert_eq!(*lock(&heard), [(1, Cause::Expired)]);
        assert_eq!((cache.stats().loads, cache.stats().refreshes), (1, 0));
        check(&cache);
    });
}

#[test]
fn a_value_is_refreshed_at_an_age_and_seen_by_everybody_meanwhile() {
    with_every_caller(|caller| {
        let (clock, held) = (ManualClock::new(), Held::default());
        let spawner = held.clone();
        let cache =
            built(builder(&clock).refresh_after(TTL).spawner(move |refresh| lock(&spawner.0).push(refresh)));
        assert_eq!(caller.refresh(&cache, KEY, 1), 1);
        clock.advance(TTL - MOMENT);
        assert_eq!((caller.refresh(&cache, KEY, 2), held.len()), (1, 0));
        clock.advance(MOMENT);
        assert_eq!((cache.get(&KEY), held.len()), (Some(1), 0));
        assert_eq!((caller.refresh(&cache, KEY, 2), caller.refresh(&cache, KEY, 3), held.len()), (1, 1, 1));
        assert_eq!(cache.get(&KEY), Some(1));
        held.run();
        assert_eq!((cache.get(&KEY), cache.remaining_ttl(&KEY)), (Some(2), Some(Duration::MAX)));
        check(&cache);
    });
}

/// What begins a new age.
const REJUVENATIONS: [fn(&Numbers); 6] = [
    |cache| assert!(cache.insert(KEY, 1, 1)),
    |cache| assert!(cache.insert(KEY, 1, 5)),
    |cache| assert!(cache.update(&KEY, |value| *value = 1)),
    |cache| assert!(matches!(cache.compute(&KEY, |_| Op::Recost(3)), Ok(Computed::Written(_)))),
    |cache| assert!(matches!(cache.compute(&KEY, |_| Op::Keep), Ok(Computed::Kept))),
    |cache| assert_eq!((cache.remove(&KEY), cache.insert(KEY, 1, 1)), (Some(1), true)),
];

#[test]
fn the_age_of_a_value_is_that_of_its_last_write() {
    for rejuvenate in REJUVENATIONS {
        let clock = ManualClock::new();
        let cache = built(builder(&clock).refresh_after(TTL).spawner(Refresh::run));
        cache.insert(KEY, 1, 1);
        clock.advance(TTL);
        rejuvenate(&cache);
        assert!(cache.set_ttl(&KEY, 9 * TTL));
        clock.advance(TTL - MOMENT);
        assert_eq!((Caller::Thread.refresh(&cache, KEY, 2), cache.get(&KEY)), (1, Some(1)));
        clock.advance(MOMENT);
        assert_eq!((Caller::Thread.refresh(&cache, KEY, 2), cache.get(&KEY)), (1, Some(2)));
        check(&cache);
    }
}

#[test]
fn ages_are_cut_by_the_jitter() {
    let clock = ManualClock::new();
    let cache = built(builder(&clock).refresh_after(1_000 * MOMENT).ttl_jitter(0.5).spawner(Refresh::run));
    (0..100).for_each(|key| assert!(cache.insert(key, 1, 1)));
    let mut due = Vec::new();
    for elapsed in [499, 700, 800, 1_000] {
        clock.advance(elapsed * MOMENT - clock.now());
        (0..100).for_each(|key| assert!(Caller::Thread.refresh(&cache, key, 2) <= 2));
        due.push(cache.stats().refreshes);
    }
    assert!(due[0] == 0 && 20 < due[1] && due[1] < due[2] && due[2] < due[3] && due[3] == 100, "{due:?}");
    check(&cache);
}

/// Without a spawner, the first to find a value due refreshes it; the others need not wait.
#[test]
fn without_a_spawner_one_caller_refreshes_and_no_other_waits() {
    with_every_caller(|caller| {
        for ask in
            [(|caller, cache, load| caller.try_refresh(cache, KEY, load)) as Ask, |caller, cache, load| {
                caller.load(cache, load)
            }]
        {
            let clock = ManualClock::new();
            let cache = built(swr(&clock));
            cache.insert(KEY, 1, 1);
            clock.advance(TTL + MOMENT);
            let other = cache.clone();
            let load = move || {
                // Executors do not nest: each of the others has a thread.
                for caller in CALLERS {
                    let other = other.clone();
                    let asks = thread::spawn(move || caller.refresh(&other, KEY, 3));
                    assert_eq!(asks.join().expect("it does not panic"), 1);
                }
                Ok(2)
            };
            assert_eq!(ask(caller, &cache, Box::new(load)), Ok(2));
            assert_eq!((cache.get(&KEY), cache.stats().loads), (Some(2), 1));
            // If it fails, the old value will do.
            clock.advance(TTL + MOMENT);
            assert_eq!(ask(caller, &cache, Box::new(|| Err(500))), Ok(2));
            clock.advance(GRACE);
            assert_eq!(ask(caller, &cache, Box::new(|| Err(500))), Err(Arc::new(500)));
            assert_eq!((cache.stats().refreshes, cache.stats().refreshes_failed), (2, 1));
            check(&cache);
        }
    });
}

type Ask = fn(Caller, &Numbers, Box<dyn FnOnce() -> Result<u64, u16> + Send>) -> Result<u64, Arc<u16>>;

#[test]
fn a_reservation_of_a_stale_value_is_the_duty_to_refresh_it() {
    let (cache, _, held) = stale();
    let Reservation::Vacant(vacancy) = cache.get_or_reserve(&KEY) else { panic!("it is stale") };
    assert_eq!((Caller::Thread.refresh(&cache, KEY, 3), held.len()), (1, 0));
    drop(vacancy);
    let Reservation::Vacant(vacancy) = cache.get_or_reserve(&KEY) else { panic!("it is stale") };
    assert_eq!(vacancy.insert(2, 1), 2);
    assert_eq!(cache.get(&KEY), Some(2));
    check(&cache);
}

#[test]
fn an_error_gives_way_to_a_value_that_is_old_but_not_too_old() {
    with_every_caller(|caller| {
        let clock = ManualClock::new();
        let cache = built(builder(&clock).time_to_live(TTL).stale_if_error(GRACE));
        cache.insert(KEY, 1, 1);
        clock.advance(TTL);
        // Nobody is served an old value for nothing.
        assert_eq!((cache.get(&KEY), caller.load(&cache, || Err(500))), (None, Ok(1)));
        assert_eq!(caller.try_refresh(&cache, KEY, || Err(500)), Ok(1));
        // One who waits for a load that fails is served it too.
        let Reservation::Vacant(vacancy) = cache.get_or_reserve(&KEY) else { panic!("it has expired") };
        let misses = cache.stats().misses;
        thread::scope(|scope| {
            let waiter = scope.spawn(|| caller.load(&cache, || Err(404)));
            eventually("another caller misses", || cache.stats().misses > misses);
            vacancy.fail(500_u16);
            assert_eq!(waiter.join().expect("it does not panic"), Ok(1));
        });
        assert_eq!(cache.stats().served_stale, 3);
        clock.advance(GRACE);
        assert_eq!(caller.load(&cache, || Err(500)), Err(Arc::new(500)));
        assert_eq!((cache.stats().loads_failed, cache.stats().refreshes), (cache.stats().loads, 0));
        check(&cache);
    });
}

#[test]
fn the_longer_of_two_graces_does_not_prolong_the_shorter() {
    let clock = ManualClock::new();
    let cache = built(builder(&clock).time_to_live(TTL).stale_if_error(GRACE).stale_while_revalidate(TTL));
    cache.insert(KEY, 1, 1);
    clock.advance(2 * TTL - MOMENT);
    assert_eq!((Caller::Thread.load(&cache, || Err(500)), cache.stats().refreshes), (Ok(1), 1));
    clock.advance(MOMENT);
    assert_eq!((Caller::Thread.load(&cache, || Err(500)), cache.stats().refreshes), (Ok(1), 1));
    assert_eq!(Caller::Thread.load(&cache, || Ok(2)), Ok(2));
    check(&cache);
}

/// What happens while a value is refreshed as 2, and what is there afterwards.
type Meanwhile = (fn(&Numbers), Option<u64>);

const MEANWHILE_IT_IS_STALE: [Meanwhile; 9] = [
    (|cache| assert_eq!(cache.remove(&KEY), None), None),
    (|cache| assert_eq!(cache.remove_many(&[KEY]), [None]), None),
    (|cache| cache.clear(), None),
    (|cache| cache.retain(|_, _| false), None),
    (|cache| cache.retain(|_, _| true), Some(2)),
    (|cache| assert_eq!(cache.try_insert(KEY, 70, 1), Ok(Inserted::New)), Some(70)),
    (
        |cache| {
            let put = cache.compute(&KEY, |value| {
                assert_eq!(value, None);
                Op::Put { value: 70, cost: 1 }
            });
            assert_eq!(put, Ok(Computed::Written(Inserted::New)));
        },
        Some(70),
    ),
    (|cache| assert!(!cache.update(&KEY, |_| ()) && !cache.insert_if_present(KEY, 70, 1)), Some(2)),
    (
        |cache| {
            cache.run_pending();
            assert!(!cache.set_ttl(&KEY, TTL) && !cache.persist(&KEY) && cache.insert(KEY + 1, 70, 1));
        },
        Some(2),
    ),
];

#[test]
fn a_write_overtakes_the_refresh_of_a_stale_value() {
    with_every_caller(|caller| {
        for (nth, (write, left)) in MEANWHILE_IT_IS_STALE.into_iter().enumerate() {
            let (cache, _, held) = stale();
            assert_eq!(caller.refresh(&cache, KEY, 2), 1);
            write(&cache);
            held.run();
            assert_eq!(cache.get(&KEY), left, "write {nth}");
            assert_eq!(cache.stats().loads_overtaken, u64::from(left != Some(2)), "write {nth}");
            check(&cache);
        }
    });
}

const MEANWHILE_IT_IS_DUE: [Meanwhile; 12] = [
    (|cache| assert_eq!(cache.remove(&KEY), Some(1)), None),
    (|cache| cache.clear(), None),
    (|cache| cache.retain(|_, _| false), None),
    (|cache| cache.retain(|_, _| true), Some(2)),
    (|cache| assert!(cache.insert(KEY, 70, 1)), Some(70)),
    (|cache| assert!(cache.insert(KEY, 70, 9)), Some(70)),
    (|cache| assert!(cache.insert_if_present(KEY, 70, 1)), Some(70)),
    (|cache| assert!(cache.update(&KEY, |value| *value = 70)), Some(70)),
    (|cache| assert_eq!(cache.compute(&KEY, |_| Op::Remove), Ok(Computed::Removed(1))), None),
    (
        |cache| {
            let recosted = cache.compute(&KEY, |value| {
                *value.expect("it is there") = 70;
                Op::Recost(9)
            });
            assert_eq!(recosted, Ok(Computed::Written(Inserted::Replaced)));
        },
        Some(70),
    ),
    (|cache| assert!(cache.set_ttl(&KEY, TTL)), Some(1)),
    (|cache| assert_eq!(cache.get(&KEY), Some(1)), Some(2)),
];

#[test]
fn a_write_overtakes_the_refresh_of_a_value_that_is_due() {
    with_every_caller(|caller| {
        for (nth, (write, left)) in MEANWHILE_IT_IS_DUE.into_iter().enumerate() {
            let (clock, held) = (ManualClock::new(), Held::default());
            let spawner = held.clone();
            let due = builder(&clock).refresh_after(TTL);
            let cache = built(due.spawner(move |refresh| lock(&spawner.0).push(refresh)));
            cache.insert(KEY, 1, 1);
            clock.advance(TTL);
            assert_eq!(caller.refresh(&cache, KEY, 2), 1);
            write(&cache);
            held.run();
            assert_eq!(cache.get(&KEY), left, "write {nth}");
            check(&cache);
        }
    });
}

/// How a refresh can end badly.
const FAILURES: [fn(Held); 4] = [
    |held| held.run(),
    |held| drop(held.take()),
    |held| {
        let mut refresh = Box::pin(held.take());
        assert!(refresh.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    },
    |held| {
        let running = thread::spawn(move || held.run());
        running.join().expect("a refresh does not panic");
    },
];

#[test]
fn a_refresh_that_ends_badly_makes_way_for_the_next() {
    with_every_caller(|caller| {
        for (nth, fail) in FAILURES.into_iter().enumerate() {
            for panicking in [false, true] {
                let (cache, clock, held) = stale();
                common::hush();
                let load = move || if panicking { planted_panic() } else { Err(500) };
                assert_eq!(caller.try_refresh(&cache, KEY, load), Ok(1));
                if nth == 2 && caller == Caller::Thread {
                    // It has no await to be dropped at.
                    drop(held.take());
                } else {
                    fail(held.clone());
                }
                let stats = cache.stats();
                assert_eq!((stats.loading, stats.refreshes, stats.refreshes_failed), (0, 1, 1));
                // The value is what it was, and the next caller begins another refresh.
                assert_eq!(caller.refresh(&cache, KEY, 2), 1);
                held.run();
                assert_eq!(caller.refresh(&cache, KEY, 3), 2);
                clock.advance(TTL + GRACE);
                check(&cache);
                assert_eq!(cache.len(), 0);
            }
        }
    });
}

#[test]
fn a_spawner_that_panics_or_refuses_harms_nobody() {
    with_every_caller(|caller| {
        common::hush();
        for spawner in [(|refresh| drop(refresh)) as fn(Refresh), |_| planted_panic()] {
            let clock = ManualClock::new();
            let cache = built(swr(&clock).spawner(spawner));
            cache.insert(KEY, 1, 1);
            clock.advance(TTL);
            assert_eq!((caller.refresh(&cache, KEY, 2), caller.refresh(&cache, KEY, 3)), (1, 1));
            assert_eq!((cache.stats().refreshes, cache.stats().refreshes_failed), (2, 2));
            check(&cache);
        }
    });
}

/// A refresh is dropped after each number of polls.
#[test]
fn cancelled_at_any_await_a_refresh_frees_its_key() {
    for polls in 0..=6 {
        let (cache, _, held) = stale();
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(Caller::ByHand.refresh(&cache, KEY, 2), 1);
        let mut refresh = Box::pin(held.take());
        let ended = (0..polls).any(|_| refresh.as_mut().poll(&mut context).is_ready());
        assert_eq!(ended, polls >= 4);
        assert_eq!(refresh.as_mut().poll(&mut context).is_ready(), polls >= 3);
        drop(refresh);
        assert_eq!(cache.get(&KEY), (polls >= 3).then_some(2));
        check(&cache);
    }
}

#[test]
fn the_future_that_began_a_refresh_need_not_live_as_long() {
    let (cache, _, held) = stale();
    let mut context = Context::from_waker(Waker::noop());
    let mut asks = Box::pin(cache.get_or_refresh_async(&KEY, async { Ok::<_, u16>(Loaded::new(2, 1)) }));
    assert_eq!(asks.as_mut().poll(&mut context), Poll::Ready(Ok(1)));
    drop(asks);
    held.run();
    assert_eq!(cache.get(&KEY), Some(2));
    check(&cache);
}

#[test]
fn who_panics_in_a_refresh_of_his_own_frees_the_key() {
    with_every_caller(|caller| {
        let clock = ManualClock::new();
        let cache = built(swr(&clock));
        cache.insert(KEY, 1, 1);
        clock.advance(TTL);
        panics(|| caller.load(&cache, || planted_panic()));
        panics(|| caller.try_refresh(&cache, KEY, || planted_panic()));
        assert_eq!(caller.load(&cache, || Ok(2)), Ok(2));
        assert_eq!((cache.stats().refreshes, cache.stats().refreshes_failed), (3, 2));
        check(&cache);
    });
}

/// An entry that is evicted while it is refreshed: whoever asks waits for the refresh, and nothing is loaded twice.
#[test]
fn an_eviction_during_a_refresh_is_no_write() {
    with_every_caller(|caller| {
        let (clock, held) = (ManualClock::new(), Held::default());
        let spawner = held.clone();
        let lru = swr(&clock).policy(PolicyKind::Lru);
        let cache = built(lru.spawner(move |refresh| lock(&spawner.0).push(refresh)));
        cache.insert(KEY, 1, 1);
        clock.advance(TTL);
        assert_eq!(caller.refresh(&cache, KEY, 2), 1);
        cache.set_max_cost(1);
        cache.insert(KEY + 1, 1, 1);
        cache.run_pending();
        assert_eq!((cache.len(), cache.stats().evictions), (1, 1));
        let misses = cache.stats().misses;
        thread::scope(|scope| {
            let waiter = scope.spawn(|| caller.refresh(&cache, KEY, 3));
            eventually("the entry is missed", || cache.stats().misses > misses);
            held.run();
            assert_eq!(waiter.join().expect("it does not panic"), 2);
        });
        assert_eq!(cache.stats().loads, 1);
        check(&cache);
    });
}

#[test]
fn a_refresh_outlives_its_cache_as_nothing() {
    with_every_caller(|caller| {
        for polls in [0, 1] {
            let (cache, _, held) = stale();
            let loads = Arc::new(AtomicU64::new(0));
            let counts = Arc::clone(&loads);
            assert_eq!(
                caller.try_refresh(&cache, KEY, move || Ok(counts.fetch_add(1, Ordering::Relaxed))),
                Ok(1)
            );
            let mut refresh = Box::pin(held.take());
            if polls > 0 && caller != Caller::Thread {
                assert!(refresh.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            }
            drop((cache, held));
            refresh.as_mut().get_mut().poll_to_the_end();
            assert_eq!(Arc::strong_count(&loads), 1, "the load was not dropped");
            let begun = polls > 0 && caller != Caller::Thread;
            assert!(begun || loads.load(Ordering::Relaxed) == 0, "it was begun for a cache that is gone");
        }
    });
}

trait PollToTheEnd {
    fn poll_to_the_end(&mut self);
}

impl PollToTheEnd for Refresh {
    fn poll_to_the_end(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        while std::pin::Pin::new(&mut *self).poll(&mut context).is_pending() {}
    }
}

#[test]
fn what_idles_away_has_no_grace() {
    let clock = ManualClock::new();
    let cache = built(swr(&clock).time_to_idle(TTL / 2).spawner(Refresh::run));
    cache.insert(KEY, 1, 1);
    for _ in 0..4 {
        clock.advance(TTL / 4);
        assert_eq!(cache.get(&KEY).is_some(), clock.now() < TTL);
    }
    // Stale, and read a moment ago.
    assert_eq!((cache.remaining_ttl(&KEY), Caller::Thread.refresh(&cache, KEY, 2)), (None, 1));
    assert_eq!(cache.get(&KEY), Some(2));
    clock.advance(TTL / 2 + MOMENT);
    assert_eq!((Caller::Thread.refresh(&cache, KEY, 3), cache.stats().refreshes), (3, 1));
    check(&cache);
}

/// A value lives for as many milliseconds as it says, and a read makes it expire.
struct Says;

impl Expiry<u64> for Says {
    fn after_create(&self, entry: &Living<'_, u64>) -> Lifespan {
        Lifespan::For(Duration::from_millis(*entry.value))
    }

    fn after_read(&self, entry: &Living<'_, u64>) -> Lifespan {
        assert!(entry.time_to_live <= Duration::from_millis(*entry.value), "the grace is not its own");
        if entry.value.is_multiple_of(2) { Lifespan::For(Duration::ZERO) } else { Lifespan::Keep }
    }
}

#[test]
fn an_expiry_decides_when_a_value_is_stale() {
    with_every_caller(|caller| {
        let (clock, held) = (ManualClock::new(), Held::default());
        let spawner = held.clone();
        let says = builder(&clock).expiry(Says).stale_while_revalidate(GRACE);
        let cache = built(says.spawner(move |refresh| lock(&spawner.0).push(refresh)));
        assert_eq!(caller.refresh(&cache, KEY, 101), 101);
        assert_eq!(cache.remaining_ttl(&KEY), Some(101 * MOMENT));
        clock.advance(101 * MOMENT);
        assert_eq!((cache.get(&KEY), caller.refresh(&cache, KEY, 202)), (None, 101));
        held.run();
        assert_eq!(cache.remaining_ttl(&KEY), Some(202 * MOMENT));
        // A read that ends a life is no write: it overtakes no refresh.
        assert_eq!((cache.get(&KEY), cache.get(&KEY)), (Some(202), None));
        assert_eq!(caller.refresh(&cache, KEY, 303), 202);
        held.run();
        assert_eq!(cache.get(&KEY), Some(303));
        check(&cache);
    });
}

#[test]
fn an_absence_grows_stale_like_any_value() {
    let clock = ManualClock::new();
    let cache: Cache<u64, Option<u64>> = Cache::builder(1_000, 100)
        .maintenance(Maintenance::Manual)
        .clock(clock.clone())
        .stale_while_revalidate(GRACE)
        .spawner(Refresh::run)
        .build()
        .expect("a valid configuration");
    let ask = |found: Option<u64>| {
        let found = cache.get_or_refresh(&KEY, move || {
            Ok::<_, u16>(found.map_or(Loaded::absent(TTL), |value| Loaded::new(Some(value), 1)))
        });
        found.expect("it does not fail")
    };
    assert_eq!((ask(None), ask(Some(1))), (None, None));
    clock.advance(TTL);
    assert_eq!((ask(Some(1)), ask(None)), (None, Some(1)));
    check(&cache);
}

#[test]
fn what_is_told_to_expire_is_served_while_it_is_refreshed() {
    let (clock, held) = (ManualClock::new(), Held::default());
    let spawner = held.clone();
    let cache = built(swr(&clock).spawner(move |refresh| lock(&spawner.0).push(refresh)));
    cache.insert(KEY, 1, 1);
    assert!(cache.expire_at(&KEY, std::time::Instant::now()));
    assert_eq!((cache.get(&KEY), Caller::Thread.refresh(&cache, KEY, 2), held.len()), (None, 1, 1));
    held.run();
    assert_eq!(cache.get(&KEY), Some(2));
    check(&cache);
}

#[test]
fn the_plans_to_refresh_are_charged_with_the_overhead() {
    let clock = ManualClock::new();
    let cost_of_one = |builder: Builder<u64, u64>| {
        let cache = built(builder.charge_overhead(true));
        cache.insert(KEY, 1, 1);
        cache.cost()
    };
    assert_eq!(cost_of_one(builder(&clock)), 1 + Numbers::entry_overhead());
    assert_eq!(cost_of_one(builder(&clock).refresh_after(TTL)), 1 + Numbers::entry_overhead() + 18);
}

#[test]
fn graces_and_ages_may_be_of_any_length() {
    for most in [Duration::MAX, Duration::from_secs(1 << 40), Duration::from_nanos(1)] {
        let clock = ManualClock::new();
        let cache =
            built(builder(&clock).time_to_live(TTL).stale_while_revalidate(most).stale_if_error(most));
        cache.insert(KEY, 1, 1);
        clock.advance(TTL);
        assert_eq!(cache.get(&KEY), None);
        assert_eq!(Caller::Thread.load(&cache, || Err(500)), Ok(1));
        check(&cache);
        let cache = built(builder(&clock).refresh_after(most));
        cache.insert(KEY, 1, 1);
        assert_eq!(Caller::Thread.refresh(&cache, KEY, 2), 1);
        check(&cache);
    }
    assert!(builder(&ManualClock::new()).refresh_after(Duration::ZERO).build().is_err());
}

type Spawner = Box<dyn Fn(Refresh) + Send + Sync>;

/// The spawners that a service would have.
fn spawners() -> Vec<(&'static str, Spawner)> {
    let (sender, refreshes) = mpsc::channel::<Refresh>();
    thread::spawn(move || refreshes.into_iter().for_each(Refresh::run));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    let executor = Arc::new(smol::Executor::new());
    let runs = Arc::clone(&executor);
    thread::spawn(move || smol::block_on(runs.run(std::future::pending::<()>())));
    vec![
        ("thread", Box::new(move |refresh| drop(sender.send(refresh)))),
        ("tokio", Box::new(move |refresh| drop(runtime.spawn(refresh)))),
        ("smol", Box::new(move |refresh| executor.spawn(refresh).detach())),
    ]
}

#[test]
fn a_stampede_on_a_stale_value_refreshes_it_once() {
    watchdog(|| {
        for (name, spawner) in spawners() {
            let clock = ManualClock::new();
            let (cache, loads) = (built(swr(&clock).spawner(spawner)), Arc::new(AtomicU64::new(0)));
            cache.insert(KEY, 1, 1);
            clock.advance(TTL);
            // The refresh ends only when everybody has been served.
            let (served, start) = (Arc::new(Barrier::new(9)), Barrier::new(8));
            let ask = |caller: Caller| {
                let (loads, served) = (Arc::clone(&loads), Arc::clone(&served));
                caller.try_refresh(&cache, KEY, move || {
                    loads.fetch_add(1, Ordering::Relaxed);
                    served.wait();
                    Ok(2)
                })
            };
            thread::scope(|scope| {
                for caller in CALLERS.into_iter().chain(CALLERS) {
                    let (ask, start, served) = (&ask, &start, &served);
                    scope.spawn(move || {
                        start.wait();
                        (0..125).for_each(|_| assert_eq!(ask(caller), Ok(1)));
                        served.wait();
                    });
                }
            });
            eventually(name, || cache.stats().loading == 0);
            assert_eq!((loads.load(Ordering::Relaxed), cache.get(&KEY)), (1, Some(2)));
            assert_eq!((cache.stats().loads, cache.stats().served_stale), (1, 1_000));
            check(&cache);
        }
    });
}

/// A runtime that is shut down with a refresh on it drops the refresh, and the next caller's is run by another.
#[test]
fn a_runtime_that_shuts_down_takes_its_refresh_along() {
    watchdog(|| {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
        let handle = runtime.handle().clone();
        let clock = ManualClock::new();
        let cache = built(swr(&clock).spawner(move |refresh| drop(handle.spawn(refresh))));
        cache.insert(KEY, 1, 1);
        clock.advance(TTL);
        let started = Arc::new(AtomicU64::new(0));
        let counts = Arc::clone(&started);
        let never = async move {
            counts.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<Result<Loaded<u64>, u16>>().await
        };
        assert_eq!(smol::block_on(cache.get_or_refresh_async(&KEY, never)), Ok(1));
        eventually("the refresh begins", || started.load(Ordering::Relaxed) == 1);
        drop(runtime);
        eventually("the refresh is dropped", || cache.stats().loading == 0);
        // The handle spawns no more: the refresh is dropped at once.
        assert_eq!(Caller::Thread.refresh(&cache, KEY, 2), 1);
        assert_eq!((cache.stats().refreshes, cache.stats().refreshes_failed), (2, 2));
        check(&cache);
    });
}

/// What a cache with a grace of 60 and an age of 30 ticks should hold for a key.
#[derive(Debug, Clone, Copy)]
struct Expected {
    value: u64,
    written: u64,
    expires: u64,
}

/// Random calls on a few keys, beside a model in a few lines.
#[test]
fn refreshes_agree_with_a_model() {
    for seed in 0..40 {
        let clock = ManualClock::new();
        let cache = built(
            builder(&clock)
                .time_to_live(50 * MOMENT)
                .stale_while_revalidate(20 * MOMENT)
                .stale_if_error(60 * MOMENT)
                .refresh_after(30 * MOMENT)
                .spawner(Refresh::run),
        );
        let mut numbers = common::Numbers::new(seed);
        let mut model: [Option<Expected>; 4] = [None; 4];
        for value in 1..400 {
            let now = clock.now().as_millis() as u64;
            let key = numbers.below(4);
            let fresh = Some(Expected { value, written: now, expires: now + 50 });
            let slot = &mut model[key as usize];
            let live = slot.filter(|entry| now < entry.expires);
            match numbers.below(9) {
                0 => {
                    assert!(cache.insert(key, value, 1 + value % 3));
                    *slot = fresh;
                }
                1 => {
                    assert_eq!(cache.remove(&key), live.map(|entry| entry.value));
                    *slot = None;
                }
                2 => {
                    assert_eq!(cache.update(&key, |held| *held = value), live.is_some());
                    *slot = live.map(|entry| Expected { value, written: now, ..entry }).or(*slot);
                }
                3 => {
                    assert_eq!(cache.set_ttl(&key, 5 * MOMENT), live.is_some());
                    *slot = live.map(|entry| Expected { expires: now + 5, ..entry }).or(*slot);
                }
                4 => assert_eq!(cache.get(&key), live.map(|entry| entry.value)),
                5 | 6 => clock.advance(numbers.below(25) as u32 * MOMENT),
                7 => {
                    let old = slot.filter(|entry| now < entry.expires + 60).map(|entry| entry.value);
                    let is_due = live.is_none_or(|entry| now >= entry.written + 30);
                    let expected = if is_due { old } else { live.map(|entry| entry.value) };
                    assert_eq!(Caller::Thread.try_refresh(&cache, key, || Err(500)).ok(), expected);
                }
                _ => {
                    let served = slot.filter(|entry| now < entry.expires + 20);
                    let asked = Caller::Thread.refresh(&cache, key, value);
                    assert_eq!(
                        asked,
                        served.map_or(value, |entry| entry.value),
                        "seed {seed}, value {value}"
                    );
                    if live.is_none_or(|entry| now >= entry.written + 30) {
                        *slot = fresh;
                    }
                }
            }
            if value % 8 == 0 {
                check(&cache);
            }
        }
        clock.advance(200 * MOMENT);
        check(&cache);
        assert_eq!((cache.len(), cache.cost()), (0, 0));
    }
}

/// An update that was seen is not undone by a refresh that began before it, even if the `Expiry` panicked after it.
#[test]
fn an_update_that_panics_half_way_overtakes_a_refresh() {
    struct Panics;
    impl tollgate::Expiry<u64> for Panics {
        fn after_update(&self, _: &tollgate::Living<'_, u64>, _: Duration) -> tollgate::Lifespan {
            panic!("planted")
        }
    }
    let clock = ManualClock::new();
    let cache: Cache<u64, u64> = Cache::builder(100, 100)
        .maintenance(Maintenance::Manual)
        .clock(clock.clone())
        .refresh_after(Duration::from_secs(1))
        .expiry(Panics)
        .build()
        .unwrap();
    cache.insert(1, 1, 1);
    clock.advance(Duration::from_secs(2));
    let Reservation::Vacant(lead) = cache.get_or_reserve(&1) else { panic!("it is due") };
    let update = || cache.update(&1, |value| *value = 2);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(update)).is_err());
    assert_eq!(cache.peek(&1), Some(2));
    lead.insert(1, 1);
    assert_eq!(cache.peek(&1), Some(2), "the refresh was overtaken");
    cache.check().unwrap();
}

/// What its owner removes is not served any more, though its time was over.
#[test]
fn a_stale_value_is_removed_by_compute() {
    let clock = ManualClock::new();
    let cache: Cache<u64, u64> = Cache::builder(100, 100)
        .maintenance(Maintenance::Manual)
        .clock(clock.clone())
        .time_to_live(Duration::from_secs(1))
        .stale_while_revalidate(Duration::from_secs(60))
        .build()
        .unwrap();
    cache.insert(1, 1, 1);
    clock.advance(Duration::from_secs(2));
    assert_eq!(cache.compute(&1, |_| tollgate::Op::Remove).unwrap(), tollgate::Computed::Absent);
    assert_eq!(cache.get_or_insert_with(&1, 1, || 2), 2);
    cache.check().unwrap();
}
