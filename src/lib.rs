//! tollgate

pub mod engine;
mod expiry;
pub mod policy;
