use super::*;
use crate::store::Loads;

const KEY: KeyHash = KeyHash { index: 3, conflict: 4 };

/// One shard of a cache, as far as loads go: the value of a key and the flights, under one lock.
struct Shard {
    value: Option<u32>,
    loads: Loads<u32>,
}

struct Cache {
    shard: Mutex<Shard>,
}

/// How a load of the model ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Value(u32),
    Abandon,
}

impl Cache {
    fn new() -> Self {
        Self { shard: Mutex::new(Shard { value: None, loads: Loads::new() }) }
    }

    /// What `core/load.rs` does, less statistics and costs.
    async fn get_or_load(&self, end: End) -> Option<u32> {
        loop {
            let (flight, leads) = {
                let mut shard = self.shard.lock();
                if let Some(value) = shard.value {
                    return Some(value);
                }
                match shard.loads.find(KEY) {
                    Some(flight) => (Arc::clone(flight), false),
                    None => (shard.loads.begin(KEY), true),
                }
            };
            if leads {
                return self.lead(&flight, end);
            }
            if let Outcome::Loaded(value) = &*flight.landing().await {
                return Some(*value);
            }
        }
    }

    fn lead(&self, flight: &Arc<Flight<u32>>, end: End) -> Option<u32> {
        let outcome = {
            let mut shard = self.shard.lock();
            let listed = shard.loads.admits(KEY, flight.id(), None);
            shard.loads.end(KEY, flight.id());
            match end {
                End::Value(value) => {
                    if listed {
                        shard.value = Some(value);
                    }
                    Outcome::Loaded(value)
                }
                End::Abandon => Outcome::Abandoned,
            }
        };
        if Arc::strong_count(flight) > 1 {
            flight.land(outcome);
        }
        match end {
            End::Value(value) => Some(value),
            End::Abandon => None,
        }
    }

    fn remove(&self) -> Option<u32> {
        let mut shard = self.shard.lock();
        shard.loads.overtake(KEY);
        shard.value.take()
    }

    fn check(&self) {
        assert_eq!(self.shard.lock().loads.len(), 0, "a flight has leaked");
    }
}

#[cfg(not(tollgate_loom))]
mod threads {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    struct CountedWaker(AtomicUsize);

    impl Wake for CountedWaker {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }

    fn counted() -> (std::sync::Arc<CountedWaker>, Waker) {
        let counted = std::sync::Arc::new(CountedWaker(AtomicUsize::new(0)));
        (std::sync::Arc::clone(&counted), Waker::from(counted))
    }

    #[test]
    fn landing_wakes_whoever_still_waits_once_and_with_its_latest_waker() {
        let flight = Flight::new(KEY);
        let (stale, stale_waker) = counted();
        let (latest, latest_waker) = counted();
        let (gone, gone_waker) = counted();
        let mut stays = flight.landing();
        let mut leaves = flight.landing();
        for waker in [&stale_waker, &stale_waker, &latest_waker] {
            assert!(Pin::new(&mut stays).poll(&mut Context::from_waker(waker)).is_pending());
        }
        assert!(Pin::new(&mut leaves).poll(&mut Context::from_waker(&gone_waker)).is_pending());
        drop(leaves);
        flight.land(Outcome::Loaded(7));
        let woken = |waker: &CountedWaker| waker.0.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!((woken(&stale), woken(&latest), woken(&gone)), (0, 1, 0));
        let outcome = block_on(stays);
        assert!(matches!(&*outcome, Outcome::Loaded(7)));
        drop((stale_waker, latest_waker, gone_waker));
        for waker in [stale, latest, gone] {
            assert_eq!(std::sync::Arc::strong_count(&waker), 1, "a waker was kept");
        }
    }

    #[test]
    fn seats_are_used_again() {
        let flight = Flight::<u32>::new(KEY);
        let (_, waker) = counted();
        for _ in 0..100 {
            let mut landing = flight.landing();
            assert!(Pin::new(&mut landing).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        let State::Aloft(waiters) = &*flight.state.lock() else { unreachable!("nobody landed it") };
        assert_eq!(waiters.seats.len(), 1);
    }

    #[test]
    fn a_waker_that_panics_wakes_no_fewer_others() {
        struct Panics;
        impl Wake for Panics {
            fn wake(self: std::sync::Arc<Self>) {
                std::panic::resume_unwind(Box::new("a waker panics"));
            }
        }
        let flight = Flight::new(KEY);
        let panics = Waker::from(std::sync::Arc::new(Panics));
        let (heard, waker) = counted();
        let (mut first, mut second) = (flight.landing(), flight.landing());
        assert!(Pin::new(&mut first).poll(&mut Context::from_waker(&panics)).is_pending());
        assert!(Pin::new(&mut second).poll(&mut Context::from_waker(&waker)).is_pending());
        flight.land(Outcome::Loaded(7));
        assert_eq!(heard.0.load(std::sync::atomic::Ordering::Relaxed), 1);
    }

    #[test]
    fn a_removal_overtakes_the_load_of_its_key_and_no_other() {
        let mut loads = Loads::<u32>::new();
        let other = KeyHash { conflict: 5, ..KEY };
        let (flight, untouched) = (loads.begin(KEY), loads.begin(other));
        loads.overtake(KEY);
        assert!(!loads.admits(KEY, flight.id(), None));
        assert!(loads.admits(other, untouched.id(), None));
        let again = loads.begin(KEY);
        loads.end(KEY, flight.id());
        assert!(loads.admits(KEY, again.id(), None), "an overtaken flight ended another");
    }

    #[test]
    fn a_load_that_nobody_else_wants_lands_in_peace() {
        let cache = Cache::new();
        assert_eq!(block_on(cache.get_or_load(End::Abandon)), None);
        assert_eq!(block_on(cache.get_or_load(End::Value(1))), Some(1));
        assert_eq!(block_on(cache.get_or_load(End::Value(2))), Some(1));
        assert_eq!(cache.remove(), Some(1));
        cache.check();
    }
}

#[cfg(tollgate_loom)]
mod loom_tests {
    use super::*;
    use loom::sync::Arc as Shared;
    use loom::sync::atomic::{AtomicU32 as Number, Ordering};
    use loom::thread;

    /// Runs one caller on a thread of its own.
    fn caller(cache: &Shared<Cache>, end: End) -> thread::JoinHandle<Option<u32>> {
        let cache = Shared::clone(cache);
        thread::spawn(move || block_on(cache.get_or_load(end)))
    }

    #[test]
    fn loom_three_callers_share_one_load() {
        loom::model(|| {
            let cache = Shared::new(Cache::new());
            let others = [caller(&cache, End::Value(1)), caller(&cache, End::Value(2))];
            let mine = block_on(cache.get_or_load(End::Value(3)));
            let theirs = others.map(|other| other.join().expect("no caller panics"));
            assert!(theirs.iter().all(|&value| value == mine), "more than one load");
            cache.check();
        });
    }

    #[test]
    fn loom_whoever_waited_for_an_abandoned_load_loads() {
        loom::model(|| {
            let cache = Shared::new(Cache::new());
            let other = caller(&cache, End::Abandon);
            let mine = block_on(cache.get_or_load(End::Value(3)));
            assert_eq!(mine, Some(3));
            let theirs = other.join().expect("no caller panics");
            assert!(theirs.is_none_or(|value| value == 3));
            cache.check();
        });
    }

    /// A load reads its source; the source changes and the key is removed. Then neither the cache nor anybody who asks later
    /// may have what was read before.
    #[test]
    fn loom_nobody_sees_what_was_loaded_before_a_removal() {
        loom::model(|| {
            let cache = Shared::new(Cache::new());
            let source = Shared::new(Number::new(1));
            let loader = {
                let (cache, source) = (Shared::clone(&cache), Shared::clone(&source));
                thread::spawn(move || read_through(&cache, &source))
            };
            source.store(2, Ordering::SeqCst);
            cache.remove();
            assert_eq!(read_through(&cache, &source), 2);
            loader.join().expect("no caller panics");
            assert_eq!(cache.shard.lock().value, Some(2));
            cache.check();
        });
    }

    /// Like [`Cache::get_or_load`], of a value that is read once the flight is listed.
    fn read_through(cache: &Cache, source: &Number) -> u32 {
        loop {
            let (flight, leads) = {
                let mut shard = cache.shard.lock();
                if let Some(value) = shard.value {
                    return value;
                }
                match shard.loads.find(KEY) {
                    Some(flight) => (Arc::clone(flight), false),
                    None => (shard.loads.begin(KEY), true),
                }
            };
            if leads {
                let value = source.load(Ordering::SeqCst);
                return cache.lead(&flight, End::Value(value)).expect("it did not abandon");
            }
            if let Outcome::Loaded(value) = &*block_on(flight.landing()) {
                return *value;
            }
        }
    }

    #[test]
    fn loom_a_waiter_that_leaves_harms_nobody() {
        loom::model(|| {
            let cache = Shared::new(Cache::new());
            let other = caller(&cache, End::Value(1));
            {
                let mut future = pin!(cache.get_or_load(End::Value(2)));
                let mut context = Context::from_waker(Waker::noop());
                let _ = future.as_mut().poll(&mut context);
            }
            assert!(other.join().expect("no caller panics").is_some());
            cache.check();
        });
    }
}
