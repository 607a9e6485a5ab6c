//! Freshness: how long a value may be served beyond its time, and when it is due for a refresh.
//!
//! A row's deadline is the end of its *grace*: its time to live and, on top, the longest time for which the builder lets it be
//! served stale. All of the cache but the methods that load takes it for expired when its time to live is over; the timer
//! wheel reclaims it when its grace is. As the grace is the same for all rows, none has to remember it.
//!
//! | the value of the key | a method that loads | everybody else |
//! |---|---|---|
//! | fresh | returns it | sees it |
//! | due: older than `refresh_after` | returns it; the first to find it so refreshes it | sees it |
//! | stale: past its time by less than `stale_while_revalidate` | the same | finds nothing |
//! | spent: past that, or no value | loads and waits; if that fails and `stale_if_error` allows, returns it | finds nothing |
//!
//! A refresh is a load whose key has a value. It has a flight like any other, begun under the lock under which the value was
//! seen to be due: so there is one at a time, and whatever writes or removes the key overtakes it. That says more than a comparison of versions
//! could, as an update that changes the value alone keeps the version. An eviction is no write: what was evicted while it was refreshed
//! asks for admission like any newcomer.

use super::lifetime::Retime;
use super::{Core, Count, Refresh};
use crate::clock::{millis, millis_up};
use crate::flight::Flight;
use crate::key::KeyHash;
use crate::store::{NEVER, Refreshes, Row, Shard};
use crate::sync;
use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

/// What the builder settled; by default there is no grace, and nothing is ever due.
#[derive(Default)]
pub(crate) struct Freshness {
    /// For how many milliseconds past its time a value is served while it is refreshed.
    revalidate_ms: u64,
    /// For how many milliseconds past its time a value is served instead of an error.
    error_ms: u64,
    /// How long a row outlives its time: the longer of the two.
    pub(super) grace_ms: u64,
    /// How many milliseconds after it was written a value is due.
    pub(super) refresh_ms: Option<u64>,
    /// Whether there are values that are due or stale at all.
    pub(super) serves_old: bool,
    /// Who runs the refreshes that outlive their callers.
    pub(super) spawner: Option<Box<Spawner>>,
}

pub(crate) type Spawner = dyn Fn(Refresh) + Send + Sync;

impl Freshness {
    pub(crate) fn revalidating_for(self, grace: Duration) -> Self {
        Self { revalidate_ms: grace_ms(grace), ..self }.settled()
    }

    pub(crate) fn forgiving_for(self, grace: Duration) -> Self {
        Self { error_ms: grace_ms(grace), ..self }.settled()
    }

    pub(crate) fn due_after(self, age: Duration) -> Self {
        Self { refresh_ms: Some(millis_up(age)), ..self }.settled()
    }

    pub(crate) fn with_spawner(self, spawner: Box<Spawner>) -> Self {
        Self { spawner: Some(spawner), ..self }
    }

    fn settled(self) -> Self {
        Self {
            grace_ms: self.revalidate_ms.max(self.error_ms),
            serves_old: self.revalidate_ms > 0 || self.refresh_ms.is_some(),
            ..self
        }
    }

    pub(crate) fn refresh_after(&self) -> Option<Duration> {
        self.refresh_ms.map(Duration::from_millis)
    }

    /// Bytes of bookkeeping for each entry, beyond what every cache keeps.
    pub(crate) fn entry_bytes(&self) -> u64 {
        if self.refresh_ms.is_some() { Refreshes::ENTRY_BYTES } else { 0 }
    }
}

impl fmt::Debug for Freshness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Freshness")
            .field("stale_while_revalidate", &Duration::from_millis(self.revalidate_ms))
            .field("stale_if_error", &Duration::from_millis(self.error_ms))
            .field("refresh_after", &self.refresh_after())
            .field("has_spawner", &self.spawner.is_some())
            .finish()
    }
}

fn grace_ms(grace: Duration) -> u64 {
    millis_up(grace).min(LONGEST_GRACE_MS)
}

/// Half of what a deadline can count: 17 years.
const LONGEST_GRACE_MS: u64 = NEVER / 2;

/// How a method that loads finds a row; see the table of the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Fresh,
    Due,
    Stale,
    Spent,
}

/// What a method that loads has found for a key.
pub(super) struct Seen<V> {
    standing: Standing,
    /// `None` if it is spent.
    pub(super) value: Option<V>,
    /// Who loads or refreshes it already.
    pub(super) flight: Option<sync::Arc<Flight<V>>>,
    pub(super) retime: Option<Retime>,
}

impl<V> Seen<V> {
    /// Whether this is an answer as it stands.
    pub(super) fn is_served(&self) -> bool {
        self.value.is_some() && (self.standing == Standing::Fresh || self.flight.is_some())
    }
}

impl<V> Core<V> {
    /// The value of a key for a method that loads: a fresh one, or one that somebody is refreshing by now.
    #[inline]
    pub(crate) fn look(&self, key: KeyHash) -> Option<V>
    where
        V: Clone,
    {
        if self.settings.freshness.serves_old {
            self.look_leniently(key)
        } else {
            self.get_with(key, V::clone)
        }
    }

    fn look_leniently(&self, key: KeyHash) -> Option<V>
    where
        V: Clone,
    {
        self.keep_time();
        let seen = {
            let shard = self.store.read(self.store.shard_of(key.index));
            self.see(&shard, key)
        };
        if seen.value.is_none() {
            self.count(Count::Misses, 1);
        }
        if self.reads.record(key.index) {
            self.drain_soon();
        }
        if seen.is_served() { Some(self.serve(seen)) } else { None }
    }

    /// Looks for a key under the lock of its shard.
    pub(super) fn see(&self, shard: &Shard<V>, key: KeyHash) -> Seen<V>
    where
        V: Clone,
    {
        let flight = shard.loads.find(key).map(sync::Arc::clone);
        let row = shard.find(key).map(|row| (row, self.standing(shard, row)));
        let Some((row, standing)) = row.filter(|&(_, standing)| standing != Standing::Spent) else {
            return Seen { standing: Standing::Spent, value: None, flight, retime: None };
        };
        let hears = self.settings.expiry.is_some() && standing != Standing::Stale;
        let retime = if hears { self.hear_read(row) } else { None };
        self.touch(row);
        Seen { standing, value: Some(row.value.clone()), flight, retime }
    }

    /// Does what is left to do when a value that was seen is served. With no lock held.
    pub(super) fn serve(&self, seen: Seen<V>) -> V {
        seen.retime.inspect(|retime| self.retime(retime));
        if seen.standing != Standing::Fresh {
            self.count(Count::ServedStale, 1);
        }
        seen.value.expect("only a value is served")
    }

    fn standing(&self, shard: &Shard<V>, row: &Row<V>) -> Standing {
        let Freshness { revalidate_ms, refresh_ms, .. } = self.settings.freshness;
        if self.is_live(row) {
            let is_due = refresh_ms.is_some()
                && shard.refreshes.due_ms(row.index).is_some_and(|due| due <= millis(self.now()));
            return if is_due { Standing::Due } else { Standing::Fresh };
        }
        if revalidate_ms > 0 && self.is_live_past(row, revalidate_ms) {
            Standing::Stale
        } else {
            Standing::Spent
        }
    }

    /// A value that may be served instead of an error.
    pub(super) fn instead_of_error(&self, key: KeyHash) -> Option<V>
    where
        V: Clone,
    {
        let error_ms = self.settings.freshness.error_ms;
        if error_ms == 0 {
            return None;
        }
        self.keep_time();
        let value = {
            let shard = self.store.read(self.store.shard_of(key.index));
            shard.find(key).filter(|row| self.is_live_past(row, error_ms))?.value.clone()
        };
        self.count(Count::ServedStale, 1);
        Some(value)
    }

    /// Whether a row is past its time by less than so many milliseconds, at most the grace.
    fn is_live_past(&self, row: &Row<V>, ms: u64) -> bool {
        row.is_live(self.settings.idle, self.settings.freshness.grace_ms - ms, || self.now())
    }

    /// The deadline of a row whose time to live is over at `end`.
    #[inline]
    pub(super) fn with_grace(&self, end: u64) -> u64 {
        if end >= NEVER { NEVER } else { (end + self.settings.freshness.grace_ms).min(NEVER) }
    }

    /// Remembers when the value that is being written to an index will be due.
    #[inline]
    pub(super) fn plan_refresh(&self, shard: &mut Shard<V>, index: u64, now: impl FnOnce() -> Duration) {
        if let Some(ms) = self.settings.freshness.refresh_ms {
            let age_ms = self.settings.jitter.shorten(index, ms);
            shard
                .refreshes
                .set(index, NonZeroU64::MIN.saturating_add(millis(now()).saturating_add(age_ms - 1)));
        }
    }
}
