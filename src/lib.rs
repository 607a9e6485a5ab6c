//! tollgate

#![allow(dead_code)]

pub mod clock;
pub mod engine;
mod expiry;
pub mod key;
pub mod policy;
