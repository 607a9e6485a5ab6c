//! LIRS: how long ago was it used *the time before last*?
//!
//! Jiang, Zhang: "LIRS: an efficient low inter-reference recency set replacement policy", SIGMETRICS
//! 2002. Entries that came back soon (low inter-reference recency, LIR) hold 99 % of the budget; the rest
//! (HIR) pass through 1 %. The stack S orders by last use the LIR entries and everything used since the
//! oldest of them, ghosts included: an HIR entry used again while on S came back sooner than the LIR
//! entry at the bottom, and takes its rank. Victims are the oldest resident HIR entries (queue Q). So a
//! loop longer than the cache keeps a fixed part of itself resident.
//!
//! As published, but for two things. Costs: the shares are of the budget's cost, and several LIR
//! entries may have to give way to one. Ghosts: the paper lets S grow without bound; here ghosts stand
//! for at most twice the budget, and the oldest ghost goes first.
//!
//! Nodes of S outlive residence, so they have identities of their own; slots and ghosts point at them. When most are free, the others get
//! new ones, and memory is given back.

use super::ghost_queue::GhostLimits;
use super::list::{Links, List};
use super::sketch::remix as hash;
use super::{Admission, Candidate, Departure, Ledger, Policy, PolicyConfig, Slot};
use crate::store::slots;
use hashbrown::HashTable;

/// Low inter-reference recency set (Jiang, Zhang, SIGMETRICS 2002).
#[derive(Debug, Default)]
pub struct Lirs {
    nodes: Vec<Node>,
    /// Nodes that are not in use.
    free: Vec<u32>,
    /// The node of every slot.
    node_of: Vec<u32>,
    /// Index to node, for ghosts.
    ghost_of: HashTable<u32>,
    /// S, and the links of it.
    stack: List,
    stack_links: Links,
    /// Q: resident HIR entries.
    queue: List,
    /// Ghosts by the time of their eviction. A node is on `queue` or `ghosts` or neither.
    ghosts: List,
    links: Links,
    /// The limits of the ghosts that were last imposed.
    limits: GhostLimits,
    /// The cost of all LIR entries.
    low_cost: u64,
    /// The candidate last admitted, if it was a ghost.
    returning: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    index: u64,
    cost: u64,
    slot: Slot,
    rank: Rank,
    on_stack: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rank {
    /// LIR.
    Low,
    /// Resident HIR: on the queue.
    High,
    /// Evicted HIR: on the stack.
    Ghost,
}

impl Lirs {
    /// An empty stack and an empty queue.
    pub fn new(_config: &PolicyConfig) -> Self {
        Self::default()
    }

    /// The cost that LIR entries may hold together.
    fn low_limit(ledger: &Ledger) -> u64 {
        ledger.max_cost() - ledger.max_cost().div_ceil(100)
    }

    /// Victims: the queue, then LIR entries from the bottom of the stack. Changes nothing.
    fn name_victims(&self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        let high = self.queue.oldest_first(&self.links);
        let low =
            self.stack.oldest_first(&self.stack_links).filter(|&node| self.node(node).rank == Rank::Low);
        let mut freed = 0;
        for slot in high.chain(low).map(|node| self.node(node).slot).filter(|&slot| Some(slot) != keep) {
            if freed >= shortfall {
                break;
            }
            freed += ledger.cost(slot);
            victims.push(slot);
        }
    }

    fn node(&self, node: u32) -> &Node {
        &self.nodes[node as usize]
    }

    fn node_mut(&mut self, node: u32) -> &mut Node {
        &mut self.nodes[node as usize]
    }

    fn allocate(&mut self, node: Node) -> u32 {
        match self.free.pop() {
            Some(at) => {
                self.nodes[at as usize] = node;
                at
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as u32
            }
        }
    }

    /// Makes a node the top of the stack.
    fn raise(&mut self, node: u32) {
        if std::mem::replace(&mut self.node_mut(node).on_stack, true) {
            self.stack.renew(&mut self.stack_links, node);
        } else {
            self.stack.push(&mut self.stack_links, node, 0);
        }
    }

    /// Takes a node off the stack, if it is there.
    fn lower(&mut self, node: u32) {
        if std::mem::replace(&mut self.node_mut(node).on_stack, false) {
            self.stack.unlink(&mut self.stack_links, node, 0);
        }
    }

    /// Gives a resident node the rank LIR, at the top of the stack; others may lose theirs.
    fn promote(&mut self, ledger: &Ledger, node: u32) {
        self.node_mut(node).rank = Rank::Low;
        self.low_cost += self.node(node).cost;
        self.raise(node);
        self.demote_excess(ledger);
    }

    /// LIR entries at the bottom of the stack give way while there are too many.
    fn demote_excess(&mut self, ledger: &Ledger) {
        while self.low_cost > Self::low_limit(ledger) {
            let Some(bottom) = self.stack.oldest() else { break };
            let cost = self.node(bottom).cost;
            self.lower(bottom);
            self.node_mut(bottom).rank = Rank::High;
            self.low_cost -= cost;
            self.queue.push(&mut self.links, bottom, cost);
            self.prune();
        }
    }

    /// Restores the invariant that the bottom of the stack is LIR. O(1) per node ever pushed.
    fn prune(&mut self) {
        while let Some(bottom) = self.stack.oldest() {
            match self.node(bottom).rank {
                Rank::Low => break,
                Rank::High => self.lower(bottom),
                Rank::Ghost => self.forget_ghost(bottom),
            }
        }
    }

    fn forget_ghost(&mut self, node: u32) {
        let Node { index, cost, .. } = *self.node(node);
        let nodes = &self.nodes;
        if let Ok(found) =
            self.ghost_of.find_entry(hash(index), |&other| nodes[other as usize].index == index)
        {
            found.remove();
        }
        self.ghosts.unlink(&mut self.links, node, cost);
        self.lower(node);
        self.free.push(node);
    }

    /// Whether `index` was a ghost; it no longer is.
    fn recall(&mut self, index: u64) -> bool {
        let nodes = &self.nodes;
        let ghost = self.ghost_of.find(hash(index), |&node| nodes[node as usize].index == index).copied();
        if let Some(node) = ghost {
            self.forget_ghost(node);
        }
        ghost.is_some()
    }

    /// An evicted HIR entry that is on the stack stays there as a ghost.
    fn haunt(&mut self, ledger: &Ledger, node: u32) {
        let Node { index, cost, .. } = *self.node(node);
        self.node_mut(node).rank = Rank::Ghost;
        self.ghosts.push(&mut self.links, node, cost);
        let nodes = &self.nodes;
        self.ghost_of.insert_unique(hash(index), node, |&other| hash(nodes[other as usize].index));
        let limits = GhostLimits::beside(ledger, ledger.max_cost().saturating_mul(2));
        self.limits = limits;
        while self.ghosts.cost() > limits.cost || self.ghosts.len() > limits.number {
            let Some(oldest) = self.ghosts.oldest() else { break };
            self.forget_ghost(oldest);
        }
    }

    /// Gives memory back if few nodes are in use. O(1) amortised.
    #[inline]
    fn follow(&mut self) {
        let len = self.node_of.len();
        slots::follow(&mut self.node_of, len);
        if slots::is_deserted(self.nodes.len() - self.free.len(), self.nodes.len()) {
            self.compact();
        }
    }

    /// Gives all nodes in use new identities, without a gap. O(nodes).
    #[cold]
    fn compact(&mut self) {
        let mut new_of = vec![u32::MAX; self.nodes.len()];
        let ghosts: Vec<u32> = self.ghosts.oldest_first(&self.links).collect();
        let nodes = self.node_of.iter().chain(&ghosts).zip(0..).map(|(&node, new)| {
            new_of[node as usize] = new;
            self.nodes[node as usize]
        });
        let nodes: Vec<Node> = nodes.collect();
        let moved = |order: &List, old: &Links, links: &mut Links, has_costs: bool| {
            let mut new = List::default();
            for node in order.oldest_first(old) {
                let node = new_of[node as usize];
                new.push(links, node, if has_costs { nodes[node as usize].cost } else { 0 });
            }
            new
        };
        let (mut links, mut stack_links) = (Links::default(), Links::default());
        self.queue = moved(&self.queue, &self.links, &mut links, true);
        self.ghosts = moved(&self.ghosts, &self.links, &mut links, true);
        self.stack = moved(&self.stack, &self.stack_links, &mut stack_links, false);
        (self.links, self.stack_links) = (links, stack_links);
        self.node_of.iter_mut().for_each(|node| *node = new_of[*node as usize]);
        self.ghost_of = ghosts.iter().map(|&node| new_of[node as usize]).fold(
            HashTable::with_capacity(ghosts.len()),
            |mut table, node| {
                let hash_of = |&node: &u32| hash(nodes[node as usize].index);
                table.insert_unique(hash_of(&node), node, hash_of);
                table
            },
        );
        (self.nodes, self.free) = (nodes, Vec::new());
    }

    /// Verifies that an order has `len` members, all as they should be.
    fn check_order(
        &self,
        name: &str,
        order: &List,
        links: &Links,
        len: usize,
        fits: impl Fn(&Node) -> bool,
    ) -> Result<(), String> {
        let members = || order.oldest_first(links).take(self.nodes.len() + 1);
        let count = members().count();
        if count != len || count != order.len() {
            return Err(format!("lirs: {name}: {count} members, {} counted, {len} expected", order.len()));
        }
        match members().find(|&node| !fits(self.node(node))) {
            Some(node) => Err(format!("lirs: {name} holds {:?}", self.node(node))),
            None => Ok(()),
        }
    }
}

impl Policy for Lirs {
    fn name(&self) -> &'static str {
        "lirs"
    }

    fn hit(&mut self, ledger: &Ledger, slot: Slot) {
        let node = self.node_of[slot as usize];
        let Node { cost, rank, on_stack, .. } = *self.node(node);
        if rank == Rank::Low {
            self.raise(node);
            // The cost may have grown.
            self.prune();
            self.demote_excess(ledger);
        } else if on_stack || self.low_cost + cost <= Self::low_limit(ledger) {
            self.queue.unlink(&mut self.links, node, cost);
            self.promote(ledger, node);
        } else {
            self.raise(node);
            self.queue.renew(&mut self.links, node);
        }
        self.prune();
    }

    fn miss(&mut self, _ledger: &Ledger, _index: u64) {}

    fn admit(&mut self, ledger: &Ledger, candidate: Candidate, victims: &mut Vec<Slot>) -> Admission {
        self.returning = self.recall(candidate.index).then_some(candidate.index);
        self.name_victims(ledger, candidate.shortfall, None, victims);
        Admission::Admit
    }

    fn evict(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        self.name_victims(ledger, shortfall, keep, victims);
    }

    fn inserted(&mut self, ledger: &Ledger, slot: Slot) {
        let (index, cost) = (ledger.index(slot), ledger.cost(slot));
        let returns = self.returning.take() == Some(index) || self.recall(index);
        let node = self.allocate(Node { index, cost, slot, rank: Rank::High, on_stack: false });
        debug_assert_eq!(slot as usize, self.node_of.len(), "newcomers take the last slot");
        self.node_of.push(node);
        if returns || self.low_cost + cost <= Self::low_limit(ledger) {
            self.promote(ledger, node);
        } else {
            self.raise(node);
            self.queue.push(&mut self.links, node, cost);
        }
        self.prune();
    }

    fn removed(&mut self, ledger: &Ledger, slot: Slot, why: Departure) {
        let node = self.node_of[slot as usize];
        let Node { cost, rank, on_stack, .. } = *self.node(node);
        if rank == Rank::Low {
            self.low_cost -= cost;
        } else {
            self.queue.unlink(&mut self.links, node, cost);
        }
        if rank == Rank::High && on_stack && why == Departure::Evicted {
            self.haunt(ledger, node);
        } else {
            self.lower(node);
            self.free.push(node);
            self.prune();
        }
        if slot as usize + 1 == self.node_of.len() {
            self.node_of.pop();
            self.follow();
        }
    }

    fn moved(&mut self, _from: Slot, to: Slot) {
        self.node_of.swap_remove(to as usize);
        let node = self.node_of[to as usize];
        self.node_mut(node).slot = to;
        self.follow();
    }

    fn recosted(&mut self, ledger: &Ledger, slot: Slot, old_cost: u64) {
        let node = self.node_of[slot as usize];
        let cost = ledger.cost(slot);
        self.node_mut(node).cost = cost;
        match self.node(node).rank {
            Rank::Low => self.low_cost = self.low_cost - old_cost + cost,
            _ => self.queue.recost(old_cost, cost),
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn memory(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
            + (self.free.capacity() + self.node_of.capacity()) * size_of::<u32>()
            + self.ghost_of.allocation_size()
            + self.stack_links.memory()
            + self.links.memory()
    }

    fn check(&self, ledger: &Ledger) -> Result<(), String> {
        if self.node_of.len() != ledger.len() {
            return Err(format!("lirs: {} nodes for {} entries", self.node_of.len(), ledger.len()));
        }
        let (mut low, mut high, mut low_cost) = (0, 0, 0);
        for slot in 0..ledger.len() as Slot {
            let node = self.node(self.node_of[slot as usize]);
            if (node.slot, node.index, node.cost) != (slot, ledger.index(slot), ledger.cost(slot)) {
                return Err(format!("lirs: slot {slot} has the node {node:?}"));
            }
            match node.rank {
                Rank::Low => (low, low_cost) = (low + 1, low_cost + node.cost),
                Rank::High => high += 1,
                Rank::Ghost => return Err(format!("lirs: slot {slot} is a ghost")),
            }
        }
        if low_cost != self.low_cost {
            return Err(format!("lirs: LIR entries cost {low_cost}, believes {}", self.low_cost));
        }
        self.check_order("the queue", &self.queue, &self.links, high, |node| node.rank == Rank::High)?;
        let ghosts = self.nodes.len() - self.free.len() - ledger.len();
        self.check_order("the ghosts", &self.ghosts, &self.links, ghosts, |node| {
            node.rank == Rank::Ghost && node.on_stack && ledger.find(node.index).is_none()
        })?;
        if self.ghost_of.len() != ghosts
            || self.ghosts.cost() > self.limits.cost
            || ghosts > self.limits.number
        {
            return Err(format!("lirs: {ghosts} ghosts of cost {}", self.ghosts.cost()));
        }
        let stacked = self.stack.oldest_first(&self.stack_links).take(self.nodes.len() + 1);
        let low_stacked = stacked.filter(|&node| self.node(node).rank == Rank::Low).count();
        if low_stacked != low || self.stack.oldest().is_some_and(|bottom| self.node(bottom).rank != Rank::Low)
        {
            return Err(format!(
                "lirs: {low_stacked} of {low} LIR entries are on the stack, or not at its bottom"
            ));
        }
        self.check_order("the stack", &self.stack, &self.stack_links, self.stack.len(), |node| node.on_stack)
    }
}
