//! Atomics and parking for the lock-free kernels, and the locks of the [flights](crate::flight): the standard
//! library's and the usual ones, or those of the model checker.
//!
//! With `--cfg tollgate_loom`, [loom](https://docs.rs/loom) runs a kernel through the interleavings of its
//! threads. Its types work only inside `loom::model`, so nothing but the kernels that are checked
//! uses this module; the rest of the crate compiles under that cfg but does not run.

#[cfg(not(tollgate_loom))]
mod real {
    pub(crate) use parking_lot::{Condvar, Mutex};
    pub(crate) use std::sync::Arc;
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
}

#[cfg(tollgate_loom)]
mod real {
    pub(crate) use loom::sync::Arc;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
    use std::ops::{Deref, DerefMut};

    /// A lock without poison, as the real one.
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard(Some(self.0.lock().expect(UNPOISONED)))
        }
    }

    /// `None` only within [`Condvar::wait`].
    pub(crate) struct MutexGuard<'a, T>(Option<loom::sync::MutexGuard<'a, T>>);

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.0.as_ref().expect(HELD)
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.0.as_mut().expect(HELD)
        }
    }

    /// Waits on a guard that stays with its owner, as the real one does.
    #[derive(Debug)]
    pub(crate) struct Condvar(loom::sync::Condvar);

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self(loom::sync::Condvar::new())
        }

        pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            let held = guard.0.take().expect(HELD);
            guard.0 = Some(self.0.wait(held).expect(UNPOISONED));
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }
    }

    const HELD: &str = "a guard is without its lock only while it waits";
    const UNPOISONED: &str = "no model panics under a lock";
}

pub(crate) use real::*;

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
