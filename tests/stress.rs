//! Everything at once, from many threads, seeded: then the books must balance and the structure must agree.

mod common;

use common::{Numbers, Signal, eventually, on_threads, settle, watchdog};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use tollgate::policy::PolicyKind;
use tollgate::{Cache, Cause, Event, InsertOptions, Maintenance};

/// What became of every value, without a lock that would keep the threads apart: a byte each for drops, events and
/// values handed back.
struct Ledger {
    fates: Vec<AtomicU32>,
    made: AtomicU32,
}

const DROPPED: u32 = 1;
const ANNOUNCED: u32 = 1 << 8;
const HANDED_BACK: u32 = 1 << 16;
const RESIDENT: u32 = 1 << 24;

impl Ledger {
    fn new(capacity: usize) -> Arc<Self> {
        let fates = (0..capacity).map(|_| AtomicU32::new(0)).collect();
        Arc::new(Self { fates, made: AtomicU32::new(0) })
    }

    fn value(self: &Arc<Self>) -> Tracked {
        Tracked { id: self.made.fetch_add(1, Ordering::Relaxed), ledger: Arc::clone(self) }
    }

    /// Every value has one fate, and is gone unless it is resident.
    fn audit(&self, is_over: bool) {
        let made = self.made.load(Ordering::Relaxed) as usize;
        for (id, fate) in self.fates[..made].iter().enumerate() {
            let fate = fate.load(Ordering::Relaxed);
            let expected = [ANNOUNCED | DROPPED, HANDED_BACK | DROPPED, RESIDENT | u32::from(is_over)];
            assert!(expected.contains(&fate), "value {id} of {made}: {fate:#x}");
        }
    }
}

struct Tracked {
    id: u32,
    ledger: Arc<Ledger>,
}

impl Tracked {
    fn mark(&self, fate: u32) {
        self.ledger.fates[self.id as usize].fetch_add(fate, Ordering::Relaxed);
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.mark(DROPPED);
    }
}

struct Scenario {
    policy: PolicyKind,
    slack: Option<u64>,
    maintenance: Maintenance,
    time_to_idle: Option<Duration>,
    steps: u64,
}

const THREADS: u64 = 4;
const MAX_COST: u64 = 300;

fn everything_at_once(scenario: Scenario, seed: u64) {
    let Scenario { policy, slack, maintenance, time_to_idle, steps } = scenario;
    let ledger = Ledger::new((THREADS * steps) as usize);
    let events = Arc::new(AtomicU64::new(0));
    let heard = events.clone();
    let mut builder = Cache::builder(3000, MAX_COST)
        .pin_quota(MAX_COST / 3)
        .policy(policy.clone())
        .maintenance(maintenance)
        .seed(seed)
        .replace_if(|old: &Tracked, new: &Tracked| !(old.id ^ new.id).is_multiple_of(16))
        .listener(move |event: Event<Tracked>| {
            event.value.mark(ANNOUNCED);
            heard.fetch_add(1, Ordering::Relaxed);
        });
    if let Some(slack) = slack {
        builder = builder.slack(slack);
    }
    if let Some(tti) = time_to_idle {
        builder = builder.time_to_idle(tti);
    }
    let cache: Cache<u64, Tracked> = builder.build().unwrap();
    let bound = MAX_COST + cache.slack();
    on_threads(THREADS, |thread| {
        let mut numbers = Numbers::new(seed * 31 + thread);
        for _ in 0..steps {
            step(&cache, &ledger, &mut numbers);
            assert!(cache.cost() <= bound, "{} exceeds {bound}", cache.cost());
        }
    });
    // Let what has a time to live outlive it: nothing is to expire between the count and the audit.
    thread::sleep(Duration::from_millis(10));
    settle(&cache);
    cache.retain(|_, value| {
        value.mark(RESIDENT);
        true
    });
    let resident = cache.len();
    let marked = ledger.fates.iter().filter(|fate| fate.load(Ordering::Relaxed) & RESIDENT != 0).count();
    assert!(time_to_idle.is_some() || resident == marked, "{resident} resident, {marked} seen");
    if time_to_idle.is_none() {
        ledger.audit(false);
    }
    assert!(events.load(Ordering::Relaxed) > 100, "{policy:?}");
    let stats = cache.stats();
    assert_eq!((stats.callback_panics, stats.policy_panics), (0, 0));
    drop(cache);
    if time_to_idle.is_none() {
        ledger.audit(true);
    } else {
        // An entry may have expired between the count and the end: then it was announced as well.
        let made = ledger.made.load(Ordering::Relaxed) as usize;
        let dropped = |fate: &&AtomicU32| fate.load(Ordering::Relaxed) & 0xff == DROPPED;
        assert_eq!(ledger.fates[..made].iter().filter(dropped).count(), made);
    }
}

fn step(cache: &Cache<u64, Tracked>, ledger: &Arc<Ledger>, numbers: &mut Numbers) {
    let key = numbers.below(400);
    match numbers.below(200) {
        0 => cache.clear(),
        1 => cache.retain(|key, value| !(key.conflict ^ u64::from(value.id)).is_multiple_of(5)),
        2 => cache.set_max_cost(MAX_COST - numbers.below(250)),
        3 => cache.set_max_cost(MAX_COST),
        4 => cache.wait().unwrap(),
        5 => cache.run_pending(),
        6 => cache.check().unwrap(),
        7 => assert!(cache.census().entries <= 2 * MAX_COST as usize + cache.slack() as usize),
        8..30 => {
            if let Some(value) = cache.remove(&key) {
                value.mark(HANDED_BACK);
            }
        }
        30..80 => _ = cache.get_with(&key, |_| ()),
        80..85 => _ = cache.pin(&key),
        85..90 => _ = cache.unpin(&key),
        choice => {
            let time_to_live = (choice % 3 == 0).then(|| Duration::from_millis(1 + numbers.below(4)));
            let (if_present, pinned) = (choice % 7 == 0, choice % 11 == 0);
            let options = InsertOptions { time_to_live, if_present, pinned, tag: None };
            let cost = 1 + numbers.below(6) + if choice == 90 { numbers.below(MAX_COST) } else { 0 };
            if let Err(error) = cache.try_insert_with(key, ledger.value(), cost, options) {
                error.into_value().mark(HANDED_BACK);
            }
        }
    }
}

#[test]
fn the_books_balance_after_everything_at_once() {
    let mut seed = 1;
    for policy in PolicyKind::ALL {
        // The policies differ in the engine only; the default one goes through every shell there is.
        let is_default = policy.name() == PolicyKind::default().name();
        let shells: &[(Option<u64>, Maintenance)] = if is_default {
            &[
                (None, Maintenance::Thread),
                (Some(0), Maintenance::Thread),
                (Some(5000), Maintenance::Thread),
                (Some(3), Maintenance::Manual),
                (Some(0), Maintenance::Inline),
                (None, Maintenance::Inline),
            ]
        } else {
            &[(Some(10), Maintenance::Thread)]
        };
        for &(slack, maintenance) in shells {
            seed += 1;
            let policy = policy.clone();
            let steps = if is_default { 6000 } else { 2000 };
            let scenario = Scenario { policy, slack, maintenance, time_to_idle: None, steps };
            watchdog(move || everything_at_once(scenario, seed));
        }
    }
}

#[test]
fn the_books_balance_where_entries_idle_away() {
    for (seed, slack) in [(1, None), (2, Some(0))] {
        let (policy, maintenance) = (PolicyKind::default(), Maintenance::Thread);
        let time_to_idle = Some(Duration::from_millis(2));
        let scenario = Scenario { policy, slack, maintenance, time_to_idle, steps: 3000 };
        watchdog(move || everything_at_once(scenario, seed));
    }
}

/// Two writers count up, each on keys of its own, in a cache that is far too small, and forget all that they wrote
/// now and then. No reader ever sees a key go back, and none sees what was forgotten.
#[test]
fn no_key_goes_back_and_nothing_forgotten_is_seen() {
    watchdog(|| {
        const KEYS: u64 = 24;
        let cache: Cache<u64, u64> = Cache::builder(1000, 30).slack(4).build().unwrap();
        let forgotten: Vec<AtomicU64> = (0..KEYS).map(|_| AtomicU64::new(0)).collect();
        let signal = Signal::default();
        thread::scope(|scope| {
            for reader in 0..2 {
                let (cache, forgotten, signal) = (&cache, &forgotten, &signal);
                scope.spawn(move || {
                    let mut numbers = Numbers::new(90 + reader);
                    let mut newest = vec![0; KEYS as usize];
                    while signal.is_on() {
                        let key = numbers.below(KEYS);
                        let floor = forgotten[key as usize].load(Ordering::Acquire);
                        if let Some(seen) = cache.get(&key) {
                            assert!(seen > floor, "key {key}: saw {seen}, {floor} was forgotten");
                            let newest = &mut newest[key as usize];
                            assert!(seen >= *newest, "key {key} went back from {newest} to {seen}");
                            *newest = seen;
                            signal.seen.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
            let writers: Vec<_> = (0..2)
                .map(|writer| {
                    let (cache, forgotten, signal) = (&cache, &forgotten, &signal);
                    scope.spawn(move || {
                        let mut numbers = Numbers::new(writer + 1);
                        let forget =
                            |key: u64, version| forgotten[key as usize].store(version, Ordering::Release);
                        for version in 1.. {
                            // A reader that failed has stopped counting, and ends the test.
                            let seen = signal.seen.load(Ordering::Relaxed);
                            if version > 12_000 && (seen > 1000 || version > 1_000_000) {
                                break;
                            }
                            let key = writer + 2 * numbers.below(KEYS / 2);
                            match numbers.below(300) {
                                0 => {
                                    cache.clear();
                                    (writer..KEYS).step_by(2).for_each(|key| forget(key, version - 1));
                                }
                                1 => {
                                    cache.retain(|_, _| false);
                                    (writer..KEYS).step_by(2).for_each(|key| forget(key, version - 1));
                                }
                                2..50 => {
                                    cache.remove(&key);
                                    forget(key, version - 1);
                                }
                                _ => _ = cache.insert(key, version, 1 + numbers.below(4)),
                            }
                        }
                    })
                })
                .collect();
            let failed = writers.into_iter().any(|writer| writer.join().is_err());
            signal.stop();
            assert!(!failed);
        });
        assert!(signal.seen.load(Ordering::Relaxed) > 1000);
        settle(&cache);
    });
}

#[test]
fn caches_come_and_go_under_traffic() {
    watchdog(|| {
        let alive = Arc::new(());
        for round in 0..60 {
            let cache: Cache<u64, Arc<()>> = Cache::builder(100, 50).slack(round % 4).build().unwrap();
            let threads: Vec<_> = (0..2)
                .map(|thread| {
                    let (cache, alive) = (cache.clone(), alive.clone());
                    thread::spawn(move || {
                        for number in 0..200 {
                            cache.insert_with_ttl(
                                number * 2 + thread,
                                alive.clone(),
                                1,
                                Duration::from_millis(3),
                            );
                            cache.get(&(number / 2));
                        }
                    })
                })
                .collect();
            drop(cache);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        }
        eventually("every value has gone with its cache", || Arc::strong_count(&alive) == 1);
    });
}

#[test]
fn a_listener_hears_of_each_departure_once_under_load() {
    watchdog(|| {
        let (evicted, rejected) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let counts = (evicted.clone(), rejected.clone());
        let cache: Cache<u64, u64> = Cache::builder(1000, 100)
            .slack(50)
            .listener(move |event| match event.cause {
                Cause::Evicted => _ = counts.0.fetch_add(1, Ordering::Relaxed),
                Cause::Rejected => _ = counts.1.fetch_add(1, Ordering::Relaxed),
                other => panic!("nobody caused {other:?}"),
            })
            .build()
            .unwrap();
        // Every key once: nothing is replaced.
        on_threads(3, |thread| (0..6000).for_each(|key| _ = cache.insert(key * 3 + thread, key, 1)));
        settle(&cache);
        let stats = cache.stats();
        let left = evicted.load(Ordering::Relaxed) + rejected.load(Ordering::Relaxed);
        let at_once = 18_000 - stats.inserts;
        assert_eq!(left + cache.len() as u64, stats.inserts);
        assert_eq!(
            (stats.evictions, stats.rejections - at_once),
            (evicted.load(Ordering::Relaxed), rejected.load(Ordering::Relaxed))
        );
    });
}
