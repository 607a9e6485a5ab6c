//! Loads, refreshes, groups, inserts, removals and clears, split over two or three threads: then they are joined, the cache is
//! settled, and the oracle and the books of all values must agree. Shared with the fuzz target.
//!
//! What a call answers depends on the schedule. What it may *not* answer does not: a value of another key, or a loaded one
//! whose load had begun before a write, removal or clear of its key (or the end of its group) that was over when the call began.

use super::{Books, Value, lock, settle};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tollgate::clock::ManualClock;
use tollgate::policy::PolicyKind;
use tollgate::{Cache, InsertError, InsertOptions, Loaded, Maintenance, Refresh, Reservation, Tag};

/// One step in its raw form: what, on which key, with which number.
pub type RawStep = (u8, u8, u16);

const KEYS: u64 = 12;
const TAGS: u64 = 3;

/// A value that knows when its load began.
#[derive(Clone)]
struct Held {
    value: Arc<Value>,
    key: u64,
    /// 0 if it was not loaded.
    born: u64,
    tag: Option<u64>,
}

/// What the threads share.
struct Play {
    cache: Cache<u64, Held>,
    books: Arc<Books>,
    clock: ManualClock,
    /// The highest bound that there was.
    bound: AtomicU64,
    /// One moment after another, sequentially consistent.
    moment: AtomicU64,
    /// The beginning of the latest write of each key that is over.
    written: [AtomicU64; KEYS as usize],
    /// The same for the removal of each group.
    ended: [AtomicU64; TAGS as usize],
    /// Loaded values: whether the cache has taken them, nobody is told.
    unclear: Arc<Mutex<Vec<usize>>>,
    refreshes: Arc<Mutex<Vec<Refresh>>>,
    retags: bool,
}

/// Plays `steps`, dealt out to the threads one by one.
pub fn play([policy, cost, slack, flags]: [u8; 4], steps: &[RawStep]) {
    let play = Arc::new(build([policy, cost, slack, flags]));
    let threads = 2 + usize::from(flags & 1);
    let hands: Vec<_> = (0..threads)
        .map(|number| {
            let hand: Vec<_> = steps.iter().skip(number).step_by(threads).copied().collect();
            let play = Arc::clone(&play);
            thread::spawn(move || hand.into_iter().for_each(|raw| step(&play, raw)))
        })
        .collect();
    // Whoever waits for a refresh waits until it has run: here, now and then by a hand.
    while hands.iter().any(|hand| !hand.is_finished()) {
        play.refresh_all();
        thread::yield_now();
    }
    hands.into_iter().for_each(|hand| hand.join().unwrap_or_else(|panic| resume_unwind(panic)));
    audit(&play);
}

fn build([policy, cost, slack, flags]: [u8; 4]) -> Play {
    let maintenance =
        [Maintenance::Thread, Maintenance::Inline, Maintenance::Manual][usize::from(flags / 2 % 3)];
    let max_cost = [1, 3, 9, 100][cost as usize % 4];
    let (books, clock) = (Books::new(), ManualClock::new());
    let refreshes: Arc<Mutex<Vec<Refresh>>> = Arc::default();
    let heard = Arc::clone(&books);
    let mut builder = Cache::<u64, Held>::builder(100, max_cost)
        .policy(PolicyKind::ALL[policy as usize % PolicyKind::ALL.len()].clone())
        .maintenance(maintenance)
        .clock(clock.clone())
        .listener(move |event| heard.hear_id(event.value.value.id, event.cause));
    if let Some(slack) = [None, Some(0), Some(2), Some(1000)][slack as usize % 4] {
        builder = builder.slack(slack);
    }
    if flags & 8 != 0 {
        let ttl = Duration::from_millis(6);
        builder = builder.time_to_live(ttl).stale_while_revalidate(2 * ttl).stale_if_error(3 * ttl);
    }
    if flags & 16 != 0 {
        builder = builder.refresh_after(Duration::from_millis(3));
    }
    if flags & 32 != 0 {
        let held = Arc::clone(&refreshes);
        builder = builder.spawner(move |refresh| lock(&held).push(refresh));
    }
    let cache = builder.build().expect("every option is in range");
    Play {
        bound: AtomicU64::new(cache.max_cost().saturating_add(cache.slack())),
        cache,
        books,
        clock,
        moment: AtomicU64::new(1),
        written: Default::default(),
        ended: Default::default(),
        unclear: Arc::default(),
        refreshes,
        retags: flags & 64 != 0,
    }
}

fn audit(play: &Play) {
    let Play { cache, books, unclear, .. } = play;
    play.refresh_all();
    // What is late leaves now, not between the count of the residents and the audit.
    settle(cache);
    let (peak, bound) = (cache.stats().peak_cost, play.bound.load(Ordering::Relaxed));
    assert!(peak <= bound, "a peak of {peak} passes {bound}");
    assert_eq!(cache.stats().loading, 0, "a load has leaked");
    assert_eq!(cache.stats().callback_panics, 0);
    let mut resident = Vec::new();
    cache.retain(|_, held| {
        resident.push(held.value.id);
        true
    });
    assert_eq!(books.alive(), resident.len(), "values live on that nobody has");
    books.forgive(&lock(unclear));
    books.audit(&resident);
    cache.clear();
    settle(cache);
    assert_eq!((books.alive(), cache.len()), (0, 0));
}

/// Makes a loaded value, at the moment at which its load runs.
struct Loader {
    books: Arc<Books>,
    unclear: Arc<Mutex<Vec<usize>>>,
    key: u64,
    tag: Option<u64>,
    cost: u64,
    /// Takes a while, so that something overtakes it.
    lingers: bool,
}

impl Loader {
    fn load(&self, born: u64) -> Loaded<Held> {
        let loaded = Loaded::new(self.held(born, self.tag), self.cost);
        match self.tag {
            Some(tag) => loaded.tag(Tag(tag)),
            None => loaded,
        }
    }

    /// For a load that cannot say a tag.
    fn load_untagged(&self, born: u64) -> Held {
        self.held(born, None)
    }

    fn held(&self, born: u64, tag: Option<u64>) -> Held {
        if self.lingers {
            thread::sleep(Duration::from_micros(10));
        }
        let value = Arc::new(self.books.value(self.key));
        lock(&self.unclear).push(value.id);
        Held { value, key: self.key, born, tag }
    }
}

impl Play {
    fn now(&self) -> u64 {
        self.moment.fetch_add(1, Ordering::SeqCst)
    }

    fn refresh_all(&self) {
        loop {
            // Not under the lock: what a refresh displaces is told to the books.
            let Some(refresh) = lock(&self.refreshes).pop() else { break };
            refresh.run();
        }
    }

    fn loader(&self, key: u64, number: u16) -> Loader {
        let (books, unclear) = (Arc::clone(&self.books), Arc::clone(&self.unclear));
        let lingers = (number >> 4).is_multiple_of(8);
        Loader { books, unclear, key, tag: tag_of(number), cost: u64::from(number % 4), lingers }
    }

    /// A value that is written, not loaded.
    fn fresh(&self, key: u64, tag: Option<u64>) -> Held {
        Held { value: Arc::new(self.books.value(key)), key, born: 0, tag }
    }

    /// A call that reads a key: its answer is of that key, and no older than what was over when the call began.
    fn read(&self, key: u64, call: impl FnOnce() -> Option<Held>) {
        let floor = self.written[key as usize].load(Ordering::SeqCst);
        let ended = self.ended.each_ref().map(|ended| ended.load(Ordering::SeqCst));
        let Some(held) = call() else { return };
        assert_eq!((held.key, held.value.tag), (key, key), "the value of another key");
        if held.born > 0 {
            assert!(held.born > floor, "key {key}: loaded at {}, overtaken at {floor}", held.born);
            if let Some(tag) = held.tag.filter(|_| !self.retags) {
                let ended = ended[tag as usize];
                assert!(held.born > ended, "key {key}: loaded at {}, group over at {ended}", held.born);
            }
        }
    }

    /// A call that overtakes whatever load of the key began before it, if it says that it did.
    fn overtake(&self, key: u64, call: impl FnOnce() -> bool) {
        let begun = self.now();
        if call() {
            self.written[key as usize].fetch_max(begun, Ordering::SeqCst);
        }
    }

    fn hand_back(&self, held: &Held) {
        self.books.hand_back_id(held.value.id);
    }

    fn insert(&self, key: u64, number: u16, if_present: bool) {
        let tag = tag_of(number);
        let time_to_live = number.is_multiple_of(5).then_some(Duration::from_millis(4));
        let options = InsertOptions { time_to_live, if_present, tag: tag.map(Tag), ..Default::default() };
        self.overtake(key, || {
            let outcome =
                self.cache.try_insert_with(key, self.fresh(key, tag), u64::from(number % 4), options);
            outcome.map_err(|error: InsertError<Held>| self.hand_back(&error.into_value())).is_ok()
        });
    }

    fn resize(&self, max_cost: u64) {
        // Before it may be made use of.
        let slack = self.cache.slack().max(1 + max_cost / 64);
        self.bound.fetch_max(max_cost + slack, Ordering::Relaxed);
        self.cache.set_max_cost(max_cost);
    }

    fn reserve(&self, key: u64, number: u16) {
        self.read(key, || match self.cache.get_or_reserve(&key) {
            Reservation::Present(held) => Some(held),
            Reservation::Vacant(vacancy) => match number >> 14 {
                0 => drop_with(vacancy),
                1 => {
                    let _ = vacancy.fail("planted");
                    None
                }
                _ => Some(vacancy.insert_loaded(self.loader(key, number).load(self.now()))),
            },
        });
    }

    fn load_many(&self, key: u64, number: u16) {
        let keys = [key, (key + 1) % KEYS, (key + 5) % KEYS];
        let floors = keys.map(|key| self.written[key as usize].load(Ordering::SeqCst));
        let outcome = self.cache.get_many_or_load(&keys, |missing| {
            if number >> 13 == 0 {
                return Err("planted");
            }
            let born = self.now();
            Ok(missing.into_iter().map(|&key| self.loader(key, number).load(born)).collect())
        });
        let Ok(found) = outcome else { return };
        for ((held, key), floor) in found.iter().zip(keys).zip(floors) {
            assert_eq!((held.key, held.value.tag), (key, key), "the value of another key");
            assert!(held.born == 0 || held.born > floor, "key {key}: {} after {floor}", held.born);
        }
    }
}

/// A vacancy that nobody fills.
fn drop_with<T>(vacancy: T) -> Option<Held> {
    drop(vacancy);
    None
}

fn tag_of(number: u16) -> Option<u64> {
    Some(u64::from(number / 4 % 4)).filter(|&tag| tag < TAGS)
}

fn step(play: &Arc<Play>, (what, key, number): RawStep) {
    let Play { cache, clock, .. } = &**play;
    let key = u64::from(key) % KEYS;
    match what % 24 {
        0..=3 => {
            let loader = play.loader(key, number);
            play.read(key, || {
                Some(cache.get_or_insert_with(&key, loader.cost, || loader.load_untagged(play.now())))
            });
        }
        4 | 5 => play.read(key, || {
            let loader = play.loader(key, number);
            cache.get_or_load(&key, || Ok::<_, &str>(loader.load(play.now()))).ok()
        }),
        6 => play.read(key, || cache.get_or_try_insert_with(&key, 1, || Err::<Held, _>("planted")).ok()),
        // No hook is called: a fuzzer would take it for the end.
        7 => play.read(key, || {
            let load = || -> Held { resume_unwind(Box::new("planted")) };
            catch_unwind(AssertUnwindSafe(|| cache.get_or_insert_with(&key, 1, load))).ok()
        }),
        8 | 9 => {
            let (inner, loader) = (Arc::clone(play), play.loader(key, number));
            let load = move || {
                if number >> 13 == 0 { Err("planted") } else { Ok(loader.load(inner.now())) }
            };
            play.read(key, || cache.get_or_refresh(&key, load).ok());
        }
        10 => {
            let refresh = lock(&play.refreshes).pop();
            match refresh {
                Some(refresh) if number % 4 > 0 => refresh.run(),
                other => drop(other),
            }
        }
        11 => play.reserve(key, number),
        12 => play.load_many(key, number),
        // A load during which the key is written, and another key is loaded.
        13 => play.read(key, || {
            let (loader, other) = (play.loader(key, number), KEYS - 1);
            Some(cache.get_or_insert_with(&key, loader.cost, || {
                let born = play.now();
                if number & 0x1000 != 0 {
                    play.insert(key, number, false);
                }
                if key < other {
                    let loader = play.loader(other, number);
                    play.read(other, || {
                        Some(cache.get_or_insert_with(&other, 1, || loader.load_untagged(play.now())))
                    });
                }
                loader.load_untagged(born)
            }))
        }),
        14 | 15 => play.insert(key, number, number & 0x1000 != 0),
        16 => play.read(key, || cache.get(&key)),
        17 => play.overtake(key, || {
            cache.remove(&key).into_iter().for_each(|held| play.hand_back(&held));
            true
        }),
        18 => {
            let begun = play.now();
            let tag = u64::from(number) % TAGS;
            cache.remove_tag(Tag(tag));
            play.ended[tag as usize].fetch_max(begun, Ordering::SeqCst);
        }
        19 if play.retags => _ = cache.set_tag(&key, tag_of(number).map(Tag)),
        19 if number.is_multiple_of(3) => {
            let begun = play.now();
            cache.clear();
            play.written.iter().for_each(|written| _ = written.fetch_max(begun, Ordering::SeqCst));
        }
        19 => cache.retain(|_, held| !held.value.id.is_multiple_of(3)),
        20 => clock.advance(Duration::from_millis(u64::from(number % 5))),
        21 => play.resize(1 + u64::from(number % 12)),
        22 => cache.run_pending(),
        _ => cache.wait().expect("not forked"),
    }
}
