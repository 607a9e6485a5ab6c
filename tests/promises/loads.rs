//! No load waits for itself: whatever runs while a thread leads (listeners, destructors, what a panic leaves) may ask for the very keys.

use crate::callers::Caller;
use crate::common::{hush, lock, panics, planted_panic, settle, watchdog};
use std::cell::Cell;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tollgate::clock::{Clock, ManualClock};
use tollgate::policy::PolicyKind;
use tollgate::{Builder, Cache, Cause, Event, Expiry, Lifespan, Living, Loaded, Maintenance, Reservation};

const MODES: [Maintenance; 3] = [Maintenance::Thread, Maintenance::Inline, Maintenance::Manual];
/// Loads are the same for threads and tasks, but for where a caller waits.
const CALLERS: [Caller; 2] = [Caller::Thread, Caller::ByHand];
const KEYS: [u64; 3] = [1, 2, 3];
const AGE: Duration = Duration::from_secs(10);
/// So long that readers, too, see to what has idled away.
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// Where callbacks find the cache; emptied at the end, or the cache would own itself.
type Slot = Arc<Mutex<Option<Cache<u64, Asks>>>>;

/// A value that asks for some keys when it is dropped.
#[derive(Clone, Default)]
struct Asks(Option<(Slot, Vec<u64>)>);

impl Drop for Asks {
    fn drop(&mut self) {
        if let Some((slot, keys)) = self.0.take() {
            ask(&slot, &keys);
        }
    }
}

thread_local! {
    static ASKING: Cell<bool> = const { Cell::new(false) };
}

/// Asks for some keys, but not because of what was found there.
fn ask(slot: &Slot, keys: &[u64]) {
    let cache = lock(slot).clone();
    if let Some(cache) = cache
        && !ASKING.replace(true)
    {
        keys.iter().for_each(|key| drop(cache.get_or_insert_with(key, 1, Asks::default)));
        ASKING.set(false);
    }
}

/// A load that asks for some keys when it is dropped.
struct AskingLoad<T> {
    outcome: Option<T>,
    _asks: Asks,
}

impl<T: Unpin> Future for AskingLoad<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<T> {
        self.outcome.take().map_or(Poll::Pending, Poll::Ready)
    }
}

/// A strict cache of a few entries.
fn small(max_cost: u64, maintenance: Maintenance) -> Builder<u64, Asks> {
    Cache::builder(100, max_cost).slack(0).policy(PolicyKind::Fifo).maintenance(maintenance)
}

fn built(slot: &Slot, builder: Builder<u64, Asks>) -> Cache<u64, Asks> {
    let cache = builder.build().expect("a valid configuration");
    *lock(slot) = Some(cache.clone());
    cache
}

/// Nothing is under way, and everything agrees.
fn end(slot: &Slot, cache: &Cache<u64, Asks>) {
    drop(lock(slot).take());
    assert_eq!(cache.stats().loading, 0, "a load has leaked");
    settle(cache);
}

fn batch<E: Send + Sync + 'static>(
    caller: Caller,
    cache: &Cache<u64, Asks>,
    keys: &[u64],
    mut load: impl FnMut(Vec<&u64>) -> Result<Vec<Loaded<Asks>>, E>,
) -> Result<Vec<Asks>, Arc<E>> {
    match caller {
        Caller::Thread => cache.get_many_or_load(keys, load),
        _ => caller.run(cache.get_many_or_load_async(keys, |missing| std::future::ready(load(missing)))),
    }
}

fn quiet(missing: Vec<&u64>) -> Result<Vec<Loaded<Asks>>, &'static str> {
    Ok(missing.iter().map(|_| Loaded::new(Asks::default(), 1)).collect())
}

fn everywhere(test: impl Fn(Caller, Maintenance) + Send + Sync + 'static) {
    watchdog(move || {
        CALLERS.into_iter().for_each(|caller| MODES.into_iter().for_each(|mode| test(caller, mode)));
    });
}

#[test]
fn a_listener_may_ask_for_every_key_of_a_batch_that_lands() {
    everywhere(|caller, mode| {
        let slot = Slot::default();
        let listening = slot.clone();
        let listener = move |event: Event<Asks>| {
            if event.key != lock(&listening).as_ref().map_or(event.key, |cache| cache.key_hash(&1)) {
                ask(&listening, &KEYS);
            }
        };
        let cache = built(&slot, small(3, mode).listener(listener));
        (10..13).for_each(|key| assert!(cache.insert(key, Asks::default(), 1)));
        let found = batch(caller, &cache, &KEYS, quiet).unwrap_or_default();
        assert_eq!((found.len(), cache.stats().loads), (3, 3), "each is loaded once, by the batch");
        end(&slot, &cache);
    });
}

#[test]
fn a_listener_may_ask_for_every_key_of_a_batch_that_fails() {
    everywhere(|caller, mode| {
        let (slot, clock) = (Slot::default(), ManualClock::new());
        let listening = slot.clone();
        let builder = small(9, mode).clock(clock.clone()).time_to_idle(AGE).stale_if_error(AGE);
        let cache = built(&slot, builder.listener(move |_| ask(&listening, &KEYS)));
        cache.insert(10, Asks::default(), 1);
        // Whoever looks for a stale value sees first to what has expired.
        let outcome = batch(caller, &cache, &KEYS, |_| {
            clock.advance(YEAR);
            Err::<Vec<_>, _>("failed")
        });
        drop(outcome);
        settle(&cache);
        assert!(KEYS.iter().all(|key| cache.contains_key(key)), "the listener has asked for them");
        end(&slot, &cache);
    });
}

/// Leaps ahead, once.
#[derive(Clone, Default)]
struct Leaping(Arc<AtomicU64>);

impl Leaping {
    fn leap_after(&self, looks: u64) {
        self.0.store(looks, Ordering::Relaxed);
    }
}

impl Clock for Leaping {
    fn now(&self) -> Duration {
        match self.0.load(Ordering::Relaxed) {
            u64::MAX => YEAR,
            0 => Duration::ZERO,
            1 => {
                self.0.store(u64::MAX, Ordering::Relaxed);
                YEAR
            }
            looks => {
                self.0.store(looks - 1, Ordering::Relaxed);
                Duration::ZERO
            }
        }
    }
}

#[test]
fn a_listener_may_ask_for_every_key_of_a_batch_that_boards() {
    everywhere(|caller, mode| {
        for looks in 1..20 {
            let (slot, clock) = (Slot::default(), Leaping::default());
            let listening = slot.clone();
            let builder = small(9, mode).clock(clock.clone()).time_to_idle(AGE);
            let cache = built(&slot, builder.listener(move |_| ask(&listening, &KEYS)));
            cache.insert(10, Asks::default(), 1);
            settle(&cache);
            // Between two keys it turns out that an entry has expired.
            clock.leap_after(looks);
            assert!(batch(caller, &cache, &KEYS, quiet).is_ok());
            end(&slot, &cache);
        }
    });
}

#[test]
fn a_destructor_may_ask_for_every_key_of_a_batch() {
    everywhere(|caller, mode| {
        for max_cost in 1..4 {
            let slot = Slot::default();
            let cache = built(&slot, small(max_cost, mode));
            cache.insert(10, Asks(Some((slot.clone(), KEYS.to_vec()))), 1);
            let found = batch(caller, &cache, &KEYS, |missing| {
                let asks = missing.iter().map(|_| Asks(Some((slot.clone(), KEYS.to_vec()))));
                // The first is too large, and handed back.
                Ok::<_, &str>(
                    asks.enumerate().map(|(at, asks)| Loaded::new(asks, 9 - 4 * at as u64)).collect(),
                )
            });
            assert!(found.is_ok_and(|found| found.len() == 3));
            end(&slot, &cache);
        }
    });
}

#[test]
fn a_value_that_a_batch_replaces_may_ask_for_every_key_of_it() {
    everywhere(|caller, mode| {
        for refreshes in [true, false] {
            let (slot, clock) = (Slot::default(), ManualClock::new());
            let cache = built(&slot, small(9, mode).clock(clock.clone()).refresh_after(AGE));
            cache.insert(1, Asks(Some((slot.clone(), KEYS.to_vec()))), 1);
            clock.advance(AGE);
            lock(&slot).take();
            let found = batch(caller, &cache, &KEYS, |missing| {
                assert_eq!(missing, [&1, &2, &3]);
                // Not before: a clone that is dropped asks, too.
                *lock(&slot) = Some(cache.clone());
                if refreshes { quiet(missing) } else { Err("failed") }
            });
            assert_eq!(found.is_ok(), refreshes);
            end(&slot, &cache);
        }
    });
}

#[test]
fn a_value_that_a_batch_was_to_replace_may_ask_for_its_key_if_the_load_panics() {
    everywhere(|caller, mode| {
        hush();
        let (slot, clock) = (Slot::default(), ManualClock::new());
        let builder = small(9, mode).clock(clock.clone()).refresh_after(AGE).time_to_live(2 * AGE);
        let cache = built(&slot, builder);
        cache.insert(1, Asks(Some((slot.clone(), KEYS.to_vec()))), 1);
        clock.advance(AGE);
        lock(&slot).take();
        panics(|| {
            batch(caller, &cache, &KEYS, |_| -> Result<_, &str> {
                *lock(&slot) = Some(cache.clone());
                // What the cache still had is gone, and what the batch has in hand is the last of it.
                clock.advance(2 * AGE);
                planted_panic()
            })
        });
        end(&slot, &cache);
    });
}

/// A listener waits for the load, and the load calls `wait`, which may not wait for the listener.
#[test]
fn a_load_may_wait_beside_a_listener_that_asks_for_its_key() {
    watchdog(|| {
        let (at_work, told) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let handle = Arc::new(OnceLock::<Cache<u64, u64>>::new());
        let (listener, announced) = (handle.clone(), told.clone());
        let cache = Cache::builder(100, 9)
            .maintenance(Maintenance::Manual)
            .listener(move |event: Event<u64>| {
                if event.value == 10 {
                    announced.wait();
                    listener.get().unwrap().get_or_insert_with(&2, 1, || 0);
                }
            })
            .build()
            .unwrap();
        handle.set(cache.clone()).unwrap();
        cache.insert(1, 10, 1);
        let other = (cache.clone(), at_work.clone());
        let retaining = std::thread::spawn(move || {
            other.1.wait();
            other.0.retain(|_, &value| value != 10);
        });
        let found = cache.get_or_insert_with(&2, 1, || {
            at_work.wait();
            told.wait();
            cache.wait().unwrap();
            20
        });
        assert_eq!(found, 20);
        retaining.join().unwrap();
        settle(&cache);
    });
}

/// A value that asks for its own key whenever it is cloned.
struct Recursive(Cache<u64, Recursive>);

impl Clone for Recursive {
    fn clone(&self) -> Self {
        let asked = self.0.get_or_insert_with(&1, 1, || Recursive(self.0.clone()));
        std::mem::forget(asked);
        Self(self.0.clone())
    }
}

#[test]
fn a_value_that_loads_itself_as_it_is_cloned_ends_in_a_panic() {
    watchdog(|| {
        hush();
        let cache: Cache<u64, Recursive> =
            Cache::builder(100, 9).maintenance(Maintenance::Manual).build().unwrap();
        let said = panics(|| drop(cache.get_or_insert_with(&1, 1, || Recursive(cache.clone()))));
        let said = said.downcast_ref::<String>().cloned().unwrap_or_default();
        assert!(said.contains("load"), "{said}");
        cache.clear();
    });
}

#[test]
fn values_that_are_too_few_may_ask_for_every_key_of_the_batch() {
    everywhere(|caller, mode| {
        let slot = Slot::default();
        let cache = built(&slot, small(9, mode));
        let asks = || Loaded::new(Asks(Some((slot.clone(), KEYS.to_vec()))), 1);
        hush();
        let said = panics(|| batch(caller, &cache, &KEYS, |_| Ok::<_, &str>(vec![asks(), asks()])));
        assert!(said.downcast_ref::<String>().is_some_and(|said| said.contains("one value for each key")));
        end(&slot, &cache);
    });
}

/// The weigher is asked with the flights aloft.
#[test]
fn a_value_whose_weigher_panics_may_ask_for_its_key() {
    everywhere(|caller, mode| {
        hush();
        let slot = Slot::default();
        let cache = built(&slot, small(9, mode).weigher(|_| planted_panic()));
        let asks = || Loaded::new(Asks(Some((slot.clone(), KEYS.to_vec()))), 0);
        panics(|| batch(caller, &cache, &KEYS, |_| Ok::<_, &str>(vec![asks(), asks(), asks()])));
        assert!(KEYS.iter().all(|key| cache.remove(key).is_some()), "the destructor has asked for them");
        panics(|| cache.get_or_load(&2, || Ok::<_, &str>(asks())));
        panics(|| caller_runs(&cache, asks()));
        let Reservation::Vacant(vacancy) = cache.get_or_reserve(&4) else { panic!("there is none") };
        panics(|| vacancy.insert_loaded(asks()));
        end(&slot, &cache);
    });
}

fn caller_runs(cache: &Cache<u64, Asks>, loaded: Loaded<Asks>) {
    cache.clear();
    _ = Caller::ByHand.run(cache.get_or_load_async(&2, async { Ok::<_, &str>(loaded) }));
}

#[test]
fn a_load_that_is_dropped_may_ask_for_its_key() {
    everywhere(|_, mode| {
        let slot = Slot::default();
        let asks = || Asks(Some((slot.clone(), KEYS.to_vec())));
        let cache = built(&slot, small(9, mode));
        let mut context = Context::from_waker(Waker::noop());
        {
            let load = AskingLoad { outcome: None::<Result<Loaded<Asks>, &str>>, _asks: asks() };
            let mut one = pin!(cache.get_or_load_async(&2, load));
            assert!(one.as_mut().poll(&mut context).is_pending());
        }
        assert_eq!((cache.len(), cache.stats().loads_abandoned), (3, 1));
        cache.clear();
        {
            let load = |_: Vec<&u64>| AskingLoad { outcome: None::<Result<_, &str>>, _asks: asks() };
            let mut many = pin!(cache.get_many_or_load_async(&KEYS, load));
            assert!(many.as_mut().poll(&mut context).is_pending());
        }
        assert_eq!((cache.len(), cache.stats().loads_abandoned), (3, 4));
        cache.clear();
        // One that is done, too.
        let load = |missing: Vec<&u64>| AskingLoad { outcome: Some(quiet(missing)), _asks: asks() };
        assert!(Caller::ByHand.run(cache.get_many_or_load_async(&KEYS, load)).is_ok());
        end(&slot, &cache);
    });
}

/// Whoever reads an entry is the last to do so.
struct ReadOnce;

impl Expiry<Asks> for ReadOnce {
    fn after_read(&self, _entry: &Living<'_, Asks>) -> Lifespan {
        Lifespan::For(Duration::ZERO)
    }
}

#[test]
fn a_listener_may_ask_for_a_key_that_expires_while_its_refresh_begins() {
    everywhere(|caller, mode| {
        for many in [true, false] {
            let (slot, clock, heard) = (Slot::default(), ManualClock::new(), Arc::new(AtomicU64::new(0)));
            let (listening, hearing) = (slot.clone(), heard.clone());
            let listener = move |event: Event<Asks>| {
                if event.cause == Cause::Expired && hearing.fetch_add(1, Ordering::Relaxed) == 0 {
                    ask(&listening, &KEYS);
                }
            };
            let builder = small(9, mode).clock(clock.clone()).refresh_after(AGE).expiry(ReadOnce);
            let cache = built(&slot, builder.listener(listener));
            cache.insert(1, Asks::default(), 1);
            settle(&cache);
            clock.advance(AGE);
            if many {
                assert!(batch(caller, &cache, &KEYS, quiet).is_ok());
            } else {
                drop(cache.get_or_insert_with(&1, 1, Asks::default));
            }
            if mode == Maintenance::Inline {
                assert!(heard.load(Ordering::Relaxed) > 0, "told by the end of the call");
            }
            assert_eq!(cache.stats().refreshes, 1);
            end(&slot, &cache);
        }
    });
}
