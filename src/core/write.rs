//! The life of an insert and of a remove.
//!
//! An insert is *eager* where it can be: it reserves its cost, writes the row, appends the command to the
//! shard's log under the same lock, and returns; the engine decides later. Where the cost does not fit into
//! what is left of `max_cost + slack`, the inserting thread runs a turn of maintenance and tries again; where the cost exceeds the
//! slack, or others keep taking the room, the insert is *decided at once* (`decided.rs`): the victims leave first and the row
//! is written last, so that not even this insert ever passes the bound.

use super::deliver::Departed;
use super::pins::{Pin, Pinning};
use super::{Core, Count, Lifetime};
use crate::error::InsertError;
use crate::flight::FlightId;
use crate::key::KeyHash;
use crate::listener::Cause;
use crate::ring::log::Write;
use crate::store::{Logged, MAX_ENTRY_COST, Place, Shard, Tag};
use crate::sync::RwLockWriteGuard;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

/// An insert, less its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) key: KeyHash,
    pub(crate) cost: u64,
    pub(crate) lifetime: Lifetime,
    /// Replace a present entry or do nothing.
    pub(crate) only_present: bool,
    pub(crate) tag: Option<Tag>,
    pub(crate) pinning: Pinning,
    /// The load that the value comes from: it counts only if nothing has overtaken it.
    pub(crate) flight: Option<FlightId>,
}

/// What an insert will do to its shard, as seen under the shard's lock.
pub(super) struct Plan {
    /// Where the row that gives way is.
    pub(super) place: Option<Place>,
    /// Its cost; 0 if there is none.
    pub(super) old_cost: u64,
    /// What its departure will be called.
    pub(super) displaced: Cause,
    pub(super) deadline: u64,
    /// Whether nothing changes but the value.
    quiet: bool,
    pub(super) pin: Pin,
    /// The time, where a time to idle or to refresh is set. Asked for before anything has changed: a clock may be the user's, and
    /// panic.
    pub(super) now: Duration,
}

impl Plan {
    fn new(place: Option<Place>, old_cost: u64, displaced: Cause, deadline: u64, now: Duration) -> Self {
        Self { place, old_cost, displaced, deadline, quiet: false, pin: Pin::default(), now }
    }

    /// Whether a live row of the same key gives way.
    pub(super) fn is_update(&self) -> bool {
        self.place.is_some() && self.displaced == Cause::Replaced
    }

    /// The engine is to hear of it, unless nothing changes that it knows of.
    pub(super) fn make_loud_unless(&mut self, is_nothing: bool) {
        self.quiet &= is_nothing;
    }
}

/// A write that is done but for what comes after the lock; see [`Core::settle_write`].
pub(super) struct Written<V> {
    index: u64,
    old: Option<Departed<V>>,
    /// Cost that is no longer needed.
    freed: u64,
    /// Whether a live row of the same key gave way.
    pub(super) updated: bool,
    /// `None` if only the value changed.
    pub(super) logged: Option<Logged>,
}

impl<V> Written<V> {
    /// The cost that is no longer needed, for who gives it back in place of [`Core::settle_write`].
    pub(super) fn take_freed(&mut self) -> u64 {
        std::mem::take(&mut self.freed)
    }
}

/// Why an insert was not written.
pub(super) enum Refusal {
    Kept,
    Absent,
    Overtaken,
    TooCostly { cost: u64, max_cost: u64 },
    Unpinnable { cost: u64, left: u64 },
}

/// What became of an eager attempt.
pub(super) enum Attempt<V> {
    Written { updated: bool },
    Refused(InsertError<V>),
    NoRoom { value: V, growth: u64 },
}

/// How often an insert helps and tries again before it is decided at once.
const ATTEMPTS: usize = 4;

impl<V> Core<V> {
    /// Inserts; returns whether a live entry of that key was replaced.
    pub(crate) fn insert(&self, mut request: Request, value: V) -> Result<bool, InsertError<V>> {
        request.cost = self.charge(request.cost, &value);
        self.insert_charged(request, value)
    }

    /// Inserts at the cost that the request says.
    pub(super) fn insert_charged(&self, request: Request, value: V) -> Result<bool, InsertError<V>> {
        let (cost, max_cost) = (request.cost, self.budget.max_cost().min(MAX_ENTRY_COST));
        if cost > max_cost {
            return Err(self.refuse(Refusal::TooCostly { cost, max_cost }, value));
        }
        self.keep_time();
        let mut value = value;
        for _ in 0..ATTEMPTS {
            match self.write_eagerly(&request, value) {
                Attempt::Written { updated } => return Ok(updated),
                Attempt::Refused(error) => return Err(error),
                Attempt::NoRoom { value: back, growth } => {
                    value = back;
                    if growth > self.budget.slack() {
                        break;
                    }
                    self.help(self.store.shard_of(request.key.index), growth);
                }
            }
        }
        self.write_decided(&request, value)
    }

    /// Removes the row of a key and hands its value back.
    pub(crate) fn remove(&self, key: KeyHash) -> Option<V> {
        self.keep_time();
        let number = self.store.shard_of(key.index);
        let (row, live, logged) = {
            let mut shard = self.store.write(number);
            shard.loads.overtake(key);
            let place =
                shard.place_of(key.index).filter(|&place| shard.at(place).conflict == key.conflict)?;
            let live = self.is_live(shard.at(place));
            let row = shard.remove(place);
            if live {
                shard.tally.removed(row.cost());
            }
            let logged = shard.log_remove(key.index);
            self.mark_first(number, logged);
            (row, live, logged)
        };
        self.give_back(number, row.cost());
        self.after_write(number, logged);
        if live {
            return Some(row.value);
        }
        self.depart(Departed::new(row, Cause::Expired));
        None
    }

    /// What the caller's cost comes to: never free, never overflowing.
    pub(super) fn charge(&self, cost: u64, value: &V) -> u64 {
        let cost = match (&self.settings.weigher, cost) {
            (Some(weigher), 0) => weigher(value),
            _ => cost,
        };
        cost.max(1).saturating_add(self.settings.overhead)
    }

    fn write_eagerly(&self, request: &Request, value: V) -> Attempt<V> {
        let shard = self.store.write(self.store.shard_of(request.key.index));
        self.write_locked(shard, request, value, |_| ())
    }

    /// Writes into the shard of the request, which the caller has locked. If there is no room, `no_room` is called before the lock
    /// is given back, with the value in hand: no user code may run in it.
    pub(super) fn write_locked(
        &self,
        mut shard: RwLockWriteGuard<'_, Shard<V>>,
        request: &Request,
        value: V,
        no_room: impl FnOnce(&mut Shard<V>),
    ) -> Attempt<V> {
        let plan = match catch_unwind(AssertUnwindSafe(|| self.plan(&shard, request, &value))) {
            Ok(Ok(plan)) => plan,
            Ok(Err(refusal)) => {
                drop(shard);
                return Attempt::Refused(self.refuse(refusal, value));
            }
            Err(panic) => {
                // The caller's `replace_if`, or the clock. The value is dropped on the way, not before the lock is given back.
                drop(shard);
                resume_unwind(panic);
            }
        };
        match self.write_planned(&mut shard, request, &plan, value) {
            Ok(written) => {
                drop(shard);
                Attempt::Written { updated: self.finish_write(request, written) }
            }
            Err((value, growth)) => {
                no_room(&mut shard);
                drop(shard);
                Attempt::NoRoom { value, growth }
            }
        }
    }

    /// Does what was planned, under the shard's lock, if there is room for it: else the value comes back, with the cost for which
    /// there is none. No user code runs.
    #[inline]
    pub(super) fn write_planned(
        &self,
        shard: &mut Shard<V>,
        request: &Request,
        plan: &Plan,
        value: V,
    ) -> Result<Written<V>, (V, u64)> {
        let index = request.key.index;
        if plan.quiet {
            let old = Some(self.exchange(shard, request, plan, value));
            return Ok(Written { index, old, freed: 0, updated: true, logged: None });
        }
        let growth = request.cost.saturating_sub(plan.old_cost);
        if growth > 0 && !self.budget.try_reserve(growth) {
            self.store.quota().release(plan.pin.aside);
            return Err((value, growth));
        }
        let (old, write) = self.put(shard, request, plan, value);
        let logged = shard.log_write(write);
        self.mark_first(self.store.shard_of(index), logged);
        let freed = plan.old_cost.saturating_sub(request.cost);
        Ok(Written { index, old, freed, updated: plan.is_update(), logged: Some(logged) })
    }

    /// What a write leaves to be done when the lock is given back. Returns whether a live row was replaced.
    #[inline]
    fn finish_write(&self, request: &Request, mut written: Written<V>) -> bool {
        let old = self.settle_write(&mut written);
        // Last, as a destructor may panic.
        if let Some(old) = old {
            self.let_go(request, old);
        }
        written.updated
    }

    /// Delivers or drops what a write displaced: what a load displaced, when its flight has landed.
    #[inline]
    pub(super) fn let_go(&self, request: &Request, old: Departed<V>) {
        if request.flight.is_some() {
            self.deliver(vec![old], None);
        } else {
            self.depart(old);
        }
    }

    /// The same, but for what was displaced.
    #[inline]
    pub(super) fn settle_write(&self, written: &mut Written<V>) -> Option<Departed<V>> {
        let number = self.store.shard_of(written.index);
        match written.logged {
            None => {
                if self.reads.record(written.index) {
                    self.drain_soon();
                }
            }
            Some(logged) => {
                self.give_back(number, written.freed);
                self.after_write(number, logged);
            }
        }
        written.old.take()
    }

    /// Looks at what is there, and sets quota aside if the row is to be pinned. The user code here is `replace_if`, the `Expiry`, and the clock.
    #[inline]
    pub(super) fn plan(&self, shard: &Shard<V>, request: &Request, value: &V) -> Result<Plan, Refusal> {
        let mut plan = self.plan_row(shard, request, value)?;
        if request.pinning != Pinning::Kept || !shard.pins.is_empty() {
            self.plan_pin(shard, request, &mut plan)?;
        }
        Ok(plan)
    }

    fn plan_row(&self, shard: &Shard<V>, request: &Request, value: &V) -> Result<Plan, Refusal> {
        let KeyHash { index, conflict } = request.key;
        if request.flight.is_some_and(|flight| !shard.loads.admits(request.key, flight, request.tag)) {
            return Err(Refusal::Overtaken);
        }
        let needs_time = self.settings.idle.is_some() || self.settings.freshness.refresh_ms.is_some();
        let now = if needs_time { self.now() } else { Duration::ZERO };
        let place = shard.place_of(index);
        let Some(row) = place.map(|place| shard.at(place)) else {
            if request.only_present {
                return Err(Refusal::Absent);
            }
            let deadline = self.deadline_of(request, value, None);
            return Ok(Plan::new(place, 0, Cause::Replaced, deadline, now));
        };
        let live = self.is_live(row);
        if !live || row.conflict != conflict {
            if request.only_present {
                return Err(Refusal::Absent);
            }
            // A live one is another key's.
            let displaced = if live { Cause::Evicted } else { Cause::Expired };
            let deadline = self.deadline_of(request, value, None);
            return Ok(Plan::new(place, row.cost(), displaced, deadline, now));
        }
        if let Some(replace_if) = &self.settings.replace_if
            && !replace_if(&row.value, value)
        {
            return Err(Refusal::Kept);
        }
        let deadline = self.deadline_of(request, value, Some(row));
        let quiet = row.cost() == request.cost && row.deadline() == deadline && self.may_be_quiet();
        Ok(Plan { quiet, ..Plan::new(place, row.cost(), Cause::Replaced, deadline, now) })
    }

    /// Puts a new row in the place of what the plan found; tells what that was, and what the engine is to decide.
    pub(super) fn put(
        &self,
        shard: &mut Shard<V>,
        request: &Request,
        plan: &Plan,
        value: V,
    ) -> (Option<Departed<V>>, Write) {
        shard.tally.written(plan.is_update(), request.cost);
        self.plan_refresh(shard, request.key.index, || plan.now);
        self.tag_written(shard, request);
        self.pin_written(shard, request, plan.pin);
        let (row, old) = shard.put(plan.place, request.key, request.cost, plan.deadline, value);
        let idle = self.settings.idle;
        idle.inspect(|&idle| row.touch(idle, plan.now));
        let deadline = row.expiry(idle, 0, || plan.now);
        let write = Write {
            index: row.index,
            version: row.version(),
            cost: row.cost(),
            deadline,
            pinned: plan.pin.is_pinned,
        };
        (old.map(|row| Departed::new(row, plan.displaced)), write)
    }

    /// Whether an update may keep the version of its row. What an `Expiry` says of a read is meant for the value that was read, and is
    /// carried out by version.
    #[inline]
    pub(super) fn may_be_quiet(&self) -> bool {
        self.settings.expiry.is_none()
    }

    /// Changes the value of a row and nothing else. The version stays, and stays sound: a version stands for
    /// what the engine knows of an entry (that it is there, its cost, its deadline), and all of that is as it was. A
    /// decision that the engine has taken, or will take, about this version is one about whatever value it has.
    fn exchange(&self, shard: &mut Shard<V>, request: &Request, plan: &Plan, value: V) -> Departed<V> {
        shard.tally.written(true, request.cost);
        shard.tally.quiet_updates += 1;
        shard.loads.overtake(request.key);
        self.plan_refresh(shard, request.key.index, || plan.now);
        self.tag_written(shard, request);
        let row = shard.at_mut(plan.place.expect("an update has found a row"));
        let value = std::mem::replace(&mut row.value, value);
        self.settings.idle.inspect(|&idle| row.touch(idle, plan.now));
        Departed { key: request.key, cost: request.cost, value, cause: Cause::Replaced }
    }

    pub(super) fn refuse(&self, refusal: Refusal, value: V) -> InsertError<V> {
        let counted = match refusal {
            Refusal::Kept => Count::RefusedKept,
            Refusal::Absent => Count::RefusedAbsent,
            Refusal::Overtaken => Count::LoadsOvertaken,
            Refusal::TooCostly { .. } => Count::RefusedTooCostly,
            Refusal::Unpinnable { .. } => Count::RefusedUnpinnable,
        };
        self.count(counted, 1);
        match refusal {
            // Only a load is ever overtaken, and it does not ask why its value was not kept.
            Refusal::Kept | Refusal::Overtaken => InsertError::Kept(value),
            Refusal::Absent => InsertError::Absent(value),
            Refusal::TooCostly { cost, max_cost } => {
                self.note_need();
                InsertError::TooCostly { value, cost, max_cost }
            }
            Refusal::Unpinnable { cost, left } => InsertError::Unpinnable { value, cost, left },
        }
    }
}
