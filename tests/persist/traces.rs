//! Recorded traces: a cache that was saved and restored goes on as if it had never stopped.

use crate::common::settle;
use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;
use tollgate::key::SecretHasher;
use tollgate::persist::Snapshot;
use tollgate::{Builder, Cache, Maintenance};

/// Requests: a key and its cost.
fn load(name: &str) -> Option<Vec<(u64, u64)>> {
    let here = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/traces");
    let folder = std::env::var_os("TOLLGATE_TRACES").map_or_else(here, PathBuf::from);
    let path = folder.join(format!("{name}.trc.zst"));
    let Ok(file) = std::fs::File::open(&path) else {
        eprintln!("SKIPPED: no trace at {}", path.display());
        return None;
    };
    let mut bytes = Vec::new();
    zstd::Decoder::new(file).unwrap().read_to_end(&mut bytes).unwrap();
    let request = |record: &[u8; 12]| {
        let key = u64::from_le_bytes(*record.first_chunk().unwrap());
        (key, u32::from_le_bytes(*record.last_chunk().unwrap()).max(1).into())
    };
    Some(bytes.as_chunks::<12>().0.iter().map(request).collect())
}

/// The share of requests that hit, in per cent.
fn play(cache: &Cache<u64, u64>, requests: &[(u64, u64)]) -> f64 {
    let mut hits = 0;
    for &(key, cost) in requests {
        match cache.get(&key) {
            Some(value) => {
                assert_eq!(value, key);
                hits += 1;
            }
            None => _ = cache.insert(key, key, cost),
        }
    }
    100.0 * f64::from(hits) / requests.len() as f64
}

fn builder(max_cost: u64, entries: usize, seed: u64) -> Builder<u64, u64> {
    let hasher = SecretHasher::with_seed(seed);
    Cache::builder(10 * entries, max_cost).maintenance(Maintenance::Inline).seed(seed).key_hasher(hasher)
}

/// Hit ratios over some requests after the middle of a trace: of a cache that goes on, one that was restored, one that begins.
fn ratios(requests: &[(u64, u64)], percent: u64, most: usize, seed: u64) -> [f64; 3] {
    let costs: HashMap<u64, u64> = requests.iter().copied().collect();
    let max_cost = (costs.values().sum::<u64>() * percent / 100).max(100);
    let entries = (costs.len() * percent as usize / 100).max(10);
    let (first, second) = requests.split_at(requests.len() / 2);
    let second = &second[..second.len().min(most)];

    let before = builder(max_cost, entries, seed).build().unwrap();
    play(&before, first);
    settle(&before);
    let mut bytes = Vec::new();
    before.save(&mut bytes).unwrap();
    let snapshot = Snapshot::open(bytes.as_slice()).unwrap();
    let after = builder(max_cost, entries, seed).same_keys_as(&snapshot).unwrap().build().unwrap();
    let restored = after.restore_from(snapshot).unwrap();
    assert!(restored.learned);
    assert_eq!(restored.entries, before.len() as u64);
    let cold = builder(max_cost, entries, seed).build().unwrap();
    let ratios = [&before, &after, &cold].map(|cache| play(cache, second));
    settle(&after);
    ratios
}

/// The means over some seeds: which keys meet in the sketch, and who is lucky, is worth a percentage point where a trace is short.
fn means(requests: &[(u64, u64)], percent: u64, most: usize) -> [f64; 3] {
    let seeds = if requests.len() > 100_000 { 2 } else { 8 };
    let mut means = [0.0; 3];
    for seed in 0..seeds {
        let ratios = ratios(requests, percent, most, seed);
        means.iter_mut().zip(ratios).for_each(|(mean, ratio)| *mean += ratio / seeds as f64);
    }
    means
}

#[test]
fn the_hit_ratio_after_a_restart_is_no_worse_than_that_of_a_cache_that_went_on() {
    let small: &[&str] = &["lirs_multi1", "lirs_gli", "weblog_elastic", "metacdn_bigcache", "hplajw"];
    let large: &[&str] =
        &["arc_oltp", "lirs_sprite", "cache2k_orm_busy", "scarab_recs", "wikicdn_val", "phone_mobi0"];
    let (mut worse, mut warmer, mut rows) = (Vec::new(), 0, 0);
    for name in small.iter().chain(large.iter().filter(|_| !cfg!(debug_assertions))) {
        let Some(requests) = load(name) else { return };
        for (percent, most) in [(5, 3000), (20, 3000), (5, 30_000)] {
            let [went_on, restored, cold] = means(&requests, percent, most);
            let played = most.min(requests.len() - requests.len() / 2);
            let row = format!(
                "{name:18} {percent:2} % {played:7} requests: {went_on:6.2} went on, {restored:6.2} restored, {cold:6.2} cold"
            );
            println!("{row}");
            rows += 1;
            warmer += usize::from(restored > cold + 1.0);
            if went_on - restored > 0.3 {
                worse.push(row);
            }
        }
    }
    assert!(worse.is_empty(), "{worse:#?}");
    assert!(2 * warmer > rows, "a restart shows in {warmer} of {rows} only");
}
