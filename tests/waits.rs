//! `wait` misses nothing: what was inserted before it was called is decided upon when it returns, however many threads insert,
//! wait and take each other's work at the same time.
//!
//! `TOLLGATE_WAITS=100000000 cargo test --release --test waits` does so many rounds instead of 300,000.

mod common;

use common::{settle, watchdog};
use std::sync::Arc;
use std::thread;
use tollgate::policy::PolicyKind;
use tollgate::{Cache, Maintenance};

const THREADS: u64 = 2;

/// There is room for one entry. Of a thread's last two, both decided upon, one at the most can be there.
#[test]
fn of_two_entries_that_are_decided_upon_one_is_there() {
    let wanted = std::env::var("TOLLGATE_WAITS").ok().and_then(|count| count.parse().ok());
    let rounds: u64 = wanted.unwrap_or(300_000);
    for maintenance in [Maintenance::Manual, Maintenance::Thread] {
        let cache = Cache::<u64, u64>::builder(100, 1)
            .slack(1000)
            .policy(PolicyKind::Fifo)
            .maintenance(maintenance)
            .build()
            .unwrap();
        let cache = Arc::new(cache);
        let mut left = rounds / 2 / THREADS;
        while left > 0 {
            // The watchdog is for one batch.
            let batch = left.min(1_000_000);
            let shared = Arc::clone(&cache);
            watchdog(move || play(&shared, batch));
            left -= batch;
        }
        settle(&cache);
    }
}

fn play(cache: &Arc<Cache<u64, u64>>, rounds: u64) {
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let cache = Arc::clone(cache);
            thread::spawn(move || {
                for round in 0..rounds {
                    let key = |round: u64| thread + THREADS * (round % 8);
                    assert!(cache.insert(key(round), round, 1));
                    cache.wait().unwrap();
                    let both = cache.contains_key(&key(round)) && cache.contains_key(&key(round + 7));
                    assert!(!both, "round {round} of thread {thread}: the wait has missed an insert");
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
