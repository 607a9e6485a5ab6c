//! The caches: one small adapter each, built as its own documentation recommends.

mod bare;
mod dashmap;
mod fibre;
mod foyer;
mod lru;
mod mini_moka;
mod moka;
mod papaya;
mod quick;
mod scc;
mod stretto;
mod tinyufo;
mod tollgate;

use crate::subject::{Bench, Peer, Plan, Subject};
use crate::value::{Block, Value, Weighed};

/// What one should know of a cache before reading its figures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) name: &'static str,
    /// As configured here; the default where there is one.
    pub(crate) configured: &'static str,
    /// The default hash function, which is the one used.
    pub(crate) hash: &'static str,
    pub(crate) role: Role,
    /// Whether `settle` waits for decisions that an insert leaves open; if not, its inserts decide at once.
    pub(crate) settles: bool,
}

/// Why a subject is in the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Ours,
    Peer,
    /// No cache: it holds everything. What a cache would reach that cost nothing.
    Limit,
}

type Build = fn(&Plan) -> Box<dyn Subject>;

/// A cache that can be built for each kind of value that it can hold.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) facts: Facts,
    pub(crate) of_units: Build,
    /// `None` if it cannot weigh.
    pub(crate) of_weights: Option<Build>,
    pub(crate) of_blocks: Option<Build>,
}

impl Entry {
    fn weighing<U: Peer<u64>, W: Peer<Weighed>, B: Peer<Block>>(facts: Facts) -> Self {
        Self {
            facts,
            of_units: build::<u64, U>,
            of_weights: Some(build::<Weighed, W>),
            of_blocks: Some(build::<Block, B>),
        }
    }

    fn counting<U: Peer<u64>, B: Peer<Block>>(facts: Facts) -> Self {
        Self { facts, of_units: build::<u64, U>, of_weights: None, of_blocks: Some(build::<Block, B>) }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.facts.name
    }

    pub(crate) fn is_limit(&self) -> bool {
        self.facts.role == Role::Limit
    }
}

fn build<V: Value, P: Peer<V>>(plan: &Plan) -> Box<dyn Subject> {
    Box::new(Bench::<V, P>::build(plan))
}

/// Everybody, tollgate first and the limits last.
pub(crate) fn all() -> Vec<Entry> {
    vec![
        tollgate::entry(),
        quick::entry(),
        scc::entry(),
        fibre::entry(),
        tinyufo::entry(),
        foyer::entry(),
        moka::entry(),
        mini_moka::entry(),
        stretto::entry(),
        lru::entry(),
        bare::entry(),
        dashmap::entry(),
        papaya::entry(),
    ]
}
