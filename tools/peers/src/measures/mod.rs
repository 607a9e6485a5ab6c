//! The measures, one module each: settings in, tables out.

pub(crate) mod all;
pub(crate) mod growth;
pub(crate) mod hit_ratio;
pub(crate) mod latency;
pub(crate) mod memory;
pub(crate) mod throughput;
pub(crate) mod visibility;

use crate::stream::{Mix, Place, Pool};
use crate::subject::{Subject, Tally};
use std::sync::Barrier;
use std::time::Duration;

/// Runs so many threads over one subject, each from its own place in the pool, and returns what each did.
fn in_parallel(
    subject: &dyn Subject,
    pool: &Pool,
    mix: Mix,
    threads: usize,
    place: Place,
    time: Duration,
) -> Vec<Tally> {
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let start = |thread: usize| {
            let barrier = &barrier;
            scope.spawn(move || {
                let walk = pool.walk(place, thread);
                barrier.wait();
                subject.run(walk, mix, time)
            })
        };
        let workers: Vec<_> = (0..threads).map(start).collect();
        workers.into_iter().map(|worker| worker.join().expect("a cache panicked")).collect()
    })
}

/// Progress goes to the error stream, so that the tables stay clean.
fn progress(text: &str) {
    eprintln!("{text}");
}
