//! The classes of recent misses.
//!
//! The class of a key is found when the miss is heard, and needed again when its insertion is decided upon and
//! carried out; other events may lie between. This small direct-mapped table bridges the gap. A
//! class that was overwritten is computed anew, without counting the access again.

use super::class::Class;

/// Direct-mapped: a newer miss replaces an older one.
#[derive(Debug)]
pub(super) struct Recent {
    slots: Box<[Option<(u32, Class)>; SLOTS]>,
}

impl Recent {
    pub(super) fn new() -> Self {
        Self { slots: Box::new([None; SLOTS]) }
    }

    #[inline]
    pub(super) fn note(&mut self, hash: u64, class: Class) {
        self.slots[hash as usize % SLOTS] = Some((tag(hash), class));
    }

    /// The class of the key, if its miss is remembered.
    #[inline]
    pub(super) fn class(&self, hash: u64) -> Option<Class> {
        let (noted, class) = self.slots[hash as usize % SLOTS]?;
        (noted == tag(hash)).then_some(class)
    }

    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.slots)
    }
}

fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

const SLOTS: usize = 256;
