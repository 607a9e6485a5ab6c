//! The ledger: what the engine knows of every admitted entry.
//!
//! A dense slab in structure-of-arrays form, with a table from index to slot (`store/slots.rs`). Slots are
//! always `0..len`, so that a random entry is one random number away and a sweep touches
//! contiguous memory. The price of density is that a removal moves the last entry into the hole;
//! [`Policy::moved`](crate::policy::Policy::moved) tells those who keep arrays of their own.
//!
//! The ledger takes no decisions and knows nothing of values, keys, threads or time.

use crate::store::slots::{self, Slots};

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
    slots: Slots,
    /// The sum of `costs`. At most `max_cost` whenever the engine is at rest; what is pinned may come to more than 64 bits for a while.
    used: u128,
    /// The budget.
    max_cost: u64,
}

impl Ledger {
    /// What one entry takes: index, cost, version, and its slot in the table.
    pub(crate) const ENTRY_BYTES: usize = 8 + 8 + 4 + Slots::ENTRY_BYTES;

    pub(crate) fn new(max_cost: u64) -> Self {
        Self {
            indices: Vec::new(),
            costs: Vec::new(),
            versions: Vec::new(),
            slots: Slots::new(),
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
        self.slots.find(index, |slot| self.indices[slot] == index).map(|slot| slot as Slot)
    }

    /// The sum of the costs of all entries, as far as it can be told.
    #[inline]
    pub fn used(&self) -> u64 {
        u64::try_from(self.used).unwrap_or(u64::MAX)
    }

    /// The budget that the entries share.
    #[inline]
    pub fn max_cost(&self) -> u64 {
        self.max_cost
    }

    /// Cost that must leave before `cost` more fits in the budget.
    #[inline]
    pub(crate) fn shortfall(&self, cost: u64) -> u64 {
        let wanted = self.used + u128::from(cost);
        wanted.saturating_sub(u128::from(self.max_cost)) as u64
    }

    /// Cost that must leave before the entry at `slot` can be restated to `cost` and the sum still be counted.
    pub(crate) fn excess(&self, slot: Slot, cost: u64) -> u64 {
        let sum = self.used - u128::from(self.cost(slot)) + u128::from(cost);
        sum.saturating_sub(u128::from(u64::MAX)) as u64
    }

    pub(crate) fn set_max_cost(&mut self, max_cost: u64) {
        self.max_cost = max_cost;
    }

    /// Appends an entry that is not resident. Amortised O(1).
    pub(crate) fn push(&mut self, index: u64, cost: u64, version: u32) -> Slot {
        debug_assert!(self.find(index).is_none(), "an index is resident once");
        let slot = self.indices.len();
        self.fit();
        self.indices.push(index);
        self.costs.push(cost);
        self.versions.push(version);
        self.slots.insert(index, slot, |slot| self.indices[slot]);
        self.used += u128::from(cost);
        slot as Slot
    }

    /// Replaces cost and version of an entry; the sum follows.
    pub(crate) fn restate(&mut self, slot: Slot, cost: u64, version: u32) {
        self.used = self.used - u128::from(self.costs[slot as usize]) + u128::from(cost);
        self.costs[slot as usize] = cost;
        self.versions[slot as usize] = version;
    }

    /// Removes the entry at `slot`. Returns the slot that the last entry moved *from*, if the hole
    /// was not the last slot itself: that entry now lives at `slot`. Expected O(1).
    pub(crate) fn swap_remove(&mut self, slot: Slot) -> Option<Slot> {
        let at = slot as usize;
        let last = self.indices.len() - 1;
        self.used -= u128::from(self.costs[at]);
        self.slots.swap_remove(at, last, |slot| self.indices[slot]);
        self.indices.swap_remove(at);
        self.costs.swap_remove(at);
        self.versions.swap_remove(at);
        self.fit();
        self.slots.shrink(|slot| self.indices[slot]);
        (at != last).then_some(last as Slot)
    }

    /// Two entries change places. Expected O(1).
    pub(crate) fn exchange(&mut self, one: Slot, other: Slot) {
        self.slots.exchange(one as usize, other as usize, |slot| self.indices[slot]);
        self.indices.swap(one as usize, other as usize);
        self.costs.swap(one as usize, other as usize);
        self.versions.swap(one as usize, other as usize);
    }

    /// Sees to it that there is room for one more, and not for far too many.
    #[inline]
    fn fit(&mut self) {
        if let Some(capacity) = slots::another_capacity(self.indices.len(), self.indices.capacity()) {
            slots::set_capacity(&mut self.indices, capacity);
            slots::set_capacity(&mut self.costs, capacity);
            slots::set_capacity(&mut self.versions, capacity);
        }
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
        self.slots.check(self.len(), |slot| self.indices[slot])?;
        let total: u128 = self.costs.iter().copied().map(u128::from).sum();
        if total != self.used {
            return Err(format!("ledger: costs sum to {total}, used says {}", self.used));
        }
        match self.costs.iter().position(|&cost| cost == 0) {
            Some(slot) => Err(format!("ledger: slot {slot} is free of charge")),
            None => Ok(()),
        }
    }
}
