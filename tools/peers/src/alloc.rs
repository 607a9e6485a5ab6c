//! The heap, counted: the system's allocator, with a switch.
//!
//! Counting is off but for the measures of memory. Off, it costs one load of a line that nobody writes, so that
//! caches that allocate on every insert are not slowed down by a counter that all threads share.
//! Counted is what was asked for, not what the allocator rounds it up to.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

#[global_allocator]
static HEAP: Counting = Counting;

static ON: AtomicBool = AtomicBool::new(false);
static BYTES: AtomicI64 = AtomicI64::new(0);
static PEAK: AtomicI64 = AtomicI64::new(0);

struct Counting;

// A global allocator cannot be had without it; no safe crate counts without slowing everybody down.
#[allow(unsafe_code)]
// SAFETY: every call is passed on to the system's allocator with the arguments that came in.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller's promises are the ones that are needed.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        subtract(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // The old block may live until the new one is filled.
        add(size);
        // SAFETY: as above.
        let moved = unsafe { System.realloc(block, layout, size) };
        subtract(layout.size());
        moved
    }
}

// Relaxed: counters, read when the threads that allocate are at rest.
fn add(size: usize) {
    if ON.load(Ordering::Relaxed) {
        let size = i64::try_from(size).expect("a Layout is at most isize::MAX");
        let now = BYTES.fetch_add(size, Ordering::Relaxed) + size;
        PEAK.fetch_max(now, Ordering::Relaxed);
    }
}

fn subtract(size: usize) {
    if ON.load(Ordering::Relaxed) {
        BYTES.fetch_sub(i64::try_from(size).expect("a Layout is at most isize::MAX"), Ordering::Relaxed);
    }
}

/// Begins to count.
pub(crate) fn count() {
    ON.store(true, Ordering::Relaxed);
}

/// The bytes allocated less those freed since [`count`].
pub(crate) fn bytes() -> i64 {
    BYTES.load(Ordering::Relaxed)
}

/// Starts a new peak.
pub(crate) fn restart_peak() {
    PEAK.store(bytes(), Ordering::Relaxed);
}

pub(crate) fn peak() -> i64 {
    PEAK.load(Ordering::Relaxed)
}
