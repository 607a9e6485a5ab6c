//! When entries were born, for a sample of them: enough for a histogram of life times, bounded in memory.
//!
//! Sampled are keys, by hash, one in so many that those who live fit into the table: when it is full, half of them are let go
//! of, and half of the newcomers from then on. Those who stay for ever do not fill it up, therefore, and those who come and
//! go are seen in proportion.

use std::collections::HashMap;

/// The birth of each sampled entry, in milliseconds of the cache's clock.
#[derive(Debug)]
pub(super) struct Births {
    born: HashMap<u64, u64>,
    /// One index in 2^thinning is sampled.
    thinning: u32,
}

impl Births {
    const MOST: usize = 4096;

    pub(super) fn new() -> Self {
        Self { born: HashMap::new(), thinning: LEAST_THINNING }
    }

    /// Remembers when a sampled index first came in.
    pub(super) fn note(&mut self, index: u64, now_ms: impl FnOnce() -> u64) {
        if !self.is_sampled(index) {
            return;
        }
        if self.born.len() == Self::MOST && !self.born.contains_key(&index) {
            self.thin_out();
            return self.note(index, now_ms);
        }
        self.born.entry(index).or_insert_with(now_ms);
    }

    /// When a sampled index came in; forgets it.
    pub(super) fn take(&mut self, index: u64) -> Option<u64> {
        if self.is_sampled(index) { self.born.remove(&index) } else { None }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    #[cold]
    fn thin_out(&mut self) {
        self.thinning += 1;
        let thinning = self.thinning;
        self.born.retain(|&index, _| is_sampled(index, thinning));
    }

    fn is_sampled(&self, index: u64) -> bool {
        is_sampled(index, self.thinning)
    }
}

/// An index is a hash: any of its bits do.
fn is_sampled(index: u64, thinning: u32) -> bool {
    (index >> 8).trailing_zeros() >= thinning
}

/// A table of [`Births::MOST`] serves caches of some 65,000 entries at first.
const LEAST_THINNING: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// An index that differs in the bits that are looked at.
    fn index(key: u64) -> u64 {
        key << 12
    }

    #[test]
    fn a_birth_is_remembered_once() {
        let mut births = Births::new();
        births.note(index(1), || 10);
        births.note(index(1), || 20);
        assert_eq!(births.take(index(1)), Some(10));
        assert_eq!(births.take(index(1)), None);
    }

    #[test]
    fn those_who_stay_do_not_keep_out_those_who_come_and_go() {
        let mut births = Births::new();
        (0..100_000).for_each(|key| births.note(index(key), || 0));
        assert!(births.born.len() <= Births::MOST && births.born.len() > Births::MOST / 4);
        let mut seen = 0;
        for key in 100_000..200_000 {
            births.note(index(key), || 1);
            seen += usize::from(births.take(index(key)) == Some(1));
        }
        assert!((1000..100_000).contains(&seen), "{seen} of 100,000 were seen to leave");
    }

    #[test]
    fn who_left_again_is_not_remembered_forever() {
        let mut births = Births::new();
        births.note(0, || 5);
        assert_eq!(births.take(0), Some(5), "index 0 is in every sample");
        births.note(index(1), || 5);
        births.clear();
        assert_eq!(births.take(index(1)), None);
    }
}
