//! One turn of maintenance.
//!
//! Under the engine's mutex: reads from the access ring into the policy; the log of each dirty shard, swapped
//! out under that shard's lock, command by command into the engine; the engine's effects out to the store,
//! each only *if the row still has the version decided upon* (if it has not, a newer command is on its way and will be
//! decided by itself); what is due off the timer wheel. Then the mutex is given back, and what left is delivered.
//!
//! A turn is the same whoever runs it: the processor thread, an inserting thread without room, `wait()`.

use super::decided::Release;
use super::deliver::Departed;
use super::{Core, Count, Decisions};
use crate::clock::millis;
use crate::contain::{contain, discard};
use crate::engine::{Effect, Verdict};
use crate::error::WaitError;
use crate::listener::Cause;
use crate::processor::{Bell, Maintain, Rest};
use crate::ring::log::Command;
use crate::store::{Row, Shard, slots};
use crate::sync::MutexGuard;
use crate::trace;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How much one turn does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Everything that was pending when it began.
    All,
    /// A bounded number of commands, one shard's first.
    From(usize),
    /// A bounded number of commands, where the last turn left off.
    Next,
}

/// The commands after which a bounded turn ends (it finishes the log that it is at).
const COMMANDS_PER_TURN: usize = 256;

/// The part of the slack that may have left when a bounded turn ends (it finishes the log that it is at). The room of what
/// left is free at once, but its memory only when it was delivered, after the turn: short turns keep that small.
const DEPARTED_OF_SLACK: u64 = 4;

/// For each command decided, the reads that readers bring to the policy's ears by themselves. Reads matter to
/// the policy where there are newcomers to weigh residents against; where there are few, a sample will do, and readers
/// are spared the work.
const READS_PER_COMMAND: usize = 16;

/// The reads that are wanted at the most, however many commands there were.
const MOST_APPETITE: usize = 1 << 16;

/// The expired entries that one turn reclaims.
const EXPIRED_PER_TURN: usize = 1024;

impl<V> Core<V> {
    /// Runs a turn; waits for the mutex.
    pub(super) fn maintain(&self, scope: Scope) {
        self.decide(|decisions, departed| self.turn(decisions, scope, departed));
    }

    /// Runs a bounded turn, unless another thread is at it.
    pub(super) fn try_maintain(&self) {
        if let Some(decisions) = self.decisions.try_lock() {
            self.decide_with(decisions, |decisions, departed| self.turn(decisions, Scope::Next, departed));
        }
    }

    /// Runs a bounded turn that starts with `shard`, unless another thread is at it. Returns whether it did.
    pub(super) fn try_maintain_from(&self, shard: usize) -> bool {
        let Some(decisions) = self.decisions.try_lock() else { return false };
        self.decide_with(decisions, |decisions, departed| self.turn(decisions, Scope::From(shard), departed));
        true
    }

    /// Settles everything that was pending before the call, and delivers it.
    pub(crate) fn wait(&self) -> Result<(), WaitError> {
        if self.is_forked() {
            return Err(WaitError::Forked);
        }
        self.maintain(Scope::All);
        self.wait_for_deliveries();
        Ok(())
    }

    /// Settles everything that was pending before the call; waits for no other thread's callbacks.
    pub(crate) fn run_pending(&self) {
        self.maintain(Scope::All);
    }

    /// Empties the cache.
    pub(crate) fn clear(&self) {
        self.count(Count::Clears, 1);
        let span = trace::clear(self.name());
        let _entered = span.enter();
        self.decide(|decisions, departed| {
            for number in 0..self.store.shards() {
                let rows = self.store.write(number).take_all();
                self.budget.release(rows.iter().map(Row::cost).sum());
                departed.extend(rows.into_iter().map(|row| Departed::new(row, Cause::Cleared)));
            }
            // What was read before the clear tells nothing about what comes after it.
            self.drain_reads(decisions);
            decisions.engine.clear();
            decisions.births.clear();
        });
    }

    /// Takes every row out, for the last handle's drop: values are dropped here, nobody is told.
    pub(crate) fn dismantle(&self) {
        self.deliver(Vec::new(), None);
        for number in 0..self.store.shards() {
            let rows = self.store.write(number).take_all();
            // At once: a destructor may wait for the room.
            self.budget.release(rows.iter().map(Row::cost).sum());
            for row in rows {
                if contain(|| drop(row)).is_none() {
                    self.count(Count::CallbackPanics, 1);
                    trace::callback_panicked(self.name(), None);
                }
            }
        }
    }

    /// Runs `job` under the engine's mutex, then delivers what departed. `None` if the policy panicked: the
    /// engine has then been rebuilt from the store.
    pub(super) fn decide<R>(
        &self,
        job: impl FnOnce(&mut Decisions, &mut Vec<Departed<V>>) -> R,
    ) -> Option<R> {
        self.decide_with(self.decisions.lock(), job)
    }

    fn decide_with<R>(
        &self,
        mut decisions: MutexGuard<'_, Decisions>,
        job: impl FnOnce(&mut Decisions, &mut Vec<Departed<V>>) -> R,
    ) -> Option<R> {
        let mut departed = Vec::new();
        let outcome = catch_unwind(AssertUnwindSafe(|| job(&mut decisions, &mut departed)));
        if outcome.is_err() {
            self.rebuild(&mut decisions, &mut departed);
        }
        let ticket = self.ticket_for(&departed);
        drop(decisions);
        if ticket.is_some() || self.has_deferred() {
            self.deliver(departed, ticket);
        }
        let outcome = outcome.map_err(|panic| self.end_of_policy(panic)).ok();
        self.turned();
        outcome
    }

    /// A policy has panicked, and was replaced. With no lock held, nor a ticket: what it threw may be anything.
    #[cold]
    fn end_of_policy(&self, panic: Box<dyn Any + Send>) {
        trace::policy_panicked(self.name());
        discard(panic);
    }

    /// Returns whether there was anything to do.
    fn turn(&self, decisions: &mut Decisions, scope: Scope, departed: &mut Vec<Departed<V>>) -> bool {
        self.count(Count::Turns, 1);
        let reads = self.drain_reads(decisions);
        let commands = match scope {
            Scope::All => self.settle_all(decisions, departed),
            Scope::From(shard) => self.settle_some(decisions, shard, departed),
            Scope::Next => self.settle_some(decisions, decisions.cursor, departed),
        };
        self.expire_due(decisions, scope, departed);
        reads + commands > 0 || !departed.is_empty()
    }

    /// Lets the policy hear of the reads, if it cares and no other thread is at it. For readers: nothing is
    /// decided, nobody leaves, and no callback is called on their thread.
    pub(super) fn listen(&self) {
        if self.appetite.load(Ordering::Relaxed) == 0 {
            return;
        }
        let Some(mut decisions) = self.decisions.try_lock() else { return };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.drain_reads(&mut decisions))) {
            let mut departed = Vec::new();
            self.rebuild(&mut decisions, &mut departed);
            let ticket = self.ticket_for(&departed);
            drop(decisions);
            self.defer(departed, ticket);
            self.end_of_policy(panic);
        }
    }

    /// Returns the number of reads.
    pub(super) fn drain_reads(&self, decisions: &mut Decisions) -> usize {
        let Decisions { engine, drainer, heard, .. } = decisions;
        heard.clear();
        drainer.drain(&self.reads, |index| heard.push(index));
        engine.access_all(heard);
        let reads = heard.len();
        let appetite = self.appetite.load(Ordering::Relaxed).saturating_sub(reads);
        self.appetite.store(appetite, Ordering::Relaxed);
        reads
    }

    /// Commands make the policy want to hear of reads.
    pub(super) fn whet(&self, commands: usize) {
        let appetite = self.appetite.load(Ordering::Relaxed) + commands * READS_PER_COMMAND;
        self.appetite.store(appetite.min(MOST_APPETITE), Ordering::Relaxed);
    }

    /// Settles every dirty shard once; returns the number of commands.
    pub(super) fn settle_all(&self, decisions: &mut Decisions, departed: &mut Vec<Departed<V>>) -> usize {
        let (mut next, mut done) = (0, 0);
        while let Some(shard) = self.store.dirty().next(next).filter(|&shard| shard >= next) {
            done += self.settle_shard(decisions, shard, departed);
            next = shard + 1;
        }
        done
    }

    /// Settles dirty shards from `shard` on until enough was done; returns the number of commands.
    fn settle_some(&self, decisions: &mut Decisions, shard: usize, departed: &mut Vec<Departed<V>>) -> usize {
        let (mut done, mut freed) = (0, 0);
        let most_freed = self.budget.slack() / DEPARTED_OF_SLACK;
        decisions.cursor = shard;
        for _ in 0..self.store.shards() {
            let wanted = done < COMMANDS_PER_TURN && freed <= most_freed;
            let Some(shard) = self.store.dirty().next(decisions.cursor).filter(|_| wanted) else { break };
            let known = departed.len();
            done += self.settle_shard(decisions, shard, departed);
            freed += departed[known..].iter().map(|gone| gone.cost).sum::<u64>();
            decisions.cursor = (shard + 1) % self.store.shards();
        }
        done
    }

    /// Decides on everything in a shard's log; returns how much that was.
    pub(super) fn settle_shard(
        &self,
        decisions: &mut Decisions,
        shard: usize,
        departed: &mut Vec<Departed<V>>,
    ) -> usize {
        self.store.dirty().unmark(shard);
        self.store.write(shard).swap_log(&mut decisions.commands);
        // After the swap: the misses that these insertions answer are in the ring by now, and must be heard before them, or
        // they would be counted twice. And for every log, not once for a turn: the ring is small, and the hits of residents
        // should be heard before newcomers are weighed against them.
        self.drain_reads(decisions);
        let done = decisions.commands.len();
        self.whet(done);
        let Decisions { engine, commands, effects, births, latest, .. } = decisions;
        engine.anticipate(commands.iter().map(Command::index));
        for command in commands.drain(..) {
            match command {
                Command::Write(write) => {
                    births.note(write.index, || millis(self.now_or(*latest)));
                    engine.write(write, effects);
                }
                Command::Remove { index } => {
                    births.take(index);
                    engine.remove(index);
                }
            }
        }
        slots::slim(commands);
        self.carry_out(decisions, departed);
        done
    }

    /// Takes the rows out that the engine decided against.
    pub(super) fn carry_out(&self, decisions: &mut Decisions, departed: &mut Vec<Departed<V>>) {
        let mut effects = std::mem::take(&mut decisions.effects);
        for effect in effects.drain(..) {
            if let Some(gone) = self.take_row(effect, None, decisions) {
                self.budget.release(gone.cost);
                departed.push(gone);
            }
        }
        slots::slim(&mut effects);
        decisions.effects = effects;
    }

    /// Takes out whom the engine decided against for an entry whose shard is locked, and which is not in the store yet; what they cost
    /// goes to `freed`. False if the entry itself was turned away: only newcomers are, and then nobody left.
    pub(super) fn carry_out_for(
        &self,
        (index, version): (u64, u32),
        shard: &mut Shard<V>,
        decisions: &mut Decisions,
        departed: &mut Vec<Departed<V>>,
        freed: &mut Release<'_, V>,
    ) -> bool {
        let number = self.store.shard_of(index);
        let mut effects = std::mem::take(&mut decisions.effects);
        let mut admitted = true;
        for effect in effects.drain(..) {
            if (effect.index, effect.version) == (index, version) {
                admitted = false;
            } else if let Some(gone) = self.take_row(effect, Some((number, shard)), decisions) {
                freed.1 += gone.cost;
                departed.push(gone);
            }
        }
        slots::slim(&mut effects);
        decisions.effects = effects;
        admitted
    }

    /// Takes the row of an effect out, if it is still the one decided upon. `held` is a shard that the caller
    /// has locked already. The cost is not released.
    pub(super) fn take_row(
        &self,
        effect: Effect,
        held: Option<(usize, &mut Shard<V>)>,
        decisions: &mut Decisions,
    ) -> Option<Departed<V>> {
        let born = decisions.births.take(effect.index);
        let lived_ms = born.map(|born| millis(self.now_or(decisions.latest)).saturating_sub(born));
        let number = self.store.shard_of(effect.index);
        let row = match held {
            Some((locked, shard)) if locked == number => shard.remove_version(effect.index, effect.version),
            _ => self.store.write(number).remove_version(effect.index, effect.version),
        }?;
        self.note_need();
        let cause = match effect.verdict {
            Verdict::Evicted => {
                lived_ms.inspect(|&ms| self.lifetimes.record(ms));
                Cause::Evicted
            }
            Verdict::Rejected => Cause::Rejected,
        };
        Some(Departed::new(row, cause))
    }

    /// Reclaims what has expired.
    fn expire_due(&self, decisions: &mut Decisions, scope: Scope, departed: &mut Vec<Departed<V>>) {
        if decisions.engine.next_due().is_none() && self.settings.idle.is_none() {
            return;
        }
        // If the clock went back, rows that are due for the wheel would live on at that time, and be due again.
        let now = self.now_or(decisions.latest).max(decisions.latest);
        decisions.latest = now;
        // One short of the last tick, so that there is a later one to postpone to.
        let now_ms = millis(now).min(u64::MAX - 1);
        let overslept = self.has_overslept(now);
        let mut left = if scope == Scope::All { usize::MAX } else { EXPIRED_PER_TURN };
        while left > 0 {
            left -= 1;
            let Some(due) = decisions.engine.due(now_ms) else {
                // Nothing, or nothing yet: the wheel moves only so many entries at a time.
                if decisions.engine.next_due().is_some_and(|due| due <= now_ms) {
                    continue;
                }
                self.swept_ms.store(millis(now), Ordering::Relaxed);
                break;
            };
            let mut shard = self.store.write(self.store.shard_of(due.index));
            let place = shard.place_of(due.index).filter(|&place| shard.at(place).version() == due.version);
            // Rewritten or removed otherwise: the command that says so is pending.
            let Some(place) = place else { continue };
            let row = shard.at(place);
            if !overslept && row.is_live(self.settings.idle, 0, || now) {
                // Never to a time that has come: under a clock that throws dice, a row may seem to be read in the far future.
                let expiry = row.expiry(self.settings.idle, 0, || now);
                decisions.engine.postpone(due, expiry.map(|expiry| expiry.max(now_ms + 1)));
                continue;
            }
            let row = shard.remove(place);
            drop(shard);
            decisions.births.take(due.index);
            decisions.engine.expire(due);
            self.budget.release(row.cost());
            departed.push(Departed::new(row, Cause::Expired));
        }
    }

    /// Whether nobody looked at the cache for so long that a row cannot tell any more when it was read. It
    /// has idled away, then: whoever reads a row sweeps first, if need be.
    fn has_overslept(&self, now: Duration) -> bool {
        let unswept_ms = millis(now).saturating_sub(self.swept_ms.load(Ordering::Relaxed));
        self.settings.idle.is_some_and(|idle| unswept_ms > idle.sweep_ms().saturating_add(idle.ms()))
    }
}

impl<V: Send + Sync + 'static> Maintain for Core<V> {
    fn turn(&self) -> bool {
        let worked = self.decide(|decisions, departed| self.turn(decisions, Scope::Next, departed));
        self.visited();
        worked.unwrap_or(true)
    }

    fn rest(&self) -> Rest {
        if self.store.dirty().any() || self.has_deferred() {
            return Rest::None;
        }
        // The clock is the user's: it is asked with no lock held.
        let due = self.decisions.lock().engine.next_due();
        match due {
            None => Rest::UntilRung,
            Some(due) => Rest::For(Duration::from_millis(due).saturating_sub(self.now())),
        }
    }

    fn bell(&self) -> &Bell {
        &self.bell
    }
}
