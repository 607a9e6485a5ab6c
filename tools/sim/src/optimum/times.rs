//! A set of positions in a trace, with O(log64 n) insertion, removal and maximum.
//!
//! A bitmap, a bitmap of its words that are not zero, and so on up to one word: four levels for the
//! longest trace that fits into memory, and no allocation after the first.

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Times {
    /// From the members to the single word at the top.
    levels: Vec<Vec<u64>>,
}

impl Times {
    /// An empty set of numbers below `limit`.
    pub(super) fn new(limit: usize) -> Self {
        let mut levels = Vec::new();
        let mut bits = limit.max(1);
        loop {
            bits = bits.div_ceil(64);
            levels.push(vec![0; bits]);
            if bits == 1 {
                return Self { levels };
            }
        }
    }

    pub(super) fn insert(&mut self, time: u32) {
        let mut place = time as usize;
        for level in &mut self.levels {
            level[place / 64] |= 1 << (place % 64);
            place /= 64;
        }
    }

    /// Whether it was a member.
    pub(super) fn remove(&mut self, time: u32) -> bool {
        let mut place = time as usize;
        let was_in = self.levels[0][place / 64] >> (place % 64) & 1 == 1;
        if was_in {
            for level in &mut self.levels {
                level[place / 64] &= !(1 << (place % 64));
                if level[place / 64] != 0 {
                    break;
                }
                place /= 64;
            }
        }
        was_in
    }

    /// The largest member.
    pub(super) fn max(&self) -> Option<u32> {
        let mut place = 0;
        for level in self.levels.iter().rev() {
            let word = level[place];
            if word == 0 {
                return None;
            }
            place = place * 64 + 63 - word.leading_zeros() as usize;
        }
        Some(place as u32)
    }
}
