//! A hash table that stays dense: the rows of a shard, and the slots of the ledger.
//!
//! Open addressing in groups of seven places. A group is described by one word: seven tags (a bit that says "taken" and
//! seven bits of the hash each) and, in the top byte, how many entries that belong here had to go on to a
//! later group. A search compares all tags of a group at once, and goes on only while that count is not zero.
//! Taking an entry out lowers the counts on its way: there are no tombstones, and a table that is
//! emptied and filled for ever needs no rehashing. This is the scheme of F14 (Bronson and Shi, "Open-sourcing F14 for faster,
//! more memory-efficient hash tables", Facebook Engineering, 2019), with words where F14 has vectors.
//!
//! Why not a table from a library: those grow by doubling, so that the tables of all shards, which fill alike, are half
//! empty at the same time. This one grows by a quarter; it is between 0.69 and 0.86 full. The place of a group comes from a
//! multiplication, not a mask, so that any number of groups will do.
//!
//! The table knows neither keys nor hashers: callers bring the hash, and closures that recognise an entry or
//! tell its hash again.

/// See the [module](self).
#[derive(Debug, Clone)]
pub(crate) struct Table<T> {
    groups: Vec<Group<T>>,
    len: usize,
}

/// The word lies beside its places: of small entries, a search needs no second cache line.
#[derive(Debug, Clone)]
struct Group<T> {
    /// Tags in bytes 0 to 6, the overflow count in byte 7.
    word: u64,
    /// Some if, and only if, the tag says "taken".
    places: [Option<T>; WIDTH],
}

/// Where an entry is, until the next insertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    group: usize,
    nth: usize,
}

/// Places in a group.
const WIDTH: usize = 7;
/// The lowest bit of each tag.
const ONES: u64 = 0x0001_0101_0101_0101;
/// The highest bit of each tag: "taken".
const TAKEN: u64 = ONES << 7;
/// One entry more that went on.
const OVERFLOW: u64 = 1 << 56;
/// A count that has reached its end is not lowered again.
const SATURATED: u64 = 0xff;
/// Of so many places ...
const FULL_OF: usize = 7;
/// ... so many may be taken.
const FULL: usize = 6;

impl<T> Table<T> {
    /// An empty table; it takes no memory yet.
    pub(crate) const fn new() -> Self {
        Self { groups: Vec::new(), len: 0 }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The entry with this hash that `is_it` recognises.
    #[inline]
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(&T) -> bool) -> Option<Place> {
        let mut group = self.home(hash);
        for _ in 0..self.groups.len() {
            let Group { word, places } = &self.groups[group];
            let word = *word;
            let mut matches = Self::matches(word, hash);
            while matches != 0 {
                let nth = (matches.trailing_zeros() / 8) as usize;
                if places[nth].as_ref().is_some_and(&is_it) {
                    return Some(Place { group, nth });
                }
                matches &= matches - 1;
            }
            if word < OVERFLOW {
                return None;
            }
            group = self.after(group);
        }
        None
    }

    /// The entry at a place.
    #[inline]
    pub(crate) fn at(&self, place: Place) -> &T {
        self.groups[place.group].places[place.nth].as_ref().expect("a place is given out only if it is taken")
    }

    /// The entry at a place, to be changed: not in what makes its hash.
    #[inline]
    pub(crate) fn at_mut(&mut self, place: Place) -> &mut T {
        self.groups[place.group].places[place.nth].as_mut().expect("a place is given out only if it is taken")
    }

    /// Puts an entry in that is not there. `hash_of` tells the hash of an entry again, should the table grow.
    pub(crate) fn insert(&mut self, hash: u64, entry: T, hash_of: impl Fn(&T) -> u64) -> Place {
        if (self.len + 1) * FULL_OF > self.capacity() * FULL {
            self.resize(self.groups.len() + self.groups.len() / 4 + 1, hash_of);
        }
        self.len += 1;
        self.put(hash, entry)
    }

    /// Takes the entry at a place out.
    pub(crate) fn remove(&mut self, place: Place, hash: u64) -> T {
        let mut passed = self.home(hash);
        while passed != place.group {
            if self.groups[passed].word >> 56 != SATURATED {
                self.groups[passed].word -= OVERFLOW;
            }
            passed = self.after(passed);
        }
        let group = &mut self.groups[place.group];
        group.word &= !(0xff << (8 * place.nth));
        self.len -= 1;
        group.places[place.nth].take().expect("a place is given out only if it is taken")
    }

    /// Gives memory back if the table has become much too large for what is left in it.
    pub(crate) fn shrink(&mut self, hash_of: impl Fn(&T) -> u64) {
        if self.len * 4 < self.capacity() && self.capacity() > 64 {
            self.resize((self.len + self.len / 4).div_ceil(FULL) + 1, hash_of);
        }
    }

    /// All entries, in no order that means anything.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.groups.iter().flat_map(|group| group.places.iter().flatten())
    }

    /// Takes all entries out of a table that is of no use any more.
    pub(crate) fn take_entries(&mut self) -> impl Iterator<Item = T> {
        self.groups.iter_mut().flat_map(|group| &mut group.places).filter_map(Option::take)
    }

    /// Bytes of heap memory held.
    pub(crate) fn memory(&self) -> usize {
        self.groups.capacity() * size_of::<Group<T>>()
    }

    /// Verifies tags, counts and places. O(n).
    pub(crate) fn check(&self, hash_of: impl Fn(&T) -> u64) -> Result<(), String> {
        let mut overflow = vec![0_u64; self.groups.len()];
        let mut len = 0;
        let places = self.groups.iter().enumerate().flat_map(|(at, group)| {
            group
                .places
                .iter()
                .enumerate()
                .map(move |(nth, entry)| (at, group.word >> (8 * nth) & 0xff, entry))
        });
        for (group, tag, entry) in places {
            let Some(entry) = entry else {
                if tag != 0 {
                    return Err(format!("table: a place of group {group} is vacant and tagged {tag:#x}"));
                }
                continue;
            };
            len += 1;
            let hash = hash_of(entry);
            if tag != Self::tag(hash) {
                return Err(format!("table: an entry of group {group} has the tag {tag:#x}"));
            }
            let mut passed = self.home(hash);
            while passed != group {
                overflow[passed] += 1;
                passed = self.after(passed);
            }
        }
        if len != self.len {
            return Err(format!("table: {len} entries, len says {}", self.len));
        }
        let counts = self.groups.iter().map(|group| group.word >> 56);
        match counts.zip(&overflow).position(|(count, &went_on)| count != SATURATED && count != went_on) {
            Some(group) => Err(format!("table: the overflow count of group {group} is wrong")),
            None => Ok(()),
        }
    }

    fn put(&mut self, hash: u64, entry: T) -> Place {
        let mut group = self.home(hash);
        loop {
            let Group { word, places } = &mut self.groups[group];
            let vacant = !*word & TAKEN;
            if vacant != 0 {
                let nth = (vacant.trailing_zeros() / 8) as usize;
                *word |= Self::tag(hash) << (8 * nth);
                places[nth] = Some(entry);
                return Place { group, nth };
            }
            if *word >> 56 != SATURATED {
                *word += OVERFLOW;
            }
            group = self.after(group);
        }
    }

    #[cold]
    fn resize(&mut self, groups: usize, hash_of: impl Fn(&T) -> u64) {
        let mut larger = Self { groups: Vec::new(), len: self.len };
        larger.groups.resize_with(groups, Group::vacant);
        let mut old = std::mem::replace(self, larger);
        // One by one out of where they are: seven large entries at once would be too much for a stack.
        for entry in old.take_entries() {
            self.put(hash_of(&entry), entry);
        }
    }

    /// How many places there are.
    fn capacity(&self) -> usize {
        self.groups.len() * WIDTH
    }

    /// The group where an entry belongs: the lower half of the hash, scaled.
    #[inline]
    fn home(&self, hash: u64) -> usize {
        (((hash & 0xffff_ffff) * self.groups.len() as u64) >> 32) as usize
    }

    #[inline]
    fn after(&self, group: usize) -> usize {
        if group + 1 == self.groups.len() { 0 } else { group + 1 }
    }

    /// "Taken", and the highest seven bits of the hash.
    #[inline]
    fn tag(hash: u64) -> u64 {
        0x80 | hash >> 57
    }

    /// The top bit of each tag that may be the hash's. One above a true match may be wrong (a borrow), which
    /// costs a comparison and nothing else.
    #[inline]
    fn matches(word: u64, hash: u64) -> u64 {
        let different = (word & (TAKEN | (TAKEN - ONES))) ^ (ONES * Self::tag(hash));
        different.wrapping_sub(ONES) & !different & TAKEN
    }
}

impl<T> Group<T> {
    fn vacant() -> Self {
        Self { word: 0, places: [const { None }; WIDTH] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// Few groups and few tags, so that everything collides.
    fn hash_of(entry: &(u64, u32)) -> u64 {
        entry.0
    }

    fn find(table: &Table<(u64, u32)>, hash: u64) -> Option<Place> {
        table.find(hash, |entry| entry.0 == hash)
    }

    fn crowded() -> impl Strategy<Value = u64> {
        (0..40_u64, 0..4_u64).prop_map(|(low, high)| high << 60 | low << 26)
    }

    proptest! {
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec((crowded(), 0..4_u8, any::<u32>()), 0..600)) {
            let mut table = Table::new();
            let mut model = HashMap::new();
            for (hash, action, value) in steps {
                match (action, find(&table, hash)) {
                    (0, Some(place)) => {
                        prop_assert_eq!(Some(table.remove(place, hash).1), model.remove(&hash));
                        table.shrink(hash_of);
                    }
                    (_, Some(place)) => {
                        table.at_mut(place).1 = value;
                        model.insert(hash, value);
                    }
                    (0, None) => prop_assert!(!model.contains_key(&hash)),
                    (_, None) => {
                        prop_assert_eq!(model.insert(hash, value), None);
                        let place = table.insert(hash, (hash, value), hash_of);
                        prop_assert_eq!(table.at(place).1, value);
                    }
                }
                prop_assert_eq!(table.check(hash_of), Ok(()));
                prop_assert_eq!(table.len(), model.len());
            }
            for (&hash, &value) in &model {
                prop_assert_eq!(find(&table, hash).map(|place| table.at(place).1), Some(value));
            }
            prop_assert_eq!(table.take_entries().collect::<HashMap<_, _>>(), model);
        }
    }

    /// Entries that all belong into one group: more than its count can hold.
    #[test]
    fn a_saturated_count_only_costs_time() {
        let mut table = Table::new();
        let hashes: Vec<u64> = (0..1_000).map(|n| n << 57 >> 1 | n).collect();
        for &hash in &hashes {
            table.insert(hash, (hash, 0), hash_of);
        }
        assert_eq!(table.check(hash_of), Ok(()));
        for &hash in &hashes {
            let place = find(&table, hash).expect("it was put in");
            table.remove(place, hash);
            assert_eq!(find(&table, hash), None);
        }
        assert_eq!(table.check(hash_of), Ok(()));
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn it_stays_dense_and_gives_memory_back() {
        let mut table = Table::new();
        let mut random = 1_u64;
        let mut hashes = Vec::new();
        for n in 1..100_000_usize {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            table.insert(random, (random, 0), hash_of);
            hashes.push(random);
            assert!(n < 100 || table.capacity() < n * 3 / 2, "{} places for {n}", table.capacity());
        }
        for hash in hashes {
            let place = find(&table, hash).expect("it was put in");
            table.remove(place, hash);
            table.shrink(hash_of);
        }
        assert!(table.capacity() <= 64);
        assert_eq!(table.check(hash_of), Ok(()));
    }
}
