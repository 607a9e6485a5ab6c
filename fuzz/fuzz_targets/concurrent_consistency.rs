//! Sequences of calls split over threads, then the oracle and the books of all values: `tests/common/threads_model.rs`.
//!
//! `cargo +nightly fuzz run concurrent_consistency -- -max_total_time=60`

#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;

use common::threads_model;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: ([u8; 4], Vec<threads_model::RawStep>)| {
    let (config, mut steps) = input;
    steps.truncate(300);
    threads_model::play(config, &steps);
});
