//! The frequency sketch: about how often was this key asked for, lately?
//!
//! A count-min sketch (Cormode, Muthukrishnan 2005) of 4-bit counters with conservative update, aged by
//! halving (Einziger, Friedman, Manes, "TinyLFU", 2017), behind a [`Doorkeeper`]. Twelve bytes per
//! expected entry.
//!
//! # Layout
//!
//! A key has one 64-byte block, hence one cache line, and in it four counters, one in each 16-byte
//! segment of 32 counters:
//!
//! ```text
//! remix(index):  | 5 bits | 5 bits | 5 bits | 5 bits |      ...      | block |
//!                  row 3    row 2    row 1    row 0                   low bits
//! ```
//!
//! Four disjoint groups of bits choose the counters, so that two keys of one block meet in one row by
//! chance 1/32, and in all four by 1/2^20. The index is remixed first: it may be weak.
//!
//! # Counting
//!
//! The first access of a key marks the doorkeeper: it is a *stranger*. The next ones are *repeats*: they raise its smallest
//! counters (all of them if they are equal). An estimate is the smallest counter, plus one if the
//! doorkeeper knows the key: never below the truth since the doorkeeper last forgot, until it saturates
//! at 16.
//!
//! # Forgetting
//!
//! After 10 repeats per expected entry all counters are halved and the doorkeeper is cleared. A repeat of a saturated key raises
//! nothing and is not among them: a very hot key must not make the others age. Nor must keys that are
//! never asked for again: after 8 strangers per expected entry the doorkeeper alone is cleared, before it takes too many of them for
//! known. A flood of new keys costs the counters little (one in some twenty is taken for known
//! and counts; several times as many before it is first cleared, if the table has just grown); in TinyLFU as published every one of them brings the next ageing nearer.
//!
//! # Size
//!
//! The table starts small and doubles as strangers come, up to the expected number of entries;
//! a doubled table repeats itself, so that no key loses its count. A sketch for a billion entries that
//! sees a thousand keys takes the memory of a thousand. A table that has become 32 times too large is folded, as often as it takes. Beyond [`MAX_ENTRIES`] keys share.

use super::doorkeeper::Doorkeeper;
use super::knowledge::{Words, put_words};
use super::lines::Lines;

/// A count-min sketch of 4-bit counters with ageing. See the [module](self).
#[derive(Debug)]
pub(crate) struct FrequencySketch {
    /// A power of two of blocks, each of 4 segments of 2 words of 16 counters.
    blocks: Lines<u64, 8>,
    doorkeeper: Doorkeeper,
    /// The number of entries to serve; at most [`MAX_ENTRIES`].
    entries: usize,
    /// Repeats since the last ageing.
    repeats: u64,
    /// Strangers since the doorkeeper was last cleared.
    strangers: u64,
    /// How many of them make the table grow or the doorkeeper forget.
    next_chore: u64,
}

impl FrequencySketch {
    /// An empty sketch for a cache of about `entries` residents. Any number will do.
    pub(crate) fn new(entries: usize) -> Self {
        let entries = entries.clamp(1, MAX_ENTRIES);
        let blocks = entries.min(FIRST_ENTRIES).div_ceil(ENTRIES_PER_BLOCK).next_power_of_two();
        let doorkeeper = Doorkeeper::new(blocks * ENTRIES_PER_BLOCK);
        Self::of(entries, Lines::zeroed(blocks), doorkeeper)
    }

    fn of(entries: usize, blocks: Lines<u64, 8>, doorkeeper: Doorkeeper) -> Self {
        let mut sketch = Self { blocks, doorkeeper, entries, repeats: 0, strangers: 0, next_chore: 0 };
        sketch.plan_chore();
        sketch
    }

    /// Counts an access of `index`. Returns the [`estimate`](Self::estimate) *before* it. O(1), but for
    /// growing and forgetting, which are O(table) and rare enough to be O(1) amortised: no table is more than [`TOO_LARGE`] times its need.
    #[inline]
    pub(crate) fn touch(&mut self, index: u64) -> u8 {
        let hash = remix(index);
        let known = self.doorkeeper.insert(hash);
        let at = hash as usize & (self.blocks.len() - 1);
        let block = self.blocks.line_mut(at);
        let counters = counters(block, hash);
        let smallest = smallest(counters);
        if !known {
            self.strangers += 1;
            if self.strangers >= self.next_chore {
                self.grow_or_forget_strangers();
            }
            return smallest;
        }
        if smallest < SATURATED {
            for (row, counter) in counters.into_iter().enumerate() {
                let (word, shift) = place(hash, row);
                block[word] += u64::from(counter == smallest) << shift;
            }
            self.repeats += 1;
            if self.repeats >= self.entries as u64 * REPEATS {
                self.age();
            }
        }
        smallest + 1
    }

    /// Reads what the next access of `index` will need, so that it lies in the processor's cache. The value says nothing.
    #[inline]
    pub(crate) fn prefetch(&self, index: u64) -> u64 {
        let hash = remix(index);
        let at = hash as usize & (self.blocks.len() - 1);
        self.blocks.line(at)[0] ^ self.doorkeeper.word(hash)
    }

    /// About how often `index` was accessed lately, 0 to 16.
    #[inline]
    pub(crate) fn estimate(&self, index: u64) -> u8 {
        let hash = remix(index);
        let at = hash as usize & (self.blocks.len() - 1);
        smallest(counters(self.blocks.line(at), hash)) + u8::from(self.doorkeeper.contains(hash))
    }

    /// Serves a cache of about `entries` residents from now on. Grows as strangers come. A table that is 32 times too large or more gives
    /// memory back at once, in O(table): keys that share counters from now on have the larger count. Strangers are then forgotten.
    pub(crate) fn set_entries(&mut self, entries: usize) {
        self.entries = entries.clamp(1, MAX_ENTRIES);
        if self.is_too_large() {
            while self.is_too_large() {
                self.blocks.halve(larger_counters);
            }
            // Not folded: it would know too many from the start.
            self.doorkeeper = Doorkeeper::new(self.room());
            self.strangers = 0;
        }
        self.plan_chore();
    }

    /// Appends all that it knows.
    pub(super) fn save(&self, words: &mut Vec<u64>) {
        words.extend([self.entries as u64, self.repeats, self.strangers]);
        put_words(words, self.blocks.all().as_flattened().iter().copied());
        put_words(words, self.doorkeeper.words().iter().copied());
    }

    /// The sketch that [`save`](Self::save) wrote.
    pub(super) fn load(words: &mut Words<'_>) -> Option<Self> {
        let entries =
            usize::try_from(words.next()?).ok().filter(|entries| (1..=MAX_ENTRIES).contains(entries))?;
        let (repeats, strangers) = (words.next()?, words.next()?);
        let blocks = words.words()?;
        let is_table = blocks.len().is_multiple_of(8) && (blocks.len() / 8).is_power_of_two();
        let door = words
            .words()
            .filter(|door| is_table && door.len() == blocks.len() / 8 * ENTRIES_PER_BLOCK / 2)?;
        let blocks = Lines::collect(blocks.iter().copied(), blocks.len());
        let mut sketch = Self::of(entries, blocks, Doorkeeper::of_words(door));
        // There may have been more of them than are let pass now, if the number of entries was lowered since: the chore is due.
        sketch.repeats = repeats.min(entries as u64 * REPEATS);
        sketch.strangers = strangers.min(sketch.next_chore);
        // Of a doorkeeper that knows everybody no stranger would ever be heard.
        if sketch.doorkeeper.is_crowded() {
            sketch.forget_strangers();
        }
        Some(sketch)
    }

    /// Bytes of heap memory held.
    pub(crate) fn memory(&self) -> usize {
        self.blocks.memory() + self.doorkeeper.memory()
    }

    /// The number of entries to serve.
    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    /// The number of entries that the table has room for at present.
    fn room(&self) -> usize {
        self.blocks.len() * ENTRIES_PER_BLOCK
    }

    fn is_too_large(&self) -> bool {
        self.blocks.len() > 1 && self.room() / TOO_LARGE >= self.entries
    }

    fn plan_chore(&mut self) {
        let room = self.room();
        self.next_chore = if room < self.entries { room as u64 } else { self.entries as u64 * STRANGERS };
    }

    #[cold]
    fn grow_or_forget_strangers(&mut self) {
        if self.room() < self.entries {
            self.blocks.double();
            self.doorkeeper.double();
            self.plan_chore();
        } else {
            self.forget_strangers();
        }
    }

    fn forget_strangers(&mut self) {
        self.doorkeeper.clear();
        self.strangers = 0;
    }

    /// Halves every counter. A policy may ask for it before the sketch's own period is over.
    pub(crate) fn age(&mut self) {
        for word in self.blocks.all_mut().as_flattened_mut() {
            *word = *word >> 1 & 0x7777_7777_7777_7777;
        }
        self.repeats = 0;
        self.forget_strangers();
    }
}

/// The finaliser of MurmurHash3 (Appleby; constants of Stafford's variant 13): every bit of the result
/// depends on every bit of `x`, and no two `x` give the same.
#[inline]
pub(crate) fn remix(x: u64) -> u64 {
    let x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ x >> 31
}

/// The word of a row's counter in the block, and its shift in the word.
#[inline]
fn place(hash: u64, row: usize) -> (usize, u32) {
    let counter = (hash >> (44 + 5 * row)) as u32 & 31;
    (row * 2 + (counter >> 4) as usize, (counter & 15) * 4)
}

#[inline]
fn counters(block: &[u64; 8], hash: u64) -> [u8; ROWS] {
    std::array::from_fn(|row| {
        let (word, shift) = place(hash, row);
        (block[word] >> shift & 15) as u8
    })
}

/// The larger of each pair of counters of two words.
pub(super) fn larger_counters(one: u64, other: u64) -> u64 {
    // Eight at a time, with a bit above each to borrow from: it stays where the first is not smaller.
    let larger = |one: u64, other: u64| {
        let is_first = ((one | EIGHT_TIMES_16) - other) & EIGHT_TIMES_16;
        let first = is_first - (is_first >> 4);
        one & first | other & !first
    };
    let (even, odd) = (EIGHT_TIMES_16 - ONES, (EIGHT_TIMES_16 - ONES) << 4);
    larger(one & even, other & even) | larger((one & odd) >> 4, (other & odd) >> 4) << 4
}

#[inline]
fn smallest(counters: [u8; ROWS]) -> u8 {
    let [a, b, c, d] = counters;
    a.min(b).min(c.min(d))
}

const ROWS: usize = 4;
const ONES: u64 = 0x0101_0101_0101_0101;
const EIGHT_TIMES_16: u64 = ONES << 4;
const SATURATED: u8 = 15;
/// 16 counters for each expected entry.
const ENTRIES_PER_BLOCK: usize = 8;
/// Repeats between two ageings, for each expected entry.
const REPEATS: u64 = 10;
/// Strangers between two clearings of the doorkeeper, for each expected entry.
const STRANGERS: u64 = 8;
/// What is left of a table that has become too large is of less use than the memory. Below this the memory is well spent: keys share fewer
/// counters.
pub(super) const TOO_LARGE: usize = 32;
/// A new table has room for no more entries than this: 6 KiB.
const FIRST_ENTRIES: usize = 512;
/// No table has room for more entries than this: 1.5 GiB, once so many strangers came.
pub(crate) const MAX_ENTRIES: usize = 1 << 27;

#[cfg(any(test, fuzzing))]
#[path = "sketch_model.rs"]
pub(crate) mod model;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn rows_of(sketch: &FrequencySketch, index: u64) -> (usize, [(usize, u32); 4]) {
        let hash = remix(index);
        (hash as usize & (sketch.blocks.len() - 1), std::array::from_fn(|row| place(hash, row)))
    }

    #[test]
    fn touch_returns_the_estimate_before_the_access() {
        let mut sketch = FrequencySketch::new(100);
        for before in 0..16 {
            assert_eq!(sketch.estimate(7), before);
            assert_eq!(sketch.touch(7), before);
        }
        assert_eq!(sketch.touch(7), 16);
        assert_eq!(sketch.estimate(7), 16);
        assert_eq!(sketch.estimate(8), 0);
    }

    #[test]
    fn ageing_halves_the_counters_and_clears_the_doorkeeper() {
        let mut sketch = FrequencySketch::new(1000);
        for _ in 0..9 {
            sketch.touch(7);
        }
        sketch.touch(8);
        sketch.age();
        assert_eq!(sketch.estimate(7), 4, "half of the 8 that were counted behind the doorkeeper");
        assert_eq!(sketch.estimate(8), 0);
        sketch.touch(7);
        assert_eq!(sketch.estimate(7), 5);
    }

    #[test]
    fn ageing_comes_after_ten_repeats_per_entry() {
        let mut sketch = FrequencySketch::new(64);
        for _ in 0..5 {
            sketch.touch(u64::MAX);
        }
        // Strangers first: they do not count, whatever their number.
        (0..200).for_each(|other| _ = sketch.touch(other));
        let mut others = (0..200).cycle();
        while sketch.repeats < 64 * 10 - 1 {
            others.next().map(|other| sketch.touch(other));
        }
        assert!(sketch.estimate(u64::MAX) >= 5, "aged too early");
        others.next().map(|other| sketch.touch(other));
        assert!(sketch.repeats == 0 && sketch.estimate(u64::MAX) <= 3, "not aged in time");
    }

    #[test]
    fn a_flood_of_strangers_leaves_the_counters_alone() {
        let mut sketch = FrequencySketch::new(1000);
        for _ in 0..9 {
            (0..1000).for_each(|resident| _ = sketch.touch(resident));
        }
        // Fifty for each resident: if they counted, the sketch would have aged five times.
        (1_000_000..1_050_000).for_each(|stranger| _ = sketch.touch(stranger));
        let least = (0..1000).map(|resident| sketch.estimate(resident)).min();
        assert!(least >= Some(4), "{least:?}");
    }

    #[test]
    fn the_doorkeeper_forgets_before_strangers_pass_for_frequent() {
        let mut sketch = FrequencySketch::new(512);
        (0..100_000).for_each(|stranger| _ = sketch.touch(stranger));
        let frequent = (100_000..101_000).filter(|&stranger| sketch.estimate(stranger) > 3).count();
        assert!(frequent < 20, "{frequent} of 1000 fresh strangers look frequent");
    }

    #[test]
    fn a_crowded_doorkeeper_from_a_file_does_not_make_it_deaf() {
        let mut words = vec![4096, 0, 0, 8];
        words.extend([0; 8]);
        words.push(4);
        words.extend([u64::MAX; 4]);
        let mut sketch = FrequencySketch::load(&mut Words::new(&words)).unwrap();
        (0..100_000).for_each(|stranger| _ = sketch.touch(stranger));
        assert_eq!(sketch.room(), 4096, "it grows as strangers come");
        let known = (1_000_000..1_000_100).filter(|&stranger| sketch.estimate(stranger) > 1).count();
        assert!(known < 50, "{known} of 100");
    }

    #[test]
    fn saturated_keys_do_not_age_the_others() {
        let mut sketch = FrequencySketch::new(16);
        for _ in 0..5 {
            sketch.touch(1);
        }
        for _ in 0..100_000 {
            sketch.touch(2);
        }
        assert_eq!(sketch.estimate(1), 5);
    }

    #[test]
    fn rows_are_independent() {
        // Consecutive indices, which an unmixed sketch would spread badly.
        let sketch = FrequencySketch::new(512);
        let places: Vec<_> = (0..2000).map(|index| rows_of(&sketch, index)).collect();
        let mut block_mates = 0;
        let mut shared = [0u32; 5];
        for (i, (block, rows)) in places.iter().enumerate() {
            for (other, other_rows) in &places[..i] {
                if block == other {
                    block_mates += 1;
                    shared[(0..4).filter(|&row| rows[row] == other_rows[row]).count()] += 1;
                }
            }
        }
        // Of about 31,000 pairs: 1 in 8.8 shares one row, 1 in 182 two, 1 in 8,500 three, 1 in 10^6 all.
        assert!((29_000..33_000).contains(&block_mates), "{block_mates} pairs share a block");
        assert!((3_000..4_000).contains(&shared[1]), "{shared:?}");
        assert!(shared[2] < 300 && shared[3] < 20 && shared[4] < 2, "{shared:?}");
    }

    #[test]
    fn errors_are_few_at_the_design_load() {
        // 1000 residents, each seen eight times, among 6000 strangers seen once: 14 accesses per entry.
        let mut sketch = FrequencySketch::new(1000);
        for round in 0..8 {
            (0..1000).for_each(|resident| _ = sketch.touch(resident));
            (0..750).for_each(|stranger| _ = sketch.touch(10_000 + round * 750 + stranger));
        }
        let wrong_strangers = (10_000..16_000).filter(|&key| sketch.estimate(key) > 2).count();
        let wrong_residents = (0..1000).filter(|&key| sketch.estimate(key) > 9).count();
        assert!(wrong_strangers < 120, "{wrong_strangers} of 6000 strangers look frequent");
        assert!(wrong_residents < 20, "{wrong_residents} of 1000 residents are exaggerated");
    }

    #[test]
    fn any_size_works_and_memory_follows_use() {
        for entries in [0, 1, 2, 7, 1 << 40, usize::MAX / 10, usize::MAX] {
            let mut sketch = FrequencySketch::new(entries);
            assert!(
                sketch.memory() <= 8 << 10,
                "{entries}: {} bytes before the first access",
                sketch.memory()
            );
            for index in 0..2000 {
                sketch.touch(index);
            }
            assert!(sketch.memory() <= 64 << 10, "{entries}: {} bytes", sketch.memory());
        }
        let mut small = FrequencySketch::new(1);
        (0..100).for_each(|index| _ = small.touch(index));
        assert!(small.memory() <= 256);
        small.set_entries(100);
        (0..100).for_each(|index| _ = small.touch(index));
        assert!(small.room() >= 100);
    }

    #[test]
    fn a_table_that_is_too_large_gives_memory_back_and_keeps_the_counts() {
        let mut sketch = FrequencySketch::new(256_000);
        (0..256_000).for_each(|stranger| _ = sketch.touch(stranger));
        for _ in 0..5 {
            (0..200).for_each(|index| _ = sketch.touch(index));
        }
        let large = sketch.memory();
        let before: Vec<u8> = (0..200).map(|index| sketch.estimate(index)).collect();
        sketch.set_entries(2000);
        assert!(
            sketch.room() == 32_768 && sketch.memory() < large / 7,
            "{} of {large} bytes",
            sketch.memory()
        );
        assert!((0..200).zip(&before).all(|(index, &before)| sketch.estimate(index) + 1 >= before));
        assert!(sketch.strangers == 0 && !sketch.doorkeeper.words().iter().any(|&word| word != 0));
        let frequent = (200..1200).filter(|&index| sketch.estimate(index) > 3).count();
        assert!(frequent < 100, "{frequent} of 1000 that were asked for once look frequent");
        sketch.set_entries(1);
        assert_eq!((sketch.blocks.len(), sketch.doorkeeper.words().len()), (2, 8));
        sketch.set_entries(256_000);
        (0..2_000_000).for_each(|stranger| _ = sketch.touch(stranger));
        assert_eq!(sketch.memory(), large, "it grows again");
    }

    #[test]
    fn the_larger_counter_of_each_pair_is_kept() {
        let of = |counter: fn(u64) -> u64| (0..16).fold(0, |word, n| word | (counter(n) & 15) << (4 * n));
        for by in 0..16 {
            let (one, other) = (of(|n| n), of(|n| n * 7).rotate_left(4 * by));
            let nibbles = |word: u64| (0..16).map(move |n| word >> (4 * n) & 15);
            let larger: Vec<u64> = nibbles(one).zip(nibbles(other)).map(|(a, b)| a.max(b)).collect();
            assert_eq!(nibbles(larger_counters(one, other)).collect::<Vec<_>>(), larger);
        }
    }

    proptest! {
        /// Until the doorkeeper forgets, the estimate is at least the truth; growth in between loses nothing.
        #[test]
        fn never_underestimates(accesses in prop::collection::vec(0u64..3000, 1..20_000), entries in 2000usize..5000) {
            let mut sketch = FrequencySketch::new(entries);
            let mut truth: HashMap<u64, u32> = HashMap::new();
            for index in accesses {
                let seen = truth.entry(index).or_default();
                prop_assert!(u32::from(sketch.touch(index)) >= (*seen).min(16));
                *seen += 1;
            }
            for (&index, &seen) in &truth {
                prop_assert!(u32::from(sketch.estimate(index)) >= seen.min(16));
            }
        }
    }
}
