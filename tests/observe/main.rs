//! What a cache tells of itself: statistics and their differences, metrics, traces, `Debug`; and what it never tells.

#[path = "../common/mod.rs"]
mod common;

mod debug;
#[cfg(feature = "metrics")]
mod metrics;
mod statistics;
#[cfg(feature = "tracing")]
mod traces;
