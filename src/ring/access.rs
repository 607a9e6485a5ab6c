//! The access ring: which indices were read, for the policy's statistics.
//!
//! A read of the cache must not wait for the engine, so it leaves the index here and goes on: one uncontended
//! read-modify-write and one store. The holder of the engine drains the ring now and then. The ring is
//! *lossy*: a reader never waits for a drain, it overwrites. As frequencies are a statistic, losing some costs
//! little, and keeping the freshest costs least. What is lost is counted, exactly.
//!
//! The ring is striped by thread. A stripe is a cursor and [`CAPACITY`] slots; position `p` of its history uses slot
//! `p % CAPACITY`. The [`Drainer`] remembers for each stripe the *head*, the first position that it has not seen.
//!
//! | slot | who may change it | to |
//! |---|---|---|
//! | vacant (0) | the reader that has reserved a position of the slot | holding an index |
//! | holding an index | a reader that has reserved a later position of the slot | holding that reader's index |
//! | holding an index | the drainer | vacant |
//!
//! # Accounting
//!
//! Every position is reserved by one reader (`fetch_add` gives each number once) and passed by the drainer once,
//! which then counts it: *recorded* if its slot held an index, *lost* if the slot was vacant or was not
//! looked at because later positions have taken it. So for each stripe, at every moment,
//!
//! > cursor = recorded + lost + (cursor − head)
//!
//! and nothing has to be assumed about when stores land. Three things can go wrong between a reservation
//! and its store, and each of them costs one lost position:
//!
//! - *The drainer comes between.* It finds the slot vacant and counts the position as lost. The index lands later and stands in for
//!   the next position of the slot, or is overwritten by it.
//! - *A reader of a later lap comes between.* Whichever store lands last stays.
//! - *A reader of a later lap stores between the drainer's load and its clearing of the slot.* That index is wiped out; its
//!   own position will be found vacant.
//!
//! An index is handed out at most once: it is stored once, and the drainer that has loaded it makes the slot vacant
//! before it looks at the slot again.
//!
//! # Ordering
//!
//! Everything is Relaxed. A slot publishes nothing but the index in it, which is a plain number: whoever loads it needs no
//! other memory of the reader. Cursor and slot need no order between them either, as the accounting
//! above holds whichever of them the drainer sees first. What is needed is given by coherence of each atomic alone:
//! `fetch_add` numbers are unique, and after the drainer has cleared a slot it sees the zero or a later store.
//! Where a read *happens before* a drain (the reader took a lock that the drainer took afterwards, say the engine's,
//! or is the drainer), both its reservation and its store are visible to it, and the index is recorded or has
//! been overwritten by a fresher one.
//!
//! The ring knows no keys, hits, misses or policies, and wakes nobody: it says when a part of a stripe has filled.

use crate::counters::{stripes_up_to, thread_stripe};
use crate::sync::{AtomicU64, Ordering};
use crossbeam_utils::CachePadded;

/// The readers' end.
#[derive(Debug)]
pub(crate) struct AccessRing {
    /// A power of two of them.
    stripes: Box<[Stripe]>,
}

#[derive(Debug)]
struct Stripe {
    /// The number of positions reserved so far. Written by [`AccessRing::record`].
    cursor: CachePadded<AtomicU64>,
    /// Indices that have not been drained, 0 where there is none. See the table of the [module](self).
    slots: CachePadded<[AtomicU64; CAPACITY]>,
}

/// The drainer's end. There is one for each ring, so that whoever has it borrowed mutably is the only one that drains.
#[derive(Debug)]
pub(crate) struct Drainer {
    /// For each stripe, the first position that has not been passed.
    heads: Box<[u64]>,
    recorded: u64,
    lost: u64,
}

impl AccessRing {
    /// An empty ring, with stripes for as many threads as can run at a time.
    pub(crate) fn new() -> (Self, Drainer) {
        Self::with_stripes(stripes_up_to(MAX_STRIPES))
    }

    /// `stripes` is a power of two.
    fn with_stripes(stripes: usize) -> (Self, Drainer) {
        debug_assert!(stripes.is_power_of_two());
        let ring = Self { stripes: (0..stripes).map(|_| Stripe::new()).collect() };
        let drainer = Drainer { heads: vec![0; stripes].into_boxed_slice(), recorded: 0, lost: 0 };
        (ring, drainer)
    }

    /// Notes that `index` was read. Returns whether a part of a stripe has filled since this last returned true for it: a good
    /// time to have the ring drained.
    ///
    /// Never waits. Index 0 is noted as 1, as 0 is the vacant slot.
    #[inline]
    pub(crate) fn record(&self, index: u64) -> bool {
        self.record_in(thread_stripe(), index)
    }

    #[inline]
    fn record_in(&self, stripe: usize, index: u64) -> bool {
        let stripe = &self.stripes[stripe & (self.stripes.len() - 1)];
        let position = stripe.cursor.fetch_add(1, Ordering::Relaxed);
        stripe.slots[slot_of(position)].store(index.max(1), Ordering::Relaxed);
        position % PART == PART - 1
    }

    /// The number of reads ever noted, the lost ones included. Exact once the readers have been waited for. O(stripes).
    pub(crate) fn attempted(&self) -> u64 {
        self.stripes.iter().map(|stripe| stripe.cursor.load(Ordering::Relaxed)).sum()
    }
}

impl Stripe {
    fn new() -> Self {
        Self {
            cursor: CachePadded::new(AtomicU64::new(0)),
            slots: CachePadded::new(std::array::from_fn(|_| AtomicU64::new(0))),
        }
    }
}

impl Drainer {
    /// Hands every index in the ring to `each`, and counts what is lost. O([`CAPACITY`]) for each stripe, however many reads there were.
    ///
    /// # Panics
    /// If `ring` is not the one that this drainer came with.
    pub(crate) fn drain(&mut self, ring: &AccessRing, mut each: impl FnMut(u64)) {
        assert_eq!(self.heads.len(), ring.stripes.len(), "a drainer belongs to one ring");
        for (stripe, head) in ring.stripes.iter().zip(&mut self.heads) {
            let cursor = stripe.cursor.load(Ordering::Relaxed);
            let overwritten = (cursor - *head).saturating_sub(CAPACITY as u64);
            self.lost += overwritten;
            for position in *head + overwritten..cursor {
                match stripe.take(position) {
                    0 => self.lost += 1,
                    index => {
                        self.recorded += 1;
                        each(index);
                    }
                }
            }
            *head = cursor;
        }
    }

    /// The number of indices handed out so far.
    pub(crate) fn recorded(&self) -> u64 {
        self.recorded
    }

    /// The number of reads that were noted and will not be handed out.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }
}

impl Stripe {
    /// Empties the slot of a position.
    fn take(&self, position: u64) -> u64 {
        let slot = &self.slots[slot_of(position)];
        // Not a swap: it would cost several times as much, to save an index that comes between the two.
        let index = slot.load(Ordering::Relaxed);
        if index != 0 {
            slot.store(0, Ordering::Relaxed);
        }
        index
    }
}

#[inline]
fn slot_of(position: u64) -> usize {
    position as usize & (CAPACITY - 1)
}

/// Slots of a stripe: a power of two. The model checker gets few, to see laps.
const CAPACITY: usize = if cfg!(tollgate_loom) { 2 } else { 1024 };
/// Positions after which a reader is told that it is time to drain.
const PART: u64 = if cfg!(tollgate_loom) { 1 } else { 128 };
/// A drain looks at every stripe.
const MAX_STRIPES: usize = 32;

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
