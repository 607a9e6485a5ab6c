//! Streams of requests through every policy: `tests/common/policy_model.rs`.
//!
//! `cargo +nightly fuzz run policies -- -max_total_time=60`

#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;

use common::policy_model;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: ([u8; 5], Vec<policy_model::RawPhase>)| {
    let (config, mut phases) = input;
    phases.truncate(40);
    policy_model::play(config, &phases);
});
