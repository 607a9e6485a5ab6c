//! The naive model of an engine: a map of what was admitted. Shared with the fuzz target.

use std::collections::HashMap;
use tollgate::engine::{Effect, Engine, Verdict, Write};
use tollgate::policy::{Objective, PolicyConfig, PolicyKind};

/// One event in its raw form: what, to which index, with which number.
pub type RawEvent = (u8, u8, u16);

/// Plays `events` on two engines of one seed and on the model.
pub fn play(config: [u8; 4], events: &[RawEvent]) {
    let [policy, cost, objective, seed] = config;
    let kind = &PolicyKind::ALL[policy as usize % PolicyKind::ALL.len()];
    let config = PolicyConfig {
        num_counters: 1 + 40 * usize::from(seed % 8),
        max_cost: [1, 5, 30, 400, u64::MAX][cost as usize % 5],
        seed: seed.into(),
        objective: if objective % 2 == 0 { Objective::Hits } else { Objective::Cost },
    };
    let pin_quota = config.max_cost / 3 * u64::from(seed >> 6);
    let mut model = Model {
        engine: Engine::new(kind.clone(), config).with_pin_quota(pin_quota),
        twin: Engine::new(kind.clone(), config).with_pin_quota(pin_quota),
        admitted: HashMap::new(),
        max_cost: config.max_cost,
        pin_quota,
        now: 0,
        version: 0,
        context: String::new(),
    };
    for (number, &event) in events.iter().enumerate() {
        model.context = format!("event {number}, {event:?}, of {} in {config:?}", kind.name());
        model.play(event);
        model.compare();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Admitted {
    version: u32,
    cost: u64,
    deadline: Option<u64>,
    pinned: bool,
}

struct Model {
    engine: Engine,
    /// Hears the same and must say the same.
    twin: Engine,
    admitted: HashMap<u64, Admitted>,
    max_cost: u64,
    pin_quota: u64,
    now: u64,
    version: u32,
    context: String,
}

impl Model {
    fn play(&mut self, (what, index, number): RawEvent) {
        let index = u64::from(index % 64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        match what % 18 {
            0..=5 => self.write(index, number, false),
            16 | 17 => self.write(index, number, true),
            6..=10 => {
                let resident = self.admitted.contains_key(&index);
                assert_eq!(self.engine.access(index), resident, "{}", self.context);
                self.twin.access(index);
            }
            11 => {
                self.engine.remove(index);
                self.twin.remove(index);
                self.admitted.remove(&index);
            }
            12 => self.resize(number),
            13 if number.is_multiple_of(8) => {
                self.engine.clear();
                self.twin.clear();
                self.admitted.clear();
            }
            13 => {
                let deadline = number.is_multiple_of(2).then(|| self.now + u64::from(number % 90));
                self.engine.reschedule(index, deadline);
                self.twin.reschedule(index, deadline);
                if let Some(admitted) = self.admitted.get_mut(&index) {
                    admitted.deadline = deadline;
                }
            }
            _ => self.advance(number),
        }
    }

    /// The cost of what is pinned, but for one.
    fn pinned_but(&self, index: u64) -> u64 {
        let others = self.admitted.iter().filter(|&(&other, admitted)| other != index && admitted.pinned);
        others.map(|(_, admitted)| admitted.cost).sum()
    }

    /// As the cache does: what is pinned stays so, and fits into the quota.
    fn write(&mut self, index: u64, number: u16, pin: bool) {
        self.version += 1;
        let scale = if number & 0x4000 == 0 { 1 } else { self.max_cost / 9 };
        let cost = u64::from(number % 11).saturating_mul(scale).max(1);
        let deadline = (number & 0x8000 != 0).then(|| self.now + u64::from(number % 70));
        let known = self.admitted.contains_key(&index);
        let was_pinned = self.admitted.get(&index).is_some_and(|admitted| admitted.pinned);
        let room = self.pin_quota.min(self.max_cost).saturating_sub(self.pinned_but(index));
        let pinned = (pin || was_pinned) && cost <= room && !(pin && number.is_multiple_of(3));
        self.write_as(Write { index, version: self.version, cost, deadline, pinned }, known);
    }

    fn write_as(&mut self, write: Write, known: bool) {
        let Write { index, version, cost, deadline, pinned } = write;
        let room = self.max_cost - self.pinned_but(index);
        let mut effects = Vec::new();
        self.engine.write(write, &mut effects);
        let mut echo = Vec::new();
        self.twin.write(write, &mut echo);
        assert_eq!(effects, echo, "not deterministic: {}", self.context);
        let newcomer = Admitted { version, cost, deadline, pinned };
        let turned_away = |effect: &Effect| effect.index == index && effect.verdict == Verdict::Rejected;
        if effects.iter().any(turned_away) {
            assert!(!known && !pinned, "an update or a pin was rejected: {}", self.context);
            assert_eq!(effects.len(), 1, "residents left for a rejected newcomer: {}", self.context);
            assert_eq!((effects[0].version, effects[0].cost), (newcomer.version, cost), "{}", self.context);
            return;
        }
        self.admitted.insert(index, newcomer);
        if pinned || cost <= room {
            assert!(effects.iter().all(|effect| effect.index != index), "{}", self.context);
        }
        self.carry_out(&effects);
    }

    /// Before the engine knows that the budget is lower: nobody leaves.
    fn unpin(&mut self, write: Write) {
        let (mut effects, mut echo) = (Vec::new(), Vec::new());
        self.engine.write(write, &mut effects);
        self.twin.write(write, &mut echo);
        assert!(effects.is_empty() && echo.is_empty(), "{effects:?}: {}", self.context);
        let unpinned =
            Admitted { version: write.version, cost: write.cost, deadline: write.deadline, pinned: false };
        self.admitted.insert(write.index, unpinned);
    }

    fn resize(&mut self, number: u16) {
        self.max_cost = [1 + u64::from(number % 500), u64::MAX][usize::from(number.is_multiple_of(7))];
        // As the cache does: what is pinned fits before the budget is lowered.
        for index in self.engine.pinned() {
            if self.pinned_but(u64::MAX) > self.pin_quota.min(self.max_cost) {
                self.version += 1;
                let Admitted { cost, deadline, .. } = self.admitted[&index];
                let write = Write { index, version: self.version, cost, deadline, pinned: false };
                self.unpin(write);
            }
        }
        let (mut effects, mut echo) = (Vec::new(), Vec::new());
        self.engine.set_max_cost(self.max_cost, &mut effects);
        self.twin.set_max_cost(self.max_cost, &mut echo);
        assert_eq!(effects, echo, "not deterministic: {}", self.context);
        self.carry_out(&effects);
    }

    fn advance(&mut self, number: u16) {
        self.now += u64::from(number % 40);
        loop {
            let due = self.engine.due(self.now);
            assert_eq!(due, self.twin.due(self.now), "not deterministic: {}", self.context);
            let Some(due) = due else {
                if self.engine.next_due().is_none_or(|next| next > self.now) {
                    break;
                }
                continue;
            };
            let admitted = self.admitted.get_mut(&due.index);
            let admitted = admitted.unwrap_or_else(|| panic!("{due:?} is not there: {}", self.context));
            assert_eq!(admitted.version, due.version, "{}", self.context);
            assert!(admitted.deadline.is_some_and(|deadline| deadline <= self.now), "{}", self.context);
            if number.is_multiple_of(3) {
                admitted.deadline = number.is_multiple_of(2).then_some(self.now + 5);
                self.engine.postpone(due, admitted.deadline);
                self.twin.postpone(due, admitted.deadline);
            } else {
                self.engine.expire(due);
                self.twin.expire(due);
                self.admitted.remove(&due.index);
            }
        }
        let late = |admitted: &Admitted| admitted.deadline.is_some_and(|deadline| deadline <= self.now);
        assert!(!self.admitted.values().any(late), "an entry is overdue: {}", self.context);
    }

    fn carry_out(&mut self, effects: &[Effect]) {
        for effect in effects {
            assert_eq!(effect.verdict, Verdict::Evicted, "{}", self.context);
            let is_pinned = self.admitted.get(&effect.index).is_some_and(|admitted| admitted.pinned);
            assert!(!is_pinned, "{effect:?} was pinned: {}", self.context);
            let left = self.admitted.remove(&effect.index);
            let left = left.unwrap_or_else(|| panic!("{effect:?} is not there: {}", self.context));
            assert_eq!((effect.version, effect.cost), (left.version, left.cost), "{}", self.context);
        }
    }

    fn compare(&self) {
        if let Err(inconsistency) = self.engine.check() {
            panic!("{inconsistency}: {}", self.context);
        }
        let ledger = self.engine.ledger();
        assert_eq!(self.engine.len(), self.admitted.len(), "{}", self.context);
        let (mut used, mut pinned) = (0, 0);
        for (index, admitted) in &self.admitted {
            used += admitted.cost;
            if admitted.pinned {
                assert!(ledger.find(*index).is_none(), "the policy knows {index}: {}", self.context);
                pinned += 1;
                continue;
            }
            let slot = ledger.find(*index).unwrap_or_else(|| panic!("{index} is lost: {}", self.context));
            assert_eq!(ledger.cost(slot), admitted.cost, "{}", self.context);
        }
        assert_eq!((self.engine.used(), self.engine.pinned().len()), (used, pinned), "{}", self.context);
        assert!(used <= self.max_cost, "{}", self.context);
        let first = self.admitted.values().filter_map(|admitted| admitted.deadline).min();
        assert_eq!(self.engine.next_due().is_some(), first.is_some(), "{}", self.context);
        assert!(
            self.engine.next_due() <= first.or(self.engine.next_due()),
            "asks too late: {}",
            self.context
        );
    }
}
