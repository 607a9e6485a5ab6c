//! Inserts that are decided before they are written.
//!
//! Where a cost exceeds the slack, or others keep taking the room, a writer turns the usual order around: under the engine's
//! mutex, and while every other reservation is refused, it settles what is pending, lets the engine decide, takes the victims
//! out and writes the row last. The row is never there before its room is.

use super::deliver::Departed;
use super::pins::Aside;
use super::write::{Plan, Refusal};
use super::{Core, Count, Decisions, Request};
use crate::clock::millis;
use crate::error::InsertError;
use crate::listener::Cause;
use crate::ring::log::Write;
use crate::store::{NEVER, Shard};
use crate::sync::thread;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Why an insert that was decided at once was not written.
enum AtOnce {
    Refused(Refusal),
    Rejected,
    /// The caller's `replace_if`, or the clock, panicked: its panic goes on where no lock is held.
    Panicked(Box<dyn Any + Send>),
}

/// The end of an insert that was decided at once: whether it was an update and what it displaced, or why it failed.
type Decided<V> = Result<(bool, Option<Departed<V>>), AtOnce>;

/// What became of one try to decide at once.
enum Try<V> {
    Done(Decided<V>),
    /// Somebody wrote to the shard since it was settled.
    Unsettled,
    /// Somebody has yet to give back the cost of what he took out, for which he may need the engine's mutex.
    NoRoom,
}

impl<V> Core<V> {
    /// Decides before it writes. Holds everybody else's reservations back meanwhile.
    #[cold]
    pub(super) fn write_decided(&self, request: &Request, value: V) -> Result<bool, InsertError<V>> {
        self.count(Count::DecidedAtOnce, 1);
        let mut value = Some(value);
        let outcome = loop {
            match self.decide(|decisions, departed| self.try_decide(request, &mut value, decisions, departed))
            {
                Some(Try::Done(outcome)) => break Some(outcome),
                Some(Try::Unsettled | Try::NoRoom) => thread::yield_now(),
                None => break None,
            }
        };
        let refusal = match outcome {
            Some(Ok((updated, old))) => {
                old.into_iter().for_each(|old| self.let_go(request, old));
                return Ok(updated);
            }
            Some(Err(refusal)) => refusal,
            None => AtOnce::Rejected,
        };
        let value = value.expect("a value that was refused, or whose policy panicked, was not written");
        Err(match refusal {
            AtOnce::Refused(refusal) => self.refuse(refusal, value),
            AtOnce::Rejected => {
                self.count(Count::Rejections, 1);
                self.count(Count::RejectedAtOnce, 1);
                self.note_need();
                self.count(Count::RejectedCost, request.cost);
                InsertError::Rejected(value)
            }
            AtOnce::Panicked(panic) => resume_unwind(panic),
        })
    }

    /// Settles everything and decides on `request`, while nobody else may reserve.
    fn try_decide(
        &self,
        request: &Request,
        value: &mut Option<V>,
        decisions: &mut Decisions,
        departed: &mut Vec<Departed<V>>,
    ) -> Try<V> {
        self.budget.hold();
        // The hold ends however this ends: a policy may be the user's, and panic.
        let _unhold = Unhold(self);
        let due = decisions.engine.next_due();
        let outcome = loop {
            self.drain_reads(decisions);
            self.settle_all(decisions, departed);
            let outcome = self.decide_one(request, value, decisions, departed);
            if !matches!(outcome, Try::Unsettled) {
                break outcome;
            }
        };
        // No log tells the processor of this entry: if it is to wake earlier, it has to hear so.
        if decisions.engine.next_due().is_some_and(|now_due| due.is_none_or(|due| now_due < due)) {
            self.bell.ring();
        }
        outcome
    }

    /// One try to decide on and write `request`, with its shard locked and its past known to the engine.
    fn decide_one(
        &self,
        request: &Request,
        value: &mut Option<V>,
        decisions: &mut Decisions,
        departed: &mut Vec<Departed<V>>,
    ) -> Try<V> {
        let number = self.store.shard_of(request.key.index);
        let mut shard = self.store.write(number);
        if shard.pending() > 0 {
            return Try::Unsettled;
        }
        // Nobody is to be evicted for an insert that would not be written after all.
        if self.budget.occupied().saturating_sub(decisions.engine.used()) > self.budget.slack() {
            return Try::NoRoom;
        }
        let fresh = value.as_ref().expect("the value is taken by the write that ends the loop");
        let mut plan = match catch_unwind(AssertUnwindSafe(|| self.plan(&shard, request, fresh))) {
            Ok(Ok(plan)) => plan,
            Ok(Err(refusal)) => return Try::Done(Err(AtOnce::Refused(refusal))),
            Err(panic) => return Try::Done(Err(AtOnce::Panicked(panic))),
        };
        let mut aside = Aside(self, plan.pin.aside);
        let max_cost = self.budget.max_cost();
        if request.cost > max_cost {
            return Try::Done(Err(AtOnce::Refused(Refusal::TooCostly { cost: request.cost, max_cost })));
        }
        // Before the engine forgets an old row for a new one that would not fit beside what is pinned.
        let pinned = plan.pin.is_pinned;
        if !pinned && request.cost > decisions.engine.most_unpinned(request.key.index) {
            return Try::Done(Err(AtOnce::Rejected));
        }
        let (index, version) = (request.key.index, shard.next_version());
        let deadline = (plan.deadline != NEVER).then_some(plan.deadline);
        decisions
            .engine
            .write(Write { index, version, cost: request.cost, deadline, pinned }, &mut decisions.effects);
        // Given back however this ends: the policy may be the user's, and panic between two victims.
        let mut freed = Release(self, 0);
        if !self.carry_out_for((index, version), &mut shard, decisions, departed, &mut freed) {
            return Try::Done(Err(AtOnce::Rejected));
        }
        if !self.budget.transfer(freed.1 + plan.old_cost, request.cost) {
            if shard.pins.has(index) {
                self.tell_again(index, &plan, &mut shard, decisions, departed, &mut freed);
                return Try::NoRoom;
            }
            if let Some(place) = shard.place_of(index) {
                let cause = if plan.is_update() { Cause::Evicted } else { plan.displaced };
                departed.push(Departed::new(shard.remove(place), cause));
                freed.1 += plan.old_cost;
            }
            decisions.births.take(index);
            decisions.engine.remove(index);
            return Try::NoRoom;
        }
        (freed.1, aside.1) = (0, 0);
        let value = value.take().expect("checked above");
        // Victims may have left this very shard, and their leaving may have moved the row.
        plan.place = shard.place_of(index);
        let (old, write) = self.put(&mut shard, request, &plan, value);
        if write.deadline != deadline {
            decisions.engine.reschedule(index, write.deadline);
        }
        let latest = decisions.latest;
        decisions.births.note(index, || millis(self.now_or(latest)));
        Try::Done(Ok((plan.is_update(), old)))
    }

    /// Takes back what the engine was told of a row in the place of a pinned one, which stays as it is: nobody may take it.
    #[cold]
    fn tell_again(
        &self,
        index: u64,
        plan: &Plan,
        shard: &mut Shard<V>,
        decisions: &mut Decisions,
        departed: &mut Vec<Departed<V>>,
        freed: &mut Release<'_, V>,
    ) {
        let row = shard.at(shard.place_of(index).expect("what is pinned has a row"));
        let (version, cost) = (row.version(), row.cost());
        let deadline = row.expiry(self.settings.idle, 0, || plan.now);
        let write = Write { index, version, cost, deadline, pinned: true };
        decisions.engine.write(write, &mut decisions.effects);
        self.carry_out_for((index, version), shard, decisions, departed, freed);
    }
}

/// Gives cost back.
pub(super) struct Release<'a, V>(pub(super) &'a Core<V>, pub(super) u64);

impl<V> Drop for Release<'_, V> {
    fn drop(&mut self) {
        self.0.budget.release(self.1);
    }
}

/// Ends the hold on reservations.
pub(super) struct Unhold<'a, V>(pub(super) &'a Core<V>);

impl<V> Drop for Unhold<'_, V> {
    fn drop(&mut self) {
        self.0.budget.unhold();
    }
}
