//! Arbitrary times on a clock that stands, runs and leaps: `tests/common/time_model.rs`.
//!
//! `cargo +nightly fuzz run expiry -- -max_total_time=60`

#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;

use common::time_model;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, Vec<time_model::RawStep>)| {
    let (flags, mut steps) = input;
    steps.truncate(200);
    time_model::play(flags, &steps);
});
