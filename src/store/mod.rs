//! The store: rows in shards, each under its own lock, with the log of what changed.
//!
//! It decides nothing. Every method is a few lines on one shard; the order of operations across rows, log,
//! budget and engine is told in [`core`](crate::core).
//!
//! A row is found by its index; there is one row for an index. Two keys whose indices are equal but whose
//! conflict hashes differ never answer for each other, and the newer displaces the older: neither is ever
//! refused for good.

mod row;

pub(crate) use row::{Idle, NEVER, Row};

use crate::key::KeyHash;
use crate::ring::log::{Command, Write};
use crossbeam_utils::CachePadded;
use hashbrown::HashTable;
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::sync::atomic::{AtomicU64, Ordering};

/// All rows.
pub(crate) struct Store<V> {
    shards: Box<[CachePadded<RwLock<Shard<V>>>]>,
    dirty: Dirty,
}

/// A part of the rows, and the commands that tell how they changed.
pub(crate) struct Shard<V> {
    rows: HashTable<Row<V>>,
    log: Vec<Command>,
    /// The version of the next write.
    next_version: u32,
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
    /// `shards` is a power of two, at most 256.
    pub(crate) fn new(shards: usize) -> Self {
        assert!(shards.is_power_of_two() && shards <= 256, "the builder chooses the number of shards");
        let shards = (0..shards).map(|_| CachePadded::new(RwLock::new(Shard::new()))).collect();
        Self { shards, dirty: Dirty::default() }
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

    /// The number of rows; exact only while nobody writes.
    pub(crate) fn len(&self) -> usize {
        (0..self.shards()).map(|shard| self.read(shard).len()).sum()
    }
}

impl<V> Shard<V> {
    fn new() -> Self {
        Self { rows: HashTable::new(), log: Vec::new(), next_version: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The row of a key: index and conflict both match.
    #[inline]
    pub(crate) fn find(&self, key: KeyHash) -> Option<&Row<V>> {
        self.find_index(key.index).filter(|row| row.conflict == key.conflict)
    }

    /// The row of an index, whoever's it is.
    #[inline]
    pub(crate) fn find_index(&self, index: u64) -> Option<&Row<V>> {
        self.rows.find(index, |row| row.index == index)
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row<V>> {
        self.rows.iter()
    }

    /// The version that the next write will get.
    pub(crate) fn next_version(&self) -> u32 {
        self.next_version
    }

    /// Puts a row in, with the next version, and returns the one that it displaces. Logs nothing.
    pub(crate) fn put(
        &mut self,
        key: KeyHash,
        cost: u64,
        deadline: u64,
        value: V,
    ) -> (&Row<V>, Option<Row<V>>) {
        let row = Row::new(key, cost, deadline, self.next_version, value);
        self.next_version = self.next_version.wrapping_add(1);
        match self.rows.entry(key.index, |row| row.index == key.index, |row| row.index) {
            hashbrown::hash_table::Entry::Occupied(entry) => {
                let place = entry.into_mut();
                let old = std::mem::replace(place, row);
                (place, Some(old))
            }
            hashbrown::hash_table::Entry::Vacant(entry) => (entry.insert(row).into_mut(), None),
        }
    }

    /// Takes the row of an index out, if `wanted` says so. Logs nothing.
    pub(crate) fn take(&mut self, index: u64, wanted: impl FnOnce(&Row<V>) -> bool) -> Option<Row<V>> {
        let entry = self.rows.find_entry(index, |row| row.index == index).ok()?;
        wanted(entry.get()).then(|| entry.remove().0)
    }

    /// Takes everything: the rows, and the commands that no longer matter.
    pub(crate) fn take_all(&mut self) -> HashTable<Row<V>> {
        self.log.clear();
        std::mem::take(&mut self.rows)
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

/// Which shards have pending commands: one bit each.
///
/// `Ordering:` setting a bit and the processor's last look before it sleeps are both sequentially
/// consistent, as are the two accesses of the [`Bell`](crate::processor): either the writer sees the sleeper,
/// or the sleeper sees the bit. The commands themselves are published by the shard's lock.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    words: [AtomicU64; 4],
}

impl Dirty {
    pub(crate) fn mark(&self, shard: usize) {
        self.words[shard / 64].fetch_or(1 << (shard % 64), Ordering::SeqCst);
    }

    /// Unmarks a shard. To be called *before* its log is swapped out, under its lock or not: a write that
    /// comes after the swap starts a new log and marks again.
    pub(crate) fn unmark(&self, shard: usize) {
        self.words[shard / 64].fetch_and(!(1 << (shard % 64)), Ordering::SeqCst);
    }

    pub(crate) fn has(&self, shard: usize) -> bool {
        self.words[shard / 64].load(Ordering::SeqCst) & (1 << (shard % 64)) != 0
    }

    pub(crate) fn any(&self) -> bool {
        self.words.iter().any(|word| word.load(Ordering::SeqCst) != 0)
    }

    /// The first marked shard at or after `from`, going round.
    pub(crate) fn next(&self, from: usize) -> Option<usize> {
        let (word, bit) = (from / 64 % 4, from % 64);
        let here = self.words[word].load(Ordering::SeqCst);
        let ahead = here & (u64::MAX << bit);
        if ahead != 0 {
            return Some(word * 64 + ahead.trailing_zeros() as usize);
        }
        (1..=4).map(|step| (word + step) % 4).find_map(|word| {
            let bits = self.words[word].load(Ordering::SeqCst);
            (bits != 0).then(|| word * 64 + bits.trailing_zeros() as usize)
        })
    }
}
