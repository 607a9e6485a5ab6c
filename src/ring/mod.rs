//! What leads from the callers' threads to the engine.

mod access;

#[allow(unused_imports)]
pub(crate) use access::{AccessRing, Drainer};
