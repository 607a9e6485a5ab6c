//! Keys, drawn beforehand: no cache pays for drawing them, and all see the same ones.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Zipf};
use std::fmt;

/// How the keys are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Spread {
    /// Zipf with exponent 0.99.
    Zipf,
    /// Each key as often as any other.
    Uniform,
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zipf => "Zipf 0.99",
            Self::Uniform => "uniform",
        })
    }
}

/// What is done with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mix {
    /// A get; on a miss, an insert. Counted as one operation.
    CacheAside,
    /// An insert in so many cases of a hundred, a get in the others.
    Writes(u8),
}

impl Mix {
    pub(crate) const ALL: [Self; 6] = [
        Self::Writes(0),
        Self::Writes(5),
        Self::Writes(25),
        Self::Writes(50),
        Self::Writes(100),
        Self::CacheAside,
    ];

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|mix| mix.to_string() == text)
            .ok_or_else(|| format!("one of {}", Self::ALL.map(|mix| mix.to_string()).join(", ")))
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CacheAside => f.write_str("cache-aside"),
            Self::Writes(percent) => write!(f, "{}/{percent}", 100 - percent),
        }
    }
}

/// A key of 56 bits, and above it a die of 100 sides that says whether it is read or written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word(u64);

const KEY_BITS: u32 = 56;
const KEY_MASK: u64 = (1 << KEY_BITS) - 1;

impl Word {
    #[inline]
    pub(crate) fn key(self) -> u64 {
        self.0 & KEY_MASK
    }

    #[inline]
    pub(crate) fn is_write(self, mix: Mix) -> bool {
        matches!(mix, Mix::Writes(percent) if (self.0 >> KEY_BITS) < u64::from(percent))
    }
}

/// The key of a rank: one to one on 56 bits, so that neighbours in rank are not neighbours in memory and
/// no hash function is favoured by small numbers.
pub(crate) fn scatter(rank: u64) -> u64 {
    let mixed = rank.wrapping_mul(0x9E37_79B9_7F4A_7C15) & KEY_MASK;
    let mixed = (mixed ^ (mixed >> 28)).wrapping_mul(0xBF58_476D_1CE4_E5B9) & KEY_MASK;
    mixed ^ (mixed >> 28)
}

/// A long row of words that threads walk around in, each from its own place.
pub(crate) struct Pool(Vec<Word>);

impl Pool {
    pub(crate) fn draw(spread: Spread, keys: u64, words: usize, seed: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let zipf = Zipf::new(keys as f64, 0.99).expect("at least one key, and a positive exponent");
        let word = |_| {
            let rank = match spread {
                // From 1 on; whole numbers that an f64 holds exactly.
                Spread::Zipf => zipf.sample(&mut random) as u64 - 1,
                Spread::Uniform => random.random_range(0..keys),
            };
            Word(scatter(rank) | random.random_range(0..100u64) << KEY_BITS)
        };
        Self((0..words).map(word).collect())
    }

    /// A walk of one of the threads that begin around a place; it goes round for ever.
    pub(crate) fn walk(&self, place: Place, thread: usize) -> Walk<'_> {
        let share = (place.0 as f64).mul_add(GOLDEN, thread as f64 * BESIDE).fract();
        let start = (share * self.0.len() as f64) as usize;
        Walk { words: &self.0, start: start.min(self.0.len() - 1) }
    }
}

/// Where the threads of a slice begin. Every slice of a cache has a place of its own, far from the one before: what
/// is walked again soon is still resident, and hits that no cache earned. All caches share the places of a round.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place(u32);

impl Place {
    /// Steps on and returns the new place.
    pub(crate) fn next(&mut self) -> Self {
        self.0 += 1;
        *self
    }
}

/// Steps of the golden ratio never come near a recent place.
const GOLDEN: f64 = 0.618_033_988_749;
const BESIDE: f64 = 0.414_213_562_373;

/// A row of words, and where to begin in it.
#[derive(Clone, Copy)]
pub(crate) struct Walk<'a> {
    words: &'a [Word],
    start: usize,
}

impl<'a> Walk<'a> {
    /// Endless, in pieces of at most `size`.
    pub(crate) fn chunks(self, size: usize) -> impl Iterator<Item = &'a [Word]> {
        let (before, after) = self.words.split_at(self.start);
        after.chunks(size).chain(before.chunks(size)).cycle()
    }
}
