//! What an engine remembers for the next one: what its policy has learned, and of each resident what is worth noting.
//!
//! A restored entry answers no request: no access is counted for it, no age grows. An engine that has learned what
//! another knew, and then restored its residents, decides as the other would have.

use super::{Effect, Engine, Slot, Verdict, Write};
use crate::policy::Keepsake;
use crate::policy::sketch::remix;

/// A resident, as it is remembered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Remembered {
    /// The index hash of its key.
    pub index: u64,
    /// What the policy says of it.
    pub keepsake: Keepsake,
}

impl Engine {
    /// All residents: those that are pinned, then the others in the order of their slots. O(n), and O(n log n) in what is pinned.
    pub fn remember(&self) -> Vec<Remembered> {
        let slots = 0..self.ledger.len() as u32;
        let residents = slots.map(|slot| Remembered {
            index: self.ledger.index(slot),
            keepsake: self.policy.keepsake(&self.ledger, slot),
        });
        self.remember_pins().chain(residents).collect()
    }

    /// What the policy has learned; empty if it keeps nothing.
    pub fn knowledge(&self) -> Vec<u64> {
        self.policy.knowledge()
    }

    /// Lets the policy take over what another one of its kind has learned. Returns whether it did.
    pub fn learn(&mut self, knowledge: &[u64]) -> bool {
        self.policy.learn(knowledge)
    }

    /// Decides on an entry that comes from a snapshot, with what was noted of it if the policy is the one that noted it. Like
    /// [`write`](Self::write) for a newcomer, but counts no access. Of an entry without a note nothing is known that would make it worth
    /// a resident: it comes in if there is room. An entry that is resident already is left alone.
    pub fn restore(&mut self, write: Write, note: Option<u64>, effects: &mut Vec<Effect>) {
        if self.known(write.index).is_some() {
            return;
        }
        if write.pinned {
            self.enter_pinned(write, effects);
            return;
        }
        let Some(note) = note else {
            let Write { index, version, cost, .. } = write;
            if self.ledger.shortfall(cost) > 0 {
                effects.push(Effect { index, version, cost, verdict: Verdict::Rejected });
            } else {
                self.enter(write, effects);
            }
            return;
        };
        if let Some(slot) = self.enter(write, effects) {
            self.policy.recall(&self.ledger, slot, note);
            self.scatter(slot, write);
        }
    }

    /// Puts the entry that came in last in the place of any other: what comes in the order of its worth is to lie in none (the shuffle of
    /// Fisher and Yates, as it goes along).
    fn scatter(&mut self, last: Slot, write: Write) {
        let other = (remix(write.index) % (u64::from(last) + 1)) as Slot;
        if other != last && self.policy.exchange(other, last) {
            self.ledger.exchange(other, last);
            self.wheel.schedule(last, None);
            self.wheel.moved(other, last);
            self.wheel.schedule(other, write.deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{PolicyConfig, PolicyKind};

    fn engine_of(kind: PolicyKind, max_cost: u64, num_counters: usize) -> Engine {
        let config = PolicyConfig { num_counters, max_cost, seed: 1, objective: Default::default() };
        Engine::new(kind, config)
    }

    fn engine(max_cost: u64, num_counters: usize) -> Engine {
        engine_of(PolicyKind::HitDensity, max_cost, num_counters)
    }

    /// Popular keys among strangers.
    fn play(engine: &mut Engine, from: u64, len: u64) -> f64 {
        let hits = (from..from + len)
            .filter(|&n| {
                let unit = (remix(n) >> 11) as f64 / (1u64 << 53) as f64;
                let key = if n % 3 == 0 { 1_000_000 + n } else { 20_000f64.powf(unit) as u64 };
                engine.request(remix(key), 1 + key % 3)
            })
            .count();
        engine.check().unwrap();
        hits as f64 / len as f64
    }

    fn hand_over(old: &Engine, new: &mut Engine) {
        assert!(new.learn(&old.knowledge()));
        let mut remembered = old.remember();
        remembered.sort_by(|a, b| b.keepsake.worth.total_cmp(&a.keepsake.worth));
        for Remembered { index, keepsake } in remembered {
            let cost = old.ledger().find(index).map_or(1, |slot| old.ledger().cost(slot));
            let write = Write { index, version: 0, cost, deadline: None, pinned: false };
            new.restore(write, Some(keepsake.note), &mut Vec::new());
            assert!(new.ledger().used() <= new.ledger().max_cost());
        }
        new.check().unwrap();
    }

    #[test]
    fn a_restored_engine_decides_as_the_old_one_would_have() {
        let mut old = engine(2000, 10_000);
        play(&mut old, 0, 100_000);
        let mut new = engine(2000, 10);
        hand_over(&old, &mut new);
        assert_eq!(new.ledger().len(), old.ledger().len());
        let (old_ratio, new_ratio) = (play(&mut old, 100_000, 5_000), play(&mut new, 100_000, 5_000));
        assert!((old_ratio - new_ratio).abs() < 0.003, "{new_ratio} restored, {old_ratio} had it gone on");
        let cold = play(&mut engine(2000, 10_000), 100_000, 5_000);
        assert!(cold < old_ratio - 0.05, "{cold} from nothing, {old_ratio}");
    }

    #[test]
    fn who_comes_back_lies_in_no_order_and_keeps_its_deadline() {
        let mut engine = engine(10_000, 100_000);
        for index in 0..1000 {
            let deadline = (index % 3 > 0).then_some(1000 + index);
            let write =
                Write { index, version: index as u32 % 7, cost: 1 + index % 5, deadline, pinned: false };
            engine.restore(write, Some(0), &mut Vec::new());
        }
        engine.check().unwrap();
        // Of the first half of the slots, about one half came early.
        let ledger = engine.ledger();
        let early = (0..500).filter(|&slot| ledger.index(slot) < 500).count();
        assert!((200..300).contains(&early), "{early} of 500 lie where they came");
        for index in 0..1000 {
            let slot = ledger.find(index).unwrap();
            assert_eq!((ledger.cost(slot), ledger.version(slot)), (1 + index % 5, index as u32 % 7));
            assert_eq!(engine.known(index).is_some_and(|known| known.is_scheduled), index % 3 > 0);
        }
        let mut due = Vec::new();
        while let Some(entry) = engine.due(1500) {
            due.push(entry.index);
        }
        due.sort_unstable();
        assert_eq!(due, (0..=500).filter(|index| index % 3 > 0).collect::<Vec<_>>());
    }

    #[test]
    fn tiny_lfu_goes_on_as_it_would_have() {
        let new = |max_cost| engine_of(PolicyKind::TinyLfu, max_cost, 20_000);
        let (mut old, mut restored, mut smaller) = (new(2000), new(2000), new(400));
        play(&mut old, 0, 100_000);
        hand_over(&old, &mut restored);
        hand_over(&old, &mut smaller);
        assert!(smaller.ledger().used() > 390);
        let mut grown = new(400);
        play(&mut grown, 0, 100_000);
        let [went_on, restored, smaller, grown, cold] =
            [&mut old, &mut restored, &mut smaller, &mut grown, &mut new(2000)]
                .map(|engine| play(engine, 100_000, 5_000));
        assert!((went_on - restored).abs() < 0.005, "{restored} restored, {went_on} had it gone on");
        assert!(smaller > grown - 0.02, "{smaller} restored, {grown} grown at that size");
        assert!(cold < went_on - 0.05, "{cold} from nothing, {went_on}");
        let words = old.knowledge();
        assert!((0..words.len()).all(|len| !old.learn(&words[..len])), "half of it is nothing");
    }

    #[test]
    fn a_smaller_budget_takes_the_best() {
        let mut old = engine(2000, 10_000);
        play(&mut old, 0, 100_000);
        let mut new = engine(400, 2_000);
        hand_over(&old, &mut new);
        assert!(new.ledger().used() > 390);
        let mut grown = engine(400, 2_000);
        play(&mut grown, 0, 100_000);
        let (new_ratio, grown_ratio) = (play(&mut new, 100_000, 5_000), play(&mut grown, 100_000, 5_000));
        assert!(new_ratio > grown_ratio - 0.02, "{new_ratio} restored, {grown_ratio} grown at that size");
    }

    #[test]
    fn knowledge_is_taken_over_while_the_cache_is_in_use() {
        let (mut old, mut new) = (engine(500, 5_000), engine(500, 5_000));
        play(&mut old, 0, 50_000);
        play(&mut new, 50_000, 20_000);
        hand_over(&old, &mut new);
        play(&mut new, 70_000, 20_000);
    }

    #[test]
    fn words_that_are_no_knowledge_change_nothing_or_do_no_harm() {
        let mut old = engine(100, 1000);
        play(&mut old, 0, 20_000);
        let words = old.knowledge();
        let mut new = engine(100, 1000);
        play(&mut new, 0, 1000);
        for len in (0..words.len()).step_by(words.len() / 300) {
            assert!(!new.learn(&words[..len]), "{len} of {} words", words.len());
        }
        let mut taken = 0;
        for n in 0..3 * words.len() as u64 {
            let mut words = words.clone();
            let at = (n / 3) as usize;
            words[at] = [remix(n), u64::MAX, words[at] ^ 1 << (remix(n) & 63)][(n % 3) as usize];
            if at > 40 && n % 37 != 0 {
                continue;
            }
            if new.learn(&words) {
                taken += 1;
                play(&mut new, n * 1000, 1000);
            }
        }
        assert!(taken > 10, "{taken}");
        let write = Write { index: 3, version: 0, cost: 1, deadline: None, pinned: false };
        new.restore(write, Some(u64::MAX), &mut Vec::new());
        play(&mut new, 0, 1000);
    }

    #[test]
    fn a_scale_without_words_to_show_for_it_is_not_believed() {
        let mut old = engine(1_000_000, 10_000_000);
        play(&mut old, 0, 1000);
        let words = old.knowledge();
        // A cache as large would take as much memory by itself; a small one would take it for the asking.
        assert!(engine(1_000_000, 10_000_000).learn(&words));
        assert!(!engine(1000, 10_000).learn(&words));
    }

    #[test]
    fn what_nothing_is_known_of_displaces_nobody() {
        let mut engine = engine(100, 1000);
        let write = |index, cost| Write { index, version: 0, cost, deadline: None, pinned: false };
        let mut effects = Vec::new();
        engine.restore(write(1, 60), None, &mut effects);
        engine.restore(write(2, 60), None, &mut effects);
        engine.restore(write(3, 40), None, &mut effects);
        let rejected: Vec<_> = effects.iter().map(|effect| (effect.index, effect.verdict)).collect();
        assert_eq!((rejected, engine.ledger().used()), (vec![(2, Verdict::Rejected)], 100));
        engine.check().unwrap();
    }
}
