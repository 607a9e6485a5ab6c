//! Ghosts: the indices and costs of entries that were evicted lately, oldest forgotten first.
//!
//! A ghost queue is a [`Ledger`] of the departed with an order: the same dense slab and hash table,
//! and the same list that follows it. A policy that asks "did we throw this out a moment ago?" keeps
//! one or more.
//!
//! Bounded twice, by every [`push`](GhostQueue::push): by cost, because that is what the papers bound,
//! and by number, because ghosts of small entries would otherwise outnumber the residents.

use super::list::{Links, List};
use crate::engine::ledger::Ledger;

/// A bounded set of ghosts, from newest to oldest.
#[derive(Debug)]
pub(crate) struct GhostQueue {
    ghosts: Ledger,
    links: Links,
    order: List,
    /// The limits that were last imposed.
    limits: GhostLimits,
}

/// How much a [`GhostQueue`] may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct GhostLimits {
    pub(crate) cost: u64,
    pub(crate) number: usize,
}

impl GhostLimits {
    /// Ghosts of at most `cost` in all, and at most twice as many as there are residents.
    pub(crate) fn beside(residents: &Ledger, cost: u64) -> Self {
        Self { cost, number: 2 * residents.len() + 16 }
    }
}

impl Default for GhostQueue {
    fn default() -> Self {
        Self {
            ghosts: Ledger::new(u64::MAX),
            links: Links::default(),
            order: List::default(),
            limits: GhostLimits::default(),
        }
    }
}

impl GhostQueue {
    /// The sum of the costs of the ghosts.
    pub(crate) fn cost(&self) -> u64 {
        self.ghosts.used()
    }

    pub(crate) fn contains(&self, index: u64) -> bool {
        self.ghosts.find(index).is_some()
    }

    /// Adds `index`, which is no ghost yet, as the newest; forgets the oldest ghosts that are too many.
    pub(crate) fn push(&mut self, index: u64, cost: u64, limits: GhostLimits) {
        if cost > limits.cost {
            self.trim(limits);
            return;
        }
        // Room first: the sum must not overflow, and the newest is not the one to go.
        self.trim(GhostLimits { cost: limits.cost - cost, number: limits.number.saturating_sub(1) });
        self.limits = limits;
        let slot = self.ghosts.push(index, cost, 0);
        self.order.push(&mut self.links, slot, cost);
    }

    /// Whether `index` was a ghost; it no longer is.
    pub(crate) fn take(&mut self, index: u64) -> bool {
        let Some(slot) = self.ghosts.find(index) else { return false };
        self.order.unlink(&mut self.links, slot, self.ghosts.cost(slot));
        if let Some(from) = self.ghosts.swap_remove(slot) {
            self.order.relocate(&mut self.links, from, slot);
        }
        self.links.follow(self.ghosts.len());
        true
    }

    /// Forgets the oldest ghosts until both limits hold.
    pub(crate) fn trim(&mut self, limits: GhostLimits) {
        self.limits = limits;
        while self.ghosts.used() > limits.cost || self.ghosts.len() > limits.number {
            let Some(oldest) = self.order.oldest() else { break };
            self.take(self.ghosts.index(oldest));
        }
    }

    /// Bytes of heap memory held.
    pub(crate) fn memory(&self) -> usize {
        self.ghosts.memory() + self.links.memory()
    }

    /// Verifies that the order is that of the ghosts, that none is resident, and both bounds. O(n).
    pub(crate) fn check(&self, residents: &Ledger) -> Result<(), String> {
        self.ghosts.check()?;
        if self.ghosts.used() > self.limits.cost || self.ghosts.len() > self.limits.number {
            return Err(format!(
                "ghosts: {} of cost {}, the limits are {:?}",
                self.ghosts.len(),
                self.ghosts.used(),
                self.limits
            ));
        }
        let mut members = 0;
        for slot in self.order.oldest_first(&self.links) {
            members += 1;
            if members > self.ghosts.len() || slot as usize >= self.ghosts.len() {
                return Err(format!("ghosts: the order strays at {slot}"));
            }
            if residents.find(self.ghosts.index(slot)).is_some() {
                return Err(format!("ghosts: ghost {slot} is resident"));
            }
        }
        if (members, self.order.len(), self.order.cost()) != (self.ghosts.len(), members, self.ghosts.used())
        {
            return Err(format!("ghosts: {members} in the order, {} in all", self.ghosts.len()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMY: GhostLimits = GhostLimits { cost: 1_000, number: 1_000 };

    fn queue(ghosts: &[(u64, u64)], limits: GhostLimits) -> GhostQueue {
        let mut queue = GhostQueue::default();
        for &(index, cost) in ghosts {
            queue.push(index, cost, limits);
            queue.check(&Ledger::new(1)).expect("consistent");
        }
        queue
    }

    fn members(queue: &GhostQueue) -> Vec<u64> {
        queue.order.oldest_first(&queue.links).map(|slot| queue.ghosts.index(slot)).collect()
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        assert_eq!(members(&queue(&[(1, 1), (2, 1), (3, 1)], GhostLimits { number: 2, ..ROOMY })), [2, 3]);
        assert_eq!(members(&queue(&[(1, 4), (2, 4), (3, 4)], GhostLimits { cost: 9, ..ROOMY })), [2, 3]);
        assert_eq!(members(&queue(&[(1, 4), (2, 10)], GhostLimits { cost: 9, ..ROOMY })), [1]);
    }

    #[test]
    fn the_order_survives_removals_from_the_middle() {
        let mut queue = queue(&[(1, 1), (2, 1), (3, 1), (4, 1), (5, 1)], ROOMY);
        assert!(queue.take(2) && queue.take(1) && !queue.take(2));
        queue.check(&Ledger::new(1)).expect("consistent");
        assert_eq!(members(&queue), [3, 4, 5]);
        queue.trim(GhostLimits { cost: 1, number: 1 });
        assert_eq!(members(&queue), [5]);
    }
}
