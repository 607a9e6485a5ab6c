//! When the values of a shard are due for a refresh, kept under the shard's lock.
//!
//! Beside the rows and not in them: a row has no bit to spare, and most caches refresh nothing by age. In those this is an empty table, and
//! costs a removal one comparison.

use super::Table;
use std::num::NonZeroU64;

/// One time for each row, in a cache that refreshes by age; none in any other.
pub(crate) struct Refreshes(Table<Planned>);

struct Planned {
    index: u64,
    /// In milliseconds since the cache was built.
    due_ms: NonZeroU64,
}

impl Refreshes {
    /// What each row costs here: its plan, with its two bytes of table control.
    pub(crate) const ENTRY_BYTES: u64 = size_of::<Option<Planned>>() as u64 + 2;

    pub(crate) const fn new() -> Self {
        Self(Table::new())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// When the value of an index is due.
    pub(crate) fn due_ms(&self, index: u64) -> Option<u64> {
        let place = self.0.find(index, |planned| planned.index == index)?;
        Some(self.0.at(place).due_ms.get())
    }

    /// The value of an index is being written, and will be due then.
    pub(crate) fn set(&mut self, index: u64, due_ms: NonZeroU64) {
        match self.0.find(index, |planned| planned.index == index) {
            Some(place) => self.0.at_mut(place).due_ms = due_ms,
            None => _ = self.0.insert(index, Planned { index, due_ms }, |planned| planned.index),
        }
    }

    /// The row of an index is gone.
    #[inline]
    pub(crate) fn forget(&mut self, index: u64) {
        if self.0.len() > 0
            && let Some(place) = self.0.find(index, |planned| planned.index == index)
        {
            self.0.remove(place, index);
            self.0.shrink(|planned| planned.index);
        }
    }
}
