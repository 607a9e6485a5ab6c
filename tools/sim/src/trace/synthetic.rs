//! The trace that stands in when none is given.
//!
//! One million requests, every key of cost 1, from a fixed seed:
//!
//! - Popularity is Zipf with exponent 0.9 over 100,000 ranks, drawn by inverting the exact
//!   cumulative distribution.
//! - Popularity drifts: every 10,000 requests, 1 % of the ranks are handed to keys never seen before.
//! - Every 100,000 requests a scan reads 10,000 keys in a row that nobody asks for again.
//!
//! It is no substitute for a recorded trace: it exists so that every command works everywhere.

use super::{Trace, TraceBuilder, TraceFault};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Makes the trace.
///
/// # Errors
/// None in practice; the builder's are passed on.
pub fn synthetic(seed: u64) -> Result<Trace, TraceFault> {
    let mut rng = StdRng::seed_from_u64(seed);
    let cumulative = zipf_cumulative(RANKS, EXPONENT);
    let mut keys: Vec<u64> = (0..RANKS as u64).collect();
    let mut fresh = RANKS as u64;
    let mut trace = TraceBuilder::new("synthetic".to_owned());
    let mut until_scan = SCAN_EVERY;
    while trace.len() < REQUESTS {
        if trace.len() % DRIFT_EVERY == 0 {
            for _ in 0..RANKS / 100 {
                keys[rng.random_range(0..RANKS)] = fresh;
                fresh += 1;
            }
        }
        if trace.len() >= until_scan {
            until_scan += SCAN_EVERY;
            for _ in 0..SCAN_LENGTH {
                trace.push(fresh, 1)?;
                fresh += 1;
            }
            continue;
        }
        let point: f64 = rng.random::<f64>() * cumulative[RANKS - 1];
        let rank = cumulative.partition_point(|&up_to| up_to <= point).min(RANKS - 1);
        trace.push(keys[rank], 1)?;
    }
    trace.finish()
}

fn zipf_cumulative(ranks: usize, exponent: f64) -> Vec<f64> {
    let mut total = 0.0;
    (1..=ranks)
        .map(|rank| {
            total += (rank as f64).powf(-exponent);
            total
        })
        .collect()
}

const REQUESTS: usize = 1_000_000;
const RANKS: usize = 100_000;
const EXPONENT: f64 = 0.9;
const DRIFT_EVERY: usize = 10_000;
const SCAN_EVERY: usize = 100_000;
const SCAN_LENGTH: usize = 10_000;
