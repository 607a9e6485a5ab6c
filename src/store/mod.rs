//! The store: rows in shards, each under its own lock, with the log of what changed.
//!
//! It decides nothing. Every method is a few lines on one shard; the order of operations across rows, log,
//! budget and engine is told in [`core`](crate::core).
//!
//! A row is found by its index; there is one row for an index. Two keys whose indices are equal but whose
//! conflict hashes differ never answer for each other, and the newer displaces the older: neither is ever
//! refused for good.

mod dirty;
mod loads;
mod pins;
mod refreshes;
mod row;
mod rows;
pub(crate) mod slots;
mod table;
mod tags;

pub(crate) use dirty::Dirty;
pub(crate) use loads::Loads;
pub(crate) use pins::{Pins, Quota};
pub(crate) use refreshes::Refreshes;
pub(crate) use row::{Idle, MAX_ENTRY_COST, NEVER, Row, Version};
pub(crate) use rows::{Place, Rows};
pub(crate) use table::Table;
pub use tags::Tag;
pub(crate) use tags::Tags;

use crate::key::KeyHash;
use crate::ring::log::{Command, Write};
use crate::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};
use crossbeam_utils::CachePadded;

/// All rows.
pub(crate) struct Store<V> {
    shards: Box<[CachePadded<RwLock<Shard<V>>>]>,
    dirty: Dirty,
    quota: Arc<Quota>,
}

/// A part of the rows, and the commands that tell how they changed.
pub(crate) struct Shard<V> {
    rows: Rows<V>,
    log: Vec<Command>,
    /// The version of the next write.
    next_version: Version,
    pub(crate) tally: Tally,
    /// The keys that are being loaded. Whatever writes or removes a key overtakes its load.
    pub(crate) loads: Loads<V>,
    /// When values are due for a refresh, in a cache that refreshes them by age.
    pub(crate) refreshes: Refreshes,
    /// Which rows belong to which group.
    pub(crate) tags: Tags,
    /// Which rows are pinned.
    pub(crate) pins: Pins,
}

/// What the writers of a shard count, under its lock: exact, and free beside the lock.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) inserts: u64,
    pub(crate) inserted_cost: u64,
    pub(crate) updates: u64,
    pub(crate) updated_cost: u64,
    /// Of the updates, those that left the value where it was.
    pub(crate) changed: u64,
    /// Updates of which the engine hears through the access ring only.
    pub(crate) quiet_updates: u64,
    pub(crate) removals: u64,
    pub(crate) removed_cost: u64,
}

impl Tally {
    pub(crate) fn written(&mut self, updated: bool, cost: u64) {
        let (count, sum) = if updated {
            (&mut self.updates, &mut self.updated_cost)
        } else {
            (&mut self.inserts, &mut self.inserted_cost)
        };
        *count += 1;
        *sum = sum.wrapping_add(cost);
    }

    /// A live entry was changed in place, or could have been; it costs this now.
    pub(crate) fn changed(&mut self, cost: u64) {
        self.written(true, cost);
        self.changed += 1;
    }

    pub(crate) fn removed(&mut self, cost: u64) {
        self.removals += 1;
        self.removed_cost = self.removed_cost.wrapping_add(cost);
    }

    fn add(&mut self, other: &Self) {
        self.inserts += other.inserts;
        self.inserted_cost = self.inserted_cost.wrapping_add(other.inserted_cost);
        self.updates += other.updates;
        self.updated_cost = self.updated_cost.wrapping_add(other.updated_cost);
        self.changed += other.changed;
        self.quiet_updates += other.quiet_updates;
        self.removals += other.removals;
        self.removed_cost = self.removed_cost.wrapping_add(other.removed_cost);
    }
}

/// What a write did to its shard's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Logged {
    /// Commands that are pending now, this one included.
    pub(crate) pending: usize,
}

impl Logged {
    /// Whether this was the first one: somebody has to be told.
    pub(crate) fn is_first(self) -> bool {
        self.pending == 1
    }
}

impl<V> Store<V> {
    /// `shards` is a power of two, at most 256. Pinned rows may cost at most `pin_quota`.
    pub(crate) fn new(shards: usize, pin_quota: u64) -> Self {
        assert!(shards.is_power_of_two() && shards <= 256, "the builder chooses the number of shards");
        let quota = Arc::new(Quota::new(pin_quota));
        let shard = |_| CachePadded::new(RwLock::new(Shard::new(Arc::clone(&quota))));
        let shards = (0..shards).map(shard).collect();
        Self { shards, dirty: Dirty::default(), quota }
    }

    pub(crate) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// The shard of an index. The table takes the lowest bits for its buckets and the highest for its tags;
    /// the bits between them choose the shard.
    #[inline]
    pub(crate) fn shard_of(&self, index: u64) -> usize {
        (index >> 40) as usize & (self.shards.len() - 1)
    }

    #[inline]
    pub(crate) fn read(&self, shard: usize) -> RwLockReadGuard<'_, Shard<V>> {
        self.shards[shard].read()
    }

    #[inline]
    pub(crate) fn write(&self, shard: usize) -> RwLockWriteGuard<'_, Shard<V>> {
        self.shards[shard].write()
    }

    /// The shards with pending commands. A shard is marked under its lock by the write that starts its log.
    pub(crate) fn dirty(&self) -> &Dirty {
        &self.dirty
    }

    /// What pinned rows may cost, and do.
    pub(crate) fn quota(&self) -> &Quota {
        &self.quota
    }

    /// The number of pinned rows; exact only while nobody writes.
    pub(crate) fn pinned(&self) -> usize {
        (0..self.shards()).map(|shard| self.read(shard).pins.len()).sum()
    }

    /// What the writers of all shards counted.
    pub(crate) fn tally(&self) -> Tally {
        let mut sum = Tally::default();
        (0..self.shards()).for_each(|shard| sum.add(&self.read(shard).tally));
        sum
    }

    /// The number of keys that are being loaded.
    pub(crate) fn loading(&self) -> usize {
        (0..self.shards()).map(|shard| self.read(shard).loads.len()).sum()
    }

    /// The number of rows; exact only while nobody writes.
    pub(crate) fn len(&self) -> usize {
        (0..self.shards()).map(|shard| self.read(shard).len()).sum()
    }
}

impl<V> Shard<V> {
    fn new(quota: Arc<Quota>) -> Self {
        Self {
            rows: Rows::new(),
            log: Vec::new(),
            next_version: Version::default(),
            tally: Tally::default(),
            loads: Loads::new(),
            refreshes: Refreshes::new(),
            tags: Tags::new(),
            pins: Pins::new(quota),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The row of a key: index and conflict both match.
    #[inline]
    pub(crate) fn find(&self, key: KeyHash) -> Option<&Row<V>> {
        self.place_of(key.index).map(|place| self.rows.at(place)).filter(|row| row.conflict == key.conflict)
    }

    /// Where the row of an index is, whoever's it is.
    #[inline]
    pub(crate) fn place_of(&self, index: u64) -> Option<Place> {
        self.rows.find(index)
    }

    #[inline]
    pub(crate) fn at(&self, place: Place) -> &Row<V> {
        self.rows.at(place)
    }

    #[inline]
    pub(crate) fn at_mut(&mut self, place: Place) -> &mut Row<V> {
        self.rows.at_mut(place)
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row<V>> {
        self.rows.iter()
    }

    /// The version that the next write will get.
    pub(crate) fn next_version(&self) -> u32 {
        self.next_version.get()
    }

    /// Puts a row in, with the next version, at the place of the one with its index, if there is one; returns
    /// both. Logs nothing.
    pub(crate) fn put(
        &mut self,
        place: Option<Place>,
        key: KeyHash,
        cost: u64,
        deadline: u64,
        value: V,
    ) -> (&Row<V>, Option<Row<V>>) {
        self.loads.overtake(key);
        let row = Row::new(key, cost, deadline, self.next_version, value);
        self.next_version = self.next_version.next();
        match place {
            Some(place) => {
                let old = std::mem::replace(self.rows.at_mut(place), row);
                (self.rows.at(place), Some(old))
            }
            None => {
                let place = self.rows.insert(row);
                (self.rows.at(place), None)
            }
        }
    }

    /// Gives the row at a place another cost, and with it the next version. Logs nothing.
    pub(crate) fn recost(&mut self, place: Place, cost: u64) -> &Row<V> {
        let row = self.rows.at_mut(place);
        row.recost(cost, self.next_version);
        self.next_version = self.next_version.next();
        row
    }

    /// Gives the row at a place another deadline, and with it the next version. Logs nothing.
    pub(crate) fn retime(&mut self, place: Place, deadline: u64) -> &Row<V> {
        let row = self.rows.at_mut(place);
        row.retime(deadline, self.next_version);
        self.next_version = self.next_version.next();
        row
    }

    /// Takes the row at a place out. Logs nothing.
    pub(crate) fn remove(&mut self, place: Place) -> Row<V> {
        let row = self.rows.remove(place);
        self.refreshes.forget(row.index);
        self.tags.forget(row.index);
        self.pins.forget(row.index);
        row
    }

    /// Takes the row of an index out, if it has that version. Logs nothing.
    pub(crate) fn remove_version(&mut self, index: u64, version: u32) -> Option<Row<V>> {
        let place = self.place_of(index).filter(|&place| self.rows.at(place).version() == version)?;
        Some(self.remove(place))
    }

    /// Verifies the table. For tests.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.rows.check()?;
        self.tags.check(|index| self.place_of(index).is_some())?;
        self.pins.check(|index| self.place_of(index).map(|place| self.at(place).cost()))
    }

    /// Takes everything: the rows, and the commands that no longer matter.
    pub(crate) fn take_all(&mut self) -> Rows<V> {
        self.log.clear();
        self.loads.overtake_all();
        self.refreshes = Refreshes::new();
        self.tags = Tags::new();
        self.pins.clear();
        std::mem::replace(&mut self.rows, Rows::new())
    }

    pub(crate) fn log_write(&mut self, write: Write) -> Logged {
        self.append(Command::Write(write))
    }

    pub(crate) fn log_remove(&mut self, index: u64) -> Logged {
        self.append(Command::Remove { index })
    }

    /// Swaps the pending commands out; `spare` is empty and keeps its memory for the next ones.
    pub(crate) fn swap_log(&mut self, spare: &mut Vec<Command>) {
        std::mem::swap(&mut self.log, spare);
    }

    pub(crate) fn pending(&self) -> usize {
        self.log.len()
    }

    pub(crate) fn log(&self) -> &[Command] {
        &self.log
    }

    fn append(&mut self, command: Command) -> Logged {
        self.log.push(command);
        Logged { pending: self.log.len() }
    }
}

#[cfg(all(test, not(any(tollgate_loom, tollgate_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn indices_that_differ_in_the_bits_between_tags_and_buckets_live_in_different_shards() {
        let store: Store<()> = Store::new(32, 0);
        let shards: Vec<_> = (0..64).map(|bits: u64| store.shard_of(bits << 40 | 0xff)).collect();
        assert!(shards.iter().enumerate().all(|(bits, &shard)| shard == bits % 32));
    }

    #[test]
    fn tallies_of_all_shards_add_up() {
        let store: Store<()> = Store::new(4, 0);
        for shard in 0..4 {
            let tally = &mut store.write(shard).tally;
            (0..=shard as u64).for_each(|cost| tally.written(cost % 2 == 1, cost));
            tally.removed(7);
            tally.quiet_updates += 2;
            tally.changed(0);
        }
        let sum = store.tally();
        assert_eq!((sum.inserts, sum.inserted_cost), (6, 4));
        assert_eq!((sum.updates - sum.changed, sum.changed, sum.updated_cost), (4, 4, 6));
        assert_eq!((sum.removals, sum.removed_cost, sum.quiet_updates), (4, 28, 8));
    }
}
