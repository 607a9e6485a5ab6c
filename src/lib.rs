//! tollgate

#![forbid(unsafe_code)]

mod budget;
mod builder;
mod cache;
pub mod clock;
mod core;
mod counters;
pub mod engine;
mod error;
mod expiry;
mod histogram;
pub mod key;
mod listener;
pub mod policy;
mod processor;
mod ring;
mod stats;
mod store;
mod sync;

pub use crate::core::Maintenance;
pub use builder::Builder;
pub use cache::{Cache, InsertOptions, Inserted};
pub use error::{BuildError, Inconsistency, InsertError, WaitError};
pub use histogram::HistogramSnapshot;
pub use key::{KeyHash, KeyHasher};
pub use listener::{Cause, Event};
pub use stats::{Census, Stats};
