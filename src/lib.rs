//! tollgate

#![allow(dead_code)]

pub mod clock;
mod counters;
pub mod engine;
mod expiry;
pub mod key;
pub mod life;
pub mod policy;
mod ring;
mod sync;
