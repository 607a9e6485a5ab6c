//! What is remembered for the next process, and how it comes back.
//!
//! Saving takes the engine's mutex once, to settle what is pending and to ask the policy what it knows; after that it reads one row at a
//! time like anybody. Restoring is deciding at once (see `write`), a few entries at a time: what the engine hears of is a return,
//! not a request, so that nothing that it has learned is disturbed.
//!
//! What is in the cache is newer than what comes back: a restored entry never replaces a live row, and never overtakes a load.
//!
//! Times are told from one instant, that of the call: what was left of a life at the beginning of `save` ends so much later than the beginning
//! of `restore`, less the time between the two. How long either takes makes no difference.

use super::decided::{Release, Unhold};
use super::deliver::Departed;
use super::pins::Aside;
use super::{Core, Decisions};
use crate::clock::{deadline_ms, millis, millis_up};
use crate::engine::{Due, Remembered, Write};
use crate::key::KeyHash;
use crate::listener::Cause;
use crate::persist::Entry;
use crate::store::{MAX_ENTRY_COST, NEVER, Shard, Tag};
use std::num::NonZeroU64;
use std::time::Duration;

/// What an engine knows, the best of its residents first.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) policy: &'static str,
    pub(crate) knowledge: Vec<u64>,
    pub(crate) residents: Vec<Remembered>,
}

/// An entry that is to come back.
pub(crate) struct Returning<V> {
    pub(crate) key: KeyHash,
    /// Without the overhead.
    pub(crate) cost: u64,
    /// Milliseconds since the cache was built, or [`NEVER`].
    pub(crate) deadline: u64,
    /// The policy's, if it is the one that noted it.
    pub(crate) note: Option<u64>,
    /// Pinned, if the quota has room.
    pub(crate) pinned: bool,
    pub(crate) tag: Option<Tag>,
    /// When it is to be refreshed by age, in milliseconds since the cache was built.
    pub(crate) due_ms: Option<u64>,
    /// Taken by the row. What is left goes to the caller.
    pub(crate) value: Option<V>,
}

/// How many came back, and how many did not.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Returns {
    pub(crate) entries: u64,
    pub(crate) pinned: u64,
    pub(crate) rejected: u64,
    pub(crate) expired: u64,
    pub(crate) present: u64,
}

/// What became of one that was to come back.
enum Return {
    Entered {
        pinned: bool,
    },
    Rejected,
    Expired,
    Present,
    /// Somebody has yet to give back the cost of what he took out, for which he may need the engine's mutex.
    NoRoom,
}

impl<V> Core<V> {
    /// The instant from which the times of a snapshot are told.
    pub(crate) fn instant(&self) -> Duration {
        self.now()
    }

    /// Settles what is pending, and asks the engine for what it knows.
    pub(crate) fn remember(&self) -> Memory {
        let ask = |decisions: &mut Decisions, departed: &mut Vec<Departed<V>>| {
            self.drain_reads(decisions);
            self.settle_all(decisions, departed);
            let engine = &decisions.engine;
            Memory {
                policy: engine.policy_name(),
                knowledge: engine.knowledge(),
                residents: engine.remember(),
            }
        };
        // A policy that panics is replaced by the default one, which answers.
        let mut memory = (0..2).find_map(|_| self.decide(ask)).unwrap_or_default();
        // Stable: of what is pinned, the oldest pin stays first.
        memory.residents.sort_by(|a, b| b.keepsake.worth.total_cmp(&a.keepsake.worth));
        memory
    }

    /// The live row of an index, cloned under the shared lock of its shard, with what was left of its life at `instant`. Leaves no trace.
    pub(crate) fn copy_row(&self, index: u64, note: u64, instant: Duration) -> Option<Entry<V>>
    where
        V: Clone,
    {
        self.keep_time();
        let now = self.now();
        let (idle, origin_ms) = (self.settings.idle, millis_up(instant));
        let shard = self.store.read(self.store.shard_of(index));
        let row =
            shard.place_of(index).map(|place| shard.at(place)).filter(|row| self.is_live_at(row, now))?;
        // What is remembered is the life that is left, without the grace.
        let grace_ms = self.settings.freshness.grace_ms;
        let deadline = Some(row.deadline()).filter(|&deadline| deadline != NEVER);
        let left_ms = |deadline: u64| deadline.saturating_sub(grace_ms).saturating_sub(origin_ms);
        Some(Entry {
            key: row.key(),
            cost: row.cost().saturating_sub(self.settings.overhead),
            left_ms: deadline.map(left_ms),
            unread_ms: row.expiry(idle, grace_ms, || now).map(|expiry| expiry.saturating_sub(origin_ms)),
            note,
            pinned: shard.pins.has(index),
            tag: shard.tags.of(index).map(|Tag(tag)| tag),
            due_ms: shard.refreshes.due_ms(index).map(|due| due.saturating_sub(origin_ms)),
            value: row.value.clone(),
        })
    }

    /// Lets the policy take over what one of its kind has learned.
    pub(crate) fn learn(&self, policy: &str, knowledge: &[u64]) -> bool {
        let learn = |decisions: &mut Decisions| {
            decisions.engine.policy_name() == policy && decisions.engine.learn(knowledge)
        };
        self.decide(|decisions, _| learn(decisions)).unwrap_or(false)
    }

    /// The deadline of what has `left_ms` (not 0) to live from `instant` on; `None` is for ever.
    pub(crate) fn deadline_from(instant: Duration, left_ms: Option<u64>) -> u64 {
        left_ms
            .and_then(|left_ms| deadline_ms(instant, Duration::from_millis(left_ms)))
            .unwrap_or(NEVER)
            .min(NEVER)
    }

    /// Decides on entries that come back. The values of those that did not come in are left where they were.
    pub(crate) fn take_back(&self, batch: &mut [Returning<V>]) -> Returns {
        self.keep_time();
        // The clock is the user's: it is asked with no lock held.
        let now = self.now();
        let (mut returns, mut done) = (Returns::default(), 0);
        while done < batch.len() {
            let settled = self.decide(|decisions, departed| {
                self.budget.hold();
                // The hold ends however this ends: a policy may be the user's, and panic.
                let _unhold = Unhold(self);
                self.drain_reads(decisions);
                self.settle_all(decisions, departed);
                for returning in &mut batch[done..] {
                    match self.take_one_back(returning, now, decisions, departed) {
                        Return::Entered { pinned } => {
                            returns.entries += 1;
                            returns.pinned += u64::from(pinned);
                            // In a cache that hits from the first request on, nothing else would make the policy hear of it.
                            self.whet(1);
                        }
                        Return::Rejected => returns.rejected += 1,
                        Return::Expired => returns.expired += 1,
                        Return::Present => returns.present += 1,
                        Return::NoRoom => return,
                    }
                    done += 1;
                }
            });
            if settled.is_none() {
                // The policy panicked over this one.
                returns.rejected += 1;
                done += 1;
            } else if done < batch.len() {
                std::thread::yield_now();
            }
        }
        // No log tells the processor of new deadlines.
        self.bell.ring();
        returns
    }

    fn take_one_back(
        &self,
        returning: &mut Returning<V>,
        now: Duration,
        decisions: &mut Decisions,
        departed: &mut Vec<Departed<V>>,
    ) -> Return {
        let (key, index) = (returning.key, returning.key.index);
        let (number, idle) = (self.store.shard_of(index), self.settings.idle);
        let cost = returning.cost.max(1).saturating_add(self.settings.overhead);
        if returning.deadline <= millis(now) {
            return Return::Expired;
        }
        if cost > self.budget.max_cost().min(MAX_ENTRY_COST) {
            return Return::Rejected;
        }
        let mut shard = loop {
            let shard = self.store.write(number);
            if shard.pending() == 0 {
                break shard;
            }
            drop(shard);
            self.settle_shard(decisions, number, departed);
        };
        if shard.loads.find(key).is_some() {
            return Return::Present;
        }
        if let Some(place) = shard.place_of(index) {
            if self.is_live_at(shard.at(place), now) {
                return Return::Present;
            }
            let row = shard.remove(place);
            decisions.births.take(index);
            decisions.engine.expire(Due { index, version: row.version() });
            self.budget.release(row.cost());
            departed.push(Departed::new(row, Cause::Expired));
        }
        // Nobody is to be evicted for an entry that would not fit after all.
        if self.budget.occupied().saturating_sub(decisions.engine.used()) > self.budget.slack() {
            return Return::NoRoom;
        }
        let version = shard.next_version();
        let ends = returning.deadline.saturating_add(self.settings.freshness.grace_ms).min(NEVER);
        let deadline = Some(ends).filter(|&deadline| deadline != NEVER);
        let pinned = returning.pinned && self.store.quota().try_reserve(cost);
        let mut aside = Aside(self, if pinned { cost } else { 0 });
        let write = Write { index, version, cost, deadline, pinned };
        decisions.engine.restore(write, returning.note, &mut decisions.effects);
        let mut freed = Release(self, 0);
        if !self.carry_out_for((index, version), &mut shard, decisions, departed, &mut freed) {
            return Return::Rejected;
        }
        if !self.budget.transfer(freed.1, cost) {
            decisions.engine.remove(index);
            return Return::NoRoom;
        }
        (freed.1, aside.1) = (0, 0);
        let value = returning.value.take().expect("each is taken back once");
        shard.tally.written(false, cost);
        shard.pins.set(index, pinned.then_some(cost));
        shard.tags.set(index, returning.tag);
        self.plan_refresh_anew(&mut shard, index, now, returning.due_ms);
        let (row, _) = shard.put(None, key, cost, ends, value);
        idle.inspect(|&idle| row.touch(idle, now));
        let expiry = row.expiry(idle, 0, || now);
        if expiry != deadline {
            decisions.engine.reschedule(index, expiry);
        }
        Return::Entered { pinned }
    }

    /// In a cache that refreshes by age, what comes back is due when it was to be, or earlier if ages are shorter now.
    fn plan_refresh_anew(&self, shard: &mut Shard<V>, index: u64, now: Duration, due_ms: Option<u64>) {
        self.plan_refresh(shard, index, || now);
        let planned = shard.refreshes.due_ms(index);
        if let (Some(planned), Some(due_ms)) = (planned, due_ms) {
            let due_ms = NonZeroU64::new(due_ms.min(planned)).unwrap_or(NonZeroU64::MIN);
            shard.refreshes.set(index, due_ms);
        }
    }
}
