//! An LRU stack that can be asked for the cost above an entry, in O(log n).
//!
//! A log of positions, oldest first: a touched sample leaves its position vacant and takes the next one. A Fenwick tree over
//! the positions (Fenwick, "A new data structure for cumulative frequency tables", 1994) adds the costs up; a table finds
//! the position of an index. When the log is full, the owner [`compact`](Stack::compact)s it.

use crate::store::Table;
use std::num::NonZeroU32;

/// Where a sample is, until the next compaction. They begin at 1, as Fenwick's tree has it.
pub(super) type Position = NonZeroU32;

/// See the [module](self).
#[derive(Debug, Clone)]
pub(super) struct Stack {
    /// By position; the first is not used.
    samples: Box<[Sample]>,
    /// Fenwick's tree: the sum of the costs of the last `position & -position` samples up to this one.
    sums: Box<[u64]>,
    positions: Table<Position>,
    /// The next position to be taken.
    next: usize,
    /// The cost of all samples.
    cost: u64,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    index: u64,
    /// 0 if the position is vacant.
    cost: u64,
    is_asked: bool,
}

const VACANT: Sample = Sample { index: 0, cost: 0, is_asked: false };

impl Stack {
    /// A stack whose log has so many positions.
    pub(super) fn new(positions: usize) -> Self {
        Self {
            samples: vec![VACANT; positions + 1].into(),
            sums: vec![0; positions + 1].into(),
            positions: Table::new(),
            next: 1,
            cost: 0,
        }
    }

    /// The number of samples.
    pub(super) fn len(&self) -> usize {
        self.positions.len()
    }

    /// Whether every position was taken.
    pub(super) fn is_full(&self) -> bool {
        self.next == self.samples.len()
    }

    pub(super) fn find(&self, index: u64) -> Option<Position> {
        let place = self.positions.find(index, |&at| self.samples[number(at)].index == index)?;
        Some(*self.positions.at(place))
    }

    pub(super) fn cost(&self, position: Position) -> u64 {
        self.samples[number(position)].cost
    }

    /// Whether the sample's last request was a miss that was not answered yet.
    pub(super) fn is_asked(&self, position: Position) -> bool {
        self.samples[number(position)].is_asked
    }

    /// The cost of the samples that were pushed after the one at `position`. O(log positions).
    pub(super) fn cost_since(&self, position: Position) -> u64 {
        let mut at = number(position);
        let mut up_to = 0;
        while at > 0 {
            up_to += self.sums[at];
            at &= at - 1;
        }
        self.cost - up_to
    }

    /// Puts a sample on top that is not there. O(log positions).
    ///
    /// # Panics
    /// If the log is full.
    pub(super) fn push(&mut self, index: u64, cost: u64, is_asked: bool) {
        debug_assert!(cost > 0 && self.find(index).is_none(), "a sample has a cost and is there once");
        let position = Position::new(self.next as u32).expect("positions begin at 1");
        self.samples[self.next] = Sample { index, cost, is_asked };
        self.next += 1;
        self.cost += cost;
        self.raise(position, cost);
        let samples = &self.samples;
        self.positions.insert(index, position, |&at| samples[number(at)].index);
    }

    /// The miss is answered: what the entry costs is known anew.
    pub(super) fn answer(&mut self, position: Position, cost: u64) {
        let sample = &mut self.samples[number(position)];
        sample.is_asked = false;
        let old = std::mem::replace(&mut sample.cost, cost);
        self.cost = self.cost - old + cost;
        // Modulo 2^64 a difference may be negative; the sums are not.
        self.raise(position, cost.wrapping_sub(old));
    }

    /// Takes a sample out. O(log positions).
    pub(super) fn remove(&mut self, position: Position) {
        let Sample { index, cost, .. } = std::mem::replace(&mut self.samples[number(position)], VACANT);
        self.cost -= cost;
        self.raise(position, cost.wrapping_neg());
        let place = self.positions.find(index, |&at| at == position).expect("a sample is in the table");
        self.positions.remove(place, index);
    }

    /// Takes every sample out that is not to be kept, the latest first. `keep` is told its index, and the cost of those kept
    /// that were pushed after it.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(u64, u64) -> bool) {
        let mut cost_since = 0;
        for at in (1..self.next as u32).rev().filter_map(Position::new) {
            let Sample { index, cost, .. } = self.samples[number(at)];
            if cost == 0 {
                continue;
            }
            if keep(index, cost_since) {
                cost_since += cost;
            } else {
                self.remove(at);
            }
        }
    }

    /// Closes the gaps: positions change, the order does not. O(positions).
    pub(super) fn compact(&mut self) {
        let mut free = 1;
        for from in 1..self.next {
            let sample = std::mem::replace(&mut self.samples[from], VACANT);
            if sample.cost == 0 {
                continue;
            }
            // Samples that moved are below `free`, those to come above `from`: the number is one sample's alone.
            let place = self.positions.find(sample.index, |&at| number(at) == from);
            let place = place.expect("a sample is in the table");
            *self.positions.at_mut(place) = Position::new(free as u32).expect("positions begin at 1");
            self.samples[free] = sample;
            free += 1;
        }
        self.next = free;
        self.sum_up();
    }

    /// The cost of all samples.
    #[cfg(test)]
    pub(super) fn samples_cost(&self) -> u64 {
        self.cost
    }

    pub(super) fn indices(&self) -> impl Iterator<Item = u64> + '_ {
        self.samples.iter().filter(|sample| sample.cost > 0).map(|sample| sample.index)
    }

    /// Bytes of heap memory held.
    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.samples) + size_of_val(&*self.sums) + self.positions.memory()
    }

    /// Verifies that samples, table and sums agree. O(positions).
    pub(super) fn check(&self) -> Result<(), String> {
        self.positions.check(|&at| self.samples[number(at)].index)?;
        let mut cost = 0;
        let mut len = 0;
        for at in 1..self.samples.len() {
            let sample = self.samples[at];
            if sample.cost > 0 {
                len += 1;
                if at >= self.next || self.find(sample.index).map(number) != Some(at) {
                    return Err(format!("curve: the sample at {at} is not found"));
                }
            }
            cost += sample.cost;
            let since = self.cost_since(Position::new(at as u32).expect("positions begin at 1"));
            if self.cost.checked_sub(cost) != Some(since) {
                return Err(format!("curve: {since} since {at}, of {} after {cost}", self.cost));
            }
        }
        if cost != self.cost || len != self.len() {
            return Err(format!("curve: {len} samples cost {cost}; {} cost {}", self.len(), self.cost));
        }
        Ok(())
    }

    /// Adds to the cost at a position, modulo 2^64.
    fn raise(&mut self, position: Position, by: u64) {
        let mut at = number(position);
        while at < self.sums.len() {
            self.sums[at] = self.sums[at].wrapping_add(by);
            at += at & at.wrapping_neg();
        }
    }

    /// Builds the tree anew.
    fn sum_up(&mut self) {
        self.sums.fill(0);
        for at in 1..self.sums.len() {
            self.sums[at] += self.samples[at].cost;
            let parent = at + (at & at.wrapping_neg());
            if parent < self.sums.len() {
                self.sums[parent] += self.sums[at];
            }
        }
    }
}

fn number(position: Position) -> usize {
    position.get() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POSITIONS: usize = 24;

    proptest! {
        /// Against a vector, oldest first.
        #[test]
        fn it_is_a_stack(steps in prop::collection::vec((0..12_u64, 1..100_u64, 0..8_u8), 0..200)) {
            let mut stack = Stack::new(POSITIONS);
            let mut model: Vec<(u64, u64)> = Vec::new();
            for (index, cost, action) in steps {
                let known = model.iter().position(|entry| entry.0 == index);
                let position = stack.find(index);
                prop_assert_eq!(position.is_some(), known.is_some());
                if let (Some(position), Some(known)) = (position, known) {
                    let since: u64 = model[known + 1..].iter().map(|entry| entry.1).sum();
                    prop_assert_eq!(stack.cost_since(position), since);
                    prop_assert_eq!(stack.cost(position), model[known].1);
                    if action == 0 {
                        stack.answer(position, cost);
                        model[known].1 = cost;
                    } else {
                        stack.remove(position);
                        model.remove(known);
                    }
                }
                if action > 1 {
                    stack.push(index, cost, action == 2);
                    model.push((index, cost));
                    let top = stack.find(index).expect("it was pushed");
                    prop_assert_eq!((stack.cost_since(top), stack.is_asked(top)), (0, action == 2));
                }
                if action == 7 {
                    let most = 4 * cost;
                    stack.retain(|_, since| since <= most);
                    while model.iter().skip(1).map(|entry| entry.1).sum::<u64>() > most {
                        model.remove(0);
                    }
                }
                if stack.is_full() {
                    stack.compact();
                }
                prop_assert_eq!(stack.check(), Ok(()));
                prop_assert!(stack.indices().eq(model.iter().map(|entry| entry.0)));
            }
        }
    }
}
