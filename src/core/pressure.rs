//! Back-pressure: what a writer does, beside its write, so that decisions keep up with writes.

use super::decided::Release;
use super::maintain::Scope;
use super::{Core, Count, Maintenance};
use crate::ring::log::{FLOOD_MARK, HIGH_WATER};
use crate::store::Logged;
use crate::trace;

impl<V> Core<V> {
    /// Gives back the cost of what its owner took out of a shard. In a strict cache, the engine is told first: else
    /// another writer could take room that the engine believes to be taken still, and be turned away after its insert
    /// returned true.
    #[inline]
    pub(super) fn give_back(&self, shard: usize, cost: u64) {
        if self.budget.slack() > 0 {
            self.budget.release(cost);
        } else if cost > 0 {
            self.decide(|decisions, departed| {
                // Given back before anything is delivered, even if the policy panics: callbacks may need the room.
                let _release = Release(self, cost);
                self.settle_shard(decisions, shard, departed);
            });
        }
    }

    /// Called under the shard's lock: a log that just started must be found.
    #[inline]
    pub(super) fn mark_first(&self, shard: usize, logged: Logged) {
        if logged.is_first() {
            self.store.dirty().mark(shard);
        }
    }

    /// Makes room, or waits until another thread has made some.
    #[cold]
    pub(super) fn help(&self, shard: usize, growth: u64) {
        self.count(Count::Helps, 1);
        let span = trace::help_for_room(self.name(), growth);
        let _entered = span.enter();
        // Whoever is at it gives room back with every shard that it settles: sooner than this thread could go to
        // sleep and wake up.
        if !self.try_maintain_from(shard) && !self.budget.await_room(growth) {
            self.maintain(Scope::From(shard));
        }
    }

    /// Sees to it that what was logged is decided upon in time.
    #[inline]
    pub(super) fn after_write(&self, shard: usize, logged: Logged) {
        if logged.pending >= HIGH_WATER {
            self.count(Count::Helps, 1);
            let span = trace::help_with_log(self.name(), logged.pending);
            let _entered = span.enter();
            if logged.pending >= FLOOD_MARK {
                self.maintain(Scope::From(shard));
            } else {
                self.try_maintain_from(shard);
            }
        } else if self.settings.maintenance == Maintenance::Inline {
            self.try_maintain();
        } else if self.settings.maintenance == Maintenance::Thread {
            if logged.is_first() {
                self.bell.ring();
            } else if logged.pending.is_multiple_of(EARLY_HELP) && self.budget.is_tight() {
                // In good time: a writer that finds no room at all has to wait for whoever is at it.
                self.try_maintain_from(shard);
            }
        }
    }
}

/// How often, in commands of one shard, a writer looks whether room is getting scarce.
const EARLY_HELP: usize = 16;
