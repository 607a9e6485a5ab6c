//! Keys that were asked for, missed, and not inserted yet.
//!
//! A miss and the insertion that answers it are one access, but they reach the engine on different
//! paths: the miss through the lossy access ring, the insertion through the lossless log. This small
//! direct-mapped table of fingerprints joins them, so that a policy counts the pair once whether or
//! not the miss got through. Being wrong now and then is harmless: a forgotten miss is counted twice, a
//! fingerprint shared by two keys (1 in some 2^30 of those that share its place) hides one count. In a full cache it has room for more than the misses that lie between being heard and being
//! answered: insertions wait in their logs while the slack lasts, a 64th of the budget, and there is a slot for every eighth resident. While
//! a cache fills, nobody is evicted on the word of a frequency, and more misses may be forgotten.

/// Direct-mapped: a newer miss replaces an older one. 1 to 64 KiB.
#[derive(Debug)]
pub(super) struct Asked {
    /// Non-zero 32-bit fingerprints; zero is vacant.
    tags: Box<[u32]>,
}

impl Asked {
    pub(super) fn new() -> Self {
        Self { tags: vec![0; LEAST_SLOTS].into() }
    }

    /// There are so many residents now. A doubled table repeats itself, so that no miss is forgotten.
    #[inline]
    pub(super) fn follow(&mut self, residents: usize) {
        if residents > self.tags.len() * ENTRIES_PER_SLOT && self.tags.len() < MOST_SLOTS {
            self.tags = self.tags.repeat(2).into();
        }
    }

    /// Remembers a miss.
    #[inline]
    pub(super) fn note(&mut self, index: u64) {
        let place = self.place(index);
        self.tags[place] = Self::tag(index);
    }

    /// Whether a miss of `index` is remembered; forgets it.
    #[inline]
    pub(super) fn take(&mut self, index: u64) -> bool {
        let place = self.place(index);
        let tag = &mut self.tags[place];
        let known = *tag == Self::tag(index);
        if known {
            *tag = 0;
        }
        known
    }

    /// Forgets all and gives the memory back.
    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.tags)
    }

    fn place(&self, index: u64) -> usize {
        (index >> 20) as usize & (self.tags.len() - 1)
    }

    fn tag(index: u64) -> u32 {
        (index >> 32) as u32 | 1
    }
}

const ENTRIES_PER_SLOT: usize = 8;
const LEAST_SLOTS: usize = 256;
const MOST_SLOTS: usize = 1 << 14;

#[cfg(test)]
mod tests {
    use super::*;

    fn index(key: u64) -> u64 {
        key.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    #[test]
    fn a_miss_is_told_once() {
        let mut asked = Asked::new();
        asked.note(index(1));
        assert!(!asked.take(index(2)));
        assert!(asked.take(index(1)));
        assert!(!asked.take(index(1)));
    }

    #[test]
    fn the_table_follows_the_residents_and_forgets_nothing_on_the_way() {
        let mut asked = Asked::new();
        let fresh = asked.memory();
        asked.follow(2000);
        assert_eq!(asked.memory(), fresh, "there is room for the misses of 2000 residents");
        let noted: Vec<u64> = (1..20).map(index).collect();
        noted.iter().for_each(|&index| asked.note(index));
        (2000..1_000_000).for_each(|residents| asked.follow(residents));
        assert_eq!(asked.memory(), fresh * 64, "1 to 64 KiB");
        assert!(noted.iter().all(|&index| asked.take(index)), "forgotten while it grew");
        asked.clear();
        assert_eq!(asked.memory(), fresh);
    }
}
