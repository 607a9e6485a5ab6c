//! Looking inside: the statistics, the census, and the oracle that every test ends with.

use super::{Core, Count};
use crate::engine::{Engine, Known};
use crate::error::Inconsistency;
use crate::ring::log::Command;
use crate::stats::{Census, Stats};
use crate::store::{NEVER, Row};
use std::collections::HashSet;

impl<V> Core<V> {
    /// A snapshot of the counters. Each is exact; together they are of one moment only while nobody works.
    pub(crate) fn stats(&self) -> Stats {
        let (policy, parameters, recorded, lost, policy_memory, miss_ratio_curve) = {
            let decisions = self.decisions.lock();
            let engine = &decisions.engine;
            (
                engine.policy_name(),
                engine.parameters(),
                decisions.drainer.recorded(),
                decisions.drainer.lost(),
                engine.memory() as u64,
                engine.miss_ratio_curve(),
            )
        };
        let misses = self.counted(Count::Misses);
        let tally = self.store.tally();
        let refused =
            [Count::RefusedTooCostly, Count::RefusedKept, Count::RefusedAbsent, Count::RefusedUnpinnable];
        let [refused_too_costly, refused_kept, refused_absent, refused_unpinnable] =
            refused.map(|cause| self.counted(cause));
        Stats {
            hits: self.reads.attempted().saturating_sub(misses + tally.quiet_updates),
            misses,
            inserts: tally.inserts,
            inserted_cost: tally.inserted_cost,
            updates: tally.updates,
            updated_cost: tally.updated_cost,
            changed: tally.changed,
            refusals: refused_too_costly + refused_kept + refused_absent + refused_unpinnable,
            refused_too_costly,
            refused_kept,
            refused_absent,
            refused_unpinnable,
            pins_refused: self.counted(Count::PinsRefused),
            pins_lost: self.counted(Count::PinsLost),
            rejections: self.counted(Count::Rejections),
            rejected_cost: self.counted(Count::RejectedCost),
            rejected_at_once: self.counted(Count::RejectedAtOnce),
            evictions: self.counted(Count::Evictions),
            evicted_cost: self.counted(Count::EvictedCost),
            expirations: self.counted(Count::Expirations),
            expired_cost: self.counted(Count::ExpiredCost),
            removals: tally.removals,
            removed_cost: tally.removed_cost,
            clears: self.counted(Count::Clears),
            cleared: self.counted(Count::Cleared),
            cleared_cost: self.counted(Count::ClearedCost),
            reads_recorded: recorded,
            reads_lost: lost,
            helps: self.counted(Count::Helps),
            decided_at_once: self.counted(Count::DecidedAtOnce),
            turns: self.counted(Count::Turns),
            loads: self.counted(Count::Loads),
            loads_failed: self.counted(Count::LoadsFailed),
            loads_abandoned: self.counted(Count::LoadsAbandoned),
            loads_overtaken: self.counted(Count::LoadsOvertaken),
            refreshes: self.counted(Count::Refreshes),
            refreshes_failed: self.counted(Count::RefreshesFailed),
            served_stale: self.counted(Count::ServedStale),
            loading: self.store.loading() as u64,
            callback_panics: self.counted(Count::CallbackPanics),
            policy_panics: self.counted(Count::PolicyPanics),
            entries: self.store.len() as u64,
            resident_cost: self.budget.occupied(),
            peak_cost: self.budget.peak(),
            max_cost: self.budget.max_cost(),
            pinned: self.store.pinned() as u64,
            pinned_cost: self.store.quota().taken(),
            pin_quota: self.store.quota().limit(),
            slack: self.budget.slack(),
            policy,
            parameters,
            policy_memory,
            life_expectancy: self.lifetimes.snapshot(),
            miss_ratio_curve,
        }
    }

    /// Counts the rows and adds up their costs, with every shard locked at once: a true snapshot.
    pub(crate) fn census(&self) -> Census {
        // The mutex first: its holder is the only one who may lock two shards.
        let _decisions = self.decisions.lock();
        let shards: Vec<_> = (0..self.store.shards()).map(|number| self.store.read(number)).collect();
        let mut census = Census { entries: 0, cost: 0 };
        for row in shards.iter().flat_map(|shard| shard.rows()) {
            census.entries += 1;
            census.cost += row.cost();
        }
        census
    }

    /// Verifies the whole structure, with every lock held.
    pub(crate) fn check(&self) -> Result<(), Inconsistency> {
        let decisions = self.decisions.lock();
        let shards: Vec<_> = (0..self.store.shards()).map(|number| self.store.read(number)).collect();
        decisions.engine.check().map_err(Inconsistency)?;
        let mut pending = HashSet::new();
        for (number, shard) in shards.iter().enumerate() {
            shard.check().map_err(Inconsistency)?;
            if shard.pending() > 0 && !self.store.dirty().has(number) {
                return Err(Inconsistency(format!("store: shard {number} has commands but no mark")));
            }
            let is_planned = |row: &Row<V>| shard.refreshes.due_ms(row.index).is_some();
            let planned = if self.settings.freshness.refresh_ms.is_some() { shard.len() } else { 0 };
            if shard.refreshes.len() != planned
                || shard.rows().filter(|row| is_planned(row)).count() != planned
            {
                let found = shard.refreshes.len();
                return Err(Inconsistency(format!(
                    "store: shard {number} plans {found} refreshes of {planned}"
                )));
            }
            pending.extend(shard.log().iter().map(Command::index));
        }
        let (mut rows, mut cost) = (0, 0_u64);
        for (number, row) in
            shards.iter().enumerate().flat_map(|(n, shard)| shard.rows().map(move |row| (n, row)))
        {
            rows += 1;
            cost += row.cost();
            let is_pinned = shards[number].pins.has(row.index);
            self.check_row(&decisions.engine, number, row, is_pinned, pending.contains(&row.index))?;
        }
        // A cost is released after its row is gone, with no lock held: until that thread is done, the budget counts more.
        let occupied = self.budget.occupied();
        if occupied < cost {
            return Err(Inconsistency(format!("budget: rows cost {cost}, occupied says {occupied}")));
        }
        if pending.is_empty() {
            let engine = &decisions.engine;
            if engine.len() != rows || engine.used() != cost {
                return Err(Inconsistency(format!(
                    "ledger: {} entries of cost {}, store: {rows} rows of cost {cost}",
                    engine.len(),
                    engine.used()
                )));
            }
        }
        // Changed under the locks of shards only, which are all held.
        let (quota, pinned) = (self.store.quota(), shards.iter().map(|shard| shard.pins.cost()).sum::<u64>());
        if quota.taken() != pinned {
            return Err(Inconsistency(format!(
                "pins: they cost {pinned}, {} is taken from the quota",
                quota.taken()
            )));
        }
        if pinned > quota.limit() {
            return Err(Inconsistency(format!("pins: they cost {pinned}, the quota is {}", quota.limit())));
        }
        Ok(())
    }

    fn check_row(
        &self,
        engine: &Engine,
        shard: usize,
        row: &Row<V>,
        is_pinned: bool,
        is_pending: bool,
    ) -> Result<(), Inconsistency> {
        let index = row.index;
        if self.store.shard_of(index) != shard {
            return Err(Inconsistency(format!("store: row {index:#x} is in shard {shard}")));
        }
        if row.cost() == 0 {
            return Err(Inconsistency(format!("store: row {index:#x} is free of charge")));
        }
        if is_pending {
            return Ok(());
        }
        let Some(known) = engine.known(index) else {
            return Err(Inconsistency(format!(
                "ledger: row {index:#x} is unknown and no command is pending"
            )));
        };
        let is_scheduled = row.deadline() != NEVER || self.settings.idle.is_some();
        let expected = Known { version: row.version(), cost: row.cost(), is_scheduled, is_pinned };
        if known != expected {
            return Err(Inconsistency(format!("engine: row {index:#x} is {expected:?}, known as {known:?}")));
        }
        Ok(())
    }
}
