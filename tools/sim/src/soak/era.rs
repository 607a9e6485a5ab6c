//! One cache, its threads, and what must hold of it whenever they pause.

use super::account::Account;
use super::workload::{Soaked, Worker, listener};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tollgate::policy::PolicyKind;
use tollgate::{BuildError, Cache, Maintenance};

/// How the cache of an era is set up.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    policy: PolicyKind,
    maintenance: Maintenance,
    max_cost: u64,
    slack: Option<u64>,
    time_to_idle: Option<Duration>,
}

impl Setting {
    const fn new(policy: PolicyKind, maintenance: Maintenance, max_cost: u64, slack: Option<u64>) -> Self {
        Self { policy, maintenance, max_cost, slack, time_to_idle: None }
    }

    /// They take turns.
    pub(super) const ALL: &'static [Self] = &[
        Self::new(PolicyKind::HitDensity, Maintenance::Thread, 100_000, None),
        Self::new(PolicyKind::TinyLfu, Maintenance::Thread, 2_000, Some(0)),
        Self::new(PolicyKind::S3Fifo, Maintenance::Inline, 20_000, Some(100)),
        Self::new(PolicyKind::Lirs, Maintenance::Manual, 300, Some(3)),
        Self {
            policy: PolicyKind::WTinyLfu,
            maintenance: Maintenance::Thread,
            max_cost: 20_000,
            slack: None,
            time_to_idle: Some(Duration::from_millis(40)),
        },
        Self::new(PolicyKind::Gdsf, Maintenance::Thread, 1 << 40, None),
    ];
}

/// What became of an era.
pub(super) struct Era {
    pub(super) operations: u64,
    pub(super) checks: u64,
    pub(super) panics: u64,
    pub(super) peak: u64,
    pub(super) bound: u64,
    pub(super) violations: Vec<String>,
}

/// Plays about `rounds` seconds, with a pause after each.
pub(super) fn play(
    setting: &Setting,
    threads: usize,
    rounds: f64,
    seed: u64,
    account: &'static Account,
) -> Result<Era, BuildError> {
    let mut builder = Cache::builder(100_000, setting.max_cost)
        .policy(setting.policy.clone())
        .maintenance(setting.maintenance)
        .seed(seed)
        .listener(listener(account));
    if let Some(slack) = setting.slack {
        builder = builder.slack(slack);
    }
    if let Some(time) = setting.time_to_idle {
        builder = builder.time_to_idle(time);
    }
    let cache: Soaked = builder.build()?;
    let bound = AtomicU64::new(setting.max_cost.saturating_add(cache.slack()));
    let (barrier, over) = (Barrier::new(threads + 1), AtomicBool::new(false));
    let mut era = Era { operations: 0, checks: 0, panics: 0, peak: 0, bound: 1, violations: Vec::new() };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|number| {
                let worker =
                    Worker::new(&cache, account, &bound, setting.max_cost, seed * 97 + number as u64);
                let (barrier, over) = (&barrier, &over);
                scope.spawn(move || work(worker, barrier, over, rounds.min(1.0)))
            })
            .collect();
        for round in 0..rounds.ceil() as u64 {
            barrier.wait();
            // All pause.
            era.violations.extend(verify(
                &cache,
                account,
                bound.load(Ordering::Relaxed),
                setting.time_to_idle,
            ));
            era.checks += 1;
            over.store(round + 1 >= rounds.ceil() as u64 || !era.violations.is_empty(), Ordering::Relaxed);
            barrier.wait();
            if over.load(Ordering::Relaxed) {
                break;
            }
        }
        era.operations = workers.into_iter().map(|worker| worker.join().unwrap_or_default()).sum();
    });
    let stats = cache.stats();
    (era.panics, era.peak, era.bound) = (stats.callback_panics, stats.peak_cost, bound.into_inner());
    // The residents of the end are announced to nobody.
    cache.retain(|_, value| {
        account.hand_back(value);
        true
    });
    drop(cache);
    era.violations.extend(account.audit(0, 0).map(|wrong| format!("after the end: {wrong}")));
    Ok(era)
}

fn work(mut worker: Worker<'_>, barrier: &Barrier, over: &AtomicBool, seconds: f64) -> u64 {
    let mut operations = 0;
    loop {
        let until = Instant::now() + Duration::from_secs_f64(seconds);
        while Instant::now() < until {
            (0..200).for_each(|_| worker.step());
            operations += 200;
        }
        barrier.wait();
        barrier.wait();
        if over.load(Ordering::Relaxed) {
            return operations;
        }
    }
}

/// What is wrong with a cache at rest.
fn verify(cache: &Soaked, account: &Account, bound: u64, idle: Option<Duration>) -> Vec<String> {
    let mut wrong = Vec::new();
    // Nothing is to expire while we look: what has a time to live outlives it first, and what idles leaves.
    thread::sleep(Duration::from_millis(5));
    cache.retain(|_, value| !value.tag.is_multiple_of(16) && idle.is_none());
    for _ in 0..3 {
        if let Err(error) = cache.wait() {
            wrong.push(error.to_string());
        }
    }
    let (census, stats) = (cache.census(), cache.stats());
    if let Err(inconsistency) = cache.check() {
        wrong.push(inconsistency.to_string());
    }
    if census.cost > cache.max_cost() {
        wrong.push(format!("{} of {} at rest", census.cost, cache.max_cost()));
    }
    if stats.peak_cost > bound {
        wrong.push(format!("a peak of {} passes {bound}", stats.peak_cost));
    }
    if (stats.loading, stats.policy_panics) != (0, 0) {
        wrong
            .push(format!("{} loads under way, {} panics of the policy", stats.loading, stats.policy_panics));
    }
    if cache.cost() != census.cost || cache.len() != census.entries {
        wrong.push(format!(
            "{census:?}, but a cost of {} and {} rows by the counters",
            cache.cost(),
            cache.len()
        ));
    }
    let mut not_loaded = 0;
    cache.retain(|_, value| {
        not_loaded += u64::from(!value.loaded);
        true
    });
    wrong.extend(account.audit(census.entries as u64, not_loaded));
    wrong
}
