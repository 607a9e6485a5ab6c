//! Sequences of calls on a cache without a thread, against the naive model of `tests/model.rs`.
//!
//! `cargo +nightly fuzz run consistency -- -max_total_time=60`

#![no_main]

#[path = "../../tests/common/model.rs"]
mod model;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (model::RawConfig, Vec<model::RawStep>)| {
    let (config, mut steps) = input;
    steps.truncate(400);
    model::play(config, &steps);
});
