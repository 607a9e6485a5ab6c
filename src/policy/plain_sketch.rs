//! A count-min sketch without refinements, for the policy that is published with it.
//!
//! Cormode, Muthukrishnan: "An improved data stream summary: the count-min sketch and its
//! applications", Journal of Algorithms 55(1), 2005; with 4-bit counters, halved from time to time, as
//! in the Caffeine library. Compared with [`FrequencySketch`](super::sketch::FrequencySketch) there is no
//! doorkeeper, and all four counters of a key rise, not the smallest only. W-TinyLFU's filter compares for
//! "more frequent", and a doorkeeper, being cleared while counters are halved, breaks ties on a loop in
//! the wrong direction (measured: 3 points of 29).
//!
//! A key has one 64-byte block and in it four counters, one in each 16-byte segment. After ten counted
//! accesses per entry all counters are halved, and so is the count, less what the halving rounded away.

use super::lines::Lines;
use super::sketch::{MAX_ENTRIES, TOO_LARGE, larger_counters, remix};

/// A count-min sketch of 4-bit counters; 8 bytes per entry.
#[derive(Debug)]
pub(crate) struct PlainSketch {
    /// A power of two of blocks, each of 4 segments of 2 words of 16 counters.
    blocks: Lines<u64, 8>,
    /// Accesses counted since the last ageing, and what was left of the count then.
    counted: u64,
    /// Ageing comes when so many are counted.
    period: u64,
}

impl PlainSketch {
    pub(crate) fn new() -> Self {
        Self { blocks: Lines::zeroed(FIRST_BLOCKS), counted: 0, period: 0 }
    }

    /// Counts an access of `index`, in a cache of `entries` residents. O(1), but for growing and ageing,
    /// which are O(table), and O(1) amortised. A table that has become 32 times too large is folded.
    pub(crate) fn touch(&mut self, index: u64, entries: usize) {
        while self.blocks.len() * ENTRIES_PER_BLOCK < entries.min(MAX_ENTRIES) {
            self.blocks.double();
        }
        while self.blocks.len() > FIRST_BLOCKS && self.blocks.len() * ENTRIES_PER_BLOCK / TOO_LARGE >= entries
        {
            self.blocks.halve(larger_counters);
        }
        self.period = PERIOD * (entries.max(FIRST_BLOCKS * ENTRIES_PER_BLOCK)) as u64;
        // Of a period that became shorter, no more than the whole has passed: one ageing is due, not many.
        self.counted = self.counted.min(self.period);
        let (block, places) = self.places(index);
        let block = self.blocks.line_mut(block);
        let mut raised = false;
        for (word, shift) in places {
            if block[word] >> shift & 15 < 15 {
                block[word] += 1 << shift;
                raised = true;
            }
        }
        self.counted += u64::from(raised);
        if self.counted >= self.period {
            self.age();
        }
    }

    /// About how often `index` was accessed since the last ageings, 0 to 15.
    pub(crate) fn estimate(&self, index: u64) -> u8 {
        let (block, places) = self.places(index);
        let block = self.blocks.line(block);
        places.into_iter().fold(15, |least, (word, shift)| least.min((block[word] >> shift & 15) as u8))
    }

    /// Bytes of heap memory held.
    pub(crate) fn memory(&self) -> usize {
        self.blocks.memory()
    }

    /// The block of a key, and the word and shift of its four counters.
    fn places(&self, index: u64) -> (usize, [(usize, u32); 4]) {
        let hash = remix(index);
        let block = hash as usize & (self.blocks.len() - 1);
        let counter = |row: usize| (hash >> (44 + 5 * row)) as u32 & 31;
        (block, std::array::from_fn(|row| (2 * row + (counter(row) >> 4) as usize, (counter(row) & 15) * 4)))
    }

    #[cold]
    fn age(&mut self) {
        let mut odd = 0;
        for word in self.blocks.all_mut().as_flattened_mut() {
            odd += u64::from((*word & 0x1111_1111_1111_1111).count_ones());
            *word = *word >> 1 & 0x7777_7777_7777_7777;
        }
        self.counted = self.counted.saturating_sub(odd / 4) / 2;
    }
}

/// 16 counters for each entry.
const ENTRIES_PER_BLOCK: usize = 8;
const FIRST_BLOCKS: usize = 2;
/// Counted accesses that make the counters age, for each entry.
const PERIOD: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_follow_the_count_and_saturate() {
        let mut sketch = PlainSketch::new();
        for before in 0..20 {
            assert_eq!(sketch.estimate(7), before.min(15));
            sketch.touch(7, 1000);
        }
        assert_eq!(sketch.estimate(8), 0);
    }

    #[test]
    fn growth_loses_no_count_and_ageing_halves() {
        let mut sketch = PlainSketch::new();
        (0..9).for_each(|_| sketch.touch(7, 16));
        sketch.touch(8, 100_000);
        assert!(sketch.memory() >= 100_000 * 8);
        assert_eq!(sketch.estimate(7), 9);
        sketch.age();
        assert_eq!(sketch.estimate(7), 4);
        assert!(sketch.counted < 5);
    }

    #[test]
    fn a_table_that_is_too_large_is_folded_and_forgets_nobody() {
        let mut sketch = PlainSketch::new();
        (0..12).for_each(|_| sketch.touch(7, 100_000));
        (100..400_100).for_each(|index| sketch.touch(index, 100_000));
        let whole = sketch.memory();
        sketch.touch(8, 1000);
        assert!((8_000..whole / 4).contains(&sketch.memory()), "{} of {whole}", sketch.memory());
        // As much was counted as makes a small table age: once.
        assert!(sketch.estimate(7) >= 6, "{}", sketch.estimate(7));
        (0..100).for_each(|index| sketch.touch(index, 1000));
        assert!(sketch.estimate(7) >= 6, "{}", sketch.estimate(7));
    }

    #[test]
    fn ageing_comes_after_ten_counted_accesses_per_entry() {
        let mut sketch = PlainSketch::new();
        (0..999).for_each(|index| sketch.touch(index, 100));
        assert_eq!(sketch.counted, 999);
        sketch.touch(1000, 100);
        assert!(sketch.counted < 500, "{} counted", sketch.counted);
    }
}
