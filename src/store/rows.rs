//! The rows of a shard: a dense slab, found by index.
//!
//! Rows lie in one vector, in no order, and a small table tells where (`slots.rs`). The memory of a row that leaves is taken by the last
//! one, and that of the last one by the next to come: a full cache lives on memory that it has just touched. The price is a copy of a row
//! for each removal, and eight while a cache fills, under the shard's lock: values of kilobytes belong behind a pointer.

use super::Row;
use super::slots::{self, Slots};

/// See the [module](self).
pub(crate) struct Rows<V> {
    rows: Vec<Row<V>>,
    slots: Slots,
}

/// Where a row lies, until the next removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(u32);

impl<V> Rows<V> {
    /// What one row takes beside itself.
    pub(crate) const ENTRY_BYTES: usize = Slots::ENTRY_BYTES;

    /// No rows; takes no memory yet.
    pub(crate) const fn new() -> Self {
        Self { rows: Vec::new(), slots: Slots::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    #[inline]
    pub(crate) fn find(&self, index: u64) -> Option<Place> {
        let slot = self.slots.find(index, |slot| self.rows[slot].index == index)?;
        Some(Place(slot as u32))
    }

    #[inline]
    pub(crate) fn at(&self, place: Place) -> &Row<V> {
        &self.rows[place.0 as usize]
    }

    #[inline]
    pub(crate) fn at_mut(&mut self, place: Place) -> &mut Row<V> {
        &mut self.rows[place.0 as usize]
    }

    /// Puts a row in whose index has none. Amortised O(1).
    pub(crate) fn insert(&mut self, row: Row<V>) -> Place {
        debug_assert!(self.find(row.index).is_none(), "an index has one row");
        self.fit();
        let (index, slot) = (row.index, self.rows.len());
        self.rows.push(row);
        self.slots.insert(index, slot, |slot| self.rows[slot].index);
        Place(slot as u32)
    }

    /// Takes the row at a place out. Expected O(1), but for giving memory back when most rows have left.
    pub(crate) fn remove(&mut self, place: Place) -> Row<V> {
        let slot = place.0 as usize;
        self.slots.swap_remove(slot, self.rows.len() - 1, |slot| self.rows[slot].index);
        let row = self.rows.swap_remove(slot);
        self.fit();
        self.slots.shrink(|slot| self.rows[slot].index);
        row
    }

    #[inline]
    fn fit(&mut self) {
        if let Some(capacity) = slots::another_capacity(self.rows.len(), self.rows.capacity()) {
            slots::set_capacity(&mut self.rows, capacity);
        }
    }

    /// All rows, in no order that means anything.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Row<V>> {
        self.rows.iter()
    }

    /// Verifies that every row is found. O(n).
    pub(crate) fn check(&self) -> Result<(), String> {
        self.slots.check(self.rows.len(), |slot| self.rows[slot].index)
    }
}

impl<V> IntoIterator for Rows<V> {
    type Item = Row<V>;
    type IntoIter = std::vec::IntoIter<Row<V>>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows.into_iter()
    }
}

#[cfg(all(test, not(any(tollgate_loom, tollgate_shuttle))))]
mod tests {
    use super::super::row::Version;
    use super::*;
    use crate::key::KeyHash;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn row(index: u64, value: u32) -> Row<u32> {
        Row::new(KeyHash { index, conflict: !index }, 1, 0, Version::default(), value)
    }

    /// Spreads small numbers over what the table looks at.
    fn index(key: u8) -> u64 {
        u64::from(key).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    proptest! {
        #[test]
        fn it_is_a_map_of_rows(steps in prop::collection::vec((any::<bool>(), any::<u8>(), any::<u32>()), 1..2000)) {
            let (mut rows, mut model) = (Rows::new(), HashMap::new());
            for (is_removal, key, value) in steps {
                let index = index(key);
                let place = rows.find(index);
                prop_assert_eq!(place.map(|place| rows.at(place).value), model.get(&index).copied());
                match (is_removal, place) {
                    (true, Some(place)) => {
                        prop_assert_eq!(Some(rows.remove(place).value), model.remove(&index));
                    }
                    (true, None) => {}
                    (false, Some(place)) => {
                        rows.at_mut(place).value = value;
                        model.insert(index, value);
                    }
                    (false, None) => {
                        let place = rows.insert(row(index, value));
                        prop_assert_eq!(rows.at(place).index, index);
                        model.insert(index, value);
                    }
                }
                prop_assert_eq!(rows.len(), model.len());
            }
            prop_assert_eq!(rows.check(), Ok(()));
            let left: HashMap<u64, u32> = rows.into_iter().map(|row| (row.index, row.value)).collect();
            prop_assert_eq!(left, model);
        }
    }

    #[test]
    fn it_stays_dense_and_gives_memory_back() {
        let mut rows = Rows::new();
        for n in 0..10_000_u64 {
            rows.insert(row(n.wrapping_mul(0x9e37_79b9_7f4a_7c15), n as u32));
            let (len, capacity) = (rows.len(), rows.rows.capacity());
            assert!(capacity <= len + len / 7 + 4, "room for {capacity}, {len} are there");
        }
        for n in 0..10_000_u64 {
            let place = rows.find(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).expect("it was put in");
            assert_eq!(rows.remove(place).value, n as u32);
            assert!(n % 1000 != 0 || rows.check().is_ok());
        }
        assert!(rows.len() == 0 && rows.rows.capacity() <= 64);
        assert_eq!(rows.check(), Ok(()));
    }
}
