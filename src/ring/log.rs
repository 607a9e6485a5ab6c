//! The insert ring: pending commands of one shard, in the order in which the shard changed.
//!
//! A plain vector that lives beside the rows, under the shard's lock. Whoever changes a row appends the
//! command before it unlocks; whoever maintains swaps the whole vector out. Hence no command is ever lost,
//! reordered or seen before its row. It is bounded by its writers: past [`HIGH_WATER`] a writer runs a
//! turn of maintenance itself, past [`FLOOD_MARK`] it waits for its turn to come.

/// A write that the engine has to decide upon: an insertion or an update, which it tells apart itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write {
    /// The index hash of the key.
    pub index: u64,
    /// The version of the row that the write made.
    pub version: u32,
    /// Its cost; at least 1.
    pub cost: u64,
    /// When it expires, in milliseconds of the caller's clock; `None` is never.
    pub deadline: Option<u64>,
    /// Whether the policy may not touch it.
    pub pinned: bool,
}

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// It was written.
    Write(Write),
    /// It was removed by its owner.
    Remove {
        /// The index hash of the key.
        index: u64,
    },
}

impl Command {
    /// The index hash of the key that it is about.
    pub(crate) fn index(&self) -> u64 {
        match *self {
            Self::Write(Write { index, .. }) | Self::Remove { index } => index,
        }
    }
}

/// A log this long makes its writer help, if nobody else is at it.
pub(crate) const HIGH_WATER: usize = 64;

/// A log this long makes its writer wait until it has helped.
pub(crate) const FLOOD_MARK: usize = 4 * HIGH_WATER;
