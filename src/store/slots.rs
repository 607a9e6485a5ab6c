//! Where the entries of a dense slab lie: a hash table from index to slot.
//!
//! A slab is one or more vectors whose slots are `0..len`, so that nothing is lost between entries, the newest lie together, and
//! a sweep touches contiguous memory. The price is that a removal moves the last entry into the hole. The rows of a shard
//! and the ledger are such slabs; this is the table that both find their entries by. It holds four bytes for each and no index: callers tell
//! what lies in a slot. So small a table stays in a processor's cache where a table of whole rows would not, and a search in vain,
//! which every insertion of a new key begins with, touches hardly anything else: one in ten takes an entry for the wanted one until it sees its index.

use super::Table;
use std::num::NonZeroU32;

/// Index to slot. See the [module](self).
#[derive(Debug)]
pub(crate) struct Slots {
    /// Slots, plus one so that a vacant place takes no more than a taken one.
    table: Table<NonZeroU32>,
}

impl Slots {
    /// What one entry takes: its slot, and two bytes of control.
    pub(crate) const ENTRY_BYTES: usize = size_of::<NonZeroU32>() + 2;

    /// No entries; takes no memory yet.
    pub(crate) const fn new() -> Self {
        Self { table: Table::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// The slot of `index` that `is_it` recognises. Expected O(1).
    #[inline]
    pub(crate) fn find(&self, index: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let place = self.table.find(index, |&shifted| is_it(unshift(shifted)))?;
        Some(unshift(*self.table.at(place)))
    }

    /// The entry of `index` was put into `slot`. Amortised O(1). `index_of` tells what lies in a slot, that one included.
    ///
    /// # Panics
    /// If there are 2^32 - 1 slots.
    pub(crate) fn insert(&mut self, index: u64, slot: usize, index_of: impl Fn(usize) -> u64) {
        let shifted = u32::try_from(slot + 1).ok().and_then(NonZeroU32::new);
        let shifted = shifted.expect("fewer than 2^32 - 1 entries");
        self.table.insert(index, shifted, |&other| index_of(unshift(other)));
    }

    /// The entry at `slot` is about to leave, and the one at `last` to take its place. Expected O(1).
    #[inline]
    pub(crate) fn swap_remove(&mut self, slot: usize, last: usize, index_of: impl Fn(usize) -> u64) {
        let place = self.place(index_of(slot), slot);
        let shifted = self.table.remove(place, index_of(slot));
        if slot != last {
            let place = self.place(index_of(last), last);
            *self.table.at_mut(place) = shifted;
        }
    }

    /// The entries of two slots are about to change places. Expected O(1).
    pub(crate) fn exchange(&mut self, one: usize, other: usize, index_of: impl Fn(usize) -> u64) {
        let places = [one, other].map(|slot| self.place(index_of(slot), slot));
        let shifted = places.map(|place| *self.table.at(place));
        *self.table.at_mut(places[0]) = shifted[1];
        *self.table.at_mut(places[1]) = shifted[0];
    }

    /// Gives memory back if most entries have left.
    #[inline]
    pub(crate) fn shrink(&mut self, index_of: impl Fn(usize) -> u64) {
        self.table.shrink(|&shifted| index_of(unshift(shifted)));
    }

    /// Bytes of heap memory held.
    pub(crate) fn memory(&self) -> usize {
        self.table.memory()
    }

    /// Verifies that the entries of the slots `0..len` are found by their indices, and no others. O(n).
    pub(crate) fn check(&self, len: usize, index_of: impl Fn(usize) -> u64) -> Result<(), String> {
        if self.len() != len {
            return Err(format!("slots: {} for {len} entries", self.len()));
        }
        if let Some(&shifted) = self.table.iter().find(|&&shifted| unshift(shifted) >= len) {
            return Err(format!("slots: {} of {len}", unshift(shifted)));
        }
        self.table.check(|&shifted| index_of(unshift(shifted)))?;
        match (0..len).find(|&slot| self.find(index_of(slot), |other| other == slot).is_none()) {
            Some(slot) => Err(format!("slots: {slot} is not found by its index")),
            None => Ok(()),
        }
    }

    #[inline]
    fn place(&self, index: u64, slot: usize) -> super::table::Place {
        self.table
            .find(index, |&shifted| unshift(shifted) == slot)
            .expect("every entry is found by its index")
    }
}

/// The capacity that a slab with so many entries is to have from now on, if it is not the one it has: by an eighth more where it is
/// full, not twice as much, as all shards fill alike; less where most have left. Between two changes of a slab many entries must come or go.
#[inline]
pub(crate) fn another_capacity(len: usize, capacity: usize) -> Option<usize> {
    (len == capacity || is_deserted(len, capacity)).then(|| len + len / GROWTH + LEAST_GROWTH)
}

/// Whether so little of a slab's room is used that memory is to be given back.
#[inline]
pub(crate) fn is_deserted(len: usize, capacity: usize) -> bool {
    len < capacity / 4 && capacity > KEPT
}

/// Gives memory back if little of what a slab has is needed: nothing from `len` on is. For slabs that grow by doubling.
#[inline]
pub(crate) fn follow<T>(slab: &mut Vec<T>, len: usize) {
    if is_deserted(len, slab.capacity()) {
        slab.truncate(len);
        set_capacity(slab, len + len / GROWTH + LEAST_GROWTH);
    }
}

/// Gives a slab that capacity.
#[cold]
pub(crate) fn set_capacity<T>(slab: &mut Vec<T>, capacity: usize) {
    slab.reserve_exact(capacity.saturating_sub(slab.len()));
    slab.shrink_to(capacity);
}

/// Gives back what an empty scratch vector took for unusually many, as when a whole group of entries is removed at once. What
/// a turn of maintenance needs as a rule stays.
#[inline]
pub(crate) fn slim<T>(scratch: &mut Vec<T>) {
    if scratch.capacity() > 2 * USUAL {
        scratch.shrink_to(USUAL);
    }
}

/// A full slab grows by this part of its length, ...
const GROWTH: usize = 8;
/// ... and by so many entries at least.
const LEAST_GROWTH: usize = 4;
/// Room for so many entries is never given back.
const KEPT: usize = 64;

/// What a scratch vector may hold on to: a shard's log is rarely longer.
const USUAL: usize = 256;

/// The slot that a table entry stands for.
#[inline]
fn unshift(shifted: NonZeroU32) -> usize {
    shifted.get() as usize - 1
}
