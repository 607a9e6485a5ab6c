//! Loads, refreshes, groups and writes split over threads, then the oracle, what may not be answered, and the books of all values:
//! `tests/common/loads_model.rs`.
//!
//! `cargo +nightly fuzz run concurrent_loads -- -max_total_time=60`

#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;

use common::loads_model;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: ([u8; 4], Vec<loads_model::RawStep>)| {
    let (config, mut steps) = input;
    steps.truncate(300);
    loads_model::play(config, &steps);
});
