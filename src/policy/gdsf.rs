//! GDSF: hits per unit of cost, in an economy with inflation.
//!
//! Cherkasova: "Improving WWW proxies performance with Greedy-Dual-Size-Frequency caching policy", HP
//! Laboratories HPL-98-69R1, 1998; after Cao, Irani: "Cost-aware WWW proxy caching algorithms", USITS
//! 1997. An entry's priority is `L + hits / cost`, written when it enters and at each hit; the least
//! leaves, and L, the inflation, becomes its priority. So an entry must be hit again to stay ahead of
//! newcomers.
//!
//! [`Objective::Hits`] is as published. For [`Objective::Cost`] the benefit of a hit is the cost of the
//! entry, and the priority `L + hits`: the same with its published generalisation of benefit (LFU with
//! dynamic ageing). O(log n) per event.

use super::heap::SlotHeap;
use super::{Admission, Candidate, Departure, Ledger, Objective, Parameter, Policy, PolicyConfig, Slot};

/// Greedy-Dual-Size-Frequency.
#[derive(Debug)]
pub struct Gdsf {
    objective: Objective,
    heap: SlotHeap,
    /// Hits of each slot, the first access included.
    hits: Vec<u32>,
    /// L: the highest priority that an evicted entry had.
    inflation: f64,
}

impl Gdsf {
    /// An empty heap.
    pub fn new(config: &PolicyConfig) -> Self {
        Self { objective: config.objective, heap: SlotHeap::default(), hits: Vec::new(), inflation: 0.0 }
    }

    fn priority(&self, hits: u32, cost: u64) -> f64 {
        let value = match self.objective {
            Objective::Hits => f64::from(hits) / cost as f64,
            Objective::Cost => f64::from(hits),
        };
        self.inflation + value
    }

    fn rank(&mut self, ledger: &Ledger, slot: Slot) {
        let priority = self.priority(self.hits[slot as usize], ledger.cost(slot));
        self.heap.rank(slot, priority);
    }

    fn take_least(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        let kept = keep.and_then(|keep| Some((keep, self.heap.remove(keep)?)));
        let mut freed = 0;
        while freed < shortfall {
            let Some((slot, priority)) = self.heap.least() else { break };
            self.heap.remove(slot);
            self.inflation = priority;
            freed += ledger.cost(slot);
            victims.push(slot);
        }
        if let Some((keep, priority)) = kept {
            self.heap.rank(keep, priority);
        }
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
        self.take_least(ledger, candidate.shortfall, None, victims);
        Admission::Admit
    }

    fn evict(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        self.take_least(ledger, shortfall, keep, victims);
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
        }
    }

    fn moved(&mut self, from: Slot, to: Slot) {
        self.heap.relocate(from, to);
        self.hits.swap_remove(to as usize);
    }

    fn clear(&mut self) {
        (self.heap, self.hits, self.inflation) = (SlotHeap::default(), Vec::new(), 0.0);
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![("inflation", self.inflation)]
    }

    fn memory(&self) -> usize {
        self.heap.memory() + self.hits.capacity() * size_of::<u32>()
    }

    fn check(&self, ledger: &Ledger) -> Result<(), String> {
        if self.hits.len() != ledger.len() {
            return Err(format!("gdsf: {} hit counts for {} entries", self.hits.len(), ledger.len()));
        }
        self.heap.check(ledger.len())
    }
}
