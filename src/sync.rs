//! stub
pub(crate) use std::sync::atomic;
pub(crate) use std::thread;
