//! Atomics and parking for the lock-free kernels: the standard library's, or those of the model checker.
//!
//! With `--cfg tollgate_loom`, [loom](https://docs.rs/loom) runs a kernel through the interleavings of its
//! threads. Its types work only inside `loom::model`, so nothing but the kernels that are checked
//! uses this module; the rest of the crate compiles under that cfg but does not run.

#[cfg(not(tollgate_loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

#[cfg(tollgate_loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// Parking: a thread sleeps until it is unparked.
pub(crate) mod thread {
    #[cfg(not(tollgate_loom))]
    pub(crate) use std::thread::{Thread, current, park, park_timeout};

    #[cfg(tollgate_loom)]
    pub(crate) use loom::thread::{Thread, current, park};

    /// Under loom there is no time to pass: others run.
    #[cfg(tollgate_loom)]
    pub(crate) fn park_timeout(_time: std::time::Duration) {
        loom::thread::yield_now();
    }
}

/// Stands between a write and a read that rely on the single order of all sequentially consistent accesses. They have that
/// order by themselves; loom knows it of fences only.
#[inline]
pub(crate) fn in_single_order() {
    #[cfg(tollgate_loom)]
    loom::sync::atomic::fence(Ordering::SeqCst);
}
