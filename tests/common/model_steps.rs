//! The options and steps of the model of a cache, and how bytes become such.

use super::{Counted, KEYS, Pair, Pairwise, RawConfig, RawStep};
use std::time::Duration;
use tollgate::policy::{Objective, PolicyKind};
use tollgate::{Cache, InsertOptions, Maintenance, Tag};

#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) policy: PolicyKind,
    pub(super) objective: Objective,
    pub(super) maintenance: Maintenance,
    pub(super) max_cost: u64,
    pub(super) slack: Option<u64>,
    pub(super) time_to_live: Option<u64>,
    pub(super) time_to_idle: Option<u64>,
    pub(super) weighs: bool,
    pub(super) charges_overhead: bool,
    pub(super) keeps_some: bool,
    pub(super) pin_quota: u64,
    pub(super) seed: u64,
}

impl From<RawConfig> for Config {
    fn from([policy, cost, slack, ttl, tti, flags, seed, quota]: RawConfig) -> Self {
        let kinds = PolicyKind::ALL;
        let charges_overhead = flags & 2 != 0;
        let unit = if charges_overhead { 1 + Cache::<Pair, Counted, Pairwise>::entry_overhead() } else { 1 };
        let max_cost = unit * [1, 3, 10, 40, 200][cost as usize % 5];
        Self {
            policy: kinds[policy as usize % kinds.len()].clone(),
            objective: if flags & 16 == 0 { Objective::Hits } else { Objective::Cost },
            maintenance: if flags & 8 == 0 { Maintenance::Manual } else { Maintenance::Inline },
            max_cost,
            slack: [None, Some(0), Some(unit), Some(max_cost / 2), Some(10 * max_cost)][slack as usize % 5],
            time_to_live: [None, None, Some(7), Some(100)][ttl as usize % 4],
            time_to_idle: [None, None, Some(5), Some(60)][tti as usize % 4],
            weighs: flags & 1 != 0,
            charges_overhead,
            keeps_some: flags & 4 != 0,
            pin_quota: max_cost * [0, 1, 2, 4][quota as usize % 4] / 4,
            seed: seed.into(),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Insert {
        key: u8,
        cost: u64,
        options: InsertOptions,
    },
    Get {
        key: u8,
    },
    Peek {
        key: u8,
    },
    Remove {
        key: u8,
    },
    /// `None` is for ever, zero is at once.
    Retime {
        key: u8,
        ttl: Option<u64>,
    },
    Retain {
        divisor: u32,
    },
    SetTag {
        key: u8,
        tag: Option<Tag>,
    },
    Pin {
        key: u8,
    },
    Unpin {
        key: u8,
    },
    RemoveTag {
        tag: Tag,
    },
    Clear,
    Advance {
        ms: u64,
    },
    RunPending,
    Wait,
    SetMaxCost {
        max_cost: u64,
    },
}

impl From<RawStep> for Step {
    fn from((what, key, number): RawStep) -> Self {
        let key = key % KEYS;
        let cost = u64::from(number) % 13;
        let (if_present, ttl) = (number & 0x100 != 0, number >> 9 & 7);
        let tag = Some(Tag(u64::from(number >> 12))).filter(|&Tag(tag)| tag < 3);
        let time_to_live = match ttl {
            0 => Some(Duration::ZERO),
            1 => Some(Duration::from_millis(3)),
            2 => Some(Duration::from_millis(30)),
            3 => Some(Duration::MAX),
            _ => None,
        };
        // Divides by seven, lest it always coincides with other choices.
        let pinned = number.is_multiple_of(7);
        match what % 35 {
            0..=11 => {
                Self::Insert { key, cost, options: InsertOptions { time_to_live, if_present, tag, pinned } }
            }
            32 | 33 => Self::Pin { key },
            34 => Self::Unpin { key },
            12..=17 => Self::Get { key },
            18 => Self::Retime { key, ttl: [None, Some(0), Some(3), Some(30)][usize::from(number) % 4] },
            19 if number % 2 == 0 => Self::SetTag { key, tag },
            19 => Self::Peek { key },
            20..=22 => Self::Remove { key },
            23 => Self::Retain { divisor: 2 + u32::from(number) % 7 },
            24 if number % 4 == 0 => Self::Clear,
            24 => Self::RemoveTag { tag: Tag(u64::from(number) % 3) },
            25..=27 => Self::Advance { ms: u64::from(number) % 25 },
            28 | 29 => Self::RunPending,
            30 => Self::Wait,
            _ => Self::SetMaxCost { max_cost: 1 + u64::from(number) % 300 },
        }
    }
}
