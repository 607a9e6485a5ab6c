//! tollgate

pub mod engine;
mod expiry;
pub mod key;
pub mod policy;
