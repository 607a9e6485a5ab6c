//! GDSF: hits per unit of cost, in an economy with inflation.
//!
//! Cherkasova: "Improving WWW proxies performance with Greedy-Dual-Size-Frequency caching policy", HP
//! Laboratories HPL-98-69R1, 1998; after Cao, Irani: "Cost-aware WWW proxy caching algorithms", USITS
//! 1997. An entry's priority is `L + hits / cost`, written when it enters and at each hit; the least
//! leaves, and L, the inflation, becomes its priority. So an entry must be hit again to stay ahead of
//! newcomers. A newcomer that would itself be among the least is turned away, and nobody leaves for it.
//!
//! [`Objective::Hits`] is as published, but that a newcomer turned away raises L to its own priority, as if
//! it had entered and left: otherwise residents that were all hit once could lock newcomers out for good. For [`Objective::Cost`] the benefit of a hit is the cost of the entry, which leaves `L + hits`: LFU with
//! dynamic ageing. O(log n) per event and victim.

use super::heap::SlotHeap;
use super::{Admission, Candidate, Departure, Ledger, Objective, Parameter, Policy, PolicyConfig, Slot};
use crate::store::slots;

/// Greedy-Dual-Size-Frequency (Cherkasova, HP Laboratories 1998).
#[derive(Debug)]
pub struct Gdsf {
    objective: Objective,
    heap: SlotHeap,
    /// Hits of each slot, the first access included.
    hits: Vec<u32>,
    /// L: the highest priority that an evicted entry had, or a newcomer that was turned away.
    inflation: f64,
    /// Scratch: the priorities of the entries named so far.
    priorities: Vec<(Slot, f64)>,
}

impl Gdsf {
    /// An empty heap.
    pub fn new(config: &PolicyConfig) -> Self {
        Self {
            objective: config.objective,
            heap: SlotHeap::default(),
            hits: Vec::new(),
            inflation: 0.0,
            priorities: Vec::new(),
        }
    }

    fn priority(&self, hits: u32, cost: u64) -> f64 {
        let value = match self.objective {
            Objective::Hits => f64::from(hits) / cost as f64,
            Objective::Cost => f64::from(hits),
        };
        self.inflation + value
    }

    /// Gives memory back if most entries have left.
    fn follow(&mut self) {
        let len = self.hits.len();
        slots::follow(&mut self.hits, len);
        self.heap.follow(len);
    }

    fn rank(&mut self, ledger: &Ledger, slot: Slot) {
        let priority = self.priority(self.hits[slot as usize], ledger.cost(slot));
        self.heap.rank(slot, priority);
    }

    /// Names the least until there is room. If one of them is above `limit`, nobody is to leave, and the
    /// answer is no.
    fn take_least(
        &mut self,
        ledger: &Ledger,
        shortfall: u64,
        keep: Option<Slot>,
        limit: f64,
        victims: &mut Vec<Slot>,
    ) -> bool {
        let kept = keep.and_then(|keep| Some((keep, self.heap.remove(keep)?)));
        let mut freed = 0;
        let mut enough = true;
        while freed < shortfall {
            let Some((slot, priority)) = self.heap.least() else { break };
            if priority > limit {
                enough = false;
                break;
            }
            self.heap.remove(slot);
            self.priorities.push((slot, priority));
            freed += ledger.cost(slot);
            victims.push(slot);
        }
        if enough {
            // A newcomer that was turned away may have raised it further.
            let last = self.priorities.last().map_or(self.inflation, |&(_, priority)| priority);
            self.inflation = self.inflation.max(last);
            self.priorities.clear();
        } else {
            self.inflation = limit;
        }
        // What stays goes back as it was.
        for (slot, priority) in self.priorities.drain(..).chain(kept) {
            self.heap.rank(slot, priority);
        }
        enough
    }
}

impl Policy for Gdsf {
    fn name(&self) -> &'static str {
        "gdsf"
    }

    fn hit(&mut self, ledger: &Ledger, slot: Slot) {
        let hits = &mut self.hits[slot as usize];
        *hits = hits.saturating_add(1);
        self.rank(ledger, slot);
    }

    fn miss(&mut self, _ledger: &Ledger, _index: u64) {}

    fn admit(&mut self, ledger: &Ledger, candidate: Candidate, victims: &mut Vec<Slot>) -> Admission {
        let own = self.priority(1, candidate.cost);
        let admitted = self.take_least(ledger, candidate.shortfall, None, own, victims);
        if admitted { Admission::Admit } else { Admission::Reject }
    }

    fn evict(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        self.take_least(ledger, shortfall, keep, f64::INFINITY, victims);
    }

    fn inserted(&mut self, ledger: &Ledger, slot: Slot) {
        debug_assert_eq!(slot as usize, self.hits.len(), "newcomers take the last slot");
        self.hits.push(1);
        self.rank(ledger, slot);
    }

    fn removed(&mut self, _ledger: &Ledger, slot: Slot, _why: Departure) {
        self.heap.remove(slot);
        if slot as usize + 1 == self.hits.len() {
            self.hits.pop();
            self.follow();
        }
    }

    fn moved(&mut self, from: Slot, to: Slot) {
        self.heap.relocate(from, to);
        self.hits.swap_remove(to as usize);
        self.follow();
    }

    fn clear(&mut self) {
        (self.heap, self.hits, self.inflation) = (SlotHeap::default(), Vec::new(), 0.0);
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![("inflation", self.inflation)]
    }

    fn memory(&self) -> usize {
        self.heap.memory()
            + self.hits.capacity() * size_of::<u32>()
            + self.priorities.capacity() * size_of::<(Slot, f64)>()
    }

    fn check(&self, ledger: &Ledger) -> Result<(), String> {
        if self.hits.len() != ledger.len() {
            return Err(format!("gdsf: {} hit counts for {} entries", self.hits.len(), ledger.len()));
        }
        self.heap.check(ledger.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;
    use crate::policy::{Objective, PolicyConfig, PolicyKind};

    #[test]
    fn inflation_never_falls() {
        let config = PolicyConfig { num_counters: 80, max_cost: 8, seed: 1, objective: Objective::Hits };
        let mut engine = Engine::new(PolicyKind::Gdsf, config);
        let mut inflation = 0.0;
        let mut request = |index, cost| {
            engine.request(index, cost);
            let now = engine.parameters()[0].1;
            assert!(now >= inflation, "{inflation} fell to {now} with {index}");
            inflation = now;
        };
        // One that is worth little, one that is worth much, and strangers between the two: they are turned away.
        request(1, 5);
        (0..30).for_each(|_| request(2, 3));
        (10..16).for_each(|stranger| request(stranger, 6));
        request(20, 1);
    }
}
