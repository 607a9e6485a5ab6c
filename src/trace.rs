//! What is told to [`tracing`](https://docs.rs/tracing), if the feature of that name is on.
//!
//! This is the only module that knows of it: what is told, and at which level, is listed here. Without the feature every type is empty, every
//! function does nothing, and nothing of it is left in the program.
//!
//! | name | kind, level | fields | tells of |
//! |---|---|---|---|
//! | `load` | span, debug | `cache`, `index`, `outcome` | a load, from the miss to its end; entered while the load runs |
//! | `help` | span, debug | `cache`, `pending` or `growth` | a writer that runs a turn of maintenance: it found no room, or a long log |
//! | `clear` | span, debug | `cache` | |
//! | `resize` | span, debug | `cache`, `max_cost` | a change of the budget, to the last eviction |
//! | `save`, `restore` | span, debug | `cache`, `entries` | |
//! | policy panic | event, error | `cache` | the policy was replaced by the default one |
//! | callback panic | event, warn | `cache`, `cause` | a listener or a destructor panicked |
//!
//! The target is `tollgate`. Reads and writes that have nothing to wait for tell nothing, whatever the level. Neither keys nor values are told: `index`
//! is the half of a key's hash that tells less (the other half of an integer is the integer); it is no cipher all the same: keep these
//! logs from those who choose keys. A subscriber must not panic.
//!
//! A subscriber is user code: nothing is told while a lock is held.

#[cfg(feature = "tracing")]
#[path = "trace/told.rs"]
mod tale;
#[cfg(not(feature = "tracing"))]
#[path = "trace/untold.rs"]
mod tale;

pub(crate) use tale::*;

/// How a load ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Loaded,
    Failed,
    Abandoned,
}
