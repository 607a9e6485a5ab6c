//! Saving and restoring.

use super::Cache;
use crate::builder::Builder;
use crate::clock::{millis, millis_up};
use crate::core::{Core, Returning, Returns};
use crate::key::KeyHasher;
use crate::persist::{Entry, Header, RestoreError, Restored, SaveError, Saved, Snapshot, Writer};
use crate::store::Tag;
use crate::trace;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::type_name;
use std::io::{Read, Write};
use std::time::{Duration, SystemTime};

/// # Warm restart (feature `persist`)
///
/// See [`persist`](crate::persist) for the format, and for the secret that a snapshot gives away.
impl<K: ?Sized, V: Send + Sync + 'static, S: KeyHasher> Cache<K, V, S> {
    /// Writes a snapshot: the admitted entries, the most valuable first (what is [pinned](Self::pin) before all), with cost, tag and what is left of their time to live; what the
    /// policy has learned; and **the secret of the hasher, in the clear** ([what that means](crate::persist)).
    ///
    /// Others may go on working meanwhile: each entry is as it is when its turn comes, and absent if it has left by then. The writer need
    /// not be buffered. To replace an older snapshot, write to another file, sync and rename it: what was cut off is refused.
    ///
    /// # Blocking
    /// Decisions wait while the policy is asked about every entry. Values are cloned under the shared lock of their shard, one at a
    /// time, and serialised with no lock held. Takes up to 36 bytes of memory for each entry, beside a copy of the policy's knowledge.
    ///
    /// # Errors
    /// If the writer or a value's `Serialize` fails.
    pub fn save(&self, writer: impl Write) -> Result<Saved, SaveError>
    where
        V: Clone + Serialize,
    {
        let span = trace::save(self.name());
        let _entered = span.enter();
        let (instant, saved_ms) = (self.core.instant(), wall_ms());
        let memory = self.core.remember();
        let header = Header {
            identity: self.hasher.identity(),
            secret: self.hasher.secret().unwrap_or_default(),
            saved_ms,
            values: type_name::<V>().to_owned(),
            policy: memory.policy.to_owned(),
            knowledge: memory.knowledge,
        };
        let mut writer = Writer::new(writer, &header)?;
        drop(header);
        for resident in memory.residents {
            if let Some(entry) = self.core.copy_row(resident.index, resident.keepsake.note, instant) {
                writer.entry(&entry)?;
            }
        }
        let (entries, bytes) = writer.end()?;
        span.entries(entries);
        Ok(Saved { entries, bytes })
    }

    /// Reads a snapshot and takes its entries in, as far as the policy and the budget let them; see [`restore_from`](Self::restore_from).
    /// The reader need not be buffered; what comes after the snapshot stays in it.
    ///
    /// # Errors
    /// If the snapshot is damaged or incomplete, or was not written for this cache's keys and values. What came before the damage stays. A new cache has
    /// secrets of its own, to which the keys of a snapshot are strangers ([`RestoreError::OtherKeys`]): build it with
    /// [`Builder::same_keys_as`](crate::Builder::same_keys_as).
    pub fn restore(&self, reader: impl Read) -> Result<Restored, RestoreError>
    where
        V: DeserializeOwned,
    {
        self.restore_from(Snapshot::open(reader)?)
    }

    /// Takes the entries of a snapshot in, as far as the policy and the budget let them. What is in the cache already, or being loaded, is
    /// newer and stays. A policy of the same kind takes over what the other one had learned, *in the place of* what it has learned itself: restore
    /// before the first request.
    ///
    /// Times to live are shorter by the time since the snapshot was made ([by which clock](crate::persist)). Entries that come in count as
    /// [inserts](crate::Stats::inserts), those that do not come in are dropped here and count as nothing; the listener hears of neither. An entry that makes room for a
    /// restored one is evicted as ever. Costs are those that were saved: no weigher is asked.
    ///
    /// A snapshot knows nothing of what happened after it was made: what was removed since, or is removed while this runs, may come back.
    /// What was pinned is pinned again, as far as the quota has room for it; what was saved without a time to live has none here either, whatever the builder says. Snapshots of version 1 of the
    /// format have neither tags, pins nor ages: what comes from them belongs to no group, is not pinned, and has come just now
    /// ([`refresh_after`](crate::Builder::refresh_after)).
    ///
    /// # Blocking
    /// Takes the engine's mutex, once to let the policy learn all that the other one knew (of the default policy, a few bytes for each of its counters), and then, holding back writers who
    /// need room, for up to 64 entries at a time. Values are deserialised with no lock held.
    ///
    /// # Errors
    /// As [`restore`](Self::restore).
    pub fn restore_from<R: Read>(&self, mut snapshot: Snapshot<R>) -> Result<Restored, RestoreError>
    where
        V: DeserializeOwned,
    {
        if snapshot.header.identity != self.hasher.identity() {
            return Err(RestoreError::OtherKeys);
        }
        if !snapshot.any_values && snapshot.header.values != type_name::<V>() {
            return Err(RestoreError::OtherValues);
        }
        let span = trace::restore(self.name());
        let _entered = span.enter();
        let away = snapshot
            .away
            .unwrap_or_else(|| wall().saturating_sub(Duration::from_millis(snapshot.header.saved_ms)));
        let since = Since { instant: self.core.instant(), away_ms: millis_up(away) };
        let knowledge = std::mem::take(&mut snapshot.header.knowledge);
        let learned = self.core.learn(&snapshot.header.policy, &knowledge);
        drop(knowledge);
        let mut restored = Restored { learned, ..Restored::default() };
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let end = loop {
            let (entry, len) = match snapshot.reader.entry() {
                Ok(Some(entry)) => entry,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            match since.returning(entry, learned) {
                Some(returning) => batch.push(returning),
                None => restored.expired += 1,
            }
            bytes += len;
            if batch.len() == ENTRIES_AT_ONCE || bytes >= BYTES_AT_ONCE {
                self.take_back(&mut batch, &mut restored);
                bytes = 0;
            }
        };
        self.take_back(&mut batch, &mut restored);
        span.entries(restored.entries);
        end.map(|()| restored)
    }

    fn take_back(&self, batch: &mut Vec<Returning<V>>, restored: &mut Restored) {
        let Returns { entries, pinned, rejected, expired, present } = self.core.take_back(batch);
        restored.entries += entries;
        restored.pinned += pinned;
        restored.rejected += rejected;
        restored.expired += expired;
        restored.present += present;
        batch.clear();
    }
}

impl<K: ?Sized, V, S: KeyHasher> Builder<K, V, S> {
    /// Adopts the hasher of a snapshot, so that the cache knows its keys. (Feature `persist`.)
    ///
    /// # Errors
    /// [`RestoreError::OtherKeys`] if the hasher that wrote it has no secret to give, or is of another type.
    pub fn same_keys_as<R>(self, snapshot: &Snapshot<R>) -> Result<Self, RestoreError> {
        let hasher = S::with_secret(&snapshot.header.secret)
            .filter(|hasher| hasher.identity() == snapshot.header.identity)
            .ok_or(RestoreError::OtherKeys)?;
        Ok(self.key_hasher(hasher))
    }
}

/// How times that were left when a snapshot was made become times of this cache.
#[derive(Clone, Copy)]
struct Since {
    /// By the cache's clock, now.
    instant: Duration,
    away_ms: u64,
}

impl Since {
    /// `None` if its time is up.
    fn returning<V>(self, entry: Entry<V>, learned: bool) -> Option<Returning<V>> {
        let Entry { key, cost, left_ms, unread_ms, note, pinned, tag, due_ms, value } = entry;
        let now_left = |left_ms: Option<u64>| left_ms.map(|left_ms| left_ms.saturating_sub(self.away_ms));
        let (left_ms, unread_ms) = (now_left(left_ms), now_left(unread_ms));
        if left_ms == Some(0) || unread_ms == Some(0) {
            return None;
        }
        let deadline = Core::<V>::deadline_from(self.instant, left_ms);
        // The policy had nothing to note of what was pinned.
        let note = (learned && !pinned).then_some(note);
        let due_ms = now_left(due_ms).map(|left_ms| millis(self.instant).saturating_add(left_ms));
        Some(Returning { key, cost, deadline, note, pinned, tag: tag.map(Tag), due_ms, value: Some(value) })
    }
}

/// The host's clock: the time since 1970.
fn wall() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn wall_ms() -> u64 {
    millis(wall())
}

/// What is decided upon in one turn.
const ENTRIES_AT_ONCE: usize = 64;
const BYTES_AT_ONCE: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyHash;

    fn left(left_ms: Option<u64>, unread_ms: Option<u64>, away_ms: u64) -> Option<u64> {
        let key = KeyHash { index: 1, conflict: 2 };
        let entry = Entry {
            key,
            cost: 1,
            left_ms,
            unread_ms,
            note: 9,
            pinned: false,
            tag: None,
            due_ms: None,
            value: (),
        };
        let since = Since { instant: Duration::from_secs(5), away_ms };
        since.returning(entry, true).map(|returning| returning.deadline)
    }

    #[test]
    fn the_time_away_is_taken_off() {
        assert_eq!(left(Some(1000), Some(1000), 400), Some(5600));
        assert_eq!(left(Some(1000), Some(1000), 1000), None);
        assert_eq!(left(Some(1000), Some(1000), u64::MAX), None);
        assert_eq!(left(Some(u64::MAX - 1), None, 0), Some(crate::store::NEVER));
        assert_eq!(left(None, None, u64::MAX), Some(crate::store::NEVER));
    }

    #[test]
    fn what_idled_away_stays_away_and_the_rest_keeps_its_deadline() {
        assert_eq!(left(Some(1000), Some(300), 300), None);
        assert_eq!(left(Some(1000), Some(300), 299), Some(5701));
        assert_eq!(left(None, Some(300), 299), Some(crate::store::NEVER));
    }
}
