//! The monitor: what becomes of keys, resident or not.
//!
//! It watches a sample of all keys, chosen by hash, from one access to the next. When a watched
//! key is asked for again, its class and age make an observed *reuse*. When its place is needed for another, it
//! is *lost*: all that is known is that no reuse came up to its age. Since the sample does not depend on
//! what the cache keeps, the cache learns about keys that it refuses as well as about those that it has.
//!
//! Watched are about as many keys as would fit into four caches, and at least 2048: of a loop that is longer than what is watched, no
//! reuse is ever seen, and small caches meet loops of many times their size. Many keys are thinned out to at most 16384
//! slots: 12 bytes each, in sets of eight.

use super::class::{CLASSES, Class};
use crate::policy::knowledge::{Words, put_halves, put_words};
use crate::policy::lines::Lines;

/// What an access taught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lesson {
    /// An entry of this class was asked for again at this age.
    Reused(Class, u32),
    /// An entry of this class was not asked for up to this age; nothing more will be known.
    Lost(Class, u32),
}

/// A sample of keys under observation. See the [module](self).
#[derive(Debug)]
pub(super) struct Monitor {
    /// The upper 56 bits of the hash, then the class plus one; zero is vacant.
    keys: Lines<u64, WAYS>,
    /// The clock at the last access, in the order of `keys`.
    stamps: Vec<[u32; WAYS]>,
    /// One key in 2^thinning is watched.
    thinning: u32,
}

impl Monitor {
    /// An empty monitor for a cache of `entries` residents, a power of two.
    pub(super) fn new(entries: u32) -> Self {
        let wanted = (u64::from(entries) * WATCHED_PER_ENTRY).max(MIN_SLOTS);
        let thinning = wanted.ilog2().saturating_sub(MAX_SLOTS.ilog2());
        let sets = ((wanted >> thinning) as usize / WAYS).max(1);
        Self { keys: Lines::zeroed(sets), stamps: vec![[0; WAYS]; sets], thinning }
    }

    /// Observes an access of a key that is of `class` from now on.
    #[inline]
    pub(super) fn observe(&mut self, hash: u64, class: Class, clock: u32) -> Option<Lesson> {
        if hash.leading_zeros() < self.thinning {
            return None;
        }
        self.watch(hash, class, clock, clock)
    }

    fn watch(&mut self, hash: u64, class: Class, stamp: u32, clock: u32) -> Option<Lesson> {
        let set = (hash >> 8) as usize & (self.keys.len() - 1);
        let (keys, stamps) = (self.keys.line_mut(set), &mut self.stamps[set]);
        let mut choice = 0;
        let mut oldest = 0;
        for (way, &key) in keys.iter().enumerate() {
            let age = clock.wrapping_sub(stamps[way]);
            if key >> 8 == hash >> 8 && key != 0 {
                keys[way] = pack(hash, class);
                stamps[way] = stamp;
                return Some(Lesson::Reused(class_of(key), age));
            }
            let rank = if key == 0 { u64::MAX } else { u64::from(age) };
            if rank > oldest {
                (choice, oldest) = (way, rank);
            }
        }
        let lost = (keys[choice] != 0)
            .then(|| Lesson::Lost(class_of(keys[choice]), clock.wrapping_sub(stamps[choice])));
        keys[choice] = pack(hash, class);
        stamps[choice] = stamp;
        lost
    }

    /// The class and age of every key under observation.
    pub(super) fn watched(&self, clock: u32) -> impl Iterator<Item = (Class, u32)> {
        let keys = self.keys.all().as_flattened().iter();
        let pairs = keys.zip(self.stamps.as_flattened());
        pairs
            .filter(|&(&key, _)| key != 0)
            .map(move |(&key, &stamp)| (class_of(key), clock.wrapping_sub(stamp)))
    }

    /// Makes no key older than `limit`.
    pub(super) fn clamp_ages(&mut self, limit: u32, clock: u32) {
        for stamp in self.stamps.as_flattened_mut() {
            if clock.wrapping_sub(*stamp) > limit {
                *stamp = clock.wrapping_sub(limit);
            }
        }
    }

    /// Serves a cache of `entries` residents from now on; goes on watching what it can.
    pub(super) fn resize(&mut self, entries: u32, clock: u32) {
        let old = std::mem::replace(self, Self::new(entries));
        for (&key, &stamp) in old.keys.all().as_flattened().iter().zip(old.stamps.as_flattened()) {
            if key != 0 && key.leading_zeros() >= self.thinning {
                self.watch(key, class_of(key), stamp, clock);
            }
        }
    }

    pub(super) fn save(&self, words: &mut Vec<u64>) {
        put_words(words, self.keys.all().as_flattened().iter().copied());
        put_halves(words, self.stamps.as_flattened());
    }

    /// What [`save`](Self::save) wrote of a monitor for as many entries.
    pub(super) fn load(entries: u32, words: &mut Words<'_>) -> Option<Self> {
        let mut monitor = Self::new(entries);
        let len = monitor.stamps.len() * WAYS;
        let is_sound = |&key: &u64| key == 0 || (1..=CLASSES).contains(&usize::from(key as u8));
        let keys = words.words().filter(|keys| keys.len() == len && keys.iter().all(is_sound))?;
        monitor.keys = Lines::collect(keys.iter().copied(), len);
        monitor
            .stamps
            .as_flattened_mut()
            .iter_mut()
            .zip(words.halves(len)?)
            .for_each(|(to, from)| *to = from);
        Some(monitor)
    }

    /// Bytes of heap memory held.
    pub(super) fn memory(&self) -> usize {
        self.keys.memory() + self.stamps.capacity() * size_of::<[u32; WAYS]>()
    }
}

#[inline]
fn pack(hash: u64, class: Class) -> u64 {
    hash & !0xFF | u64::from(class + 1)
}

#[inline]
fn class_of(key: u64) -> Class {
    key as u8 - 1
}

const WAYS: usize = 8;
/// Keys under observation for each expected resident, if they need no thinning.
const WATCHED_PER_ENTRY: u64 = 4;
const MIN_SLOTS: u64 = 2048;
const MAX_SLOTS: u64 = 16_384;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::sketch::remix;

    #[test]
    fn a_reuse_tells_class_and_age() {
        let mut monitor = Monitor::new(64);
        assert_eq!(monitor.observe(remix(1), 3, 100), None);
        assert_eq!(monitor.observe(remix(1), 5, 140), Some(Lesson::Reused(3, 40)));
        assert_eq!(monitor.observe(remix(1), 0, 141), Some(Lesson::Reused(5, 1)));
        assert_eq!(monitor.watched(151).collect::<Vec<_>>(), [(0, 10)]);
    }

    #[test]
    fn the_oldest_of_a_set_is_lost_across_the_wrap() {
        let mut monitor = Monitor::new(1);
        let sets = monitor.keys.len() as u64;
        let mut of_one_set = (0..).map(remix).filter(|hash| (hash >> 8) % sets == 0);
        let start = u32::MAX - 3;
        for (key, hash) in (0..8u32).zip(&mut of_one_set) {
            assert_eq!(monitor.observe(hash, key as u8, start.wrapping_add(key)), None);
        }
        let lost = monitor.observe(of_one_set.next().unwrap(), 0, start.wrapping_add(50));
        assert_eq!(lost, Some(Lesson::Lost(0, 50)));
        assert_eq!(monitor.watched(start.wrapping_add(50)).count(), 8);
    }

    #[test]
    fn large_caches_are_thinned_out() {
        let mut monitor = Monitor::new(1 << 20);
        assert!(monitor.memory() <= 200 << 10);
        (0..1 << 20).for_each(|key| _ = monitor.observe(remix(key), 0, key as u32));
        let watched = monitor.watched(1 << 20).count();
        assert!((3600..4600).contains(&watched), "{watched} of 2^20 keys at 1 in 256");
    }

    #[test]
    fn resizing_goes_on_watching() {
        let mut monitor = Monitor::new(4096);
        (0..4000).for_each(|key| _ = monitor.observe(remix(key), 7, key as u32));
        monitor.resize(8192, 4000);
        let watched = monitor.watched(4000).count();
        assert!((1800..2200).contains(&watched), "{watched}: half of them");
        let mut reused = 0;
        for key in 0..4000 {
            if let Some(lesson) = monitor.observe(remix(key), 1, 4000) {
                assert_eq!(lesson, Lesson::Reused(7, 4000 - key as u32));
                reused += 1;
            }
        }
        assert_eq!(reused, watched);
    }

    #[test]
    fn ages_are_clamped() {
        let mut monitor = Monitor::new(64);
        monitor.observe(remix(1), 3, 0);
        monitor.clamp_ages(1000, 5000);
        assert_eq!(monitor.watched(5000).collect::<Vec<_>>(), [(3, 1000)]);
    }
}
