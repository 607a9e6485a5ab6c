//! The ghost: when was a key that is not resident last asked for?
//!
//! A set-associative table of 16-bit tags and 16-bit times, one 64-byte line of 16 slots per set; four
//! bytes per expected resident. It is written when an entry is evicted and when a newcomer is
//! refused, and answers with the gap since then. A new entry takes the place of the oldest of its
//! line. A wrong tag (1 key in 4096) yields a wrong gap, which costs next to nothing.
//!
//! Times count units of 1/64 of the expected residents, so that 16 bits reach 1024 times as far as a
//! resident is expected to live; with more than 2^22 of these the unit stays, and 16 bits reach as far as the clock. [`Ghost::forget_old`] visits the lines in turn and vacates what is
//! about to be mistaken for young.

use crate::policy::knowledge::{Words, put_halves};
use crate::policy::lines::Lines;

/// Last access times of absent keys. See the [module](self).
#[derive(Debug)]
pub(super) struct Ghost {
    /// Tag in the high half, time in the low half; a tag of zero is vacant. Made at the first write.
    lines: Option<Lines<u32, WAYS>>,
    /// A power of two.
    entries: u32,
    /// log2 of the unit of time.
    unit: u32,
    /// The line that `forget_old` visits next.
    hand: usize,
}

impl Ghost {
    /// An empty ghost for `entries` keys, a power of two. Holds no memory yet.
    pub(super) fn new(entries: u32) -> Self {
        debug_assert!(entries.is_power_of_two());
        Self { lines: None, entries, unit: unit_of(entries), hand: 0 }
    }

    /// The gap between the last access of the key and `clock`, to the nearest unit.
    #[inline]
    pub(super) fn gap(&self, hash: u64, clock: u32) -> Option<u32> {
        let lines = self.lines.as_ref()?;
        let tag = tag(hash);
        // No tag is twice in a line. Without a branch, all slots are compared at once.
        let known = |slot: u32| if slot >> 16 == tag { slot as i32 & 0xFFFF | KNOWN } else { 0 };
        let found =
            lines.line(place(hash, lines.len())).iter().fold(0, |found, &slot| known(slot).max(found));
        (found != 0).then(|| u32::from(self.time(clock).wrapping_sub(found as u16)) << self.unit)
    }

    /// Reads what is needed for the key, so that it lies in the processor's cache. The value says nothing.
    #[inline]
    pub(super) fn prefetch(&self, hash: u64) -> u32 {
        self.lines.as_ref().map_or(0, |lines| lines.line(place(hash, lines.len()))[0])
    }

    /// The key was last asked for at `stamp` and is not resident any more. No stamp lies after `clock`.
    #[inline]
    pub(super) fn note(&mut self, hash: u64, stamp: u32, clock: u32) {
        let (now, time) = (self.time(clock), self.time(stamp));
        let count = (self.entries as usize / WAYS).max(1);
        let lines = self.lines.get_or_insert_with(|| Lines::zeroed(count));
        let tag = tag(hash);
        let at = place(hash, lines.len());
        let line = lines.line_mut(at);
        // The oldest gives way; before it a vacant slot, before that the tag itself. The way is part of the rank, so that the
        // highest is found without a branch.
        let mut highest = 0;
        for (way, &slot) in line.iter().enumerate() {
            let age = u32::from(now).wrapping_sub(slot) & 0xFFFF;
            let known = u32::from(slot >> 16 == tag) << 17;
            let vacant = u32::from(slot >> 16 == 0) << 16;
            highest = highest.max((age | known | vacant) as i32 * WAYS as i32 + (WAYS - 1 - way) as i32);
        }
        let choice = WAYS - 1 - highest as usize % WAYS;
        line[choice] = tag << 16 | u32::from(time);
    }

    /// Vacates what is too old to be told from the young, in a 1/128 of the lines.
    pub(super) fn forget_old(&mut self, clock: u32) {
        let now = self.time(clock);
        let Some(lines) = &mut self.lines else { return };
        for _ in 0..lines.len().div_ceil(128) {
            self.hand = if self.hand + 1 < lines.len() { self.hand + 1 } else { 0 };
            for slot in lines.line_mut(self.hand) {
                if now.wrapping_sub(*slot as u16) > TOO_OLD {
                    *slot = 0;
                }
            }
        }
    }

    /// Serves `entries` keys from now on, a power of two. What is known stays known if that is more than
    /// before.
    pub(super) fn resize(&mut self, entries: u32, clock: u32) {
        let mut old = std::mem::replace(self, Self::new(entries));
        let Some(mut lines) = old.lines.take().filter(|_| entries > old.entries) else { return };
        while lines.len() < (entries as usize / WAYS).max(1) {
            lines.double();
        }
        for slot in lines.all_mut().as_flattened_mut().iter_mut().filter(|slot| **slot != 0) {
            let age = u32::from(old.time(clock).wrapping_sub(*slot as u16)) << old.unit;
            *slot = *slot >> 16 << 16 | u32::from(self.time(clock.wrapping_sub(age)));
        }
        self.lines = Some(lines);
    }

    pub(super) fn save(&self, words: &mut Vec<u64>) {
        put_halves(words, self.lines.as_ref().map_or(&[], |lines| lines.all().as_flattened()));
    }

    /// What [`save`](Self::save) wrote of a ghost for as many entries.
    pub(super) fn load(entries: u32, words: &mut Words<'_>) -> Option<Self> {
        let mut ghost = Self::new(entries);
        let len = (entries as usize / WAYS).max(1) * WAYS;
        let mut halves = words.clone();
        if halves.words()?.is_empty() {
            *words = halves;
            return Some(ghost);
        }
        ghost.lines = Some(Lines::collect(words.halves(len)?, len));
        Some(ghost)
    }

    /// Bytes of heap memory held.
    pub(super) fn memory(&self) -> usize {
        self.lines.as_ref().map_or(0, Lines::memory)
    }

    #[inline]
    fn time(&self, clock: u32) -> u16 {
        (clock >> self.unit) as u16
    }
}

fn unit_of(entries: u32) -> u32 {
    // No more than 16: from the upper half of the clock, times wrap as the clock does.
    entries.ilog2().saturating_sub(6).min(16)
}

#[inline]
fn place(hash: u64, lines: usize) -> usize {
    hash as usize & (lines - 1)
}

/// Sixteen bits that do not choose the line; never zero.
#[inline]
fn tag(hash: u64) -> u32 {
    ((hash >> 32) as u32 & 0xFFFF).max(1)
}

const WAYS: usize = 16;
/// Above the 16 bits of a time.
const KNOWN: i32 = 1 << 16;
/// In units of time.
const TOO_OLD: u16 = 0xC000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::sketch::remix;

    #[test]
    fn gaps_are_told_to_the_unit() {
        let mut ghost = Ghost::new(1024);
        assert_eq!((ghost.memory(), ghost.gap(remix(1), 5)), (0, None));
        ghost.note(remix(1), 1600, 3200);
        ghost.note(remix(1), 3200, 3200);
        ghost.note(remix(2), 1600, 3200);
        assert_eq!(ghost.gap(remix(1), 4800), Some(1600));
        assert_eq!(ghost.gap(remix(2), 4800), Some(3200));
        assert_eq!(ghost.gap(remix(3), 4800), None);
    }

    #[test]
    fn the_oldest_of_a_line_gives_way() {
        let mut ghost = Ghost::new(16);
        for key in 0..17u32 {
            ghost.note(remix(u64::from(key)), 100 + (key * 5) % 17, 200);
        }
        let known: Vec<bool> = (0..17).map(|key| ghost.gap(remix(key), 200).is_some()).collect();
        assert_eq!(known.iter().filter(|&&known| known).count(), 16);
        assert!(!known[0]);
    }

    #[test]
    fn time_wraps_and_the_old_are_forgotten_first() {
        let mut ghost = Ghost::new(64);
        let start = u32::MAX - 1000;
        ghost.note(remix(1), start, start);
        assert_eq!(ghost.gap(remix(1), start.wrapping_add(2000)), Some(2000));
        ghost.note(remix(2), start.wrapping_add(50_000), start.wrapping_add(50_000));
        for _ in 0..128 {
            ghost.forget_old(start.wrapping_add(60_000));
        }
        assert_eq!(ghost.gap(remix(1), start.wrapping_add(60_000)), None);
        assert_eq!(ghost.gap(remix(2), start.wrapping_add(60_000)), Some(10_000));
    }

    #[test]
    fn a_ghost_of_any_size_outlives_the_wrap_of_the_clock() {
        for entries in [1 << 10, 1 << 22, 1 << 24, 1 << 27] {
            // All but the table, which would be large: one line is enough to hold one key.
            let mut ghost = Ghost { lines: Some(Lines::zeroed(1)), ..Ghost::new(entries) };
            let before = u32::MAX - 1000;
            ghost.note(remix(1), before, before);
            (0..128).for_each(|_| ghost.forget_old(5000));
            let gap = ghost.gap(remix(1), 5000).map(|gap| gap >> ghost.unit);
            assert!(gap.is_some_and(|gap| gap <= 1 + (6001 >> ghost.unit)), "{entries} entries: {gap:?}");
        }
    }

    #[test]
    fn growing_keeps_what_is_known() {
        let mut ghost = Ghost::new(64);
        (0..32).for_each(|key| ghost.note(remix(key), 640, 640));
        let before = (0..32).filter(|&key| ghost.gap(remix(key), 640).is_some()).count();
        ghost.resize(256, 6400);
        let after = (0..32).filter(|&key| ghost.gap(remix(key), 6400) == Some(5760)).count();
        assert!(before >= 28 && after == before);
        ghost.resize(16, 6400);
        assert_eq!(ghost.memory(), 0);
    }
}
