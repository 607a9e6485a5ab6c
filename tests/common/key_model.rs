//! Keys of all shapes: what a `Hash` implementation writes, as data, and the promise that no two different sequences of writes answer for
//! each other. Shared with the fuzz target.

use std::hash::{Hash, Hasher};
use tollgate::key::{FastHasher, KeyHasher, SecretHasher};

/// One write in its raw form: which, and the bytes that it takes its content from.
pub type RawWrite = (u8, Vec<u8>);

/// Compares a key with another one that was made from it by `edits`, and with itself.
pub fn play(seed: u8, writes: Vec<RawWrite>, edits: &[(u8, u8, u8)]) {
    let key = Script(writes.into_iter().map(Write::from).collect());
    let mut other = key.clone();
    edits.iter().for_each(|&edit| other.edit(edit));
    compare(&SecretHasher::with_seed(seed.into()), &key, &other);
    compare(&FastHasher::with_seed(seed.into()), &key, &other);
}

fn compare<H: KeyHasher>(hasher: &H, key: &Script, other: &Script) {
    let (ours, theirs) = (hasher.hash_key(key), hasher.hash_key(other));
    assert_eq!(ours, hasher.hash_key(&key.clone()), "the same key has two hashes: {key:?}");
    if key == other {
        assert_eq!(ours, theirs, "{key:?}");
        return;
    }
    assert_ne!(ours, theirs, "{key:?} answers for {other:?}");
    if !key.is_exact() && !other.is_exact() {
        assert_ne!(ours.index, theirs.index, "one index: {key:?} and {other:?}");
        assert_ne!(ours.conflict, theirs.conflict, "one conflict: {key:?} and {other:?}");
    }
}

/// One call of a `Hash` implementation.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Write {
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    Usize(usize),
    U128(u128),
    Bytes(Vec<u8>),
}

impl From<RawWrite> for Write {
    fn from((kind, bytes): RawWrite) -> Self {
        let word = number(&bytes) as u64;
        match kind % 8 {
            0 => Self::U8(word as u8),
            1 => Self::U16(word as u16),
            2 => Self::U32(word as u32),
            3 => Self::U64(word),
            4 => Self::Usize(word as usize),
            5 => Self::U128(number(&bytes)),
            6 => Self::Bytes(bytes),
            // Long enough to fill buffers and to pass the lengths that fit into a shape.
            _ => Self::Bytes(bytes.repeat([1, 9, 70][bytes.len() % 3])),
        }
    }
}

fn number(bytes: &[u8]) -> u128 {
    bytes.iter().take(16).fold(0, |number, &byte| number << 8 | u128::from(byte))
}

impl Write {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::U8(i) => i.to_le_bytes().to_vec(),
            Self::U16(i) => i.to_le_bytes().to_vec(),
            Self::U32(i) => i.to_le_bytes().to_vec(),
            Self::U64(i) => i.to_le_bytes().to_vec(),
            Self::Usize(i) => i.to_le_bytes().to_vec(),
            Self::U128(i) => i.to_le_bytes().to_vec(),
            Self::Bytes(bytes) => bytes.clone(),
        }
    }

    /// The same bytes, or some zeros more, written as an integer.
    fn of_bytes(kind: u8, bytes: &[u8]) -> Self {
        let word = bytes.iter().take(16).rev().fold(0, |word, &byte| word << 8 | u128::from(byte));
        match kind % 7 {
            0 => Self::U8(word as u8),
            1 => Self::U16(word as u16),
            2 => Self::U32(word as u32),
            3 => Self::U64(word as u64),
            4 => Self::Usize(word as usize),
            5 => Self::U128(word),
            _ => Self::Bytes(bytes.to_vec()),
        }
    }
}

/// A key that makes these writes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Script(Vec<Write>);

impl Script {
    /// Whether it is one integer of at most 64 bits: those have an exact path.
    fn is_exact(&self) -> bool {
        matches!(self.0[..], [Write::U8(_) | Write::U16(_) | Write::U32(_) | Write::U64(_) | Write::Usize(_)])
    }

    /// Changes the key into one that is easily confused with it.
    fn edit(&mut self, (what, at, how): (u8, u8, u8)) {
        let Some(place) = usize::from(at).checked_rem(self.0.len()) else {
            self.0.push(Write::Bytes(vec![0; usize::from(how % 9)]));
            return;
        };
        let bytes = self.0[place].bytes();
        match what % 8 {
            // The same bytes by another kind of write.
            0 => self.0[place] = Write::of_bytes(how, &bytes),
            // The same bytes, cut in two.
            1 => {
                let cut = usize::from(how) % (bytes.len() + 1);
                let halves = [Write::Bytes(bytes[..cut].into()), Write::Bytes(bytes[cut..].into())];
                self.0.splice(place..=place, halves);
            }
            2 => _ = self.0.splice(place..=place, bytes.iter().copied().map(Write::U8)),
            // Padding.
            3 => {
                let mut longer = bytes;
                longer.resize(longer.len() + usize::from(how % 17), 0);
                self.0[place] = Write::Bytes(longer);
            }
            4 => {
                let mut flipped = bytes;
                if let Some(at) = usize::from(how).checked_rem(flipped.len() * 8) {
                    flipped[at / 8] ^= 1 << (at % 8);
                }
                self.0[place] = Write::of_bytes(6, &flipped);
            }
            5 => _ = self.0.remove(place),
            6 => self.0.insert(place, self.0[place].clone()),
            _ => {
                let other = usize::from(how) % self.0.len();
                self.0.swap(place, other);
            }
        }
    }
}

impl Hash for Script {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        for write in &self.0 {
            match write {
                Write::U8(i) => hasher.write_u8(*i),
                Write::U16(i) => hasher.write_u16(*i),
                Write::U32(i) => hasher.write_u32(*i),
                Write::U64(i) => hasher.write_u64(*i),
                Write::Usize(i) => hasher.write_usize(*i),
                Write::U128(i) => hasher.write_u128(*i),
                Write::Bytes(bytes) => hasher.write(bytes),
            }
        }
    }
}
