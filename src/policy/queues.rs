//! A fixed number of queues over the slots of the ledger, every slot on exactly one of them.
//!
//! Most classic policies are this: a few orders (window, probation, protected, ...), a small mark per
//! entry (visited, frequency), and rules for going from one to another. The bookkeeping that follows
//! the ledger's dense slots is written here once; the rules are each policy's own.
//!
//! A slot that was chosen as a victim is [pulled](Queues::pull): off its queue, so that no search
//! meets it twice, but still known, so that [`leave`](Queues::leave) can say which queue it came from.

use super::list::{Links, List};
use crate::engine::ledger::{Ledger, Slot};
use crate::store::slots;

/// `N` queues, from newest to oldest. `N` is at most 8.
#[derive(Debug)]
pub(crate) struct Queues<const N: usize> {
    links: Links,
    queues: [List; N],
    /// Per slot, dense as the ledger: bits 0-2 the queue, bits 3-6 the mark, bit 7 whether it is pulled.
    places: Vec<u8>,
}

impl<const N: usize> Default for Queues<N> {
    fn default() -> Self {
        const { assert!(N <= 8, "a place has three bits for the queue") };
        Self { links: Links::default(), queues: std::array::from_fn(|_| List::default()), places: Vec::new() }
    }
}

impl<const N: usize> Queues<N> {
    /// The number of members of a queue.
    pub(crate) fn len(&self, queue: usize) -> usize {
        self.queues[queue].len()
    }

    /// The sum of the costs of the members of a queue.
    pub(crate) fn cost(&self, queue: usize) -> u64 {
        self.queues[queue].cost()
    }

    /// The oldest member of a queue.
    pub(crate) fn oldest(&self, queue: usize) -> Option<Slot> {
        self.queues[queue].oldest()
    }

    /// The members of a queue, from oldest to newest.
    pub(crate) fn oldest_first(&self, queue: usize) -> impl Iterator<Item = Slot> + '_ {
        self.queues[queue].oldest_first(&self.links)
    }

    /// The member that came just after `slot` on its queue.
    pub(crate) fn newer(&self, slot: Slot) -> Option<Slot> {
        self.queues[self.queue_of(slot)].newer(&self.links, slot)
    }

    /// The queue of `slot`.
    pub(crate) fn queue_of(&self, slot: Slot) -> usize {
        usize::from(self.places[slot as usize] & QUEUE)
    }

    /// The mark of `slot`; 0 at first.
    pub(crate) fn mark(&self, slot: Slot) -> u8 {
        (self.places[slot as usize] & MARK) >> MARK_SHIFT
    }

    /// Sets the mark of `slot`, at most 15.
    pub(crate) fn set_mark(&mut self, slot: Slot, mark: u8) {
        debug_assert!(mark <= 15, "a mark has four bits");
        let place = &mut self.places[slot as usize];
        *place = (*place & !MARK) | (mark << MARK_SHIFT);
    }

    /// A newcomer, at the new last slot, becomes the newest of `queue`.
    pub(crate) fn enter(&mut self, ledger: &Ledger, slot: Slot, queue: usize) {
        debug_assert_eq!(slot as usize, self.places.len(), "newcomers take the last slot");
        self.places.push(queue as u8);
        self.queues[queue].push(&mut self.links, slot, ledger.cost(slot));
    }

    /// Makes `slot` the newest of `queue`, which may be the one that it is on.
    pub(crate) fn shift(&mut self, ledger: &Ledger, slot: Slot, queue: usize) {
        let old = self.queue_of(slot);
        if old == queue {
            self.queues[queue].renew(&mut self.links, slot);
            return;
        }
        let cost = ledger.cost(slot);
        self.queues[old].unlink(&mut self.links, slot, cost);
        self.queues[queue].push(&mut self.links, slot, cost);
        let place = &mut self.places[slot as usize];
        *place = (*place & !QUEUE) | queue as u8;
    }

    /// Takes a victim off its queue; its removal follows.
    pub(crate) fn pull(&mut self, ledger: &Ledger, slot: Slot) {
        let queue = self.queue_of(slot);
        self.queues[queue].unlink(&mut self.links, slot, ledger.cost(slot));
        self.places[slot as usize] |= PULLED;
    }

    /// The entry at `slot` leaves the ledger. Returns the queue that it was on, or was pulled from.
    pub(crate) fn leave(&mut self, ledger: &Ledger, slot: Slot) -> usize {
        let queue = self.queue_of(slot);
        if self.places[slot as usize] & PULLED == 0 {
            self.queues[queue].unlink(&mut self.links, slot, ledger.cost(slot));
        }
        if slot as usize + 1 == self.places.len() {
            self.places.pop();
            self.follow();
        }
        queue
    }

    /// The entry at the last slot, `from`, now lives at `to`, which has just been left.
    pub(crate) fn relocate(&mut self, from: Slot, to: Slot) {
        self.places.swap_remove(to as usize);
        debug_assert_eq!(from as usize, self.places.len(), "only the last slot moves");
        if self.places[to as usize] & PULLED == 0 {
            self.queues[self.queue_of(to)].relocate(&mut self.links, from, to);
        }
        self.follow();
    }

    /// Gives memory back if most entries have left. Places and links grow alike, so that one look is enough.
    #[inline]
    fn follow(&mut self) {
        let len = self.places.len();
        if slots::is_deserted(len, self.places.capacity()) {
            slots::follow(&mut self.places, len);
            self.links.follow(len);
        }
    }

    /// The cost of `slot` was `old_cost`.
    pub(crate) fn recost(&mut self, ledger: &Ledger, slot: Slot, old_cost: u64) {
        self.queues[self.queue_of(slot)].recost(old_cost, ledger.cost(slot));
    }

    /// Names members of a queue, oldest first and without `keep`, until their costs reach `shortfall`.
    /// Returns the cost named. The order stays as it is.
    pub(crate) fn name_oldest(
        &self,
        ledger: &Ledger,
        queue: usize,
        shortfall: u64,
        keep: Option<Slot>,
        victims: &mut Vec<Slot>,
    ) -> u64 {
        let mut freed = 0;
        for slot in self.oldest_first(queue).filter(|&slot| Some(slot) != keep) {
            if freed >= shortfall {
                break;
            }
            freed += ledger.cost(slot);
            victims.push(slot);
        }
        freed
    }

    /// Bytes of heap memory held.
    pub(crate) fn memory(&self) -> usize {
        self.links.memory() + self.places.capacity()
    }

    /// Verifies that the members are the slots of the ledger, and the sums theirs. O(n).
    pub(crate) fn check(&self, ledger: &Ledger) -> Result<(), String> {
        if self.places.len() != ledger.len() {
            return Err(format!("queues: {} places for {} entries", self.places.len(), ledger.len()));
        }
        let mut seen = vec![false; ledger.len()];
        for queue in 0..N {
            let (mut members, mut cost) = (0, 0);
            for slot in self.oldest_first(queue) {
                if slot as usize >= ledger.len() || std::mem::replace(&mut seen[slot as usize], true) {
                    return Err(format!("queues: slot {slot} is met twice, or is no entry"));
                }
                if self.places[slot as usize] & PULLED != 0 || self.queue_of(slot) != queue {
                    return Err(format!("queues: slot {slot} is on queue {queue} against its place"));
                }
                members += 1;
                cost += ledger.cost(slot);
            }
            let list = &self.queues[queue];
            if (members, cost) != (list.len(), list.cost()) {
                return Err(format!(
                    "queues: queue {queue} has {members} members of cost {cost}, believes {} of {}",
                    list.len(),
                    list.cost()
                ));
            }
        }
        match seen.iter().position(|&seen| !seen) {
            Some(slot) => Err(format!("queues: slot {slot} is on no queue")),
            None => Ok(()),
        }
    }
}

const QUEUE: u8 = 0b0000_0111;
const MARK: u8 = 0b0111_1000;
const MARK_SHIFT: u32 = 3;
const PULLED: u8 = 0b1000_0000;
