//! One budget for many caches, divided by what they need.
//!
//! Each member has a budget of its own at every moment, its *share*, and keeps within it like any cache, by its own counter and with no regard to the others. All
//! that is shared is the division: from time to time the shares are set anew, those first that become smaller. A share grows only by what others have
//! in fact given back, so that the members never hold more than the total together.
//!
//! | what | who | when |
//! |---|---|---|
//! | the division | the processor of any member, after a turn; whoever runs a turn of one that has none; [`SharedBudget::rebalance`] | when the interval is over; one at a time, others go on working |
//! | smaller shares | the same thread: the member evicts before the call returns | first |
//! | larger shares | the same thread | then, out of what is free |
//! | listeners, destructors | the same thread | last, with no lock held |
//!
//! A share is a bound on everything that a member holds, its slack included.
//!
//! What a member *wants* is told by what it did since the last division. If it turned entries away or evicted some, it wants whatever it may have.
//! If not, it wants what it holds and somewhat more, to grow into; it lends the rest. When it runs out of that it evicts, and the next division
//! gives it its fair share back, at the expense of those who had borrowed it. `share/fill.rs` says what is fair.
//!
//! # Locks
//!
//! The lock of the division is taken with no lock of a cache in hand, and the locks of caches are taken under it. Turns of maintenance do not wait for it: if
//! somebody is dividing, that will do. No listener or destructor runs under it; policies and clocks do, as they do under locks of a cache, and, if a policy
//! panics then, the subscriber that is told of it. Nor does a thread that is in a closure of the caller's, under the lock of a shard, come to divide by writing to
//! another member, if that has a processor.

mod fill;

use crate::clock::{SystemClock, Ticks, millis};
use crate::error::Inconsistency;
use crate::sync::{Mutex, thread};
use fill::{Claim, divide};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A cache, as its shared budget sees it.
pub(crate) trait Member: Send + Sync {
    fn name(&self) -> &str;
    /// The cost of what is in the store, or about to be.
    fn held(&self) -> u64;
    /// What of it cannot be evicted.
    fn pinned(&self) -> u64;
    /// How many entries had to leave, or were not let in, up to now.
    fn turned_away(&self) -> u64;
    /// The smallest share that it works with.
    fn least(&self) -> u64;
    /// The share with which its budget is `max_cost`.
    fn share_for(&self, max_cost: u64) -> u64;
    /// Keeps within that share from now on, evicting what no longer fits. Calls no listener and drops no value.
    fn resize(&self, share: u64);
    /// Calls the listeners and drops the values for which that was not the time.
    fn deliver(&self);
}

/// A budget that many caches share; see [`Builder::shared_budget`](crate::Builder::shared_budget).
///
/// A handle: clones are the same budget.
///
/// The members together hold at most the total, at every instant, their slacks included. It is divided by need and by weight (weighted max-min fairness): a
/// member that has room to spare lends it to those that evict, and gets it back when it needs it; among those that evict, each gets as
/// much as any other for its weight. Every member can count on its fair share, `total * weight / all weights` (less a 64th), whatever the others do: it has it
/// with the next division after it had to evict something. But nobody is made to give up what it has [pinned](crate::Cache::pin): where quotas may exceed fair shares, what
/// is pinned in one member is missing in the others.
///
/// Shares are set anew at an [interval](Self::with_interval), by the thread of whichever member has something to maintain, and by [`rebalance`](Self::rebalance).
/// Where there is no thread ([`Maintenance::Inline`](crate::Maintenance::Inline), [`Manual`](crate::Maintenance::Manual)), it is the caller who maintains, and who divides. That takes locks of all members:
/// in a closure that runs under the lock of one (`update`, `compute`, `get_with`, `retain`, `replace_if`, an `Expiry`, a `Clone`), do not write to another that has no thread, do not build or drop one, and do not call `rebalance`
/// or `set_max_cost`.
/// A member in which nothing happens keeps what it holds, up to its fair share, and lends the rest. When a cache is dropped its share goes to the others.
///
/// ```
/// use tollgate::{Cache, SharedBudget};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let memory = SharedBudget::new(100_000);
/// let pages: Cache<str, Vec<u8>> =
///     Cache::builder(10_000, u64::MAX).name("pages").shared_budget(&memory, 3).build()?;
/// let users: Cache<u64, String> =
///     Cache::builder(10_000, 20_000).name("users").shared_budget(&memory, 1).build()?;
/// assert!(pages.max_cost() > 70_000 && users.max_cost() <= 20_000);
/// assert_eq!(memory.shares().len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SharedBudget {
    pool: Arc<Pool>,
}

/// What a member of a [`SharedBudget`] has; from [`SharedBudget::shares`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Share {
    /// The [name](crate::Builder::name) of the cache.
    pub name: String,
    /// Its weight.
    pub weight: u32,
    /// What it may hold now, its slack included.
    pub share: u64,
    /// What it holds.
    pub held: u64,
}

struct Pool {
    state: Mutex<State>,
    total: u64,
    interval_ms: u64,
    ticks: Ticks,
    /// When the next division is due. Written by whoever divides, and by who leaves; read by turns of maintenance. A hint, hence Relaxed.
    due_ms: AtomicU64,
}

#[derive(Default)]
struct State {
    seats: Vec<Seat>,
    next_id: u64,
    divisions: u64,
}

struct Seat {
    id: u64,
    member: Arc<dyn Member>,
    weight: u32,
    /// The budget that it may have at the most.
    max_cost: u64,
    /// What it may hold now.
    share: u64,
    /// What it had turned away when the shares were set last.
    turned_away: u64,
}

/// A cache's place in a shared budget.
pub(crate) struct Membership {
    pool: Arc<Pool>,
    id: u64,
}

impl SharedBudget {
    /// A budget without members, to be divided anew every 100 ms.
    pub fn new(total: u64) -> Self {
        Self::with_interval(total, Duration::from_millis(100))
    }

    /// A budget that is divided anew at that interval. `Duration::ZERO` is after every turn of maintenance; `Duration::MAX` leaves it to
    /// [`rebalance`](Self::rebalance), and to members that come and go.
    pub fn with_interval(total: u64, interval: Duration) -> Self {
        let pool = Pool {
            state: Mutex::default(),
            total,
            interval_ms: millis(interval),
            ticks: Ticks::new(Arc::new(SystemClock::new())),
            due_ms: AtomicU64::new(0),
        };
        Self { pool: Arc::new(pool) }
    }

    /// What the members may hold together.
    pub fn total(&self) -> u64 {
        self.pool.total
    }

    /// What each member has, in the order in which they came. The shares add up to at most the total.
    pub fn shares(&self) -> Vec<Share> {
        let state = self.pool.state.lock();
        let share = |seat: &Seat| Share {
            name: seat.member.name().to_owned(),
            weight: seat.weight,
            share: seat.share,
            held: seat.member.held(),
        };
        state.seats.iter().map(share).collect()
    }

    /// How often the shares were set.
    pub fn divisions(&self) -> u64 {
        self.pool.state.lock().divisions
    }

    /// Sets the shares now, but for changes of less than a 64th. What no longer fits into a share that became smaller has been evicted when this returns.
    ///
    /// O(members * log total), and for each share that changes what [`set_max_cost`](crate::Cache::set_max_cost) takes.
    ///
    /// # Blocking
    /// Waits for a division that is under way, and for the maintenance of members whose share changes. Their listeners are called on this
    /// thread, or on one that maintains them, with no lock held.
    pub fn rebalance(&self) {
        self.pool.divide();
    }

    /// Verifies that the members hold no more than their shares, and no more than the total together. For tests.
    ///
    /// # Errors
    /// What disagrees. That is a defect.
    pub fn check(&self) -> Result<(), Inconsistency> {
        // While it is locked, nobody's share changes.
        let state = self.pool.state.lock();
        let sum: u128 = state.seats.iter().map(|seat| u128::from(seat.share.max(seat.member.held()))).sum();
        if sum > u128::from(self.pool.total) {
            return Err(Inconsistency(format!("share: members hold {sum} of {}", self.pool.total)));
        }
        Ok(())
    }

    /// Gives a cache, which holds nothing and has the smallest share that it works with, a place. `None` if the total is not
    /// enough for the smallest shares of all, and for what they have pinned. Waits a moment if others have yet to give back what they took out.
    pub(crate) fn join(&self, member: Arc<dyn Member>, weight: u32, max_cost: u64) -> Option<Membership> {
        let mut state = self.pool.state.lock();
        let (least, pool) = (member.least(), Arc::clone(&self.pool));
        let taken: u128 = state.seats.iter().map(|seat| u128::from(seat.least())).sum();
        if taken + u128::from(least) > u128::from(pool.total) {
            return None;
        }
        let id = state.next_id;
        state.next_id += 1;
        state.seats.push(Seat { id, member, weight, max_cost, share: 0, turned_away: 0 });
        loop {
            let resized = pool.set_shares(&mut state);
            let share = state.seats.iter().find(|seat| seat.id == id).map_or(0, |seat| seat.share);
            drop(state);
            resized.iter().for_each(|member| member.deliver());
            if share >= least {
                return Some(Membership { pool, id });
            }
            thread::yield_now();
            state = self.pool.state.lock();
        }
    }
}

impl fmt::Debug for SharedBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedBudget").field("total", &self.total()).field("shares", &self.shares()).finish()
    }
}

impl Membership {
    /// A turn of a member's maintenance has ended: divides, if that is due and nobody is at it. To be called with no lock held.
    #[inline]
    pub(crate) fn turned(&self) {
        if self.is_due() {
            self.pool.try_divide();
        }
    }

    /// Whether it is time to divide.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.pool.is_due()
    }

    /// The budget that the member may have at the most is another one from now on.
    pub(crate) fn set_max_cost(&self, max_cost: u64) {
        if let Some(seat) = self.pool.state.lock().seats.iter_mut().find(|seat| seat.id == self.id) {
            seat.max_cost = max_cost;
        }
        self.pool.divide();
    }

    /// Gives the place up. The member holds nothing any more.
    pub(crate) fn leave(&self) {
        let mut state = self.pool.state.lock();
        let Some(at) = state.seats.iter().position(|seat| seat.id == self.id) else { return };
        let seat = state.seats.remove(at);
        // A load that ends after its cache may bring a value yet.
        seat.member.resize(seat.member.least());
        drop(state);
        seat.member.deliver();
        drop(seat);
        self.pool.divide();
    }
}

impl Pool {
    fn is_due(&self) -> bool {
        millis(self.ticks.now()) >= self.due_ms.load(Ordering::Relaxed)
    }

    fn divide(&self) {
        let resized = self.set_shares(&mut self.state.lock());
        resized.iter().for_each(|member| member.deliver());
    }

    #[cold]
    fn try_divide(&self) {
        let Some(mut state) = self.state.try_lock() else { return };
        // Somebody else may have seen to it just now.
        if self.is_due() {
            let resized = self.set_shares(&mut state);
            drop(state);
            resized.iter().for_each(|member| member.deliver());
        }
    }

    /// Sets the shares, the smaller ones first. Returns the members who have something to deliver.
    fn set_shares(&self, state: &mut State) -> Vec<Arc<dyn Member>> {
        let due = millis(self.ticks.now()).saturating_add(self.interval_ms);
        self.due_ms.store(due, Ordering::Relaxed);
        state.divisions += 1;
        let weights: u64 = state.seats.iter().map(|seat| u64::from(seat.weight)).sum();
        let mut claims: Vec<Claim> = state.seats.iter().map(|seat| seat.claim(self.total, weights)).collect();
        if claims.iter().map(|claim| u128::from(claim.least)).sum::<u128>() > u128::from(self.total) {
            // Somebody pinned something while a new member came. The total matters more.
            claims.iter_mut().zip(&state.seats).for_each(|(claim, seat)| claim.least = seat.member.least());
        }
        let shares = divide(self.total, &claims);
        // Then everybody gives back what is not his, however little: many a little makes the share of another.
        let is_wanted = state
            .seats
            .iter()
            .zip(&shares)
            .any(|(seat, &share)| share > seat.share && !seat.is_close_to(share));
        let mut resized = Vec::new();
        for ((seat, &share), claim) in state.seats.iter_mut().zip(&shares).zip(&claims) {
            if share < seat.share && (is_wanted || !seat.is_close_to(share) || seat.share > claim.most) {
                resized.push(seat.resize(share));
            }
        }
        // A cost that was taken out is given back a moment later, by whoever took it out: until then it is held.
        let held: Vec<u64> = state.seats.iter().map(Seat::held).collect();
        let sum: u128 = held.iter().map(|&held| u128::from(held)).sum();
        let mut free = u64::try_from(u128::from(self.total).saturating_sub(sum)).unwrap_or(u64::MAX);
        for ((seat, &share), &held) in state.seats.iter_mut().zip(&shares).zip(&held) {
            let reached = share.min(held.saturating_add(free));
            if reached > seat.share && !seat.is_close_to(reached) {
                free -= reached.saturating_sub(held);
                resized.push(seat.resize(reached));
            }
            if held > seat.share {
                self.due_ms.store(0, Ordering::Relaxed);
            }
        }
        for seat in &mut state.seats {
            // Not before: what leaves for a smaller share is no sign of need.
            seat.turned_away = seat.member.turned_away();
        }
        resized
    }
}

impl Seat {
    /// The share, or more if somebody has yet to give back what he took out.
    fn held(&self) -> u64 {
        self.share.max(self.member.held())
    }

    /// Whether it is not worth the while: nobody is to be resized for a few entries, but who has too little to work with.
    fn is_close_to(&self, share: u64) -> bool {
        self.share >= self.member.least() && self.share.abs_diff(share) < self.share / CLOSE
    }

    fn resize(&mut self, share: u64) -> Arc<dyn Member> {
        self.member.resize(share);
        self.share = share;
        Arc::clone(&self.member)
    }

    /// The smallest share with which nothing breaks: what is pinned stays, unless the owner has set a smaller budget.
    fn least(&self) -> u64 {
        self.member.least().max(self.member.share_for(self.member.pinned().min(self.max_cost)))
    }

    fn claim(&self, total: u64, weights: u64) -> Claim {
        let (held, least) = (self.member.held(), self.least().min(self.share.max(self.member.least())));
        let fair = (u128::from(total) * u128::from(self.weight) / u128::from(weights.max(1))) as u64;
        let headroom = (held / HEADROOM_OF_HELD).max(fair / HEADROOM_OF_FAIR);
        let is_in_need = self.member.turned_away() > self.turned_away;
        Claim {
            weight: self.weight,
            least,
            wanted: if is_in_need { u64::MAX } else { held.saturating_add(headroom) },
            most: self.member.share_for(self.max_cost).max(least),
        }
    }
}

/// Shares are left alone that would change by less than this part of themselves.
const CLOSE: u64 = 64;

/// Who needs no more than it has wants this part of what it holds on top of it, or
const HEADROOM_OF_HELD: u64 = 4;

/// this part of its fair share, whichever is more.
const HEADROOM_OF_FAIR: u64 = 8;

#[cfg(test)]
mod tests;
