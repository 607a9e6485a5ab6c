//! The doorkeeper: a Bloom filter that takes the first access of a key off the sketch's hands.
//!
//! Most keys of most workloads are seen once in a long while. A bit pattern is all that they need, and the
//! counters stay free for keys that come back (Einziger, Friedman, Manes, "TinyLFU", 2017, §3.4.2).
//! Three bits in one 64-bit word per key; one word serves two keys. Cleared at every ageing, and before that when too many keys came.

use super::sketch::remix;

/// A set of keys that forgets everything at once and never denies a member.
#[derive(Debug)]
pub(super) struct Doorkeeper {
    /// A power of two of words.
    words: Vec<u64>,
}

impl Doorkeeper {
    /// An empty set with 32 bits for each of `entries` keys, at least one word.
    pub(super) fn new(entries: usize) -> Self {
        Self { words: vec![0; entries.div_ceil(2).next_power_of_two()] }
    }

    /// Adds the key. Whether it was a member before.
    #[inline]
    pub(super) fn insert(&mut self, hash: u64) -> bool {
        let (at, bits) = self.place(hash);
        let word = &mut self.words[at];
        let known = *word & bits == bits;
        *word |= bits;
        known
    }

    /// Whether the key is a member: surely so if it was inserted since the last
    /// [`clear`](Self::clear), and in error for a few others.
    #[inline]
    pub(super) fn contains(&self, hash: u64) -> bool {
        let (at, bits) = self.place(hash);
        self.words[at] & bits == bits
    }

    /// The word that the key's bits are in.
    #[inline]
    pub(super) fn word(&self, hash: u64) -> u64 {
        self.words[self.place(hash).0]
    }

    /// Twice the room; members stay members.
    pub(super) fn double(&mut self) {
        self.words.extend_from_within(..);
    }

    pub(super) fn clear(&mut self) {
        self.words.fill(0);
    }

    /// Whether it takes most strangers for members.
    pub(super) fn is_crowded(&self) -> bool {
        let set: u64 = self.words.iter().map(|word| u64::from(word.count_ones())).sum();
        set > self.words.len() as u64 * 48
    }

    pub(super) fn words(&self) -> &[u64] {
        &self.words
    }

    /// The set whose [`words`](Self::words) these are.
    pub(super) fn of_words(words: &[u64]) -> Self {
        debug_assert!(words.len().is_power_of_two());
        Self { words: words.to_vec() }
    }

    pub(super) fn memory(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }

    #[inline]
    fn place(&self, hash: u64) -> (usize, u64) {
        let hash = remix(hash);
        let bit = |shift: u32| 1u64 << (hash >> shift & 63);
        (hash as usize & (self.words.len() - 1), bit(46) | bit(52) | bit(58))
    }
}

#[cfg(test)]
mod tests {
    use super::Doorkeeper;
    use crate::policy::sketch::remix;

    #[test]
    fn members_are_never_denied_and_strangers_rarely_let_in() {
        let mut door = Doorkeeper::new(1000);
        assert!((0..1000).map(remix).all(|key| !door.contains(key)));
        let early = (0..1000).map(remix).filter(|&key| door.insert(key)).count();
        assert!((0..1000).map(remix).all(|key| door.contains(key)));
        let wrong = (1000..11_000).map(remix).filter(|&key| door.contains(key)).count();
        assert!(early < 10 && wrong < 100, "{early} taken for members early, {wrong} of 10,000 strangers");
    }

    #[test]
    fn doubling_keeps_members_and_clearing_keeps_none() {
        let mut door = Doorkeeper::new(64);
        (0..64).map(remix).for_each(|key| _ = door.insert(key));
        door.double();
        assert!((0..64).map(remix).all(|key| door.contains(key)));
        door.clear();
        assert!((0..64).map(remix).all(|key| !door.contains(key)));
    }
}
