//! Sequences of events for the engine, against the naive model of `tests/model.rs`.
//!
//! `cargo +nightly fuzz run engine -- -max_total_time=60`

#![no_main]

#[path = "../../tests/common/engine_model.rs"]
mod engine_model;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: ([u8; 4], Vec<engine_model::RawEvent>)| {
    let (config, mut events) = input;
    events.truncate(600);
    engine_model::play(config, &events);
});
