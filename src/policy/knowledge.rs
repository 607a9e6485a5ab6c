//! What a policy has learned, as words: written in order, read back in order.
//!
//! Snapshots keep these words and know nothing of their meaning. Whoever reads them trusts nothing: a length is believed only as
//! far as there are words, and every policy checks what it reads before it takes it over.

/// Appends words behind their number.
pub(super) fn put_words(words: &mut Vec<u64>, more: impl ExactSizeIterator<Item = u64>) {
    words.push(more.len() as u64);
    words.extend(more);
}

/// Halves of words, two in one, the first one low. An odd one out is completed by zero.
pub(super) fn put_halves(words: &mut Vec<u64>, halves: &[u32]) {
    let pair = |pair: &[u32]| u64::from(pair[0]) | u64::from(pair.get(1).copied().unwrap_or(0)) << 32;
    put_words(words, halves.chunks(2).map(pair));
}

/// Reads words.
#[derive(Clone)]
pub(super) struct Words<'a>(&'a [u64]);

impl<'a> Words<'a> {
    pub(super) fn new(words: &'a [u64]) -> Self {
        Self(words)
    }

    pub(super) fn next(&mut self) -> Option<u64> {
        let (&word, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(word)
    }

    pub(super) fn next_u32(&mut self) -> Option<u32> {
        self.next()?.try_into().ok()
    }

    /// Words that their number stands before.
    pub(super) fn words(&mut self) -> Option<&'a [u64]> {
        let len = usize::try_from(self.next()?).ok()?;
        let (words, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(words)
    }

    /// `len` halves of words.
    pub(super) fn halves(&mut self, len: usize) -> Option<impl Iterator<Item = u32> + 'a> {
        let words = self.words().filter(|words| words.len() == len.div_ceil(2))?;
        Some(words.iter().flat_map(|&word| [word as u32, (word >> 32) as u32]).take(len))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
