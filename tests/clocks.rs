//! Clocks that are not what they should be: they stand still, go back, jump by years, differ from thread to thread. A cache under
//! such a clock may find entries expired too early or too late; it keeps its budget, its accounts and its threads all the same,
//! and is as good as new when time passes again.
//!
//! The clock of the host may be set as it likes: the default clock does not follow it.

mod common;

use common::{Books, Numbers, Value, audit_to_the_end, settle, watchdog};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};
use tollgate::clock::Clock;
use tollgate::policy::PolicyKind;
use tollgate::{Cache, InsertOptions, Loaded, Maintenance};

/// A cache counts 34 of them from its making; all clocks stay within that.
const YEAR: u64 = 365 * 86_400_000;
/// What any entry lives at the most, counted in milliseconds.
const LONGEST: u64 = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    StandsStill,
    GoesBack,
    Sawtooth,
    JumpsByYears,
    ThrowsDice,
    IsAtItsEnd,
}

const FAULTS: [Fault; 6] = [
    Fault::StandsStill,
    Fault::GoesBack,
    Fault::Sawtooth,
    Fault::JumpsByYears,
    Fault::ThrowsDice,
    Fault::IsAtItsEnd,
];

/// Faulty until it is repaired: from then on it goes as it should, from a time that is later than any it has shown.
#[derive(Clone)]
struct Strange {
    fault: Fault,
    looks: Arc<AtomicU64>,
    /// 0 as long as it is faulty.
    repaired_ms: Arc<AtomicU64>,
}

impl Strange {
    fn new(fault: Fault) -> Self {
        Self { fault, looks: Arc::default(), repaired_ms: Arc::default() }
    }
}

impl Clock for Strange {
    fn now(&self) -> Duration {
        let repaired_ms = self.repaired_ms.load(Ordering::Relaxed);
        if repaired_ms > 0 {
            return Duration::from_millis(repaired_ms);
        }
        let look = self.looks.fetch_add(1, Ordering::Relaxed);
        let dice = || Numbers::new(look).next();
        Duration::from_millis(match self.fault {
            Fault::StandsStill => 50 * YEAR,
            Fault::GoesBack => (50 * YEAR).saturating_sub(look * 100_000),
            Fault::Sawtooth => 50 * YEAR + look * 7 % 20_000,
            Fault::JumpsByYears => 50 * YEAR + look / 300 % 5 * YEAR,
            Fault::ThrowsDice => 50 * YEAR + dice() % (10 * YEAR),
            Fault::IsAtItsEnd => return Duration::MAX,
        })
    }
}

#[test]
fn a_strange_clock_harms_nothing_but_lifetimes() {
    for fault in FAULTS {
        for (number, policy) in PolicyKind::ALL.iter().enumerate() {
            let maintenance = [Maintenance::Manual, Maintenance::Inline, Maintenance::Thread]
                [(number + fault as usize) % 3];
            let policy = policy.clone();
            watchdog(move || live_with(fault, policy, maintenance, number as u64));
        }
    }
}

fn live_with(fault: Fault, policy: PolicyKind, maintenance: Maintenance, seed: u64) {
    let (clock, books) = (Strange::new(fault), Books::new());
    let heard = Arc::clone(&books);
    let mut builder = Cache::<u64, Value>::builder(400, 40)
        .policy(policy)
        .maintenance(maintenance)
        .clock(clock.clone())
        .listener(move |event| heard.hear(event));
    if seed.is_multiple_of(2) {
        builder = builder.time_to_idle(Duration::from_secs(5));
    }
    if seed.is_multiple_of(3) {
        builder = builder.time_to_live(Duration::from_secs(8)).ttl_jitter(0.5);
    }
    if seed.is_multiple_of(5) {
        builder = builder.slack(0);
    }
    let cache = builder.build().unwrap();
    let bound = cache.max_cost() + cache.slack();
    let threads: Vec<_> = (0..2)
        .map(|thread| {
            let (cache, books) = (cache.clone(), Arc::clone(&books));
            thread::spawn(move || {
                let mut numbers = Numbers::new(seed * 2 + thread);
                for _ in 0..400 {
                    step(&cache, &books, &mut numbers);
                    assert!(cache.cost() <= bound, "{} passes {bound}", cache.cost());
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    cache.run_pending();
    cache.check().unwrap();
    let stats = cache.stats();
    assert_eq!((stats.policy_panics, stats.callback_panics), (0, 0));
    let Fault::IsAtItsEnd = fault else {
        // Time passes again: everything has its end, and what is new lives its time.
        clock.repaired_ms.store(70 * YEAR, Ordering::Relaxed);
        settle(&cache);
        clock.repaired_ms.fetch_add(2 * LONGEST, Ordering::Relaxed);
        settle(&cache);
        assert_eq!(cache.len(), 0, "{fault:?}: an entry has outlived its time");
        let options = InsertOptions { time_to_live: Some(Duration::from_secs(2)), ..Default::default() };
        books.hand_back_refused(cache.try_insert_with(1, books.value(1), 1, options));
        assert!(cache.contains_key(&1));
        clock.repaired_ms.fetch_add(1_999, Ordering::Relaxed);
        // A jitter cuts lives short, at random.
        assert!(cache.contains_key(&1) || seed.is_multiple_of(3), "{fault:?}: early");
        clock.repaired_ms.fetch_add(1, Ordering::Relaxed);
        assert!(!cache.contains_key(&1), "{fault:?}: late");
        return audit_to_the_end(cache, &books);
    };
    audit_to_the_end(cache, &books);
}

/// Every entry has an end: `LONGEST` is not passed by any.
fn step(cache: &Cache<u64, Value>, books: &Arc<Books>, numbers: &mut Numbers) {
    let (key, cost) = (numbers.below(60), 1 + numbers.below(4));
    let ttl = Duration::from_millis(1 + numbers.below(LONGEST));
    match numbers.below(16) {
        0..7 => {
            let options = InsertOptions { time_to_live: Some(ttl), ..Default::default() };
            books.hand_back_refused(cache.try_insert_with(key, books.value(key), cost, options));
        }
        7..11 => _ = cache.get_with(&key, |value| assert_eq!(value.tag, key)),
        11 => _ = cache.set_ttl(&key, ttl),
        12 => cache.remove(&key).into_iter().for_each(|value| books.hand_back(value)),
        13 => _ = cache.remaining_ttl(&key),
        14 => cache.run_pending(),
        _ => cache.wait().unwrap(),
    }
}

/// Refreshes and grace under the same clocks: whoever loads gets a value of his key, once the load is over nothing is under way.
#[test]
fn loads_and_refreshes_under_a_strange_clock_end() {
    for fault in FAULTS {
        watchdog(move || {
            let clock = Strange::new(fault);
            let cache = Cache::<u64, u64>::builder(100, 20)
                .clock(clock.clone())
                .time_to_live(Duration::from_secs(3))
                .stale_while_revalidate(Duration::from_secs(4))
                .stale_if_error(Duration::from_secs(5))
                .refresh_after(Duration::from_secs(1))
                .build()
                .unwrap();
            let threads: Vec<_> = (0..2)
                .map(|thread| {
                    let cache = cache.clone();
                    thread::spawn(move || {
                        for round in 0..600 {
                            let key = (round * 7 + thread) % 30;
                            let load =
                                || if round % 5 == 0 { Err("planted") } else { Ok(Loaded::new(key, 1)) };
                            if let Ok(found) = cache.get_or_load(&key, load) {
                                assert_eq!(found, key);
                            }
                        }
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            assert_eq!(cache.stats().loading, 0);
            settle(&cache);
        });
    }
}

/// Run by the next test, in a process whose date is not ours.
#[test]
#[ignore = "for a process with another date"]
fn child_with_another_date() {
    let date = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let cache = Cache::<u64, u64>::new(1000, 100).unwrap();
    let long = Duration::from_secs(3600);
    assert!(cache.insert_with_ttl(1, 1, 1, long));
    assert!(cache.insert_with_ttl(2, 2, 1, Duration::from_millis(30)));
    common::eventually("the short life is over", || cache.len() == 1);
    assert!(
        cache.remaining_ttl(&1).is_some_and(|left| left <= long && left > long / 2),
        "the date has moved it"
    );
    settle(&cache);
    println!("the date is {date}");
}

#[test]
fn the_date_of_the_host_is_nobody_s_business() {
    let faketime = |how: &[&str]| {
        std::process::Command::new("faketime")
            .args(how)
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "child_with_another_date", "--ignored", "--test-threads=1", "--nocapture"])
            // The date is set, as an administrator sets it; the monotonic clock is the system's.
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("DONT_FAKE_MONOTONIC", "1")
            .output()
    };
    let real = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    for how in [&["-f", "-1d"], &["-f", "+2d"], &["-f", "@1971-01-01 00:00:00"], &["-f", "+0 x100000"]] {
        let Ok(child) = faketime(how) else {
            return println!("SKIPPED: faketime is not installed");
        };
        let said = String::from_utf8_lossy(&child.stdout);
        let shown =
            said.split("the date is ").nth(1).and_then(|rest| rest.lines().next()).map(str::parse::<u64>);
        assert!(child.status.success(), "{how:?}: {said}");
        let Some(Ok(shown)) = shown else { panic!("{how:?}: {said}") };
        assert!(shown.abs_diff(real) > 3600 || how[1].contains('x'), "{how:?}: the date is the host's");
    }
}
