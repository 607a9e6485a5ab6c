//! The default policy on recorded traces: no worse than it was found to be.
//!
//! The traces are no part of the project. They are looked for where `TOLLGATE_TRACES` says, or in
//! `../shared/traces`; where they are absent the tests say so and pass. Debug builds play the small ones only.

use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;
use tollgate::engine::Engine;
use tollgate::policy::{Objective, PolicyConfig, PolicyKind};

struct Trace {
    requests: Vec<(u64, u64)>,
    keys: usize,
    cost: u64,
}

impl Trace {
    fn load(name: &str) -> Option<Self> {
        let folder = std::env::var_os("TOLLGATE_TRACES").map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/traces"),
            PathBuf::from,
        );
        let path = folder.join(format!("{name}.trc.zst"));
        let Ok(file) = std::fs::File::open(&path) else {
            eprintln!("SKIPPED: no trace at {}", path.display());
            return None;
        };
        let mut bytes = Vec::new();
        zstd::Decoder::new(file).unwrap().read_to_end(&mut bytes).unwrap();
        let records = bytes.as_chunks::<12>().0.iter();
        let requests: Vec<(u64, u64)> = records
            .map(|record| {
                let key = u64::from_le_bytes(*record.first_chunk().unwrap());
                (mix(key), u32::from_le_bytes(*record.last_chunk().unwrap()).max(1).into())
            })
            .collect();
        let costs: HashMap<u64, u64> = requests.iter().copied().collect();
        Some(Self { requests, keys: costs.len(), cost: costs.values().sum() })
    }

    /// The share of requests and of cost that hit, in per cent.
    fn play(&self, kind: PolicyKind, max_cost: u64, objective: Objective) -> (f64, f64) {
        let expected = (max_cost as f64 * self.keys as f64 / self.cost as f64).max(1.0);
        let num_counters = 10 * expected as usize;
        let mut engine = Engine::new(kind, PolicyConfig { num_counters, max_cost, seed: 1, objective });
        let (mut hits, mut hit_cost, mut cost) = (0, 0, 0);
        for &(index, request_cost) in &self.requests {
            cost += request_cost;
            if engine.request(index, request_cost) {
                hits += 1;
                hit_cost += request_cost;
            }
        }
        engine.check().unwrap();
        (100.0 * f64::from(hits) / self.requests.len() as f64, 100.0 * hit_cost as f64 / cost as f64)
    }
}

/// A fixed bijection that spreads keys as the cache's own hash does.
fn mix(key: u64) -> u64 {
    let key = key.wrapping_add(0x1234_5678_9ABC_DEF1);
    let key = (key ^ key >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    let key = (key ^ key >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    key ^ key >> 32
}

/// Plays the rows whose trace is there and small enough; fails if any falls short.
fn assert_all(rows: &[(&str, Budget, Objective, f64)]) {
    let mut short = Vec::new();
    let mut trace: Option<(&str, Option<Trace>)> = None;
    for &(name, budget, objective, least) in rows {
        if cfg!(debug_assertions) && !SMALL.contains(&name) {
            continue;
        }
        if trace.as_ref().is_none_or(|(known, _)| *known != name) {
            trace = Some((name, Trace::load(name)));
        }
        let Some((_, Some(trace))) = &trace else { continue };
        let max_cost = match budget {
            Budget::Cost(cost) => cost,
            Budget::Percent(percent) => trace.cost * percent / 100,
        };
        let (hits, hit_cost) = trace.play(PolicyKind::default(), max_cost, objective);
        let found = if objective == Objective::Hits { hits } else { hit_cost };
        if found < least {
            short.push(format!("{name} at {budget:?}, {objective:?}: {found:.2} % < {least} %"));
        }
    }
    assert!(short.is_empty(), "{short:#?}");
}

#[derive(Debug, Clone, Copy)]
enum Budget {
    Cost(u64),
    Percent(u64),
}
use Budget::{Cost, Percent};
use Objective::Hits;

#[test]
fn unit_traces_reach_their_bars() {
    assert_all(&[
        ("arc_oltp", Cost(256), Hits, 27.2),
        ("arc_oltp", Cost(1000), Hits, 42.6),
        ("arc_oltp", Cost(4000), Hits, 55.6),
        ("arc_p3", Cost(20000), Hits, 13.0),
        ("arc_p3", Cost(80000), Hits, 37.9),
        ("arc_p3", Cost(160000), Hits, 54.6),
        ("arc_p6", Cost(20000), Hits, 14.8),
        ("arc_p6", Cost(80000), Hits, 54.7),
        ("arc_p6", Cost(160000), Hits, 73.5),
        ("arc_p2", Cost(20000), Hits, 21.3),
        ("arc_p2", Cost(80000), Hits, 48.5),
        ("scarab_recs", Cost(2583), Hits, 43.5),
        ("scarab_recs", Cost(12918), Hits, 56.4),
        ("scarab_recs", Cost(51673), Hits, 70.9),
        ("cache2k_orm_busy", Cost(763), Hits, 77.9),
        ("cache2k_orm_busy", Cost(3817), Hits, 85.3),
        ("lirs_loop", Cost(303), Hits, 29.8),
        ("lirs_loop", Cost(700), Hits, 69.0),
        ("lirs_multi1", Cost(1000), Hits, 67.1),
        ("lirs_multi3", Cost(1000), Hits, 48.0),
        ("lirs_sprite", Cost(200), Hits, 50.4),
        ("lirs_gli", Cost(1000), Hits, 48.5),
        ("cache2k_web12", Percent(5), Hits, 66.1),
        ("cloudphysics_w106", Percent(5), Hits, 89.2),
        ("disksim_postmark_4k", Percent(5), Hits, 18.7),
        ("mooncake_conversation", Percent(5), Hits, 20.9),
        ("dtrs_4k", Percent(20), Hits, 11.2),
    ]);
}

#[test]
fn sized_traces_reach_their_bars() {
    assert_all(&[
        ("adaptsize_req", Percent(5), Hits, 35.8),
        ("adaptsize_req", Percent(5), Objective::Cost, 32.0),
        ("cloudphysics_io", Percent(5), Hits, 26.3),
        ("cloudphysics_io", Percent(5), Objective::Cost, 8.0),
        ("tencentblock_ns1326", Percent(5), Hits, 15.0),
        ("tencentblock_ns1326", Percent(5), Objective::Cost, 22.3),
        ("tencentblock_ns2706", Percent(5), Hits, 61.5),
        ("tencentblock_ns2706", Percent(5), Objective::Cost, 53.2),
        ("tencentblock_ns3300", Percent(5), Hits, 58.4),
        ("tencentblock_ns3300", Percent(5), Objective::Cost, 46.3),
        ("wikicdn_val", Percent(5), Hits, 11.4),
        ("wikicdn_val", Percent(5), Objective::Cost, 14.8),
        ("metacdn_bigcache", Percent(5), Hits, 48.9),
        ("metacdn_bigcache", Percent(5), Objective::Cost, 12.2),
        ("phone_mobi0", Percent(5), Hits, 60.9),
        ("phone_mobi0", Percent(5), Objective::Cost, 90.6),
        ("dtrs", Percent(5), Hits, 4.3),
        ("dtrs", Percent(5), Objective::Cost, 2.6),
        ("hplajw", Percent(5), Hits, 69.7),
        ("hplajw", Percent(5), Objective::Cost, 68.2),
        ("kvsyn_c52", Percent(5), Hits, 88.5),
        ("kvsyn_c52", Percent(5), Objective::Cost, 84.2),
        ("kvsyn_c45", Percent(5), Hits, 25.7),
        ("kvsyn_c45", Percent(5), Objective::Cost, 19.4),
        ("jedi_tc0", Percent(5), Hits, 89.0),
        ("jedi_tc0", Percent(5), Objective::Cost, 96.9),
        ("jedi_d1", Percent(5), Hits, 60.3),
        ("jedi_d1", Percent(5), Objective::Cost, 53.0),
        ("weblog_elastic", Percent(5), Hits, 83.8),
        ("weblog_elastic", Percent(5), Objective::Cost, 11.5),
    ]);
}

#[test]
fn plain_tiny_lfu_is_where_it_belongs() {
    let Some(trace) = Trace::load("arc_oltp").filter(|_| !cfg!(debug_assertions)) else { return };
    let (hits, _) = trace.play(PolicyKind::TinyLfu, 1000, Hits);
    assert!((37.0..41.0).contains(&hits), "{hits:.2} %");
}

/// Traces short enough for a debug build.
const SMALL: &[&str] =
    &["lirs_multi1", "lirs_gli", "lirs_multi3", "weblog_elastic", "metacdn_bigcache", "hplajw"];
