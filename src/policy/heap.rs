//! A binary heap over the slots of the ledger: who is the least, and who moved up or down?
//!
//! Every slot knows its place in the heap, so that a change of its priority costs O(log n) and a
//! move to another slot O(1). Among equal priorities, the one ranked first is the least.

use crate::engine::ledger::Slot;
use crate::store::slots;
use std::cmp::Ordering;

/// Slots by priority.
#[derive(Debug, Default)]
pub(crate) struct SlotHeap {
    nodes: Vec<Node>,
    /// Per slot: its place in `nodes`, or [`ABSENT`].
    places: Vec<u32>,
    /// The number of rankings so far.
    rankings: u64,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    priority: f64,
    /// Which ranking this is, to break ties.
    ranking: u64,
    slot: Slot,
}

impl Node {
    fn is_below(&self, other: &Node) -> bool {
        self.priority.total_cmp(&other.priority).then(self.ranking.cmp(&other.ranking)) == Ordering::Less
    }
}

impl SlotHeap {
    /// Gives `slot` a priority, whether or not it had one. O(log n).
    pub(crate) fn rank(&mut self, slot: Slot, priority: f64) {
        if self.places.len() <= slot as usize {
            self.places.resize(slot as usize + 1, ABSENT);
        }
        let node = Node { priority, ranking: self.rankings, slot };
        self.rankings += 1;
        let mut place = self.places[slot as usize] as usize;
        if self.places[slot as usize] == ABSENT {
            place = self.nodes.len();
            self.nodes.push(node);
        }
        self.nodes[place] = node;
        self.settle(place);
    }

    /// The least slot and its priority.
    pub(crate) fn least(&self) -> Option<(Slot, f64)> {
        self.nodes.first().map(|node| (node.slot, node.priority))
    }

    /// Takes `slot` out, if it is in; returns its priority. O(log n).
    pub(crate) fn remove(&mut self, slot: Slot) -> Option<f64> {
        let place = std::mem::replace(&mut self.places[slot as usize], ABSENT);
        if place == ABSENT {
            return None;
        }
        let node = self.nodes.swap_remove(place as usize);
        if (place as usize) < self.nodes.len() {
            self.settle(place as usize);
        }
        Some(node.priority)
    }

    /// What was at `from` now lives at `to`, which is not in the heap.
    pub(crate) fn relocate(&mut self, from: Slot, to: Slot) {
        let place = std::mem::replace(&mut self.places[from as usize], ABSENT);
        self.places[to as usize] = place;
        if place != ABSENT {
            self.nodes[place as usize].slot = to;
        }
    }

    /// Gives memory back if few entries are left, none of them at `len` or above.
    pub(crate) fn follow(&mut self, len: usize) {
        let ranked = self.nodes.len();
        slots::follow(&mut self.nodes, ranked);
        slots::follow(&mut self.places, len);
    }

    /// Bytes of heap memory held.
    pub(crate) fn memory(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.places.capacity() * size_of::<u32>()
    }

    /// Verifies that the members are the slots `0..len`, each where it believes to be, none below its
    /// parent. O(n).
    pub(crate) fn check(&self, len: usize) -> Result<(), String> {
        if self.nodes.len() != len {
            return Err(format!("heap: {} nodes for {len} entries", self.nodes.len()));
        }
        for (place, node) in self.nodes.iter().enumerate() {
            if node.slot as usize >= len || self.places[node.slot as usize] as usize != place {
                return Err(format!("heap: {node:?} is at {place}, which its slot denies"));
            }
            if place > 0 && node.is_below(&self.nodes[(place - 1) / 2]) {
                return Err(format!("heap: {node:?} at {place} is below its parent"));
            }
        }
        Ok(())
    }

    /// Moves the node at `place` up or down to where it belongs, and records the places.
    fn settle(&mut self, mut place: usize) {
        while place > 0 && self.nodes[place].is_below(&self.nodes[(place - 1) / 2]) {
            self.swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
        while let Some(child) = self.lesser_child(place) {
            if !self.nodes[child].is_below(&self.nodes[place]) {
                break;
            }
            self.swap(place, child);
            place = child;
        }
        self.places[self.nodes[place].slot as usize] = place as u32;
    }

    fn lesser_child(&self, place: usize) -> Option<usize> {
        let (left, right) = (2 * place + 1, 2 * place + 2);
        match (self.nodes.get(left)?, self.nodes.get(right)) {
            (first, Some(second)) if second.is_below(first) => Some(right),
            _ => Some(left),
        }
    }

    /// Swaps two nodes and records the place of the one that is now at `settled`.
    fn swap(&mut self, moving: usize, settled: usize) {
        self.nodes.swap(moving, settled);
        self.places[self.nodes[moving].slot as usize] = moving as u32;
    }
}

const ABSENT: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    /// Rankings, removals and moves, beside a list that is searched.
    #[test]
    fn the_least_is_the_one_of_lowest_priority_that_was_ranked_first() {
        let (mut heap, mut listed) = (SlotHeap::default(), Vec::<(Slot, f64)>::new());
        let mut numbers = crate::policy::rng::SplitMix64::new(3);
        for _ in 0..20_000 {
            let slot = numbers.next() as Slot % 40;
            let place = listed.iter().position(|&(listed, _)| listed == slot);
            match (numbers.next() % 8, place) {
                (0..4, place) => {
                    // Few priorities: most are ties.
                    let priority = (numbers.next() % 12) as f64;
                    place.map(|place| listed.remove(place));
                    listed.push((slot, priority));
                    heap.rank(slot, priority);
                }
                (4..6, Some(place)) => assert_eq!(heap.remove(slot), Some(listed.remove(place).1)),
                (6.., Some(place)) => {
                    let vacant = (0..40).find(|slot| listed.iter().all(|(listed, _)| listed != slot));
                    let Some(vacant) = vacant.filter(|&vacant| heap.places.len() > vacant as usize) else {
                        continue;
                    };
                    heap.relocate(slot, vacant);
                    listed[place].0 = vacant;
                }
                (_, None) => continue,
            }
            let least =
                listed.iter().copied().reduce(|least, next| if next.1 < least.1 { next } else { least });
            assert_eq!(heap.least(), least);
        }
    }
}
