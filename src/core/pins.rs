//! Pins: entries that the policy may not touch, within a quota of the budget.
//!
//! A pin belongs to an entry, not to its key: an update keeps it, and it goes when the entry goes, whatever makes it go (its owner, its time, a clear).
//! Nothing else ever takes a pinned entry, but another key with the very same index hash (2^-64 for any two, unless a
//! [`KeyHasher`](crate::KeyHasher) is weak), and nothing takes the pin, but what is counted as [`pins_lost`](crate::Stats::pins_lost):
//!
//! - an update for whose growth the quota has no room: the new value is taken, and the entry is like any other from then on. A value is worth more
//!   than its place;
//! - a budget that is lowered below the quota: the oldest pins are undone until the rest fits.
//!
//! That an entry is pinned is written beside the rows (`store/pins.rs`), under the lock of their shard, together with what that takes from the quota. The engine hears of it
//! by the shard's log like of any write: a pinned row has a new version, so that a decision to evict that was taken before has no
//! effect. What the engine makes of it is told in `engine/pins.rs`.

use super::write::{Plan, Refusal};
use super::{Core, Count, Request};
use crate::error::PinError;
use crate::key::KeyHash;
use crate::ring::log::Write;
use crate::store::{Logged, Place, Shard};
use std::time::Duration;

/// What an insert says of pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pinning {
    /// A new entry is not pinned, an update is if the old one was.
    Kept,
    /// Pinned, if the quota has room.
    Wanted,
    /// The same, and it was before it left for want of room.
    Again,
    /// Pinned, or not inserted.
    Required,
}

/// What becomes of the pin of a row that is to be written. The quota for it has been set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pin {
    pub(super) is_pinned: bool,
    /// What was set aside beyond what the row that gives way has taken. Whoever does not write the row after all gives it back.
    pub(super) aside: u64,
    /// What is counted when the row is written without the pin that it should have.
    missed: Option<Count>,
}

impl<V> Core<V> {
    /// Pins a live entry; false if there is none.
    pub(crate) fn pin(&self, key: KeyHash) -> Result<bool, PinError> {
        self.keep_time();
        let number = self.store.shard_of(key.index);
        let mut shard = self.store.write(number);
        let Some(place) = self.live(&shard, key) else { return Ok(false) };
        if shard.pins.has(key.index) {
            return Ok(true);
        }
        // The clock is the user's: it is asked before anything changes.
        let (now, cost) = (self.time_to_touch(), shard.at(place).cost());
        if !self.store.quota().try_reserve(cost) {
            self.count(Count::PinsRefused, 1);
            return Err(PinError::QuotaExceeded { cost, left: self.store.quota().left() });
        }
        let logged = self.set_pin(&mut shard, place, true, now);
        drop(shard);
        self.after_write(number, logged);
        Ok(true)
    }

    /// Lets the policy decide on a live entry again; whether it was pinned.
    pub(crate) fn unpin(&self, key: KeyHash) -> bool {
        self.keep_time();
        let number = self.store.shard_of(key.index);
        let mut shard = self.store.write(number);
        let place = self.live(&shard, key).filter(|_| shard.pins.has(key.index));
        let Some(place) = place else { return false };
        let now = self.time_to_touch();
        let logged = self.set_pin(&mut shard, place, false, now);
        drop(shard);
        self.after_write(number, logged);
        true
    }

    /// Whether there is a live entry that is pinned.
    pub(crate) fn is_pinned(&self, key: KeyHash) -> bool {
        self.keep_time();
        let shard = self.store.read(self.store.shard_of(key.index));
        shard.pins.has(key.index) && self.live(&shard, key).is_some()
    }

    /// Pins or unpins the row at a place, with a new version, and lets the engine know. The quota has been set aside.
    fn set_pin(&self, shard: &mut Shard<V>, place: Place, is_pinned: bool, now: Duration) -> Logged {
        let (index, cost) = (shard.at(place).index, shard.at(place).cost());
        shard.pins.set(index, is_pinned.then_some(cost));
        let row = shard.recost(place, cost);
        let deadline = row.expiry(self.settings.idle, 0, || now);
        let write = Write { index, version: row.version(), cost, deadline, pinned: is_pinned };
        let logged = shard.log_write(write);
        self.mark_first(self.store.shard_of(index), logged);
        logged
    }

    /// The time, where the engine is told of times to idle.
    pub(super) fn time_to_touch(&self) -> Duration {
        if self.settings.idle.is_some() { self.now() } else { Duration::ZERO }
    }

    /// Settles what becomes of a pin, as the last part of a plan: there is no user code behind it that could panic but the clock.
    #[cold]
    pub(super) fn plan_pin(
        &self,
        shard: &Shard<V>,
        request: &Request,
        plan: &mut Plan,
    ) -> Result<(), Refusal> {
        let held = shard.pins.cost_of(request.key.index);
        let was_pinned = held > 0 && (plan.is_update() || self.is_refresh_of(shard, request, plan));
        if !was_pinned && request.pinning == Pinning::Kept {
            return Ok(());
        }
        let aside = request.cost.saturating_sub(held);
        if self.store.quota().try_reserve(aside) {
            plan.pin = Pin { is_pinned: true, aside, missed: None };
        } else if request.pinning == Pinning::Required {
            return Err(Refusal::Unpinnable { cost: request.cost, left: self.store.quota().left() + held });
        } else {
            let had_one = was_pinned || request.pinning == Pinning::Again;
            plan.pin.missed = Some(if had_one { Count::PinsLost } else { Count::PinsRefused });
        }
        plan.make_loud_unless(plan.pin.is_pinned == was_pinned && plan.pin.missed.is_none());
        Ok(())
    }

    /// Whether a load brings a new value for a stale one that may yet be served.
    fn is_refresh_of(&self, shard: &Shard<V>, request: &Request, plan: &Plan) -> bool {
        let row = plan.place.map(|place| shard.at(place)).filter(|row| row.key() == request.key);
        request.flight.is_some()
            && self.settings.freshness.grace_ms > 0
            && row.is_some_and(|row| row.is_live(self.settings.idle, 0, || self.now()))
    }

    /// A row is being written as planned.
    #[inline]
    pub(super) fn pin_written(&self, shard: &mut Shard<V>, request: &Request, pin: Pin) {
        shard.pins.set(request.key.index, pin.is_pinned.then_some(request.cost));
        if let Some(missed) = pin.missed {
            self.count(missed, 1);
        }
    }

    /// Sees to it that what is pinned fits into the quota, which was lowered: undoes pins, `oldest` first. The engine is told by the log.
    /// The caller holds the engine's mutex.
    pub(super) fn undo_pins(&self, oldest: &[u64], now: Duration) {
        let quota = self.store.quota();
        let is_over = || quota.taken() > quota.limit();
        let undo = |index: u64| {
            let mut shard = self.store.write(self.store.shard_of(index));
            if let Some(place) = shard.place_of(index).filter(|_| shard.pins.has(index)) {
                self.set_pin(&mut shard, place, false, now);
                self.count(Count::PinsLost, 1);
            }
        };
        oldest.iter().take_while(|_| is_over()).for_each(|&index| undo(index));
        // Pins that the engine has not heard of: only where it lost its mind and starts over.
        for number in 0..self.store.shards() {
            if is_over() {
                let unheard: Vec<u64> = self.store.read(number).pins.indices().collect();
                unheard.into_iter().take_while(|_| is_over()).for_each(undo);
            }
        }
    }

    /// What of a quota pins may take, with that budget.
    pub(super) fn pin_limit(&self, max_cost: u64) -> u64 {
        self.settings.pin_quota.min(max_cost)
    }
}

/// Gives back what was set aside for a row that was not written after all.
pub(super) struct Aside<'a, V>(pub(super) &'a Core<V>, pub(super) u64);

impl<V> Drop for Aside<'_, V> {
    fn drop(&mut self) {
        self.0.store.quota().release(self.1);
    }
}
