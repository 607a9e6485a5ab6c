//! Doubly linked lists threaded through per-slot arrays: the order books of the classic policies.
//!
//! One [`Links`] holds the neighbours of every slot; any number of [`List`]s share it, each slot being
//! on at most one of them. Every operation is O(1), and [`List::relocate`] follows the ledger when a removal
//! moves an entry to another slot.

use crate::engine::ledger::Slot;
use crate::store::slots;

const NONE: Slot = Slot::MAX;

/// The neighbours of every slot.
#[derive(Debug, Default)]
pub(crate) struct Links {
    newer: Vec<Slot>,
    older: Vec<Slot>,
}

impl Links {
    pub(crate) fn memory(&self) -> usize {
        (self.newer.capacity() + self.older.capacity()) * size_of::<Slot>()
    }

    /// Gives memory back if few entries are left, none of them at `len` or above.
    #[inline]
    pub(crate) fn follow(&mut self, len: usize) {
        slots::follow(&mut self.newer, len);
        slots::follow(&mut self.older, len);
    }

    fn reach(&mut self, slot: Slot) {
        if self.newer.len() <= slot as usize {
            self.newer.resize(slot as usize + 1, NONE);
            self.older.resize(slot as usize + 1, NONE);
        }
    }
}

/// A list from newest (front) to oldest (back), with the total cost of its members.
#[derive(Debug)]
pub(crate) struct List {
    newest: Slot,
    oldest: Slot,
    len: usize,
    /// Wider than a cost: ghosts are counted too, and may come to more than a budget can.
    cost: u128,
}

impl Default for List {
    fn default() -> Self {
        Self { newest: NONE, oldest: NONE, len: 0, cost: 0 }
    }
}

impl List {
    /// The number of members.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The sum of the costs of the members, as far as it can be told.
    pub(crate) fn cost(&self) -> u64 {
        u64::try_from(self.cost).unwrap_or(u64::MAX)
    }

    /// Adjusts the sum for a member whose cost changed.
    pub(crate) fn recost(&mut self, old: u64, new: u64) {
        self.cost = self.cost - u128::from(old) + u128::from(new);
    }

    /// The oldest member.
    pub(crate) fn oldest(&self) -> Option<Slot> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    /// The member that came just after `slot`.
    pub(crate) fn newer(&self, links: &Links, slot: Slot) -> Option<Slot> {
        let newer = links.newer[slot as usize];
        (newer != NONE).then_some(newer)
    }

    /// The members from oldest to newest.
    pub(crate) fn oldest_first<'a>(&self, links: &'a Links) -> impl Iterator<Item = Slot> + 'a {
        std::iter::successors(self.oldest(), |&slot| {
            let newer = links.newer[slot as usize];
            (newer != NONE).then_some(newer)
        })
    }

    /// Adds `slot`, which is on no list, as the newest.
    pub(crate) fn push(&mut self, links: &mut Links, slot: Slot, cost: u64) {
        links.reach(slot);
        links.newer[slot as usize] = NONE;
        links.older[slot as usize] = self.newest;
        match self.newest {
            NONE => self.oldest = slot,
            newest => links.newer[newest as usize] = slot,
        }
        self.newest = slot;
        self.len += 1;
        self.cost += u128::from(cost);
    }

    /// Takes a member out.
    pub(crate) fn unlink(&mut self, links: &mut Links, slot: Slot, cost: u64) {
        let (newer, older) = (links.newer[slot as usize], links.older[slot as usize]);
        match newer {
            NONE => self.newest = older,
            newer => links.older[newer as usize] = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => links.newer[older as usize] = newer,
        }
        self.len -= 1;
        self.cost -= u128::from(cost);
    }

    /// Makes a member the newest.
    pub(crate) fn renew(&mut self, links: &mut Links, slot: Slot) {
        if self.newest != slot {
            self.unlink(links, slot, 0);
            self.push(links, slot, 0);
        }
    }

    /// The member at `from` now lives at `to`, which is on no list.
    pub(crate) fn relocate(&mut self, links: &mut Links, from: Slot, to: Slot) {
        links.reach(to);
        let (newer, older) = (links.newer[from as usize], links.older[from as usize]);
        links.newer[to as usize] = newer;
        links.older[to as usize] = older;
        match newer {
            NONE => self.newest = to,
            newer => links.older[newer as usize] = to,
        }
        match older {
            NONE => self.oldest = to,
            older => links.newer[older as usize] = to,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_may_cost_more_than_a_budget_can() {
        let (mut links, mut list) = (Links::default(), List::default());
        for slot in 0..3 {
            list.push(&mut links, slot, u64::MAX);
        }
        assert_eq!(list.cost(), u64::MAX);
        list.recost(u64::MAX, 5);
        list.unlink(&mut links, 1, u64::MAX);
        list.unlink(&mut links, 2, u64::MAX);
        assert_eq!(list.cost(), 5);
    }
}
