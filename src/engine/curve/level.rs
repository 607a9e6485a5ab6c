//! One level of the curve: distances up to a reach, from a sample of fixed size.

use super::histogram::Histogram;
use super::stack::{Position, Stack};
use super::{Event, hash};

/// See the [module](self).
#[derive(Debug, Clone)]
pub(super) struct Level {
    /// Distances beyond are of no interest.
    reach: u64,
    /// An index is sampled if its hash is below this.
    threshold: u64,
    /// One over the rate: what a sample stands for.
    scale: f64,
    /// The sampled keys, latest request last.
    stack: Stack,
    /// Sampled requests by distance, scaled; first requests have none.
    distances: Histogram,
    /// All sampled requests, scaled.
    sampled: f64,
    /// Hits and insertions among them, scaled: what was heard, if the sample were perfect.
    expected: f64,
    /// Of the references up to now, those that have been forgotten by ageing.
    aged: f64,
    /// Sampled requests until the next ageing.
    until_ageing: usize,
}

impl Level {
    pub(super) fn new(reach: u64) -> Self {
        Self {
            reach,
            threshold: u64::MAX,
            scale: 1.0,
            stack: Stack::new(POSITIONS),
            distances: Histogram::new(),
            sampled: 0.0,
            expected: 0.0,
            aged: 0.0,
            until_ageing: PERIOD,
        }
    }

    pub(super) fn reach(&self) -> u64 {
        self.reach
    }

    pub(super) fn resize(&mut self, reach: u64) {
        self.reach = reach;
    }

    pub(super) fn threshold(&self) -> u64 {
        self.threshold
    }

    /// The share of keys that is sampled.
    pub(super) fn rate(&self) -> f64 {
        1.0 / self.scale
    }

    /// The requests at these distances: lowest, highest, number.
    pub(super) fn distances(&self) -> impl Iterator<Item = (u64, u64, f64)> + '_ {
        self.distances.occupied()
    }

    /// How many requests there were, as far as the sample tells, first requests included.
    pub(super) fn requests(&self) -> f64 {
        self.sampled
    }

    /// By how many requests the sample tells too few.
    pub(super) fn correction(&self, references: u64) -> f64 {
        references as f64 - self.aged - self.expected
    }

    /// An event of a sampled key; the last of so many `references`. The level must have room.
    pub(super) fn record(&mut self, index: u64, event: Event, references: u64) {
        let position = self.stack.find(index);
        match (event, position) {
            (Event::Miss, None) => {}
            (Event::Miss, Some(known)) => {
                self.request(position, index, self.stack.cost(known), State::Asked);
            }
            (Event::Insert { cost }, Some(known)) if self.stack.is_asked(known) => {
                self.expected += self.scale;
                self.stack.answer(known, cost.clamp(1, MOST_COST));
            }
            (Event::Insert { cost } | Event::Hit { cost }, _) => {
                self.expected += self.scale;
                self.request(position, index, cost.clamp(1, MOST_COST), State::Complete);
            }
        }
        if self.until_ageing == 0 {
            self.age(references);
        }
    }

    pub(super) fn forget(&mut self, index: u64) {
        if hash(index) < self.threshold
            && let Some(position) = self.stack.find(index)
        {
            self.stack.remove(position);
        }
    }

    /// Whether room must be made before the next event.
    pub(super) fn is_full(&self) -> bool {
        self.stack.is_full() || self.stack.len() == MOST_SAMPLES
    }

    /// Lets go of what is beyond reach. Whether that is not enough to make room.
    pub(super) fn must_sample_less(&mut self) -> bool {
        let (reach, scale) = (self.reach as f64, self.scale);
        self.stack.retain(|_, cost_since| cost_since as f64 * scale <= reach);
        self.stack.len() > MOST_LEFT
    }

    /// Lets go of what is beyond reach and, if that is not enough, of the samples with the highest hashes; an
    /// eighth of the samples can come before the next time. If hardly any are within reach, there will be more.
    pub(super) fn make_room(&mut self) {
        if self.must_sample_less() {
            let mut hashes: Vec<u64> = self.stack.indices().map(hash).collect();
            // Hashes are distinct, as indices are: exactly so many are below.
            let threshold = *hashes.select_nth_unstable(MOST_LEFT).1;
            self.stack.retain(|index, _| hash(index) < threshold);
            self.sample_below(threshold);
        } else if self.stack.len() < MOST_SAMPLES / 8 {
            // The new ones come in as if never asked for before: too many misses, once, as in the beginning.
            self.sample_below(self.threshold.saturating_mul(4));
        }
        self.stack.compact();
    }

    pub(super) fn memory(&self) -> usize {
        self.stack.memory() + self.distances.memory()
    }

    /// Verifies samples, threshold and sums. O(samples).
    pub(super) fn check(&self) -> Result<(), String> {
        self.stack.check()?;
        if self.is_full() || self.stack.len() > MOST_SAMPLES {
            return Err(format!("curve: no room for a sample beside {}", self.stack.len()));
        }
        if let Some(index) = self.stack.indices().find(|&index| hash(index) >= self.threshold) {
            return Err(format!("curve: {index:#x} is above the threshold"));
        }
        let reused = self.distances.sum();
        if reused > self.sampled * (1.0 + 1e-9) {
            return Err(format!("curve: distances of {reused} requests, of {} sampled", self.sampled));
        }
        Ok(())
    }

    /// A request of a sampled key, whose last one was at `position`.
    fn request(&mut self, position: Option<Position>, index: u64, cost: u64, state: State) {
        self.sampled += self.scale;
        if let Some(position) = position {
            let others = self.stack.cost_since(position) as f64 * self.scale;
            self.distances.add((others as u64).saturating_add(cost), self.scale);
            self.stack.remove(position);
        }
        self.stack.push(index, cost, state == State::Asked);
        self.until_ageing = self.until_ageing.saturating_sub(1);
    }

    #[cold]
    fn age(&mut self, references: u64) {
        self.until_ageing = PERIOD;
        self.distances.halve();
        self.sampled /= 2.0;
        self.expected /= 2.0;
        self.aged += (references as f64 - self.aged) / 2.0;
    }

    fn sample_below(&mut self, threshold: u64) {
        self.threshold = threshold;
        // Exactly 1 for the highest, too.
        self.scale = 2_f64.powi(64) / threshold as f64;
    }
}

/// How a sampled request was heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// As a hit or an insertion: it is complete.
    Complete,
    /// As a miss, whose insertion may follow.
    Asked,
}

/// The samples at most.
const MOST_SAMPLES: usize = 2048;
/// The samples that are left, at most, when room was made.
const MOST_LEFT: usize = MOST_SAMPLES - MOST_SAMPLES / 8;
/// The positions in the log: at least three eighths of the samples are touched before room is made again.
const POSITIONS: usize = MOST_SAMPLES + MOST_SAMPLES / 4;
/// Counts are halved every so many sampled requests.
pub(super) const PERIOD: usize = 64 * MOST_SAMPLES;
/// What an entry counts for at most, so that no sum of samples overflows.
const MOST_COST: u64 = 1 << 50;

#[cfg(test)]
impl Level {
    pub(super) fn keep_everything(&mut self) {
        self.until_ageing = usize::MAX;
    }

    /// Samples; requests and heard references, scaled.
    pub(super) fn counts(&self) -> (usize, f64, f64) {
        (self.stack.len(), self.sampled, self.expected)
    }
}
