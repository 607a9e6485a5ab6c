//! Snapshots: a cache's contents, and what its policy has learned, across a restart (feature `persist`).
//!
//! [`Cache::save`](crate::Cache::save) writes a snapshot, [`Cache::restore`](crate::Cache::restore) reads it. Both stream: neither side holds more
//! than a few values at a time. Entries come in the order in which the policy would keep them, with their costs and what is left of their
//! time to live; each goes through admission, and the budget holds all along, whatever the snapshot says.
//!
//! ```
//! use tollgate::{Cache, persist::Snapshot};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let before: Cache<str, String> = Cache::new(10_000, 1_000)?;
//! before.insert("greeting", "hello".to_owned(), 5);
//! let mut file = Vec::new();
//! before.save(&mut file)?;
//!
//! // In the next process:
//! let snapshot = Snapshot::open(file.as_slice())?;
//! let after: Cache<str, String> = Cache::builder(10_000, 1_000).same_keys_as(&snapshot)?.build()?;
//! let restored = after.restore_from(snapshot)?;
//! assert_eq!((restored.entries, after.get("greeting").as_deref()), (1, Some("hello")));
//! # Ok(())
//! # }
//! ```
//!
//! # Security: a snapshot holds the secret of the hasher
//!
//! Keys are known by their hashes, so a snapshot means nothing to another hasher. It holds the hasher's *identity*, and a cache whose
//! hasher has another one refuses it ([`RestoreError::OtherKeys`]). The default hasher draws its secret at random for each cache; so
//! **the secret is written into the snapshot, in the clear**, and [`Builder::same_keys_as`](crate::Builder::same_keys_as) adopts it.
//!
//! - Who can *read* a snapshot can read its values, and can make keys that collide in this cache and in all that adopt its secret:
//!   keep it as confidential as the values, and readable by the program alone.
//! - Who can *write* a snapshot chooses what the cache will answer. The checksums find accidents, not attackers. Beyond that a hostile
//!   snapshot can do no harm: it neither breaks the cache nor passes its budget, and memory is taken for what has been
//!   read, never for what a length announces. The `Deserialize` of your values has to be as careful; that of a type which contains itself (a list of boxes, a tree) calls
//!   itself for each level, and may be made to overflow the stack, which ends the process. Do not restore such values from where others write.
//!
//! The `Hash` of the key type has to be the same in both programs, too (a derived one is as long as the type is, if not promised to be from compiler to compiler). Where it is not,
//! restored entries are not found, and make room for others in time.
//!
//! # Clocks
//!
//! Times to live go on counting between save and restore, by the host's wall clock (`SystemTime`), the only one that two processes have in
//! common: if it was set back, nothing is taken off; if it was set forward, entries expire early.
//! [`Snapshot::away_for`] says otherwise. Before and after, it is the cache's own clock that counts.
//! Ages go on as well, in a cache that [refreshes by age](crate::Builder::refresh_after): what would have been due meanwhile is due at once.
//! An entry whose time has run out meanwhile, be it to live or to idle, does not come back; one that comes back starts its time to idle
//! afresh, and is not shown to an [`Expiry`](crate::Expiry).
//!
//! # Policies
//!
//! The default policy writes down all that it has learned, its sketch included, and decides after the restart as it would have without. It takes that over from a
//! cache of another size, too, and so does [`TinyLfu`](crate::policy::TinyLfu). The other classic policies write down nothing: their entries come in no particular order, fill the room
//! that there is, and their order and frequencies begin afresh; so does a policy that is not the one that saved.
//!
//! # Format
//!
//! ```text
//! snapshot = "TOLLGATE" version:u32 frame* end                integers are little-endian
//! frame    = len:u32 crc:u32 payload[len]                     1 <= len <= 65536
//! end      = 0:u32 crc:u32                                    CRC-32 of version, the frame's number (u64), len and payload
//!
//! payloads, one after another:
//! header   = identity:2*u64 words(secret) saved_ms:u64 bytes(values) bytes(policy) words(knowledge)
//! entry    = 1:u8 index:u64 conflict:u64 cost:u64 left_ms:u64 unread_ms:u64 note:u64 marks:u8 [tag:u64] [due_ms:u64] bytes(value)
//! last     = 0:u8 entries:u64
//! bytes, words: their number as u64 before them
//! marks: 1 is pinned, 2 has a tag, 4 is refreshed by age
//! ```
//!
//! This is version 2; version 1, which has no marks, nor itself in its checksums, is read as well.
//!
//! A frame is verified before a byte of it is looked at. Values are in the postcard format of serde, which does not describe itself. The
//! name of their type is in the header, and values of a type of another name are refused ([`RestoreError::OtherValues`]); but a type that keeps its name and
//! changes its fields cannot be told from damage, or worse, is read as something else: put a version into the type (an enum with one
//! variant for each), or into the name of the file.
//!
//! This module knows bytes only. Which entries, and what becomes of them, is for `core/snapshot.rs`.

mod frames;
mod records;
#[cfg(test)]
mod tests;

pub(crate) use records::{Entry, Header, Reader, Writer};

use crate::key::KeyHash;
use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

/// A snapshot whose header has been read; for [`Cache::restore_from`](crate::Cache::restore_from).
pub struct Snapshot<R> {
    pub(crate) header: Header,
    pub(crate) reader: Reader<R>,
    /// What the user says about the time since it was made.
    pub(crate) away: Option<Duration>,
    pub(crate) any_values: bool,
}

impl<R: io::Read> Snapshot<R> {
    /// Reads the header. Reads ahead by no byte: what comes after the snapshot stays in `reader`.
    ///
    /// # Errors
    /// If there is no intact header of a snapshot of this version.
    pub fn open(reader: R) -> Result<Self, RestoreError> {
        let mut reader = Reader::new(reader)?;
        let header = reader.header()?;
        Ok(Self { header, reader, away: None, any_values: false })
    }
}

impl<R> Snapshot<R> {
    /// What the keys were hashed by; see [`KeyHasher::identity`](crate::KeyHasher::identity).
    pub fn identity(&self) -> KeyHash {
        self.header.identity
    }

    /// The name of the policy that wrote it.
    pub fn policy(&self) -> &str {
        &self.header.policy
    }

    /// The name of the type of its values, as [`type_name`](std::any::type_name) had it.
    pub fn values(&self) -> &str {
        &self.header.values
    }

    /// Takes `time` off the times to live, instead of what the host's clock says has passed since the snapshot was made.
    #[must_use]
    pub fn away_for(self, time: Duration) -> Self {
        Self { away: Some(time), ..self }
    }

    /// Reads values of a type of another name, which are serialised alike: one that was renamed, or is named differently by another compiler.
    #[must_use]
    pub fn any_values(self) -> Self {
        Self { any_values: true, ..self }
    }
}

/// Says nothing of the secret.
impl<R> fmt::Debug for Snapshot<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Snapshot");
        debug.field("values", &self.values()).field("policy", &self.policy()).finish_non_exhaustive()
    }
}

/// What was saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Saved {
    /// Entries written.
    pub entries: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// What became of the entries of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Restored {
    /// Entries that are in the cache now, unless they made room for others meanwhile.
    pub entries: u64,
    /// Of these, those that are pinned, as they were: others for which the quota had no room are like any.
    pub pinned: u64,
    /// Turned away by the policy, too costly, or, where the policy knows nothing of them, without room.
    pub rejected: u64,
    /// Left out, as their time was up.
    pub expired: u64,
    /// Left out, as the key was there already, or being loaded.
    pub present: u64,
    /// Whether the policy took over what the other one had learned: it is of the same kind.
    pub learned: bool,
}

/// Why a cache could not be saved.
#[derive(Debug)]
#[non_exhaustive]
pub enum SaveError {
    /// The writer failed.
    Io(io::Error),
    /// A value's `Serialize` failed.
    Value,
}

/// Why a snapshot was not restored, or not to its end. What was restored before the damage stays in the cache.
#[derive(Debug)]
#[non_exhaustive]
pub enum RestoreError {
    /// The reader failed.
    Io(io::Error),
    /// It does not begin like a snapshot.
    NotASnapshot,
    /// It is of another version of the format.
    OtherVersion {
        /// That version.
        found: u32,
    },
    /// It ends too early.
    Truncated,
    /// It is damaged.
    Corrupt,
    /// Its keys were hashed by another hasher; or, where one is to be adopted, by one of another type.
    OtherKeys,
    /// Its values are of a type of another name; see [`Snapshot::any_values`].
    OtherValues,
    /// A value's `Deserialize` failed, or left a part of it over: it may be of another type.
    Value,
}

impl From<io::Error> for SaveError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<io::Error> for RestoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            _ => Self::Io(error),
        }
    }
}

impl fmt::Display for SaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => f.write_str("the snapshot could not be written"),
            Self::Value => f.write_str("a value could not be serialised"),
        }
    }
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => f.write_str("the snapshot could not be read"),
            Self::NotASnapshot => f.write_str("this is no snapshot of a cache"),
            Self::OtherVersion { found } => write!(f, "the snapshot has version {found} of the format"),
            Self::Truncated => f.write_str("the snapshot ends too early"),
            Self::Corrupt => f.write_str("the snapshot is damaged"),
            Self::OtherKeys => f.write_str("the keys of the snapshot were hashed by another hasher"),
            Self::OtherValues => f.write_str("the values of the snapshot are of a type of another name"),
            Self::Value => f.write_str("a value of the snapshot could not be deserialised"),
        }
    }
}

impl Error for SaveError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Value => None,
        }
    }
}

impl Error for RestoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}
