//! The miss-ratio curve, as [`Stats`](crate::Stats) tells it.

use std::fmt;

/// What a smaller or larger budget would buy: the share of requests that LRU would miss, by budget.
///
/// It is estimated from a sample of the keys, while the cache works, from the reads and writes that the policy hears of; the
/// older the request, the less it counts. Two things follow. It is the curve of LRU: the policy in use usually misses less
/// often, but what the next megabyte buys it is much the same. And it takes a while: until the keys that matter
/// have been asked for twice, everything looks like a miss.
///
/// The error, for LRU: with a budget of an eighth of everything that 32 recorded and modelled traces ask for, the
/// mean over all budgets up to eight times that was 0.002 on average and 0.011 on the worst trace; with a budget of a hundredth,
/// 0.001 and 0.004. The curve reaches up to eight times the budget.
///
/// ```
/// use tollgate::Cache;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cache: Cache<u64, u64> = Cache::builder(1_000, 100).miss_ratio_curve(true).build()?;
/// for request in 0..10_000 {
///     let key = request % 150; // a loop that is longer than the cache
///     if cache.get(&key).is_none() {
///         cache.insert(key, key, 1);
///     }
///     cache.wait()?;
/// }
/// let curve = cache.stats().miss_ratio_curve.expect("asked for");
/// assert!(curve.miss_ratio_at(100) > 0.99);
/// assert!(curve.miss_ratio_at(200) < 0.05);
/// assert!(curve.budget_for(0.05).is_some_and(|max_cost| (145..160).contains(&max_cost)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MissRatioCurve {
    /// Budgets, rising, and miss ratios, never rising; straight between. The first is of budget 0, the last is the reach.
    points: Vec<(u64, f64)>,
    max_cost: u64,
    sampling_rate: f64,
    references: u64,
}

impl MissRatioCurve {
    pub(crate) fn new(points: Vec<(u64, f64)>, max_cost: u64, sampling_rate: f64, references: u64) -> Self {
        debug_assert!(points.first() == Some(&(0, 1.0)), "a budget of 0 serves nothing");
        debug_assert!(points.is_sorted_by(|a, b| a.0 < b.0 && a.1 >= b.1), "the curve falls");
        Self { points, max_cost, sampling_rate, references }
    }

    /// The corners of the curve: budgets, rising, and the share of requests that miss, 0 to 1, never rising. It is straight
    /// between them.
    pub fn points(&self) -> impl ExactSizeIterator<Item = (u64, f64)> + '_ {
        self.points.iter().copied()
    }

    /// The share of requests that LRU would miss with this budget, 0 to 1. Beyond the [`reach`](Self::reach), that of the reach.
    /// 1 if nothing was heard yet. O(log points).
    pub fn miss_ratio_at(&self, max_cost: u64) -> f64 {
        let next = self.points.partition_point(|point| point.0 <= max_cost);
        // The first is of budget 0.
        let (low, above) = self.points[next - 1];
        let Some(&(high, below)) = self.points.get(next) else { return above };
        let share = (max_cost - low) as f64 / (high - low) as f64;
        above + share * (below - above)
    }

    /// The smallest budget with which LRU would miss no more than this share of requests; `None` if there is none within
    /// the [`reach`](Self::reach). O(log points).
    pub fn budget_for(&self, miss_ratio: f64) -> Option<u64> {
        let next = self.points.partition_point(|point| point.1 > miss_ratio);
        let &(high, below) = self.points.get(next)?;
        let Some(&(low, above)) = self.points[..next].last() else { return Some(high) };
        let share = (above - miss_ratio) / (above - below);
        Some((low + (share * (high - low) as f64).ceil() as u64).min(high))
    }

    /// The largest budget that the curve tells of.
    pub fn reach(&self) -> u64 {
        self.points.last().map_or(0, |point| point.0)
    }

    /// The budget when the curve was taken.
    pub fn max_cost(&self) -> u64 {
        self.max_cost
    }

    /// The share of keys that is sampled at present for the largest distances, above 0 and at most 1; more are for the smaller
    /// ones. It falls as the number of keys within reach grows.
    pub fn sampling_rate(&self) -> f64 {
        self.sampling_rate
    }

    /// How many hits and insertions were heard of since the curve was begun, sampled or not. A curve begins anew with
    /// [`clear`](crate::Cache::clear).
    pub fn references(&self) -> u64 {
        self.references
    }
}

impl fmt::Display for MissRatioCurve {
    /// A line each for half the budget, the budget, twice and four times the budget.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "LRU's misses of {} references, {:.2} % of the keys sampled",
            self.references,
            100.0 * self.sampling_rate
        )?;
        let times = |factor| self.max_cost.saturating_mul(factor);
        for (name, max_cost) in
            [("half", self.max_cost / 2), ("budget", times(1)), ("double", times(2)), ("4 times", times(4))]
        {
            let percent = 100.0 * self.miss_ratio_at(max_cost);
            write!(f, "\n  {name:<8} {max_cost:>20} {percent:>7.2} %")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve() -> MissRatioCurve {
        let points = vec![(0, 1.0), (99, 0.9), (100, 0.5), (200, 0.5), (300, 0.1), (800, 0.1)];
        MissRatioCurve::new(points, 100, 0.25, 1234)
    }

    #[test]
    fn it_is_straight_between_points() {
        let curve = curve();
        for (max_cost, miss_ratio) in
            [(0, 1.0), (33, 1.0 - 0.1 / 3.0), (99, 0.9), (100, 0.5), (150, 0.5), (250, 0.3), (9999, 0.1)]
        {
            assert!((curve.miss_ratio_at(max_cost) - miss_ratio).abs() < 1e-12, "{max_cost}");
        }
        assert_eq!(curve.points().len(), 6);
        assert_eq!((curve.reach(), curve.max_cost()), (800, 100));
    }

    #[test]
    fn a_budget_is_the_smallest_that_will_do() {
        let curve = curve();
        assert_eq!(curve.budget_for(0.05), None);
        assert_eq!(curve.budget_for(1.0), Some(0));
        assert_eq!(curve.budget_for(2.0), Some(0));
        assert_eq!(curve.budget_for(0.5), Some(100));
        for percent in 10..100 {
            let miss_ratio = f64::from(percent) / 100.0 + 1e-9;
            let max_cost = curve.budget_for(miss_ratio).unwrap();
            assert!(curve.miss_ratio_at(max_cost) <= miss_ratio);
            assert!(max_cost == 0 || curve.miss_ratio_at(max_cost - 1) > miss_ratio);
        }
    }

    #[test]
    fn it_reads_as_a_table() {
        assert_eq!(
            curve().to_string(),
            "LRU's misses of 1234 references, 25.00 % of the keys sampled\n  \
             half                       50   94.95 %\n  \
             budget                    100   50.00 %\n  \
             double                    200   50.00 %\n  \
             4 times                   400   10.00 %"
        );
    }
}
