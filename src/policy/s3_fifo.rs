//! S3-FIFO: a small queue in front that most newcomers do not survive.
//!
//! Yang, Zhang, Qiu, Yue, Rashmi: "FIFO queues are all you need for cache eviction", SOSP 2023.
//! Newcomers enter a small FIFO queue of a tenth of the budget; at its end, those hit at least twice go
//! on to the main queue, the others leave and become ghosts. A ghost that comes back enters the main
//! queue directly, which is FIFO with up to three second chances.
//!
//! As published; costs take the place of counts: the small queue's tenth and the ghosts' nine tenths
//! are shares of the budget's cost. While there is room, everything enters the small queue.

use super::ghost_queue::{GhostLimits, GhostQueue};
use super::queues::Queues;
use super::{Admission, Candidate, Departure, Ledger, Policy, PolicyConfig, Slot};

/// S3-FIFO (Yang et al., SOSP 2023): a small FIFO queue in front of a main one, and ghosts.
#[derive(Debug, Default)]
pub struct S3Fifo {
    /// The mark of an entry is its number of hits, at most 3.
    queues: Queues<2>,
    /// Those that left from the small queue.
    ghosts: GhostQueue,
    /// The candidate last admitted, if it was a ghost: its own victims may have pushed it out since.
    returning: Option<u64>,
}

impl S3Fifo {
    /// Empty queues.
    pub fn new(_config: &PolicyConfig) -> Self {
        Self::default()
    }

    fn take(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        let mut freed = 0;
        while freed < shortfall {
            let others = [SMALL, MAIN].map(|queue| {
                let kept = keep.is_some_and(|keep| self.queues.queue_of(keep) == queue);
                self.queues.len(queue) - usize::from(kept)
            });
            let small_is_full = self.queues.cost(SMALL) >= ledger.max_cost() / 10;
            let queue = match others {
                [0, 0] => break,
                [0, _] => MAIN,
                [_, 0] => SMALL,
                _ => {
                    if small_is_full {
                        SMALL
                    } else {
                        MAIN
                    }
                }
            };
            let Some(slot) = self.queues.oldest(queue) else { break };
            if Some(slot) == keep {
                // Out of the way, and no further than it has come.
                self.queues.shift(ledger, slot, queue);
            } else if self.spare(slot, queue) {
                self.queues.shift(ledger, slot, MAIN);
            } else {
                freed += ledger.cost(slot);
                self.queues.pull(ledger, slot);
                victims.push(slot);
            }
        }
    }

    /// Whether the oldest of `queue` has earned a (further) stay in the main queue; takes what it costs.
    fn spare(&mut self, slot: Slot, queue: usize) -> bool {
        let hits = self.queues.mark(slot);
        let (spared, left) = match queue {
            SMALL => (hits > 1, 0),
            _ => (hits > 0, hits.saturating_sub(1)),
        };
        self.queues.set_mark(slot, left);
        spared
    }
}

impl Policy for S3Fifo {
    fn name(&self) -> &'static str {
        "s3-fifo"
    }

    fn hit(&mut self, _ledger: &Ledger, slot: Slot) {
        self.queues.set_mark(slot, (self.queues.mark(slot) + 1).min(3));
    }

    fn miss(&mut self, _ledger: &Ledger, _index: u64) {}

    fn admit(&mut self, ledger: &Ledger, candidate: Candidate, victims: &mut Vec<Slot>) -> Admission {
        self.returning = self.ghosts.take(candidate.index).then_some(candidate.index);
        self.take(ledger, candidate.shortfall, None, victims);
        Admission::Admit
    }

    fn evict(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        self.take(ledger, shortfall, keep, victims);
    }

    fn inserted(&mut self, ledger: &Ledger, slot: Slot) {
        let index = ledger.index(slot);
        let returns = self.returning.take() == Some(index) || self.ghosts.take(index);
        self.queues.enter(ledger, slot, if returns { MAIN } else { SMALL });
    }

    fn removed(&mut self, ledger: &Ledger, slot: Slot, why: Departure) {
        if self.queues.leave(ledger, slot) == SMALL && why == Departure::Evicted {
            let limits = GhostLimits::beside(ledger, ledger.max_cost() - ledger.max_cost() / 10);
            self.ghosts.push(ledger.index(slot), ledger.cost(slot), limits);
        }
    }

    fn moved(&mut self, from: Slot, to: Slot) {
        self.queues.relocate(from, to);
    }

    fn recosted(&mut self, ledger: &Ledger, slot: Slot, old_cost: u64) {
        self.queues.recost(ledger, slot, old_cost);
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn memory(&self) -> usize {
        self.queues.memory() + self.ghosts.memory()
    }

    fn check(&self, ledger: &Ledger) -> Result<(), String> {
        self.queues.check(ledger)?;
        self.ghosts.check(ledger)
    }
}

const SMALL: usize = 0;
const MAIN: usize = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engine, Write};
    use crate::policy::{Objective, PolicyKind};

    #[test]
    fn who_grows_has_not_earned_a_place() {
        for cost in [1, 2] {
            let config =
                PolicyConfig { num_counters: 1000, max_cost: 100, seed: 1, objective: Objective::Hits };
            let mut engine = Engine::new(PolicyKind::S3Fifo, config);
            (0..100).for_each(|index| _ = engine.request(index, 1));
            let rewrite = Write { index: 0, version: 9, cost, deadline: None, pinned: false };
            engine.write(rewrite, &mut Vec::new());
            (1000..1300).for_each(|stranger| _ = engine.request(stranger, 1));
            engine.check().unwrap();
            assert!(engine.ledger().find(0).is_none(), "rewritten at a cost of {cost}, and never read");
        }
    }
}
