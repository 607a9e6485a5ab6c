//! How long entries live: what a write gives them, what an [`Expiry`] makes of it, and how it changes afterwards.
//!
//! A row holds its deadline, the timer wheel what it was told of it with a version. Two things keep the wheel exact:
//!
//! - A deadline that a writer changes comes with a new version and a command, like any update.
//! - A deadline that a read puts off changes in the row alone, under the shared lock. The wheel then finds, at the earlier deadline, a row
//!   that lives on, and asks again later, as it does with times to idle. A read that brings a deadline forward,
//!   sets a first one or lifts it becomes a writer.
//!
//! So what the wheel knows of a version is never later than the truth, and whether there is a deadline at all is never in doubt.

use super::{Core, Request};
use crate::clock::{deadline_ms, millis, millis_up};
use crate::key::KeyHash;
use crate::ring::log::Write;
use crate::store::{NEVER, Place, Row, Shard};
use crate::sync::RwLockWriteGuard;
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
    /// Up to the deadline of an earlier row of the same entry.
    Until(u64),
}

/// What an [`Expiry`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lifespan {
    /// It stays as it is.
    Keep,
    /// So long from now; zero is over at once.
    For(Duration),
    /// No deadline.
    Forever,
}

/// An entry as an [`Expiry`] sees it.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Living<'a, V> {
    /// The hashes of the key.
    pub key: KeyHash,
    /// The value.
    pub value: &'a V,
    /// What it costs.
    pub cost: u64,
    /// How long it has to live unless the [`Expiry`] says otherwise: what its insert or the builder gave it or, where it was read
    /// or changed in place, what is left of that. `Duration::MAX` without a deadline. Times to idle are not in it.
    pub time_to_live: Duration,
}

/// Decides how long each entry lives, by its value for instance; from [`Builder::expiry`](crate::Builder::expiry).
///
/// A write is asked about with what its insert, its load or the builder would give it, and [`Lifespan::Keep`] leaves it at that. A time to idle goes on
/// counting by itself. [`set_ttl`](crate::Cache::set_ttl) and its kin have the last word: nobody is asked.
///
/// The methods run under the lock of the key's shard, and may be asked more than once about a write that has to make room: they must be
/// quick and must not call the cache. A panic fails the call that asked; what it was about to do is not done.
///
/// ```
/// use std::time::Duration;
/// use tollgate::{Cache, Expiry, Lifespan, Living};
///
/// struct Token {
///     valid_for: Duration,
/// }
///
/// /// A token is of use as long as it is valid, whatever else was said.
/// struct WhileValid;
///
/// impl Expiry<Token> for WhileValid {
///     fn after_create(&self, entry: &Living<'_, Token>) -> Lifespan {
///         Lifespan::For(entry.value.valid_for)
///     }
///
///     fn after_update(&self, entry: &Living<'_, Token>, _left: Duration) -> Lifespan {
///         self.after_create(entry)
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tokens: Cache<str, Token> = Cache::builder(1_000, 100).expiry(WhileValid).build()?;
/// tokens.insert("anna", Token { valid_for: Duration::from_secs(60) }, 1);
/// assert!(tokens.remaining_ttl("anna").is_some_and(|left| left <= Duration::from_secs(60)));
/// # Ok(())
/// # }
/// ```
pub trait Expiry<V>: Send + Sync {
    /// A value is about to be written for a key that has no live entry.
    fn after_create(&self, entry: &Living<'_, V>) -> Lifespan {
        let _ = entry;
        Lifespan::Keep
    }

    /// A value is about to take the place of a live one, which has `left` to live, or was changed in place.
    fn after_update(&self, entry: &Living<'_, V>, left: Duration) -> Lifespan {
        let _ = (entry, left);
        Lifespan::Keep
    }

    /// A live entry is being read (by `get`, `get_with`, or a method that loads; not by `peek`). Runs under the shared lock. To
    /// prolong a life costs no more than that; to shorten it, or to set or lift a deadline, costs the read an exclusive lock.
    fn after_read(&self, entry: &Living<'_, V>) -> Lifespan {
        let _ = entry;
        Lifespan::Keep
    }
}

/// A change of deadline that a read has to leave to a writer: for the value that was read, which has the version, as no update is quiet
/// where there is an `Expiry`.
pub(super) struct Retime {
    key: KeyHash,
    version: u32,
    deadline: u64,
}

impl<V> Core<V> {
    /// The deadline of a row that is to be written; `old` is the live row of the same key. User code: the clock and the `Expiry`.
    pub(super) fn deadline_of(&self, request: &Request, value: &V, old: Option<&Row<V>>) -> u64 {
        let given = match request.lifetime {
            Lifetime::Until(deadline) => return deadline,
            Lifetime::Kept => old.map_or(NEVER, Row::deadline),
            Lifetime::For(Duration::ZERO) => NEVER,
            Lifetime::For(ttl) => self.about(request.key, ttl),
            Lifetime::Default => self.settings.time_to_live.map_or(NEVER, |ttl| self.about(request.key, ttl)),
        };
        let Some(expiry) = &self.settings.expiry else { return given };
        let entry =
            Living { key: request.key, value, cost: request.cost, time_to_live: self.left_until(given) };
        let lifespan = match old {
            None => expiry.after_create(&entry),
            Some(old) => expiry.after_update(&entry, self.left_until(old.deadline())),
        };
        self.apply(lifespan, given)
    }

    /// What the `Expiry` makes of a change in place.
    pub(super) fn deadline_after_change(&self, row: &Row<V>) -> u64 {
        let Some(expiry) = &self.settings.expiry else { return row.deadline() };
        let entry = self.living(row);
        self.apply(expiry.after_update(&entry, entry.time_to_live), row.deadline())
    }

    /// Lets the `Expiry` hear of a read. Runs under the shared lock.
    #[cold]
    pub(super) fn hear_read(&self, row: &Row<V>) -> Option<Retime> {
        let expiry = self.settings.expiry.as_ref()?;
        let old = row.deadline();
        let deadline = self.apply(expiry.after_read(&self.living(row)), old);
        if deadline == old {
            return None;
        }
        if deadline > old && deadline != NEVER {
            row.put_off(deadline);
            return None;
        }
        Some(Retime { key: row.key(), version: row.version(), deadline })
    }

    /// Does what a read has left to a writer, unless another came first.
    #[cold]
    pub(super) fn retime(&self, retime: &Retime) {
        let shard = self.store.write(self.store.shard_of(retime.key.index));
        let place = self.live(&shard, retime.key);
        if let Some(place) = place.filter(|&place| shard.at(place).version() == retime.version) {
            self.set_deadline(shard, place, retime.deadline);
        }
    }

    /// Gives a live entry another deadline; false if there is none. `ttl` of `None` is for ever.
    pub(crate) fn set_ttl(&self, key: KeyHash, ttl: Option<Duration>) -> bool {
        self.keep_time();
        let deadline = ttl.map_or(NEVER, |ttl| self.soon(ttl));
        let mut shard = self.store.write(self.store.shard_of(key.index));
        let Some(place) = self.live(&shard, key) else { return false };
        shard.loads.overtake(key);
        self.set_deadline(shard, place, deadline);
        true
    }

    /// Gives the row at a place another deadline, with a new version, and lets the engine know.
    pub(super) fn set_deadline(&self, shard: RwLockWriteGuard<'_, Shard<V>>, place: Place, deadline: u64) {
        if shard.at(place).deadline() != deadline {
            self.set_deadline_anew(shard, place, deadline);
        }
    }

    /// The same, even if it is the one that the row has.
    pub(super) fn set_deadline_anew(
        &self,
        mut shard: RwLockWriteGuard<'_, Shard<V>>,
        place: Place,
        deadline: u64,
    ) {
        // The clock is the user's: it is asked before anything changes.
        let now = self.time_to_touch();
        let pinned = shard.pins.has(shard.at(place).index);
        let row = shard.retime(place, deadline);
        let due = row.expiry(self.settings.idle, 0, || now);
        let write =
            Write { index: row.index, version: row.version(), cost: row.cost(), deadline: due, pinned };
        let number = self.store.shard_of(write.index);
        let logged = shard.log_write(write);
        self.mark_first(number, logged);
        drop(shard);
        self.after_write(number, logged);
    }

    /// How long a row has to live that reaches its deadline; `Duration::MAX` for ever.
    pub(super) fn left_until(&self, deadline: u64) -> Duration {
        if deadline == NEVER {
            return Duration::MAX;
        }
        // Deadlines are rounded up to a millisecond; so is the present here, lest more is left than was given.
        let end = deadline.saturating_sub(self.settings.freshness.grace_ms);
        Duration::from_millis(end.saturating_sub(millis_up(self.now())))
    }

    fn living<'a>(&self, row: &'a Row<V>) -> Living<'a, V> {
        let time_to_live = self.left_until(row.deadline());
        Living { key: row.key(), value: &row.value, cost: row.cost(), time_to_live }
    }

    fn apply(&self, lifespan: Lifespan, given: u64) -> u64 {
        match lifespan {
            Lifespan::Keep => given,
            Lifespan::For(ttl) => self.soon(ttl),
            Lifespan::Forever => NEVER,
        }
    }

    /// The deadline of what is to live for `ttl`, if that is zero: at once.
    fn soon(&self, ttl: Duration) -> u64 {
        if ttl.is_zero() { self.with_grace(millis(self.now())) } else { self.after(ttl) }
    }

    /// The deadline of what is to live for `ttl`, which is not zero.
    fn after(&self, ttl: Duration) -> u64 {
        self.with_grace(deadline_ms(self.now(), ttl).unwrap_or(NEVER))
    }

    /// The deadline of what is to live for `ttl`, which is not zero, or somewhat shorter.
    fn about(&self, key: KeyHash, ttl: Duration) -> u64 {
        let now = self.now();
        match deadline_ms(now, ttl) {
            Some(deadline) if deadline < NEVER => {
                let now_ms = millis(now);
                self.with_grace(now_ms + self.settings.jitter.shorten(key.index, deadline - now_ms))
            }
            _ => NEVER,
        }
    }
}
