//! Flights: one load under way for many callers.
//!
//! Of all who want a value that is not there, one *leads*: it runs the load. The others *join* its flight and
//! wait for it to *land*. Whether a caller is a thread or a task makes no difference here: both wait by polling
//! a [`Landing`] with a [`Waker`], a thread's being one that ends its sleep. So there is one list of waiters, and one way
//! to wait.
//!
//! Which flights there are, one for a key, is kept beside the rows of a shard, under its lock
//! ([`Loads`](crate::store::Loads)): that the key has no value, that no flight is under way, and that one
//! begins, is one step; so is that a value is written and its flight is over. A writer of the key takes the flight out: it
//! is *overtaken*, its load commits nothing, and nobody joins it any more.
//!
//! | state | set by | then |
//! |---|---|---|
//! | aloft, listed | the leader, under the shard's lock | callers join it |
//! | aloft, overtaken | a writer of the key, `remove`, `clear`, and whoever asks for the key on the very thread that lands it, under the shard's lock | nobody joins; those who have joined wait on |
//! | landed | the leader, once, after it is listed no more | everybody who has joined is woken |
//!
//! A flight lands however its load ends: with a value or an error, which all who joined receive, or *abandoned*, by a
//! panic or because its future was dropped. Then those who joined start over, and the first of them leads. All are
//! woken, not one: a chosen heir might be a future that is never polled again.
//!
//! This module knows no cache: it does not write values, and never runs a load.

use crate::contain::contain;
use crate::key::KeyHash;
use crate::sync::{Arc, Condvar, Mutex, thread_local};
use std::any::Any;
use std::cell::RefCell;
use std::collections::HashSet;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Wake, Waker};

/// One load under way.
pub(crate) struct Flight<V> {
    key: KeyHash,
    state: Mutex<State<V>>,
    /// The groups that were removed since the flight began. It keeps them when it is overtaken: whoever has joined by then is not to
    /// be given what is out of date.
    ended: Mutex<Ended>,
}

/// Groups of entries, by number: these, or all.
#[derive(Default)]
struct Ended {
    groups: HashSet<u64>,
    all: bool,
}

enum State<V> {
    Aloft(Waiters),
    Landed(Arc<Outcome<V>>),
}

/// How a load ended.
pub(crate) enum Outcome<V> {
    Loaded(V),
    /// An error of a type that the leader chose: for those who joined with the same type.
    Failed(std::sync::Arc<dyn Any + Send + Sync>),
    /// Nobody is at it any more: it panicked or was dropped.
    Abandoned,
}

/// Tells a flight from all others that exist at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlightId(usize);

impl<V> Flight<V> {
    pub(crate) fn new(key: KeyHash) -> Self {
        Self { key, state: Mutex::new(State::Aloft(Waiters::default())), ended: Mutex::default() }
    }

    pub(crate) fn key(&self) -> KeyHash {
        self.key
    }

    pub(crate) fn id(&self) -> FlightId {
        FlightId(std::ptr::from_ref(self).addr())
    }

    /// A group of entries was removed: the flight brings none of it. O(1).
    pub(crate) fn end_group(&self, group: u64) {
        let mut ended = self.ended.lock();
        if ended.all {
            return;
        }
        ended.groups.insert(group);
        if ended.groups.len() >= MOST_ENDED {
            // A long flight is not to remember without end: it brings nothing that is of any group.
            *ended = Ended { groups: HashSet::new(), all: true };
        }
    }

    /// Whether the group was removed since the flight began.
    pub(crate) fn has_ended(&self, group: u64) -> bool {
        let ended = self.ended.lock();
        ended.all || ended.groups.contains(&group)
    }

    /// Waits for the flight to land.
    pub(crate) fn landing(&self) -> Landing<'_, V> {
        Landing { flight: self, seat: None }
    }

    /// The load has ended: wakes everybody. Called by the leader, once, with no lock held.
    pub(crate) fn land(&self, outcome: Outcome<V>) {
        let landed = State::Landed(Arc::new(outcome));
        let before = std::mem::replace(&mut *self.state.lock(), landed);
        let State::Aloft(waiters) = before else { unreachable!("a flight lands once") };
        for waker in waiters.seats.into_iter().flatten() {
            // A waker is an executor's: if it panics, it loses its own wake-up and nobody else's.
            contain(|| waker.wake());
        }
    }
}

/// The groups that a flight remembers one by one.
const MOST_ENDED: usize = 4096;

/// Those who wait: a seat each, so that leaving takes no search.
#[derive(Default)]
struct Waiters {
    seats: Vec<Option<Waker>>,
    vacant: Vec<usize>,
}

impl Waiters {
    /// Seats a waker: where it sat before, or anew. Returns the seat, and the waker that sat there.
    fn seat(&mut self, seat: Option<usize>, waker: Waker) -> (usize, Option<Waker>) {
        if let Some(seat) = seat.or_else(|| self.vacant.pop()) {
            let before = self.seats[seat].replace(waker);
            return (seat, before);
        }
        self.seats.push(Some(waker));
        (self.seats.len() - 1, None)
    }

    fn leave(&mut self, seat: usize) -> Option<Waker> {
        self.vacant.push(seat);
        self.seats[seat].take()
    }
}

/// Ready when the flight has landed.
pub(crate) struct Landing<'a, V> {
    flight: &'a Flight<V>,
    /// Taken by the first poll that finds the flight aloft.
    seat: Option<usize>,
}

impl<V> Future for Landing<'_, V> {
    type Output = Arc<Outcome<V>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Cloned before the lock is taken, dropped after it is given back: a waker is an executor's code.
        let waker = context.waker().clone();
        let mut state = self.flight.state.lock();
        match &mut *state {
            State::Landed(outcome) => {
                let outcome = Arc::clone(outcome);
                drop(state);
                Poll::Ready(outcome)
            }
            State::Aloft(waiters) => {
                let (seat, before) = waiters.seat(self.seat, waker);
                drop(state);
                drop(before);
                self.seat = Some(seat);
                Poll::Pending
            }
        }
    }
}

impl<V> Drop for Landing<'_, V> {
    fn drop(&mut self) {
        let Some(seat) = self.seat else { return };
        let waker = match &mut *self.flight.state.lock() {
            State::Aloft(waiters) => waiters.leave(seat),
            State::Landed(_) => None,
        };
        drop(waker);
    }
}

thread_local! {
    /// The flights that this thread is busy with now, the innermost last.
    static ABOARD: RefCell<Vec<(FlightId, Stage)>> = const { RefCell::new(Vec::new()) };
}

/// What a thread does with a flight that it leads. For it to wait for the flight would be for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It runs the load.
    Loading,
    /// It writes what was loaded. User code runs even here: a weigher, say, or a destructor if that panics.
    Landing,
}

/// Marks that the thread is busy with a flight, until dropped. The last to be made is the first to be dropped.
pub(crate) struct Aboard(());

impl Aboard {
    pub(crate) fn new(flight: FlightId, stage: Stage) -> Self {
        let _ = ABOARD.try_with(|aboard| aboard.borrow_mut().push((flight, stage)));
        Self(())
    }

    /// Whether this thread is busy with any flight.
    pub(crate) fn is_any() -> bool {
        ABOARD.try_with(|aboard| !aboard.borrow().is_empty()).unwrap_or(false)
    }

    /// Whether this thread lands flights within the landing of others, as deep as it may.
    pub(crate) fn is_too_deep() -> bool {
        let landing = |aboard: &RefCell<Vec<(FlightId, Stage)>>| {
            aboard.borrow().iter().filter(|&&(_, stage)| stage == Stage::Landing).count()
        };
        ABOARD.try_with(landing).unwrap_or(0) > DEEPEST
    }

    /// What this thread does with that flight, if anything.
    pub(crate) fn stage(flight: FlightId) -> Option<Stage> {
        // A thread whose locals are gone is running destructors, and no load.
        let find = |aboard: &RefCell<Vec<(FlightId, Stage)>>| {
            aboard.borrow().iter().find(|&&(id, _)| id == flight).map(|&(_, stage)| stage)
        };
        ABOARD.try_with(find).ok().flatten()
    }
}

/// Landings within landings on one thread. A value that asks for its own key while it is weighed or cloned would never end.
const DEEPEST: usize = 16;

impl Drop for Aboard {
    fn drop(&mut self) {
        let _ = ABOARD.try_with(|aboard| aboard.borrow_mut().pop());
    }
}

/// Runs a future on this thread, which sleeps while it is pending.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let sleeper = std::sync::Arc::new(Sleeper { woken: Mutex::new(false), rung: Condvar::new() });
    let waker = Waker::from(std::sync::Arc::clone(&sleeper));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        sleeper.sleep();
    }
}

/// A thread that waits.
struct Sleeper {
    woken: Mutex<bool>,
    rung: Condvar,
}

impl Sleeper {
    fn sleep(&self) {
        let mut woken = self.woken.lock();
        while !*woken {
            self.rung.wait(&mut woken);
        }
        *woken = false;
    }
}

impl Wake for Sleeper {
    fn wake(self: std::sync::Arc<Self>) {
        *self.woken.lock() = true;
        self.rung.notify_one();
    }
}

#[cfg(test)]
mod tests;
