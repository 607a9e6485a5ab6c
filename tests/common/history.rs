//! Histories of calls, and whether they could have happened one after another: linearizability, key by key.
//!
//! A cache may drop an entry at any time: evictions, rejections and expiries appear as removals that nobody asked for. So an answer
//! "there is none" is always possible, but from then on there is none: what was not there cannot come back without a write. Where nothing is ever
//! dropped (room for all, no deadlines), a history can be judged *strictly*: "there is none" must be true.
//!
//! The search is the one of Wing and Gong, "Testing and verifying concurrent objects" (1993), over histories of a few calls.

use super::{Books, Value};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tollgate::clock::ManualClock;
use tollgate::{Cache, Computed, InsertOptions, Inserted, Op};

/// Cloned by reads, counted once.
pub type Held = Arc<Value>;

/// What a thread does. Keys are small numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Insert(u64),
    /// With three milliseconds to live.
    Brief(u64),
    /// If there is one to replace.
    Replace(u64),
    /// At this cost.
    Costly(u64, u64),
    Get(u64),
    GetMany,
    Remove(u64),
    Put(u64),
    Take(u64),
    Recost(u64, u64),
    Update(u64),
    Load(u64),
    LoadFails(u64),
    InsertMany,
    RemoveMany,
    Clear,
    RetainNone,
    Resize(u64),
    Advance(u64),
    Wait,
    RunPending,
}

/// What a call did to a key, or saw of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// It was loaded from this moment on, and written whatever was there. What overtakes a load after its call has begun comes
    /// after it, even if the loader had yet to run.
    Write(usize, u64),
    /// It wrote where there was none.
    Fresh(usize),
    /// It wrote over something.
    Over(usize),
    Read(usize),
    /// It saw that there was something.
    Present,
    /// It saw that there was nothing.
    Absent,
    /// It took this out.
    Take(usize),
    /// It removed whatever there was, and what is being loaded.
    Clear,
    /// It removed whatever there was.
    Sweep,
}

/// One step, between two moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    pub key: u64,
    pub step: Step,
    pub begun: u64,
    pub ended: u64,
}

/// Keys of a history are below this.
pub const KEYS: u64 = 3;

/// A cache whose calls are recorded.
pub struct Recorded {
    pub cache: Cache<u64, Held>,
    pub books: Arc<Books>,
    pub clock: ManualClock,
    /// One moment after another. Sequentially consistent: a call that began after another one had ended has the later moment.
    moment: AtomicU64,
    /// Loaded values: their caller cannot know whether the cache has taken them.
    unclear: parking_lot::Mutex<Vec<usize>>,
}

impl Recorded {
    pub fn new(cache: Cache<u64, Held>, books: Arc<Books>, clock: ManualClock) -> Self {
        Self { cache, books, clock, moment: AtomicU64::new(0), unclear: parking_lot::Mutex::default() }
    }

    /// After the last call: every value went one way, or was loaded and not kept.
    pub fn audit(self) {
        let mut resident = Vec::new();
        self.cache.retain(|_, value| {
            resident.push(value.id);
            true
        });
        assert_eq!(self.cache.stats().loading, 0, "a load has leaked");
        self.books.forgive(&self.unclear.lock());
        self.books.audit(&resident);
        drop(self.cache);
        self.books.audit_drops();
    }

    fn now(&self) -> u64 {
        self.moment.fetch_add(1, Ordering::SeqCst)
    }

    /// Does it, and tells what happened.
    pub fn call(&self, call: Call, history: &mut Vec<Event>) {
        let begun = self.now();
        let steps = self.play(call);
        let ended = self.now();
        history.extend(steps.into_iter().map(|(key, step)| Event { key, step, begun, ended }));
    }

    fn play(&self, call: Call) -> Vec<(u64, Step)> {
        let (cache, forever) = (&self.cache, InsertOptions::default());
        match call {
            Call::Insert(key) => self.insert(key, 1, forever),
            Call::Brief(key) => {
                let time_to_live = Some(Duration::from_millis(3));
                self.insert(key, 1, InsertOptions { time_to_live, ..forever })
            }
            Call::Replace(key) => self.insert(key, 1, InsertOptions { if_present: true, ..forever }),
            Call::Costly(key, cost) => self.insert(key, cost, forever),
            Call::Get(key) => vec![(key, seen(cache.get(&key)))],
            Call::GetMany => (0..KEYS).zip(cache.get_many(&[0, 1, 2]).into_iter().map(seen)).collect(),
            Call::Remove(key) => self.removed(key, cache.remove(&key)),
            Call::Put(key) | Call::Take(key) => vec![(key, self.compute(key, call))],
            Call::Recost(key, cost) => self.recost(key, cost),
            Call::Update(key) => {
                vec![(key, if cache.update(&key, |_| ()) { Step::Present } else { Step::Absent })]
            }
            Call::Load(key) => {
                let fresh = self.value();
                let id = fresh.id;
                self.unclear.lock().push(id);
                let mut from = 0;
                let loaded = cache.get_or_insert_with(&key, 1, || {
                    from = self.now();
                    linger();
                    fresh
                });
                vec![(key, if loaded.id == id { Step::Write(id, from) } else { Step::Read(loaded.id) })]
            }
            Call::LoadFails(key) => {
                let loaded = cache.get_or_try_insert_with(&key, 1, || Err::<Held, _>("planted"));
                vec![(key, loaded.map_or(Step::Absent, |value| Step::Read(value.id)))]
            }
            Call::InsertMany => {
                let items = [0, 1, 2].map(|key| (key, self.value(), 1));
                let ids = [0, 1, 2].map(|at: usize| items[at].1.id);
                let outcomes = cache.insert_many(items).into_iter().enumerate();
                outcomes.filter_map(|(at, outcome)| self.written(at as u64, ids[at], outcome)).collect()
            }
            Call::RemoveMany => {
                let removed = cache.remove_many(&[0, 1, 2]).into_iter();
                (0..KEYS).zip(removed).flat_map(|(key, value)| self.removed(key, value)).collect()
            }
            Call::Clear => self.nothing(Step::Clear, || cache.clear()),
            Call::RetainNone => self.nothing(Step::Sweep, || cache.retain(|_, _| false)),
            Call::Resize(max_cost) => self.no_step(|| cache.set_max_cost(max_cost)),
            Call::Advance(ms) => self.no_step(|| self.clock.advance(Duration::from_millis(ms))),
            Call::Wait => self.no_step(|| cache.wait().expect("not forked")),
            Call::RunPending => self.no_step(|| cache.run_pending()),
        }
    }

    fn value(&self) -> Held {
        Arc::new(self.books.value(0))
    }

    fn insert(&self, key: u64, cost: u64, options: InsertOptions) -> Vec<(u64, Step)> {
        let value = self.value();
        let id = value.id;
        let outcome = self.cache.try_insert_with(key, value, cost, options);
        self.written(key, id, outcome).into_iter().collect()
    }

    fn written(
        &self,
        key: u64,
        id: usize,
        outcome: Result<Inserted, tollgate::InsertError<Held>>,
    ) -> Option<(u64, Step)> {
        match outcome {
            Ok(Inserted::New) => Some((key, Step::Fresh(id))),
            Ok(Inserted::Replaced) => Some((key, Step::Over(id))),
            Err(error) => {
                let absent = matches!(error, tollgate::InsertError::Absent(_));
                self.books.hand_back_id(error.into_value().id);
                absent.then_some((key, Step::Absent))
            }
        }
    }

    fn compute(&self, key: u64, call: Call) -> Step {
        let fresh = self.value();
        let id = fresh.id;
        let mut fresh = Some(fresh);
        let outcome = self.cache.compute(&key, |entry| match call {
            Call::Put(_) => Op::Put { value: fresh.take().expect("once"), cost: 1 },
            _ if entry.is_some() => Op::Remove,
            _ => Op::Keep,
        });
        if fresh.is_some() {
            self.books.hand_back_id(id);
        }
        match outcome {
            Ok(Computed::Written(Inserted::New)) => Step::Fresh(id),
            Ok(Computed::Written(Inserted::Replaced)) => Step::Over(id),
            Ok(Computed::Removed(value)) => self.taken(Some(value)),
            Ok(Computed::Absent | Computed::Kept) => Step::Absent,
            Err(error) => {
                self.books.hand_back_id(error.into_value().id);
                // The old value has left for it, or there was none.
                Step::Clear
            }
        }
    }

    /// An entry for whose larger cost there is no room leaves, and comes back if it may: two steps.
    fn recost(&self, key: u64, cost: u64) -> Vec<(u64, Step)> {
        let mut present = None;
        let outcome = self.cache.compute(&key, |entry| match entry {
            Some(value) => {
                present = Some(value.id);
                Op::Recost(cost)
            }
            None => Op::Keep,
        });
        match (outcome, present) {
            (Ok(_), Some(id)) => vec![(key, Step::Take(id)), (key, Step::Fresh(id))],
            (Ok(_), None) => vec![(key, Step::Absent)],
            (Err(error), _) => vec![(key, self.taken(Some(error.into_value())))],
        }
    }

    /// A removal has its effect also where it finds nothing: on what is being loaded.
    fn removed(&self, key: u64, value: Option<Held>) -> Vec<(u64, Step)> {
        vec![(key, self.taken(value)), (key, Step::Clear)]
    }

    fn taken(&self, value: Option<Held>) -> Step {
        value.map_or(Step::Absent, |value| {
            self.books.hand_back_id(value.id);
            Step::Take(value.id)
        })
    }

    fn nothing(&self, step: Step, call: impl FnOnce()) -> Vec<(u64, Step)> {
        call();
        (0..KEYS).map(|key| (key, step)).collect()
    }

    fn no_step(&self, call: impl FnOnce()) -> Vec<(u64, Step)> {
        call();
        Vec::new()
    }
}

/// A load takes a while, or little would ever overtake one. A model checker needs no time for that.
fn linger() {
    if cfg!(not(tollgate_shuttle)) {
        std::thread::sleep(Duration::from_micros(10));
    }
}

fn seen(value: Option<Held>) -> Step {
    value.map_or(Step::Absent, |value| Step::Read(value.id))
}

/// Whether the calls could have happened one after another, each between its beginning and its end.
pub fn is_linearizable(history: &[Event], strict: bool) -> bool {
    (0..KEYS).all(|key| {
        let events: Vec<Event> = history.iter().copied().filter(|event| event.key == key).collect();
        assert!(events.len() < 64, "a history is small");
        no_stale_load(&events) && search(&events, 0, None, strict, &mut HashSet::new())
    })
}

/// What was removed or overwritten while it was loaded does not come back: nobody is given it whose call began after that was over.
fn no_stale_load(events: &[Event]) -> bool {
    let loads = events.iter().filter_map(|event| match event.step {
        Step::Write(id, from) => Some((id, from)),
        _ => None,
    });
    // Unless it has left and come back for want of room, see `recost`.
    let is_moved = |id: usize| events.iter().any(|event| event.step == Step::Fresh(id));
    loads.into_iter().filter(|&(id, _)| !is_moved(id)).all(|(id, from)| {
        let overtakes = |event: &&Event| {
            let is_write = matches!(event.step, Step::Fresh(_) | Step::Over(_) | Step::Take(_) | Step::Clear);
            is_write && event.begun > from
        };
        let over = events.iter().filter(overtakes).map(|event| event.ended).min();
        let given = |event: &Event| matches!(event.step, Step::Read(seen) | Step::Take(seen) if seen == id);
        over.is_none_or(|over| !events.iter().any(|event| given(event) && event.begun > over))
    })
}

/// `done` is a set of events, `value` what is there after them.
fn search(
    events: &[Event],
    done: u64,
    value: Option<usize>,
    strict: bool,
    dead_ends: &mut HashSet<(u64, Option<usize>)>,
) -> bool {
    if done.count_ones() as usize == events.len() {
        return true;
    }
    if !dead_ends.insert((done, value)) {
        return false;
    }
    let open = || events.iter().enumerate().filter(|(at, _)| done >> at & 1 == 0);
    // Whatever begins after another one has ended comes after it.
    let first_end = open().map(|(_, event)| event.ended).min().expect("not all are done");
    open().filter(|(_, event)| event.begun < first_end).any(|(at, event)| {
        after(event.step, value, strict)
            .is_some_and(|value| search(events, done | 1 << at, value, strict, dead_ends))
    })
}

/// What is there after a step; `None` if the step cannot be taken from there.
fn after(step: Step, value: Option<usize>, strict: bool) -> Option<Option<usize>> {
    let may_be_gone = !strict || value.is_none();
    match step {
        Step::Write(id, _) => Some(Some(id)),
        Step::Fresh(id) => may_be_gone.then_some(Some(id)),
        Step::Over(id) => value.map(|_| Some(id)),
        Step::Read(id) => (value == Some(id)).then_some(value),
        Step::Present => value.map(Some),
        Step::Absent => may_be_gone.then_some(None),
        Step::Take(id) => (value == Some(id)).then_some(None),
        Step::Clear | Step::Sweep => Some(None),
    }
}
