//! Panics of user code that has no caller to panic to: they end here, and what they were thrown with ends here too.
//!
//! A payload may be of any type, and have a destructor that panics in its turn. What that is thrown with is not dropped any more, but
//! forgotten: there is no end to it otherwise.

use std::any::Any;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `job`; `None` if it panicked.
pub(crate) fn contain<R>(job: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(job)).map_err(discard).ok()
}

/// Drops what a panic was thrown with.
#[cold]
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        forget(another);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::resume_unwind;

    /// A payload that panics when it is dropped, so many times over.
    struct Bomb(u32);

    impl Drop for Bomb {
        fn drop(&mut self) {
            if let Some(left) = self.0.checked_sub(1) {
                resume_unwind(Box::new(Bomb(left)));
            }
        }
    }

    #[test]
    fn what_a_panic_was_thrown_with_panics_nobody() {
        assert_eq!(contain(|| 7), Some(7));
        for times in 0..4 {
            assert_eq!(contain::<()>(|| resume_unwind(Box::new(Bomb(times)))), None);
        }
    }
}
