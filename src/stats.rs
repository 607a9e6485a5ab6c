//! What a cache tells of itself.

use crate::engine::MissRatioCurve;
use crate::life::LifeExpectancy;
use crate::policy::Parameter;
use std::fmt;

/// A snapshot of the counters of a cache, in operations and in cost.
///
/// Counters only grow; each is exact, together they are of one moment only while nobody works. What was
/// inserted and is no longer resident left by exactly one of: eviction, rejection, expiry, replacement
/// (an update that is not a [change](Self::changed)), removal, clear.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Reads (`get`, `get_with`, `get_many`, and the methods that load) that found a value.
    pub hits: u64,
    /// Reads that found none.
    pub misses: u64,
    /// Values accepted for keys that had no live entry.
    pub inserts: u64,
    /// Their cost.
    pub inserted_cost: u64,
    /// Values accepted in the place of a live entry of the same key, and entries that `update` or `compute` changed, kept or gave another cost.
    pub updates: u64,
    /// Their cost.
    pub updated_cost: u64,
    /// Of the updates, those of `update` and `compute` that left the value where it was, changed or not: no value left.
    pub changed: u64,
    /// Values handed back because they cost too much, or `replace_if` or `insert_if_present` said so.
    pub refusals: u64,
    /// Of these: cost more than the budget, or than one entry may cost.
    pub refused_too_costly: u64,
    /// Of these: `replace_if` kept the old value.
    pub refused_kept: u64,
    /// Of these: there was no live entry to replace.
    pub refused_absent: u64,
    /// Of these: were to be pinned, and the quota had no room.
    pub refused_unpinnable: u64,
    /// Calls of [`pin`](crate::Cache::pin) for which the quota had no room, and loads that were to be pinned and are not.
    pub pins_refused: u64,
    /// Pins that the cache undid: the entry outgrew the quota, or the budget was lowered below it.
    pub pins_lost: u64,
    /// Newcomers that the policy turned away, at once or later.
    pub rejections: u64,
    /// Their cost.
    pub rejected_cost: u64,
    /// Of these, those that were handed back by the insert, which had to be decided at once. The listener hears of the others.
    pub rejected_at_once: u64,
    /// Admitted entries that made room.
    pub evictions: u64,
    /// Their cost.
    pub evicted_cost: u64,
    /// Entries whose time ran out, when they were reclaimed.
    pub expirations: u64,
    /// Their cost.
    pub expired_cost: u64,
    /// Entries removed by `remove`, `remove_many`, `retain`, `remove_tag` or `compute`.
    pub removals: u64,
    /// Their cost.
    pub removed_cost: u64,
    /// Calls of `clear`.
    pub clears: u64,
    /// Entries that `clear` dropped.
    pub cleared: u64,
    /// Their cost.
    pub cleared_cost: u64,
    /// Reads that the policy heard of.
    pub reads_recorded: u64,
    /// Reads that it did not: newer reads took their place in a ring before it was drained.
    pub reads_lost: u64,
    /// Turns of maintenance run by writing threads.
    pub helps: u64,
    /// Inserts that were decided before they returned.
    pub decided_at_once: u64,
    /// Loads that began (`get_or_insert_with` and its kin).
    pub loads: u64,
    /// Of these, those that brought no value: an error, a panic, a future or a reservation that was dropped.
    pub loads_failed: u64,
    /// Of these, those that ended without an error: by a panic, or because a future or a reservation was dropped.
    pub loads_abandoned: u64,
    /// Values that were not kept, because the key was written, removed or cleared meanwhile: of loads, and of a `compute` that
    /// had to make room.
    pub loads_overtaken: u64,
    /// Of the loads, refreshes: those of keys that had a value, which was due or stale.
    pub refreshes: u64,
    /// Of these, those that brought no value: an error, a panic, or a refresh that was dropped.
    pub refreshes_failed: u64,
    /// Reads by a method that loads which were served a value that was due or stale.
    pub served_stale: u64,
    /// Loads under way, less those that were overtaken.
    pub loading: u64,
    /// Turns of maintenance, by whomever.
    pub turns: u64,
    /// Panics of listeners and destructors during maintenance, and of the clock during a turn: it then goes by the time of an
    /// earlier one.
    pub callback_panics: u64,
    /// Panics of the policy; it was then replaced by the default one.
    pub policy_panics: u64,
    /// Rows in the store, decided upon or not, expired ones that were not reclaimed yet included.
    pub entries: u64,
    /// The cost of everything in the store, decided upon or not.
    pub resident_cost: u64,
    /// The highest that `resident_cost` ever was; at most `max_cost + slack` of the time.
    pub peak_cost: u64,
    /// Of the entries, those that are pinned.
    pub pinned: u64,
    /// Their cost.
    pub pinned_cost: u64,
    /// What pinned entries may cost.
    pub pin_quota: u64,
    /// The budget.
    pub max_cost: u64,
    /// How far undecided cost may pass it.
    pub slack: u64,
    /// The policy's name.
    pub policy: &'static str,
    /// What the policy has tuned, now.
    pub parameters: Vec<Parameter>,
    /// Bytes of heap memory of the engine: ledger, policy, timer wheel, and the miss-ratio curve if there is one.
    pub policy_memory: u64,
    /// How long evicted entries had lived, of a sample of them.
    pub life_expectancy: LifeExpectancy,
    /// What LRU would miss with other budgets; `None` unless [asked for](crate::Builder::miss_ratio_curve).
    pub miss_ratio_curve: Option<MissRatioCurve>,
}

impl Stats {
    /// Reads that found or missed a value.
    pub fn reads(&self) -> u64 {
        self.hits + self.misses
    }

    /// The share of reads that found a value, 0 to 1; 0 if there were none.
    pub fn hit_ratio(&self) -> f64 {
        match self.reads() {
            0 => 0.0,
            reads => self.hits as f64 / reads as f64,
        }
    }

    /// What happened between an `earlier` snapshot of the same cache and this one: counters and life times are
    /// differences, everything else (what is resident, peak, budget, parameters, curve) is as it was at this one.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache: tollgate::Cache<u64, u64> = tollgate::Cache::new(100, 10)?;
    /// cache.get(&1);
    /// let before = cache.stats();
    /// cache.insert(1, 10, 1);
    /// cache.get(&1);
    /// assert_eq!(cache.stats().since(&before).hit_ratio(), 1.0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let (mut since, mut earlier) = (self.clone(), earlier.clone());
        for (now, then) in since.counters().into_iter().zip(earlier.counters()) {
            *now = now.saturating_sub(*then);
        }
        since.life_expectancy = self.life_expectancy.since(&earlier.life_expectancy);
        since
    }

    /// Everything that only grows. No field can be forgotten: one that is in neither list does not compile.
    fn counters(&mut self) -> [&mut u64; 40] {
        #[rustfmt::skip]
        let Self {
            hits, misses, inserts, inserted_cost, updates, updated_cost, changed,
            refusals, refused_too_costly, refused_kept, refused_absent, refused_unpinnable, pins_refused, pins_lost,
            rejections, rejected_cost, rejected_at_once, evictions, evicted_cost, expirations, expired_cost,
            removals, removed_cost, clears, cleared, cleared_cost,
            reads_recorded, reads_lost, helps, decided_at_once, turns,
            loads, loads_failed, loads_abandoned, loads_overtaken, refreshes, refreshes_failed, served_stale, callback_panics, policy_panics,
            loading: _, entries: _, resident_cost: _, peak_cost: _, max_cost: _, slack: _, pinned: _, pinned_cost: _, pin_quota: _, policy: _, parameters: _, policy_memory: _,
            life_expectancy: _, miss_ratio_curve: _,
        } = self;
        #[rustfmt::skip]
        let counters = [
            hits, misses, inserts, inserted_cost, updates, updated_cost, changed,
            refusals, refused_too_costly, refused_kept, refused_absent, refused_unpinnable, pins_refused, pins_lost,
            rejections, rejected_cost, rejected_at_once, evictions, evicted_cost, expirations, expired_cost,
            removals, removed_cost, clears, cleared, cleared_cost,
            reads_recorded, reads_lost, helps, decided_at_once, turns,
            loads, loads_failed, loads_abandoned, loads_overtaken, refreshes, refreshes_failed, served_stale, callback_panics, policy_panics,
        ];
        counters
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "reads        {} hits, {} misses ({:.2} % hits); recorded {}, lost {}",
            self.hits,
            self.misses,
            100.0 * self.hit_ratio(),
            self.reads_recorded,
            self.reads_lost
        )?;
        let mut line = |name: &str, count: u64, cost: u64| writeln!(f, "{name:<12} {count} (cost {cost})");
        line("inserts", self.inserts, self.inserted_cost)?;
        line("updates", self.updates, self.updated_cost)?;
        line("rejections", self.rejections, self.rejected_cost)?;
        line("evictions", self.evictions, self.evicted_cost)?;
        line("expirations", self.expirations, self.expired_cost)?;
        line("removals", self.removals, self.removed_cost)?;
        line("cleared", self.cleared, self.cleared_cost)?;
        writeln!(
            f,
            "entries      {}\ncost         {} resident, {} peak, {} budget, {} slack",
            self.entries, self.resident_cost, self.peak_cost, self.max_cost, self.slack
        )?;
        if self.pin_quota > 0 {
            writeln!(
                f,
                "pinned       {} (cost {} of {}), {} refused, {} lost",
                self.pinned,
                self.pinned_cost,
                self.pin_quota,
                self.pins_refused + self.refused_unpinnable,
                self.pins_lost
            )?;
        }
        writeln!(
            f,
            "refusals     {} too costly, {} kept the old, {} without one, {} unpinnable; {} of the rejections at once",
            self.refused_too_costly,
            self.refused_kept,
            self.refused_absent,
            self.refused_unpinnable,
            self.rejected_at_once
        )?;
        writeln!(
            f,
            "maintenance  {} turns, {} helps, {} decided at once, {} callback panics",
            self.turns, self.helps, self.decided_at_once, self.callback_panics
        )?;
        writeln!(
            f,
            "loads        {} begun, {} failed ({} abandoned), {} overtaken, {} under way",
            self.loads, self.loads_failed, self.loads_abandoned, self.loads_overtaken, self.loading
        )?;
        writeln!(
            f,
            "refreshes    {} begun, {} failed, {} served stale",
            self.refreshes, self.refreshes_failed, self.served_stale
        )?;
        write!(f, "policy       {}", self.policy)?;
        for (name, value) in &self.parameters {
            write!(f, ", {name} {value:.4}")?;
        }
        writeln!(f)?;
        write!(f, "lifetime     {}", self.life_expectancy)?;
        match &self.miss_ratio_curve {
            Some(curve) => write!(f, "\n{curve}"),
            None => Ok(()),
        }
    }
}

/// What the store holds at one instant; see [`Cache::census`](crate::Cache::census).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Census {
    /// Rows, expired ones that were not reclaimed yet included.
    pub entries: usize,
    /// The sum of their costs.
    pub cost: u64,
}
