//! The policy as a whole, by data: requests in, hits out.

use super::*;
use crate::engine::{Effect, Engine, Verdict, Write};
use crate::policy::PolicyKind;

fn config(max_cost: u64) -> PolicyConfig {
    PolicyConfig { num_counters: 10 * max_cost as usize, max_cost, seed: 1, objective: Objective::Hits }
}

fn engine(max_cost: u64) -> Engine {
    Engine::new(PolicyKind::HitDensity, config(max_cost))
}

/// Plays requests of cost 1; the share of hits.
fn play(engine: &mut Engine, requests: impl IntoIterator<Item = u64>) -> f64 {
    let (mut hits, mut all) = (0, 0);
    for request in requests {
        hits += u32::from(engine.request(remix(request), 1));
        all += 1;
    }
    engine.check().unwrap();
    f64::from(hits) / f64::from(all)
}

/// Numbers below `bound`, the small ones far more often: Zipf with exponent 1.
fn popular(seed: u64, bound: u64) -> impl Iterator<Item = u64> {
    (0..).map(move |n: u64| {
        let unit = (remix(n ^ remix(seed)) >> 11) as f64 / (1u64 << 53) as f64;
        ((bound as f64).powf(unit) as u64 - 1).min(bound - 1)
    })
}

#[test]
fn a_loop_keeps_a_part_of_itself() {
    let mut engine = engine(500);
    let share = play(&mut engine, (0..100_000).map(|n| n % 1000));
    assert!(share > 0.48, "{share} of a loop twice the cache; the optimum is 0.5, LRU has nothing");
}

#[test]
fn a_cache_of_few_learns_too() {
    for max_cost in 1..=9 {
        let mut engine = engine(max_cost);
        play(&mut engine, (0..20_000).map(|n| n % (2 * max_cost)));
        let share = play(&mut engine, (0..20_000).map(|n| n % (2 * max_cost)));
        assert!(share > 0.4, "{max_cost} entries: {share} of a loop of twice as many");
        let parameters = engine.parameters();
        let epochs = parameters.iter().find(|(name, _)| *name == "epochs").expect("it counts them").1;
        assert!((30.0..200.0).contains(&epochs), "{max_cost} entries: {epochs} epochs");
    }
    // A cache that was built for many, and holds few large ones.
    let mut engine = engine(1000);
    for n in 0..40_000 {
        engine.request(remix(n % 8), 250);
    }
    let hits = (0..8_000).filter(|n| engine.request(remix(n % 8), 250)).count();
    assert!(hits > 3000, "{hits} of a loop of twice as many large entries");
}

#[test]
fn a_scan_costs_the_residents_little() {
    let mut quiet = engine(500);
    play(&mut quiet, popular(1, 5000).take(50_000));
    let alone = play(&mut quiet, popular(2, 5000).take(20_000));
    let mut scanned = engine(500);
    play(&mut scanned, popular(1, 5000).take(50_000));
    let mixed = popular(2, 5000).take(20_000).enumerate().map(|(n, key)| (key, 1_000_000 + n as u64));
    let mut hits = 0;
    for (key, stranger) in mixed {
        hits += u32::from(scanned.request(remix(key), 1));
        scanned.request(remix(stranger), 1);
    }
    let beside = f64::from(hits) / 20_000.0;
    assert!(beside > alone - 0.03, "{beside} beside a scan, {alone} without");
}

#[test]
fn one_hit_wonders_are_turned_away() {
    let mut engine = engine(500);
    play(&mut engine, popular(3, 2000).zip(1_000_000..).flat_map(|(a, b)| [a, b]).take(50_000));
    let (mut evicted, mut rejected) = (0, 0);
    for stranger in 2_000_000..2_001_000 {
        let mut effects = Vec::new();
        let index = remix(stranger);
        engine.write(Write { index, version: 0, cost: 1, deadline: None, pinned: false }, &mut effects);
        match effects[..] {
            [Effect { verdict: Verdict::Rejected, .. }] => rejected += 1,
            _ => evicted += 1,
        }
    }
    engine.check().unwrap();
    assert!(rejected > 900 && evicted > 0, "{rejected} strangers of 1000 rejected, {evicted} came in");
}

#[test]
fn recency_rules_where_the_recent_come_back() {
    // Keys are asked for three times, at short distances, and never again.
    let bursts = (0..40_000u64).flat_map(|n| [n, n.saturating_sub(50), n.saturating_sub(150)]);
    let mut engine = engine(300);
    let share = play(&mut engine, bursts);
    assert!(share > 0.5, "{share}; a perfect FIFO of this size has 0.66");
}

#[test]
fn a_shift_of_popularity_is_followed() {
    let mut engine = engine(500);
    let before = play(&mut engine, popular(4, 5000).take(60_000));
    play(&mut engine, popular(5, 5000).take(10_000).map(|key| key + 100_000));
    let after = play(&mut engine, popular(6, 5000).take(20_000).map(|key| key + 100_000));
    assert!(after > before - 0.03, "{after} after the shift, {before} before");
}

#[test]
fn sized_entries_stay_within_the_budget_and_small_ones_win() {
    let mut engine = engine(10_000);
    let cost = |key: u64| if key.is_multiple_of(2) { 10 } else { 400 };
    let mut hits = [0u32; 2];
    for key in popular(7, 4000).take(60_000) {
        hits[(key % 2) as usize] += u32::from(engine.request(remix(key), cost(key)));
        assert!(engine.ledger().used() <= 10_000);
    }
    engine.check().unwrap();
    assert!(hits[0] > 2 * hits[1], "{hits:?} hits of small and large entries, asked for equally often");
}

#[test]
fn a_large_newcomer_must_promise_more_than_the_small_it_displaces() {
    for (objective, comes_in) in [(Objective::Hits, false), (Objective::Cost, true)] {
        let mut engine = Engine::new(PolicyKind::HitDensity, PolicyConfig { objective, ..config(1000) });
        for round in 0..300u64 {
            (0..900).filter(|key| key % 10 == round % 10).for_each(|key| _ = engine.request(remix(key), 1));
            engine.request(remix(5000 + round % 3), 300);
            engine.request(remix(9000 + round % 200), 1);
        }
        engine.check().unwrap();
        let large = (5000..5003).filter(|&key| engine.access(remix(key))).count();
        assert_eq!(large > 0, comes_in, "{objective:?}: {large} large entries");
    }
}

#[test]
fn many_small_victims_leave_for_a_large_newcomer_or_none() {
    let config = PolicyConfig { objective: Objective::Cost, ..config(100) };
    let mut engine = Engine::new(PolicyKind::HitDensity, config);
    play(&mut engine, 0..100);
    let mut effects = Vec::new();
    let mut asked = 0;
    while !engine.access(7) {
        let len = engine.ledger().len();
        engine.write(Write { index: 7, version: 1, cost: 60, deadline: None, pinned: false }, &mut effects);
        engine.check().unwrap();
        if effects[0].verdict == Verdict::Rejected {
            assert_eq!((effects.len(), engine.ledger().len()), (1, len), "a rejection costs nobody");
        } else {
            assert_eq!(effects.len(), 60);
        }
        effects.clear();
        asked += 1;
        assert!(asked < 10, "asked for again and again");
    }
}

#[test]
fn equal_events_give_equal_decisions() {
    let run = || {
        let mut engine = engine(200);
        let mut effects = Vec::new();
        for (n, key) in popular(8, 3000).take(20_000).enumerate() {
            let write = Write {
                index: remix(key),
                version: n as u32,
                cost: 1 + key % 3,
                deadline: None,
                pinned: false,
            };
            if !engine.access(write.index) {
                engine.write(write, &mut effects);
            }
        }
        (effects, engine.parameters())
    };
    assert_eq!(run(), run());
}

#[test]
fn a_miss_whose_class_was_forgotten_is_decided_all_the_same() {
    let mut engine = engine(100);
    let keys: Vec<u64> = popular(9, 400).take(3000).map(remix).collect();
    let mut effects = Vec::new();
    for batch in keys.chunks(1000) {
        let missed: Vec<u64> = batch.iter().copied().filter(|&key| !engine.access(key)).collect();
        for index in missed {
            engine.write(Write { index, version: 0, cost: 1, deadline: None, pinned: false }, &mut effects);
        }
        engine.check().unwrap();
    }
    assert_eq!(engine.ledger().len(), 100);
}

#[test]
fn the_clock_may_wrap() {
    let run = |clock: u32| {
        let build = move |config: &PolicyConfig| {
            let mut policy = HitDensity::new(config);
            policy.clock = clock;
            policy.clamped = clock;
            policy.epoch_end = clock.wrapping_add(FIRST_EPOCH);
            Box::new(policy) as Box<dyn Policy>
        };
        let mut engine = Engine::new(PolicyKind::Custom(std::sync::Arc::new(build)), config(400));
        play(
            &mut engine,
            popular(10, 4000).zip(0..).flat_map(|(key, n)| [key, 10_000 + n % 700]).take(100_000),
        )
    };
    assert_eq!(run(0), run(0u32.wrapping_sub(51_200)));
}

#[test]
fn the_number_of_residents_is_learned() {
    for num_counters in [1, 1_000_000_000] {
        let mut engine = Engine::new(PolicyKind::HitDensity, PolicyConfig { num_counters, ..config(1000) });
        let expected = |engine: &Engine| engine.parameters()[0].1;
        play(&mut engine, popular(11, 20_000).take(30_000));
        assert!((500.0..=2048.0).contains(&expected(&engine)), "{}", expected(&engine));
        engine.set_max_cost(20, &mut Vec::new());
        play(&mut engine, popular(12, 20_000).take(10_000));
        assert!(expected(&engine) <= 160.0, "{}", expected(&engine));
    }
}

#[test]
fn a_lowered_budget_takes_no_memory_for_entries_that_never_came() {
    let huge = PolicyConfig { num_counters: usize::MAX, max_cost: u64::MAX, ..config(1000) };
    let mut engine = Engine::new(PolicyKind::HitDensity, huge);
    play(&mut engine, 0..100);
    engine.set_max_cost(50, &mut Vec::new());
    assert!(engine.memory() < 512 << 10, "{} bytes for 50 residents", engine.memory());
    engine.check().unwrap();
}

#[test]
fn knowledge_is_taken_over_at_every_moment() {
    // The number of residents shrinks, and the sketch has counted more than is let pass from now on.
    let mut engine = engine(3000);
    play(&mut engine, popular(3, 20_000).take(30_000));
    engine.set_max_cost(20, &mut Vec::new());
    for request in popular(4, 20_000).take(40) {
        let knowledge = engine.knowledge();
        assert!(engine.learn(&knowledge));
        play(&mut engine, request..=request);
    }
}

#[test]
fn memory_follows_use() {
    let engine = Engine::new(PolicyKind::HitDensity, config(1_000_000));
    assert!(engine.memory() < 512 << 10, "{} bytes for an empty cache", engine.memory());
    let mut small = self::engine(10);
    play(&mut small, 0..10_000);
    assert!(small.memory() < 80 << 10, "{} bytes for ten residents", small.memory());
    let mut engine = self::engine(20_000);
    play(&mut engine, popular(13, 1_000_000).take(400_000));
    let by_entry = engine.memory() as f64 / 20_000.0;
    assert!(by_entry < 120.0, "{by_entry} bytes by entry, the ledger included");
    let full = engine.memory();
    engine.clear();
    assert!(engine.memory() < full / 4);
}

#[test]
fn what_lies_by_slot_gives_memory_back() {
    let mut engine = self::engine(20_000);
    (0..20_000).for_each(|key| _ = engine.request(remix(key), 1));
    let full = engine.memory();
    (0..19_900).for_each(|key| engine.remove(remix(key)));
    engine.check().unwrap();
    // By entry: 20 bytes of the ledger, a slot of 4 with 2 of control, 5 of the policy; and what was spare.
    let by_entry = (full - engine.memory()) as f64 / 19_900.0;
    assert!((33.0..37.0).contains(&by_entry), "{by_entry} bytes by entry came back");
}

#[test]
fn nobody_is_kept_out_for_good() {
    let mut engine = engine(100);
    // The residents are hit all the time; the newcomers are asked for often, but less so.
    let mut came_in = 0;
    for round in 0..3000u64 {
        (0..100).for_each(|key| _ = engine.request(remix(key), 1));
        came_in += usize::from(engine.request(remix(1000 + round % 3), 1));
    }
    engine.check().unwrap();
    assert!(came_in > 0);
}

/// Knowledge that comes from outside says neither how large the sketch may grow nor how long nothing is to be learned.
#[test]
fn crafted_knowledge_takes_no_more_than_its_scale() {
    let mut honest = HitDensity::new(&config(100));
    let ledger = Ledger::new(100);
    (0..1_000).for_each(|n| honest.miss(&ledger, remix(n % 300)));
    let mut words = honest.knowledge();
    const LEFT: usize = 3;
    const EPOCH_LEN: usize = 4;
    const SKETCH_ENTRIES: usize = 8;
    assert_eq!(words[SKETCH_ENTRIES], 2 * u64::from(honest.scale.entries()), "the order of the words");
    (words[LEFT], words[EPOCH_LEN], words[SKETCH_ENTRIES]) = (1 << 26, 1 << 26, 1 << 27);
    let mut heir = HitDensity::new(&config(100));
    assert!(heir.learn(&words));
    let (memory, epochs) = (heir.memory(), heir.epochs);
    (0..50_000).for_each(|n| heir.miss(&ledger, remix(n)));
    assert!(heir.epochs > epochs + 10, "{} epochs after {epochs}", heir.epochs);
    assert!(heir.memory() <= memory + 8192, "{} bytes after {memory}", heir.memory());
}
