//! A forked child has the memory of its parent and none of its threads, and locks that nobody there will ever give back. What is
//! promised: `wait` says so, the last handle can be dropped, and neither hangs; caches that the child builds are like any other.
//!
//! Each child does little and leaves by `_exit`. The parent waits for it with a limit: a hang is a failure.

#![cfg(unix)]
#![allow(unsafe_code, reason = "there is no safe way to fork")]

mod common;

use common::{Books, Value, audit_to_the_end, patience, settle, watchdog};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tollgate::{Cache, Maintenance, SharedProcessor, WaitError};

/// Runs `body` in a forked child, which has to end in time, and well.
fn in_child(what: &str, body: impl FnOnce()) {
    // SAFETY: only this thread goes on in the child. What it does there it does with memory that is its own copy, with an
    // allocator that the system's `fork` prepares for this, and ends without running any other destructor.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "no process can be forked");
    if pid == 0 {
        let outcome = catch_unwind(AssertUnwindSafe(body));
        // SAFETY: ends the process.
        unsafe { libc::_exit(i32::from(outcome.is_err())) };
    }
    let (begun, mut status) = (Instant::now(), 0);
    loop {
        // SAFETY: `pid` is a child of this process, and `status` lives.
        match unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } {
            // Before the watchdog bites, so that no child is left behind.
            0 if begun.elapsed() > patience() / 4 => {
                // SAFETY: as above.
                unsafe { libc::kill(pid, libc::SIGKILL) };
                panic!("{what}: the child hangs");
            }
            0 => thread::sleep(Duration::from_millis(1)),
            ended => {
                assert_eq!((ended, status), (pid, 0), "{what}: the child failed");
                return;
            }
        }
    }
}

fn filled(books: &Arc<Books>, maintenance: Maintenance) -> Cache<u64, Value> {
    let heard = Arc::clone(books);
    let builder = Cache::builder(1000, 100).maintenance(maintenance);
    let cache = builder.listener(move |event| heard.hear(event)).build().unwrap();
    fill(&cache, books);
    cache
}

fn fill(cache: &Cache<u64, Value>, books: &Arc<Books>) {
    for key in 0..300 {
        books.hand_back_refused(cache.try_insert(key, books.value(key), 1));
    }
}

const ALL: [Maintenance; 3] = [Maintenance::Thread, Maintenance::Inline, Maintenance::Manual];

#[test]
fn a_child_is_told_that_the_cache_is_not_its_own() {
    watchdog(|| {
        for maintenance in ALL {
            let books = Books::new();
            let cache = filled(&books, maintenance);
            in_child("wait", || assert_eq!(cache.wait(), Err(WaitError::Forked)));
            audit_to_the_end(cache, &books);
        }
    });
}

#[test]
fn a_child_drops_what_it_has_inherited_and_destroys_no_value() {
    watchdog(|| {
        for maintenance in ALL {
            let books = Books::new();
            let cache = filled(&books, maintenance);
            cache.wait().unwrap();
            let mut inherited = Some(cache);
            let alive = books.alive();
            in_child("drop", || {
                drop(inherited.take());
                assert_eq!(books.alive(), alive, "a value was destroyed that is the parent's");
            });
            audit_to_the_end(inherited.take().unwrap(), &books);
        }
    });
}

#[test]
fn a_child_of_a_shared_processor_drops_its_caches() {
    watchdog(|| {
        let (processor, books) = (SharedProcessor::new().unwrap(), Books::new());
        let heard = Arc::clone(&books);
        let builder = Cache::<u64, Value>::builder(1000, 100).processor(&processor);
        let cache = builder.listener(move |event| heard.hear(event)).build().unwrap();
        fill(&cache, &books);
        let mut inherited = Some((cache, processor));
        in_child("drop", || {
            let (cache, processor) = inherited.take().unwrap();
            assert_eq!(cache.wait(), Err(WaitError::Forked));
            drop((cache, processor));
        });
        let (cache, _processor) = inherited.take().unwrap();
        audit_to_the_end(cache, &books);
    });
}

/// The worst moment to be forked at: one thread holds a shard's lock, another one the engine's, and waits for that shard.
#[test]
fn a_child_that_was_forked_while_locks_were_held_does_not_hang() {
    watchdog(|| {
        for maintenance in ALL {
            let (held, enough) = (AtomicBool::new(false), AtomicBool::new(false));
            let cache = Cache::<u64, u64>::builder(1000, 100).maintenance(maintenance).build().unwrap();
            (0..100).for_each(|key| _ = cache.insert(key, key, 1));
            thread::scope(|scope| {
                let (cache, held, enough) = (&cache, &held, &enough);
                scope.spawn(move || {
                    cache.retain(|_, _| {
                        held.store(true, Ordering::Release);
                        while !enough.load(Ordering::Acquire) {
                            thread::sleep(Duration::from_millis(1));
                        }
                        true
                    });
                });
                while !held.load(Ordering::Acquire) {
                    thread::yield_now();
                }
                let clears = scope.spawn(move || cache.clear());
                thread::sleep(Duration::from_millis(20));
                assert!(!clears.is_finished(), "it waits for the shard");
                in_child("locks", || {
                    assert_eq!(cache.wait(), Err(WaitError::Forked));
                    // SAFETY: the only handle, whose owner does not exist in the child, and is not dropped there once more.
                    drop(unsafe { std::ptr::read(cache) });
                });
                enough.store(true, Ordering::Release);
            });
            settle(&cache);
        }
    });
}

#[test]
fn a_child_builds_caches_of_its_own() {
    watchdog(|| {
        let parents = Cache::<u64, u64>::builder(1000, 100).build().unwrap();
        parents.insert(1, 1, 1);
        parents.wait().unwrap();
        for maintenance in ALL {
            in_child("a new cache", || {
                assert_eq!(parents.wait(), Err(WaitError::Forked));
                let cache = Cache::<u64, u64>::builder(1000, 100).maintenance(maintenance).build().unwrap();
                (0..1000).for_each(|key| _ = cache.insert(key, key, 1));
                settle(&cache);
                assert!(cache.cost() <= 100 && !cache.is_empty());
            });
        }
        settle(&parents);
    });
}
