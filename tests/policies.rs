//! One suite for all policies: streams of events through the engine, against a model that is short
//! enough to be obviously right. The model does not know what a policy should keep; it knows what no
//! policy may do to the ledger.

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use tollgate::engine::{Due, Effect, Engine, Slot, Verdict, Write};
use tollgate::policy::{
    Admission, Candidate, Departure, Ledger, Objective, Policy, PolicyConfig, PolicyKind,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Access(u64),
    Write {
        index: u64,
        cost: u64,
        time_to_live: Option<u64>,
    },
    Remove(u64),
    SetMaxCost(u64),
    Clear,
    /// Time passes; what is due expires, or (every third) is postponed.
    Advance(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    version: u32,
    cost: u64,
    deadline: Option<u64>,
}

/// What is resident according to the effects.
#[derive(Debug, Default)]
struct Model {
    rows: BTreeMap<u64, Row>,
    max_cost: u64,
    now: u64,
    versions: u32,
}

impl Model {
    fn used(&self) -> u64 {
        self.rows.values().map(|row| row.cost).sum()
    }

    /// What must leave before `cost` more fits.
    fn shortfall(&self, cost: u64) -> u64 {
        (self.used() + cost).saturating_sub(self.max_cost)
    }

    /// Carries out evictions; each must name a resident row as it is now, and all together no more than
    /// the shortfall asks for.
    fn evict(&mut self, effects: &[Effect], shortfall: u64, keep: Option<u64>, how: Conduct) {
        let mut freed = 0;
        let mut largest = 0;
        for effect in effects {
            assert_eq!(effect.verdict, Verdict::Evicted);
            assert_ne!(Some(effect.index), keep, "the protected entry was evicted");
            let row = self.rows.remove(&effect.index).expect("an evicted row was resident, and once");
            assert_eq!((effect.version, effect.cost), (row.version, row.cost));
            freed += effect.cost;
            largest = largest.max(effect.cost);
        }
        assert!(freed >= shortfall, "{freed} freed of {shortfall}");
        if how == Conduct::Correct {
            assert!(freed - largest < shortfall.max(1), "{freed} freed, {shortfall} was enough");
        }
    }

    fn write(&mut self, write: Write, effects: &[Effect], how: Conduct) {
        let row = Row { version: write.version, cost: write.cost, deadline: write.deadline };
        let resident = self.rows.contains_key(&write.index);
        if !resident && effects.iter().any(|effect| effect.verdict == Verdict::Rejected) {
            let [effect] = effects else { panic!("a rejected newcomer costs no resident: {effects:?}") };
            assert_eq!((effect.index, effect.version, effect.cost), (write.index, write.version, write.cost));
            assert!(self.shortfall(write.cost) > 0, "rejected with room left");
        } else if write.cost > self.max_cost {
            let [effect] = effects else { panic!("only the oversized row itself goes: {effects:?}") };
            assert_eq!((effect.index, effect.version), (write.index, write.version));
            self.rows.remove(&write.index);
        } else if resident {
            self.rows.insert(write.index, row);
            self.evict(effects, self.shortfall(0), Some(write.index), how);
        } else {
            self.evict(effects, self.shortfall(write.cost), Some(write.index), how);
            self.rows.insert(write.index, row);
        }
    }

    fn agrees_with(&self, ledger: &Ledger) {
        assert_eq!(ledger.len(), self.rows.len());
        assert_eq!((ledger.used(), ledger.max_cost()), (self.used(), self.max_cost));
        assert!(self.used() <= self.max_cost);
        for (&index, row) in &self.rows {
            let slot = ledger.find(index).expect("a resident row has a slot");
            assert_eq!((ledger.index(slot), ledger.cost(slot)), (index, row.cost));
        }
    }
}

/// What is expected of the policy under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Conduct {
    Correct,
    /// It breaks its contract; the engine must not.
    Wrong,
}

/// An engine and its model, compared after every step.
struct Bench {
    engine: Engine,
    model: Model,
    how: Conduct,
    history: Vec<Effect>,
}

impl Bench {
    fn new(kind: &PolicyKind, config: PolicyConfig, how: Conduct) -> Self {
        Self {
            engine: Engine::new(kind.clone(), config),
            model: Model { max_cost: config.max_cost, ..Model::default() },
            how,
            history: Vec::new(),
        }
    }

    fn play(&mut self, event: Event) {
        let mut effects = Vec::new();
        match event {
            Event::Access(index) => {
                assert_eq!(self.engine.access(index), self.model.rows.contains_key(&index));
            }
            Event::Write { index, cost, time_to_live } => {
                self.model.versions += 1;
                let deadline = time_to_live.map(|ttl| self.model.now + ttl);
                let write = Write { index, version: self.model.versions, cost, deadline, pinned: false };
                self.engine.write(write, &mut effects);
                self.model.write(write, &effects, self.how);
            }
            Event::Remove(index) => {
                self.engine.remove(index);
                self.model.rows.remove(&index);
            }
            Event::SetMaxCost(max_cost) => {
                self.engine.set_max_cost(max_cost, &mut effects);
                self.model.max_cost = max_cost;
                self.model.evict(&effects, self.model.shortfall(0), None, self.how);
            }
            Event::Clear => {
                self.engine.clear();
                self.model.rows.clear();
            }
            Event::Advance(ms) => {
                self.model.now += ms;
                // One call takes a bounded number of steps; `next_due` says whether some are left.
                while self.engine.next_due().is_some_and(|next| next <= self.model.now) {
                    if let Some(due) = self.engine.due(self.model.now) {
                        self.expire(due);
                    }
                }
                let now = self.model.now;
                let is_due = |row: &&Row| row.deadline.is_some_and(|deadline| deadline <= now);
                assert_eq!(self.model.rows.values().find(is_due), None, "it is still resident");
            }
        }
        self.history.append(&mut effects);
    }

    fn expire(&mut self, due: Due) {
        let row = self.model.rows.get_mut(&due.index).expect("what is due is resident");
        assert_eq!(due.version, row.version);
        assert!(row.deadline.is_some_and(|deadline| deadline <= self.model.now), "due too early");
        if due.version.is_multiple_of(3) {
            row.deadline = Some(self.model.now + 10);
            self.engine.postpone(due, row.deadline);
        } else {
            self.model.rows.remove(&due.index);
            self.engine.expire(due);
        }
    }

    fn check(&self) {
        self.engine.check().expect("ledger, wheel and policy agree");
        self.model.agrees_with(self.engine.ledger());
    }
}

#[derive(Debug, Clone, Copy)]
enum Costs {
    Unit,
    Uniform,
    /// Powers of two; the largest fill a small budget alone, or pass it.
    Skewed,
}

/// A stream of `len` events over some `keys` keys, the low ones being popular.
fn stream(seed: u64, len: usize, keys: u64, max_cost: u64, costs: Costs) -> Vec<Event> {
    let mut state = seed;
    let mut random = move |bound: u64| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(state) % bound
    };
    let mut next = || {
        let index = mix(random(keys).min(random(keys)));
        let cost = match costs {
            Costs::Unit => 1,
            Costs::Uniform => 1 + random(8),
            Costs::Skewed => 1 << random(11).min(random(11)),
        };
        let time_to_live = (random(4) == 0).then(|| 1 + random(500));
        match random(1000) {
            0..450 => Event::Access(index),
            450..900 => Event::Write { index, cost, time_to_live },
            900..960 => Event::Remove(index),
            960..985 => Event::Advance(1 + random(40)),
            985..997 => Event::SetMaxCost(1 + random(2 * max_cost)),
            997.. if random(3) == 0 => Event::Clear,
            997.. => Event::SetMaxCost(max_cost),
        }
    };
    (0..len).map(|_| next()).collect()
}

fn config(max_cost: u64, objective: Objective) -> PolicyConfig {
    PolicyConfig { num_counters: 1000, max_cost, seed: 7, objective }
}

fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Runs `body` for every policy, several budgets, both objectives and all kinds of costs.
fn everywhere(body: impl Fn(&PolicyKind, PolicyConfig, Costs)) {
    for kind in PolicyKind::ALL {
        for max_cost in [1, 10, 100, 1000] {
            for objective in [Objective::Hits, Objective::Cost] {
                for costs in [Costs::Unit, Costs::Uniform, Costs::Skewed] {
                    body(kind, config(max_cost, objective), costs);
                }
            }
        }
    }
}

#[test]
fn engine_and_model_agree_after_every_step() {
    everywhere(|kind, config, costs| {
        let mut bench = Bench::new(kind, config, Conduct::Correct);
        for event in stream(config.max_cost, 800, 150, config.max_cost, costs) {
            bench.play(event);
            bench.check();
        }
    });
}

#[test]
fn long_streams_over_many_keys() {
    for kind in PolicyKind::ALL {
        let mut bench = Bench::new(kind, config(2000, Objective::Hits), Conduct::Correct);
        for (step, event) in stream(3, 60_000, 5000, 2000, Costs::Uniform).into_iter().enumerate() {
            // Rarely cleared: here the structures are to grow old.
            if event != Event::Clear {
                bench.play(event);
            }
            if step % 500 == 0 {
                bench.check();
            }
        }
        bench.check();
    }
}

#[test]
fn the_same_events_have_the_same_effects() {
    everywhere(|kind, config, costs| {
        let histories = [(); 2].map(|()| {
            let mut bench = Bench::new(kind, config, Conduct::Correct);
            stream(1, 1500, 150, config.max_cost, costs).into_iter().for_each(|event| bench.play(event));
            bench.history
        });
        assert_eq!(histories[0], histories[1], "{kind:?} {config:?} {costs:?}");
    });
}

#[test]
fn a_cleared_engine_is_a_new_one() {
    everywhere(|kind, config, costs| {
        let before = stream(1, 1000, 150, config.max_cost, costs);
        let after = stream(2, 1000, 150, config.max_cost, costs);
        let mut used = Bench::new(kind, config, Conduct::Correct);
        before.into_iter().for_each(|event| used.play(event));
        used.play(Event::SetMaxCost(config.max_cost));
        used.play(Event::Clear);
        let mut fresh = Bench::new(kind, config, Conduct::Correct);
        (fresh.model.now, fresh.model.versions) = (used.model.now, used.model.versions);
        used.history.clear();
        for event in after {
            used.play(event);
            fresh.play(event);
        }
        assert_eq!(used.history, fresh.history, "{kind:?} {config:?} {costs:?}");
    });
}

#[test]
fn a_lowered_budget_is_obeyed_at_once_and_a_raised_one_is_used() {
    for kind in PolicyKind::ALL {
        let mut bench = Bench::new(kind, config(1000, Objective::Hits), Conduct::Correct);
        let fill = |bench: &mut Bench, keys: std::ops::Range<u64>| {
            for index in keys.map(mix) {
                bench.play(Event::Access(index));
                bench.play(Event::Write { index, cost: 1, time_to_live: None });
            }
        };
        fill(&mut bench, 0..1000);
        assert_eq!(bench.engine.ledger().len(), 1000);
        for max_cost in [500, 499, 3, 1] {
            bench.play(Event::SetMaxCost(max_cost));
            bench.check();
            assert_eq!(bench.engine.ledger().used(), max_cost, "{kind:?} shed more than it had to");
        }
        bench.play(Event::SetMaxCost(2000));
        fill(&mut bench, 5000..6999);
        bench.check();
        assert_eq!(bench.engine.ledger().len(), 2000, "{kind:?} leaves a raised budget unused");
    }
}

/// Whatever a policy sizes by the budget follows it.
#[test]
fn a_raised_budget_is_as_good_as_one_from_the_start() {
    let popular = |n: u64| (50_000f64.powf((mix(n) >> 11) as f64 / (1u64 << 53) as f64)) as u64;
    for kind in PolicyKind::ALL {
        let share = |first: u64| {
            let config =
                PolicyConfig { num_counters: 50_000, max_cost: first, seed: 7, objective: Objective::Hits };
            let mut engine = Engine::new(kind.clone(), config);
            (0..1000).for_each(|n| _ = engine.request(mix(popular(n)), 1));
            engine.set_max_cost(5000, &mut Vec::new());
            (1000..150_000).for_each(|n| _ = engine.request(mix(popular(n)), 1));
            (150_000..250_000).filter(|&n| engine.request(mix(popular(n)), 1)).count() as f64 / 100_000.0
        };
        let (raised, whole) = (share(10), share(5000));
        assert!(
            (raised - whole).abs() < 0.02,
            "{kind:?}: {raised} with a raised budget, {whole} with the same from the start"
        );
    }
}

#[test]
fn memory_is_bounded_by_the_residents() {
    for kind in PolicyKind::ALL {
        for costs in [Costs::Unit, Costs::Skewed] {
            let mut engine = Engine::new(kind.clone(), config(4096, Objective::Hits));
            let mut memory_after = |keys: std::ops::Range<u64>| {
                for key in keys {
                    let cost = if matches!(costs, Costs::Unit) { 16 } else { 1 << (mix(key + 1) % 11) };
                    engine.request(mix(key), cost);
                }
                engine.check().expect("consistent");
                (engine.memory(), engine.ledger().len())
            };
            let (early, few) = memory_after(0..20_000);
            let (late, many) = memory_after(20_000..120_000);
            assert!(early < 1 << 20, "{kind:?}: {early} bytes for some hundred residents");
            // A vector may yet double, and there may be more residents, of less cost each; what is kept for every key would grow sixfold.
            assert!(
                late * few <= 2 * early * many.max(few),
                "{kind:?}: {early} bytes for {few} grew to {late} for {many}"
            );
        }
    }
}

/// Giving memory back moves what stays: in every policy, with ghosts, however they leave.
#[test]
fn shrinking_loses_nobody() {
    for kind in PolicyKind::ALL {
        let mut engine = Engine::new(kind.clone(), config(3000, Objective::Hits));
        let mut effects = Vec::new();
        for round in 0..4 {
            // More than fit, so that there are ghosts; some asked for twice.
            for step in 0..9000 {
                engine.request(mix(round * 10_000 + step), 1);
                engine.request(mix(round * 10_000 + mix(step) % (step + 1)), 1);
            }
            let full = engine.memory();
            let kept = 40 + 50 * round as usize;
            if round % 2 == 0 {
                let residents: Vec<u64> =
                    (0..engine.ledger().len() as u32).map(|slot| engine.ledger().index(slot)).collect();
                for (nth, &index) in residents[kept..].iter().enumerate() {
                    engine.remove(index);
                    if nth % 97 == 0 {
                        engine.check().unwrap_or_else(|fault| panic!("{kind:?}: {fault}"));
                    }
                }
                assert!(
                    residents[..kept].iter().all(|&index| engine.ledger().find(index).is_some()),
                    "{kind:?}"
                );
            } else {
                engine.set_max_cost(kept as u64, &mut effects);
                engine.check().unwrap_or_else(|fault| panic!("{kind:?}: {fault}"));
                // Ghosts are trimmed by the next that leave.
                (0..3000).for_each(|step| _ = engine.request(mix(1 << 40 | round << 20 | step), 1));
                assert!(engine.memory() < full / 2, "{kind:?}: {} bytes of {full}", engine.memory());
                engine.set_max_cost(3000, &mut effects);
            }
            engine.check().unwrap_or_else(|fault| panic!("{kind:?}: {fault}"));
        }
    }
}

#[test]
fn one_key_inserted_and_removed_over_and_over_takes_no_memory() {
    for kind in PolicyKind::ALL {
        let mut engine = Engine::new(kind.clone(), config(1000, Objective::Hits));
        let mut effects = Vec::new();
        let mut rounds = |versions: std::ops::Range<u32>| {
            for version in versions {
                engine.write(
                    Write { index: 42, version, cost: 1, deadline: None, pinned: false },
                    &mut effects,
                );
                engine.remove(42);
            }
            engine.memory()
        };
        let early = rounds(0..1000);
        assert_eq!(rounds(1000..100_000), early, "{kind:?}");
        assert!(effects.is_empty());
    }
}

#[test]
fn names_are_unique_and_found() {
    for kind in PolicyKind::ALL {
        let found = PolicyKind::from_name(kind.name()).expect("a policy is found by its name");
        assert_eq!(found.build(&config(10, Objective::Hits)).name(), kind.name());
    }
    assert!(PolicyKind::from_name("custom").is_none());
}

/// Breaks its contract in every way that the engine promises to survive.
struct Wrong {
    calls: u64,
}

impl Wrong {
    fn name_nonsense(&mut self, ledger: &Ledger, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        self.calls += 1;
        match self.calls % 4 {
            0 => {}
            1 => victims.extend([0, 0, 0, ledger.len() as Slot - 1]),
            2 => victims.extend([Slot::MAX, ledger.len() as Slot, ledger.len() as Slot / 2]),
            _ => victims.extend(keep),
        }
    }
}

impl Policy for Wrong {
    fn name(&self) -> &'static str {
        "wrong"
    }

    fn hit(&mut self, _: &Ledger, _: Slot) {}

    fn miss(&mut self, _: &Ledger, _: u64) {}

    fn admit(&mut self, ledger: &Ledger, _: Candidate, victims: &mut Vec<Slot>) -> Admission {
        self.name_nonsense(ledger, None, victims);
        if self.calls.is_multiple_of(3) { Admission::Reject } else { Admission::Admit }
    }

    fn evict(&mut self, ledger: &Ledger, _: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        self.name_nonsense(ledger, keep, victims);
    }

    fn inserted(&mut self, _: &Ledger, _: Slot) {}

    fn removed(&mut self, _: &Ledger, _: Slot, _: Departure) {}

    fn moved(&mut self, _: Slot, _: Slot) {}

    fn clear(&mut self) {}
}

#[test]
fn the_budget_holds_under_a_policy_that_breaks_its_contract() {
    let kind = PolicyKind::Custom(Arc::new(|_| Box::new(Wrong { calls: 0 })));
    for max_cost in [1, 10, 100, 1000] {
        for costs in [Costs::Unit, Costs::Uniform, Costs::Skewed] {
            let mut bench = Bench::new(&kind, config(max_cost, Objective::Hits), Conduct::Wrong);
            for event in stream(max_cost, 3000, 150, max_cost, costs) {
                bench.play(event);
                bench.check();
            }
        }
    }
}

#[test]
fn a_victim_named_twice_leaves_once() {
    let kind = PolicyKind::Custom(Arc::new(|_| Box::new(Wrong { calls: 0 })));
    let mut bench = Bench::new(&kind, config(3, Objective::Hits), Conduct::Wrong);
    for index in 0..4 {
        bench.play(Event::Write { index, cost: 1, time_to_live: None });
    }
    // The first answer names slot 0 three times, and the last slot.
    assert_eq!(bench.history.iter().map(|effect| effect.index).collect::<Vec<_>>(), [2, 0]);
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let index = || prop_oneof![8 => (0u64..24).prop_map(mix), 1 => Just(0), 1 => Just(u64::MAX)];
    let cost = || prop_oneof![4 => 1u64..6, 1 => 1u64..60];
    let time_to_live = prop_oneof![3 => Just(None), 1 => (1u64..100).prop_map(Some)];
    let event = prop_oneof![
        8 => index().prop_map(Event::Access),
        8 => (index(), cost(), time_to_live)
            .prop_map(|(index, cost, time_to_live)| Event::Write { index, cost, time_to_live }),
        2 => index().prop_map(Event::Remove),
        1 => (1u64..60).prop_map(Event::SetMaxCost),
        1 => (1u64..60).prop_map(Event::Advance),
        1 => Just(Event::Clear),
    ];
    prop::collection::vec(event, 1..150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_events_leave_engine_and_model_in_agreement(max_cost in 1u64..60, events in events()) {
        for kind in PolicyKind::ALL {
            let mut bench = Bench::new(kind, config(max_cost, Objective::Hits), Conduct::Correct);
            for &event in &events {
                bench.play(event);
                bench.check();
            }
        }
    }
}
