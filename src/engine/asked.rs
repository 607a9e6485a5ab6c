//! Keys that were asked for, missed, and not inserted yet.
//!
//! A miss and the insertion that answers it are one access, but they reach the engine on different
//! paths: the miss through the lossy access ring, the insertion through the lossless log. This small
//! direct-mapped table of fingerprints joins them, so that a policy counts the pair once whether or
//! not the miss got through. Being wrong now and then is harmless: a forgotten miss is counted twice, a
//! fingerprint shared by two keys (1 in 2^22) hides one count. It has room for several times the misses that lie between being heard and being
//! answered: insertions wait in their logs while the slack lasts, a 64th of the budget.

/// Direct-mapped: a newer miss replaces an older one. 1 to 64 KiB.
#[derive(Debug)]
pub(super) struct Asked {
    /// Non-zero 32-bit fingerprints; zero is vacant.
    tags: Box<[u32]>,
}

impl Asked {
    /// For a cache of about `entries` residents.
    pub(super) fn new(entries: usize) -> Self {
        let slots = (entries / ENTRIES_PER_SLOT).clamp(LEAST_SLOTS, MOST_SLOTS).next_power_of_two();
        Self { tags: vec![0; slots].into() }
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

    pub(super) fn clear(&mut self) {
        self.tags.fill(0);
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
