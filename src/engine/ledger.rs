//! The ledger: what the engine knows of every admitted entry.
//!
//! A dense slab in structure-of-arrays form, with one hash table from index to slot. Slots are
//! always `0..len`, so that a random entry is one random number away and a sweep touches
//! contiguous memory. The price of density is that a removal moves the last entry into the hole;
//! [`Policy::moved`](crate::policy::Policy::moved) tells those who keep arrays of their own.
//!
//! The ledger takes no decisions and knows nothing of values, keys, threads or time.

use crate::store::Table;
use std::num::NonZeroU32;

/// The position of an entry in the [`Ledger`]: dense, `0..ledger.len()`.
///
/// A slot names an entry only until the next removal.
pub type Slot = u32;

/// The admitted entries: their indices, costs and versions.
#[derive(Debug)]
pub struct Ledger {
    /// The 64-bit index hash of each entry; no two are equal.
    indices: Vec<u64>,
    /// The cost of each entry; at least 1.
    costs: Vec<u64>,
    /// The version of the store's row that the entry stands for.
    versions: Vec<u32>,
    /// Index to slot, plus one so that a vacant place takes no more than a taken one.
    slots: Table<NonZeroU32>,
    /// The sum of `costs`. At most `max_cost` whenever the engine is at rest.
    used: u64,
    /// The budget.
    max_cost: u64,
}

impl Ledger {
    /// What one entry takes: index, cost, version, and its slot in the table with two bytes of control.
    pub(crate) const ENTRY_BYTES: usize = 8 + 8 + 4 + size_of::<Slot>() + 2;

    pub(crate) fn new(max_cost: u64) -> Self {
        Self {
            indices: Vec::new(),
            costs: Vec::new(),
            versions: Vec::new(),
            slots: Table::new(),
            used: 0,
            max_cost,
        }
    }

    /// The number of entries.
    #[inline]
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there is no entry.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// The index hash of the entry at `slot`.
    ///
    /// # Panics
    /// If `slot` is not below [`len`](Self::len); the same holds for every accessor by slot.
    #[inline]
    pub fn index(&self, slot: Slot) -> u64 {
        self.indices[slot as usize]
    }

    /// The cost of the entry at `slot`; at least 1.
    #[inline]
    pub fn cost(&self, slot: Slot) -> u64 {
        self.costs[slot as usize]
    }

    /// The version of the row that the entry at `slot` stands for.
    #[inline]
    pub(crate) fn version(&self, slot: Slot) -> u32 {
        self.versions[slot as usize]
    }

    /// The slot of `index`, if it is resident. Expected O(1).
    #[inline]
    pub fn find(&self, index: u64) -> Option<Slot> {
        let place = self.slots.find(index, |&slot| self.indices[unshift(slot)] == index)?;
        Some(unshift(*self.slots.at(place)) as Slot)
    }

    /// The sum of the costs of all entries.
    #[inline]
    pub fn used(&self) -> u64 {
        self.used
    }

    /// The budget that the entries share.
    #[inline]
    pub fn max_cost(&self) -> u64 {
        self.max_cost
    }

    /// Cost that must leave before `cost` more fits in the budget.
    #[inline]
    pub(crate) fn shortfall(&self, cost: u64) -> u64 {
        // Both terms are at most `max_cost` on every path into here but one: a lowered budget.
        // u128 keeps the sum exact for it.
        let wanted = u128::from(self.used) + u128::from(cost);
        wanted.saturating_sub(u128::from(self.max_cost)) as u64
    }

    /// Cost that must leave before the entry at `slot` can be restated to `cost` and the sum still be counted.
    pub(crate) fn excess(&self, slot: Slot, cost: u64) -> u64 {
        let sum = u128::from(self.used - self.cost(slot)) + u128::from(cost);
        sum.saturating_sub(u128::from(u64::MAX)) as u64
    }

    pub(crate) fn set_max_cost(&mut self, max_cost: u64) {
        self.max_cost = max_cost;
    }

    /// Appends an entry that is not resident. Amortised O(1).
    pub(crate) fn push(&mut self, index: u64, cost: u64, version: u32) -> Slot {
        debug_assert!(self.find(index).is_none(), "an index is resident once");
        let slot = self.indices.len() as Slot;
        let shifted = NonZeroU32::MIN.checked_add(slot).expect("fewer than 2^32 - 1 entries");
        self.indices.push(index);
        self.costs.push(cost);
        self.versions.push(version);
        let indices = &self.indices;
        self.slots.insert(index, shifted, |&other| indices[unshift(other)]);
        self.used += cost;
        slot
    }

    /// Replaces cost and version of an entry; the sum follows.
    pub(crate) fn restate(&mut self, slot: Slot, cost: u64, version: u32) {
        self.used = self.used - self.costs[slot as usize] + cost;
        self.costs[slot as usize] = cost;
        self.versions[slot as usize] = version;
    }

    /// Removes the entry at `slot`. Returns the slot that the last entry moved *from*, if the hole
    /// was not the last slot itself: that entry now lives at `slot`. Expected O(1).
    pub(crate) fn swap_remove(&mut self, slot: Slot) -> Option<Slot> {
        let at = slot as usize;
        let last = self.indices.len() - 1;
        self.used -= self.costs[at];
        if let Some(place) = self.slots.find(self.indices[at], |&other| unshift(other) == at) {
            let shifted = self.slots.remove(place, self.indices[at]);
            if at != last
                && let Some(place) = self.slots.find(self.indices[last], |&other| unshift(other) == last)
            {
                *self.slots.at_mut(place) = shifted;
            }
        }
        self.indices.swap_remove(at);
        self.costs.swap_remove(at);
        self.versions.swap_remove(at);
        self.shrink();
        (at != last).then_some(last as Slot)
    }

    /// Two entries change places. Expected O(1).
    pub(crate) fn exchange(&mut self, one: Slot, other: Slot) {
        let places = [one, other].map(|slot| {
            let index = self.indices[slot as usize];
            self.slots
                .find(index, |&shifted| unshift(shifted) == slot as usize)
                .expect("every entry is found by its index")
        });
        let shifted = places.map(|place| *self.slots.at(place));
        *self.slots.at_mut(places[0]) = shifted[1];
        *self.slots.at_mut(places[1]) = shifted[0];
        self.indices.swap(one as usize, other as usize);
        self.costs.swap(one as usize, other as usize);
        self.versions.swap(one as usize, other as usize);
    }

    /// Gives memory back when most entries have left.
    fn shrink(&mut self) {
        let len = self.indices.len();
        if len * 4 < self.indices.capacity() && self.indices.capacity() > 64 {
            self.indices.shrink_to(2 * len);
            self.costs.shrink_to(2 * len);
            self.versions.shrink_to(2 * len);
        }
        let indices = &self.indices;
        self.slots.shrink(|&slot| indices[unshift(slot)]);
    }

    /// Forgets every entry and gives their memory back.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.max_cost);
    }

    /// Bytes of heap memory that the ledger holds.
    pub(crate) fn memory(&self) -> usize {
        self.indices.capacity() * 8
            + self.costs.capacity() * 8
            + self.versions.capacity() * 4
            + self.slots.memory()
    }

    /// Verifies that table, arrays and sum agree. O(n); for tests and fuzzing.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.slots.check(|&slot| self.indices[unshift(slot)])?;
        let total: u64 = self.costs.iter().sum();
        if total != self.used {
            return Err(format!("ledger: costs sum to {total}, used says {}", self.used));
        }
        if self.slots.len() != self.indices.len() {
            return Err(format!(
                "ledger: {} table entries for {} slots",
                self.slots.len(),
                self.indices.len()
            ));
        }
        for (slot, &index) in self.indices.iter().enumerate() {
            if self.find(index) != Some(slot as Slot) {
                return Err(format!("ledger: slot {slot} is not found by its index"));
            }
            if self.costs[slot] == 0 {
                return Err(format!("ledger: slot {slot} is free of charge"));
            }
        }
        Ok(())
    }
}

/// The slot that a table entry stands for.
#[inline]
fn unshift(shifted: NonZeroU32) -> usize {
    shifted.get() as usize - 1
}
