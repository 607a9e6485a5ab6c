//! `tollgate replay`: traces through the real, threaded cache.
//!
//! Where `simulate` asks what a policy would keep, this asks whether the cache keeps its promises while doing
//! so: the budget, watched by an [observer](observer) beside the cache's own gauge; the accounting, told by
//! [values](value) that count themselves; the right value for every key. A broken promise is said on standard error and
//! exits with code 1.

mod command;
mod observer;
mod play;
mod row;
mod value;

pub use command::{ReplayArgs, run};

use std::sync::Arc;
use value::Value;

/// The cache under replay: trace keys to values that keep an account.
type Cached = tollgate::Cache<u64, Arc<Value>>;

#[cfg(test)]
mod tests;
