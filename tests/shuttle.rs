//! The whole cache under [shuttle](https://docs.rs/shuttle): short scenarios of two or three threads, through random schedules. Each ends
//! with the oracle, the books of all values, and a judgement on its history (`common/history.rs`).
//!
//! `RUSTFLAGS="--cfg tollgate_shuttle" CARGO_TARGET_DIR=target/shuttle cargo test --release --test shuttle`
//!
//! | variable | meaning |
//! |---|---|
//! | `TOLLGATE_SCHEDULES` | schedules for each scenario; 5,000 without it |
//! | `TOLLGATE_SEED` | the seed of the schedules; 1 without it |
//! | `TOLLGATE_SCHEDULE` | the schedule that a failure has printed: it alone is played again |
//!
//! Half of the schedules are random, half are of the kind that finds bugs of few preemptions (Burckhardt et al., "A randomized
//! scheduler with probabilistic guarantees of finding bugs", 2010).

#![cfg(tollgate_shuttle)]

mod common;

use common::Books;
use common::history::{Call, Event, Held, KEYS, Recorded, is_linearizable};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tollgate::clock::ManualClock;
use tollgate::key::{KeyHasher, SecretHasher};
use tollgate::policy::PolicyKind;
use tollgate::{Builder, Cache, Cause, Expiry, Lifespan, Living, Maintenance, Op, SharedBudget};

use Call::*;

/// One setting and what its threads do.
#[derive(Debug, Clone)]
struct Scenario {
    maintenance: Maintenance,
    max_cost: u64,
    slack: u64,
    policy: PolicyKind,
    /// Nothing is ever dropped: "there is none" has to be true.
    strict: bool,
    /// Done before the threads start.
    before: &'static [Call],
    threads: &'static [&'static [Call]],
}

const MANUAL: Scenario = Scenario {
    maintenance: Maintenance::Manual,
    max_cost: 2,
    slack: 1,
    policy: PolicyKind::Lru,
    strict: false,
    before: &[],
    threads: &[],
};
const ROOMY: Scenario = Scenario { max_cost: 1000, strict: true, ..MANUAL };
const STRICT: Scenario = Scenario { slack: 0, policy: PolicyKind::TinyLfu, ..MANUAL };
const THREAD: Scenario = Scenario { maintenance: Maintenance::Thread, ..MANUAL };
const INLINE: Scenario = Scenario { maintenance: Maintenance::Inline, ..MANUAL };

#[test]
fn two_writers_of_one_key() {
    explore(Scenario { threads: &[&[Insert(0), Get(0)], &[Insert(0), Get(0)]], ..ROOMY });
}

#[test]
fn an_insert_and_a_remove() {
    let threads: &[&[Call]] = &[&[Insert(0), Get(0)], &[Remove(0), Get(0)], &[Remove(0)]];
    explore(Scenario { before: &[Insert(0)], threads, ..ROOMY });
}

#[test]
fn an_insert_and_a_clear() {
    explore(Scenario {
        before: &[Insert(1)],
        threads: &[&[Insert(0), Get(0)], &[Clear, Get(1), Get(0)]],
        ..ROOMY
    });
}

#[test]
fn a_clear_and_a_turn() {
    let threads: &[&[Call]] = &[&[Clear, Get(0)], &[Wait, Insert(0)], &[RunPending, Get(1)]];
    explore(Scenario { before: &[Insert(0), Insert(1)], threads, ..ROOMY });
}

#[test]
fn two_turns_at_once() {
    let threads: &[&[Call]] = &[&[Insert(0), Wait, Get(0)], &[Insert(1), Wait, Get(1)], &[Wait, Insert(2)]];
    explore(Scenario { threads, ..MANUAL });
}

#[test]
fn an_update_while_its_eviction_is_decided() {
    let threads: &[&[Call]] = &[&[Insert(0), Get(0)], &[RunPending], &[Insert(2), RunPending]];
    explore(Scenario { before: &[Insert(0), Insert(1)], threads, ..MANUAL });
}

#[test]
fn inserts_into_a_full_strict_cache() {
    let threads: &[&[Call]] = &[&[Insert(0), Get(0)], &[Insert(1), Get(1)], &[Insert(2), Remove(0)]];
    explore(Scenario { before: &[Insert(0), Insert(1)], threads, ..STRICT });
}

/// Whatever gives room back in a strict cache tells the engine of it before anybody can take that room: else a turn that
/// begins with the other shard would hear first of whoever took it, and turn him away.
#[test]
fn room_that_is_given_back_in_a_strict_cache() {
    let threads: [&[&[Call]]; 6] = [
        &[&[Remove(1)], &[Insert(2), RunPending]],
        &[&[Take(1)], &[Insert(2), RunPending]],
        &[&[Costly(1, 1)], &[Insert(2), RunPending]],
        &[&[Recost(1, 1)], &[Insert(2), RunPending]],
        &[&[RemoveMany], &[Insert(2), RunPending]],
        &[&[RetainNone], &[Insert(2), RunPending]],
    ];
    for threads in threads {
        // Asked for so often that the policy would rather keep it than what takes its room.
        let before = &[Costly(1, 2), Get(1), Get(1), Get(1), Get(1), Wait];
        explore(Scenario { before, threads, ..STRICT });
    }
}

#[test]
fn costs_larger_than_the_slack() {
    let threads: &[&[Call]] = &[&[Costly(0, 3), Get(0)], &[Costly(1, 3), Get(1)], &[Costly(0, 2)]];
    explore(Scenario { max_cost: 4, before: &[Costly(2, 2)], threads, ..MANUAL });
}

#[test]
fn a_budget_that_is_lowered_under_writers() {
    let threads: &[&[Call]] = &[&[Resize(1), Get(0)], &[Insert(0), Insert(1)], &[Costly(2, 2)]];
    explore(Scenario { max_cost: 4, before: &[Insert(0)], threads, ..MANUAL });
}

#[test]
fn budgets_that_are_changed_at_once() {
    let threads: &[&[Call]] = &[&[Resize(1), Insert(0)], &[Resize(3), Insert(1), Insert(2)]];
    explore(Scenario { before: &[Insert(0), Insert(1)], threads, ..STRICT });
}

#[test]
fn an_entry_that_expires_while_it_is_refreshed() {
    let threads: &[&[Call]] = &[&[Brief(0), Get(0)], &[Advance(4), Wait], &[Get(0), Replace(0)]];
    explore(Scenario { max_cost: 10, before: &[Brief(0)], threads, ..MANUAL });
}

#[test]
fn an_entry_that_expires_while_it_is_removed() {
    let threads: &[&[Call]] = &[&[Remove(0)], &[Advance(4), RunPending], &[Insert(0), Get(0)]];
    explore(Scenario { max_cost: 10, before: &[Brief(0), Wait], threads, ..MANUAL });
}

#[test]
fn two_loads_of_one_key() {
    let threads: &[&[Call]] = &[&[Load(0), Get(0)], &[Load(0)], &[Load(0), Get(0)]];
    explore(Scenario { max_cost: 10, threads, ..MANUAL });
}

#[test]
fn a_load_that_is_overtaken() {
    let threads: &[&[Call]] = &[&[Load(0), Get(0)], &[Insert(0), Get(0)], &[Load(0)]];
    explore(Scenario { max_cost: 10, threads, ..MANUAL });
}

#[test]
fn a_load_of_what_is_removed() {
    let threads: &[&[Call]] = &[&[Load(0)], &[Remove(0), Get(0)], &[Clear, Get(0)]];
    explore(Scenario { max_cost: 10, threads, ..MANUAL });
}

#[test]
fn a_load_that_fails_beside_one_that_does_not() {
    let threads: &[&[Call]] = &[&[LoadFails(0), Get(0)], &[Load(0)], &[LoadFails(0)]];
    explore(Scenario { max_cost: 10, threads, ..MANUAL });
}

#[test]
fn the_processor_beside_writers() {
    let threads: &[&[Call]] = &[&[Insert(0), Insert(1), Get(0)], &[Insert(2), Remove(0)]];
    explore(Scenario { threads, ..THREAD });
}

#[test]
fn the_processor_beside_wait_and_clear() {
    let threads: &[&[Call]] = &[&[Insert(0), Wait, Get(0)], &[Insert(1), Clear, Get(1)]];
    explore(Scenario { threads, ..THREAD });
}

#[test]
fn a_processor_that_has_nothing_to_do_is_stopped() {
    explore(Scenario { threads: &[&[Insert(0)], &[Get(0)]], ..Scenario { max_cost: 100, ..THREAD } });
}

#[test]
fn turns_by_writers() {
    let threads: &[&[Call]] = &[&[Insert(0), Insert(1)], &[Insert(2), Remove(1)], &[Insert(1), Get(1)]];
    explore(Scenario { threads, ..INLINE });
}

#[test]
fn read_modify_write() {
    let threads: &[&[Call]] = &[&[Put(0), Take(0)], &[Update(0), Take(0)], &[Put(0), Get(0)]];
    explore(Scenario { before: &[Insert(0)], threads, ..ROOMY });
}

#[test]
fn an_entry_that_grows_without_room() {
    let threads: &[&[Call]] = &[&[Recost(0, 2), Get(0)], &[Insert(0), Get(0)], &[Insert(1)]];
    explore(Scenario { before: &[Insert(0), Insert(1)], threads, ..MANUAL });
}

#[test]
fn many_keys_at_once() {
    let threads: &[&[Call]] = &[&[InsertMany, GetMany], &[RemoveMany], &[InsertMany, RetainNone]];
    explore(Scenario { threads, ..MANUAL });
}

/// What an `Expiry` says of a read is meant for the value that was read, not for one that has taken its place since.
#[test]
fn a_read_that_ends_a_life_beside_updates() {
    struct ReadOnce;
    impl Expiry<u64> for ReadOnce {
        fn after_read(&self, entry: &Living<'_, u64>) -> Lifespan {
            if *entry.value == 1 { Lifespan::For(Duration::ZERO) } else { Lifespan::Keep }
        }
    }
    let updates: [fn(&Cache<u64, u64, SecretHasher>); 2] = [
        |cache| assert!(cache.insert(&0, 2, 1)),
        |cache| assert!(cache.update(&0, |value| *value = 2) || cache.insert(&0, 2, 1)),
    ];
    for update in updates {
        explore_with(move || {
            let builder = Cache::builder(16, 100).maintenance(Maintenance::Manual).seed(1);
            let cache = builder.key_hasher(hasher()).expiry(ReadOnce).build().unwrap();
            cache.insert(&0, 1, 1);
            let reader = cache.clone();
            let reader = shuttle::thread::spawn(move || reader.get(&0));
            update(&cache);
            assert_ne!(reader.join().unwrap(), None);
            assert_eq!(cache.peek(&0), Some(2));
            common::settle(&cache);
        });
    }
}

/// A cache of two entries.
fn pair(slack: u64, pin_quota: u64) -> Cache<u64, u64, SecretHasher> {
    let builder = Cache::builder(16, 2).policy(PolicyKind::Lru).maintenance(Maintenance::Manual).seed(1);
    builder.slack(slack).pin_quota(pin_quota).key_hasher(hasher()).build().unwrap()
}

/// An entry that is pinned before it has left stays, whatever had been decided about it.
#[test]
fn a_pin_while_its_entry_is_evicted() {
    for slack in [0, 1] {
        explore_with(move || {
            let cache = pair(slack, 2);
            assert!(cache.insert(&0, 0, 1) && cache.insert(&1, 1, 1));
            cache.run_pending();
            let [writer, turner] = [cache.clone(), cache.clone()];
            let threads = [
                shuttle::thread::spawn(move || _ = (writer.insert(&2, 2, 1), writer.insert(&3, 3, 1))),
                shuttle::thread::spawn(move || turner.run_pending()),
            ];
            let pinned = cache.pin(&0).unwrap();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            common::settle(&cache);
            assert_eq!((cache.is_pinned(&0), cache.contains_key(&0)), (pinned, pinned));
        });
    }
}

#[test]
fn two_pins_of_one_quota() {
    explore_with(|| {
        let cache = pair(1, 1);
        assert!(cache.insert(&0, 0, 1) && cache.insert(&1, 1, 1));
        let [one, other] = [cache.clone(), cache.clone()];
        let threads = [
            shuttle::thread::spawn(move || {
                let pinned = one.pin(&0) == Ok(true);
                assert_eq!((one.is_pinned(&0), one.unpin(&0)), (pinned, pinned));
            }),
            shuttle::thread::spawn(move || _ = (other.pin(&1), other.remove(&1), other.insert(&1, 2, 1))),
        ];
        cache.set_max_cost(1);
        cache.set_max_cost(2);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        common::settle(&cache);
        assert_eq!(
            (cache.pin(&0), cache.stats().pinned_cost),
            (Ok(cache.contains_key(&0)), cache.is_pinned(&0).into())
        );
    });
}

/// An entry that is gone was announced when `wait` returns, even if whoever took it out was not to announce it at once.
#[test]
fn a_wait_beside_who_may_not_deliver_yet() {
    type Numbers = Cache<u64, u64, SecretHasher>;
    let displace: [fn(&Numbers); 3] = [
        |cache| _ = cache.get_or_insert_with(&1, 1, || 1),
        |cache| _ = cache.compute(&1, |_| Op::Put { value: 1, cost: 1 }),
        |cache| cache.retain(|_, _| false),
    ];
    for (displace, slack) in displace.into_iter().flat_map(|displace| [(displace, 0), (displace, 1)]) {
        explore_with(move || {
            let is_announced = Arc::new(AtomicBool::new(false));
            let announced = Arc::clone(&is_announced);
            let cache = Cache::<u64, u64>::builder(16, 1)
                .policy(PolicyKind::Fifo)
                .maintenance(Maintenance::Manual)
                .slack(slack)
                .seed(1)
                .key_hasher(hasher())
                .listener(move |event| _ = announced.fetch_or(event.value == 0, Ordering::SeqCst))
                .build()
                .unwrap();
            assert!(cache.insert(&0, 0, 1));
            let beside = cache.clone();
            let thread = shuttle::thread::spawn(move || {
                displace(&beside);
                beside.run_pending();
            });
            for _ in 0..3 {
                if !cache.contains_key(&0) {
                    cache.wait().unwrap();
                    assert!(is_announced.load(Ordering::SeqCst));
                    break;
                }
            }
            thread.join().unwrap();
            common::settle(&cache);
        });
    }
}

/// Both want all that there is, while it is divided and one of them leaves.
#[test]
fn a_shared_budget_under_writers() {
    explore_with(|| {
        let budget = SharedBudget::with_interval(8, Duration::MAX);
        let member = || {
            let builder = Cache::<u64, u64>::builder(16, 100).policy(PolicyKind::Lru).seed(1);
            let builder = builder.maintenance(Maintenance::Manual).key_hasher(hasher());
            builder.shared_budget(&budget, 1).build().unwrap()
        };
        let (one, other, guest) = (member(), member(), member());
        let writer = one.clone();
        let threads = [
            shuttle::thread::spawn(move || (0..4).for_each(|key| _ = writer.insert(&(key % KEYS), key, 2))),
            shuttle::thread::spawn(move || drop(guest)),
        ];
        assert!(other.insert(&0, 0, 1));
        budget.rebalance();
        budget.check().unwrap();
        assert!(other.insert(&1, 1, 1) || other.max_cost() < 2);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        budget.rebalance();
        budget.check().unwrap();
        [&one, &other].into_iter().for_each(common::settle);
        assert_eq!(budget.shares().len(), 2);
    });
}

/// Plays a scenario through many schedules.
fn explore(scenario: Scenario) {
    explore_with(move || play(&scenario));
}

fn explore_with(play: impl Fn() + Clone + Send + Sync + 'static) {
    if let Ok(schedule) = std::env::var("TOLLGATE_SCHEDULE") {
        return shuttle::replay(play, &schedule);
    }
    let number = |name, default| {
        std::env::var(name).ok().and_then(|number: String| number.parse().ok()).unwrap_or(default)
    };
    let (schedules, seed) = (number("TOLLGATE_SCHEDULES", 5_000), number("TOLLGATE_SEED", 1));
    let mut config = Config::new();
    config.stack_size = 1 << 18;
    let half = schedules as usize / 2;
    let random = RandomScheduler::new_from_seed(seed, half);
    Runner::new(random, config.clone()).run(play.clone());
    let few_preemptions = PctScheduler::new_from_seed(seed, 3, half);
    Runner::new(few_preemptions, config).run(play);
}

fn play(scenario: &Scenario) {
    let recorded = Arc::new(build(scenario));
    let mut history = Vec::new();
    scenario.before.iter().for_each(|&call| recorded.call(call, &mut history));
    // Never held while another thread runs.
    let histories: Arc<Mutex<Vec<Event>>> = Arc::new(Mutex::new(history));
    let bound = 4.max(scenario.max_cost) + scenario.slack;
    let threads: Vec<_> = scenario
        .threads
        .iter()
        .map(|&calls| {
            let (recorded, histories) = (Arc::clone(&recorded), Arc::clone(&histories));
            shuttle::thread::spawn(move || {
                let mut history = Vec::new();
                for &call in calls {
                    recorded.call(call, &mut history);
                    let cost = recorded.cache.cost();
                    assert!(cost <= bound, "{cost} after {call:?}");
                }
                histories.lock().unwrap().extend(history);
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let mut history = std::mem::take(&mut *histories.lock().unwrap());
    common::settle(&recorded.cache);
    (0..KEYS).for_each(|key| recorded.call(Get(key), &mut history));
    assert!(is_linearizable(&history, scenario.strict), "{scenario:?}: {history:?}");
    // Without slack, whoever was told that his entry is in was told the truth.
    assert!(scenario.slack > 0 || recorded.books.count(Cause::Rejected) == 0);
    Arc::into_inner(recorded).expect("the threads are gone").audit();
}

fn build(scenario: &Scenario) -> Recorded {
    let (books, clock) = (Books::new(), ManualClock::new());
    let heard = Arc::clone(&books);
    let builder: Builder<u64, Held> = Cache::builder(16, scenario.max_cost)
        .policy(scenario.policy.clone())
        .maintenance(scenario.maintenance)
        .slack(scenario.slack)
        .clock(clock.clone())
        .seed(1)
        .key_hasher(hasher());
    let builder = builder.listener(move |event| heard.hear_id(event.value.id, event.cause));
    Recorded::new(builder.build().unwrap(), books, clock)
}

/// Even and odd keys live in different shards; the turns begin with the even ones, whatever the number of shards.
fn hasher() -> SecretHasher {
    static SEED: OnceLock<u64> = OnceLock::new();
    let seed = SEED.get_or_init(|| {
        let mut seeds = 0..1_000_000;
        let is_apart = |seed: &u64| {
            let [zero, one, two] =
                [0, 1, 2].map(|key: u64| SecretHasher::with_seed(*seed).hash_key(&key).index >> 40);
            let masks = (1..=8).map(|bits| (1 << bits) - 1);
            zero % 2 == 0
                && two % 2 == 0
                && one % 2 == 1
                && masks.into_iter().all(|mask: u64| (zero & mask).max(two & mask) < one & mask)
        };
        seeds.find(is_apart).expect("one in a few hundred will do")
    });
    SecretHasher::with_seed(*seed)
}
