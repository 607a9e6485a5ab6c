//! The residents as the policy sees them, and the search for the least valuable of them.
//!
//! A hand sweeps the dense slab. Every search scores the next 32 or 64 entries: being neighbours, they cost a few
//! cache lines where as many random ones would cost a miss each, and where an entry lies says
//! nothing about its worth. The lowest that were not needed stay on offer in a small pool for the next search. While the pool
//! is full, as after a newcomer that was refused, 8 more will do: a key that is not let in costs little.

use super::class::{Class, Scale};
use super::learner::{self, Cell, Learner};
use super::offers::{Offer, Offers};
use crate::policy::{Ledger, Slot};
use crate::store::slots;

/// Stamp and class by slot, the sweeping hand and the pool. See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Residents {
    /// The clock at the last access.
    stamps: Vec<u32>,
    /// The class since the last access; [`TAKEN`] is added while a decision has the entry in hand.
    classes: Vec<Class>,
    /// The slot that the next sweep begins with.
    hand: usize,
    pool: Offers,
}

/// What a search needs to know.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) learner: &'a Learner,
    pub(super) scale: Scale,
    pub(super) clock: u32,
    /// Whether entries have costs other than 1.
    pub(super) sized: bool,
    /// Whether density is per unit of cost.
    pub(super) per_cost: bool,
}

/// How far a search goes.
struct Search {
    sweep: usize,
    pool: usize,
}

impl View<'_> {
    fn search(&self) -> Search {
        if self.sized { SIZED } else { UNIT }
    }

    fn pool_size(&self) -> usize {
        self.search().pool
    }

    /// Expected hits per access of residence, and per unit of cost if so wanted.
    #[inline]
    pub(super) fn density(&self, class: Class, age: u32, slot: Slot) -> f32 {
        let density = self.learner.density(class, self.scale.bucket(age));
        if self.per_cost { density / self.ledger.cost(slot) as f32 } else { density }
    }
}

impl Residents {
    #[inline]
    pub(super) fn stamp(&self, slot: Slot) -> u32 {
        self.stamps[slot as usize]
    }

    pub(super) fn class(&self, slot: Slot) -> Class {
        self.classes[slot as usize] & !TAKEN
    }

    /// Moves every stamp, for a clock that jumps by as much.
    pub(super) fn shift_stamps(&mut self, by: u32) {
        self.stamps.iter_mut().for_each(|stamp| *stamp = stamp.wrapping_add(by));
        self.pool.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.stamps.len()
    }

    #[inline]
    pub(super) fn touch(&mut self, slot: Slot, class: Class, clock: u32) {
        self.stamps[slot as usize] = clock;
        self.classes[slot as usize] = class;
    }

    /// A newcomer was appended.
    pub(super) fn push(&mut self, class: Class, clock: u32) {
        self.fit();
        self.stamps.push(clock);
        self.classes.push(class);
    }

    /// The entry at `slot` leaves and the last one takes its place.
    pub(super) fn swap_remove(&mut self, slot: Slot) {
        let last = (self.stamps.len() - 1) as Slot;
        self.stamps.swap_remove(slot as usize);
        self.classes.swap_remove(slot as usize);
        self.fit();
        self.pool.withdraw(slot);
        self.pool.moved(last, slot);
    }

    #[inline]
    fn fit(&mut self) {
        if let Some(capacity) = slots::another_capacity(self.stamps.len(), self.stamps.capacity()) {
            slots::set_capacity(&mut self.stamps, capacity);
            slots::set_capacity(&mut self.classes, capacity);
        }
    }

    /// Two entries change places.
    pub(super) fn exchange(&mut self, one: Slot, other: Slot) {
        self.stamps.swap(one as usize, other as usize);
        self.classes.swap(one as usize, other as usize);
        self.pool.exchanged(one, other);
    }

    /// Takes the least valuable entry that was found and is not taken yet. There is one.
    pub(super) fn take_least(&mut self, view: &View<'_>) -> Offer {
        self.sweep(view);
        loop {
            match self.choose(view) {
                Some(offer) => {
                    self.classes[offer.slot as usize] |= TAKEN;
                    return offer;
                }
                None => self.sweep(view),
            }
        }
    }

    /// Puts a taken entry out of reach of the searches, as if it had been found.
    pub(super) fn protect(&mut self, slot: Slot) {
        self.classes[slot as usize] |= TAKEN;
        self.pool.withdraw(slot);
    }

    /// Ends the decision for a slot that was taken or protected.
    pub(super) fn release(&mut self, slot: Slot) {
        self.classes[slot as usize] &= !TAKEN;
    }

    /// Puts an entry that was taken in vain back on offer.
    pub(super) fn put_back(&mut self, view: &View<'_>, offer: Offer) {
        self.release(offer.slot);
        self.pool.offer(offer, view.pool_size());
    }

    /// Makes no entry older than `limit`. O(n).
    pub(super) fn clamp_ages(&mut self, limit: u32, clock: u32) {
        for stamp in &mut self.stamps {
            if clock.wrapping_sub(*stamp) > limit {
                *stamp = clock.wrapping_sub(limit);
            }
        }
    }

    /// The lowest offer that still holds.
    fn choose(&mut self, view: &View<'_>) -> Option<Offer> {
        loop {
            let offer = self.pool.pop()?;
            let slot = offer.slot as usize;
            if self.stamps[slot] != offer.stamp {
                continue;
            }
            let age = view.clock.wrapping_sub(offer.stamp);
            let density = view.density(self.classes[slot], age, offer.slot);
            if density <= offer.density * RECONSIDER {
                return Some(Offer { density, ..offer });
            }
            self.pool.rank(Offer { density, ..offer });
        }
    }

    /// Scores the next entries and keeps the lowest on offer.
    fn sweep(&mut self, view: &View<'_>) {
        if self.hand >= self.stamps.len() {
            self.hand = 0;
        }
        let Search { sweep, pool: most } = view.search();
        let sweep = if self.pool.len() < most { sweep } else { NOTHING_TAKEN };
        let begin = self.hand;
        let end = (begin + sweep).min(self.stamps.len());
        self.hand = end;
        let mut limit = self.pool.limit(most);
        // First where in the table to look for all of them: arithmetic on neighbours, which the compiler turns into vectors.
        let mut cells = [Cell::default(); MOST_SWEPT];
        let entries = self.classes[begin..end].iter().zip(&self.stamps[begin..end]);
        for (cell, (&class, &stamp)) in cells.iter_mut().zip(entries) {
            *cell = learner::cell(class, view.scale.bucket(view.clock.wrapping_sub(stamp)));
        }
        for (slot, &cell) in (begin..end).zip(&cells) {
            let mut density = view.learner.density_in(cell);
            if view.per_cost {
                density /= view.ledger.cost(slot as Slot) as f32;
            }
            if density < limit {
                let stamp = self.stamps[slot];
                self.pool.offer(Offer { slot: slot as Slot, density, stamp }, most);
                limit = self.pool.limit(most);
            }
        }
    }

    pub(super) fn memory(&self) -> usize {
        self.stamps.capacity() * size_of::<u32>() + self.classes.capacity() + self.pool.memory()
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if self.classes.iter().any(|&class| class & TAKEN != 0) {
            return Err("density: an entry is marked as taken, though nothing is being decided".into());
        }
        self.pool.check(self.stamps.len())
    }
}

/// Marks a class: the density of a class so large is infinite.
const TAKEN: Class = 0x80;
/// Entries scored by one search, and offers kept, where all entries cost the same.
const UNIT: Search = Search { sweep: 32, pool: 8 };
/// Where they do not: the least per cost are rarer, and one newcomer may need the room of many.
const SIZED: Search = Search { sweep: 64, pool: 16 };
/// Entries scored where the pool is full.
const NOTHING_TAKEN: usize = 8;
/// The larger of the two.
const MOST_SWEPT: usize = if UNIT.sweep > SIZED.sweep { UNIT.sweep } else { SIZED.sweep };
/// An offer is scored again if its density has grown by this factor.
const RECONSIDER: f32 = 1.5;

#[cfg(test)]
mod tests {
    use super::*;

    /// `len` entries of class 0, stamped 0, 1, 2, ...: by its priors a learner prefers the last.
    fn residents(len: u32) -> (Residents, Ledger, Learner) {
        let (mut residents, mut ledger) = (Residents::default(), Ledger::new(u64::MAX));
        for stamp in 0..len {
            residents.push(0, stamp);
            ledger.push(stamp.into(), 1, 0);
        }
        (residents, ledger, Learner::new(Scale::new(64)))
    }

    fn view<'a>(ledger: &'a Ledger, learner: &'a Learner) -> View<'a> {
        View { ledger, learner, scale: Scale::new(64), clock: 5000, sized: false, per_cost: false }
    }

    #[test]
    fn every_entry_is_taken_once() {
        let (mut residents, ledger, learner) = residents(300);
        let view = view(&ledger, &learner);
        let mut taken: Vec<Slot> = (0..300).map(|_| residents.take_least(&view).slot).collect();
        assert!(residents.check().is_err());
        taken.iter().for_each(|&slot| residents.release(slot));
        taken.sort_unstable();
        assert!(taken.into_iter().eq(0..300));
        residents.check().unwrap();
    }

    #[test]
    fn an_entry_used_since_it_was_found_is_not_on_offer() {
        let (mut residents, ledger, learner) = residents(300);
        residents.clamp_ages(0, 4990);
        (0..9).for_each(|slot| residents.touch(slot, 0, slot));
        let view = view(&ledger, &learner);
        let first = residents.take_least(&view).slot;
        assert!(first < 9 && residents.pool.slots().all(|slot| slot < 9));
        (0..9).for_each(|slot| residents.touch(slot, 34, 5000));
        for _ in 0..200 {
            assert!(residents.take_least(&view).slot >= 9);
        }
    }

    #[test]
    fn offers_follow_their_entries() {
        let (mut residents, ledger, learner) = residents(64);
        let view = view(&ledger, &learner);
        for slot in [7, 63] {
            let stamp = residents.stamp(slot);
            residents.pool.offer(Offer { slot, density: 1.0, stamp }, view.pool_size());
        }
        residents.swap_remove(7);
        assert_eq!(residents.choose(&view).map(|offer| (offer.slot, offer.stamp)), Some((7, 63)));
        assert_eq!(residents.choose(&view).map(|offer| offer.slot), None, "what left is not on offer");
    }

    #[test]
    fn what_was_put_back_is_found_again() {
        let (mut residents, ledger, learner) = residents(64);
        let view = view(&ledger, &learner);
        let offer = residents.take_least(&view);
        residents.put_back(&view, offer);
        residents.check().unwrap();
        let again = (0..64).map(|_| residents.take_least(&view).slot).any(|slot| slot == offer.slot);
        assert!(again);
    }

    #[test]
    fn the_costly_go_first_where_requests_count() {
        let (mut residents, mut ledger, learner) = residents(64);
        ledger.restate(17, 1000, 0);
        let view = View { sized: true, per_cost: true, ..view(&ledger, &learner) };
        assert_eq!(residents.take_least(&view).slot, 17);
    }
}
