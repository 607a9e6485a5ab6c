//! Futures that are dropped half-way: every method that returns one, after every number of polls, leading and waiting; and whole
//! runtimes that are shut down. Nothing leaks, and whoever is left is served.

#[path = "common/callers.rs"]
mod callers;
mod common;

use callers::yields;
use common::{eventually, watchdog};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::thread;
use tollgate::{Cache, Loaded, Maintenance, Refresh, Reservation};

type Numbers = Cache<u64, u64>;
type Asking<'a> = Pin<Box<dyn Future<Output = u64> + Send + 'a>>;

const KEY: u64 = 7;
/// Polls that a load takes.
const LONG: usize = 4;

fn cache() -> Numbers {
    Cache::builder(10_000, 100_000)
        .maintenance(Maintenance::Manual)
        .spawner(Refresh::run)
        .build()
        .expect("a valid configuration")
}

fn check(cache: &Numbers) {
    assert_eq!(cache.stats().loading, 0, "a load has leaked");
    cache.run_pending();
    cache.check().unwrap_or_else(|inconsistency| panic!("{inconsistency}"));
}

async fn loaded() -> Result<Loaded<u64>, Infallible> {
    yields(LONG).await;
    Ok(Loaded::new(1, 1))
}

/// Every method that returns a future, each loading 1.
const METHODS: [fn(&Numbers) -> Asking<'_>; 6] = [
    |cache| {
        Box::pin(cache.get_or_insert_async(&KEY, 1, async {
            yields(LONG).await;
            1
        }))
    },
    |cache| {
        Box::pin(async {
            let load = async { loaded().await.map(|loaded| loaded.value) };
            cache.get_or_try_insert_async(&KEY, 1, load).await.expect("it cannot fail")
        })
    },
    |cache| Box::pin(async { cache.get_or_load_async(&KEY, loaded()).await.expect("it cannot fail") }),
    |cache| Box::pin(async { cache.get_or_refresh_async(&KEY, loaded()).await.expect("it cannot fail") }),
    |cache| {
        Box::pin(async {
            match cache.get_or_reserve_async(&KEY).await {
                Reservation::Present(value) => value,
                Reservation::Vacant(vacancy) => {
                    yields(LONG).await;
                    vacancy.insert(1, 1)
                }
            }
        })
    },
    |cache| {
        Box::pin(async {
            let load = |_: Vec<&u64>| async { loaded().await.map(|loaded| vec![loaded]) };
            cache.get_many_or_load_async(&[KEY], load).await.expect("it cannot fail")[0]
        })
    },
];

fn polled<'a>(mut asking: Asking<'a>, polls: usize) -> (Asking<'a>, Option<u64>) {
    let mut context = Context::from_waker(Waker::noop());
    let answer = (0..polls).find_map(|_| match asking.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    });
    (asking, answer)
}

#[test]
fn one_who_loads_may_be_dropped_at_any_await() {
    watchdog(|| {
        for (first, method) in METHODS.iter().enumerate() {
            for (second, successor) in METHODS.iter().enumerate() {
                for polls in 0..=LONG + 2 {
                    let cache = cache();
                    let (asking, answer) = polled(method(&cache), polls);
                    assert_eq!(answer, (polls > LONG).then_some(1));
                    assert_eq!(cache.stats().loading, u64::from((1..=LONG).contains(&polls)));
                    // Another waits, a third one will when the first is gone.
                    let (waiting, answer) = polled(successor(&cache), 1);
                    assert_eq!(answer, (polls > LONG).then_some(1));
                    drop(asking);
                    if answer.is_none() {
                        let (_waiting, answer) = polled(waiting, LONG + 1);
                        assert_eq!(answer, Some(1), "method {first}, then {second}, after {polls} polls");
                    }
                    check(&cache);
                }
            }
        }
    });
}

#[test]
fn one_who_waits_may_be_dropped_at_any_await() {
    watchdog(|| {
        for method in METHODS {
            for polls in 0..4 {
                for fills in [false, true] {
                    let cache = cache();
                    let Reservation::Vacant(vacancy) = cache.get_or_reserve(&KEY) else {
                        panic!("a fresh cache")
                    };
                    let (leaves, answer) = polled(method(&cache), polls);
                    let (stays, other) = polled(method(&cache), polls);
                    assert_eq!((answer, other), (None, None));
                    drop(leaves);
                    if fills {
                        assert_eq!(vacancy.insert(2, 1), 2)
                    } else {
                        drop(vacancy)
                    }
                    let (_stays, answer) = polled(stays, LONG + 2);
                    assert_eq!(answer, Some(if fills { 2 } else { 1 }));
                    check(&cache);
                }
            }
        }
    });
}

/// A runtime goes, with a task that loads and tasks that wait on it; a thread and a task elsewhere wait too.
#[test]
fn a_runtime_may_be_shut_down_in_the_midst_of_a_load() {
    watchdog(|| {
        for method in METHODS {
            let cache = cache();
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
            let started = Arc::new(AtomicU64::new(0));
            let (loads, counts) = (cache.clone(), Arc::clone(&started));
            runtime.spawn(async move {
                let never = async {
                    counts.fetch_add(1, Ordering::Relaxed);
                    std::future::pending().await
                };
                loads.get_or_insert_async(&KEY, 1, never).await
            });
            eventually("the load begins", || started.load(Ordering::Relaxed) == 1);
            for _ in 0..10 {
                let waits = cache.clone();
                runtime.spawn(async move { method(&waits).await });
            }
            eventually("they wait", || cache.stats().misses == 11);
            thread::scope(|scope| {
                let thread = scope.spawn(|| cache.get_or_insert_with(&KEY, 1, || 1));
                let task = scope.spawn(|| smol::block_on(method(&cache)));
                eventually("these wait, too", || cache.stats().misses == 13);
                drop(runtime);
                assert_eq!(thread.join().expect("it does not panic"), 1);
                assert_eq!(task.join().expect("it does not panic"), 1);
            });
            check(&cache);
        }
    });
}
