//! The life of an insert and of a remove.
//!
//! An insert is *eager* where it can be: it reserves its cost, writes the row, appends the command to the
//! shard's log under the same lock, and returns; the engine decides later. Where the cost does not fit into
//! what is left of `max_cost + slack`, the inserting thread runs a turn of maintenance and tries again; where the cost exceeds the
//! slack, or others keep taking the room, the insert is *decided at once*: under the engine's mutex the victims leave
//! first and the row is written last, so that not even this insert ever passes the bound.

use super::deliver::Departed;
use super::maintain::Scope;
use super::{Core, Count, Decisions, Maintenance};
use crate::clock::deadline_ms;
use crate::error::InsertError;
use crate::key::KeyHash;
use crate::listener::Cause;
use crate::ring::log::{FLOOD_MARK, HIGH_WATER, Write};
use crate::store::{Logged, NEVER, Row, Shard};
use std::time::Duration;

/// How long an entry is to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// As long as the builder said.
    Default,
    /// So long; `Duration::ZERO` and whatever the clock cannot reach are for ever.
    For(Duration),
    /// As long as the entry that it replaces.
    Kept,
}

/// An insert, less its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) key: KeyHash,
    pub(crate) cost: u64,
    pub(crate) lifetime: Lifetime,
    /// Replace a present entry or do nothing.
    pub(crate) only_present: bool,
}

/// What an insert will do to its shard, as seen under the shard's lock.
struct Plan {
    /// The cost of the row that gives way; 0 if there is none.
    old_cost: u64,
    /// What its departure will be called.
    displaced: Cause,
    deadline: u64,
}

/// Why an insert was not written.
enum Refusal {
    Kept,
    Absent,
    TooCostly { cost: u64, max_cost: u64 },
}

/// Why an insert that was decided at once was not written.
enum AtOnce {
    Refused(Refusal),
    Rejected,
}

/// The end of an insert that was decided at once: what it displaced, or why it failed.
type Decided<V> = Result<(Plan, Option<Row<V>>), AtOnce>;

/// What became of an eager attempt.
enum Attempt<V> {
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
        let (cost, max_cost) = (request.cost, self.budget.max_cost());
        if cost > max_cost {
            return Err(self.refuse(Refusal::TooCostly { cost, max_cost }, value));
        }
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
                    self.count(Count::Helps, 1);
                    self.maintain(Scope::From(self.store.shard_of(request.key.index)));
                }
            }
        }
        self.write_decided(&request, value)
    }

    /// Removes the row of a key and hands its value back.
    pub(crate) fn remove(&self, key: KeyHash) -> Option<V> {
        let number = self.store.shard_of(key.index);
        let (row, logged) = {
            let mut shard = self.store.write(number);
            let row = shard.take(key.index, |row| row.conflict == key.conflict)?;
            let logged = shard.log_remove(key.index);
            self.mark_first(number, logged);
            (row, logged)
        };
        self.budget.release(row.cost);
        let live = self.is_live(&row);
        let value = if live {
            self.count(Count::Removals, 1);
            self.count(Count::RemovedCost, row.cost);
            Some(row.value)
        } else {
            self.depart(Departed { row, cause: Cause::Expired });
            None
        };
        self.after_write(number, logged);
        value
    }

    /// Drops every live row that `keep` does not want. `keep` runs under one shard's exclusive lock.
    pub(crate) fn retain(&self, mut keep: impl FnMut(KeyHash, &V) -> bool) {
        for number in 0..self.store.shards() {
            let mut departed = Vec::new();
            {
                let mut shard = self.store.write(number);
                // All questions come before the first removal: a panicking closure leaves the shard as it was.
                let unwanted: Vec<(u64, Cause)> = shard
                    .rows()
                    .filter_map(|row| {
                        if !self.is_live(row) {
                            Some((row.index, Cause::Expired))
                        } else if keep(row.key(), &row.value) {
                            None
                        } else {
                            Some((row.index, Cause::Removed))
                        }
                    })
                    .collect();
                for (index, cause) in unwanted {
                    if let Some(row) = shard.take(index, |_| true) {
                        let logged = shard.log_remove(index);
                        self.mark_first(number, logged);
                        departed.push(Departed { row, cause });
                    }
                }
            }
            if !departed.is_empty() {
                self.budget.release(departed.iter().map(|gone| gone.row.cost).sum());
                self.deliver(departed);
                self.maintain(Scope::From(number));
            }
        }
    }

    /// What the caller's cost comes to: never free, never overflowing.
    fn charge(&self, cost: u64, value: &V) -> u64 {
        let cost = match (&self.settings.weigher, cost) {
            (Some(weigher), 0) => weigher(value),
            _ => cost,
        };
        cost.max(1).saturating_add(self.settings.overhead)
    }

    fn write_eagerly(&self, request: &Request, value: V) -> Attempt<V> {
        let number = self.store.shard_of(request.key.index);
        let mut shard = self.store.write(number);
        let plan = match self.plan(&shard, request, &value) {
            Ok(plan) => plan,
            Err(refusal) => {
                drop(shard);
                return Attempt::Refused(self.refuse(refusal, value));
            }
        };
        let growth = request.cost.saturating_sub(plan.old_cost);
        if growth > 0 && !self.budget.try_reserve(growth) {
            drop(shard);
            return Attempt::NoRoom { value, growth };
        }
        let (old, write) = self.put(&mut shard, request, plan.deadline, value);
        let logged = shard.log_write(write);
        self.mark_first(number, logged);
        drop(shard);
        self.budget.release(plan.old_cost.saturating_sub(request.cost));
        let updated = self.finish(request, &plan, old);
        self.after_write(number, logged);
        Attempt::Written { updated }
    }

    /// Decides before it writes. Holds everybody else's reservations back meanwhile.
    #[cold]
    fn write_decided(&self, request: &Request, value: V) -> Result<bool, InsertError<V>> {
        self.count(Count::DecidedAtOnce, 1);
        let mut value = Some(value);
        let outcome = self.decide(|decisions, departed| {
            self.budget.hold();
            // The hold ends however this closure ends: a policy may be the user's, and panic.
            let _unhold = Unhold(self);
            loop {
                self.settle_all(decisions, departed);
                if let Some(outcome) = self.decide_one(request, &mut value, decisions, departed) {
                    return outcome;
                }
            }
        });
        let refusal = match outcome {
            Some(Ok((plan, old))) => return Ok(self.finish(request, &plan, old)),
            Some(Err(refusal)) => refusal,
            None => AtOnce::Rejected,
        };
        let value = value.expect("a value that was refused, or whose policy panicked, was not written");
        Err(match refusal {
            AtOnce::Refused(refusal) => self.refuse(refusal, value),
            AtOnce::Rejected => {
                self.count(Count::Rejections, 1);
                self.count(Count::RejectedCost, request.cost);
                InsertError::Rejected(value)
            }
        })
    }

    /// One try to decide on and write `request`, with its shard locked and its past known to the engine.
    /// `None`: another write came between, or took the room; to be tried again.
    fn decide_one(
        &self,
        request: &Request,
        value: &mut Option<V>,
        decisions: &mut Decisions,
        departed: &mut Vec<Departed<V>>,
    ) -> Option<Decided<V>> {
        let number = self.store.shard_of(request.key.index);
        let mut shard = self.store.write(number);
        if shard.pending() > 0 {
            return None;
        }
        let fresh = value.as_ref().expect("the value is taken by the write that ends the loop");
        let plan = match self.plan(&shard, request, fresh) {
            Ok(plan) => plan,
            Err(refusal) => return Some(Err(AtOnce::Refused(refusal))),
        };
        let max_cost = self.budget.max_cost();
        if request.cost > max_cost {
            return Some(Err(AtOnce::Refused(Refusal::TooCostly { cost: request.cost, max_cost })));
        }
        let (index, version) = (request.key.index, shard.next_version());
        let deadline = (plan.deadline != NEVER).then_some(plan.deadline);
        decisions
            .engine
            .write(Write { index, version, cost: request.cost, deadline }, &mut decisions.effects);
        let mut effects = std::mem::take(&mut decisions.effects);
        let mut freed = plan.old_cost;
        let mut rejected = false;
        for effect in effects.drain(..) {
            if (effect.index, effect.version) == (index, version) {
                rejected = true;
            } else if let Some(gone) = self.take_row(effect, Some((number, &mut shard)), decisions) {
                freed += gone.row.cost;
                departed.push(gone);
            }
        }
        decisions.effects = effects;
        if rejected {
            // Only a newcomer is ever turned away, and then nobody left for it.
            return Some(Err(AtOnce::Rejected));
        }
        if !self.budget.transfer(freed, request.cost) {
            decisions.engine.remove(index);
            if let Some(row) = shard.take(index, |_| true) {
                departed.push(Departed { row, cause: Cause::Evicted });
            }
            self.budget.release(freed);
            return None;
        }
        let value = value.take().expect("checked above");
        let (old, write) = self.put(&mut shard, request, plan.deadline, value);
        if write.deadline != deadline {
            decisions.engine.reschedule(index, write.deadline);
        }
        Some(Ok((plan, old)))
    }

    /// Looks at what is there. The only user code here is `replace_if`.
    fn plan(&self, shard: &Shard<V>, request: &Request, value: &V) -> Result<Plan, Refusal> {
        let deadline = |kept: u64| match request.lifetime {
            Lifetime::Kept => kept,
            Lifetime::For(Duration::ZERO) => NEVER,
            Lifetime::For(ttl) => deadline_ms(self.now(), ttl).unwrap_or(NEVER),
            Lifetime::Default => {
                self.settings.time_to_live.and_then(|ttl| deadline_ms(self.now(), ttl)).unwrap_or(NEVER)
            }
        };
        match shard.find_index(request.key.index) {
            Some(row) if row.conflict == request.key.conflict && self.is_live(row) => {
                if let Some(replace_if) = &self.settings.replace_if
                    && !replace_if(&row.value, value)
                {
                    return Err(Refusal::Kept);
                }
                let deadline = deadline(row.deadline);
                Ok(Plan { old_cost: row.cost, displaced: Cause::Replaced, deadline })
            }
            _ if request.only_present => Err(Refusal::Absent),
            Some(row) => {
                let displaced = if self.is_live(row) { Cause::Evicted } else { Cause::Expired };
                Ok(Plan { old_cost: row.cost, displaced, deadline: deadline(NEVER) })
            }
            None => Ok(Plan { old_cost: 0, displaced: Cause::Replaced, deadline: deadline(NEVER) }),
        }
    }

    fn put(
        &self,
        shard: &mut Shard<V>,
        request: &Request,
        deadline: u64,
        value: V,
    ) -> (Option<Row<V>>, Write) {
        let (row, old) = shard.put(request.key, request.cost, deadline, value);
        self.touch(row);
        let deadline = Self::scheduled(row, self.settings.idle, || self.now());
        (old, Write { index: row.index, version: row.version, cost: row.cost, deadline })
    }

    /// Counts a written row and lets go of the one that it displaced. Returns whether it was an update.
    fn finish(&self, request: &Request, plan: &Plan, old: Option<Row<V>>) -> bool {
        let updated = old.is_some() && plan.displaced == Cause::Replaced;
        let (what, cost) = if updated {
            (Count::Updates, Count::UpdatedCost)
        } else {
            (Count::Inserts, Count::InsertedCost)
        };
        self.count(what, 1);
        self.count(cost, request.cost);
        if let Some(row) = old {
            self.depart(Departed { row, cause: plan.displaced });
        }
        updated
    }

    fn refuse(&self, refusal: Refusal, value: V) -> InsertError<V> {
        self.count(Count::Refusals, 1);
        match refusal {
            Refusal::Kept => InsertError::Kept(value),
            Refusal::Absent => InsertError::Absent(value),
            Refusal::TooCostly { cost, max_cost } => InsertError::TooCostly { value, cost, max_cost },
        }
    }

    /// Called under the shard's lock: a log that just started must be found.
    #[inline]
    fn mark_first(&self, shard: usize, logged: Logged) {
        if logged.is_first() {
            self.store.dirty().mark(shard);
        }
    }

    /// Sees to it that what was logged is decided upon in time.
    #[inline]
    fn after_write(&self, shard: usize, logged: Logged) {
        if logged.pending >= HIGH_WATER {
            self.count(Count::Helps, 1);
            if logged.pending >= FLOOD_MARK {
                self.maintain(Scope::From(shard));
            } else {
                self.try_maintain_from(shard);
            }
        } else if self.settings.maintenance == Maintenance::Inline {
            self.try_maintain();
        } else if logged.is_first() && self.settings.maintenance == Maintenance::Thread {
            self.bell.ring();
        }
    }
}

/// Ends the hold on reservations.
struct Unhold<'a, V>(&'a Core<V>);

impl<V> Drop for Unhold<'_, V> {
    fn drop(&mut self) {
        self.0.budget.unhold();
    }
}
