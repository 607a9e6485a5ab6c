//! Loading many keys with one call: one call of the loader, and for each key what holds for loads of one.

#[path = "common/callers.rs"]
mod callers;
mod common;

use callers::{CALLERS, Caller, yields};
use common::{eventually, panics, planted_panic, watchdog};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;
use tollgate::clock::ManualClock;
use tollgate::{Cache, Loaded, Maintenance, Reservation};

type Numbers = Cache<u64, u64>;

fn cache() -> Numbers {
    Cache::builder(10_000, 100_000).maintenance(Maintenance::Manual).build().expect("a valid configuration")
}

/// Nothing is under way, and everything agrees.
fn check(cache: &Numbers) {
    assert_eq!(cache.stats().loading, 0, "a load has leaked");
    cache.run_pending();
    cache.check().unwrap_or_else(|inconsistency| panic!("{inconsistency}"));
}

fn squares(keys: Vec<&u64>) -> Vec<Loaded<u64>> {
    keys.into_iter().map(|key| Loaded::new(key * key, 1)).collect()
}

trait LoadsMany: Copy {
    fn load_many<E: Send + Sync + 'static>(
        self,
        cache: &Numbers,
        keys: &[u64],
        load: impl FnMut(Vec<&u64>) -> Result<Vec<Loaded<u64>>, E>,
    ) -> Result<Vec<u64>, Arc<E>>;

    /// Loads the squares of what is missing; what that was is told too.
    fn squares(self, cache: &Numbers, keys: &[u64]) -> (Vec<u64>, Vec<Vec<u64>>) {
        let mut asked = Vec::new();
        let found = self.load_many(cache, keys, |missing| {
            asked.push(missing.iter().map(|&&key| key).collect());
            Ok::<_, Infallible>(squares(missing))
        });
        (found.expect("it cannot fail"), asked)
    }
}

impl LoadsMany for Caller {
    fn load_many<E: Send + Sync + 'static>(
        self,
        cache: &Numbers,
        keys: &[u64],
        mut load: impl FnMut(Vec<&u64>) -> Result<Vec<Loaded<u64>>, E>,
    ) -> Result<Vec<u64>, Arc<E>> {
        match self {
            Self::Thread => cache.get_many_or_load(keys, load),
            _ => self.run(cache.get_many_or_load_async(keys, |missing| {
                let loaded = load(missing);
                async {
                    yields(3).await;
                    loaded
                }
            })),
        }
    }
}

fn with_every_caller(test: impl Fn(Caller) + Send + Sync + 'static) {
    watchdog(move || CALLERS.into_iter().for_each(test));
}

#[test]
fn one_call_loads_all_that_is_missing() {
    with_every_caller(|caller| {
        let cache = cache();
        (0..100).step_by(3).for_each(|key| assert!(cache.insert(key, 1_000 + key, 1)));
        let keys: Vec<u64> = (0..100).rev().collect();
        let (found, asked) = caller.squares(&cache, &keys);
        let missing: Vec<u64> = keys.iter().copied().filter(|key| key % 3 != 0).collect();
        assert_eq!(asked, [missing]);
        for (key, value) in keys.iter().zip(found) {
            assert_eq!(value, if key % 3 == 0 { 1_000 + key } else { key * key });
            assert_eq!(cache.get(key), Some(value));
        }
        assert_eq!((cache.stats().loads, cache.stats().misses), (66, 66));
        assert_eq!(caller.squares(&cache, &keys).1, [[0; 0]; 0]);
        assert_eq!(caller.squares(&cache, &[]), (vec![], vec![]));
        check(&cache);
    });
}

#[test]
fn a_key_that_is_asked_for_twice_is_loaded_once() {
    with_every_caller(|caller| {
        let cache = cache();
        cache.insert(5, 25, 1);
        let (found, asked) = caller.squares(&cache, &[3, 5, 2, 3, 5, 3, 2]);
        assert_eq!((found, asked), (vec![9, 25, 4, 9, 25, 9, 4], vec![vec![3, 2]]));
        assert_eq!(cache.stats().loads, 2);
        check(&cache);
    });
}

/// What others are loading is waited for, after what is to be loaded here.
#[test]
fn keys_in_flight_are_waited_for() {
    with_every_caller(|caller| {
        let cache = cache();
        let Reservation::Vacant(vacancy) = cache.get_or_reserve(&2) else { panic!("a fresh cache") };
        thread::scope(|scope| {
            let batch = scope.spawn(|| caller.squares(&cache, &[1, 2, 3]));
            eventually("the others are loaded", || cache.len() == 2);
            vacancy.insert(222, 1);
            assert_eq!(batch.join().expect("it does not panic"), (vec![1, 222, 9], vec![vec![1, 3]]));
        });
        assert_eq!(cache.stats().loads, 3);
        check(&cache);
    });
}

#[test]
fn keys_whose_load_was_given_up_are_loaded_by_another_call() {
    with_every_caller(|caller| {
        for fails in [false, true] {
            let cache = cache();
            let [Reservation::Vacant(two), Reservation::Vacant(four)] =
                [2, 4].map(|key| cache.get_or_reserve(&key))
            else {
                panic!("a fresh cache")
            };
            thread::scope(|scope| {
                let batch = scope.spawn(|| caller.squares(&cache, &[1, 2, 3, 4]));
                eventually("the others are loaded", || cache.len() == 2);
                // An error of another type was not meant for this caller.
                if fails {
                    drop(two.fail(404_u16))
                } else {
                    drop(two)
                }
                drop(four);
                let (found, asked) = batch.join().expect("it does not panic");
                assert_eq!(found, [1, 4, 9, 16]);
                assert_eq!(asked.concat(), [1, 3, 2, 4]);
            });
            check(&cache);
        }
    });
}

#[test]
fn an_error_fails_every_key_of_the_batch_and_no_other() {
    with_every_caller(|caller| {
        let cache = cache();
        cache.insert(5, 25, 1);
        let mut waits = None;
        let failed = caller.load_many(&cache, &[1, 2, 5], |missing| {
            assert_eq!(missing, [&1, &2]);
            let (other, misses) = (cache.clone(), cache.stats().misses);
            waits =
                Some(thread::spawn(move || other.get_or_try_insert_with(&2, 1, || Err::<u64, _>("mine"))));
            eventually("another misses", || cache.stats().misses > misses);
            thread::sleep(Duration::from_millis(2));
            Err("theirs")
        });
        assert_eq!(failed, Err(Arc::new("theirs")));
        let other = waits.expect("the loader was called").join().expect("it does not panic");
        // It may have been late to join.
        assert!(other == Err(Arc::new("theirs")) || other == Err(Arc::new("mine")));
        assert_eq!((cache.len(), cache.get(&5)), (1, Some(25)));
        // And one that this caller waits for is its own, if the types agree.
        let Reservation::Vacant(vacancy) = cache.get_or_reserve(&2) else { panic!("it has failed") };
        thread::scope(|scope| {
            let batch = scope.spawn(|| caller.load_many(&cache, &[1, 2], |missing| Ok(squares(missing))));
            eventually("the other is loaded", || cache.len() == 2);
            vacancy.fail(500_u16);
            assert_eq!(batch.join().expect("it does not panic"), Err(Arc::new(500_u16)));
        });
        assert_eq!(cache.get(&1), Some(1));
        check(&cache);
    });
}

#[test]
fn a_loader_that_panics_or_cannot_count_frees_every_key() {
    with_every_caller(|caller| {
        let cache = cache();
        panics(|| caller.load_many(&cache, &[1, 2, 3], |_| -> Result<_, Infallible> { planted_panic() }));
        panics(|| caller.load_many(&cache, &[1, 2, 3], |_| Ok::<_, Infallible>(squares(vec![&1, &2]))));
        panics(|| {
            caller.load_many(&cache, &[1, 2, 3], |_| Ok::<_, Infallible>(squares(vec![&1, &2, &3, &4])))
        });
        assert_eq!((cache.len(), cache.stats().loading, cache.stats().loads_failed), (0, 0, 9));
        assert_eq!(caller.squares(&cache, &[1, 2, 3]).0, [1, 4, 9]);
        check(&cache);
    });
}

#[test]
fn a_loader_that_asks_for_a_key_of_its_batch_panics() {
    with_every_caller(|caller| {
        let cache = cache();
        panics(|| {
            caller.load_many(&cache, &[1, 2, 3], |missing| {
                cache.get_or_insert_with(&9, 1, || 81);
                cache.get_or_insert_with(&2, 1, || 4);
                Ok::<_, Infallible>(squares(missing))
            })
        });
        assert_eq!((cache.get(&9), cache.len()), (Some(81), 1));
        check(&cache);
    });
}

#[test]
fn a_write_overtakes_the_load_of_its_key_and_no_other() {
    with_every_caller(|caller| {
        let cache = cache();
        let found = caller.load_many(&cache, &[1, 2, 3], |missing| {
            assert!(cache.insert(2, 222, 1));
            assert_eq!(cache.remove(&3), None);
            Ok::<_, Infallible>(squares(missing))
        });
        assert_eq!(found, Ok(vec![1, 4, 9]));
        assert_eq!(cache.get_many(&[1, 2, 3]), [Some(1), Some(222), None]);
        assert_eq!(cache.stats().loads_overtaken, 2);
        check(&cache);
    });
}

/// A batch is dropped after each number of polls: of its own load, and of the wait for another's.
#[test]
fn cancelled_at_any_await_a_batch_frees_its_keys() {
    watchdog(|| {
        for polls in 0..=8 {
            let cache = cache();
            let mut context = Context::from_waker(Waker::noop());
            let Reservation::Vacant(vacancy) = cache.get_or_reserve(&2) else { panic!("a fresh cache") };
            {
                let mut batch = Box::pin(cache.get_many_or_load_async(&[1, 2, 3], |missing| async {
                    yields(4).await;
                    Ok::<_, Infallible>(squares(missing))
                }));
                (0..polls).for_each(|_| assert!(batch.as_mut().poll(&mut context).is_pending()));
                assert_eq!(cache.stats().loading, if (1..=4).contains(&polls) { 3 } else { 1 });
            }
            assert_eq!((cache.stats().loading, cache.len()), (1, if polls > 4 { 2 } else { 0 }));
            drop(vacancy);
            assert_eq!(Caller::Thread.squares(&cache, &[1, 2, 3]).0, [1, 4, 9]);
            check(&cache);
        }
    });
}

#[test]
fn stale_values_are_refreshed_in_one_call_and_do_if_it_fails() {
    with_every_caller(|caller| {
        let clock = ManualClock::new();
        let cache: Numbers = Cache::builder(1_000, 1_000)
            .maintenance(Maintenance::Manual)
            .clock(clock.clone())
            .time_to_live(Duration::from_secs(1))
            .stale_while_revalidate(Duration::from_secs(1))
            .stale_if_error(Duration::from_secs(2))
            .build()
            .expect("a valid configuration");
        let fail = |missing: Vec<&u64>| {
            assert_eq!(missing, [&1, &2, &3]);
            Err(500)
        };
        (1..=3).for_each(|key| assert!(cache.insert(key, key, 1)));
        clock.advance(Duration::from_millis(1_500));
        assert_eq!(caller.load_many(&cache, &[1, 2, 3], fail), Ok(vec![1, 2, 3]));
        assert_eq!((cache.stats().refreshes, cache.stats().refreshes_failed), (3, 3));
        clock.advance(Duration::from_secs(1));
        assert_eq!(caller.load_many(&cache, &[1, 2, 3], fail), Ok(vec![1, 2, 3]));
        assert_eq!((cache.stats().refreshes, cache.stats().loads_failed), (3, 6));
        clock.advance(Duration::from_secs(1));
        assert_eq!(caller.load_many(&cache, &[1, 2, 3], fail), Err(Arc::new(500)));
        assert_eq!(caller.squares(&cache, &[1, 2, 3]).0, [1, 4, 9]);
        // While one refreshes them, the others are served what there is.
        clock.advance(Duration::from_secs(1));
        let refreshed = caller.load_many(&cache, &[1, 2, 3], |_| {
            let served = thread::scope(|scope| {
                scope.spawn(|| caller.squares(&cache, &[3, 2, 1])).join().expect("it does not panic")
            });
            assert_eq!(served, (vec![9, 4, 1], vec![]));
            Ok::<_, Infallible>(squares(vec![&4, &5, &6]))
        });
        assert_eq!(refreshed, Ok(vec![16, 25, 36]));
        assert_eq!(cache.get_many(&[1, 2, 3]), [Some(16), Some(25), Some(36)]);
        check(&cache);
    });
}

/// Eight callers, threads and tasks, ask for overlapping batches and single keys in every order: each key is loaded once.
#[test]
fn overlapping_batches_load_each_key_once() {
    watchdog(|| {
        for round in 0..20 {
            let (cache, start) = (cache(), Barrier::new(8));
            let loads: Vec<AtomicU64> = (0..300).map(|_| AtomicU64::new(0)).collect();
            thread::scope(|scope| {
                for number in 0..8 {
                    let (cache, loads, start) = (&cache, &loads, &start);
                    scope.spawn(move || {
                        let caller = CALLERS[number % 4];
                        let mut numbers = common::Numbers::new(8 * round + number as u64);
                        start.wait();
                        for _ in 0..30 {
                            let keys: Vec<u64> =
                                (0..1 + numbers.below(40)).map(|_| numbers.below(300)).collect();
                            let found = caller.load_many(cache, &keys, |missing| {
                                for &&key in &missing {
                                    loads[key as usize].fetch_add(1, Ordering::Relaxed);
                                }
                                Ok::<_, Infallible>(squares(missing))
                            });
                            let expected = keys.iter().map(|key| key * key).collect();
                            assert_eq!(found, Ok(expected));
                        }
                    });
                }
            });
            assert!(loads.iter().all(|loads| loads.load(Ordering::Relaxed) <= 1), "a key was loaded twice");
            check(&cache);
        }
    });
}

#[test]
fn a_future_of_a_batch_may_change_threads() {
    fn is_send<F: Future + Send>(future: F) -> F {
        future
    }
    let cache = cache();
    let keys = [1, 2];
    let load = |missing: Vec<&u64>| std::future::ready(Ok::<_, Infallible>(squares(missing)));
    let mut batch = pin!(is_send(cache.get_many_or_load_async(&keys, load)));
    assert_eq!(batch.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(vec![1, 4])));
    check(&cache);
}
