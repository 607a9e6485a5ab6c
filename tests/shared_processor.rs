//! One processor for many caches: one thread whatever their number, asleep when idle; what one cache does wrong is no concern of the
//! others. In a file of its own, as the threads of other tests would be counted as well.

mod common;

use common::{eventually, hush, lock, planted_panic, threads_named, watchdog};
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tollgate::clock::Clock;
use tollgate::engine::{Ledger, Slot};
use tollgate::policy::{Admission, Candidate, Policy, PolicyKind};
use tollgate::{Builder, Cache, SharedProcessor};

type Numbers = Cache<u64, u64>;

const SHARED: &str = "tollgate-shared";

/// Much slack: what is too much stays until a turn.
fn builder(processor: &SharedProcessor) -> Builder<u64, u64> {
    Cache::builder(1_000, 100).slack(100).policy(PolicyKind::Fifo).processor(processor)
}

fn processor() -> SharedProcessor {
    SharedProcessor::new().expect("a thread")
}

/// Overfills a cache; nobody but the processor will see to it.
fn overfill(cache: &Numbers) {
    let from = cache.stats().inserts;
    (from..from + 150).for_each(|key| assert!(cache.insert(key, key, 1)));
}

fn check(cache: &Numbers) {
    cache.wait().expect("the same process");
    cache.check().unwrap_or_else(|inconsistency| panic!("{inconsistency}"));
    assert!(cache.cost() <= 100);
}

/// One test after the other: threads are counted.
#[test]
fn one_thread_serves_them_all() {
    watchdog(|| {
        a_thousand_caches_have_one_thread();
        it_sleeps_when_nobody_needs_it();
        deadlines_wake_it();
        a_cache_may_go_while_the_others_stay();
        panics_of_one_are_no_concern_of_the_others();
        the_last_handle_may_go_in_a_listener();
        a_drop_waits_for_the_visit_that_is_under_way();
        caches_come_and_go_on_many_threads();
        eventually("its thread has ended", || threads_named(SHARED).is_none_or(|threads| threads == 0));
    });
}

fn a_thousand_caches_have_one_thread() {
    let processor = processor();
    let caches: Vec<_> =
        (0..1_000).map(|_| builder(&processor).build().expect("a valid configuration")).collect();
    assert_eq!(processor.caches(), 1_000);
    caches.iter().for_each(overfill);
    for (nth, cache) in caches.iter().enumerate() {
        eventually("the processor has evicted", || cache.cost() <= 100);
        if nth % 50 == 0 {
            check(cache);
        }
    }
    if let Some(threads) = threads_named(SHARED) {
        assert_eq!((threads, threads_named("tollgate")), (1, Some(0)));
    }
    drop(caches);
    assert_eq!(processor.caches(), 0);
}

fn it_sleeps_when_nobody_needs_it() {
    let processor = processor();
    let caches: Vec<_> =
        (0..100).map(|_| builder(&processor).build().expect("a valid configuration")).collect();
    caches.iter().for_each(overfill);
    if wake_ups().is_none() {
        eprintln!("skipped: this system does not tell of wake-ups");
        return;
    }
    eventually("it sleeps", || {
        let before = wake_ups();
        thread::sleep(Duration::from_millis(50));
        wake_ups() == before
    });
    let before = wake_ups();
    thread::sleep(Duration::from_millis(300));
    assert_eq!(wake_ups(), before, "idle caches wake nobody");
}

fn deadlines_wake_it() {
    let processor = processor();
    let caches: Vec<_> =
        (0..50).map(|_| builder(&processor).build().expect("a valid configuration")).collect();
    for (nth, cache) in caches.iter().enumerate() {
        (0..20).for_each(|key| {
            assert!(cache.insert_with_ttl(key, key, 1, Duration::from_millis(5 + nth as u64)))
        });
    }
    for cache in &caches {
        eventually("what has expired is reclaimed", || cache.is_empty());
        check(cache);
    }
}

fn a_cache_may_go_while_the_others_stay() {
    let processor = processor();
    let mut caches: Vec<_> =
        (0..20).map(|_| builder(&processor).build().expect("a valid configuration")).collect();
    drop(processor);
    while let Some(gone) = caches.pop() {
        caches.iter().chain([&gone]).for_each(overfill);
        drop(gone);
        caches.iter().for_each(|cache| eventually("the others are served", || cache.cost() <= 100));
    }
}

fn panics_of_one_are_no_concern_of_the_others() {
    hush();
    let processor = processor();
    let broken = Arc::new(AtomicBool::new(false));
    let well = builder(&processor).build().expect("a valid configuration");
    let clock = BrokenClock { origin: Instant::now(), calls: AtomicU64::new(0), broken: Arc::clone(&broken) };
    let ill = [
        builder(&processor).policy(PolicyKind::Custom(Arc::new(|_| Box::new(Panics)))),
        builder(&processor).listener(|_| planted_panic()),
        builder(&processor).clock(clock).time_to_live(Duration::from_secs(1_000)),
    ]
    .map(|builder| builder.build().expect("a valid configuration"));
    for round in 0..5 {
        broken.store(false, Ordering::Relaxed);
        ill.iter().for_each(overfill);
        broken.store(true, Ordering::Relaxed);
        // From here on some turns and some looks for deadlines panic.
        thread::sleep(Duration::from_millis(5 * round));
        overfill(&well);
        eventually("the well one is served", || well.cost() <= 100);
    }
    broken.store(false, Ordering::Relaxed);
    for cache in &ill {
        overfill(cache);
        eventually("the ill are, too", || cache.cost() <= 100);
        check(cache);
    }
    assert!(ill[0].stats().policy_panics > 0 && ill[1].stats().callback_panics > 0);
    check(&well);
}

fn the_last_handle_may_go_in_a_listener() {
    let slot: Arc<Mutex<Option<Numbers>>> = Arc::default();
    let processor = processor();
    let other = builder(&processor).build().expect("a valid configuration");
    let hears = Arc::clone(&slot);
    let cache = builder(&processor)
        .listener(move |_| drop(lock(&hears).take()))
        .build()
        .expect("a valid configuration");
    *lock(&slot) = Some(cache.clone());
    overfill(&cache);
    drop(cache);
    eventually("the listener has dropped it", || processor.caches() == 1);
    overfill(&other);
    eventually("the other is served", || other.cost() <= 100);
}

fn a_drop_waits_for_the_visit_that_is_under_way() {
    let processor = processor();
    let (entered, left) = (Arc::new(Barrier::new(2)), Arc::new(AtomicBool::new(false)));
    let (enters, leaves, once) = (Arc::clone(&entered), Arc::clone(&left), AtomicBool::new(true));
    let cache = builder(&processor)
        .listener(move |_| {
            if once.swap(false, Ordering::Relaxed) {
                enters.wait();
                thread::sleep(Duration::from_millis(30));
                leaves.store(true, Ordering::SeqCst);
            }
        })
        .build()
        .expect("a valid configuration");
    overfill(&cache);
    entered.wait();
    drop(cache);
    assert!(left.load(Ordering::SeqCst), "a listener was called after the drop");
}

fn caches_come_and_go_on_many_threads() {
    let processor = processor();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..100 {
                    let cache = builder(&processor).build().expect("a valid configuration");
                    overfill(&cache);
                    if round % 10 == 0 {
                        eventually("the processor has evicted", || cache.cost() <= 100);
                    }
                }
            });
        }
    });
    assert_eq!(processor.caches(), 0);
}

/// How often the processor went to sleep.
fn wake_ups() -> Option<u64> {
    let tasks = fs::read_dir("/proc/self/task").ok()?.flatten();
    let statuses = tasks.filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
    let mut processors = statuses.filter(|status| status.starts_with(&format!("Name:\t{SHARED}\n")));
    let status = processors.next()?;
    let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches"))?;
    line.split_whitespace().last()?.parse().ok()
}

/// Panics whenever somebody would have to leave.
struct Panics;

impl Policy for Panics {
    fn name(&self) -> &'static str {
        "panics"
    }
    fn hit(&mut self, _ledger: &Ledger, _slot: Slot) {}
    fn miss(&mut self, _ledger: &Ledger, _index: u64) {}
    fn admit(&mut self, _ledger: &Ledger, _candidate: Candidate, _victims: &mut Vec<Slot>) -> Admission {
        planted_panic()
    }
    fn evict(&mut self, _ledger: &Ledger, _shortfall: u64, _keep: Option<Slot>, _victims: &mut Vec<Slot>) {
        planted_panic()
    }
    fn inserted(&mut self, _ledger: &Ledger, _slot: Slot) {}
    fn removed(&mut self, _ledger: &Ledger, _slot: Slot, _why: tollgate::policy::Departure) {}
    fn moved(&mut self, _from: Slot, _to: Slot) {}
    fn clear(&mut self) {}
}

/// Panics on the processor's thread at every third call, while it is broken: in the midst of a turn, and between turns.
struct BrokenClock {
    origin: Instant,
    calls: AtomicU64,
    broken: Arc<AtomicBool>,
}

impl Clock for BrokenClock {
    fn now(&self) -> Duration {
        if thread::current().name() == Some(SHARED) {
            let calls = self.calls.fetch_add(1, Ordering::Relaxed);
            if self.broken.load(Ordering::Relaxed) && calls % 3 == 2 {
                planted_panic();
            }
        }
        self.origin.elapsed()
    }
}
