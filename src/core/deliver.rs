//! Values that left: listener calls and destructors, with no lock held.
//!
//! Rows that a turn took out of the store are delivered by the thread that ran the turn, after it has given the
//! engine's mutex back. Each delivery holds a ticket that was opened *under* that mutex, so that
//! [`wait`](crate::Cache::wait), which takes the mutex first, knows every delivery that its turn came after. The same goes for rows that an
//! owner takes out by the shard: their ticket is opened under the lock of that shard. What a write of one key displaces is told by the
//! thread that writes, before its call returns, and has no ticket, unless the thread has to defer it.
//!
//! A callback may call the cache, and that call may take further rows out. Delivering those at once would
//! recurse without end (a listener that re-inserts what was evicted), so a thread that is already delivering
//! for this cache defers them: the outer delivery, or the next turn, takes them along. So does a thread that has yet to end what
//! callbacks may wait for, such as a load. The ticket goes with them, and is closed when they are delivered.
//!
//! | the thread | `wait()` | a delivery of its own |
//! |---|---|---|
//! | runs no callback | waits for the tickets opened before; what of that was deferred, it delivers | at once, or deferred while it boards or lands a load, or divides a budget |
//! | runs a load of any cache | settles the state, waits for no ticket: a listener may wait for the load | at once |
//! | runs a callback of any cache | settles the state, waits for no ticket: two callbacks never wait for each other | at once, or deferred if the callback is of this cache |

use super::{Core, Count};
use crate::contain::contain;
use crate::flight::Aboard;
use crate::key::KeyHash;
use crate::listener::{Cause, Event};
use crate::store::Row;
use crate::sync::{Condvar, Mutex, thread_local};
use crate::trace;
use std::cell::RefCell;
use std::mem::ManuallyDrop;

/// A value that is no longer in the store.
pub(super) struct Departed<V> {
    pub(super) key: KeyHash,
    pub(super) cost: u64,
    pub(super) value: V,
    pub(super) cause: Cause,
}

impl<V> Departed<V> {
    pub(super) fn new(row: Row<V>, cause: Cause) -> Self {
        Self { key: row.key(), cost: row.cost(), value: row.value, cause }
    }
}

/// Deliveries under way, and what is yet to be delivered.
pub(super) struct Deliveries<V> {
    state: Mutex<State<V>>,
    /// A ticket was closed, or went with what was deferred.
    changed: Condvar,
}

struct State<V> {
    /// The number of the next ticket: they are opened in this order.
    next: u64,
    /// The tickets that somebody holds.
    open: Vec<u64>,
    deferred: Vec<Departed<V>>,
    /// The oldest of the tickets that went with what is deferred; `None` if nothing is. It stands for all of them.
    oldest: Option<u64>,
}

impl<V> Default for Deliveries<V> {
    fn default() -> Self {
        let state = State { next: 0, open: Vec::new(), deferred: Vec::new(), oldest: None };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }
}

impl<V> State<V> {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }
}

impl<V> Deliveries<V> {
    fn open(&self) -> u64 {
        let mut state = self.state.lock();
        let ticket = state.number();
        state.open.push(ticket);
        ticket
    }

    fn close(&self, ticket: u64) {
        self.state.lock().open.retain(|&open| open != ticket);
        self.changed.notify_all();
    }

    /// Defers, and takes the ticket under which it left, or a new one.
    fn defer(&self, departed: Vec<Departed<V>>, ticket: Option<u64>) {
        let mut state = self.state.lock();
        let ticket = ticket.unwrap_or_else(|| state.number());
        state.open.retain(|&open| open != ticket);
        state.deferred.extend(departed);
        state.oldest = Some(state.oldest.map_or(ticket, |oldest| oldest.min(ticket)));
        drop(state);
        self.changed.notify_all();
    }

    /// What is deferred, and its ticket, which the caller holds from now on.
    fn take_deferred(&self) -> Option<(Vec<Departed<V>>, u64)> {
        let mut state = self.state.lock();
        let ticket = state.oldest.take()?;
        state.open.push(ticket);
        Some((std::mem::take(&mut state.deferred), ticket))
    }

    /// Every ticket up to now has a smaller number.
    fn barrier(&self) -> u64 {
        self.state.lock().next
    }

    /// Blocks until of the tickets before the barrier none is held: then one went with what is deferred (true), or all are closed.
    fn await_deferred(&self, barrier: u64) -> bool {
        let mut state = self.state.lock();
        loop {
            if state.oldest.is_some_and(|oldest| oldest < barrier) {
                return true;
            }
            if state.open.iter().all(|&open| open >= barrier) {
                return false;
            }
            self.changed.wait(&mut state);
        }
    }
}

thread_local! {
    /// The caches, by address, whose callbacks this thread is running now.
    static DELIVERING: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Whether the calling thread is inside a callback of any cache.
pub(crate) fn in_callback() -> bool {
    // A thread whose locals are gone is running destructors: that is a callback of sorts.
    DELIVERING.try_with(|delivering| !delivering.borrow().is_empty()).unwrap_or(true)
}

/// Marks the thread as delivering for one cache, until dropped.
struct Marked(usize);

impl Marked {
    /// `None` if the thread is already at it.
    fn new(cache: usize) -> Option<Self> {
        DELIVERING
            .try_with(|delivering| {
                let mut delivering = delivering.borrow_mut();
                (!delivering.contains(&cache)).then(|| {
                    delivering.push(cache);
                    Self(cache)
                })
            })
            .unwrap_or(None)
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        let _ = DELIVERING.try_with(|delivering| delivering.borrow_mut().retain(|&cache| cache != self.0));
    }
}

/// An open ticket.
pub(super) struct Ticket<'a, V> {
    deliveries: &'a Deliveries<V>,
    number: u64,
}

impl<V> Ticket<'_, V> {
    /// The number of the ticket, which stays open.
    fn into_number(self) -> u64 {
        ManuallyDrop::new(self).number
    }
}

impl<V> Drop for Ticket<'_, V> {
    fn drop(&mut self) {
        self.deliveries.close(self.number);
    }
}

impl<V> Core<V> {
    /// Opens a ticket, if anything is to be delivered. The caller holds the lock under which others learn that it left.
    pub(super) fn ticket_for(&self, departed: &[Departed<V>]) -> Option<Ticket<'_, V>> {
        (!departed.is_empty())
            .then(|| Ticket { deliveries: &self.deliveries, number: self.deliveries.open() })
    }

    /// Blocks until the deliveries that are under way are done, unless called from inside a callback or a load. What of them is deferred meanwhile, it
    /// makes itself: nobody else may ever do so.
    pub(super) fn wait_for_deliveries(&self) {
        if in_callback() || Aboard::is_any() {
            return;
        }
        let barrier = self.deliveries.barrier();
        while self.deliveries.await_deferred(barrier) {
            self.deliver(Vec::new(), None);
        }
    }

    /// Whether values wait for a delivery that no thread is about to make.
    pub(super) fn has_deferred(&self) -> bool {
        self.deliveries.state.lock().oldest.is_some()
    }

    /// Delivers what was deferred; returns whether there was anything.
    fn deliver_deferred(&self) -> bool {
        let Some((deferred, number)) = self.deliveries.take_deferred() else { return false };
        let _ticket = Ticket { deliveries: &self.deliveries, number };
        deferred.into_iter().for_each(|gone| self.deliver_one(gone));
        true
    }

    /// Delivers one value that the calling thread itself displaced.
    #[inline]
    pub(super) fn depart(&self, gone: Departed<V>) {
        if self.settings.listener.is_none() && gone.cause == Cause::Replaced {
            // Nobody listens, nothing is counted: a destructor that panics is the caller's own.
            return;
        }
        self.deliver(vec![gone], None);
    }

    /// Delivers what left, and then what was deferred. The caller holds no lock. The ticket is closed at the end.
    pub(super) fn deliver(&self, departed: Vec<Departed<V>>, ticket: Option<Ticket<'_, V>>) {
        let address = std::ptr::from_ref(self).addr();
        let Some(_marked) = Marked::new(address) else {
            self.defer(departed, ticket);
            return;
        };
        departed.into_iter().for_each(|gone| self.deliver_one(gone));
        // Once more for what the callbacks caused; what those cause is left to the next turn. If the last handle is gone
        // there is none, and there is an end to it: nobody can cause anything any more.
        while self.deliver_deferred() && self.bell.is_stopping() {}
    }

    /// Leaves a delivery to the next turn.
    pub(super) fn defer(&self, departed: Vec<Departed<V>>, ticket: Option<Ticket<'_, V>>) {
        if !departed.is_empty() {
            self.deliveries.defer(departed, ticket.map(Ticket::into_number));
            self.bell.ring();
        }
    }

    /// Runs `job` and leaves to the next turn, or to who asks for it, to deliver what departs by it.
    pub(super) fn deferring<R>(&self, job: impl FnOnce() -> R) -> R {
        let _marked = Marked::new(std::ptr::from_ref(self).addr());
        job()
    }

    /// Runs `job` and delivers what departs by it only afterwards: callbacks may wait for what `job` has yet to end.
    pub(super) fn delivering_after<R>(&self, job: impl FnOnce() -> R) -> R {
        let marked = Marked::new(std::ptr::from_ref(self).addr());
        let outcome = job();
        if marked.is_some() {
            drop(marked);
            self.catch_up();
        }
        outcome
    }

    /// Delivers what was deferred, unless the thread is inside a callback.
    pub(super) fn catch_up(&self) {
        if self.has_deferred() {
            self.deliver(Vec::new(), None);
        }
    }

    fn deliver_one(&self, gone: Departed<V>) {
        let Departed { key, cost, value, cause } = gone;
        let counts = match cause {
            Cause::Evicted => Some((Count::Evictions, Count::EvictedCost)),
            Cause::Rejected => Some((Count::Rejections, Count::RejectedCost)),
            Cause::Expired => Some((Count::Expirations, Count::ExpiredCost)),
            Cause::Cleared => Some((Count::Cleared, Count::ClearedCost)),
            // Counted by the writer, under the shard's lock.
            Cause::Replaced | Cause::Removed => None,
        };
        if let Some((number, sum)) = counts {
            self.count(number, 1);
            self.count(sum, cost);
        }
        let told = contain(|| match &self.settings.listener {
            Some(listener) => listener(Event { key, value, cost, cause }),
            None => drop(value),
        });
        if told.is_none() {
            self.count(Count::CallbackPanics, 1);
            trace::callback_panicked(self.name(), Some(cause));
        }
    }
}
