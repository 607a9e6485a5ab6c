//! One test for each promise of the front page, several where one is not enough; named for what is protected.

#[path = "../common/callers.rs"]
mod callers;
#[path = "../common/mod.rs"]
mod common;

mod accounting;
mod budget;
mod causes;
mod costs;
mod keys;
mod lifecycle;
mod loads;
mod panics;
mod reads;
mod reentrancy;
mod time;
