//! Keys that were asked for, missed, and not inserted yet.
//!
//! A miss and the insertion that answers it are one access, but they reach the engine on different
//! paths: the miss through the lossy access ring, the insertion through the lossless log. This small
//! direct-mapped table of fingerprints joins them, so that a policy counts the pair once whether or
//! not the miss got through. Being wrong is harmless: a forgotten miss is counted twice, a
//! fingerprint shared by two keys (1 in 2^22) hides one count.

/// Direct-mapped: a newer miss replaces an older one. 4 KiB.
#[derive(Debug)]
pub(super) struct Asked {
    /// Non-zero 32-bit fingerprints; zero is vacant.
    tags: Box<[u32; SLOTS]>,
}

impl Asked {
    pub(super) fn new() -> Self {
        Self { tags: Box::new([0; SLOTS]) }
    }

    /// Remembers a miss.
    #[inline]
    pub(super) fn note(&mut self, index: u64) {
        self.tags[Self::place(index)] = Self::tag(index);
    }

    /// Whether a miss of `index` is remembered; forgets it.
    #[inline]
    pub(super) fn take(&mut self, index: u64) -> bool {
        let tag = &mut self.tags[Self::place(index)];
        let known = *tag == Self::tag(index);
        if known {
            *tag = 0;
        }
        known
    }

    pub(super) fn clear(&mut self) {
        self.tags.fill(0);
    }

    fn place(index: u64) -> usize {
        (index >> 20) as usize % SLOTS
    }

    fn tag(index: u64) -> u32 {
        (index >> 32) as u32 | 1
    }
}

const SLOTS: usize = 1024;
