//! Loading: once for each key, whoever asks, however it ends, whatever is written meanwhile. What holds for threads and for tasks
//! is one body, run by both.

#[path = "common/callers.rs"]
mod callers;
mod common;

use callers::{CALLERS, Caller, yields};
use common::{eventually, lock, panics, watchdog};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
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
fn check<V: Send + Sync + 'static>(cache: &Cache<u64, V>) {
    assert_eq!(cache.stats().loading, 0, "a load has leaked");
    cache.run_pending();
    cache.check().unwrap_or_else(|inconsistency| panic!("{inconsistency}"));
}

/// What a caller calls: the same, blocking and awaiting.
trait Loads: Copy {
    fn get_or_insert(self, cache: &Numbers, key: u64, load: impl FnOnce() -> u64) -> u64;

    fn get_or_try_insert<E: Send + Sync + 'static>(
        self,
        cache: &Numbers,
        key: u64,
        load: impl FnOnce() -> Result<u64, E>,
    ) -> Result<u64, Arc<E>>;

    fn get_or_load(
        self,
        cache: &Numbers,
        key: u64,
        load: impl FnOnce() -> Result<Loaded<u64>, ()>,
    ) -> Result<u64, Arc<()>>;

    fn get_or_reserve(self, cache: &Numbers, key: u64) -> Reservation<'_, u64>;
}

impl Loads for Caller {
    fn get_or_insert(self, cache: &Numbers, key: u64, load: impl FnOnce() -> u64) -> u64 {
        match self {
            Self::Thread => cache.get_or_insert_with(&key, 1, load),
            _ => self.run(cache.get_or_insert_async(&key, 1, async {
                yields(3).await;
                load()
            })),
        }
    }

    fn get_or_try_insert<E: Send + Sync + 'static>(
        self,
        cache: &Numbers,
        key: u64,
        load: impl FnOnce() -> Result<u64, E>,
    ) -> Result<u64, Arc<E>> {
        match self {
            Self::Thread => cache.get_or_try_insert_with(&key, 1, load),
            _ => self.run(cache.get_or_try_insert_async(&key, 1, async {
                yields(3).await;
                load()
            })),
        }
    }

    fn get_or_load(
        self,
        cache: &Numbers,
        key: u64,
        load: impl FnOnce() -> Result<Loaded<u64>, ()>,
    ) -> Result<u64, Arc<()>> {
        match self {
            Self::Thread => cache.get_or_load(&key, load),
            _ => self.run(cache.get_or_load_async(&key, async { load() })),
        }
    }

    fn get_or_reserve(self, cache: &Numbers, key: u64) -> Reservation<'_, u64> {
        match self {
            Self::Thread => cache.get_or_reserve(&key),
            _ => self.run(cache.get_or_reserve_async(&key)),
        }
    }
}

/// Runs `test` for every pair of one who leads and one who waits.
fn with_every_pair(test: impl Fn(Caller, Caller) + Send + Sync + 'static) {
    watchdog(move || {
        for leader in CALLERS {
            for waiter in CALLERS {
                test(leader, waiter);
            }
        }
    });
}

/// Blocks a load until somebody waits for it: until then nobody else has missed the key.
fn until_joined(cache: &Numbers, misses: u64) {
    eventually("another caller misses", || cache.stats().misses >= misses);
    // It has counted its miss; it is about to join. Whether it has is not decisive for any test.
    thread::sleep(Duration::from_millis(2));
}

#[test]
fn a_stampede_loads_once() {
    watchdog(|| {
        let cache = cache();
        let loads = Arc::new(AtomicU64::new(0));
        let start = Arc::new(Barrier::new(8 + 2));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .expect("a runtime without drivers");
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (cache, loads, start) = (cache.clone(), Arc::clone(&loads), Arc::clone(&start));
                thread::spawn(move || {
                    start.wait();
                    cache.get_or_insert_with(&7, 1, || {
                        thread::sleep(Duration::from_millis(20));
                        loads.fetch_add(1, Ordering::Relaxed);
                        49
                    })
                })
            })
            .collect();
        let task = |cache: Numbers, loads: Arc<AtomicU64>| async move {
            let load = async {
                yields(100).await;
                loads.fetch_add(1, Ordering::Relaxed);
                49
            };
            cache.get_or_insert_async(&7, 1, load).await
        };
        let smol = {
            let (cache, loads, start) = (cache.clone(), Arc::clone(&loads), Arc::clone(&start));
            thread::spawn(move || {
                let executor = smol::LocalExecutor::new();
                let tasks: Vec<_> =
                    (0..500).map(|_| executor.spawn(task(cache.clone(), Arc::clone(&loads)))).collect();
                start.wait();
                smol::block_on(executor.run(async {
                    for task in tasks {
                        assert_eq!(task.await, 49);
                    }
                }));
            })
        };
        start.wait();
        let tasks: Vec<_> =
            (0..500).map(|_| runtime.spawn(task(cache.clone(), Arc::clone(&loads)))).collect();
        for task in tasks {
            assert_eq!(runtime.block_on(task).expect("no task panics"), 49);
        }
        threads.into_iter().for_each(|thread| assert_eq!(thread.join().expect("no thread panics"), 49));
        smol.join().expect("no task panics");
        assert_eq!(loads.load(Ordering::Relaxed), 1);
        assert_eq!(cache.stats().loads, 1);
        check(&cache);
    });
}

#[test]
fn a_thousand_keys_are_loaded_a_thousand_times() {
    watchdog(|| {
        let cache = cache();
        let loads = Arc::new(AtomicU64::new(0));
        let callers: Vec<_> = (0..8)
            .map(|number| {
                let (cache, loads) = (cache.clone(), Arc::clone(&loads));
                let caller = CALLERS[number % 2];
                thread::spawn(move || {
                    for key in 0..1_000 {
                        let value = caller.get_or_insert(&cache, key, || {
                            loads.fetch_add(1, Ordering::Relaxed);
                            key * key
                        });
                        assert_eq!(value, key * key);
                    }
                })
            })
            .collect();
        callers.into_iter().for_each(|caller| caller.join().expect("no caller panics"));
        assert_eq!(loads.load(Ordering::Relaxed), 1_000);
        check(&cache);
    });
}

#[test]
fn a_waiter_gets_what_another_loads() {
    with_every_pair(|leader, waiter| {
        let cache = cache();
        thread::scope(|scope| {
            leader.get_or_insert(&cache, 7, || {
                scope.spawn(|| assert_eq!(waiter.get_or_insert(&cache, 7, || 2), 1));
                until_joined(&cache, 2);
                1
            });
        });
        assert_eq!((cache.get(&7), cache.stats().loads), (Some(1), 1));
        check(&cache);
    });
}

#[test]
fn an_error_reaches_those_who_wait_for_that_load() {
    with_every_pair(|leader, waiter| {
        let cache = cache();
        thread::scope(|scope| {
            let error = leader.get_or_try_insert(&cache, 7, || {
                scope.spawn(|| {
                    // The same error if it came in time to wait, its own if it did not.
                    let error = waiter.get_or_try_insert(&cache, 7, || Err("mine")).expect_err("it fails");
                    assert!(["theirs", "mine"].contains(&*error), "{error}");
                });
                until_joined(&cache, 2);
                Err("theirs")
            });
            assert_eq!(error, Err(Arc::new("theirs")));
        });
        assert_eq!(cache.get(&7), None);
        let stats = cache.stats();
        assert_eq!(stats.loads, stats.loads_failed);
        check(&cache);
    });
}

/// As above, but decided: the waiter has joined before the error arises.
#[test]
fn a_task_that_joined_gets_the_very_error_and_others_load_for_themselves() {
    let cache = cache();
    let Reservation::Vacant(vacancy) = cache.get_or_reserve(&7) else { panic!("nothing was inserted") };
    let mut context = Context::from_waker(Waker::noop());
    let mut same = pin!(cache.get_or_try_insert_async(&7, 1, async { Err::<u64, _>("mine") }));
    let mut other = pin!(cache.get_or_try_insert_async(&7, 1, async { Err::<u64, _>(404_u16) }));
    let mut safe = pin!(cache.get_or_insert_async(&7, 1, async { 1 }));
    assert!(same.as_mut().poll(&mut context).is_pending());
    assert!(other.as_mut().poll(&mut context).is_pending());
    assert!(safe.as_mut().poll(&mut context).is_pending());
    let error = vacancy.fail("theirs");
    let Poll::Ready(Err(heard)) = same.as_mut().poll(&mut context) else { panic!("it has landed") };
    assert!(Arc::ptr_eq(&error, &heard));
    assert_eq!(other.as_mut().poll(&mut context), Poll::Ready(Err(Arc::new(404))));
    assert_eq!(safe.as_mut().poll(&mut context), Poll::Ready(1));
    check(&cache);
}

#[test]
fn after_a_panic_one_of_those_who_wait_loads() {
    with_every_pair(|leader, waiter| {
        let cache = cache();
        thread::scope(|scope| {
            panics(|| {
                leader.get_or_insert(&cache, 7, || {
                    scope.spawn(|| assert_eq!(waiter.get_or_insert(&cache, 7, || 2), 2));
                    until_joined(&cache, 2);
                    std::panic::resume_unwind(Box::new("a loader panics"))
                })
            });
        });
        assert_eq!(cache.get(&7), Some(2));
        assert_eq!((cache.stats().loads, cache.stats().loads_failed), (2, 1));
        check(&cache);
    });
}

/// A load of five polls is dropped after each number of them, with one task and one thread waiting.
#[test]
fn cancelled_at_any_await_a_load_passes_to_one_who_waits() {
    watchdog(|| {
        for polls in 0..=6 {
            let cache = cache();
            let mut context = Context::from_waker(Waker::noop());
            let mut first = Box::pin(cache.get_or_insert_async(&7, 1, async {
                yields(4).await;
                1
            }));
            let ended = (0..polls).any(|_| first.as_mut().poll(&mut context).is_ready());
            assert_eq!(ended, polls >= 5);
            let mut second = Box::pin(cache.get_or_insert_async(&7, 1, async { 2 }));
            let waits = 0 < polls && polls < 5;
            if waits {
                assert!(second.as_mut().poll(&mut context).is_pending(), "two loads at once");
            }
            thread::scope(|scope| {
                let thread = scope.spawn(|| cache.get_or_insert_with(&7, 1, || 2));
                if waits {
                    until_joined(&cache, 3);
                }
                drop(first);
                let value = if ended { 1 } else { 2 };
                assert_eq!(thread.join().expect("it does not panic"), value);
                assert_eq!(second.as_mut().poll(&mut context), Poll::Ready(value));
            });
            check(&cache);
        }
    });
}

/// A waiter is dropped after each number of polls; the load and the other waiters do not care.
#[test]
fn whoever_waits_may_leave_at_any_await() {
    watchdog(|| {
        for polls in 0..4 {
            let cache = cache();
            let mut context = Context::from_waker(Waker::noop());
            let Reservation::Vacant(vacancy) = cache.get_or_reserve(&7) else { panic!("a fresh cache") };
            let mut leaves = Box::pin(cache.get_or_insert_async(&7, 1, async { 2 }));
            let mut stays = Box::pin(cache.get_or_reserve_async(&7));
            for _ in 0..polls {
                assert!(leaves.as_mut().poll(&mut context).is_pending());
                assert!(stays.as_mut().poll(&mut context).is_pending());
            }
            drop(leaves);
            vacancy.insert(1, 1);
            assert!(matches!(stays.as_mut().poll(&mut context), Poll::Ready(Reservation::Present(1))));
            check(&cache);
        }
    });
}

/// What happens while key 7 is loaded as 1, and what is there afterwards.
type Meanwhile = (fn(&Numbers), Option<u64>);

const WRITES: [Meanwhile; 6] = [
    (|cache| assert_eq!(cache.remove(&7), None), None),
    (|cache| cache.clear(), None),
    (|cache| assert!(cache.insert(7, 70, 1)), Some(70)),
    (|cache| assert!(cache.insert(7, 70, 1) && cache.insert(7, 71, 1)), Some(71)),
    (|cache| assert!(cache.insert(7, 70, 1) && cache.remove(&7) == Some(70)), None),
    (|cache| cache.run_pending(), Some(1)),
];

#[test]
fn a_write_overtakes_a_load_and_later_callers_do_not_wait_for_it() {
    with_every_pair(|leader, waiter| {
        for (write, left) in WRITES {
            let cache = cache();
            let mut early = Box::pin(cache.get_or_insert_async(&7, 1, async { 3 }));
            let value = leader.get_or_insert(&cache, 7, || {
                // Not by this thread: it would seem that the load waits for itself.
                thread::scope(|scope| {
                    let poll = scope
                        .spawn(|| early.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                    assert!(poll.join().expect("no poll panics"));
                });
                write(&cache);
                assert_eq!(cache.get(&7), left.filter(|&value| value != 1));
                if left.is_none() {
                    thread::scope(|scope| {
                        let late = scope.spawn(|| waiter.get_or_insert(&cache, 7, || 2));
                        assert_eq!(late.join().expect("it does not wait"), 2);
                    });
                }
                1
            });
            assert_eq!(value, 1, "the caller gets what it loaded");
            let mut context = Context::from_waker(Waker::noop());
            assert_eq!(early.as_mut().poll(&mut context), Poll::Ready(1), "so does who had joined");
            assert_eq!(cache.get(&7), left.or(Some(2)));
            let overtaken = u64::from(left != Some(1));
            assert_eq!(cache.stats().loads_overtaken, overtaken);
            check(&cache);
        }
    });
}

#[test]
fn who_is_about_to_load_looks_once_more() {
    let cache = cache();
    let mut context = Context::from_waker(Waker::noop());
    let Reservation::Vacant(vacancy) = cache.get_or_reserve(&7) else { panic!("nothing was inserted") };
    let mut joined = pin!(cache.get_or_insert_async(&7, 1, async { unreachable!("there is a value") }));
    assert!(joined.as_mut().poll(&mut context).is_pending());
    drop(vacancy);
    cache.insert(7, 5, 1);
    assert_eq!(joined.as_mut().poll(&mut context), Poll::Ready(5));
    check(&cache);
}

#[test]
fn a_write_of_another_key_overtakes_nothing() {
    let cache = cache();
    for key in 0..1_000 {
        cache.get_or_insert_with(&key, 1, || {
            cache.insert(key + 10_000, 0, 1);
            cache.remove(&(key + 20_000));
            cache.retain(|_, _| true);
            key
        });
    }
    assert_eq!(cache.stats().loads_overtaken, 0);
    assert!((0..1_000).all(|key| cache.get(&key) == Some(key)));
    check(&cache);
}

#[test]
fn a_reservation_is_filled_failed_or_passed_on() {
    with_every_pair(|leader, waiter| {
        let cache = cache();
        thread::scope(|scope| {
            let Reservation::Vacant(vacancy) = leader.get_or_reserve(&cache, 7) else {
                panic!("nothing was inserted");
            };
            let other = scope.spawn(|| match waiter.get_or_reserve(&cache, 7) {
                Reservation::Present(_) => panic!("nobody has loaded it"),
                Reservation::Vacant(vacancy) => vacancy.insert(2, 1),
            });
            until_joined(&cache, 2);
            // It may be dropped anywhere.
            scope.spawn(move || drop(vacancy)).join().expect("no destructor panics");
            assert_eq!(other.join().expect("it does not panic"), 2);
        });
        assert!(matches!(leader.get_or_reserve(&cache, 7), Reservation::Present(2)));
        check(&cache);
    });
}

#[test]
fn a_loader_that_asks_for_its_own_key_panics_and_harms_nobody_else() {
    with_every_pair(|outer, inner| {
        // A runtime of tokio's does not start within another.
        let inner = if inner == Caller::Tokio { Caller::ByHand } else { inner };
        let cache = cache();
        let itself = || inner.get_or_insert(&cache, 7, || 1);
        for panic in [
            panics(|| outer.get_or_insert(&cache, 7, itself)),
            panics(|| outer.get_or_insert(&cache, 7, || inner.get_or_insert(&cache, 8, itself))),
        ] {
            let message = panic.downcast_ref::<String>().map_or_else(
                || *panic.downcast_ref::<&str>().expect("a panic with a message"),
                String::as_str,
            );
            assert!(message.contains("waits for itself"), "{message}");
        }
        assert_eq!(cache.len(), 0);
        assert_eq!(outer.get_or_insert(&cache, 7, || inner.get_or_insert(&cache, 8, || 1) + 1), 2);
        check(&cache);
    });
}

#[test]
fn a_load_chooses_cost_and_time_to_live() {
    for caller in CALLERS {
        let clock = ManualClock::new();
        let cache: Numbers = Cache::builder(1_000, 100)
            .maintenance(Maintenance::Manual)
            .clock(clock.clone())
            .time_to_live(Duration::from_secs(10))
            .build()
            .expect("a valid configuration");
        let absent = Loaded::new(0, 3).time_to_live(Duration::from_secs(1));
        assert_eq!(caller.get_or_load(&cache, 7, || Ok(absent)), Ok(0));
        assert_eq!(caller.get_or_load(&cache, 8, || Ok(Loaded::new(8, 5))), Ok(8));
        assert_eq!(cache.cost(), 8);
        clock.advance(Duration::from_secs(1));
        assert_eq!((cache.get(&7), cache.get(&8)), (None, Some(8)));
        assert_eq!(caller.get_or_load(&cache, 7, || Ok(Loaded::new(1, 3))), Ok(1));
        clock.advance(Duration::from_secs(9));
        assert_eq!((cache.get(&7), cache.get(&8)), (Some(1), None));
        check(&cache);
    }
}

#[test]
fn what_does_not_fit_is_loaded_and_not_kept() {
    with_every_pair(|leader, waiter| {
        let cache: Numbers = Cache::builder(1_000, 10)
            .strict()
            .maintenance(Maintenance::Manual)
            .build()
            .expect("a valid configuration");
        let too_much = || Ok(Loaded::new(1, 11));
        thread::scope(|scope| {
            let value = leader.get_or_load(&cache, 7, || {
                scope.spawn(|| assert_eq!(waiter.get_or_load(&cache, 7, too_much), Ok(1)));
                until_joined(&cache, 2);
                too_much()
            });
            assert_eq!(value, Ok(1));
        });
        assert_eq!((cache.len(), cache.cost()), (0, 0));
        check(&cache);
    });
}

#[test]
fn a_listener_may_load_and_so_may_a_destructor() {
    struct Reloads(Option<Numbers>, u64);
    impl Drop for Reloads {
        fn drop(&mut self) {
            if let Some(cache) = &self.0 {
                cache.get_or_insert_with(&self.1, 1, || self.1);
            }
        }
    }
    watchdog(|| {
        let target = cache();
        let heard = target.clone();
        let noisy: Cache<u64, Arc<Reloads>> = Cache::builder(1_000, 100)
            .listener(move |event: tollgate::Event<Arc<Reloads>>| {
                heard.get_or_insert_with(&(1_000 + event.value.1), 1, || 0);
            })
            .build()
            .expect("a valid configuration");
        for key in 0..10 {
            noisy.get_or_insert_with(&key, 1, || Arc::new(Reloads(Some(target.clone()), key)));
        }
        noisy.clear();
        noisy.wait().expect("nobody forked");
        assert!((0..10).all(|key| target.contains_key(&key) && target.contains_key(&(1_000 + key))));
        check(&target);
        check(&noisy);
    });
}

/// A load that makes room calls the listener, on the loading thread: the listener may want what was just loaded.
#[test]
fn a_listener_may_ask_for_the_key_whose_load_made_room() {
    for caller in CALLERS {
        watchdog(move || {
            let heard = Arc::new(AtomicU64::new(0));
            let target: Arc<Mutex<Option<Numbers>>> = Arc::default();
            let (count, handle) = (Arc::clone(&heard), Arc::clone(&target));
            let cache: Numbers = Cache::builder(1_000, 4)
                .strict()
                .policy(tollgate::policy::PolicyKind::Lru)
                .maintenance(Maintenance::Inline)
                .listener(move |_| {
                    let cache = lock(&handle).clone().expect("set before the first load");
                    count.fetch_add(cache.get_or_insert_with(&7, 1, || 100), Ordering::Relaxed);
                })
                .build()
                .expect("a valid configuration");
            *lock(&target) = Some(cache.clone());
            for key in 0..4 {
                cache.insert(key, key, 1);
            }
            assert_eq!(caller.get_or_insert(&cache, 7, || 1), 1);
            assert_eq!(heard.load(Ordering::Relaxed), 1, "heard once, and found what was loaded");
            assert_eq!(cache.stats().callback_panics, 0);
            check(&cache);
            // A cache that holds itself would live for ever.
            lock(&target).take();
        });
    }
}

#[test]
fn a_hit_polls_no_future_and_counts_as_a_read() {
    let cache = cache();
    cache.insert(7, 1, 1);
    for caller in CALLERS {
        assert_eq!(caller.get_or_insert(&cache, 7, || unreachable!("there is a value")), 1);
    }
    assert_eq!((cache.stats().hits, cache.stats().misses, cache.stats().loads), (4, 0, 0));
    check(&cache);
}

/// Threads and tasks, few keys, loads that end in all ways, writes of all kinds: nothing hangs, nothing leaks, and nobody gets
/// a value that was read before a removal which was over when the call began.
#[test]
fn loads_and_writes_in_disorder() {
    const KEYS: u64 = 4;
    /// What the loads of a key read, and the least that a call which begins now may return.
    #[derive(Default)]
    struct Source {
        truth: AtomicU64,
        settled: AtomicU64,
    }
    impl Source {
        /// Changes the source, then `invalidates` what the cache has.
        fn change(&self, invalidates: impl FnOnce()) {
            let truth = self.truth.fetch_add(1, Ordering::SeqCst) + 1;
            invalidates();
            self.settled.fetch_max(truth, Ordering::SeqCst);
        }

        fn read(&self) -> u64 {
            let truth = self.truth.load(Ordering::SeqCst);
            thread::yield_now();
            truth
        }
    }
    fn work(cache: &Numbers, sources: &[Source], numbers: &mut common::Numbers) {
        let key = numbers.below(KEYS);
        let source = &sources[key as usize];
        let caller = CALLERS[numbers.below(2) as usize];
        let settled = source.settled.load(Ordering::SeqCst);
        let got = match numbers.below(8) {
            0 => {
                return source.change(|| {
                    cache.remove(&key);
                });
            }
            1 => return source.change(|| cache.clear()),
            2 => {
                let load = async {
                    yields(2).await;
                    source.read()
                };
                let mut future = pin!(cache.get_or_insert_async(&key, 1, load));
                let mut context = Context::from_waker(Waker::noop());
                let polled = (0..numbers.below(4)).find_map(|_| match future.as_mut().poll(&mut context) {
                    Poll::Ready(value) => Some(value),
                    Poll::Pending => None,
                });
                polled.unwrap_or(settled)
            }
            3 => caller.get_or_try_insert(cache, key, || Err(())).unwrap_or(settled),
            4 => match caller.get_or_reserve(cache, key) {
                Reservation::Present(value) => value,
                Reservation::Vacant(vacancy) => vacancy.insert(source.read(), 1),
            },
            _ => caller.get_or_insert(cache, key, || source.read()),
        };
        assert!(got >= settled, "key {key}: {got} was read before {settled} was settled");
    }
    watchdog(|| {
        let cache = cache();
        let sources: [Source; KEYS as usize] = Default::default();
        thread::scope(|scope| {
            for worker in 0..4_u64 {
                let (cache, sources) = (&cache, &sources);
                scope.spawn(move || {
                    let mut numbers = common::Numbers::new(worker + 1);
                    (0..3_000).for_each(|_| work(cache, sources, &mut numbers));
                });
            }
        });
        check(&cache);
    });
}

/// A destructor of a value that the cache did not take may ask for the very key.
#[test]
fn a_refused_value_is_dropped_when_its_load_is_over() {
    static CACHE: std::sync::OnceLock<Cache<u64, Asks>> = std::sync::OnceLock::new();
    static ARMED: AtomicU64 = AtomicU64::new(0);
    #[derive(Clone)]
    struct Asks(u64);
    impl Drop for Asks {
        fn drop(&mut self) {
            if ARMED.swap(0, Ordering::SeqCst) == 1 {
                let cache = CACHE.get().expect("it was set");
                assert_eq!(cache.get_or_insert_with(&1, 1, || Asks(9)).0, 9);
            }
        }
    }
    watchdog(|| {
        let cache = CACHE.get_or_init(|| Cache::new(100, 100).unwrap());
        let loaded = cache.get_or_insert_with(&1, 1_000_000, || {
            ARMED.store(1, Ordering::SeqCst);
            Asks(1)
        });
        assert_eq!(loaded.0, 1);
        assert_eq!(cache.peek(&1).map(|value| value.0), Some(9), "that of the destructor's load");
        cache.wait().unwrap();
        cache.check().unwrap();
    });
}
