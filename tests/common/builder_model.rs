//! Every option of the builder at once, over the whole range of its type: a typed error, exactly where one is documented, or a cache
//! that works. Shared with the fuzz target.

use std::time::Duration;
use tollgate::policy::{Objective, PolicyKind};
use tollgate::{BuildError, Cache, Maintenance};

/// Numbers of all magnitudes, and flags that say which options are used.
pub type RawOptions = ([u64; 7], [u8; 4]);

/// Builds, and uses what was built.
pub fn play(([counters, max_cost, slack, ttl, tti, jitter, seed], [flags, policy, mode, shift]): RawOptions) {
    // What takes long to build is built now and then: a curve, a thread.
    let with_curve = flags & 2 != 0 && shift / 64 == 0;
    let shift = u32::from(shift % 64);
    let (counters, max_cost) = ((counters >> shift) as usize, max_cost >> shift);
    let (ttl, tti) = (span(ttl), span(tti));
    let jitter = f64::from_bits(jitter);
    let mut builder = Cache::<u64, u64>::builder(counters, max_cost)
        .policy(PolicyKind::ALL[policy as usize % PolicyKind::ALL.len()].clone())
        .objective(if flags & 1 == 0 { Objective::Hits } else { Objective::Cost })
        .miss_ratio_curve(with_curve)
        .charge_overhead(flags & 4 != 0)
        .maintenance(match mode {
            0..4 => Maintenance::Thread,
            4..128 => Maintenance::Manual,
            _ => Maintenance::Inline,
        })
        .seed(seed);
    let mut expected = [
        (counters == 0).then_some(BuildError::NoCounters),
        (max_cost == 0).then_some(BuildError::NoBudget),
        None,
        None,
        None,
    ];
    if mode & 16 != 0 {
        builder = builder.pin_quota(slack);
        expected[2] = (slack > max_cost).then_some(BuildError::QuotaBeyondBudget);
    }
    if flags & 8 != 0 {
        builder = builder.slack(slack);
    }
    if flags & 16 != 0 {
        builder = builder.time_to_live(ttl);
        expected[3] = ttl.is_zero().then_some(BuildError::ZeroDuration);
    }
    if flags & 32 != 0 {
        builder = builder.time_to_idle(tti);
        expected[3] = expected[3].or(tti.is_zero().then_some(BuildError::ZeroDuration));
    }
    if flags & 64 != 0 {
        builder = builder.ttl_jitter(jitter);
        expected[4] = (!(0.0..1.0).contains(&jitter)).then_some(BuildError::NoShare);
    }
    if flags & 128 != 0 {
        builder = builder.weigher(|&value| value);
    }
    match (builder.build(), expected.into_iter().flatten().next()) {
        (Err(error), Some(expected)) => assert_eq!(error, expected),
        (Ok(cache), None) => exercise(&cache),
        (built, expected) => panic!("{:?} where {expected:?} is due", built.err()),
    }
}

fn span(number: u64) -> Duration {
    match number % 8 {
        0 => Duration::ZERO,
        1 => Duration::MAX,
        2 => Duration::from_nanos(number / 8 % 3_000_000),
        3 => Duration::from_secs(number),
        _ => Duration::from_nanos(number),
    }
}

fn exercise(cache: &Cache<u64, u64>) {
    let bound = cache.max_cost().saturating_add(cache.slack());
    for key in 0..32 {
        let cost = [0, 1, key, cache.max_cost(), u64::MAX][key as usize % 5];
        cache.insert(key, key, cost);
        assert!(cache.cost() <= bound);
        if let Some(value) = cache.get(&(key / 2)) {
            assert_eq!(value, key / 2);
        }
        if key.is_multiple_of(7) {
            cache.remove(&(key / 3));
        }
        _ = cache.pin(&(key / 2));
        assert!(cache.stats().pinned_cost <= cache.stats().pin_quota);
    }
    cache.set_max_cost(cache.max_cost() / 2);
    cache.wait().expect("not forked");
    cache.check().unwrap_or_else(|error| panic!("{error}"));
    assert!(cache.census().cost <= cache.max_cost());
    assert_eq!(cache.stats().policy_panics + cache.stats().callback_panics, 0);
    cache.clear();
    assert_eq!((cache.len(), cache.cost()), (0, 0));
}
