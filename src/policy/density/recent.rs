//! The classes of recent misses.
//!
//! The class of a key is found when the miss is heard, and needed again when its insertion is decided upon and
//! carried out; other events may lie between: more in large caches, whose logs may grow longer. This direct-mapped table bridges the gap. A
//! class that was overwritten is computed anew, without counting the access again.

use super::class::Class;

/// Direct-mapped: a newer miss replaces an older one.
#[derive(Debug)]
pub(super) struct Recent {
    slots: Box<[Option<(u32, Class)>]>,
}

impl Recent {
    /// For about `entries` residents.
    pub(super) fn new(entries: u32) -> Self {
        let slots = (entries as usize / ENTRIES_PER_SLOT).clamp(LEAST_SLOTS, MOST_SLOTS).next_power_of_two();
        Self { slots: vec![None; slots].into() }
    }

    #[inline]
    pub(super) fn note(&mut self, hash: u64, class: Class) {
        let place = self.place(hash);
        self.slots[place] = Some((tag(hash), class));
    }

    /// The class of the key, if its miss is remembered.
    #[inline]
    pub(super) fn class(&self, hash: u64) -> Option<Class> {
        let (noted, class) = self.slots[self.place(hash)]?;
        (noted == tag(hash)).then_some(class)
    }

    fn place(&self, hash: u64) -> usize {
        hash as usize & (self.slots.len() - 1)
    }

    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.slots)
    }
}

fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

const ENTRIES_PER_SLOT: usize = 16;
const LEAST_SLOTS: usize = 256;
const MOST_SLOTS: usize = 4096;
