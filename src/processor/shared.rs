//! One processor for many caches: a roster of members, and a thread that visits those who have something to do.
//!
//! A member has a [`Bell`](super::Bell) like any cache, with the same two states and the same proof; but a ringer that finds it asleep does not
//! unpark a thread of its own: it puts the member on the list of those who *called*, and wakes the visitor. A visit is one turn of
//! maintenance. What it leaves to be done later (there was work, so there may be more; a deadline) is an alarm.
//!
//! | a visit ends with | the bell | next visit |
//! |---|---|---|
//! | work was done, or there is more | awake | in a moment, by an alarm: work gathers meanwhile |
//! | nothing to do before a deadline | asleep | at the deadline, by an alarm, or when called |
//! | nothing to do | asleep | when called |
//! | a panic (a clock of the user's) | awake | after a second, by an alarm |
//!
//! The thread visits nobody who does not need it: its work is proportional to the members that are busy, whatever their number. It takes no
//! lock of a member's while it holds the roster's, and the other way round only ringers do, for a few instructions.

use super::{AFTER_A_PANIC, Maintain, NAP, Processor, Rest};
use crate::contain::contain;
use parking_lot::{Condvar, Mutex};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::thread::{self, ThreadId};
use std::time::Instant;

/// One maintenance thread for many caches; see [`Builder::processor`](crate::Builder::processor).
///
/// A handle: clones are the same processor. Its thread ends when the last handle and the last of its caches are gone.
///
/// A listener or destructor that takes its time on this thread keeps the other caches waiting for their turns. They go on working: their writers turn by
/// themselves when they have to. A panic in the user code of one cache is no concern of the others.
///
/// ```
/// use tollgate::{Cache, SharedProcessor};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let processor = SharedProcessor::new()?;
/// let tenants = (0..100)
///     .map(|_| Cache::<u64, String>::builder(1_000, 100).processor(&processor).build())
///     .collect::<Result<Vec<_>, _>>()?;
/// tenants[7].insert(1, "one".to_owned(), 1);
/// assert_eq!(processor.caches(), 100);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SharedProcessor {
    handle: Arc<Handle>,
}

/// Ends the thread when it goes.
struct Handle {
    roster: Arc<Roster>,
    process: u32,
}

/// Who is to be visited when.
pub(super) struct Roster {
    state: Mutex<State>,
    /// Somebody called, or the end has come.
    called: Condvar,
    /// A visit has ended.
    visited: Condvar,
}

#[derive(Default)]
struct State {
    seats: HashMap<u64, Seat>,
    next_id: u64,
    called: Vec<u64>,
    /// The alarms of all seats.
    alarms: BTreeSet<(Instant, u64)>,
    visiting: Option<u64>,
    visitor: Option<ThreadId>,
    is_over: bool,
}

struct Seat {
    work: Arc<dyn Maintain + Send + Sync>,
    alarm: Option<Instant>,
    /// Whether it is on the list already.
    has_called: bool,
}

/// A cache's place with a shared processor.
pub(super) struct Membership {
    processor: SharedProcessor,
    id: u64,
}

impl SharedProcessor {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the operating system refuses to.
    pub fn new() -> std::io::Result<Self> {
        let roster = Arc::new(Roster {
            state: Mutex::new(State::default()),
            called: Condvar::new(),
            visited: Condvar::new(),
        });
        let visits = Arc::clone(&roster);
        thread::Builder::new().name("tollgate-shared".into()).spawn(move || visits.run())?;
        Ok(Self { handle: Arc::new(Handle { roster, process: std::process::id() }) })
    }

    /// The number of caches that it serves.
    pub fn caches(&self) -> usize {
        self.handle.roster.state.lock().seats.len()
    }

    /// Serves a cache until its [`Processor`] is ended.
    pub(crate) fn serve(&self, work: Arc<dyn Maintain + Send + Sync>) -> Processor {
        let roster = &self.handle.roster;
        let id = roster.join(Arc::clone(&work));
        work.bell().belongs_to(Caller { roster: Arc::clone(roster), id });
        // Whoever rang before had nobody to call.
        roster.call(id);
        Processor::shared(Membership { processor: self.clone(), id })
    }
}

impl fmt::Debug for SharedProcessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedProcessor").field("caches", &self.caches()).finish()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // In a forked child there is no thread, and the lock may be held by one that is not there.
        if self.process == std::process::id() {
            self.roster.state.lock().is_over = true;
            self.roster.called.notify_all();
        }
    }
}

impl Membership {
    /// Gives the place up. `wait` is whether to wait for the end of a visit that is under way.
    pub(super) fn end(self, wait: bool) {
        self.processor.handle.roster.leave(self.id, wait);
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Calls the visitor in the name of a member.
#[derive(Clone)]
pub(super) struct Caller {
    roster: Arc<Roster>,
    id: u64,
}

impl Caller {
    pub(super) fn call(&self) {
        self.roster.call(self.id);
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Roster {
    fn join(&self, work: Arc<dyn Maintain + Send + Sync>) -> u64 {
        let mut state = self.state.lock();
        let id = state.next_id;
        state.next_id += 1;
        state.seats.insert(id, Seat { work, alarm: None, has_called: false });
        id
    }

    fn call(&self, id: u64) {
        let mut state = self.state.lock();
        let Some(seat) = state.seats.get_mut(&id) else { return };
        if !std::mem::replace(&mut seat.has_called, true) {
            state.called.push(id);
            self.called.notify_one();
        }
    }

    fn leave(&self, id: u64, wait: bool) {
        let mut state = self.state.lock();
        let seat = state.seats.remove(&id);
        if let Some(alarm) = seat.as_ref().and_then(|seat| seat.alarm) {
            state.alarms.remove(&(alarm, id));
        }
        if wait && state.visitor != Some(thread::current().id()) {
            while state.visiting == Some(id) {
                self.visited.wait(&mut state);
            }
        }
        // The cache may go with it, and takes its time.
        drop(state);
        drop(seat);
    }

    /// The thread.
    fn run(&self) {
        self.state.lock().visitor = Some(thread::current().id());
        while let Some(wanted) = self.wait() {
            for id in wanted {
                if let Some(work) = self.enter(id) {
                    let rest = visit(work);
                    self.exit(id, rest);
                }
            }
        }
    }

    /// Sleeps until somebody has called or an alarm goes off; `None` is the end.
    fn wait(&self) -> Option<Vec<u64>> {
        let mut state = self.state.lock();
        loop {
            if state.is_over {
                return None;
            }
            let wanted = state.take_wanted(Instant::now());
            if !wanted.is_empty() {
                return Some(wanted);
            }
            match state.alarms.first() {
                Some(&(alarm, _)) => _ = self.called.wait_until(&mut state, alarm),
                None => self.called.wait(&mut state),
            }
        }
    }

    fn enter(&self, id: u64) -> Option<Arc<dyn Maintain + Send + Sync>> {
        let mut state = self.state.lock();
        let work = Arc::clone(&state.seats.get(&id)?.work);
        state.visiting = Some(id);
        Some(work)
    }

    fn exit(&self, id: u64, rest: Rest) {
        let mut state = self.state.lock();
        state.visiting = None;
        self.visited.notify_all();
        let rest = match rest {
            Rest::None => Some(NAP),
            Rest::For(rest) => Some(rest),
            Rest::UntilRung => None,
        };
        // What lies beyond the host's clock never comes.
        let alarm = rest.and_then(|rest| Instant::now().checked_add(rest));
        state.set_alarm(id, alarm);
    }
}

impl State {
    fn take_wanted(&mut self, now: Instant) -> Vec<u64> {
        let mut wanted = std::mem::take(&mut self.called);
        for id in &wanted {
            if let Some(seat) = self.seats.get_mut(id) {
                seat.has_called = false;
            }
        }
        while let Some(&(alarm, id)) = self.alarms.first().filter(|(alarm, _)| *alarm <= now) {
            self.alarms.remove(&(alarm, id));
            if let Some(seat) = self.seats.get_mut(&id) {
                seat.alarm = None;
            }
            wanted.push(id);
        }
        wanted
    }

    /// At most one alarm for each seat, the latest that was set.
    fn set_alarm(&mut self, id: u64, alarm: Option<Instant>) {
        let Some(seat) = self.seats.get_mut(&id) else { return };
        if let Some(before) = std::mem::replace(&mut seat.alarm, alarm) {
            self.alarms.remove(&(before, id));
        }
        if let Some(alarm) = alarm {
            self.alarms.insert((alarm, id));
        }
    }
}

/// One turn. A panic stays here: other members are to be visited.
fn visit(work: Arc<dyn Maintain + Send + Sync>) -> Rest {
    let visit = || {
        let bell = work.bell();
        bell.rise();
        if bell.is_stopping() {
            Rest::UntilRung
        } else if work.turn() {
            Rest::None
        } else {
            bell.doze(|| work.rest())
        }
    };
    let rest = contain(visit);
    if rest.is_none() {
        work.bell().rise();
    }
    // Before the visit has ended: whoever waits for that has let go of the cache. It may go with this.
    contain(|| drop(work));
    rest.unwrap_or(Rest::For(AFTER_A_PANIC))
}
