//! A policy of your own: the most recently used entry goes.
//!
//! For a loop that is longer than the cache, LRU throws out exactly what is needed next and never hits.
//! Throwing out what was just used keeps a part of the loop resident, and hits on it every time round.
//!
//! ```text
//! cargo run --release --example custom_policy
//! ```

use std::sync::Arc;
use tollgate::engine::Engine;
use tollgate::policy::{
    Admission, Candidate, Departure, Ledger, Objective, Policy, PolicyConfig, PolicyKind, Slot,
};

/// Evicts the most recently used entries.
///
/// The state is one array beside the ledger's slots: when was the entry used? Everything else the ledger
/// knows. Finding the newest takes a look at every slot; a policy for large caches would keep a list.
#[derive(Default)]
struct MostRecentlyUsed {
    clock: u64,
    /// By slot.
    used_at: Vec<u64>,
}

impl MostRecentlyUsed {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// Names the most recently used entries, but not `keep`, until their costs reach `shortfall`.
    fn name_newest(&self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        let mut freed = 0;
        while freed < shortfall {
            let rest =
                (0..ledger.len() as Slot).filter(|slot| Some(*slot) != keep && !victims.contains(slot));
            let Some(newest) = rest.max_by_key(|&slot| self.used_at[slot as usize]) else { break };
            freed += ledger.cost(newest);
            victims.push(newest);
        }
    }
}

impl Policy for MostRecentlyUsed {
    fn name(&self) -> &'static str {
        "mru"
    }

    fn hit(&mut self, _ledger: &Ledger, slot: Slot) {
        self.used_at[slot as usize] = self.tick();
    }

    fn miss(&mut self, _ledger: &Ledger, _index: u64) {}

    fn admit(&mut self, ledger: &Ledger, candidate: Candidate, victims: &mut Vec<Slot>) -> Admission {
        self.name_newest(ledger, candidate.shortfall, None, victims);
        Admission::Admit
    }

    fn evict(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        self.name_newest(ledger, shortfall, keep, victims);
    }

    fn inserted(&mut self, _ledger: &Ledger, _slot: Slot) {
        // The newcomer has the new last slot.
        let now = self.tick();
        self.used_at.push(now);
    }

    fn removed(&mut self, _ledger: &Ledger, slot: Slot, _why: Departure) {
        // The last slot simply ends; into any other hole the last entry will be `moved`.
        if slot as usize + 1 == self.used_at.len() {
            self.used_at.pop();
        }
    }

    fn moved(&mut self, _from: Slot, to: Slot) {
        self.used_at.swap_remove(to as usize);
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn memory(&self) -> usize {
        self.used_at.capacity() * size_of::<u64>()
    }

    fn check(&self, ledger: &Ledger) -> Result<(), String> {
        if self.used_at.len() == ledger.len() {
            Ok(())
        } else {
            Err(format!("mru: {} stamps for {} entries", self.used_at.len(), ledger.len()))
        }
    }
}

fn main() {
    let mru = PolicyKind::Custom(Arc::new(|_config| Box::new(MostRecentlyUsed::default())));
    let config = PolicyConfig { num_counters: 3_000, max_cost: 300, seed: 1, objective: Objective::Hits };
    println!("hit ratio on a loop over 1000 keys, 300 of which fit, after 100 rounds:");
    for kind in [PolicyKind::Lru, PolicyKind::Random, PolicyKind::default(), mru] {
        let mut engine = Engine::new(kind, config);
        let requests = 100_000;
        // The keys are spread over all 64 bits, as a hash would.
        let hits = (0..requests)
            .filter(|step| engine.request((step % 1000 + 1_u64).wrapping_mul(0x9e37_79b9_7f4a_7c15), 1))
            .count();
        engine.check().expect("the policy follows the ledger");
        println!("{:>8}  {:4.1} %", engine.policy_name(), 100.0 * hits as f64 / requests as f64);
    }
}
