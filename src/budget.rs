//! The budget: how much cost the store holds, and how much it may.
//!
//! One counter, `occupied`, is the sum of the costs of all rows in the store, decided upon or not, plus what
//! is reserved for a row that is being written at this moment. It is raised *before* a row is written and
//! lowered *after* a row is gone, and it is raised by compare-and-swap against the limit: so at every instant
//! the rows cost at most `occupied`, and `occupied` is at most `max_cost + slack`. The whole promise of the crate hangs
//! on these few lines and needs no reasoning about the policy.
//!
//! | transition | by whom | effect on `occupied` |
//! |---|---|---|
//! | reserve | a writer, under its shard's lock, before the row | += cost, or refused |
//! | release | whoever took the row out, after it is gone | -= cost |
//! | transfer | an insert that is decided at once, after its victims are gone | += cost - freed, or refused |
//!
//! `Ordering:` raising is an `Acquire` that pairs with the `Release` of lowering: a row that lives on the room of
//! another one was written after the other was gone.

use crate::sync::{AtomicU64, Ordering};
use crossbeam_utils::CachePadded;

/// The budget of one cache.
#[derive(Debug)]
pub(crate) struct Budget {
    /// The cost of all rows. Writers: everybody who adds or takes a row.
    occupied: CachePadded<AtomicU64>,
    /// What `occupied` may reach: `max_cost + slack`, or 0 while an insert that is decided at once holds
    /// everybody else back. Writers: the holder of the engine's mutex.
    limit: CachePadded<AtomicU64>,
    /// The highest value that `occupied` ever had.
    peak: AtomicU64,
    max_cost: AtomicU64,
    slack: AtomicU64,
}

impl Budget {
    pub(crate) fn new(max_cost: u64, slack: u64) -> Self {
        Self {
            occupied: CachePadded::new(AtomicU64::new(0)),
            limit: CachePadded::new(AtomicU64::new(max_cost.saturating_add(slack))),
            peak: AtomicU64::new(0),
            max_cost: AtomicU64::new(max_cost),
            slack: AtomicU64::new(slack),
        }
    }

    /// The cost of all rows.
    pub(crate) fn occupied(&self) -> u64 {
        self.occupied.load(Ordering::Acquire)
    }

    /// The highest cost there ever was.
    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    pub(crate) fn max_cost(&self) -> u64 {
        self.max_cost.load(Ordering::Relaxed)
    }

    pub(crate) fn slack(&self) -> u64 {
        self.slack.load(Ordering::Relaxed)
    }

    /// Makes room for `cost`, if there is room.
    #[inline]
    pub(crate) fn try_reserve(&self, cost: u64) -> bool {
        self.raise(cost, self.limit.load(Ordering::Relaxed))
    }

    /// Whether half of the slack is taken.
    pub(crate) fn is_tight(&self) -> bool {
        self.occupied.load(Ordering::Relaxed).saturating_sub(self.max_cost()) > self.slack() / 2
    }

    /// Spins for some microseconds until there is room for `cost`; returns whether there was. Reserves nothing.
    pub(crate) fn await_room(&self, cost: u64) -> bool {
        (0..PATIENCE).any(|_| {
            std::hint::spin_loop();
            let limit = self.limit.load(Ordering::Relaxed);
            self.occupied.load(Ordering::Relaxed).saturating_add(cost) <= limit
        })
    }

    /// Gives back the cost of rows that are gone.
    #[inline]
    pub(crate) fn release(&self, cost: u64) {
        if cost > 0 {
            self.occupied.fetch_sub(cost, Ordering::Release);
        }
    }

    /// Exchanges the `freed` cost of rows that are gone for `cost` to come in one step, so that nobody can
    /// take the room in between. On refusal nothing has changed.
    pub(crate) fn transfer(&self, freed: u64, cost: u64) -> bool {
        if freed >= cost {
            self.release(freed - cost);
            return true;
        }
        self.raise(cost - freed, self.max_cost().saturating_add(self.slack()))
    }

    /// From now on every reservation is refused. The caller holds the engine's mutex, where those who were
    /// refused queue up.
    pub(crate) fn hold(&self) {
        self.limit.store(0, Ordering::Relaxed);
    }

    /// Ends a hold.
    pub(crate) fn unhold(&self) {
        self.limit.store(self.max_cost().saturating_add(self.slack()), Ordering::Relaxed);
    }

    /// Sets a new budget. The caller holds the engine's mutex and, where it lowers, sheds.
    pub(crate) fn resize(&self, max_cost: u64, slack: u64) {
        self.max_cost.store(max_cost, Ordering::Relaxed);
        self.slack.store(slack, Ordering::Relaxed);
        self.unhold();
    }

    #[inline]
    fn raise(&self, cost: u64, limit: u64) -> bool {
        let mut occupied = self.occupied.load(Ordering::Relaxed);
        loop {
            let Some(raised) = occupied.checked_add(cost).filter(|&raised| raised <= limit) else {
                return false;
            };
            match self.occupied.compare_exchange_weak(occupied, raised, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => {
                    // A plain load first: the peak is rarely passed, and then the line stays shared.
                    if raised > self.peak.load(Ordering::Relaxed) {
                        self.peak.fetch_max(raised, Ordering::Relaxed);
                    }
                    return true;
                }
                Err(present) => occupied = present,
            }
        }
    }
}

/// How often a writer looks for room before it goes to sleep.
const PATIENCE: usize = 256;

#[cfg(all(test, not(any(tollgate_loom, tollgate_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_out_up_to_the_limit_and_back() {
        let budget = Budget::new(100, 10);
        assert_eq!((budget.occupied(), budget.max_cost(), budget.slack()), (0, 100, 10));
        assert!(budget.try_reserve(110) && !budget.try_reserve(1), "the slack may be used, no more");
        assert_eq!((budget.occupied(), budget.peak()), (110, 110));
        budget.release(30);
        assert!(!budget.try_reserve(31) && budget.try_reserve(30));
        budget.release(110);
        assert!(!budget.try_reserve(u64::MAX) && budget.try_reserve(1), "no sum overflows");
        assert_eq!((budget.occupied(), budget.peak()), (1, 110), "a peak stays");
    }

    #[test]
    fn nobody_reserves_while_reservations_are_held_back_but_who_holds_them() {
        let budget = Budget::new(100, 0);
        assert!(budget.try_reserve(60));
        budget.hold();
        assert!(!budget.try_reserve(1) && !budget.await_room(1));
        assert!(budget.transfer(20, 60), "sixty for twenty");
        assert_eq!(budget.occupied(), 100);
        assert!(!budget.transfer(10, 11) && budget.occupied() == 100, "a refusal changes nothing");
        assert!(budget.transfer(50, 20) && budget.occupied() == 70);
        budget.unhold();
        assert!(budget.await_room(30) && !budget.await_room(31));
        assert!(!budget.try_reserve(31) && budget.try_reserve(30));
    }

    #[test]
    fn a_new_budget_counts_from_now_on() {
        let budget = Budget::new(100, 8);
        assert!(budget.try_reserve(90));
        budget.resize(50, 4);
        assert_eq!((budget.max_cost(), budget.slack(), budget.occupied()), (50, 4, 90));
        assert!(!budget.try_reserve(1));
        budget.release(60);
        assert!(!budget.try_reserve(25) && budget.try_reserve(24));
    }

    #[test]
    fn room_is_tight_when_more_than_half_of_the_slack_is_taken() {
        let budget = Budget::new(100, 10);
        assert!(budget.try_reserve(105) && !budget.is_tight());
        assert!(budget.try_reserve(1) && budget.is_tight());
    }
}
