//! Streams of requests of the kinds that policies are made for and against, played on an engine beside a naive model of what
//! is resident. Shared with the fuzz target.
//!
//! `engine_model` plays single events; here one step is a whole phase (a loop, a scan, a churn of one key), so that a policy gets to fill
//! its queues, adapt, age and forget. What a policy has learned is handed on in the midst of it, intact or mangled.

use std::collections::{HashMap, HashSet};
use tollgate::engine::{Effect, Engine, Verdict, Write};
use tollgate::policy::{Objective, PolicyConfig, PolicyKind};

/// One phase in its raw form: what, where in the space of keys, how long.
pub type RawPhase = (u8, u8, u16);

/// Plays `phases` on an engine and on the model.
pub fn play([policy, counters, cost, costs, seed]: [u8; 5], phases: &[RawPhase]) {
    let kind = PolicyKind::ALL[policy as usize % PolicyKind::ALL.len()].clone();
    let config = PolicyConfig {
        num_counters: [1, 7, 100, 1000, usize::MAX][counters as usize % 5],
        max_cost: [1, 2, 17, 300, 3000, u64::MAX][cost as usize % 6],
        seed: seed.into(),
        objective: if seed % 2 == 0 { Objective::Hits } else { Objective::Cost },
    };
    let mut model = Model {
        engine: Engine::new(kind.clone(), config),
        kind,
        config,
        costs,
        resident: HashMap::new(),
        used: 0,
        seen: HashSet::new(),
        version: 0,
        random: u64::from(seed) << 8 | 1,
        fresh: 1 << 32,
        context: String::new(),
    };
    for (number, &phase) in phases.iter().enumerate() {
        model.context = format!("phase {number}, {phase:?}, of {} in {config:?}", model.kind.name());
        model.play(phase);
        model.compare();
    }
}

struct Model {
    engine: Engine,
    kind: PolicyKind,
    config: PolicyConfig,
    costs: u8,
    /// By index: version and cost.
    resident: HashMap<u64, (u32, u64)>,
    used: u128,
    seen: HashSet<u64>,
    version: u32,
    random: u64,
    /// The next key that was never asked for.
    fresh: u64,
    context: String,
}

impl Model {
    fn play(&mut self, (what, at, number): RawPhase) {
        let (first, len) = (u64::from(at) * 3, u64::from(number % 96));
        match what % 16 {
            0..=2 => (0..2 * len).for_each(|turn| self.request(first + turn % len.max(1), turn)),
            3 | 4 => (0..len).for_each(|_| {
                self.fresh += 1;
                self.request(self.fresh, 0);
            }),
            5..=7 => (0..len).for_each(|_| {
                let key = self.below(40) * self.below(40) / 20;
                self.request(first + key, 0);
            }),
            8 => (0..len).for_each(|turn| self.request(first, turn)),
            // One key comes and goes: nothing of it may pile up.
            9 => (0..len).for_each(|turn| {
                self.request(first, turn);
                self.remove(first);
            }),
            10 => (first..first + len).for_each(|key| self.remove(key)),
            11 => (first..first + len / 4).for_each(|key| self.write(key, u64::from(number))),
            12 => self.resize(number),
            13 => self.hand_on(number),
            14 => self.restart(number),
            _ if number % 16 == 0 => {
                self.engine.clear();
                (self.used, _) = (0, self.resident.clear());
            }
            _ => (0..len).for_each(|turn| {
                let _ = self.engine.access(index_of(first + turn));
                self.seen.insert(first + turn);
            }),
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.random >> 33) % bound
    }

    fn request(&mut self, key: u64, turn: u64) {
        let index = index_of(key);
        self.seen.insert(key);
        let hit = self.engine.access(index);
        assert_eq!(hit, self.resident.contains_key(&index), "{}", self.context);
        if !hit {
            self.write(key, turn);
        }
    }

    fn write(&mut self, key: u64, turn: u64) {
        let cost = match self.costs % 4 {
            0 => 1,
            1 => 1 + key % 19,
            2 => 1 + (key ^ turn) % 7,
            _ => (self.engine.ledger().max_cost() / 3).saturating_mul(key % 5).max(1),
        };
        self.version += 1;
        self.seen.insert(key);
        let index = index_of(key);
        let known = self.resident.get(&index).copied();
        let mut effects = Vec::new();
        let write = Write { index, version: self.version, cost, deadline: None, pinned: false };
        self.engine.write(write, &mut effects);
        if let [Effect { verdict: Verdict::Rejected, .. }] = effects[..] {
            assert_eq!((effects[0].index, effects[0].version), (index, self.version), "{}", self.context);
            assert!(known.is_none(), "an update was rejected: {}", self.context);
            return;
        }
        let old_cost = known.map_or(0, |(_, cost)| cost);
        self.resident.insert(index, (self.version, cost));
        self.used = self.used - u128::from(old_cost) + u128::from(cost);
        self.carry_out(&effects);
    }

    fn remove(&mut self, key: u64) {
        self.engine.remove(index_of(key));
        if let Some((_, cost)) = self.resident.remove(&index_of(key)) {
            self.used -= u128::from(cost);
        }
    }

    fn resize(&mut self, number: u16) {
        let max_cost = [1 + u64::from(number % 600), u64::MAX][usize::from(number.is_multiple_of(13))];
        let mut effects = Vec::new();
        self.engine.set_max_cost(max_cost, &mut effects);
        self.carry_out(&effects);
    }

    /// The engine takes over what it has learned itself, or what is left of that after some damage.
    fn hand_on(&mut self, number: u16) {
        let mut knowledge = self.engine.knowledge();
        let intact = number.is_multiple_of(4);
        if !intact && !knowledge.is_empty() {
            let at = usize::from(number / 4) % knowledge.len();
            match number % 4 {
                1 => knowledge[at] = knowledge[at].rotate_left(u32::from(number) % 64) ^ u64::from(number),
                2 => knowledge.truncate(at),
                _ => knowledge.insert(at, u64::MAX >> (number % 64)),
            }
        }
        let learned = self.engine.learn(&knowledge);
        assert!(learned || !intact || knowledge.is_empty(), "forgets its own: {}", self.context);
    }

    /// A new engine is given the residents of the old one, the best first, with notes or with noise.
    fn restart(&mut self, number: u16) {
        let mut remembered = self.engine.remember();
        assert_eq!(remembered.len(), self.resident.len(), "{}", self.context);
        remembered.sort_by(|a, b| b.keepsake.worth.total_cmp(&a.keepsake.worth));
        let max_cost = self.engine.ledger().max_cost();
        let mut engine = Engine::new(self.kind.clone(), PolicyConfig { max_cost, ..self.config });
        if number.is_multiple_of(2) {
            engine.learn(&self.engine.knowledge());
        }
        let before = std::mem::take(&mut self.resident);
        (self.engine, self.used) = (engine, 0);
        for entry in remembered {
            let (version, cost) = before[&entry.index];
            let note = match number % 3 {
                0 => Some(entry.keepsake.note),
                1 => Some(entry.keepsake.note ^ u64::from(number) << 40),
                _ => None,
            };
            let mut effects = Vec::new();
            let write = Write { index: entry.index, version, cost, deadline: None, pinned: false };
            self.engine.restore(write, note, &mut effects);
            if effects.iter().any(|effect| effect.verdict == Verdict::Rejected) {
                continue;
            }
            self.resident.insert(entry.index, (version, cost));
            self.used += u128::from(cost);
            self.carry_out(&effects);
        }
        let same = self.resident.len() == before.len();
        assert!(same, "everything had fitted, and does again: {}", self.context);
    }

    fn carry_out(&mut self, effects: &[Effect]) {
        for effect in effects {
            assert_eq!(effect.verdict, Verdict::Evicted, "{}", self.context);
            let left = self.resident.remove(&effect.index);
            let left = left.unwrap_or_else(|| panic!("{effect:?} is not there: {}", self.context));
            assert_eq!((effect.version, effect.cost), left, "{}", self.context);
            self.used -= u128::from(effect.cost);
        }
        let max_cost = self.engine.ledger().max_cost();
        assert!(self.used <= u128::from(max_cost), "{} of {max_cost}: {}", self.used, self.context);
    }

    fn compare(&self) {
        self.engine.check().unwrap_or_else(|error| panic!("{error}: {}", self.context));
        let ledger = self.engine.ledger();
        assert_eq!((ledger.len(), u128::from(ledger.used())), (self.resident.len(), self.used));
        for (&index, &(_, cost)) in &self.resident {
            let slot = ledger.find(index).unwrap_or_else(|| panic!("{index} is lost: {}", self.context));
            assert_eq!(ledger.cost(slot), cost, "{}", self.context);
        }
        // Whatever a policy remembers of keys that left, it is bounded by the keys there ever were.
        let bound = (320 << 10) + 512 * self.seen.len();
        assert!(self.engine.memory() <= bound, "{} > {bound}: {}", self.engine.memory(), self.context);
    }
}

fn index_of(key: u64) -> u64 {
    key.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
