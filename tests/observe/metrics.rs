//! Published statistics, as a recorder sees them.

use crate::common::settle;
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit, with_local_recorder,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tollgate::metrics::{COUNTERS, GAUGES, describe};
use tollgate::{Cache, Maintenance, Op};

#[derive(Default)]
struct Book {
    counters: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    gauges: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    described: Mutex<BTreeSet<String>>,
}

/// As Prometheus writes it.
fn text(key: &Key) -> String {
    let labels: Vec<_> = key.labels().map(|label| format!("{}={:?}", label.key(), label.value())).collect();
    format!("{}{{{}}}", key.name(), labels.join(","))
}

impl Recorder for Book {
    fn describe_counter(&self, name: KeyName, _unit: Option<Unit>, help: SharedString) {
        assert!(!help.is_empty());
        self.described.lock().unwrap().insert(name.as_str().to_owned());
    }
    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe_counter(name, unit, help);
    }
    fn describe_histogram(&self, _name: KeyName, _unit: Option<Unit>, _help: SharedString) {
        unreachable!("there are none")
    }
    fn register_counter(&self, key: &Key, _metadata: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.counters.lock().unwrap().entry(text(key)).or_default().clone())
    }
    fn register_gauge(&self, key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.gauges.lock().unwrap().entry(text(key)).or_default().clone())
    }
    fn register_histogram(&self, _key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        unreachable!("there are none")
    }
}

impl Book {
    fn counter(&self, key: &str) -> u64 {
        self.counters.lock().unwrap().get(key).unwrap_or_else(|| panic!("no {key}")).load(Ordering::Relaxed)
    }
    fn gauge(&self, key: &str) -> f64 {
        let bits = self
            .gauges
            .lock()
            .unwrap()
            .get(key)
            .unwrap_or_else(|| panic!("no {key}"))
            .load(Ordering::Relaxed);
        f64::from_bits(bits)
    }
    /// Every metric that was published, and its further label.
    fn published(&self) -> BTreeMap<String, BTreeSet<String>> {
        let (counters, gauges) = (self.counters.lock().unwrap(), self.gauges.lock().unwrap());
        let mut found = BTreeMap::<String, BTreeSet<String>>::new();
        for key in counters.keys().chain(gauges.keys()) {
            let (name, labels) = key.split_once('{').unwrap();
            let (cache, further) =
                labels.trim_end_matches('}').split_once(',').unwrap_or((labels.trim_end_matches('}'), ""));
            assert!(cache == "cache=\"pages\"" || cache == "cache=\"names\"", "{key}");
            found
                .entry(name.to_owned())
                .or_default()
                .extend((!further.is_empty()).then(|| further.to_owned()));
        }
        found
    }
}

fn cache(name: &str) -> Cache<u64, u64> {
    let builder = Cache::builder(1000, 100).name(name).maintenance(Maintenance::Manual);
    builder.miss_ratio_curve(true).build().unwrap()
}

#[test]
fn a_recorder_sees_what_the_statistics_say() {
    let book = Book::default();
    let (pages, names) = (cache("pages"), cache("names"));
    for key in 0..2000 {
        let key = key * key % 331;
        let _ = pages
            .get_or_try_insert_with(&key, 1 + key % 5, || if key % 7 == 0 { Err("no") } else { Ok(key) });
    }
    drop(pages.get_or_reserve(&7000));
    pages.remove(&1);
    pages.insert(2, 2, 200);
    // Changed in place, kept and given another cost, no value leaves; replaced, one does.
    pages.wait().unwrap();
    let before = pages.stats();
    pages.insert(8001, 0, 1);
    assert!(pages.update(&8001, |value| *value += 1));
    assert!(pages.compute(&8001, |_| Op::Keep).is_ok() && pages.compute(&8001, |_| Op::Recost(2)).is_ok());
    pages.insert(8001, 2, 2);
    let since = pages.stats().since(&before);
    assert_eq!((since.inserts, since.updates, since.changed), (1, 4, 3));
    settle(&pages);
    with_local_recorder(&book, || {
        pages.stats().publish(pages.name());
        names.stats().publish(names.name());
        pages.clear();
        // Absolute: once more is not once too often.
        pages.stats().publish(pages.name());
        pages.stats().publish(pages.name());
    });
    let stats = pages.stats();
    let counters = [
        ("tollgate_reads_total{cache=\"pages\",result=\"hit\"}", stats.hits),
        ("tollgate_reads_total{cache=\"pages\",result=\"miss\"}", stats.misses),
        ("tollgate_reads_total{cache=\"names\",result=\"miss\"}", 0),
        ("tollgate_departures_total{cache=\"pages\",cause=\"evicted\"}", stats.evictions),
        ("tollgate_departures_total{cache=\"pages\",cause=\"rejected\"}", stats.rejections),
        ("tollgate_departed_cost_total{cache=\"pages\",cause=\"evicted\"}", stats.evicted_cost),
        ("tollgate_departures_total{cache=\"pages\",cause=\"cleared\"}", stats.cleared),
        ("tollgate_departures_total{cache=\"pages\",cause=\"replaced\"}", 1),
        ("tollgate_refusals_total{cache=\"pages\",cause=\"too_costly\"}", 1),
        ("tollgate_loads_total{cache=\"pages\"}", stats.loads),
        ("tollgate_loads_lost_total{cache=\"pages\",cause=\"error\"}", stats.loads_failed - 1),
        ("tollgate_loads_lost_total{cache=\"pages\",cause=\"abandoned\"}", 1),
        ("tollgate_clears_total{cache=\"pages\"}", 1),
    ];
    for (key, value) in counters {
        assert_eq!(book.counter(key), value, "{key}");
    }
    assert!(stats.evictions > 0 && stats.hits > 0 && stats.cleared > 0);
    assert_eq!(book.gauge("tollgate_max_cost{cache=\"pages\"}"), 100.0);
    assert_eq!(book.gauge("tollgate_cost{cache=\"pages\"}"), 0.0);
    assert_eq!(book.gauge("tollgate_peak_cost{cache=\"pages\"}"), stats.peak_cost as f64);
    assert_eq!(
        book.gauge("tollgate_lru_miss_ratio{cache=\"pages\",budget=\"2\"}"),
        stats.miss_ratio_curve.unwrap().miss_ratio_at(200)
    );
}

#[test]
fn the_lists_of_names_are_right() {
    let book = Book::default();
    let pages = cache("pages");
    (0..2000).for_each(|key| _ = pages.insert(key, key, 1));
    // Asked for again and again, so that others are evicted for them, whose lives are told.
    for round in 0..20_000 {
        let key = 2000 + round % 2000;
        pages.get(&key);
        pages.insert(key, key, 1);
    }
    settle(&pages);
    assert!(pages.stats().evictions > 500, "{}", pages.stats());
    with_local_recorder(&book, || {
        describe();
        pages.stats().publish("pages");
    });
    let published = book.published();
    let names: BTreeSet<String> = published.keys().cloned().collect();
    assert_eq!(names, *book.described.lock().unwrap());
    for (name, label, _) in COUNTERS.iter().chain(GAUGES) {
        let found = &published[*name];
        let Some((label, values)) = label.split_once(": ") else {
            assert!(label.is_empty() && found.is_empty(), "{name}: {found:?}");
            continue;
        };
        if label == "parameter" {
            assert!(!found.is_empty());
            continue;
        }
        let expected: BTreeSet<String> =
            values.split(", ").map(|value| format!("{label}={value:?}")).collect();
        assert_eq!(*found, expected, "{name}");
    }
}
