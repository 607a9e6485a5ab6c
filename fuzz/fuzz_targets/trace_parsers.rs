//! The readers of trace files in `tools/sim`, on arbitrary bytes: a typed error, or a trace whose sums are right.
//!
//! `cargo +nightly fuzz run trace_parsers -- -max_total_time=60 -dict=traces.dict`

#![no_main]

#[path = "../../tools/sim/src/trace/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "the simulator uses the rest")]
mod trace;

use clap::ValueEnum;
use libfuzzer_sys::fuzz_target;
use std::collections::HashSet;
use std::path::Path;
use trace::{Columns, Format, LoadOptions, Trace, read_bytes};

fuzz_target!(|input: &[u8]| {
    let [format, columns, bytes @ ..] = input else { return };
    // Compressed bytes grow when they are read: long inputs would show how fast zstd is.
    let bytes = &bytes[..bytes.len().min(600)];
    let formats = Format::value_variants();
    let format = formats.get(usize::from(*format) % (formats.len() + 1)).copied();
    if format == Some(Format::Arc) && has_long_run(bytes) {
        return;
    }
    let name =
        ["a.lis", "a.csv", "a.trc.zst", "oracleGeneral.bin", "a.txt", "a"][usize::from(columns >> 3) % 6];
    let column = |flag: u8, name: &str| (columns & flag != 0).then(|| name.to_owned());
    let columns = Columns {
        key: column(1, "2"),
        size: column(2, "size"),
        delimiter: (columns & 4 != 0).then_some(b';'),
    };
    let options = LoadOptions { format, columns };
    if let Ok(trace) = read_bytes(bytes.to_vec(), Path::new(name), &options) {
        verify(&trace);
    }
});

/// Runs of blocks that are believed, but take long.
fn has_long_run(bytes: &[u8]) -> bool {
    bytes.split(|byte| !byte.is_ascii_digit()).any(|digits| (5..=7).contains(&digits.len()))
}

fn verify(trace: &Trace) {
    assert!(trace.len() > 0 && trace.distinct() > 0 && trace.distinct() <= trace.len());
    let distinct: HashSet<u64> = trace.keys().iter().map(|key| key.key).collect();
    assert_eq!(distinct.len(), trace.distinct(), "a key has one number");
    assert!(trace.keys().iter().all(|key| key.cost > 0));
    assert_eq!(trace.distinct_cost(), trace.keys().iter().map(|key| key.cost).sum::<u64>());
    assert_eq!(trace.requested_cost(), trace.requests().map(|key| key.cost).sum::<u64>());
    // In our own format it reads the same, where costs fit.
    let small = trace.keys().iter().all(|key| u32::try_from(key.cost).is_ok());
    if !small || trace.len() > 4096 {
        return;
    }
    let record = |key: &trace::Key| [&key.key.to_le_bytes()[..], &(key.cost as u32).to_le_bytes()].concat();
    let bytes: Vec<u8> = trace.requests().flat_map(record).collect();
    let options = LoadOptions { format: Some(Format::Tollgate), ..Default::default() };
    if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) || bytes.starts_with(&[0x1f, 0x8b]) {
        return;
    }
    let again = read_bytes(bytes, Path::new("a.trc"), &options).expect("it was written by the book");
    assert_eq!((again.ids(), again.keys()), (trace.ids(), trace.keys()));
}
