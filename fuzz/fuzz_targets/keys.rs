//! Keys of all shapes, and others that are easily confused with them: `tests/common/key_model.rs`.
//!
//! `cargo +nightly fuzz run keys -- -max_total_time=60`

#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;

use common::key_model;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, Vec<key_model::RawWrite>, Vec<(u8, u8, u8)>)| {
    let (seed, writes, edits) = input;
    key_model::play(seed, writes, &edits);
});
