//! The live miss-ratio curve: what a smaller or larger budget would buy.
//!
//! LRU hits at a budget exactly if the entries touched since the last request of this one, itself included, fit in
//! it (Mattson, Gecsei, Slutz, Traiger, "Evaluation techniques for storage hierarchies", 1970). The cost of those is the
//! *distance* of a request, and the distribution of distances is the miss ratio of every budget at once.
//! Distances of all requests need memory for all keys; distances of a sample of keys, scaled by the rate of the sample, need
//! next to none. This is SHARDS with samples of fixed size (Waldspurger, Park, Garthwaite, Ahmad, "Efficient MRC
//! construction with SHARDS", FAST 2015), with cost for the paper's number of blocks:
//!
//! - A key is sampled if a hash of its index is below a *threshold*: all its requests are, or none. When there
//!   are too many samples, the threshold falls, and those that are now above it are forgotten.
//! - The cost that was touched since is what the samples among it cost, divided by the rate; the entry's own is added as it
//!   is. A request counts for one over the rate of its time, so that counts stay comparable when the rate falls.
//! - How often the sampled keys should have been asked for is known: as often as the engine heard of any key,
//!   times the rate. What is missing (a very hot key outside of the sample) or too much (one inside) is put right at the
//!   smallest distances, where hot keys are: the paper's SHARDS-adj.
//!
//! Three things are not in the paper, which draws the whole curve of a trace that ends:
//!
//! - The curve has a *reach*, [`REACH`] times the budget, and samples beyond it are forgotten. Otherwise keys that never come
//!   back would fill the sample, and the rate would fall for ever.
//! - A hot key weighs much and is sampled or not: one sample for all distances makes small errors at large
//!   distances and large ones at small distances. But few keys have small distances. So there are up to [`LEVELS`] levels, each
//!   with a sample of its own, the reach of each a part of the one before: the nearer, the higher the rate. A distance is
//!   taken from the nearest level that reaches it; what a level has at distances that a nearer one knows better is left out of
//!   its shares. Levels come into being when they are needed: the nearest has
//!   every key, until it would have to forget some; then a copy of it becomes the next nearer one.
//! - Counts are halved every so many sampled requests, so that the curve follows the workload: what happened
//!   `n` [periods](level) ago counts for `2^-n`.
//!
//! # What is a request
//!
//! Whatever a policy counts as one access: a hit, an update, an insertion, a miss and the insertion that answers it.
//! A miss of a sampled key is recorded when it happens, and its answer then only tells the new cost. A miss of a key that is unknown
//! here is recorded when it is answered; if it never is, no budget would have served it, and it is not counted. A
//! removed or expired entry is forgotten: no budget would have kept it.
//!
//! This is not a prediction for the policy in use, which usually misses less often than LRU, and it knows nothing of
//! [`Policy`](crate::policy::Policy).
//!
//! # What it costs
//!
//! An event of a key that no level samples costs a comparison; one of a sampled key, two walks through a small tree for
//! each level. The nearest levels sample most keys of caches up to some 100,000 entries: 60 to 150 ns an event, on a
//! loaded machine with two cores; 20 to 40 at a million (`cargo bench --bench engine -- lru`).

mod histogram;
mod level;
mod miss_ratio;
mod stack;
#[cfg(test)]
mod tests;

use crate::policy::sketch::remix;
use level::Level;
pub use miss_ratio::MissRatioCurve;

/// Samples the requests that the engine hears of. See the [module](self).
#[derive(Debug)]
pub(super) struct Curve {
    max_cost: u64,
    /// The farthest reach first; at least one.
    levels: Vec<Level>,
    /// The highest threshold of a level: most events end here.
    threshold: u64,
    /// Hits and insertions, sampled or not.
    references: u64,
}

/// What the engine heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// A resident entry was read or replaced.
    Hit { cost: u64 },
    /// An absent key was asked for.
    Miss,
    /// An entry was written that was not resident.
    Insert { cost: u64 },
}

impl Curve {
    pub(super) fn new(max_cost: u64) -> Self {
        let mut levels = Vec::with_capacity(LEVELS);
        levels.push(Level::new(reach(0, max_cost)));
        Self { max_cost, levels, threshold: u64::MAX, references: 0 }
    }

    /// A resident entry was read or replaced. O(1) if it is not sampled; O(log samples), amortised, if it is.
    /// So are the other events.
    #[inline]
    pub(super) fn hit(&mut self, index: u64, cost: u64) {
        self.references += 1;
        self.hear(index, Event::Hit { cost });
    }

    /// An absent key was asked for.
    #[inline]
    pub(super) fn miss(&mut self, index: u64) {
        self.hear(index, Event::Miss);
    }

    /// An entry was written that was not resident; whether it will be admitted does not matter.
    #[inline]
    pub(super) fn insert(&mut self, index: u64, cost: u64) {
        self.references += 1;
        self.hear(index, Event::Insert { cost });
    }

    /// An entry was removed or has expired.
    pub(super) fn forget(&mut self, index: u64) {
        self.levels.iter_mut().for_each(|level| level.forget(index));
    }

    /// The budget changed.
    pub(super) fn resize(&mut self, max_cost: u64) {
        self.max_cost = max_cost;
        for (number, level) in self.levels.iter_mut().enumerate() {
            level.resize(reach(number, max_cost));
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.max_cost);
    }

    /// The curve as of now. O(buckets).
    pub(super) fn snapshot(&self) -> MissRatioCurve {
        let mut points = vec![(0, 1.0)];
        let (mut hits, mut known) = (0.0_f64, 0);
        let mut add = |max_cost, hits: f64| {
            if points.last().is_none_or(|&(last, _)| last < max_cost) {
                points.push((max_cost, (1.0 - hits).clamp(0.0, 1.0)));
            }
        };
        for level in self.levels.iter().rev() {
            let nearer: f64 =
                level.distances().filter(|bucket| bucket.1 <= known).map(|bucket| bucket.2).sum();
            let mut correction = if known == 0 { level.correction(self.references) } else { 0.0 };
            // Its other requests stand for all that do not hit yet.
            let each = (1.0 - hits).max(0.0) / (level.requests() - nearer + correction).max(1.0);
            for (lowest, highest, weight) in level.distances().filter(|bucket| bucket.1 > known) {
                if highest > level.reach() {
                    break;
                }
                add(lowest - 1, hits);
                // A surplus may exceed the first bucket: the next ones bear the rest.
                hits += (weight + correction).max(0.0) * each;
                correction = (weight + correction).min(0.0);
                add(highest, hits);
            }
            known = level.reach();
        }
        add(known, hits);
        MissRatioCurve::new(points, self.max_cost, self.levels[0].rate(), self.references)
    }

    /// Bytes of heap memory held, but for some KiB while a threshold falls.
    pub(super) fn memory(&self) -> usize {
        let levels: usize = self.levels.iter().map(Level::memory).sum();
        size_of::<Self>() + self.levels.capacity() * size_of::<Level>() + levels
    }

    /// Verifies every level, and what they have in common. O(samples).
    pub(super) fn check(&self) -> Result<(), String> {
        for (number, level) in self.levels.iter().enumerate() {
            level.check()?;
            if level.reach() != reach(number, self.max_cost) {
                return Err(format!("curve: level {number} has the reach {}", level.reach()));
            }
        }
        match self.levels.iter().map(Level::threshold).max() {
            Some(threshold) if threshold == self.threshold => Ok(()),
            highest => Err(format!("curve: the highest threshold is {highest:?}, not {}", self.threshold)),
        }
    }

    #[inline]
    fn hear(&mut self, index: u64, event: Event) {
        let hash = hash(index);
        if hash < self.threshold {
            self.record(index, hash, event);
        }
    }

    fn record(&mut self, index: u64, hash: u64, event: Event) {
        // A level that comes into being on the way has heard it already.
        for number in 0..self.levels.len() {
            let level = &mut self.levels[number];
            if hash < level.threshold() {
                level.record(index, event, self.references);
                if level.is_full() {
                    self.make_room(number);
                }
            }
        }
    }

    /// Room in a level that is full; see the [module](self) for the birth of a nearer one.
    #[cold]
    fn make_room(&mut self, number: usize) {
        let nearer = number + 1;
        if self.levels[number].must_sample_less() && nearer == self.levels.len() && nearer < LEVELS {
            let mut level = self.levels[number].clone();
            level.resize(reach(nearer, self.max_cost));
            self.levels.push(level);
            self.make_room(nearer);
        }
        self.levels[number].make_room();
        self.threshold = self.levels.iter().map(Level::threshold).max().unwrap_or(u64::MAX);
    }
}

/// Up to which distance a level is asked.
fn reach(level: usize, max_cost: u64) -> u64 {
    (max_cost.saturating_mul(REACH) / RATIO.pow(level as u32)).max(1)
}

/// Independent of the hashes of the policies. No two indices have the same.
#[inline]
fn hash(index: u64) -> u64 {
    remix(index ^ 0xA54F_F53A_5F1D_36F1)
}

/// Up to so many times the budget the curve is known.
const REACH: u64 = 8;
/// Levels at most.
const LEVELS: usize = 4;
/// How many times farther a level reaches than the next.
const RATIO: u64 = 8;
