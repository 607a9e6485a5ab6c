//! The life of a get: hash, shared lock, row, unlock, one record in the access ring.

use super::maintain::Scope;
use super::{Core, Count, Maintenance};
use crate::clock::millis;
use crate::clock::millis_up;
use crate::key::KeyHash;
use crate::store::Row;
use std::sync::atomic::Ordering;
use std::time::Duration;

impl<V> Core<V> {
    /// Reads a value under the shared lock, and remembers that it was asked for.
    #[inline]
    pub(crate) fn get_with<R>(&self, key: KeyHash, read: impl FnOnce(&V) -> R) -> Option<R> {
        self.keep_time();
        let mut retime = None;
        let found = {
            let shard = self.store.read(self.store.shard_of(key.index));
            match shard.find(key) {
                Some(row) if self.is_live(row) => {
                    if self.settings.expiry.is_some() {
                        retime = self.hear_read(row);
                    }
                    self.touch(row);
                    Some(read(&row.value))
                }
                _ => None,
            }
        };
        if let Some(retime) = retime {
            self.retime(&retime);
        }
        if found.is_none() {
            self.count(Count::Misses, 1);
        }
        if self.reads.record(key.index) {
            self.drain_soon();
        }
        found
    }

    /// Reads a value under the shared lock and leaves no trace.
    pub(crate) fn peek_with<R>(&self, key: KeyHash, read: impl FnOnce(&Row<V>) -> R) -> Option<R> {
        self.keep_time();
        let shard = self.store.read(self.store.shard_of(key.index));
        shard.find(key).filter(|row| self.is_live(row)).map(read)
    }

    /// How long a key has left to live; `Duration::MAX` without a deadline.
    pub(crate) fn remaining(&self, key: KeyHash) -> Option<Duration> {
        self.peek_with(key, |row| {
            let grace_ms = self.settings.freshness.grace_ms;
            let expiry = row.expiry(self.settings.idle, grace_ms, || self.now());
            let Some(expiry) = expiry else { return Duration::MAX };
            // Deadlines are rounded up to a millisecond; so is the present here, lest more is left than was given.
            Duration::from_millis(expiry.saturating_sub(millis_up(self.now())))
        })
    }

    /// Comes before every look at a row: sees to it that rows with a time to idle are swept often enough to tell
    /// the past from the future. Turns do that all the time, but a cache without a thread may see none for hours.
    #[inline]
    pub(super) fn keep_time(&self) {
        if let Some(idle) = self.settings.idle
            && millis(self.now()).saturating_sub(self.swept_ms.load(Ordering::Relaxed)) > idle.sweep_ms()
        {
            self.maintain(Scope::All);
        }
    }

    /// Whether a row's time to live is not over, nor its time to idle; a grace does not count.
    #[inline]
    pub(super) fn is_live(&self, row: &Row<V>) -> bool {
        row.is_live(self.settings.idle, self.settings.freshness.grace_ms, || self.now())
    }

    /// The same, where the time is known already.
    #[inline]
    pub(super) fn is_live_at(&self, row: &Row<V>, now: Duration) -> bool {
        row.is_live(self.settings.idle, self.settings.freshness.grace_ms, || now)
    }

    /// A read or write restarts the time to idle.
    #[inline]
    pub(super) fn touch(&self, row: &Row<V>) {
        if let Some(idle) = self.settings.idle {
            row.touch(idle, self.now());
        }
    }

    /// A part of a stripe of the access ring has filled.
    #[cold]
    pub(super) fn drain_soon(&self) {
        if self.settings.maintenance == Maintenance::Manual {
            return;
        }
        self.listen();
        if self.settings.maintenance == Maintenance::Thread {
            self.bell.ring();
        }
    }

    /// When a row leaves if nobody reads it again, its grace included: what the engine is told.
    pub(super) fn expiry(&self, row: &Row<V>) -> Option<u64> {
        row.expiry(self.settings.idle, 0, || self.now())
    }
}
