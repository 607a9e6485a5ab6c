//! Every option of the builder over the whole range of its type: `tests/common/builder_model.rs`.
//!
//! `cargo +nightly fuzz run builder -- -max_total_time=60`

#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;

use common::builder_model;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: builder_model::RawOptions| {
    builder_model::play(input);
});
