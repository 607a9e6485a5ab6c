//! Attacks on key hashers: keys with structure, by the million, of which an attacker hopes that some are taken for each other.

use crate::output::new_table;
use std::collections::HashSet;
use std::hash::Hash;
use tollgate::key::{FastHasher, KeyHash, KeyHasher, SecretHasher};

/// The hasher that shows what a collision looks like: a fast multiplication of the last word, and no conflict.
struct LastWord;

impl KeyHasher for LastWord {
    fn hash_key<Q: Hash + ?Sized>(&self, key: &Q) -> KeyHash {
        let mut last = Last(0);
        key.hash(&mut last);
        KeyHash { index: last.0.wrapping_mul(0x9e37_79b9_7f4a_7c15), conflict: 0 }
    }
}

struct Last(u64);

impl std::hash::Hasher for Last {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
    }
}

/// What became of one attack.
struct Outcome {
    collisions: u64,
    index_collisions: u64,
    /// Keys in the fullest shard of 64, beside what they would be if they were even.
    crowding: f64,
}

/// The table, and whether a hasher of ours had a collision.
pub(super) fn table(keys: u64, seed: u64) -> (String, bool) {
    let mut table = new_table(
        &["hasher", "shape of the keys", "one pair of words", "one index", "fullest of 64 shards"],
        2,
    );
    let mut collided = false;
    let secret = SecretHasher::with_seed(seed);
    let fast = FastHasher::with_seed(seed);
    for shape in Shape::ALL {
        let outcomes = [
            ("secret", shape.attack(&secret, keys)),
            ("fast", shape.attack(&fast, keys)),
            ("canary: last word", shape.attack(&LastWord, keys.min(100_000))),
        ];
        for (at, (name, outcome)) in outcomes.into_iter().enumerate() {
            collided |= at < 2 && outcome.collisions > 0;
            table.add_row(vec![
                name.to_owned(),
                shape.name().to_owned(),
                outcome.collisions.to_string(),
                outcome.index_collisions.to_string(),
                format!("{:.2} x", outcome.crowding),
            ]);
        }
    }
    (table.to_string(), collided)
}

/// Keys as attackers make them.
#[derive(Clone, Copy)]
enum Shape {
    /// Multiples of a power of two: all low bits are zero.
    Strided,
    /// Two integers that differ in their high bits only.
    Pairs,
    /// Strings of one letter and some digits, cut at all places.
    Cut,
    /// Strings of zeros, padded.
    Padded,
}

impl Shape {
    const ALL: [Self; 4] = [Self::Strided, Self::Pairs, Self::Cut, Self::Padded];

    fn name(self) -> &'static str {
        match self {
            Self::Strided => "n * 2^40",
            Self::Pairs => "(u32, u64), high bits only",
            Self::Cut => "(text, text), cut elsewhere",
            Self::Padded => "bytes, padded with zeros",
        }
    }

    fn attack(self, hasher: &impl KeyHasher, keys: u64) -> Outcome {
        let hashes: Vec<KeyHash> = match self {
            Self::Strided => (0..keys).map(|n| hasher.hash_key(&(n.rotate_right(24)))).collect(),
            Self::Pairs => {
                (0..keys).map(|n| hasher.hash_key(&(((n & 0x7ff) << 20) as u32, n >> 11 << 40))).collect()
            }
            Self::Cut => (0..keys / 8).flat_map(|n| cuts(hasher, n)).collect(),
            Self::Padded => (0..keys / 4).flat_map(|n| padded(hasher, n)).collect(),
        };
        judge(&hashes)
    }
}

fn cuts(hasher: &impl KeyHasher, n: u64) -> Vec<KeyHash> {
    let text = format!("{n:08x}");
    (0..text.len()).map(|at| hasher.hash_key(&(&text[..at], &text[at..]))).collect()
}

fn padded(hasher: &impl KeyHasher, n: u64) -> Vec<KeyHash> {
    let bytes = [&(n + 1).to_le_bytes()[..], &[0; 8]].concat();
    // Nothing but the number of zeros at the end tells them apart.
    [8, 9, 12, 16].map(|len| hasher.hash_key(&bytes[..len])).to_vec()
}

fn judge(hashes: &[KeyHash]) -> Outcome {
    let (mut pairs, mut indices) =
        (HashSet::with_capacity(hashes.len()), HashSet::with_capacity(hashes.len()));
    let mut shards = [0_u64; 64];
    let mut outcome = Outcome { collisions: 0, index_collisions: 0, crowding: 0.0 };
    for hash in hashes {
        outcome.collisions += u64::from(!pairs.insert(*hash));
        outcome.index_collisions += u64::from(!indices.insert(hash.index));
        shards[(hash.index >> 40) as usize % 64] += 1;
    }
    let even = hashes.len() as f64 / 64.0;
    outcome.crowding = shards.into_iter().max().unwrap_or_default() as f64 / even.max(1.0);
    outcome
}
