//! Values that left: listener calls and destructors, with no lock held.
//!
//! Rows that a turn took out of the store are delivered by the thread that ran the turn, after it has given the
//! engine's mutex back. Each delivery holds a ticket that was opened *under* that mutex, so that
//! [`wait`](crate::Cache::wait), which takes the mutex first, knows every delivery that its turn came after.
//!
//! A callback may call the cache, and that call may take further rows out. Delivering those at once would
//! recurse without end (a listener that re-inserts what was evicted), so a thread that is already delivering
//! for this cache defers them: the outer delivery, or the next turn, takes them along.
//!
//! | the thread | `wait()` | a delivery of its own |
//! |---|---|---|
//! | runs no callback | waits for the tickets opened before | at once |
//! | runs a callback of any cache | settles the state, waits for no ticket: two callbacks never wait for each other | at once, or deferred if the callback is of this cache |

use super::{Core, Count};
use crate::key::KeyHash;
use crate::listener::{Cause, Event};
use crate::store::Row;
use crate::sync::{Condvar, Mutex, thread_local};
use crate::trace;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

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

/// Deliveries under way.
#[derive(Default)]
pub(super) struct Deliveries {
    tickets: Mutex<Tickets>,
    closed: Condvar,
}

#[derive(Default)]
struct Tickets {
    next: u64,
    open: Vec<u64>,
}

/// Values that left while their thread was inside a callback of this cache.
pub(super) struct Deferred<V>(Mutex<Vec<Departed<V>>>);

impl<V> Default for Deferred<V> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl Deliveries {
    fn open(&self) -> u64 {
        let mut tickets = self.tickets.lock();
        let ticket = tickets.next;
        tickets.next += 1;
        tickets.open.push(ticket);
        ticket
    }

    fn close(&self, ticket: u64) {
        let mut tickets = self.tickets.lock();
        tickets.open.retain(|&open| open != ticket);
        self.closed.notify_all();
    }

    /// Blocks until every ticket that is open now is closed.
    fn wait(&self) {
        let mut tickets = self.tickets.lock();
        let barrier = tickets.next;
        while tickets.open.iter().any(|&open| open < barrier) {
            self.closed.wait(&mut tickets);
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
pub(super) struct Ticket<'a> {
    deliveries: &'a Deliveries,
    number: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.deliveries.close(self.number);
    }
}

impl<V> Core<V> {
    /// Opens a ticket. The caller holds the mutex under which others learn of what is to be delivered.
    pub(super) fn open_ticket(&self) -> Ticket<'_> {
        Ticket { deliveries: &self.deliveries, number: self.deliveries.open() }
    }

    /// Blocks until the deliveries that are under way are done, unless called from inside a callback.
    pub(super) fn wait_for_deliveries(&self) {
        if !in_callback() {
            self.deliveries.wait();
        }
    }

    /// Whether values wait for a delivery that no thread is about to make.
    pub(super) fn has_deferred(&self) -> bool {
        !self.deferred.0.lock().is_empty()
    }

    /// Delivers what was deferred; returns whether there was anything. The ticket is opened before anybody can see that
    /// nothing is deferred any more: `wait` looks first for the one, then for the other.
    fn deliver_deferred(&self) -> bool {
        let (_ticket, deferred) = {
            let mut deferred = self.deferred.0.lock();
            if deferred.is_empty() {
                return false;
            }
            (self.open_ticket(), std::mem::take(&mut *deferred))
        };
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
        self.deliver(vec![gone]);
    }

    /// Delivers what left. The caller holds no lock.
    pub(super) fn deliver(&self, departed: Vec<Departed<V>>) {
        let address = std::ptr::from_ref(self).addr();
        let Some(_marked) = Marked::new(address) else {
            self.defer(departed);
            return;
        };
        departed.into_iter().for_each(|gone| self.deliver_one(gone));
        // Once more for what the callbacks caused; what those cause is left to the next turn. If the last handle is gone
        // there is none, and there is an end to it: nobody can cause anything any more.
        while self.deliver_deferred() && self.bell.is_stopping() {}
    }

    /// Leaves a delivery to the next turn.
    pub(super) fn defer(&self, departed: Vec<Departed<V>>) {
        if !departed.is_empty() {
            self.deferred.0.lock().extend(departed);
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
            self.deliver(Vec::new());
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
        let outcome = catch_unwind(AssertUnwindSafe(|| match &self.settings.listener {
            Some(listener) => listener(Event { key, value, cost, cause }),
            None => drop(value),
        }));
        if outcome.is_err() {
            self.count(Count::CallbackPanics, 1);
            trace::callback_panicked(self.name(), Some(cause));
        }
    }
}
