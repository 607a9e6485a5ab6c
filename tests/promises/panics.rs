//! A panic in user code fails that call or that callback; the cache goes on working.

use crate::common::{
    Books, Literal, OnDrop, audit_to_the_end, eventually, hush, panics, planted_panic, settle, watchdog,
};
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tollgate::clock::{Clock, ManualClock, SystemClock};
use tollgate::policy::{Admission, Candidate, Departure, Ledger, Objective, Policy, PolicyKind, Slot};
use tollgate::{Cache, Event, InsertError, Maintenance, Op, SharedProcessor};

/// The cache takes inserts, decides, announces nothing odd, and agrees with itself.
fn still_works<V: Send + Sync + 'static>(cache: &Cache<u64, V>, value: impl Fn() -> V) {
    for key in 10_000..10_300 {
        cache.insert(key, value(), 1);
        cache.get_with(&key, |_| ());
    }
    settle(cache);
    assert!(!cache.is_empty());
}

#[test]
fn a_panicking_listener_loses_its_own_event_only() {
    hush();
    watchdog(|| {
        for maintenance in [Maintenance::Thread, Maintenance::Inline, Maintenance::Manual] {
            let books = Books::new();
            let heard = books.clone();
            let cache = Cache::builder(1000, 50)
                .maintenance(maintenance)
                .listener(move |event: Event<crate::common::Value>| {
                    let panics = event.value.tag.is_multiple_of(3);
                    heard.hear(event);
                    if panics {
                        planted_panic();
                    }
                })
                .build()
                .unwrap();
            for key in 0..3000 {
                books.hand_back_refused(cache.try_insert(key % 200, books.value(key), 1 + key % 3));
            }
            settle(&cache);
            assert!(cache.stats().callback_panics > 100);
            still_works(&cache, || books.value(1));
            drop(cache);
            books.audit_drops();
        }
    });
}

#[test]
fn a_panicking_destructor_is_contained_where_the_cache_runs_it() {
    hush();
    watchdog(|| {
        let cache = Cache::builder(1000, 50).policy(PolicyKind::Fifo).build().unwrap();
        for key in 0..2000 {
            cache.insert(key, OnDrop::new(|| planted_panic()), 1);
        }
        settle(&cache);
        assert!(cache.stats().callback_panics > 1000, "{}", cache.stats());
        cache.clear();
        still_works(&cache, OnDrop::idle);
        (0..20).for_each(|key| _ = cache.insert(key, OnDrop::new(|| planted_panic()), 1));
        drop(cache);
    });
}

#[test]
fn a_destructor_that_panics_on_the_inserting_thread_leaves_the_new_value_in_its_place() {
    hush();
    watchdog(|| {
        let cache: Cache<u64, OnDrop> = Cache::new(1000, 50).unwrap();
        let expired = Arc::new(AtomicBool::new(false));
        cache.insert(1, OnDrop::new(|| planted_panic()), 1);
        cache.wait().unwrap();
        std::thread::sleep(Duration::from_millis(20));
        // The value is replaced by one with a deadline; the destructor's panic is this caller's.
        let flag = expired.clone();
        let value = OnDrop::new(move || flag.store(true, Ordering::SeqCst));
        panics(|| cache.insert_with_ttl(1, value, 1, Duration::from_millis(30)));
        assert!(cache.contains_key(&1));
        eventually("the processor heard of the deadline all the same", || expired.load(Ordering::SeqCst));
        still_works(&cache, OnDrop::idle);
    });
}

/// A value whose clone panics where it says so.
struct Fragile(bool);

impl Clone for Fragile {
    fn clone(&self) -> Self {
        if self.0 {
            planted_panic();
        }
        Self(self.0)
    }
}

/// A key whose hash panics.
struct Unhashable;

impl Hash for Unhashable {
    fn hash<H: Hasher>(&self, _state: &mut H) {
        planted_panic();
    }
}

#[test]
fn panics_in_clone_hash_and_closures_fail_their_call_and_change_nothing() {
    hush();
    watchdog(|| {
        let cache: Cache<u64, Fragile> = Cache::new(1000, 50).unwrap();
        cache.insert(1, Fragile(true), 1);
        cache.insert(2, Fragile(false), 1);
        cache.wait().unwrap();
        panics(|| cache.get(&1).is_some());
        panics(|| cache.peek(&1).is_some());
        panics(|| cache.get_with(&2, |_| planted_panic()));
        panics(|| cache.retain(|_, _| planted_panic()));
        assert_eq!((cache.len(), cache.cost()), (2, 2));
        assert!(cache.get(&2).is_some() && cache.contains_key(&1));
        still_works(&cache, || Fragile(false));

        let unhashable: Cache<Unhashable, u64> = Cache::new(1000, 50).unwrap();
        panics(|| unhashable.insert(&Unhashable, 1, 1));
        panics(|| unhashable.get(&Unhashable));
        panics(|| unhashable.remove(&Unhashable));
        settle(&unhashable);
        assert!(unhashable.is_empty());
    });
}

#[test]
fn a_retain_that_panics_half_way_has_removed_what_it_announced() {
    hush();
    watchdog(|| {
        let books = Books::new();
        let heard = books.clone();
        let cache = Cache::builder(1000, 500).listener(move |event| heard.hear(event)).build().unwrap();
        (0..300_u64).for_each(|key| _ = cache.insert(key, books.value(key), 1));
        cache.wait().unwrap();
        let mut asked = 0;
        panics(|| {
            cache.retain(|_, _| {
                asked += 1;
                if asked == 200 {
                    planted_panic();
                }
                asked % 2 == 0
            });
        });
        assert!(cache.len() < 300 && cache.len() > 100);
        audit_to_the_end(cache, &books);
    });
}

#[test]
fn a_panicking_weigher_fails_its_insert() {
    hush();
    watchdog(|| {
        let weigher = |value: &u64| if *value == 13 { planted_panic() } else { 1 };
        let cache: Cache<u64, u64> = Cache::builder(1000, 50).weigher(weigher).build().unwrap();
        cache.insert(1, 1, 0);
        panics(|| cache.insert(1, 13, 0));
        assert_eq!(cache.get(&1), Some(1));
        still_works(&cache, || 1);
    });
}

/// Whether the insert is written eagerly or decided at once, the panic is its caller's and the policy stays.
#[test]
fn a_panicking_replace_if_fails_its_insert_and_nothing_else() {
    hush();
    watchdog(|| {
        for strict in [false, true] {
            let slack = if strict { 0 } else { 2 };
            let questions = Arc::new(AtomicU64::new(0));
            let countdown = questions.clone();
            let cache: Cache<u64, u64> = Cache::builder(1000, 50)
                .slack(slack)
                .policy(PolicyKind::Lru)
                .replace_if(move |_, new| {
                    // An insert may ask several times: the last time, it has decided to decide.
                    if *new == 13 && countdown.fetch_sub(1, Ordering::Relaxed) == 0 {
                        planted_panic();
                    }
                    true
                })
                .build()
                .unwrap();
            (0..50).for_each(|key| assert!(cache.insert(key, key, 1)));
            cache.wait().unwrap();
            for (asked, cost) in [(0, 1), (0, 2), (0, 30), (1, 30)] {
                questions.store(asked, Ordering::Relaxed);
                panics(|| cache.insert(7, 13, cost));
                assert_eq!(cache.get(&7), Some(7), "strict: {strict}, cost {cost}");
            }
            assert_eq!(cache.len(), 50, "nobody left for an insert that failed");
            let stats = cache.stats();
            assert_eq!((stats.policy_panics, stats.policy), (0, "lru"), "the policy did nothing wrong");
            still_works(&cache, || 1);
        }
    });
}

#[test]
fn a_panicking_clock_fails_its_call() {
    #[derive(Clone, Default)]
    struct Broken(Arc<AtomicBool>);
    impl Clock for Broken {
        fn now(&self) -> Duration {
            if self.0.load(Ordering::SeqCst) {
                planted_panic();
            }
            Duration::ZERO
        }
    }
    hush();
    watchdog(|| {
        let clock = Broken::default();
        let cache: Cache<u64, u64> = Cache::builder(1000, 50)
            .maintenance(Maintenance::Manual)
            .clock(clock.clone())
            .time_to_idle(Duration::from_secs(1))
            .build()
            .unwrap();
        (0..50).for_each(|key| assert!(cache.insert(key, key, 1)));
        clock.0.store(true, Ordering::SeqCst);
        panics(|| cache.get(&1));
        panics(|| cache.insert(1, 2, 2));
        panics(|| cache.insert(100, 100, 1));
        clock.0.store(false, Ordering::SeqCst);
        assert_eq!(cache.get(&1), Some(1));
        still_works(&cache, || 1);
    });
}

/// A clock that panics at the n-th look that a processor takes.
struct Flickering {
    clock: SystemClock,
    looks: AtomicU64,
    at: u64,
}

impl Flickering {
    fn new(at: u64) -> Self {
        Self { clock: SystemClock::new(), looks: AtomicU64::new(0), at }
    }
}

impl Clock for Flickering {
    fn now(&self) -> Duration {
        if std::thread::current().name().is_some_and(|name| name.starts_with("tollgate"))
            && self.looks.fetch_add(1, Ordering::SeqCst) == self.at
        {
            planted_panic();
        }
        self.clock.now()
    }
}

/// Whenever it happens, the processor goes on.
#[test]
fn a_clock_that_panics_once_ends_no_processor() {
    hush();
    watchdog(|| {
        let shared = SharedProcessor::new().unwrap();
        let caches: Vec<Cache<u64, u64>> = (0..24)
            .map(|number| {
                let builder = Cache::builder(1000, 50)
                    .policy(PolicyKind::Lru)
                    .time_to_live(Duration::from_millis(20))
                    .clock(Flickering::new(number / 2));
                let builder = if number % 2 == 0 { builder } else { builder.processor(&shared) };
                builder.build().unwrap()
            })
            .collect();
        for round in 1..=4 {
            caches.iter().for_each(|cache| assert!(cache.insert(round, round, 1)));
            eventually("every processor reclaims what has expired", || {
                caches.iter().all(|cache| cache.is_empty())
            });
        }
        for cache in caches {
            settle(&cache);
            assert_eq!(cache.stats().expirations, 4);
        }
    });
}

#[test]
fn a_clock_that_panics_while_a_compute_finds_no_room_drops_the_value_with_no_lock_held() {
    /// Panics once, after so many looks.
    #[derive(Clone, Default)]
    struct Fused(Arc<AtomicU64>);
    impl tollgate::clock::Clock for Fused {
        fn now(&self) -> Duration {
            let left = self.0.load(Ordering::SeqCst);
            self.0.store(left.saturating_sub(1), Ordering::SeqCst);
            if left == 1 {
                planted_panic();
            }
            Duration::ZERO
        }
    }
    hush();
    watchdog(|| {
        for looks in 1..20 {
            let clock = Fused::default();
            let cache = Cache::builder(100, 10)
                .slack(0)
                .maintenance(Maintenance::Manual)
                .clock(clock.clone())
                .time_to_live(Duration::from_secs(1))
                .build()
                .unwrap();
            cache.insert(1, OnDrop::idle(), 1);
            cache.insert(2, OnDrop::idle(), 9);
            settle(&cache);
            let other = cache.clone();
            let value = OnDrop::new(move || _ = other.contains_key(&1));
            clock.0.store(looks, Ordering::SeqCst);
            let compute = || cache.compute(&1, |_| Op::Put { value, cost: 5 });
            let outcome = catch_unwind(AssertUnwindSafe(compute));
            let panicked = clock.0.swap(0, Ordering::SeqCst) == 0;
            assert!(panicked || outcome.is_ok());
            drop(outcome);
            cache.clear();
            still_works(&cache, OnDrop::idle);
        }
    });
}

/// Where a [`Saboteur`] panics, and which nonsense it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sabotage {
    Hit,
    Miss,
    Admit,
    Evict,
    Inserted,
    Removed,
    Moved,
    Recosted,
    Resized,
    Clear,
    NamesNobody,
    NamesNonsense,
}

/// A policy that evicts what lies in front, and breaks after a while.
struct Saboteur {
    how: Sabotage,
    /// Calls until it breaks.
    fuse: Arc<AtomicU64>,
}

impl Saboteur {
    fn pass(&self, at: Sabotage) {
        if at == self.how
            && self.fuse.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_err()
        {
            planted_panic();
        }
    }

    fn name_victims(&self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        match self.how {
            Sabotage::NamesNobody => {}
            Sabotage::NamesNonsense => victims.extend([Slot::MAX, 0, 0, 1_000_000].into_iter().chain(keep)),
            _ => {
                let mut freed = 0;
                // From the front, so that others move.
                for slot in (0..ledger.len() as Slot).filter(|&slot| Some(slot) != keep) {
                    if freed >= shortfall {
                        break;
                    }
                    freed += ledger.cost(slot);
                    victims.push(slot);
                }
            }
        }
    }
}

impl Policy for Saboteur {
    fn name(&self) -> &'static str {
        "saboteur"
    }
    fn hit(&mut self, _ledger: &Ledger, _slot: Slot) {
        self.pass(Sabotage::Hit);
    }
    fn miss(&mut self, _ledger: &Ledger, _index: u64) {
        self.pass(Sabotage::Miss);
    }
    fn admit(&mut self, ledger: &Ledger, candidate: Candidate, victims: &mut Vec<Slot>) -> Admission {
        self.pass(Sabotage::Admit);
        self.name_victims(ledger, candidate.shortfall, None, victims);
        Admission::Admit
    }
    fn evict(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        self.pass(Sabotage::Evict);
        self.name_victims(ledger, shortfall, keep, victims);
    }
    fn inserted(&mut self, _ledger: &Ledger, _slot: Slot) {
        self.pass(Sabotage::Inserted);
    }
    fn removed(&mut self, _ledger: &Ledger, _slot: Slot, _why: Departure) {
        self.pass(Sabotage::Removed);
    }
    fn moved(&mut self, _from: Slot, _to: Slot) {
        self.pass(Sabotage::Moved);
    }
    fn recosted(&mut self, _ledger: &Ledger, _slot: Slot, _old_cost: u64) {
        self.pass(Sabotage::Recosted);
    }
    fn resized(&mut self, _max_cost: u64) {
        self.pass(Sabotage::Resized);
    }
    fn clear(&mut self) {
        self.pass(Sabotage::Clear);
    }
}

fn sabotage(how: Sabotage, slack: u64, maintenance: Maintenance) {
    let (books, fuse) = (Books::new(), Arc::new(AtomicU64::new(2)));
    let (heard, lit) = (books.clone(), fuse.clone());
    let policy = PolicyKind::Custom(Arc::new(move |_: &_| {
        Box::new(Saboteur { how, fuse: lit.clone() }) as Box<dyn Policy>
    }));
    let cache = Cache::builder(1000, 40)
        .slack(slack)
        .policy(policy)
        .maintenance(maintenance)
        .listener(move |event: Event<_>| heard.hear(event))
        .build()
        .unwrap();
    for round in 0..600_u64 {
        // Updates as often as newcomers, as they are still there.
        let key = if round % 2 == 0 { round * 7 % 90 } else { (round - 1) * 7 % 90 };
        books.hand_back_refused(cache.try_insert(key, books.value(round), 1 + round % 5));
        cache.get_with(&(round % 50), |_| ());
        match round % 20 {
            3 => _ = cache.remove(&(round % 90)).map(|value| books.hand_back(value)),
            9 => cache.set_max_cost(30 + round % 11),
            13 if round % 3 == 0 => cache.clear(),
            17 => cache.run_pending(),
            _ => {}
        }
        assert!(cache.census().cost <= cache.max_cost().max(40) + slack, "{how:?}");
        if maintenance == Maintenance::Manual {
            cache
                .check()
                .unwrap_or_else(|error| panic!("{how:?} with slack {slack}, round {round}: {error}"));
        }
    }
    let panicked = !matches!(how, Sabotage::NamesNobody | Sabotage::NamesNonsense);
    let stats = cache.stats();
    assert_eq!(stats.policy_panics > 0, panicked, "{how:?} with slack {slack}: {stats}");
    assert_eq!(stats.policy == "saboteur", !panicked);
    audit_to_the_end(cache, &books);
}

/// Who takes the place of a policy that panicked is asked for the same.
#[test]
fn the_policy_that_takes_over_has_the_same_objective() {
    for (objective, comes_in) in [(Objective::Hits, false), (Objective::Cost, true)] {
        let fuse = Arc::new(AtomicU64::new(1));
        let policy = PolicyKind::Custom(Arc::new(move |_: &_| {
            Box::new(Saboteur { how: Sabotage::Hit, fuse: fuse.clone() }) as Box<dyn Policy>
        }));
        let cache: Cache<u64, u64> = Cache::builder(10_000, 1000)
            .policy(policy)
            .objective(objective)
            .maintenance(Maintenance::Manual)
            .seed(1)
            .build()
            .unwrap();
        let request = |key: u64, cost| {
            if cache.get(&key).is_none() {
                let _ = cache.insert(key, 0, cost);
            }
            cache.run_pending();
        };
        for round in 0..400_u64 {
            (0..900).filter(|key| key % 10 == round % 10).for_each(|key| request(key, 1));
            request(5000 + round % 3, 300);
            request(9000 + round % 200, 1);
        }
        assert_eq!((cache.stats().policy, cache.stats().policy_panics), ("density", 1));
        let large = (5000..5003).filter(|key| cache.contains_key(key)).count();
        assert_eq!(large > 0, comes_in, "{objective:?}: {large} large entries");
    }
}

#[test]
fn a_policy_that_panics_or_lies_costs_its_job_and_nothing_else() {
    use Sabotage::*;
    hush();
    watchdog(|| {
        for how in [
            Hit,
            Miss,
            Admit,
            Evict,
            Inserted,
            Removed,
            Moved,
            Recosted,
            Resized,
            Clear,
            NamesNobody,
            NamesNonsense,
        ] {
            // The fuse of rare calls is short enough, that of frequent ones long enough.
            for (slack, maintenance) in
                [(0, Maintenance::Manual), (10, Maintenance::Manual), (10, Maintenance::Thread)]
            {
                sabotage(how, slack, maintenance);
            }
        }
    });
}

#[test]
fn a_policy_that_cannot_be_built_fails_the_build() {
    hush();
    let policy = PolicyKind::Custom(Arc::new(|_: &_| planted_panic()));
    panics(|| Cache::<u64, u64>::builder(10, 10).policy(policy).build());
}

/// The refused value of an insert whose policy panicked comes back.
#[test]
fn a_value_is_handed_back_when_the_policy_panics_over_it() {
    hush();
    let fuse = Arc::new(AtomicU64::new(0));
    let policy = PolicyKind::Custom(Arc::new(move |_: &_| {
        Box::new(Saboteur { how: Sabotage::Admit, fuse: fuse.clone() }) as Box<dyn Policy>
    }));
    let cache: Cache<(u64, u64), u64, Literal> = Cache::builder(1000, 4)
        .strict()
        .policy(policy)
        .maintenance(Maintenance::Manual)
        .key_hasher(Literal)
        .build()
        .unwrap();
    (0..4).for_each(|key| assert!(cache.insert((key, 0), key, 1)));
    let error = cache.try_insert((9, 9), 99, 1).unwrap_err();
    assert!(matches!(error, InsertError::Rejected(99)), "{error:?}");
    assert_eq!(cache.stats().policy_panics, 1);
    settle(&cache);
    assert_eq!(cache.len(), 4);
}

/// What a panic is thrown with; its destructor panics, too.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        planted_panic();
    }
}

/// Panics once, and unheard.
fn throw_a_bomb(fuse: &AtomicBool) {
    if fuse.swap(false, Ordering::SeqCst) {
        resume_unwind(Box::new(Bomb));
    }
}

#[test]
fn a_panic_whose_payload_panics_in_turn_loses_no_other_event() {
    hush();
    watchdog(|| {
        for maintenance in [Maintenance::Thread, Maintenance::Inline, Maintenance::Manual] {
            let (books, fuse) = (Books::new(), Arc::new(AtomicBool::new(false)));
            let (heard, lit) = (books.clone(), fuse.clone());
            let cache = Cache::builder(1000, 50)
                .maintenance(maintenance)
                .listener(move |event: Event<crate::common::Value>| {
                    heard.hear(event);
                    throw_a_bomb(&lit);
                })
                .build()
                .unwrap();
            (0..50).for_each(|key| _ = books.hand_back_refused(cache.try_insert(key, books.value(key), 1)));
            cache.wait().unwrap();
            fuse.store(true, Ordering::SeqCst);
            cache.clear();
            assert_eq!((books.alive(), cache.stats().callback_panics), (0, 1));
            // Whoever delivers this time.
            fuse.store(true, Ordering::SeqCst);
            (0..500).for_each(|key| _ = books.hand_back_refused(cache.try_insert(key, books.value(key), 1)));
            settle(&cache);
            assert_eq!(cache.stats().callback_panics, 2);
            cache.clear();
            assert!(cache.insert_with_ttl(1, books.value(1), 1, Duration::from_millis(1)));
            eventually("there is somebody to reclaim what has expired", || {
                if maintenance != Maintenance::Thread {
                    cache.run_pending();
                }
                books.count(tollgate::Cause::Expired) > 0
            });
            audit_to_the_end(cache, &books);
        }
    });
}

#[test]
fn a_policy_whose_panic_panics_in_turn_is_replaced_like_any_other() {
    /// Panics over its first newcomer.
    struct Thrower(Arc<AtomicBool>);
    impl Policy for Thrower {
        fn name(&self) -> &'static str {
            "thrower"
        }
        fn hit(&mut self, _: &Ledger, _: Slot) {}
        fn miss(&mut self, _: &Ledger, _: u64) {}
        fn admit(&mut self, _: &Ledger, _: Candidate, _: &mut Vec<Slot>) -> Admission {
            throw_a_bomb(&self.0);
            Admission::Reject
        }
        fn evict(&mut self, _: &Ledger, _: u64, _: Option<Slot>, _: &mut Vec<Slot>) {}
        fn inserted(&mut self, _: &Ledger, _: Slot) {}
        fn removed(&mut self, _: &Ledger, _: Slot, _: Departure) {}
        fn moved(&mut self, _: Slot, _: Slot) {}
        fn clear(&mut self) {}
    }
    impl Drop for Thrower {
        fn drop(&mut self) {
            resume_unwind(Box::new(Bomb));
        }
    }
    hush();
    watchdog(|| {
        for slack in [0, 10] {
            let (books, fuse) = (Books::new(), Arc::new(AtomicBool::new(true)));
            let policy = move |_: &_| Box::new(Thrower(fuse.clone())) as Box<dyn Policy>;
            let heard = books.clone();
            let cache = Cache::builder(1000, 10)
                .slack(slack)
                .policy(PolicyKind::Custom(Arc::new(policy)))
                .maintenance(Maintenance::Inline)
                .listener(move |event: Event<_>| heard.hear(event))
                .build()
                .unwrap();
            (0..100).for_each(|key| _ = books.hand_back_refused(cache.try_insert(key, books.value(key), 1)));
            assert_eq!(cache.stats().policy_panics, 1);
            audit_to_the_end(cache, &books);
        }
    });
}

/// A clock that panics at one look, if it is told at which.
#[derive(Clone, Default)]
struct Fused {
    clock: ManualClock,
    /// The looks until then, and one more; 0 is never.
    fuse: Arc<AtomicU64>,
}

impl Clock for Fused {
    fn now(&self) -> Duration {
        if self.fuse.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)) == Ok(1) {
            planted_panic();
        }
        self.clock.now()
    }
}

/// A turn goes by the time of an earlier one, and the policy is none the worse for it.
#[test]
fn a_clock_that_panics_during_a_turn_costs_no_policy_its_job() {
    hush();
    watchdog(|| {
        for slack in [0, 10] {
            let mut panicked = 0;
            for at in 1..40 {
                let clock = Fused::default();
                let books = Books::new();
                let heard = books.clone();
                let cache: Cache<(u64, u64), _, Literal> = Cache::builder(1000, 20)
                    .slack(slack)
                    .policy(PolicyKind::Lru)
                    .maintenance(Maintenance::Manual)
                    .key_hasher(Literal)
                    .clock(clock.clone())
                    .listener(move |event: Event<_>| heard.hear(event))
                    .build()
                    .unwrap();
                let insert = |key, ttl| {
                    let value = books.value(key);
                    assert!(cache.insert_with_ttl((key, key), value, 1, ttl));
                };
                (0..10).for_each(|key| insert(key, Duration::from_secs(1)));
                (10..20).for_each(|key| insert(key, Duration::from_secs(100)));
                cache.run_pending();
                (20..25).for_each(|key| insert(key, Duration::ZERO));
                clock.clock.advance(Duration::from_secs(2));
                clock.fuse.store(at, Ordering::SeqCst);
                // No deadline, hence no look at the clock but those of a turn.
                (25..30).for_each(|key| insert(key, Duration::ZERO));
                cache.run_pending();
                panicked += u64::from(clock.fuse.swap(0, Ordering::SeqCst) == 0);
                let stats = cache.stats();
                assert_eq!((stats.policy, stats.policy_panics), ("lru", 0), "slack {slack}, look {at}");
                audit_to_the_end(cache, &books);
            }
            assert!((5..39).contains(&panicked), "{panicked} panics with slack {slack}");
        }
    });
}
