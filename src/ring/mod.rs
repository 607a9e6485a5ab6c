//! The two ways by which the store tells the engine what happened.
//!
//! Writes go through a lossless [`log`], one per shard, appended under the shard's own lock: the engine
//! sees the writes of a key in exactly the order in which the store changed. Reads go through the lossy
//! [`access`] ring, striped by thread.

pub(crate) mod access;
pub(crate) mod log;
