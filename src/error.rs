//! What can be wrong, as small types that a caller can act on. A refused value is always handed back.

use std::error::Error;
use std::fmt;

/// A configuration that no cache can be built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// `num_counters` is 0: without counters there is no frequency to admit by.
    NoCounters,
    /// `max_cost` is 0: no entry is free, so nothing would ever fit.
    NoBudget,
    /// `pin_quota` is more than `max_cost`.
    QuotaBeyondBudget,
    /// The weight in a shared budget is 0.
    NoWeight,
    /// A shared budget is too small for another cache: every member needs its slack and a unit more, and what it has pinned.
    BudgetTaken,
    /// A time to live, to idle or to refresh of zero: every entry would be born expired or due.
    ZeroDuration,
    /// A jitter that is not a share: less than 0, or 1 or more.
    NoShare,
    /// The operating system refused to start the maintenance thread.
    NoThread,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCounters => "num_counters must be at least 1",
            Self::NoBudget => "max_cost must be at least 1",
            Self::QuotaBeyondBudget => "the quota for pinned entries must be at most max_cost",
            Self::NoWeight => "a weight in a shared budget must be at least 1",
            Self::BudgetTaken => "the shared budget has no room for another cache",
            Self::ZeroDuration => "a default time to live, to idle or to refresh must be longer than zero",
            Self::NoShare => "a jitter must be at least 0 and less than 1",
            Self::NoThread => "the maintenance thread could not be started",
        })
    }
}

impl Error for BuildError {}

/// Why a value was not taken. It holds the value.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InsertError<V> {
    /// Its cost exceeds the whole budget.
    TooCostly {
        /// The value.
        value: V,
        /// What it would cost, the overhead included if that is charged.
        cost: u64,
        /// The most that it might have cost: the budget at the time, or 2^44 - 1 if the budget is larger.
        max_cost: u64,
    },
    /// The policy turned it away at once. Only where an insert is decided before it returns: in a strict
    /// cache, or for an entry that is larger than the slack.
    Rejected(V),
    /// The predicate given to `replace_if` kept the present value.
    Kept(V),
    /// Only a present entry was to be replaced, and there is none.
    Absent(V),
    /// It was to be pinned, and the quota has no room for it.
    Unpinnable {
        /// The value.
        value: V,
        /// What it would cost, the overhead included if that is charged.
        cost: u64,
        /// The most that it might have cost: what was left of the quota, and what the entry that it was to replace takes of it.
        left: u64,
    },
}

impl<V> InsertError<V> {
    /// The value that was not taken.
    pub fn into_value(self) -> V {
        match self {
            Self::TooCostly { value, .. }
            | Self::Unpinnable { value, .. }
            | Self::Rejected(value)
            | Self::Kept(value)
            | Self::Absent(value) => value,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::TooCostly { .. } => "the cost exceeds the budget",
            Self::Rejected(_) => "the policy turned the entry away",
            Self::Kept(_) => "the present value was kept",
            Self::Absent(_) => "there is no entry to replace",
            Self::Unpinnable { .. } => "the quota has no room for a pinned entry",
        }
    }
}

/// Prints the reason, never the value.
impl<V> fmt::Debug for InsertError<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooCostly { cost, max_cost, .. } => f
                .debug_struct("TooCostly")
                .field("cost", cost)
                .field("max_cost", max_cost)
                .finish_non_exhaustive(),
            Self::Rejected(_) => f.write_str("Rejected(..)"),
            Self::Kept(_) => f.write_str("Kept(..)"),
            Self::Absent(_) => f.write_str("Absent(..)"),
            Self::Unpinnable { cost, left, .. } => {
                f.debug_struct("Unpinnable").field("cost", cost).field("left", left).finish_non_exhaustive()
            }
        }
    }
}

impl<V> fmt::Display for InsertError<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooCostly { cost, max_cost, .. } => {
                write!(f, "the cost {cost} exceeds the budget {max_cost}")
            }
            Self::Unpinnable { cost, left, .. } => {
                write!(f, "the cost {cost} exceeds the {left} that are left of the quota for pinned entries")
            }
            other => f.write_str(other.reason()),
        }
    }
}

impl<V> Error for InsertError<V> {}

/// Why an entry could not be [pinned](crate::Cache::pin).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PinError {
    /// The quota has no room for it.
    QuotaExceeded {
        /// What the entry costs.
        cost: u64,
        /// What is left of the quota.
        left: u64,
    },
}

impl fmt::Display for PinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::QuotaExceeded { cost, left } = self;
        write!(f, "the cost {cost} exceeds the {left} that are left of the quota for pinned entries")
    }
}

impl Error for PinError {}

/// Why [`wait`](crate::Cache::wait) could not wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitError {
    /// This process was forked from the one that built the cache. The maintenance thread did not come
    /// along, and a lock may be held for ever by a thread that no longer exists.
    Forked,
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forked => f.write_str("the cache belongs to the process that this one was forked from"),
        }
    }
}

impl Error for WaitError {}

/// What [`check`](crate::Cache::check) found: a defect of this crate (or of a custom policy), put in a sentence for whoever reads the test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inconsistency(pub(crate) String);

impl fmt::Display for Inconsistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Inconsistency {}
