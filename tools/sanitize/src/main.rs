//! Canaries: one planted error for each kind that a sanitizer is to report. `tools/sanitize/run` fails if one of them sings no
//! song, under the same options and suppressions as the tests of the cache.
//!
//! The library has no unsafe code, and this is the reason why these live in a crate of their own.

use std::cell::UnsafeCell;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::Arc;
use std::thread;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("use-after-free") => use_after_free(),
        Some("overflow") => overflow(),
        Some("leak") => leak(),
        Some("race") => race(),
        Some("publication") => publication(Ordering::Relaxed, Ordering::Relaxed),
        Some("no-race") => publication(Ordering::Release, Ordering::Acquire),
        _ => {
            eprintln!("use-after-free, overflow, leak, race, publication or no-race");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Reads a box that was dropped.
fn use_after_free() {
    let freed = {
        let value = black_box(Box::new(7_u64));
        &raw const *value
    };
    // SAFETY: none. This is the planted error.
    println!("{}", unsafe { black_box(freed).read() });
}

/// Reads one past the end.
fn overflow() {
    let values = black_box(vec![1_u8; 64]);
    // SAFETY: none. This is the planted error.
    println!("{}", unsafe { values.as_ptr().add(black_box(64)).read() });
}

/// Forgets a box, and every pointer to it.
fn leak() {
    fn forget() {
        std::mem::forget(black_box(Box::new([7_u64; 100])));
    }
    black_box(forget as fn())();
    // What may still hold the address is written over.
    println!("{}", black_box([0_u64; 500]).iter().sum::<u64>());
}

struct Shared(UnsafeCell<u64>);

// SAFETY: none. Nothing keeps the threads apart, which is the planted error.
unsafe impl Sync for Shared {}

/// Two threads write without any order between them.
fn race() {
    let shared = Arc::new(Shared(UnsafeCell::new(0)));
    let begun = Arc::new(AtomicU32::new(0));
    let threads: Vec<_> = (0..2)
        .map(|number| {
            let (shared, begun) = (Arc::clone(&shared), Arc::clone(&begun));
            thread::spawn(move || {
                begun.fetch_add(1, Ordering::Relaxed);
                while begun.load(Ordering::Relaxed) < 2 {
                    thread::yield_now();
                }
                // SAFETY: none, see above.
                unsafe { *shared.0.get() += number };
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
}

/// One thread writes and says so, the other waits for that and reads: in order only if the orderings are what they should be.
fn publication(says: Ordering, hears: Ordering) {
    let shared = Arc::new((Shared(UnsafeCell::new(0)), AtomicBool::new(false)));
    let other = Arc::clone(&shared);
    let writer = thread::spawn(move || {
        // SAFETY: nobody reads before the flag is up; visible to the reader only with the right orderings.
        unsafe { *other.0.0.get() = 7 };
        other.1.store(true, says);
    });
    while !shared.1.load(hears) {
        thread::yield_now();
    }
    // SAFETY: as above.
    println!("{}", unsafe { *shared.0.0.get() });
    writer.join().expect("it does not panic");
}
