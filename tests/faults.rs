//! Faults: user code that panics at its n-th call, for every n, while a fixed history is played. Afterwards the cache is
//! usable, agrees with itself, its budget is exact, and every value is accounted for.
//!
//! Each site of user code counts its calls. A first run, without a fault, tells how many there are; then the history is played
//! once for each of them. `tests/promises/panics.rs` has the faults that need a history of their own.

mod common;

use common::{Books, Value, audit_to_the_end, hush, lock, panics, planted_panic, settle, watchdog};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tollgate::clock::Clock;
use tollgate::key::{KeyHash, KeyHasher, SecretHasher};
use tollgate::policy::{Admission, Candidate, Departure, Ledger, Policy, PolicyKind, Slot};
use tollgate::{
    BuildError, Cache, Event, Expiry, InsertError, InsertOptions, Lifespan, Living, Maintenance, Op,
    Reservation,
};

/// The places where the cache runs code that is not its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Site {
    Hash,
    Weigher,
    ReplaceIf,
    Clock,
    Listener,
    Retain,
    Choose,
    Update,
    Read,
    Clone,
    Drop,
    Load,
    ExpiryCreate,
    ExpiryUpdate,
    ExpiryRead,
    PolicyHit,
    PolicyMiss,
    PolicyAdmit,
    PolicyEvict,
    PolicyInserted,
    PolicyRemoved,
    PolicyMoved,
    PolicyRecosted,
    PolicyResized,
    PolicyClear,
}

const SITES: [Site; 25] = [
    Site::Hash,
    Site::Weigher,
    Site::ReplaceIf,
    Site::Clock,
    Site::Listener,
    Site::Retain,
    Site::Choose,
    Site::Update,
    Site::Read,
    Site::Clone,
    Site::Drop,
    Site::Load,
    Site::ExpiryCreate,
    Site::ExpiryUpdate,
    Site::ExpiryRead,
    Site::PolicyHit,
    Site::PolicyMiss,
    Site::PolicyAdmit,
    Site::PolicyEvict,
    Site::PolicyInserted,
    Site::PolicyRemoved,
    Site::PolicyMoved,
    Site::PolicyRecosted,
    Site::PolicyResized,
    Site::PolicyClear,
];

/// One fault: the n-th call at one site panics.
#[derive(Clone)]
struct Fault {
    site: Site,
    at: u64,
    calls: Arc<AtomicU64>,
}

impl Fault {
    fn pass(&self, site: Site) {
        if site == self.site && self.calls.fetch_add(1, Ordering::Relaxed) + 1 == self.at {
            planted_panic();
        }
    }
}

#[derive(Clone)]
struct FaultyHasher(SecretHasher, Fault);

impl KeyHasher for FaultyHasher {
    fn hash_key<Q: std::hash::Hash + ?Sized>(&self, key: &Q) -> KeyHash {
        self.1.pass(Site::Hash);
        self.0.hash_key(key)
    }
}

/// A millisecond passes with every look.
struct FaultyClock(AtomicU64, Fault);

impl Clock for FaultyClock {
    fn now(&self) -> Duration {
        self.1.pass(Site::Clock);
        Duration::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// A value whose `Clone` and `Drop` may panic.
struct Frail(Arc<Value>, Fault);

impl Clone for Frail {
    fn clone(&self) -> Self {
        self.1.pass(Site::Clone);
        Self(Arc::clone(&self.0), self.1.clone())
    }
}

impl Drop for Frail {
    fn drop(&mut self) {
        // A second panic on the way out of the first would be the end of the process, and no fault of the cache.
        if !std::thread::panicking() {
            self.1.pass(Site::Drop);
        }
    }
}

struct FaultyExpiry(Fault);

impl Expiry<Frail> for FaultyExpiry {
    fn after_create(&self, _: &Living<'_, Frail>) -> Lifespan {
        self.0.pass(Site::ExpiryCreate);
        Lifespan::For(Duration::from_secs(3600))
    }
    fn after_update(&self, _: &Living<'_, Frail>, _: Duration) -> Lifespan {
        self.0.pass(Site::ExpiryUpdate);
        Lifespan::Keep
    }
    fn after_read(&self, _: &Living<'_, Frail>) -> Lifespan {
        self.0.pass(Site::ExpiryRead);
        Lifespan::For(Duration::from_secs(7200))
    }
}

/// FIFO, near enough.
struct FaultyPolicy(Fault);

impl FaultyPolicy {
    fn front(ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        let mut freed = 0;
        for slot in (0..ledger.len() as Slot).filter(|&slot| Some(slot) != keep) {
            if freed >= shortfall {
                break;
            }
            freed += ledger.cost(slot);
            victims.push(slot);
        }
    }
}

impl Policy for FaultyPolicy {
    fn name(&self) -> &'static str {
        "faulty"
    }
    fn hit(&mut self, _: &Ledger, _: Slot) {
        self.0.pass(Site::PolicyHit);
    }
    fn miss(&mut self, _: &Ledger, _: u64) {
        self.0.pass(Site::PolicyMiss);
    }
    fn admit(&mut self, ledger: &Ledger, candidate: Candidate, victims: &mut Vec<Slot>) -> Admission {
        self.0.pass(Site::PolicyAdmit);
        Self::front(ledger, candidate.shortfall, None, victims);
        Admission::Admit
    }
    fn evict(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        self.0.pass(Site::PolicyEvict);
        Self::front(ledger, shortfall, keep, victims);
    }
    fn inserted(&mut self, _: &Ledger, _: Slot) {
        self.0.pass(Site::PolicyInserted);
    }
    fn removed(&mut self, _: &Ledger, _: Slot, _: Departure) {
        self.0.pass(Site::PolicyRemoved);
    }
    fn moved(&mut self, _: Slot, _: Slot) {
        self.0.pass(Site::PolicyMoved);
    }
    fn recosted(&mut self, _: &Ledger, _: Slot, _: u64) {
        self.0.pass(Site::PolicyRecosted);
    }
    fn resized(&mut self, _: u64) {
        self.0.pass(Site::PolicyResized);
    }
    fn clear(&mut self) {
        self.0.pass(Site::PolicyClear);
    }
}

/// Panics when it is asked for a hit, and again when it is dropped for that.
struct DiesTwice;

impl Policy for DiesTwice {
    fn name(&self) -> &'static str {
        "dies-twice"
    }
    fn hit(&mut self, _: &Ledger, _: Slot) {}
    fn miss(&mut self, _: &Ledger, _: u64) {}
    fn admit(&mut self, _: &Ledger, _: Candidate, _: &mut Vec<Slot>) -> Admission {
        planted_panic()
    }
    fn evict(&mut self, _: &Ledger, _: u64, _: Option<Slot>, _: &mut Vec<Slot>) {}
    fn inserted(&mut self, _: &Ledger, _: Slot) {}
    fn removed(&mut self, _: &Ledger, _: Slot, _: Departure) {}
    fn moved(&mut self, _: Slot, _: Slot) {}
    fn clear(&mut self) {}
}

impl Drop for DiesTwice {
    fn drop(&mut self) {
        planted_panic();
    }
}

/// How the cache of a history is set up.
#[derive(Debug, Clone, Copy)]
struct Setup {
    slack: u64,
    maintenance: Maintenance,
    idles: bool,
}

type Faulty = Cache<u64, Frail, FaultyHasher>;

fn build(setup: Setup, fault: &Fault, books: &Arc<Books>) -> Option<Faulty> {
    let policed = fault.clone();
    let policy =
        PolicyKind::Custom(Arc::new(move |_: &_| Box::new(FaultyPolicy(policed.clone())) as Box<dyn Policy>));
    let (weighed, judged, told, heard) = (fault.clone(), fault.clone(), fault.clone(), books.clone());
    let mut builder = Cache::builder(1000, 30)
        .slack(setup.slack)
        .maintenance(setup.maintenance)
        .seed(7)
        .clock(FaultyClock(AtomicU64::new(0), fault.clone()))
        .policy(policy)
        .key_hasher(FaultyHasher(SecretHasher::new(), fault.clone()))
        .weigher(move |value: &Frail| {
            weighed.pass(Site::Weigher);
            1 + value.0.tag % 3
        })
        .replace_if(move |old: &Frail, new: &Frail| {
            judged.pass(Site::ReplaceIf);
            !(old.0.tag + new.0.tag).is_multiple_of(7)
        })
        .listener(move |event: Event<Frail>| {
            heard.hear_id(event.value.0.id, event.cause);
            told.pass(Site::Listener);
        });
    if setup.idles {
        builder = builder.time_to_idle(Duration::from_secs(3600)).expiry(FaultyExpiry(fault.clone()));
    }
    // A clock that panics at once fails the build.
    catch_unwind(AssertUnwindSafe(|| builder.build().unwrap())).ok()
}

/// One call, and the values that its owner may lose by a panic: then nobody is told, and they are dropped.
struct Call<'a> {
    books: &'a Arc<Books>,
    fault: &'a Fault,
    made: Mutex<Vec<usize>>,
    /// Loaded: their caller cannot know whether the cache has kept them.
    loaded: &'a Mutex<Vec<usize>>,
}

impl Call<'_> {
    fn value(&self, tag: u64) -> Frail {
        let value = self.books.value(tag);
        lock(&self.made).push(value.id);
        Frail(Arc::new(value), self.fault.clone())
    }

    fn load(&self, tag: u64) -> Frail {
        self.fault.pass(Site::Load);
        let value = self.value(tag);
        lock(self.loaded).push(value.0.id);
        value
    }

    fn hand_back(&self, value: Frail) {
        // Before it is dropped, which may panic.
        self.books.hand_back_id(value.0.id);
    }

    fn settle<T>(&self, outcome: Result<T, InsertError<Frail>>) {
        if let Err(error) = outcome {
            self.hand_back(error.into_value());
        }
    }
}

/// One step of the history. What it hands back goes into the books.
fn step(cache: &Faulty, call: &Call<'_>, number: u64) {
    let (key, fault) = (number * 7 % 41, call.fault);
    match number % 20 {
        0..=4 => call.settle(cache.try_insert(key, call.value(number), 0)),
        5 => call.settle(cache.try_insert(key, call.value(number), 9)),
        6 | 7 => _ = cache.get_with(&(number % 41), |_| fault.pass(Site::Read)),
        8 => cache.remove(&key).into_iter().for_each(|value| call.hand_back(value)),
        9 => cache.retain(|_, value| {
            fault.pass(Site::Retain);
            value.0.tag % 5 != 0
        }),
        10 => call.settle(cache.compute(&key, |_| {
            fault.pass(Site::Choose);
            Op::Put { value: call.value(number), cost: 0 }
        })),
        11 => {
            let grown = number % 9;
            call.settle(cache.compute(&(number % 41), |_| Op::Recost(grown)));
        }
        12 => (0..41).for_each(|key| _ = cache.update(&key, |_| fault.pass(Site::Update))),
        13 => [8, 20 + number % 11].into_iter().for_each(|max_cost| cache.set_max_cost(max_cost)),
        14 if number % 60 == 14 => cache.clear(),
        14 => {
            let time_to_live = Some(Duration::from_secs(3600));
            let options = InsertOptions { time_to_live, ..Default::default() };
            call.settle(cache.try_insert_with(key, call.value(number), 2, options));
        }
        15 => drop(cache.get_or_insert_with(&key, 1, || call.load(number))),
        16 => match cache.get_or_reserve(&key) {
            Reservation::Present(value) => drop(value),
            Reservation::Vacant(vacancy) => drop(vacancy.insert(call.load(number), 2)),
        },
        17 => drop((cache.get(&(number % 41)), cache.get_many(&[key, key + 1, key + 2]))),
        18 => {
            let items = [0, 1, 2].map(|next| (key + next, call.value(number + next), 0));
            // All of them, before anything of a refused one is dropped.
            let refused: Vec<_> = cache.insert_many(items).into_iter().filter_map(Result::err).collect();
            let refused: Vec<_> = refused.into_iter().map(InsertError::into_value).collect();
            refused.iter().for_each(|value| call.books.hand_back_id(value.0.id));
        }
        _ => cache.run_pending(),
    }
}

const STEPS: u64 = 160;

/// Plays the history with one fault; returns how often its site was called.
fn play(setup: Setup, site: Site, at: u64) -> u64 {
    let fault = Fault { site, at, calls: Arc::default() };
    let books = Books::new();
    let Some(cache) = build(setup, &fault, &books) else { return fault.calls.load(Ordering::Relaxed) };
    let (mut failed, loaded) = (0, Mutex::default());
    for number in 0..STEPS {
        let call = Call { books: &books, fault: &fault, made: Mutex::default(), loaded: &loaded };
        if catch_unwind(AssertUnwindSafe(|| step(&cache, &call, number))).is_err() {
            failed += 1;
            // The caller lost the value of a call that panicked, if the cache had not taken it.
            books.forgive(&lock(&call.made));
        }
        let census = cache.census();
        assert!(census.cost <= 30 + setup.slack, "{site:?} at {at}, {setup:?}: {census:?}");
        cache.check().unwrap_or_else(|error| panic!("{site:?} at {at}, {setup:?}, step {number}: {error}"));
    }
    // What follows is the test's own, and no fault strikes any more.
    let calls = fault.calls.swap(u64::MAX / 2, Ordering::Relaxed);
    assert!(failed <= 1, "one fault fails one call: {site:?} at {at}, {setup:?}");
    settle(&cache);
    let stats = cache.stats();
    assert!(
        stats.callback_panics + stats.policy_panics + failed <= 1,
        "{site:?} at {at}, {setup:?}: {stats}"
    );
    let call = Call { books: &books, fault: &fault, made: Mutex::default(), loaded: &loaded };
    (1000..1100).for_each(|key| call.settle(cache.try_insert(key, call.value(key), 1)));
    assert!(!cache.is_empty());
    settle(&cache);
    let mut resident = Vec::new();
    cache.retain(|_, value| {
        resident.push(value.0.id);
        true
    });
    books.forgive(&lock(&loaded));
    books.audit(&resident);
    drop(cache);
    books.audit_drops();
    calls
}

fn everywhere(setup: Setup) {
    hush();
    watchdog(move || {
        let mut runs = 0;
        for site in SITES {
            let calls = play(setup, site, u64::MAX);
            let is_expiry = matches!(site, Site::ExpiryCreate | Site::ExpiryUpdate | Site::ExpiryRead);
            assert!(calls > 0 || (is_expiry && !setup.idles), "{site:?} is never called");
            (1..=calls).for_each(|at| _ = play(setup, site, at));
            runs += calls;
        }
        assert!(runs > 800, "{runs} faults were planted");
    });
}

#[test]
fn user_code_that_panics_at_its_nth_call_with_slack() {
    everywhere(Setup { slack: 6, maintenance: Maintenance::Manual, idles: false });
}

#[test]
fn user_code_that_panics_at_its_nth_call_in_a_strict_cache() {
    everywhere(Setup { slack: 0, maintenance: Maintenance::Manual, idles: false });
}

#[test]
fn user_code_that_panics_at_its_nth_call_where_entries_idle_away() {
    everywhere(Setup { slack: 6, maintenance: Maintenance::Inline, idles: true });
    everywhere(Setup { slack: 0, maintenance: Maintenance::Inline, idles: true });
}

/// A refused value is dropped where no lock is held, also if what refused it was a panic: its destructor may call the cache.
#[test]
fn a_value_lost_to_a_panic_is_dropped_with_no_lock_held() {
    struct Asks(Mutex<Option<Cache<u64, Asks>>>);
    impl Drop for Asks {
        fn drop(&mut self) {
            if let Some(cache) = lock(&self.0).take() {
                assert!(cache.contains_key(&1));
                cache.remove(&2);
            }
        }
    }
    hush();
    watchdog(|| {
        let idle = || Asks(Mutex::new(None));
        let asks = |cache: &Cache<u64, Asks>| Asks(Mutex::new(Some(cache.clone())));
        let judged: Cache<u64, Asks> = Cache::builder(100, 50)
            .maintenance(Maintenance::Manual)
            .replace_if(|_, _| planted_panic())
            .build()
            .unwrap();
        let weighed: Cache<u64, Asks> = Cache::builder(100, 50)
            .maintenance(Maintenance::Manual)
            .weigher(|_| planted_panic())
            .build()
            .unwrap();
        for cache in [&judged, &weighed] {
            assert!(cache.insert(1, idle(), 1));
            panics(|| cache.compute(&1, |_| Op::Put { value: asks(cache), cost: 0 }).is_ok());
            settle(cache);
        }
        panics(|| judged.insert(1, asks(&judged), 1));
        panics(|| weighed.insert(1, asks(&weighed), 0));
        assert_eq!((judged.len(), weighed.len()), (1, 1));
    });
}

#[test]
fn a_policy_that_panics_once_more_when_it_is_dropped_harms_nobody() {
    hush();
    watchdog(|| {
        for slack in [0, 5] {
            let (books, policy) =
                (Books::new(), PolicyKind::Custom(Arc::new(|_: &_| Box::new(DiesTwice) as Box<dyn Policy>)));
            let heard = books.clone();
            let cache = Cache::<u64, Value>::builder(100, 10)
                .slack(slack)
                .policy(policy)
                .listener(move |event| heard.hear(event))
                .build()
                .unwrap();
            for key in 0..200 {
                books.hand_back_refused(cache.try_insert(key, books.value(key), 1));
            }
            settle(&cache);
            assert_eq!(cache.stats().policy_panics, 1);
            audit_to_the_end(cache, &books);
        }
    });
}

/// Nobody waits for a listener but those who ask to: writers go on, within the budget, while it sleeps.
#[test]
fn a_listener_that_never_ends_holds_up_nobody_but_wait() {
    watchdog(|| {
        let books = Books::new();
        let (heard, gate) = (books.clone(), Arc::new(Mutex::new(())));
        let closed = lock(&gate);
        let shut = gate.clone();
        let cache = Cache::<u64, Value>::builder(1000, 100)
            .listener(move |event| {
                heard.hear(event);
                drop(lock(&shut));
            })
            .build()
            .unwrap();
        // Without a thread of its own each writer would be the one to deliver: here it is the processor, now and then a writer.
        let writer = cache.clone();
        let made = books.clone();
        let helper = std::thread::spawn(move || {
            for key in 0..5_000 {
                made.hand_back_refused(writer.try_insert(key, made.value(key), 1));
                assert!(writer.cost() <= 100 + writer.slack());
            }
        });
        for key in 0..50 {
            assert!(cache.get_with(&key, |value| value.tag).is_none_or(|tag| tag == key));
            cache.check().unwrap();
        }
        drop(closed);
        helper.join().unwrap();
        audit_to_the_end(cache, &books);
    });
}

/// Run by the next test, in a process of its own that can start no thread.
#[test]
#[ignore = "for a process that can start no thread"]
fn child_that_can_start_no_thread() {
    let refused = Cache::<u64, u64>::builder(100, 10).build();
    assert_eq!(refused.err(), Some(BuildError::NoThread));
    let cache = Cache::<u64, u64>::builder(100, 10).maintenance(Maintenance::Inline).build().unwrap();
    (0..100).for_each(|key| _ = cache.insert(key, key, 1));
    settle(&cache);
    println!("without a thread");
}

#[test]
fn a_processor_that_cannot_be_started_is_a_typed_error() {
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_can_start_no_thread", "--ignored", "--test-threads=1", "--nocapture"])
        // No system has room for such a stack.
        .env("RUST_MIN_STACK", (1_u64 << 60).to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("without a thread"), "{said}");
}
