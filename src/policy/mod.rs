//! Policies: what to keep when not everything fits.
//!
//! A [`Policy`] is a deterministic, single-threaded structure. The engine tells it what happens
//! (hits, misses, arrivals, departures) and asks it two questions: *may this newcomer come in, and
//! who would leave for it?* ([`admit`](Policy::admit)) and *who leaves, if someone must?*
//! ([`evict`](Policy::evict)). Policies answer with slots of the [`Ledger`]; the engine carries the
//! answer out. A policy never removes anything itself, so that a refused newcomer costs no resident.
//!
//! # Life of a request
//!
//! | what happened | what the policy hears, in order |
//! |---|---|
//! | read or update of a resident entry | [`hit`](Policy::hit) |
//! | request for an absent key | [`miss`](Policy::miss), once a request |
//! | its insertion, when it fits | [`inserted`](Policy::inserted) |
//! | its insertion, when it does not | [`admit`](Policy::admit); if admitted, [`removed`](Policy::removed) and [`moved`](Policy::moved) for each victim, then [`inserted`](Policy::inserted) |
//! | an update that changes the cost | [`recosted`](Policy::recosted), then [`hit`](Policy::hit); if the budget is passed, [`evict`](Policy::evict) with the entry as `keep` (before the two, if the costs could not be summed otherwise) |
//! | one to a cost that is larger than the budget | as if the policy had evicted it: [`removed`](Policy::removed), then [`moved`](Policy::moved) |
//! | a lowered budget | [`resized`](Policy::resized), then [`evict`](Policy::evict) |
//! | an entry is pinned | [`removed`](Policy::removed), then [`moved`](Policy::moved) unless it held the last slot, as if its owner had removed it; [`resized`](Policy::resized), then [`evict`](Policy::evict) if the budget is passed |
//! | one is unpinned | [`resized`](Policy::resized), then [`inserted`](Policy::inserted) |
//! | removal or expiry | [`removed`](Policy::removed), then [`moved`](Policy::moved) unless it held the last slot |
//!
//! A miss and the insertion that answers it are *one* access: count frequencies in `hit` and in
//! `miss`, not in `inserted`. Other events may come between the two.

mod arc;
mod clock;
mod density;
mod doorkeeper;
mod fifo;
mod gdsf;
mod ghost_queue;
mod heap;
mod kind;
mod knowledge;
mod lines;
mod lirs;
mod list;
mod lru;
mod plain_sketch;
mod queues;
mod random;
mod ristretto;
pub(crate) mod rng;
mod s3_fifo;
mod sieve;
pub(crate) mod sketch;
mod slru;
mod tiny_lfu;
mod two_q;
mod w_tiny_lfu;

pub use arc::Arc;
pub use clock::Clock;
pub use density::HitDensity;
pub use fifo::Fifo;
pub use gdsf::Gdsf;
pub use kind::{BuildPolicy, PolicyKind};
pub use lirs::Lirs;
pub use lru::Lru;
pub use random::Random;
pub use ristretto::Ristretto;
pub use s3_fifo::S3Fifo;
pub use sieve::Sieve;
pub use slru::Slru;
pub use tiny_lfu::TinyLfu;
pub use two_q::TwoQ;
pub use w_tiny_lfu::WTinyLfu;

pub use crate::engine::ledger::{Ledger, Slot};

/// A newcomer that asks to be admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The 64-bit index hash of its key. It is not resident.
    pub index: u64,
    /// Its cost: at least 1, at most the budget.
    pub cost: u64,
    /// The cost that must leave before it fits; at least 1.
    pub shortfall: u64,
}

/// The answer to [`Policy::admit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The newcomer comes in; the victims named beside this answer leave.
    Admit,
    /// The newcomer is turned away; nobody leaves, whatever the list of victims holds.
    Reject,
}

/// Why an entry leaves the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// The policy chose it.
    Evicted,
    /// Its deadline passed.
    Expired,
    /// Its owner removed it.
    Removed,
}

/// What a policy is asked to maximise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Objective {
    /// The share of requests that hit. A small entry is worth more than a large one that is hit as
    /// often.
    #[default]
    Hits,
    /// The share of requested cost that hits (the byte hit ratio, where cost is bytes).
    Cost,
}

/// What a policy knows when it is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyConfig {
    /// The number of frequency counters that the user asked for: about ten times the number of
    /// entries expected to be resident.
    pub num_counters: usize,
    /// The budget.
    pub max_cost: u64,
    /// The seed of every random choice.
    pub seed: u64,
    /// What to maximise.
    pub objective: Objective,
}

impl PolicyConfig {
    /// The number of resident entries to size structures for at first: a tenth of
    /// [`num_counters`](Self::num_counters), and no more than the budget can hold.
    pub fn expected_entries(&self) -> usize {
        let by_cost = usize::try_from(self.max_cost).unwrap_or(usize::MAX);
        (self.num_counters / 10).clamp(1, by_cost.max(1))
    }
}

/// What a policy says of a resident when a snapshot is made.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Keepsake {
    /// How much it is worth keeping, beside the other residents: the highest go first into the snapshot, and come first out of it.
    pub worth: f32,
    /// What the policy wants to be told of it again; see [`Policy::recall`].
    pub note: u64,
}

/// A present parameter of a policy, for statistics and reports: a name and its value.
pub type Parameter = (&'static str, f64);

/// An admission and eviction policy.
///
/// Implementations are single-threaded and must be deterministic given their
/// [`PolicyConfig::seed`] and the events. Slots name entries of the [`Ledger`] that is passed along;
/// a policy that keeps an array per slot follows [`inserted`](Self::inserted) (always the new last
/// slot), [`removed`](Self::removed) and [`moved`](Self::moved). See the [module](self) for the order
/// of calls.
///
/// A policy that keeps indices of entries which are no longer resident (ghosts) must bound them by
/// itself.
pub trait Policy: Send + 'static {
    /// A short, stable name, as printed in statistics.
    fn name(&self) -> &'static str;

    /// The entry at `slot` was read or replaced in place.
    fn hit(&mut self, ledger: &Ledger, slot: Slot);

    /// An absent key was asked for, or is about to be inserted without having been asked for.
    fn miss(&mut self, ledger: &Ledger, index: u64);

    /// A key is about to be heard of, resident at `slot` if at all: a chance to load the memory that this will take, together with that of
    /// others. Must not change anything; what is returned keeps the loads from being optimised away, and is
    /// otherwise ignored.
    fn anticipate(&self, index: u64, slot: Option<Slot>) -> u64 {
        let _ = (index, slot);
        0
    }

    /// Decides on a newcomer that does not fit.
    ///
    /// On [`Admission::Admit`], `victims` (empty at the call) holds distinct slots whose costs add up
    /// to at least `candidate.shortfall`. All of them leave.
    fn admit(&mut self, ledger: &Ledger, candidate: Candidate, victims: &mut Vec<Slot>) -> Admission;

    /// Names entries that must leave without a newcomer: distinct slots, never `keep`, whose costs add
    /// up to at least `shortfall`. The rest of the ledger always suffices for that.
    fn evict(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>);

    /// A newcomer was appended; `slot` is the last one.
    fn inserted(&mut self, ledger: &Ledger, slot: Slot);

    /// The entry at `slot` is about to leave; the ledger still knows it.
    fn removed(&mut self, ledger: &Ledger, slot: Slot, why: Departure);

    /// The entry that was at the last slot, `from`, now lives at `to`, whose entry was just removed.
    fn moved(&mut self, from: Slot, to: Slot);

    /// The cost of the entry at `slot` changed from `old_cost`.
    fn recosted(&mut self, ledger: &Ledger, slot: Slot, old_cost: u64) {
        let _ = (ledger, slot, old_cost);
    }

    /// The budget changed; [`evict`](Self::evict) follows if it is now passed.
    fn resized(&mut self, max_cost: u64) {
        let _ = max_cost;
    }

    /// Every entry is gone, and what was learned with them.
    fn clear(&mut self);

    /// The present values of what the policy tunes; empty if it tunes nothing.
    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }

    /// What is to be remembered of the entry at `slot`. By default nothing, and all are worth the same.
    fn keepsake(&self, ledger: &Ledger, slot: Slot) -> Keepsake {
        let _ = (ledger, slot);
        Keepsake::default()
    }

    /// The entry at `slot` was just [`inserted`](Self::inserted), and comes from a snapshot, where this was noted of it. The note may
    /// be anything: it comes from a file.
    fn recall(&mut self, ledger: &Ledger, slot: Slot, note: u64) {
        let _ = (ledger, slot, note);
    }

    /// Entries come back from a snapshot in the order of their worth, and would lie in that order. A policy to whom it matters who is whose
    /// neighbour lets two residents change places and returns true; others let them be.
    fn exchange(&mut self, one: Slot, other: Slot) -> bool {
        let _ = (one, other);
        false
    }

    /// What was learned of the workload, apart from the residents, in words of the policy's own. By default nothing.
    fn knowledge(&self) -> Vec<u64> {
        Vec::new()
    }

    /// Takes over what another instance has learned, in the place of what this one has. Returns whether it did: words that are not
    /// [`knowledge`](Self::knowledge) of this policy change nothing. They may be anything: they come from a file.
    fn learn(&mut self, knowledge: &[u64]) -> bool {
        let _ = knowledge;
        false
    }

    /// Bytes of heap memory held.
    fn memory(&self) -> usize {
        0
    }

    /// Verifies the policy's own structures against the ledger. For tests and fuzzing; may be slow.
    ///
    /// # Errors
    /// A sentence that names what disagrees.
    fn check(&self, ledger: &Ledger) -> Result<(), String> {
        let _ = ledger;
        Ok(())
    }
}
