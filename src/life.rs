//! How long entries live: the life expectancy of what the cache evicts.
//!
//! The life times of evicted entries say more about the size of a cache than its hit ratio does. If most
//! live shorter than the time between two uses, the cache is too small or polluted; if they live for
//! days, it is larger than it need be.
//!
//! Life times are counted by powers of two of milliseconds, so that the record is small, of fixed size and
//! written with one addition. The price is that percentiles are estimates: never wrong by more than a factor of two.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts life times, in use.
#[derive(Debug)]
pub(crate) struct LifeTimes {
    /// See [`bucket_of`]. Written by [`record`](Self::record) and read by [`snapshot`](Self::snapshot), all Relaxed: a counter
    /// publishes nothing but itself.
    buckets: [AtomicU64; BUCKETS],
}

impl LifeTimes {
    pub(crate) fn new() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BUCKETS] }
    }

    /// An entry was evicted that had lived for `life_ms`.
    pub(crate) fn record(&self, life_ms: u64) {
        self.buckets[bucket_of(life_ms)].fetch_add(1, Ordering::Relaxed);
    }

    /// What has been recorded up to now.
    pub(crate) fn snapshot(&self) -> LifeExpectancy {
        LifeExpectancy { buckets: std::array::from_fn(|bucket| self.buckets[bucket].load(Ordering::Relaxed)) }
    }
}

/// The life times of evicted entries, from their insertion on, whatever was written to them since (also if they had expired by then): those of a sample of keys, chosen by hash.
///
/// ```
/// # fn show(life: &tollgate::LifeExpectancy) {
/// if let Some(median) = life.percentile(50.0) {
///     println!("half of the {} evicted entries lived for {median:?} or longer", life.count());
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifeExpectancy {
    buckets: [u64; BUCKETS],
}

impl LifeExpectancy {
    /// How many entries were evicted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The life time that `percent` percent of the entries did not pass; `None` if none was evicted, or if `percent` is not in
    /// `0.0..=100.0`.
    ///
    /// An estimate: less than twice and more than half the true one, which it would be if life times were spread evenly between
    /// two powers of two.
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        let count = self.count();
        if count == 0 || !(0.0..=100.0).contains(&percent) {
            return None;
        }
        // The rank of the entry asked for, counted from 1.
        let rank = ((percent / 100.0 * count as f64).ceil() as u64).clamp(1, count);
        let mut before = 0;
        for (bucket, &here) in self.buckets.iter().enumerate() {
            if before + here >= rank {
                let share = (rank - before) as f64 / here as f64;
                let (start_ms, width_ms) = span_of(bucket);
                return Some(Duration::from_millis(start_ms + (width_ms as f64 * share) as u64));
            }
            before += here;
        }
        unreachable!("the rank is at most the count")
    }

    /// Of those that were evicted since an earlier record.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let since = |bucket: usize| self.buckets[bucket].saturating_sub(earlier.buckets[bucket]);
        Self { buckets: std::array::from_fn(since) }
    }

    /// The counts: of life times below the first bound, from there to below the second, and so on. Empty ones at the end
    /// are left out.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let used = self.buckets.iter().rposition(|&count| count > 0).map_or(0, |last| last + 1);
        self.buckets[..used].iter().enumerate().map(|(bucket, &count)| {
            let (start_ms, width_ms) = span_of(bucket);
            (Duration::from_millis(start_ms + width_ms), count)
        })
    }
}

impl Default for LifeExpectancy {
    /// Nothing was evicted.
    fn default() -> Self {
        Self { buckets: [0; BUCKETS] }
    }
}

impl fmt::Display for LifeExpectancy {
    /// The median, and the tenth and ninetieth percentile.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(low), Some(median), Some(high)) =
            (self.percentile(10.0), self.percentile(50.0), self.percentile(90.0))
        else {
            return f.write_str("nothing evicted");
        };
        write!(f, "median {} (p10 {}, p90 {})", Short(median), Short(low), Short(high))
    }
}

/// A duration as people say it: one unit, two or three digits.
struct Short(Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, f64); 4] = [("d", 86_400.0), ("h", 3_600.0), ("min", 60.0), ("s", 1.0)];
        let seconds = self.0.as_secs_f64();
        match UNITS.into_iter().find(|&(_, unit)| seconds >= unit) {
            Some((name, unit)) if seconds < 10.0 * unit => write!(f, "{:.1} {name}", seconds / unit),
            Some((name, unit)) => write!(f, "{:.0} {name}", seconds / unit),
            None => write!(f, "{} ms", self.0.as_millis()),
        }
    }
}

/// Bucket 0 is for less than a millisecond, bucket `b` for `2^(b-1)` to below `2^b` ms; the last has no end.
fn bucket_of(life_ms: u64) -> usize {
    let bits = u64::BITS - life_ms.leading_zeros();
    (bits as usize).min(BUCKETS - 1)
}

/// Where a bucket begins, and how long it is, in milliseconds.
fn span_of(bucket: usize) -> (u64, u64) {
    match bucket {
        0 => (0, 1),
        _ => (1 << (bucket - 1), 1 << (bucket - 1)),
    }
}

/// The last one begins at 139 years.
const BUCKETS: usize = 43;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(life_times: &[u64]) -> LifeExpectancy {
        let record = LifeTimes::new();
        life_times.iter().for_each(|&life_ms| record.record(life_ms));
        record.snapshot()
    }

    #[test]
    fn buckets_are_powers_of_two_and_the_last_takes_the_rest() {
        for (life_ms, bucket) in [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (1023, 10), (1024, 11)] {
            assert_eq!(bucket_of(life_ms), bucket);
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        let bounds: Vec<_> = of(&[0, 3, 3]).buckets().collect();
        let ms = Duration::from_millis;
        assert_eq!(bounds, [(ms(1), 1), (ms(2), 0), (ms(4), 2)]);
        assert_eq!(of(&[]).buckets().count(), 0);
    }

    #[test]
    fn nothing_recorded_has_no_percentiles() {
        assert_eq!(of(&[]).percentile(50.0), None);
        assert_eq!(of(&[]), LifeExpectancy::default());
        assert_eq!(of(&[]).to_string(), "nothing evicted");
    }

    #[test]
    fn percentages_end_at_a_hundred() {
        for nonsense in [100.1, -0.1, f64::NAN] {
            assert_eq!(of(&[1]).percentile(nonsense), None);
        }
    }

    #[test]
    fn durations_read_well() {
        let short = |ms| Short(Duration::from_millis(ms)).to_string();
        assert_eq!(short(0), "0 ms");
        assert_eq!(short(999), "999 ms");
        assert_eq!(short(1_500), "1.5 s");
        assert_eq!(short(42_000), "42 s");
        assert_eq!(short(90_000), "1.5 min");
        assert_eq!(short(45 * 60_000), "45 min");
        assert_eq!(short(5 * 3_600_000), "5.0 h");
        assert_eq!(short(400 * 86_400_000), "400 d");
        assert_eq!(of(&[90_000; 100]).to_string(), "median 1.6 min (p10 1.2 min, p90 2.1 min)");
    }

    proptest! {
        #[test]
        fn percentiles_are_within_a_factor_of_two(
            mut life_times in prop::collection::vec(0..1u64 << 40, 1..200),
            percent in 0.0..=100.0f64,
        ) {
            let life = of(&life_times);
            prop_assert_eq!(life.count(), life_times.len() as u64);
            life_times.sort_unstable();
            let rank = (percent / 100.0 * life_times.len() as f64).ceil().max(1.0) as usize;
            let exact = life_times[rank - 1].max(1) as f64;
            let estimate = life.percentile(percent).unwrap().as_millis() as f64;
            prop_assert!((0.5..=2.0).contains(&(estimate / exact)), "{} for {}", estimate, exact);
        }
    }
}
