//! Any bytes as a snapshot, with checksums that are right; see `tests/common/hostile.rs`.
//!
//! `cargo +nightly fuzz run snapshot -- -max_total_time=60`

#![no_main]

#[path = "../../tests/common/hostile.rs"]
mod hostile;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let _ = hostile::play(input);
});
