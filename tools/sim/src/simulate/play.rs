//! One policy, one budget, one trace: the engine alone.

use crate::optimum::Hits;
use crate::progress::Progress;
use crate::trace::Trace;
use std::time::{Duration, Instant};
use tollgate::engine::Engine;
use tollgate::policy::{Parameter, PolicyConfig, PolicyKind};

/// The outcome of a run.
#[derive(Debug)]
pub struct Played {
    /// What hit.
    pub hits: Hits,
    /// Entries resident at the end.
    pub resident_entries: usize,
    /// Their cost.
    pub resident_cost: u64,
    /// Bytes that ledger and policy held at the end.
    pub memory: usize,
    /// How long it took.
    pub elapsed: Duration,
    /// The policy over time.
    pub samples: Vec<Sample>,
}

/// The policy at one moment.
#[derive(Debug, Clone)]
pub struct Sample {
    /// After this many requests.
    pub requests: usize,
    /// The hit ratio since the sample before.
    pub hit_ratio: f64,
    /// The policy's parameters.
    pub parameters: Vec<Parameter>,
}

/// Plays a trace, taking `samples` samples on the way.
pub fn play(
    trace: &Trace,
    policy: &PolicyKind,
    config: PolicyConfig,
    samples: usize,
    progress: &Progress,
) -> Played {
    let mut engine = Engine::new(policy.clone(), config);
    let mut hits = Hits::default();
    let mut taken = Vec::with_capacity(samples);
    let started = Instant::now();
    for part in parts(trace.len(), samples) {
        let before = hits.count;
        let (from, to) = (part.start, part.end);
        for &id in &trace.ids()[part] {
            let key = &trace.keys()[id as usize];
            if engine.request(key.index, key.cost) {
                hits.count += 1;
                hits.cost += key.cost;
            }
        }
        progress.advance((to - from) as u64);
        if samples > 0 {
            taken.push(Sample {
                requests: to,
                hit_ratio: (hits.count - before) as f64 / (to - from) as f64,
                parameters: engine.parameters(),
            });
        }
    }
    Played {
        hits,
        resident_entries: engine.ledger().len(),
        resident_cost: engine.ledger().used(),
        memory: engine.memory(),
        elapsed: started.elapsed(),
        samples: taken,
    }
}

/// Cuts `0..len` into as many parts as there are samples to take, or into parts small enough for the
/// progress bar to move.
fn parts(len: usize, samples: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let count = if samples > 0 { samples.min(len) } else { len.div_ceil(PROGRESS_STEP) };
    (0..count).map(move |part| part * len / count..(part + 1) * len / count)
}

const PROGRESS_STEP: usize = 1 << 17;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_everything_once() {
        for (len, samples) in [(10, 3), (5, 100), (1_000_000, 0), (1, 1)] {
            let mut reached = 0;
            for part in parts(len, samples) {
                assert_eq!(part.start, reached);
                assert!(!part.is_empty());
                reached = part.end;
            }
            assert_eq!(reached, len);
        }
    }
}
