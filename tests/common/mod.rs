//! What the tests share: values that are counted, hashers that collide, a watchdog, a generator of numbers.

#![allow(dead_code, unreachable_pub, reason = "every test file uses a part of this")]

pub mod builder_model;
pub mod engine_model;
pub mod history;
pub mod key_model;
pub mod loads_model;
pub mod matrix_config;
pub mod model;
pub mod policy_model;
pub mod threads_model;
pub mod time_model;

use std::any::Any;
use std::hash::{Hash, Hasher};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tollgate::key::{KeyHash, KeyHasher};
use tollgate::{Cache, Cause, Event, InsertError};

/// Long enough for a loaded machine, short enough to be waited for. `TOLLGATE_PATIENCE` is for slower ones yet, in seconds: under
/// a sanitizer everything takes longer.
pub fn patience() -> Duration {
    let asked = std::env::var("TOLLGATE_PATIENCE").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(asked.unwrap_or(60))
}

/// Runs `body` on a thread of its own and fails if it does not end: a deadlock is a failure, not a hang.
pub fn watchdog<R: Send + 'static>(body: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, receiver) = channel();
    let runner = thread::spawn(move || {
        let result = body();
        let _ = sender.send(());
        result
    });
    if receiver.recv_timeout(patience()) == Err(RecvTimeoutError::Timeout) {
        panic!("no end after {:?}: a deadlock", patience());
    }
    runner.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Polls until `done`, or fails.
pub fn eventually(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < patience(), "never: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// What a planted panic says.
pub const PLANTED: &str = "planted";

/// Panics on purpose; see [`hush`].
pub fn planted_panic() -> ! {
    panic!("{PLANTED}")
}

/// Keeps planted panics off the terminal. Others are printed as ever.
pub fn hush() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let is_planted =
                info.payload().downcast_ref::<String>().is_some_and(|message| message == PLANTED);
            if !is_planted {
                print(info);
            }
        }));
    });
}

/// Runs `body`, which panics.
pub fn panics<R>(body: impl FnOnce() -> R) -> Box<dyn Any + Send> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)) {
        Ok(_) => panic!("it should have panicked"),
        Err(panic) => panic,
    }
}

/// A lock that a panicking callback may have poisoned.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Small numbers for tests: xorshift64*.
#[derive(Debug, Clone)]
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound
    }
}

/// A key hasher that takes a key `(index, conflict)` at its word.
#[derive(Debug, Clone, Copy, Default)]
pub struct Literal;

impl KeyHasher for Literal {
    fn hash_key<Q: Hash + ?Sized>(&self, key: &Q) -> KeyHash {
        let mut words = Words(Vec::new());
        key.hash(&mut words);
        assert_eq!(words.0.len(), 2, "a literal key is a pair of words");
        KeyHash { index: words.0[0], conflict: words.0[1] }
    }
}

struct Words(Vec<u64>);

impl Hasher for Words {
    fn finish(&self) -> u64 {
        unreachable!("only the words are wanted")
    }
    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("literal keys are pairs of u64")
    }
    fn write_u64(&mut self, word: u64) {
        self.0.push(word);
    }
}

/// What became of one value.
#[derive(Debug, Clone, Default)]
pub struct Fate {
    /// It was handed back to a caller so often.
    pub handed_back: u32,
    /// The listener was given it, with these causes.
    pub causes: Vec<Cause>,
    /// Its destructor ran so often.
    pub drops: u32,
}

/// The account of every value that was made.
#[derive(Debug, Default)]
pub struct Books {
    /// Not the standard library's: that one hides from ThreadSanitizer how it keeps threads apart.
    fates: parking_lot::Mutex<Vec<Fate>>,
}

impl Books {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub fn value(self: &Arc<Self>, tag: u64) -> Value {
        let mut fates = self.fates.lock();
        fates.push(Fate::default());
        Value { id: fates.len() - 1, tag, books: Arc::clone(self) }
    }

    /// The value came back to its caller, who drops it.
    pub fn hand_back(&self, value: Value) {
        self.hand_back_id(value.id);
    }

    pub fn hand_back_id(&self, id: usize) {
        self.fates.lock()[id].handed_back += 1;
    }

    pub fn hand_back_refused<T>(&self, outcome: Result<T, InsertError<Value>>) -> bool {
        match outcome {
            Ok(_) => true,
            Err(error) => {
                self.hand_back(error.into_value());
                false
            }
        }
    }

    pub fn hear(&self, event: Event<Value>) {
        self.hear_id(event.value.id, event.cause);
    }

    pub fn hear_id(&self, id: usize, cause: Cause) {
        self.fates.lock()[id].causes.push(cause);
    }

    /// These values were in the hands of a call that panicked: those that nobody else has count as handed back.
    pub fn forgive(&self, ids: &[usize]) {
        let mut fates = self.fates.lock();
        for &id in ids {
            let fate = &mut fates[id];
            if fate.drops == 1 && fate.causes.is_empty() {
                fate.handed_back = 1;
            }
        }
    }

    pub fn fates(&self) -> Vec<Fate> {
        self.fates.lock().clone()
    }

    /// How many values left for that cause.
    pub fn count(&self, cause: Cause) -> usize {
        self.fates.lock().iter().filter(|fate| fate.causes.contains(&cause)).count()
    }

    pub fn alive(&self) -> usize {
        self.fates.lock().iter().filter(|fate| fate.drops == 0).count()
    }

    /// Every value went exactly one way: handed back, one event, or `resident`.
    pub fn audit(&self, resident: &[usize]) {
        let mut is_resident = vec![false; self.fates.lock().len()];
        resident.iter().for_each(|&id| {
            assert!(!is_resident[id], "value {id} is resident twice");
            is_resident[id] = true;
        });
        for (id, fate) in self.fates.lock().iter().enumerate() {
            let ways = fate.handed_back as usize + fate.causes.len() + usize::from(is_resident[id]);
            assert_eq!(ways, 1, "value {id} is resident: {}, and {fate:?}", is_resident[id]);
            assert_eq!(fate.drops, u32::from(!is_resident[id]), "destructors of value {id}: {fate:?}");
        }
    }

    /// Where nobody listens: every value is resident or was dropped, once.
    pub fn audit_quiet(&self, resident: &[usize]) {
        for (id, fate) in self.fates.lock().iter().enumerate() {
            let is_resident = resident.contains(&id);
            assert_eq!(fate.drops, u32::from(!is_resident), "destructors of value {id}: {fate:?}");
            assert!(!is_resident || fate.handed_back == 0, "value {id} is here and there");
        }
    }

    /// After the cache is gone: every destructor ran once.
    pub fn audit_drops(&self) {
        for (id, fate) in self.fates.lock().iter().enumerate() {
            assert_eq!(fate.drops, 1, "destructors of value {id}: {fate:?}");
        }
    }
}

/// A value that is accounted for.
#[derive(Debug)]
pub struct Value {
    pub id: usize,
    pub tag: u64,
    books: Arc<Books>,
}

impl Drop for Value {
    fn drop(&mut self) {
        self.books.fates.lock()[self.id].drops += 1;
    }
}

/// The ids of the values that are resident, by asking `retain` to keep them all. Only where nothing has expired.
pub fn residents<K: ?Sized, S: KeyHasher>(cache: &Cache<K, Value, S>) -> Vec<usize> {
    let mut ids = Vec::new();
    cache.retain(|_, value| {
        ids.push(value.id);
        true
    });
    ids
}

/// The end of a test with counted values: settled, consistent, exactly accounted for, here and after the drop.
pub fn audit_to_the_end<K: ?Sized, S: KeyHasher>(cache: Cache<K, Value, S>, books: &Arc<Books>) {
    settle(&cache);
    let resident = residents(&cache);
    settle(&cache);
    books.audit(&resident);
    drop(cache);
    books.audit_drops();
}

/// Settles a cache, callbacks of callbacks included, and verifies what must hold of a cache at rest.
pub fn settle<K: ?Sized, V: Send + Sync + 'static, S: KeyHasher>(cache: &Cache<K, V, S>) {
    for _ in 0..3 {
        cache.wait().unwrap();
    }
    cache.check().unwrap();
    let census = cache.census();
    assert!(census.cost <= cache.max_cost(), "{} of {} at rest", census.cost, cache.max_cost());
    assert_eq!((cache.cost(), cache.len()), (census.cost, census.entries));
}

/// Runs `work` on so many threads at once, each with its number, and joins them.
pub fn on_threads(count: u64, work: impl Fn(u64) + Sync) {
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..count).map(|number| scope.spawn(move || work(number))).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
    });
}

/// Calls back into whatever it holds when it is dropped: a destructor with a mind of its own.
pub struct OnDrop(Option<Box<dyn FnOnce() + Send + Sync>>);

impl OnDrop {
    pub fn new(callback: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(callback)))
    }

    pub fn idle() -> Self {
        Self(None)
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(callback) = self.0.take() {
            callback();
        }
    }
}

/// A flag to stop threads by, and a counter to see that they did something.
#[derive(Debug, Default)]
pub struct Signal {
    stop: AtomicBool,
    pub seen: AtomicU64,
}

impl Signal {
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
    pub fn is_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }
}

/// Threads of this process by that name, where the system tells.
pub fn threads_named(name: &str) -> Option<usize> {
    let tasks = std::fs::read_dir("/proc/self/task").ok()?;
    let names = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    Some(names.filter(|found| found.trim() == name).count())
}
