//! Statistics as metrics of the [`metrics`](https://docs.rs/metrics) crate (feature `metrics`).
//!
//! They are *pulled*: the cache counts anyway, on counters of its own that cost next to nothing, and [`Stats::publish`] hands a snapshot of them to
//! whatever recorder is installed. Nothing is told to a recorder while the cache works; the feature costs a cache that nobody publishes nothing at all.
//! Publish before each scrape, or every few seconds from a thread or task of yours.
//!
//! ```
//! use tollgate::Cache;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! tollgate::metrics::describe(); // once, when the recorder is installed
//! let pages: Cache<str, String> = Cache::builder(10_000, 1 << 20).name("pages").build()?;
//! pages.stats().publish(pages.name());
//! # Ok(())
//! # }
//! ```
//!
//! Every metric has the label `cache`. The names are those of [`COUNTERS`] and [`GAUGES`]; where one has a further label, its values are listed with it. All the ways in which a
//! value can leave or not come in are there, each under one cause: `departures_total`, and for values that were handed back at once, `refusals_total`.

use crate::stats::Stats;
use ::metrics::{Label, SharedString, counter, describe_counter, describe_gauge, gauge};

/// The counters: name, further label if any, and what is counted.
pub const COUNTERS: &[(&str, &str, &str)] = &[
    ("tollgate_reads_total", "result: hit, miss", "reads that found a value, or none"),
    (
        "tollgate_writes_total",
        "kind: insert, update",
        "values accepted for a new key, or in the place of a live entry; entries changed in place",
    ),
    ("tollgate_written_cost_total", "kind: insert, update", "their cost"),
    (
        "tollgate_refusals_total",
        "cause: too_costly, kept, absent, unpinnable",
        "values handed back without asking the policy",
    ),
    (
        "tollgate_departures_total",
        "cause: evicted, rejected, expired, replaced, removed, cleared",
        "values that left",
    ),
    ("tollgate_departed_cost_total", "cause: evicted, rejected, expired, removed, cleared", "their cost"),
    ("tollgate_rejected_at_once_total", "", "of the rejected, those that never came in"),
    ("tollgate_clears_total", "", "calls of clear"),
    ("tollgate_access_records_total", "fate: heard, lost", "reads that the policy heard of, or was spared"),
    ("tollgate_maintenance_turns_total", "", "turns of maintenance"),
    ("tollgate_helps_total", "", "turns of maintenance run by writers"),
    ("tollgate_decided_at_once_total", "", "inserts that were decided before they returned"),
    ("tollgate_loads_total", "", "loads that began"),
    (
        "tollgate_loads_lost_total",
        "cause: error, abandoned, overtaken",
        "loads whose value was not kept, or that had none",
    ),
    ("tollgate_refreshes_total", "", "of the loads, those of keys that had a value"),
    ("tollgate_refreshes_failed_total", "", "of these, those that brought no value"),
    ("tollgate_served_stale_total", "", "reads that were served a value that was due or stale"),
    ("tollgate_pins_refused_total", "", "pins that were asked for and found no room in the quota"),
    ("tollgate_pins_lost_total", "", "pins that the cache undid"),
    ("tollgate_panics_total", "of: callback, policy", "panics that were contained"),
];

/// The gauges: name, further label if any, and what is measured.
pub const GAUGES: &[(&str, &str, &str)] = &[
    ("tollgate_entries", "", "rows in the store"),
    ("tollgate_cost", "", "their cost"),
    ("tollgate_peak_cost", "", "the highest that the cost ever was"),
    ("tollgate_max_cost", "", "the budget"),
    ("tollgate_slack", "", "how far undecided cost may pass it"),
    ("tollgate_pinned_entries", "", "rows that are pinned"),
    ("tollgate_pinned_cost", "", "their cost"),
    ("tollgate_pin_quota", "", "what they may cost"),
    ("tollgate_loads_under_way", "", "loads under way"),
    ("tollgate_policy_memory_bytes", "", "heap memory of the engine"),
    ("tollgate_policy_parameter", "parameter: as the policy calls it", "what the policy has tuned"),
    ("tollgate_life_seconds", "quantile: 0.1, 0.5, 0.9", "how long evicted entries had lived"),
    (
        "tollgate_lru_miss_ratio",
        "budget: 0.5, 1, 2, 4",
        "what LRU would miss with so many times the budget, if the curve is kept",
    ),
];

/// Tells the recorder that is installed what the metrics mean. Once is enough.
pub fn describe() {
    COUNTERS.iter().for_each(|&(name, _, help)| describe_counter!(name, help));
    GAUGES.iter().for_each(|&(name, _, help)| describe_gauge!(name, help));
}

impl Stats {
    /// Hands this snapshot to the recorder that is installed, under the label `cache`. (Feature `metrics`.)
    ///
    /// Counters are set to what they are, so that it does no harm to publish twice; a recorder that only adds is of no use. O(1): about fifty metrics are looked
    /// up by name. Blocks on nothing but the recorder.
    pub fn publish(&self, cache: &str) {
        let publish = Publish { cache: SharedString::from(cache.to_owned()) };
        self.publish_traffic(&publish);
        self.publish_work(&publish);
        self.publish_state(&publish);
    }

    fn publish_traffic(&self, publish: &Publish) {
        publish.counters("tollgate_reads_total", "result", &[("hit", self.hits), ("miss", self.misses)]);
        publish.counters(
            "tollgate_writes_total",
            "kind",
            &[("insert", self.inserts), ("update", self.updates)],
        );
        let costs = [("insert", self.inserted_cost), ("update", self.updated_cost)];
        publish.counters("tollgate_written_cost_total", "kind", &costs);
        let refusals = [
            ("too_costly", self.refused_too_costly),
            ("kept", self.refused_kept),
            ("absent", self.refused_absent),
            ("unpinnable", self.refused_unpinnable),
        ];
        publish.counters("tollgate_refusals_total", "cause", &refusals);
        let departures = [
            ("evicted", self.evictions),
            ("rejected", self.rejections),
            ("expired", self.expirations),
            ("replaced", self.updates.saturating_sub(self.changed)),
            ("removed", self.removals),
            ("cleared", self.cleared),
        ];
        publish.counters("tollgate_departures_total", "cause", &departures);
        let costs = [
            ("evicted", self.evicted_cost),
            ("rejected", self.rejected_cost),
            ("expired", self.expired_cost),
            ("removed", self.removed_cost),
            ("cleared", self.cleared_cost),
        ];
        publish.counters("tollgate_departed_cost_total", "cause", &costs);
        publish.counter("tollgate_rejected_at_once_total", self.rejected_at_once);
        publish.counter("tollgate_clears_total", self.clears);
    }

    fn publish_work(&self, publish: &Publish) {
        let records = [("heard", self.reads_recorded), ("lost", self.reads_lost)];
        publish.counters("tollgate_access_records_total", "fate", &records);
        publish.counter("tollgate_maintenance_turns_total", self.turns);
        publish.counter("tollgate_helps_total", self.helps);
        publish.counter("tollgate_decided_at_once_total", self.decided_at_once);
        publish.counter("tollgate_loads_total", self.loads);
        let lost = [
            ("error", self.loads_failed.saturating_sub(self.loads_abandoned)),
            ("abandoned", self.loads_abandoned),
            ("overtaken", self.loads_overtaken),
        ];
        publish.counters("tollgate_loads_lost_total", "cause", &lost);
        publish.counter("tollgate_refreshes_total", self.refreshes);
        publish.counter("tollgate_refreshes_failed_total", self.refreshes_failed);
        publish.counter("tollgate_served_stale_total", self.served_stale);
        publish.counter("tollgate_pins_refused_total", self.pins_refused);
        publish.counter("tollgate_pins_lost_total", self.pins_lost);
        let panics = [("callback", self.callback_panics), ("policy", self.policy_panics)];
        publish.counters("tollgate_panics_total", "of", &panics);
    }

    fn publish_state(&self, publish: &Publish) {
        publish.gauge("tollgate_entries", None, self.entries as f64);
        publish.gauge("tollgate_cost", None, self.resident_cost as f64);
        publish.gauge("tollgate_peak_cost", None, self.peak_cost as f64);
        publish.gauge("tollgate_max_cost", None, self.max_cost as f64);
        publish.gauge("tollgate_slack", None, self.slack as f64);
        publish.gauge("tollgate_pinned_entries", None, self.pinned as f64);
        publish.gauge("tollgate_pinned_cost", None, self.pinned_cost as f64);
        publish.gauge("tollgate_pin_quota", None, self.pin_quota as f64);
        publish.gauge("tollgate_loads_under_way", None, self.loading as f64);
        publish.gauge("tollgate_policy_memory_bytes", None, self.policy_memory as f64);
        for &(parameter, value) in &self.parameters {
            publish.gauge("tollgate_policy_parameter", Some(("parameter", parameter)), value);
        }
        for (quantile, percent) in [("0.1", 10.0), ("0.5", 50.0), ("0.9", 90.0)] {
            if let Some(life) = self.life_expectancy.percentile(percent) {
                publish.gauge("tollgate_life_seconds", Some(("quantile", quantile)), life.as_secs_f64());
            }
        }
        for (times, factor) in [("0.5", 0.5), ("1", 1.0), ("2", 2.0), ("4", 4.0)] {
            let max_cost = (self.max_cost as f64 * factor) as u64;
            if let Some(curve) = &self.miss_ratio_curve {
                let ratio = curve.miss_ratio_at(max_cost);
                publish.gauge("tollgate_lru_miss_ratio", Some(("budget", times)), ratio);
            }
        }
    }
}

/// The label that all have.
struct Publish {
    cache: SharedString,
}

impl Publish {
    fn counter(&self, name: &'static str, value: u64) {
        counter!(name, self.labels(None)).absolute(value);
    }

    fn counters(&self, name: &'static str, label: &'static str, values: &[(&'static str, u64)]) {
        for &(which, value) in values {
            counter!(name, self.labels(Some((label, which)))).absolute(value);
        }
    }

    fn gauge(&self, name: &'static str, label: Option<(&'static str, &'static str)>, value: f64) {
        gauge!(name, self.labels(label)).set(value);
    }

    fn labels(&self, further: Option<(&'static str, &'static str)>) -> Vec<Label> {
        let cache = Label::new("cache", self.cache.clone());
        [Some(cache), further.map(|(name, value)| Label::new(name, value))].into_iter().flatten().collect()
    }
}
