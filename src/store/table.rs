//! A hash table that stays dense: the slots of rows and of the ledger's entries, what few rows have beside them, loads.
//!
//! Open addressing in groups of eight places. A group begins with eight tags (a bit that says "taken" and seven bits of the
//! hash each), which a search compares at once. An entry that finds its home full goes on to a second group, and from there to the
//! neighbours; where it passes, it is counted. A search goes on only while there is something to go on for; taking an
//! entry out lowers the counts on its way: there are no tombstones, and a table that is
//! emptied and filled for ever needs no rehashing. This is the scheme of F14 (Bronson and Shi, "Open-sourcing F14 for faster,
//! more memory-efficient hash tables", Facebook Engineering, 2019), with words where F14 has vectors, and with eight counts
//! where it has one: entries are of eight *kinds*, by three bits of their hash, and a search minds those of its kind only. In a cache that is
//! full for long, nearly every group has been full at some time, and an entry that went on never comes home: with one count
//! a search in vain looks at 26 groups of a table that is 0.857 full, with eight at 1.9.
//!
//! Why not a table from a library: those grow by doubling, so that the tables of all shards, which fill alike, are half
//! empty at the same time. This one grows by a quarter; it is between 0.69 and 0.86 full. The place of a group comes from a
//! multiplication, not a mask, so that any number of groups will do.
//!
//! The table knows neither keys nor hashers: callers bring the hash, and closures that recognise an entry or
//! tell its hash again. Of the hash, bits 40 to 47 may be the same for all entries: they choose the shard.

/// See the [module](self).
#[derive(Debug, Clone)]
pub(crate) struct Table<T> {
    groups: Vec<Group<T>>,
    len: usize,
}

/// Tags and counts lie beside their places: a search in vain needs no more of a group.
#[derive(Debug, Clone)]
struct Group<T> {
    /// A byte for each place; zero is vacant.
    tags: u64,
    /// How many entries of each kind went on from here. A count that has reached its end is not lowered again.
    went_on: [u8; KINDS],
    /// Some if, and only if, the tag says "taken".
    places: [Option<T>; WIDTH],
}

/// Where an entry is, until the next insertion or shrinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    group: usize,
    nth: usize,
}

/// Places in a group.
const WIDTH: usize = 8;
/// Kinds of entries that are counted apart.
const KINDS: usize = 8;
/// The lowest bit of each tag.
const ONES: u64 = 0x0101_0101_0101_0101;
/// The highest bit of each tag: "taken".
const TAKEN: u64 = ONES << 7;
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
        self.find_on_way(hash, |group, Group { tags, places, .. }| {
            let mut matches = matches(*tags, hash);
            while matches != 0 {
                let nth = (matches.trailing_zeros() / 8) as usize;
                if places[nth].as_ref().is_some_and(&is_it) {
                    return Some(Place { group, nth });
                }
                matches &= matches - 1;
            }
            None
        })
    }

    /// Goes from group to group for as long as an entry with this hash may lie further on, until `look` has found what it wants.
    #[inline]
    fn find_on_way<R>(&self, hash: u64, mut look: impl FnMut(usize, &Group<T>) -> Option<R>) -> Option<R> {
        let (mut at, kind) = (self.home(hash), kind(hash));
        for step in 0..=self.groups.len() {
            let group = self.groups.get(at)?;
            if let Some(found) = look(at, group) {
                return Some(found);
            }
            if group.went_on[kind] == 0 {
                return None;
            }
            at = self.next(at, step, hash);
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
        let (mut passed, mut step) = (self.home(hash), 0);
        while passed != place.group {
            let went_on = &mut self.groups[passed].went_on[kind(hash)];
            if *went_on != u8::MAX {
                *went_on -= 1;
            }
            passed = self.next(passed, step, hash);
            step += 1;
        }
        let group = &mut self.groups[place.group];
        group.tags &= !(0xff << (8 * place.nth));
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
    fn take_entries(&mut self) -> impl Iterator<Item = T> {
        self.groups.iter_mut().flat_map(|group| &mut group.places).filter_map(Option::take)
    }

    /// Bytes of heap memory held.
    pub(crate) fn memory(&self) -> usize {
        self.groups.capacity() * size_of::<Group<T>>()
    }

    /// Verifies tags, counts and places. O(n).
    pub(crate) fn check(&self, hash_of: impl Fn(&T) -> u64) -> Result<(), String> {
        let mut went_on = vec![[0_u64; KINDS]; self.groups.len()];
        let mut len = 0;
        let places = self.groups.iter().enumerate().flat_map(|(at, group)| {
            group
                .places
                .iter()
                .enumerate()
                .map(move |(nth, entry)| (at, group.tags >> (8 * nth) & 0xff, entry))
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
            if tag != self::tag(hash) {
                return Err(format!("table: an entry of group {group} has the tag {tag:#x}"));
            }
            let (mut passed, mut step) = (self.home(hash), 0);
            while passed != group {
                went_on[passed][kind(hash)] += 1;
                passed = self.next(passed, step, hash);
                step += 1;
            }
        }
        if len != self.len {
            return Err(format!("table: {len} entries, len says {}", self.len));
        }
        let is_right = |(&count, &passed): (&u8, &u64)| count == u8::MAX || u64::from(count) == passed;
        match self
            .groups
            .iter()
            .zip(&went_on)
            .position(|(group, passed)| !group.went_on.iter().zip(passed).all(is_right))
        {
            Some(group) => Err(format!("table: a count of group {group} is wrong")),
            None => Ok(()),
        }
    }

    fn put(&mut self, hash: u64, entry: T) -> Place {
        let (mut group, mut step) = (self.home(hash), 0);
        loop {
            let Group { tags, went_on, places } = &mut self.groups[group];
            let vacant = !*tags & TAKEN;
            if vacant != 0 {
                let nth = (vacant.trailing_zeros() / 8) as usize;
                *tags |= tag(hash) << (8 * nth);
                places[nth] = Some(entry);
                return Place { group, nth };
            }
            went_on[kind(hash)] = went_on[kind(hash)].saturating_add(1);
            group = self.next(group, step, hash);
            step += 1;
        }
    }

    #[cold]
    fn resize(&mut self, groups: usize, hash_of: impl Fn(&T) -> u64) {
        let mut larger = Self { groups: Vec::new(), len: self.len };
        larger.groups.resize_with(groups, Group::vacant);
        let mut old = std::mem::replace(self, larger);
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

    /// Where a search goes on after the group that it looked at in the `step`-th place: from its home to a second one, from there to neighbours.
    #[inline]
    fn next(&self, group: usize, step: usize, hash: u64) -> usize {
        if step == 0 {
            self.home(hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32)
        } else if group + 1 == self.groups.len() {
            0
        } else {
            group + 1
        }
    }
}

impl<T> Group<T> {
    fn vacant() -> Self {
        Self { tags: 0, went_on: [0; KINDS], places: [const { None }; WIDTH] }
    }
}

/// "Taken", and the highest seven bits of the hash.
#[inline]
fn tag(hash: u64) -> u64 {
    0x80 | hash >> 57
}

/// The three bits below.
#[inline]
fn kind(hash: u64) -> usize {
    (hash >> 54) as usize & (KINDS - 1)
}

/// The top bit of each tag that may be the hash's. One above a true match may be wrong (a borrow), which
/// costs a comparison and nothing else.
#[inline]
fn matches(tags: u64, hash: u64) -> u64 {
    let different = tags ^ (ONES * tag(hash));
    different.wrapping_sub(ONES) & !different & TAKEN
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
        (0..40_u64, 0..4_u64, 0..3_u64).prop_map(|(low, high, kind)| high << 60 | kind << 54 | low << 26)
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

    /// Entries that all belong into one group: more than its counts can hold.
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

    /// How many groups a search for a hash that is not there looks at.
    fn looked_at(table: &Table<(u64, u32)>, hash: u64) -> usize {
        let mut groups = 0;
        table.find_on_way(hash, |_, _| {
            groups += 1;
            None::<()>
        });
        groups
    }

    #[test]
    fn searches_in_vain_stay_short_however_much_came_and_went() {
        let mut table = Table::new();
        let mut random = 1_u64;
        let mut next = || {
            random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            (random ^ random >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
        };
        let mut hashes: Vec<u64> = Vec::new();
        // As full as it gets: the next entry would make it grow.
        while hashes.len() < 20_000 || (hashes.len() + 1) * FULL_OF <= table.capacity() * FULL {
            hashes.push(next());
            table.insert(hashes[hashes.len() - 1], (hashes[hashes.len() - 1], 0), hash_of);
        }
        for round in 0..200_000 {
            let at = (next() % hashes.len() as u64) as usize;
            let place = find(&table, hashes[at]).expect("it was put in");
            table.remove(place, hashes[at]);
            hashes[at] = next();
            table.insert(hashes[at], (hashes[at], round), hash_of);
        }
        assert_eq!(table.check(hash_of), Ok(()));
        let searches: usize = (0..10_000).map(|_| looked_at(&table, next())).sum();
        assert!(searches < 25_000, "10,000 searches in vain look at {searches} groups");
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
