//! The processor: the thread that runs turns of maintenance, and the bell that wakes it.
//!
//! It sleeps without polling while there is nothing to do. Woken by the first pending command, it turns, then
//! naps for a moment before it looks again, so that under steady traffic writers pay no wake-ups and a turn finds a
//! batch; when a turn finds nothing, it goes to sleep until the bell rings or the next deadline.
//! Nothing depends on its being fast: writers that run out of room turn by themselves.
//!
//! # The bell
//!
//! | state | who sets it | meaning |
//! |---|---|---|
//! | `AWAKE` | the processor when it wakes; a ringer | a look at the work is still to come |
//! | `ASLEEP` | the processor, before its last look | a ringer must wake it |
//!
//! `Ordering:` sequentially consistent on both sides. A writer marks its shard, then reads the state; the processor sets
//! `ASLEEP`, then looks for marks. In the single order of these four one of the two sees the other: either the
//! writer wakes a sleeper, or the processor finds the mark and stays up. The loom test below tries every
//! interleaving.

use crate::sync::{AtomicBool, AtomicU32, Ordering};
use parking_lot::Mutex;
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

/// The work, as the processor sees it.
pub(crate) trait Maintain {
    /// Runs one bounded turn; returns whether there was anything to do.
    fn turn(&self) -> bool;
    /// How long nothing will be due, if nobody rings.
    fn rest(&self) -> Rest;
}

/// How long the processor may sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Not at all: there is more to do.
    None,
    /// Until a deadline.
    For(Duration),
    /// Until the bell rings.
    UntilRung,
}

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;

/// How long the processor lets work gather while there is some.
const NAP: Duration = Duration::from_millis(1);

/// Wakes the processor.
#[derive(Debug)]
pub(crate) struct Bell {
    state: AtomicU32,
    stopping: AtomicBool,
    sleeper: Mutex<Option<Thread>>,
}

impl Bell {
    pub(crate) fn new() -> Self {
        Self { state: AtomicU32::new(AWAKE), stopping: AtomicBool::new(false), sleeper: Mutex::new(None) }
    }

    /// There is something to do. A load of a line that rarely changes, unless the processor sleeps.
    #[inline]
    pub(crate) fn ring(&self) {
        if self.state.load(Ordering::SeqCst) == ASLEEP {
            self.wake();
        }
    }

    /// Asks the processor to end, and wakes it for that.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.state.store(AWAKE, Ordering::SeqCst);
        self.unpark();
    }

    #[cold]
    fn wake(&self) {
        if self.state.swap(AWAKE, Ordering::SeqCst) == ASLEEP {
            self.unpark();
        }
    }

    fn unpark(&self) {
        if let Some(thread) = &*self.sleeper.lock() {
            thread.unpark();
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Sleeps until rung, stopped, or `rest` has passed. `has_work` is the last look.
    fn sleep(&self, rest: impl Fn() -> Rest) {
        self.state.swap(ASLEEP, Ordering::SeqCst);
        match rest() {
            Rest::None => {}
            _ if self.is_stopping() => {}
            Rest::For(time) => thread::park_timeout(time),
            Rest::UntilRung => thread::park(),
        }
        self.state.swap(AWAKE, Ordering::SeqCst);
    }
}

/// The loop of the processor thread.
pub(crate) fn run(work: &impl Maintain, bell: &Bell) {
    *bell.sleeper.lock() = Some(thread::current());
    while !bell.is_stopping() {
        if work.turn() {
            // More may come: let it gather, and spare the writers the bell.
            thread::park_timeout(NAP);
        } else {
            bell.sleep(|| work.rest());
        }
    }
}

/// The running thread, stopped and joined by its owner.
#[derive(Debug)]
pub(crate) struct Processor {
    thread: JoinHandle<()>,
}

impl Processor {
    pub(crate) fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> std::io::Result<Self> {
        Ok(Self { thread: thread::Builder::new().name(name).spawn(body)? })
    }

    /// Waits for the thread to end; its bell was told to stop. Inside a callback it is left to end by itself: the
    /// callback may be running on it, or it may be waiting for a thread that waits for this one.
    pub(crate) fn end(self, wait: bool) {
        if wait && self.thread.thread().id() != thread::current().id() {
            // The body contains every panic of user code; if it died all the same, there is nobody left to wait for.
            let _ = self.thread.join();
        }
    }
}
