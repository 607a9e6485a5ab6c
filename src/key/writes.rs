//! What a key's [`Hash`](std::hash::Hash) writes, as a stream of whole words from which it can be read back.
//!
//! `Hash` is a sequence of typed writes. Run together as bytes, different sequences look alike: `"ab", "c"` and
//! `"a", "bc"`; `1u8, 0u8` and `1u16`. As the words are all that is known of a key, each sequence
//! gets an encoding of its own, which costs next to nothing:
//!
//! - *Data words* hold what was written: a `u64` in one, a `u128` in two, `n` bytes in `n.div_ceil(8)`.
//! - The *shape* is one more word that collects, four bits per write, what kind of write each was, with the number of
//!   bytes or, if it is small, the integer itself. It goes out behind the data that it describes,
//!   when it is full and at the end.
//!
//! | write | field of the shape, from its low end | data words |
//! |---|---|---|
//! | `u8`, `u16`, `u32` | kind, the integer | |
//! | `u64` | kind | 1 |
//! | `usize` below 256 | kind, 8 bits | |
//! | `usize` | kind | 1 |
//! | `u128` | kind | 2: low, high |
//! | less than 2²⁰ bytes | kind, 20 bits of length | the bytes, padded with zeros |
//! | bytes | kind | the bytes, padded with zeros; the length |
//!
//! New fields push older ones up; the oldest has a single 1 above it. So the stream can be read *from
//! its end*: the last word is a shape; its lowest field is the last write and says how many data words
//! before it to take; when only the 1 is left, the word before, if there is one, is an earlier shape. Each
//! step is forced, hence no two sequences have the same stream. (The tests hold such a reader.)
//!
//! A shape fills 56 bits at most: a sink may use the upper byte of the last word for itself.
//!
//! A key that turns out to be one integer goes out as that, see [`exact`](super::exact): the first integer is held
//! back until a second write or the end.

use super::KeyHash;
use super::exact::Width;
use std::hash::Hasher;

/// Where the words go.
pub(super) trait Sink: Clone {
    /// One integer was all: there is no stream.
    fn exact(&self, width: Width, integer: u64) -> KeyHash;
    /// The next word of the stream.
    fn word(&mut self, word: u64);
    /// The next `bytes.len().div_ceil(8)` words of the stream.
    fn bytes(&mut self, bytes: &[u8]);
    /// The last word of the stream, below 2^56.
    fn close(&mut self, shape: u64) -> KeyHash;
}

/// The [`Hasher`] that a key writes itself to.
#[derive(Clone)]
pub(super) struct Writes<S> {
    sink: S,
    /// The fields since the last shape went out, below a leading 1.
    shape: u64,
    first: First,
}

/// What became of the first write.
#[derive(Clone, Copy)]
enum First {
    /// There was none yet.
    Awaited,
    /// It was an integer, and no other has followed.
    Held(Width, u64),
    /// It is in the stream.
    Gone,
}

impl<S: Sink> Writes<S> {
    #[inline]
    pub(super) fn new(sink: S) -> Self {
        Self { sink, shape: EMPTY, first: First::Awaited }
    }

    #[inline]
    pub(super) fn close(&mut self) -> KeyHash {
        match self.first {
            First::Held(width, integer) => self.sink.exact(width, integer),
            First::Awaited | First::Gone => self.sink.close(self.shape),
        }
    }

    #[inline]
    fn integer(&mut self, width: Width, integer: u64) {
        if let First::Awaited = self.first {
            self.first = First::Held(width, integer);
        } else {
            self.release();
            self.stream(width, integer);
        }
    }

    /// Sends the first write on its way, as it is not the only one.
    #[inline]
    fn release(&mut self) {
        if let First::Held(width, integer) = self.first {
            self.stream(width, integer);
        }
        self.first = First::Gone;
    }

    #[inline]
    fn stream(&mut self, width: Width, integer: u64) {
        match width {
            Width::U8 => self.field(kind::U8, 8, integer),
            Width::U16 => self.field(kind::U16, 16, integer),
            Width::U32 => self.field(kind::U32, 32, integer),
            Width::Usize if integer < 256 => self.field(kind::USIZE_SMALL, 8, integer),
            Width::Usize => self.words(kind::USIZE, &[integer]),
            Width::U64 => self.words(kind::U64, &[integer]),
        }
    }

    #[inline]
    fn words(&mut self, kind: u64, words: &[u64]) {
        self.make_room(0);
        for &word in words {
            self.sink.word(word);
        }
        self.push(kind, 0, 0);
    }

    #[inline]
    fn field(&mut self, kind: u64, bits: u32, value: u64) {
        self.make_room(bits);
        self.push(kind, bits, value);
    }

    /// Sees to it that the next field fits, *before* its data words go out.
    #[inline]
    fn make_room(&mut self, bits: u32) {
        if self.shape.leading_zeros() < SINKS_OWN_BITS + KIND_BITS + bits {
            self.sink.word(self.shape);
            self.shape = EMPTY;
        }
    }

    #[inline]
    fn push(&mut self, kind: u64, bits: u32, value: u64) {
        self.shape = (self.shape << bits | value) << KIND_BITS | kind;
    }
}

impl<S: Sink> Hasher for Writes<S> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.release();
        self.make_room(LEN_BITS);
        self.sink.bytes(bytes);
        let len = bytes.len() as u64;
        if len < 1 << LEN_BITS {
            self.push(kind::BYTES, LEN_BITS, len);
        } else {
            self.sink.word(len);
            self.push(kind::BYTES_MANY, 0, 0);
        }
    }

    #[inline]
    fn write_u8(&mut self, i: u8) {
        self.integer(Width::U8, u64::from(i));
    }

    #[inline]
    fn write_u16(&mut self, i: u16) {
        self.integer(Width::U16, u64::from(i));
    }

    #[inline]
    fn write_u32(&mut self, i: u32) {
        self.integer(Width::U32, u64::from(i));
    }

    #[inline]
    fn write_u64(&mut self, i: u64) {
        self.integer(Width::U64, i);
    }

    #[inline]
    fn write_usize(&mut self, i: usize) {
        self.integer(Width::Usize, i as u64);
    }

    #[inline]
    fn write_u128(&mut self, i: u128) {
        self.release();
        self.words(kind::U128, &[i as u64, (i >> 64) as u64]);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.clone().close().index
    }
}

/// The words of a run of bytes, the last one padded with zeros.
#[inline]
pub(super) fn for_each_word(bytes: &[u8], mut each: impl FnMut(u64)) {
    let (whole, rest) = bytes.as_chunks::<8>();
    for word in whole {
        each(u64::from_le_bytes(*word));
    }
    if rest.is_empty() {
        return;
    }
    each(match bytes.last_chunk::<8>() {
        // The last eight bytes, less those that the word before has taken.
        Some(last) => u64::from_le_bytes(*last) >> (64 - 8 * rest.len()),
        None => short_word(rest),
    });
}

/// One to seven bytes as a word, without a loop.
#[inline]
fn short_word(bytes: &[u8]) -> u64 {
    let len = bytes.len();
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
            // Where they overlap they agree.
            u64::from(first) | u64::from(last) << (8 * (len - 4))
        }
        _ => {
            let byte = |at: usize| u64::from(bytes[at]) << (8 * at);
            byte(0) | byte(len / 2) | byte(len - 1)
        }
    }
}

/// A shape without fields.
const EMPTY: u64 = 1;
/// The upper bits of a shape that stay zero.
const SINKS_OWN_BITS: u32 = 8;
const KIND_BITS: u32 = 4;
const LEN_BITS: u32 = 20;

/// The kinds of write.
mod kind {
    pub(super) const U8: u64 = 0;
    pub(super) const U16: u64 = 1;
    pub(super) const U32: u64 = 2;
    pub(super) const U64: u64 = 3;
    pub(super) const USIZE_SMALL: u64 = 4;
    pub(super) const USIZE: u64 = 5;
    pub(super) const U128: u64 = 6;
    pub(super) const BYTES: u64 = 7;
    pub(super) const BYTES_MANY: u64 = 8;
}

#[cfg(test)]
#[path = "writes_tests.rs"]
pub(super) mod tests;
