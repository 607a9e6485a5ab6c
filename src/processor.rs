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

mod shared;

pub use shared::SharedProcessor;

use crate::contain::{contain, discard};
use crate::sync::thread::{self, JoinHandle, Thread};
use crate::sync::{AtomicBool, AtomicU32, Mutex, Ordering, in_single_order};
use shared::{Caller, Membership};
use std::time::Duration;

/// The work, as the processor sees it. `turn` and `rest` may panic: a clock is the user's.
pub(crate) trait Maintain {
    /// Runs one bounded turn; returns whether there was anything to do.
    fn turn(&self) -> bool;
    /// How long nothing will be due, if nobody rings.
    fn rest(&self) -> Rest;
    /// The bell that is rung when there is work.
    fn bell(&self) -> &Bell;
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

/// When to try again what has panicked.
const AFTER_A_PANIC: Duration = Duration::from_secs(1);

/// Wakes the processor.
#[derive(Debug)]
pub(crate) struct Bell {
    state: AtomicU32,
    stopping: AtomicBool,
    sleeper: Mutex<Option<Sleeper>>,
}

/// Who is woken.
#[derive(Debug, Clone)]
enum Sleeper {
    /// The thread of this cache.
    Own(Thread),
    /// A thread that this cache shares with others.
    Shared(Caller),
}

impl Bell {
    pub(crate) fn new() -> Self {
        Self { state: AtomicU32::new(AWAKE), stopping: AtomicBool::new(false), sleeper: Mutex::new(None) }
    }

    /// There is something to do. A load of a line that rarely changes, unless the processor sleeps.
    #[inline]
    pub(crate) fn ring(&self) {
        in_single_order();
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
        // Out of the lock before anything else is done.
        let sleeper = self.sleeper.lock().clone();
        match sleeper {
            Some(Sleeper::Own(thread)) => thread.unpark(),
            Some(Sleeper::Shared(caller)) => caller.call(),
            None => {}
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Sleeps until rung, stopped, or `rest` has passed.
    fn sleep(&self, rest: impl Fn() -> Rest) {
        match self.doze(rest) {
            Rest::None => {}
            _ if self.is_stopping() => {}
            Rest::For(time) => thread::park_timeout(time),
            Rest::UntilRung => thread::park(),
        }
        self.rise();
    }

    /// Falls asleep, unless there is more to do. `rest` is asked last: it is the last look at the work.
    fn doze(&self, rest: impl Fn() -> Rest) -> Rest {
        self.state.swap(ASLEEP, Ordering::SeqCst);
        in_single_order();
        let rest = rest();
        if rest == Rest::None {
            self.rise();
        }
        rest
    }

    fn rise(&self) {
        self.state.swap(AWAKE, Ordering::SeqCst);
    }

    /// A shared processor serves this cache from now on.
    fn belongs_to(&self, caller: Caller) {
        *self.sleeper.lock() = Some(Sleeper::Shared(caller));
    }
}

/// The loop of the processor thread.
pub(crate) fn run(work: &impl Maintain) {
    let bell = work.bell();
    *bell.sleeper.lock() = Some(Sleeper::Own(thread::current()));
    while !bell.is_stopping() {
        let visit = contain(|| {
            if work.turn() {
                // More may come: let it gather, and spare the writers the bell.
                thread::park_timeout(NAP);
            } else {
                bell.sleep(|| work.rest());
            }
        });
        if visit.is_none() {
            // It may have panicked on the way to sleep.
            bell.rise();
            thread::park_timeout(AFTER_A_PANIC);
        }
    }
}

/// What drives a cache, until its owner ends it.
#[derive(Debug)]
pub(crate) struct Processor(Driver);

#[derive(Debug)]
enum Driver {
    Thread(JoinHandle<()>),
    Shared(Membership),
}

impl Processor {
    pub(crate) fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> std::io::Result<Self> {
        Ok(Self(Driver::Thread(thread::Builder::new().name(name).spawn(body)?)))
    }

    fn shared(membership: Membership) -> Self {
        Self(Driver::Shared(membership))
    }

    /// Waits for the thread to end, or to leave the cache; its bell was told to stop. Inside a callback (`wait` is false) it is left to
    /// end by itself: the callback may be running on it, or it may be waiting for a thread that waits for this one.
    pub(crate) fn end(self, wait: bool) {
        match self.0 {
            Driver::Thread(thread) => {
                if wait && thread.thread().id() != thread::current().id() {
                    // The body contains every panic of user code; if it died all the same, there is nobody left to wait for.
                    thread.join().unwrap_or_else(discard);
                }
            }
            Driver::Shared(membership) => membership.end(wait),
        }
    }
}

/// `RUSTFLAGS="--cfg tollgate_loom" cargo test --release --lib loom`
#[cfg(all(test, tollgate_loom))]
mod loom_tests {
    use super::*;
    use crate::store::Dirty;
    use loom::sync::Arc;

    /// Marks instead of commands: a turn takes what is marked.
    struct Marks {
        dirty: Dirty,
        bell: Bell,
        taken: AtomicU32,
    }

    impl Maintain for Marks {
        fn turn(&self) -> bool {
            let mut worked = false;
            for shard in 0..2 {
                if self.dirty.has(shard) {
                    self.dirty.unmark(shard);
                    self.taken.fetch_add(1, Ordering::SeqCst);
                    worked = true;
                }
            }
            worked
        }

        fn rest(&self) -> Rest {
            if self.dirty.any() { Rest::None } else { Rest::UntilRung }
        }

        fn bell(&self) -> &Bell {
            &self.bell
        }
    }

    /// The processor has a thread of its own, and only it is unparked; writers are the model's thread and others.
    fn model(processor: fn(&Marks), writers: fn(Arc<Marks>)) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(move || {
            let marks = Marks { dirty: Dirty::default(), bell: Bell::new(), taken: AtomicU32::new(0) };
            let marks = Arc::new(marks);
            let shared = marks.clone();
            let processor = loom::thread::spawn(move || processor(&shared));
            writers(marks);
            processor.join().unwrap();
        });
    }

    fn write(marks: &Marks, shard: usize) {
        marks.dirty.mark(shard);
        marks.bell.ring();
    }

    /// Sleeps between turns until so many marks are taken. With one ring lost it sleeps for ever, which loom reports.
    fn process(marks: &Marks, wanted: u32) {
        *marks.bell.sleeper.lock() = Some(Sleeper::Own(thread::current()));
        while marks.taken.load(Ordering::SeqCst) < wanted {
            if !marks.turn() {
                marks.bell.sleep(|| marks.rest());
            }
        }
    }

    #[test]
    fn loom_a_mark_wakes_the_sleeper_or_is_found_by_its_last_look() {
        model(|marks| process(marks, 1), |marks| write(&marks, 0));
    }

    #[test]
    fn loom_two_writers_lose_no_ring() {
        model(
            |marks| process(marks, 2),
            |marks| {
                let other = marks.clone();
                let writer = loom::thread::spawn(move || write(&other, 1));
                write(&marks, 0);
                writer.join().unwrap();
            },
        );
    }

    #[test]
    fn loom_stopping_ends_the_loop_however_fast_it_falls_asleep() {
        model(|marks| run(marks), |marks| marks.bell.stop());
    }

    #[test]
    fn loom_stopping_ends_the_loop_in_the_midst_of_work() {
        model(
            |marks| run(marks),
            |marks| {
                write(&marks, 0);
                marks.bell.stop();
            },
        );
    }
}
