//! Atomics, locks and parking: the standard library's and the usual ones, or those of a model checker.
//!
//! | cfg | whose | what runs |
//! |---|---|---|
//! | none | std, parking_lot | everything |
//! | `tollgate_loom` | [loom](https://docs.rs/loom) | the lock-free kernels, through every interleaving |
//! | `tollgate_shuttle` | [shuttle](https://docs.rs/shuttle) | the whole cache, through random schedules that can be replayed |
//!
//! loom's and shuttle's types work only inside a model. Under loom the rest of the crate compiles but does not run. Whatever blocks has
//! to come from here, or a schedule would block for ever; the counters of statistics keep the real atomics, so that schedules
//! are not spent on them.

#[cfg(not(any(tollgate_loom, tollgate_shuttle)))]
mod real {
    pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
    pub(crate) use std::sync::Arc;
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
    pub(crate) use std::thread_local;
}

#[cfg(any(tollgate_loom, tollgate_shuttle))]
mod real {
    #[cfg(tollgate_loom)]
    use loom as checker;
    #[cfg(tollgate_shuttle)]
    use shuttle as checker;

    pub(crate) use checker::sync::Arc;
    pub(crate) use checker::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
    pub(crate) use checker::sync::{RwLockReadGuard, RwLockWriteGuard};
    #[cfg(tollgate_shuttle)]
    pub(crate) use checker::thread_local;
    #[cfg(tollgate_loom)]
    pub(crate) use std::thread_local;

    use std::ops::{Deref, DerefMut};
    use std::sync::{PoisonError, TryLockError};

    /// A lock without poison, as the real one.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(checker::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(checker::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard(Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)))
        }

        pub(crate) fn get_mut(&mut self) -> &mut T {
            self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            match self.0.try_lock() {
                Ok(guard) => Some(MutexGuard(Some(guard))),
                Err(TryLockError::Poisoned(poisoned)) => Some(MutexGuard(Some(poisoned.into_inner()))),
                Err(TryLockError::WouldBlock) => None,
            }
        }
    }

    /// `None` only within [`Condvar::wait`].
    pub(crate) struct MutexGuard<'a, T>(Option<checker::sync::MutexGuard<'a, T>>);

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
    #[derive(Debug, Default)]
    pub(crate) struct Condvar(checker::sync::Condvar);

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self::default()
        }

        pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            let held = guard.0.take().expect(HELD);
            guard.0 = Some(self.0.wait(held).unwrap_or_else(PoisonError::into_inner));
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }

    /// A lock without poison, as the real one.
    #[derive(Debug)]
    pub(crate) struct RwLock<T>(checker::sync::RwLock<T>);

    impl<T> RwLock<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(checker::sync::RwLock::new(value))
        }

        pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().unwrap_or_else(PoisonError::into_inner)
        }
    }

    const HELD: &str = "a guard is without its lock only while it waits";
}

pub(crate) use real::*;

/// Threads, and parking: a thread sleeps until it is unparked.
pub(crate) mod thread {
    #[cfg(tollgate_loom)]
    pub(crate) use loom::thread::{Builder, JoinHandle, Thread, current, park, yield_now};
    #[cfg(tollgate_shuttle)]
    pub(crate) use shuttle::thread::{Builder, JoinHandle, Thread, current, park, yield_now};
    #[cfg(not(any(tollgate_loom, tollgate_shuttle)))]
    pub(crate) use std::thread::{Builder, JoinHandle, Thread, current, park, park_timeout, yield_now};

    /// In a model there is no time to pass: others run.
    #[cfg(any(tollgate_loom, tollgate_shuttle))]
    pub(crate) fn park_timeout(_time: std::time::Duration) {
        yield_now();
    }
}

/// Stands between a write and a read that rely on the single order of all sequentially consistent accesses. They have that
/// order by themselves; loom knows it of fences only.
#[inline]
pub(crate) fn in_single_order() {
    #[cfg(tollgate_loom)]
    loom::sync::atomic::fence(Ordering::SeqCst);
}
