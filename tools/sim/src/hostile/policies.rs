//! Attacks on policies: every second request is the attacker's, and what he asks for is of no use to anybody else.

use crate::output::new_table;
use rayon::prelude::*;
use tollgate::engine::Engine;
use tollgate::policy::{Objective, PolicyConfig, PolicyKind};

/// What the attacker asks for between two honest requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attack {
    None,
    /// One key after another, each once.
    Scan,
    /// Nine keys of a scan.
    Flood,
    /// Each junk key eight times before the next: it looks popular.
    Poison,
    /// Three thousand junk keys in turn, half as many again as fit.
    Loop,
    /// Junk that is as large as two hundred honest entries.
    Bulky,
}

const ATTACKS: [Attack; 6] =
    [Attack::None, Attack::Scan, Attack::Flood, Attack::Poison, Attack::Loop, Attack::Bulky];

const HONEST_KEYS: u64 = 50_000;
const MAX_COST: u64 = 2_000;

/// The table.
pub(super) fn table(requests: u64, seed: u64) -> String {
    let mut header = vec!["policy".to_owned()];
    header.extend(ATTACKS.map(|attack| format!("{attack:?}").to_lowercase()));
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let mut table = new_table(&header, 1);
    let rows: Vec<Vec<String>> = PolicyKind::ALL
        .par_iter()
        .map(|kind| {
            let hits = ATTACKS.map(|attack| format!("{:.1} %", play(kind, attack, requests, seed)));
            std::iter::once(kind.name().to_owned()).chain(hits).collect()
        })
        .collect();
    table.add_rows(rows);
    table.to_string()
}

/// Plays, and returns the percentage of hits among honest requests of the second half.
fn play(kind: &PolicyKind, attack: Attack, requests: u64, seed: u64) -> f64 {
    let config = PolicyConfig {
        num_counters: 10 * MAX_COST as usize,
        max_cost: MAX_COST,
        seed,
        objective: Objective::Hits,
    };
    let mut engine = Engine::new(kind.clone(), config);
    let (mut random, mut junk, mut hits, mut asked) = (seed | 1, 0, 0, 0);
    for number in 0..requests {
        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let hit = engine.request(mix(zipf(random)), 1);
        if number > requests / 2 {
            asked += 1;
            hits += u64::from(hit);
        }
        let turns = match attack {
            Attack::None => 0,
            Attack::Flood => 9,
            Attack::Scan | Attack::Poison | Attack::Loop | Attack::Bulky => 1,
        };
        for _ in 0..turns {
            junk += 1;
            let (key, cost) = match attack {
                Attack::Poison => (junk / 8, 1),
                Attack::Loop => (junk % 3_000, 1),
                Attack::Bulky => (junk, 200),
                Attack::None | Attack::Scan | Attack::Flood => (junk, 1),
            };
            engine.request(mix(HONEST_KEYS + key), cost);
        }
    }
    100.0 * hits as f64 / f64::from(u32::try_from(asked).unwrap_or(u32::MAX)).max(1.0)
}

/// About Zipf with exponent 0.9: the inverse of the integral.
fn zipf(random: u64) -> u64 {
    let unit = (random >> 11) as f64 / (1_u64 << 53) as f64;
    let exponent = 0.1;
    let most = (HONEST_KEYS as f64).powf(exponent);
    ((unit * (most - 1.0) + 1.0).powf(1.0 / exponent) as u64 - 1).min(HONEST_KEYS - 1)
}

fn mix(key: u64) -> u64 {
    let key = (key ^ key >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let key = (key ^ key >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    key ^ key >> 31
}
