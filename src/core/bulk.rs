//! Many keys at once, and all of them.
//!
//! Keys are taken shard by shard, so that each lock is taken once for all keys that it guards, instead of once for each. Answers are
//! in the order of the keys. Nothing holds two locks, and nothing is atomic across shards: a batch is as many calls as it has
//! keys, in an order that keeps that of equal keys.
//!
//! Writers leave the lock, and run what a single write would run, whenever the shard's log is as long as it may be: a batch
//! is no way around back-pressure.

use super::deliver::{Departed, Ticket};
use super::maintain::Scope;
use super::write::Written;
use super::{Core, Count, Request};
use crate::error::InsertError;
use crate::key::KeyHash;
use crate::listener::Cause;
use crate::ring::log::HIGH_WATER;
use crate::store::MAX_ENTRY_COST;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

impl<V> Core<V> {
    /// The values of keys, cloned under the shared lock of their shards.
    pub(crate) fn get_many(&self, keys: &[KeyHash]) -> Vec<Option<V>>
    where
        V: Clone,
    {
        self.keep_time();
        let now = self.now();
        let (mut found, mut retimes) = (vacant(keys.len()), Vec::new());
        for group in self.by_shard(keys.len(), |at| keys[at].index).chunk_by(|a, b| a.0 == b.0) {
            let shard = self.store.read(group[0].0);
            for &(_, at) in group {
                let live = shard.find(keys[at]).filter(|row| self.is_live_at(row, now));
                if let Some(row) = live {
                    if self.settings.expiry.is_some() {
                        retimes.extend(self.hear_read(row));
                    }
                    self.settings.idle.inspect(|&idle| row.touch(idle, now));
                    found[at] = Some(row.value.clone());
                }
            }
        }
        retimes.iter().for_each(|retime| self.retime(retime));
        self.count(Count::Misses, found.iter().filter(|value| value.is_none()).count() as u64);
        for key in keys {
            if self.reads.record(key.index) {
                self.drain_soon();
            }
        }
        found
    }

    /// Inserts; whether a live entry was replaced, for each.
    pub(crate) fn insert_many(&self, items: Vec<(Request, V)>) -> Vec<Result<bool, InsertError<V>>> {
        self.keep_time();
        let mut items: Vec<(Request, Option<V>)> = items
            .into_iter()
            .map(|(request, value)| {
                let cost = self.charge(request.cost, &value);
                (Request { cost, ..request }, Some(value))
            })
            .collect();
        let mut answers = vacant(items.len());
        for group in self.by_shard(items.len(), |at| items[at].0.key.index).chunk_by(|a, b| a.0 == b.0) {
            let mut left = group;
            while let Some(&(_, first)) = left.first() {
                let done = self.insert_run(left, &mut items, &mut answers);
                left = &left[done..];
                if done == 0 {
                    // What does not fit without further ado goes the way of a single insert.
                    let (request, value) = &mut items[first];
                    let value = value.take().expect("an item is written once");
                    answers[first] = Some(self.insert_charged(*request, value));
                    left = &left[1..];
                }
            }
        }
        answers.into_iter().map(|answer| answer.expect("every item has an answer")).collect()
    }

    /// Writes what it can of the items of one shard, in one go; returns how many.
    fn insert_run(
        &self,
        group: &[(usize, usize)],
        items: &mut [(Request, Option<V>)],
        answers: &mut [Option<Result<bool, InsertError<V>>>],
    ) -> usize {
        let (mut written, mut done, mut panic) = (Vec::new(), 0, None);
        let mut shard = self.store.write(group[0].0);
        for &(_, at) in group {
            let (request, slot) = &mut items[at];
            let Some(fresh) =
                slot.as_ref().filter(|_| request.cost <= self.budget.max_cost().min(MAX_ENTRY_COST))
            else {
                break;
            };
            // `replace_if`, the `Expiry` and the clock are the user's. What was written before they panic has to be settled all the same.
            let plan = match catch_unwind(AssertUnwindSafe(|| self.plan(&shard, request, fresh))) {
                Ok(plan) => plan,
                Err(payload) => {
                    panic = Some(payload);
                    break;
                }
            };
            let value = slot.take().expect("it was looked at just now");
            let plan = match plan {
                Ok(plan) => plan,
                Err(refusal) => {
                    answers[at] = Some(Err(self.refuse(refusal, value)));
                    done += 1;
                    continue;
                }
            };
            match self.write_planned(&mut shard, request, &plan, value) {
                Ok(write) => {
                    answers[at] = Some(Ok(write.updated));
                    let pending = write.logged.map_or(0, |logged| logged.pending);
                    written.push(write);
                    done += 1;
                    if pending >= HIGH_WATER {
                        break;
                    }
                }
                Err((value, _)) => {
                    *slot = Some(value);
                    break;
                }
            }
        }
        drop(shard);
        // For all at once, before the first turn: its callbacks may wait for the room.
        self.give_back(group[0].0, written.iter_mut().map(Written::take_freed).sum());
        let departed: Vec<_> = written.iter_mut().filter_map(|write| self.settle_write(write)).collect();
        if !departed.is_empty() {
            self.deliver(departed, None);
        }
        panic.map_or(done, |payload| resume_unwind(payload))
    }

    /// Removes; the values are handed back.
    pub(crate) fn remove_many(&self, keys: &[KeyHash]) -> Vec<Option<V>> {
        self.keep_time();
        // Asked for once and with no lock held: the clock is the user's, and a removal that has begun is to end.
        let now = self.now();
        let mut removed = vacant(keys.len());
        for group in self.by_shard(keys.len(), |at| keys[at].index).chunk_by(|a, b| a.0 == b.0) {
            for run in group.chunks(HIGH_WATER) {
                self.remove_run(run, keys, now, &mut removed);
            }
        }
        removed
    }

    fn remove_run(&self, run: &[(usize, usize)], keys: &[KeyHash], now: Duration, removed: &mut [Option<V>]) {
        let (mut freed, mut logs, mut expired) = (0, Vec::new(), Vec::new());
        let number = run[0].0;
        let ticket = {
            let mut shard = self.store.write(number);
            for &(_, at) in run {
                let key = keys[at];
                shard.loads.overtake(key);
                let place =
                    shard.place_of(key.index).filter(|&place| shard.at(place).conflict == key.conflict);
                let Some(place) = place else { continue };
                let row = shard.remove(place);
                let logged = shard.log_remove(key.index);
                self.mark_first(number, logged);
                logs.push(logged);
                freed += row.cost();
                if self.is_live_at(&row, now) {
                    shard.tally.removed(row.cost());
                    removed[at] = Some(row.value);
                } else {
                    expired.push(Departed::new(row, Cause::Expired));
                }
            }
            self.ticket_for(&expired)
        };
        self.give_back(number, freed);
        logs.into_iter().for_each(|logged| self.after_write(number, logged));
        if !expired.is_empty() {
            self.deliver(expired, ticket);
        }
    }

    /// Drops every live row that `keep` does not want. `keep` runs under one shard's exclusive lock.
    pub(crate) fn retain(&self, mut keep: impl FnMut(KeyHash, &V) -> bool) {
        self.keep_time();
        for number in 0..self.store.shards() {
            let mut departed = Vec::new();
            let ticket = {
                let mut shard = self.store.write(number);
                // All questions come before the first removal: a panicking closure leaves the shard as it was.
                let unwanted: Vec<(u64, Cause)> = shard
                    .rows()
                    .filter_map(|row| {
                        // What is in its grace may yet be served: it is judged like what lives.
                        if !row.is_live(self.settings.idle, 0, || self.now()) {
                            Some((row.index, Cause::Expired))
                        } else if keep(row.key(), &row.value) {
                            None
                        } else {
                            Some((row.index, Cause::Removed))
                        }
                    })
                    .collect();
                for (index, cause) in unwanted {
                    if let Some(place) = shard.place_of(index) {
                        let row = shard.remove(place);
                        if cause == Cause::Removed {
                            // A refresh of what is not wanted must not bring it back.
                            shard.loads.overtake(row.key());
                            shard.tally.removed(row.cost());
                        }
                        let logged = shard.log_remove(index);
                        self.mark_first(number, logged);
                        departed.push(Departed::new(row, cause));
                    }
                }
                self.ticket_for(&departed)
            };
            self.settle_departures(number, departed, ticket);
        }
    }

    /// What is left to do when the owner took many rows out of a shard. With no lock held.
    pub(super) fn settle_departures(
        &self,
        number: usize,
        departed: Vec<Departed<V>>,
        ticket: Option<Ticket<'_, V>>,
    ) {
        if !departed.is_empty() {
            self.give_back(number, departed.iter().map(|gone| gone.cost).sum());
            self.deliver(departed, ticket);
            self.maintain(Scope::From(number));
        }
    }

    /// The live entries of a shard, cloned under its shared lock, appended to `entries`. Leaves no trace.
    pub(crate) fn copy_shard(&self, number: usize, entries: &mut Vec<(KeyHash, V)>)
    where
        V: Clone,
    {
        self.keep_time();
        let shard = self.store.read(number);
        entries.reserve(shard.len());
        // One at a time into the caller's vector: a panicking clone then drops no value under the lock.
        for row in shard.rows().filter(|row| self.is_live(row)) {
            entries.push((row.key(), row.value.clone()));
        }
    }

    pub(crate) fn shards(&self) -> usize {
        self.store.shards()
    }

    /// Shards and positions, by shard; positions of one shard stay in order.
    fn by_shard(&self, len: usize, index: impl Fn(usize) -> u64) -> Vec<(usize, usize)> {
        let mut order: Vec<_> = (0..len).map(|at| (self.store.shard_of(index(at)), at)).collect();
        order.sort_unstable();
        order
    }
}

fn vacant<T>(len: usize) -> Vec<Option<T>> {
    std::iter::repeat_with(|| None).take(len).collect()
}
