//! The atomics of the lock-free kernels: the standard library's, or those of the model checker.
//!
//! With `--cfg tollgate_loom`, [loom](https://docs.rs/loom) runs a kernel through the interleavings of its
//! threads. Its types work only inside `loom::model`, so nothing but the kernels that are checked
//! uses this module; the rest of the crate compiles under that cfg but does not run.

#[cfg(not(tollgate_loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

#[cfg(tollgate_loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
