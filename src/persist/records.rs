//! What is in the frames: a header, entries, and their number.
//!
//! No length is believed: memory is taken for what has been read and verified, piece by piece.

use super::frames::{FrameReader, FrameWriter};
use super::{RestoreError, SaveError};
use crate::key::KeyHash;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{Read, Write};

/// What comes before the entries.
pub(crate) struct Header {
    pub(crate) identity: KeyHash,
    /// Of the hasher; empty if it has none to give.
    pub(crate) secret: Vec<u64>,
    /// By the host's clock, since 1970.
    pub(crate) saved_ms: u64,
    /// The name of the type of the values.
    pub(crate) values: String,
    /// The name of the policy.
    pub(crate) policy: String,
    pub(crate) knowledge: Vec<u64>,
}

/// An entry.
pub(crate) struct Entry<V> {
    pub(crate) key: KeyHash,
    pub(crate) cost: u64,
    /// What was left of its time to live; `None` is for ever.
    pub(crate) left_ms: Option<u64>,
    /// How long it would have lived if nobody had read it any more; `None` is for ever.
    pub(crate) unread_ms: Option<u64>,
    /// The policy's.
    pub(crate) note: u64,
    pub(crate) pinned: bool,
    pub(crate) tag: Option<u64>,
    /// What was left until it would have been refreshed by age; `None` where nothing is.
    pub(crate) due_ms: Option<u64>,
    pub(crate) value: V,
}

/// Writes a snapshot.
pub(crate) struct Writer<W> {
    frames: FrameWriter<W>,
    entries: u64,
    /// Scratch: a serialised value.
    value: Vec<u8>,
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(writer: W, header: &Header) -> Result<Self, SaveError> {
        let mut this = Self { frames: FrameWriter::new(writer)?, entries: 0, value: Vec::new() };
        this.put(&[header.identity.index, header.identity.conflict])?;
        this.put_words(&header.secret)?;
        this.put(&[header.saved_ms])?;
        this.put_bytes(header.values.as_bytes())?;
        this.put_bytes(header.policy.as_bytes())?;
        this.put_words(&header.knowledge)?;
        Ok(this)
    }

    pub(crate) fn entry<V: Serialize>(&mut self, entry: &Entry<V>) -> Result<(), SaveError> {
        let mut value = std::mem::take(&mut self.value);
        value.clear();
        self.value = postcard::to_extend(&entry.value, value).map_err(|_| SaveError::Value)?;
        let KeyHash { index, conflict } = entry.key;
        let [left_ms, unread_ms] = [entry.left_ms, entry.unread_ms].map(|ms| ms.unwrap_or(FOR_EVER));
        self.frames.put(&[ENTRY])?;
        self.put(&[index, conflict, entry.cost, left_ms, unread_ms, entry.note])?;
        let marks = [(entry.pinned, PINNED), (entry.tag.is_some(), TAGGED), (entry.due_ms.is_some(), DUE)];
        self.frames.put(&[marks.iter().filter(|(is_set, _)| *is_set).map(|(_, mark)| mark).sum()])?;
        entry.tag.iter().chain(&entry.due_ms).try_for_each(|&word| self.put(&[word]))?;
        self.put(&[self.value.len() as u64])?;
        self.frames.put(&self.value)?;
        self.value.shrink_to(SCRATCH);
        self.entries += 1;
        Ok(())
    }

    /// Returns the number of entries, and of bytes.
    pub(crate) fn end(mut self) -> Result<(u64, u64), SaveError> {
        self.frames.put(&[LAST])?;
        self.put(&[self.entries])?;
        Ok((self.entries, self.frames.end()?))
    }

    #[cfg(test)]
    pub(super) fn miscount(&mut self) {
        self.entries += 1;
    }

    fn put(&mut self, words: &[u64]) -> Result<(), SaveError> {
        Ok(words.iter().try_for_each(|word| self.frames.put(&word.to_le_bytes()))?)
    }

    fn put_bytes(&mut self, bytes: &[u8]) -> Result<(), SaveError> {
        self.put(&[bytes.len() as u64])?;
        Ok(self.frames.put(bytes)?)
    }

    fn put_words(&mut self, words: &[u64]) -> Result<(), SaveError> {
        self.put(&[words.len() as u64])?;
        self.put(words)
    }
}

/// Reads a snapshot.
pub(crate) struct Reader<R> {
    frames: FrameReader<R>,
    entries: u64,
    /// Scratch: a serialised value.
    value: Vec<u8>,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(reader: R) -> Result<Self, RestoreError> {
        Ok(Self { frames: FrameReader::new(reader)?, entries: 0, value: Vec::new() })
    }

    pub(super) fn header(&mut self) -> Result<Header, RestoreError> {
        let [index, conflict] = self.take()?;
        let secret = self.take_words()?;
        let [saved_ms] = self.take()?;
        let values = self.take_name()?;
        let policy = self.take_name()?;
        let knowledge = self.take_words()?;
        Ok(Header { identity: KeyHash { index, conflict }, secret, saved_ms, values, policy, knowledge })
    }

    /// The next entry and the length of its value; `None` after the last, when the end has been seen.
    pub(crate) fn entry<V: DeserializeOwned>(&mut self) -> Result<Option<(Entry<V>, usize)>, RestoreError> {
        let mut tag = [0];
        self.frames.take(&mut tag)?;
        if tag == [LAST] {
            let [entries] = self.take()?;
            self.frames.end()?;
            return if entries == self.entries { Ok(None) } else { Err(RestoreError::Corrupt) };
        }
        if tag != [ENTRY] {
            return Err(RestoreError::Corrupt);
        }
        let [index, conflict, cost, left_ms, unread_ms, note] = self.take()?;
        let marks = self.marks()?;
        let mut marked = |mark: u8| -> Result<Option<u64>, RestoreError> {
            Ok(if marks & mark == 0 { None } else { Some(self.take::<1>()?[0]) })
        };
        let (tag, due_ms) = (marked(TAGGED)?, marked(DUE)?);
        let [len] = self.take()?;
        self.value.clear();
        self.frames.append(len, &mut self.value)?;
        let (value, rest) = postcard::take_from_bytes(&self.value).map_err(|_| RestoreError::Value)?;
        if !rest.is_empty() {
            return Err(RestoreError::Value);
        }
        let len = self.value.len();
        self.value.shrink_to(SCRATCH);
        self.entries += 1;
        let key = KeyHash { index, conflict };
        let [left_ms, unread_ms] = [left_ms, unread_ms].map(|ms| Some(ms).filter(|&ms| ms != FOR_EVER));
        let pinned = marks & PINNED != 0;
        Ok(Some((Entry { key, cost, left_ms, unread_ms, note, pinned, tag, due_ms, value }, len)))
    }

    /// What else is known of an entry. The first version of the format knew nothing else.
    fn marks(&mut self) -> Result<u8, RestoreError> {
        let mut marks = [0];
        if self.frames.version() > 1 {
            self.frames.take(&mut marks)?;
        }
        if marks[0] & !(PINNED | TAGGED | DUE) == 0 { Ok(marks[0]) } else { Err(RestoreError::Corrupt) }
    }

    /// The bytes held for a value.
    #[cfg(test)]
    pub(super) fn scratch(&self) -> usize {
        self.value.capacity()
    }

    fn take<const N: usize>(&mut self) -> Result<[u64; N], RestoreError> {
        let mut words = [0; N];
        for word in &mut words {
            let mut bytes = [0; 8];
            self.frames.take(&mut bytes)?;
            *word = u64::from_le_bytes(bytes);
        }
        Ok(words)
    }

    fn take_name(&mut self) -> Result<String, RestoreError> {
        let [len] = self.take()?;
        let mut name = Vec::new();
        self.frames.append(len, &mut name)?;
        String::from_utf8(name).map_err(|_| RestoreError::Corrupt)
    }

    fn take_words(&mut self) -> Result<Vec<u64>, RestoreError> {
        let [len] = self.take()?;
        // One by one: memory is taken for words that are there, not for those that are announced.
        let mut words = Vec::new();
        for _ in 0..len {
            let [word] = self.take()?;
            words.push(word);
        }
        Ok(words)
    }
}

const ENTRY: u8 = 1;
const LAST: u8 = 0;
const PINNED: u8 = 1;
const TAGGED: u8 = 2;
const DUE: u8 = 4;
const FOR_EVER: u64 = u64::MAX;
/// What is kept of the memory of a large value.
const SCRATCH: usize = 1 << 16;
