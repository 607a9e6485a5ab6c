//! The frequency sketch beside a model of what it must not forget: `src/policy/sketch_model.rs`.
//!
//! `cargo +nightly fuzz run sketch -- -max_total_time=60`

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u32, Vec<(u8, u16, u8)>, Vec<u64>)| {
    let (entries, mut steps, noise) = input;
    steps.truncate(100);
    tollgate::fuzzing::sketch(entries, &steps, &noise);
});
