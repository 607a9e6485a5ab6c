//! Reading and writing in one step: the caller's closure sees the entry and says what becomes of it, all under the lock of
//! its shard.
//!
//! What fits is written on the spot. If a larger cost finds no room, room can only be made with the lock given
//! back. So that no other writer builds on what is being replaced meanwhile, the old row leaves before that, and the value
//! goes the way of an insert, unless something else overtakes it: as if the policy had evicted the entry between two writes, which it
//! may do at any time.

use super::deliver::Departed;
use super::load::Lead;
use super::pins::Pinning;
use super::write::{Attempt, Refusal};
use super::{Core, Count, Lifetime, Request};
use crate::error::InsertError;
use crate::flight::Flight;
use crate::key::KeyHash;
use crate::listener::Cause;
use crate::ring::log::Write;
use crate::store::{Logged, MAX_ENTRY_COST, Place, Row, Shard};
use crate::sync::{self, RwLockWriteGuard};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What is to become of an entry; what the closure of [`Cache::compute`](crate::Cache::compute) returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op<V> {
    /// It stays, with whatever the closure has changed in its value.
    Keep,
    /// It stays, and costs so much from now on; 0 is the weigher's, or 1. Its deadline stays.
    Recost(u64),
    /// This value takes its place, or is inserted.
    Put {
        /// The value.
        value: V,
        /// Its cost; 0 is the weigher's, or 1.
        cost: u64,
    },
    /// It is removed, and handed to the caller.
    Remove,
}

/// What was done.
pub(crate) enum Done<V> {
    Absent,
    Kept,
    Written { updated: bool },
    Removed(V),
}

/// An entry that left for want of room, and the flight that stands for its key until it is back.
struct Vacated<V> {
    flight: sync::Arc<Flight<V>>,
    gone: Option<(Row<V>, Logged)>,
    /// If it was pinned, it is to be so again.
    pinning: Pinning,
}

type Held<'a, V> = RwLockWriteGuard<'a, Shard<V>>;

impl<V> Core<V> {
    /// Changes a live value in place. `change` runs under the shard's lock.
    pub(crate) fn update(&self, key: KeyHash, change: impl FnOnce(&mut V)) -> bool {
        self.keep_time();
        let mut shard = self.store.write(self.store.shard_of(key.index));
        let Some(place) = self.live(&shard, key) else { return false };
        // First of all: a closure, an `Expiry` or a clock that panics may leave a changed value behind.
        shard.loads.overtake(key);
        change(&mut shard.at_mut(place).value);
        self.changed(shard, place);
        true
    }

    /// Lets `choose` see and change a live value, and does what it says. `choose` runs under the shard's lock.
    pub(crate) fn compute(
        &self,
        key: KeyHash,
        choose: impl FnOnce(Option<&mut V>) -> Op<V>,
    ) -> Result<Done<V>, InsertError<V>> {
        self.keep_time();
        let number = self.store.shard_of(key.index);
        let mut shard = self.store.write(number);
        let place = self.live(&shard, key);
        if place.is_some() {
            // See `update`.
            shard.loads.overtake(key);
        }
        match (choose(place.map(|place| &mut shard.at_mut(place).value)), place) {
            (Op::Put { value, cost }, _) => self.put_computed(shard, place, key, cost, value),
            (Op::Remove, None) => {
                shard.loads.overtake(key);
                // A value past its time may be there still, and be served by the methods that load.
                let stale =
                    shard.place_of(key.index).filter(|&place| shard.at(place).conflict == key.conflict);
                let gone = stale.map(|place| {
                    let row = shard.remove(place);
                    let logged = shard.log_remove(key.index);
                    self.mark_first(number, logged);
                    (row, logged)
                });
                drop(shard);
                if let Some((row, logged)) = gone {
                    self.give_back(number, row.cost());
                    self.after_write(number, logged);
                    self.depart(Departed::new(row, Cause::Expired));
                }
                Ok(Done::Absent)
            }
            (_, None) => Ok(Done::Absent),
            (Op::Keep, Some(place)) => {
                self.changed(shard, place);
                Ok(Done::Kept)
            }
            (Op::Recost(cost), Some(place)) => self.recost(shard, place, cost),
            (Op::Remove, Some(place)) => {
                let (row, logged) = self.take_out(&mut shard, place);
                drop(shard);
                self.give_back(number, row.cost());
                self.after_write(number, logged);
                Ok(Done::Removed(row.value))
            }
        }
    }

    pub(super) fn live(&self, shard: &Shard<V>, key: KeyHash) -> Option<Place> {
        shard.place_of(key.index).filter(|&place| {
            let row = shard.at(place);
            row.conflict == key.conflict && self.is_live(row)
        })
    }

    /// A value was changed in place: neither cost nor, unless an `Expiry` says so, deadline, so that the engine need not hear of
    /// it but as an access.
    fn changed(&self, mut shard: Held<'_, V>, place: Place) {
        let row = shard.at(place);
        let (key, cost) = (row.key(), row.cost());
        let deadline = self.deadline_after_change(row);
        let quiet = deadline == row.deadline() && self.may_be_quiet();
        self.touch(row);
        self.plan_refresh(&mut shard, key.index, || self.now());
        shard.loads.overtake(key);
        shard.tally.changed(cost);
        if !quiet {
            self.set_deadline_anew(shard, place, deadline);
            return;
        }
        shard.tally.quiet_updates += 1;
        drop(shard);
        if self.reads.record(key.index) {
            self.drain_soon();
        }
    }

    /// Takes a live row out.
    fn take_out(&self, shard: &mut Shard<V>, place: Place) -> (Row<V>, Logged) {
        let row = shard.remove(place);
        shard.loads.overtake(row.key());
        shard.tally.removed(row.cost());
        let logged = shard.log_remove(row.index);
        self.mark_first(self.store.shard_of(row.index), logged);
        (row, logged)
    }

    /// Writes what takes the place of the live row that was computed with, if there is one.
    fn put_computed(
        &self,
        shard: Held<'_, V>,
        place: Option<Place>,
        key: KeyHash,
        cost: u64,
        value: V,
    ) -> Result<Done<V>, InsertError<V>> {
        let charged = match catch_unwind(AssertUnwindSafe(|| self.charge(cost, &value))) {
            Ok(charged) => charged,
            Err(panic) => {
                // The weigher's. The value is dropped on the way, not before the lock is given back.
                drop(shard);
                resume_unwind(panic);
            }
        };
        let max_cost = self.budget.max_cost().min(MAX_ENTRY_COST);
        if charged > max_cost {
            drop(shard);
            return Err(self.refuse(Refusal::TooCostly { cost: charged, max_cost }, value));
        }
        let request = Request {
            key,
            cost: charged,
            lifetime: Lifetime::Default,
            only_present: false,
            tag: None,
            pinning: Pinning::Kept,
            flight: None,
        };
        let mut vacated = None;
        let attempt = self.write_locked(shard, &request, value, |shard| {
            let was_pinned = place.is_some() && shard.pins.has(key.index);
            let gone = place.map(|place| self.take_out(shard, place));
            vacated = Some(self.vacate(shard, key, gone, was_pinned));
        });
        match (attempt, vacated) {
            (Attempt::NoRoom { value, .. }, Some(Vacated { flight, gone, pinning })) => {
                let (old, logged) = gone.unzip();
                let freed = old.as_ref().map_or(0, Row::cost);
                let updated = old.is_some();
                // The weigher has spoken: it is not asked again, when the old row is gone.
                let cost = charged - self.settings.overhead;
                let request = Request { cost, pinning, flight: Some(flight.id()), ..request };
                let outcome =
                    catch_unwind(AssertUnwindSafe(|| self.refill(request, flight, value, freed, logged)));
                // A clock may have panicked: what was replaced is accounted for all the same.
                old.into_iter().for_each(|row| self.depart(Departed::new(row, Cause::Removed)));
                outcome.unwrap_or_else(|panic| resume_unwind(panic)).map(|()| Done::Written { updated })
            }
            (Attempt::Refused(error), _) => Err(error),
            (Attempt::Written { updated }, _) => Ok(Done::Written { updated }),
            (Attempt::NoRoom { .. }, None) => unreachable!("without room, the row is vacated"),
        }
    }

    fn recost(&self, mut shard: Held<'_, V>, place: Place, cost: u64) -> Result<Done<V>, InsertError<V>> {
        let row = shard.at(place);
        let (key, old_cost, deadline) = (row.key(), row.cost(), row.deadline());
        let number = self.store.shard_of(key.index);
        let charged = self.charge(cost, &row.value);
        if charged == old_cost {
            self.changed(shard, place);
            return Ok(Done::Kept);
        }
        // All that may panic comes before the first change: the weigher and the clock are the user's.
        self.touch(row);
        let due = self.expiry(row);
        self.plan_refresh(&mut shard, key.index, || self.now());
        let max_cost = self.budget.max_cost().min(MAX_ENTRY_COST);
        if charged > max_cost {
            let (row, logged) = self.take_out(&mut shard, place);
            drop(shard);
            self.give_back(number, old_cost);
            self.after_write(number, logged);
            return Err(self.refuse(Refusal::TooCostly { cost: charged, max_cost }, row.value));
        }
        let held = shard.pins.cost_of(key.index);
        let wanted = charged.saturating_sub(held);
        let pinned = held > 0 && self.store.quota().try_reserve(wanted);
        let aside = if pinned { wanted } else { 0 };
        let growth = charged.saturating_sub(old_cost);
        if growth > 0 && !self.budget.try_reserve(growth) {
            let tag = shard.tags.of(key.index);
            self.store.quota().release(aside);
            let (row, logged) = self.take_out(&mut shard, place);
            let Vacated { flight, pinning, .. } = self.vacate(&mut shard, key, None, held > 0);
            drop(shard);
            let request = Request {
                key,
                // The weigher has spoken: it is not asked again, when the row is gone.
                cost: charged - self.settings.overhead,
                lifetime: Lifetime::Until(deadline),
                only_present: false,
                tag,
                pinning,
                flight: Some(flight.id()),
            };
            let outcome = self.refill(request, flight, row.value, old_cost, Some(logged));
            return outcome.map(|()| Done::Written { updated: true });
        }
        shard.loads.overtake(key);
        shard.tally.changed(charged);
        self.count(Count::PinsLost, u64::from(held > 0 && !pinned));
        shard.pins.set(key.index, pinned.then_some(charged));
        let version = shard.recost(place, charged).version();
        let write = Write { index: key.index, version, cost: charged, deadline: due, pinned };
        let logged = shard.log_write(write);
        self.mark_first(number, logged);
        drop(shard);
        self.give_back(number, old_cost.saturating_sub(charged));
        self.after_write(number, logged);
        Ok(Done::Written { updated: true })
    }

    /// Keeps the place of a key that has no row now.
    fn vacate(
        &self,
        shard: &mut Shard<V>,
        key: KeyHash,
        gone: Option<(Row<V>, Logged)>,
        was_pinned: bool,
    ) -> Vacated<V> {
        shard.loads.overtake(key);
        let pinning = if was_pinned { Pinning::Again } else { Pinning::Kept };
        Vacated { flight: shard.loads.begin(key), gone, pinning }
    }

    /// Inserts a value whose row was taken out for want of room, unless something overtook it.
    #[cold]
    fn refill(
        &self,
        request: Request,
        flight: sync::Arc<Flight<V>>,
        value: V,
        freed: u64,
        logged: Option<Logged>,
    ) -> Result<(), InsertError<V>> {
        let lead = Lead::new(self, flight);
        let number = self.store.shard_of(request.key.index);
        // A listener may ask for the key: it is called when the flight has landed.
        self.delivering_after(|| {
            let _landing = lead.landing();
            self.give_back(number, freed);
            if let Some(logged) = logged {
                self.after_write(number, logged);
            }
            let outcome = self.insert(request, value).map(|_| ());
            lead.release();
            outcome
        })
    }
}
