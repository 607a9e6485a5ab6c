//! The hasher for trusted keys: two fast hashes, no secret that would withstand an attack.

use super::exact::{Exact, Width};
use super::writes::{Sink, Writes};
use super::{KeyHash, KeyHasher, splitmix};
use rand::Rng;
use std::fmt;
use std::hash::Hash;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A faster [`KeyHasher`] for keys that nobody hostile can choose: XXH3 gives the index, SeaHash the conflict.
///
/// The seeds differ from one hasher to the next, so that two caches do not share their unlucky keys; but who
/// chooses keys can make both hashes collide *whatever the seeds are*, and then reads and
/// removes another key's entry. Choose it for keys made by your own code (page numbers with a file
/// id, paths of your own files), never for what comes out of a request. The default is
/// [`SecretHasher`](super::SecretHasher).
///
/// Single integers take the same exact path as there. Of other keys, integers are gathered in a small
/// buffer on the stack and byte strings are hashed where they lie, in one shot each; one result is the seed of
/// the next, and the last is mixed with the shape of the key, so that no boundary between fields is
/// lost. There is no streaming state to set up.
#[derive(Clone)]
pub struct FastHasher {
    exact: Exact,
    seeds: Seeds,
    /// The other three of SeaHash's four seeds.
    sea: (u64, u64, u64),
}

/// What the two hashes start from, and what they end at.
#[derive(Debug, Clone, Copy)]
struct Seeds {
    index: u64,
    conflict: u64,
}

impl FastHasher {
    /// A hasher with random seeds.
    ///
    /// # Panics
    /// If the operating system has no randomness to give.
    pub fn new() -> Self {
        let mut rng: rand::rngs::StdRng = rand::make_rng();
        Self::from_words(|| rng.next_u64())
    }

    /// A hasher whose words depend on `seed` alone.
    pub fn with_seed(seed: u64) -> Self {
        Self::from_words(splitmix(seed))
    }

    fn from_words(mut random: impl FnMut() -> u64) -> Self {
        Self {
            exact: Exact::new(&mut random),
            seeds: Seeds { index: random(), conflict: random() },
            sea: (random(), random(), random()),
        }
    }
}

impl KeyHasher for FastHasher {
    #[inline]
    fn hash_key<Q: Hash + ?Sized>(&self, key: &Q) -> KeyHash {
        let mut writes =
            Writes::new(Gather { hasher: self, seeds: self.seeds, buffer: [0; BUFFER], filled: 0 });
        key.hash(&mut writes);
        writes.close()
    }

    fn secret(&self) -> Option<Vec<u64>> {
        let Seeds { index, conflict } = self.seeds;
        let (b, c, d) = self.sea;
        Some([&self.exact.words()[..], &[index, conflict, b, c, d]].concat())
    }

    fn with_secret(secret: &[u64]) -> Option<Self> {
        let words: [u64; 10] = secret.try_into().ok()?;
        let mut words = words.into_iter();
        Some(Self::from_words(|| words.next().unwrap_or_default()))
    }
}

impl Default for FastHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for FastHasher {
    /// Says nothing of the seeds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FastHasher").finish_non_exhaustive()
    }
}

/// Gathers words and hashes them by the bufferful.
#[derive(Clone)]
struct Gather<'a> {
    hasher: &'a FastHasher,
    /// The result of all that has been hashed.
    seeds: Seeds,
    buffer: [u8; BUFFER],
    /// How many bytes of the buffer wait to be hashed: a multiple of 8.
    filled: usize,
}

impl Gather<'_> {
    #[inline]
    fn hash_buffer(&mut self) {
        if self.filled > 0 {
            self.seeds = self.hasher.chain(self.seeds, &self.buffer[..self.filled]);
            self.filled = 0;
        }
    }
}

impl FastHasher {
    #[inline]
    fn chain(&self, seeds: Seeds, bytes: &[u8]) -> Seeds {
        let (b, c, d) = self.sea;
        Seeds {
            index: xxh3_64_with_seed(bytes, seeds.index),
            conflict: seahash::hash_seeded(bytes, seeds.conflict, b, c, d),
        }
    }
}

impl Sink for Gather<'_> {
    #[inline]
    fn exact(&self, width: Width, integer: u64) -> KeyHash {
        self.hasher.exact.hash(width, integer)
    }

    #[inline]
    fn word(&mut self, word: u64) {
        if self.filled == BUFFER {
            self.hash_buffer();
        }
        self.buffer[self.filled..self.filled + 8].copy_from_slice(&word.to_le_bytes());
        self.filled += 8;
    }

    /// Hashed where they lie: the pair of results takes the place of their words.
    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        self.hash_buffer();
        self.seeds = self.hasher.chain(self.seeds, bytes);
    }

    /// A last pass over eight bytes would cost as much as all the rest of a short key.
    #[inline]
    fn close(&mut self, shape: u64) -> KeyHash {
        self.hash_buffer();
        KeyHash {
            index: self.hasher.exact.permute(self.seeds.index ^ shape),
            conflict: self.seeds.conflict ^ shape,
        }
    }
}

/// Bytes of the buffer: eight words, so that clearing it is four to eight stores.
const BUFFER: usize = 64;
