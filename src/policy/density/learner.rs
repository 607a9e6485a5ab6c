//! The learner: from observed lives to densities.
//!
//! Per class and age it counts reuses and losses (both fade: old lessons weigh less), and turns them
//! into the table of densities that the decisions read. Three steps, all of fixed length:
//!
//! 1. **Hazard.** The chance that an entry which reached an age is asked for within that bucket, by the
//!    estimator of Kaplan and Meier (1958), for which a loss is an observation as far as it goes. Few
//!    observations are completed by a prior: the class leans on its frequency level, that on all
//!    entries together, these on a hazard that falls as 1 / (age + C/2).
//! 2. **Expectation.** Following the hazard from birth, each age is a point: residence paid so far against
//!    chance of a hit so far.
//! 3. **Density.** The steepest slope from a point to any later one: hits per unit of residence if
//!    the entry is kept exactly as long as that pays best. This is the Gittins index of a job with
//!    known hazard (Aalto, Ayesta, Righter 2009), and one pass over the upper hull finds it for all
//!    ages.

use super::class::{AGES, CLASSES, Class, FREQUENCIES, GAPS, Scale};
use crate::policy::knowledge::{Words, put_halves};

/// Lessons in, densities out. See the [module](self).
#[derive(Debug)]
pub(super) struct Learner {
    /// Reuses by class and age.
    reused: Box<Table>,
    /// Losses by class and age.
    lost: Box<Table>,
    /// Expected hits per access of residence, by class and age.
    density: Box<Table>,
}

type Table = [Row; CLASSES];
type Row = [f32; AGES];

impl Learner {
    /// A learner that knows only its priors.
    pub(super) fn new(scale: Scale) -> Self {
        let zero = || Box::new([[0.0; AGES]; CLASSES]);
        let mut learner = Self { reused: zero(), lost: zero(), density: zero() };
        learner.learn(scale, std::iter::empty());
        learner
    }

    /// The density of an entry of `class` at an age in `bucket`; infinite where there is no such class.
    #[inline]
    pub(super) fn density(&self, class: Class, bucket: usize) -> f32 {
        self.density_in(cell(class, bucket))
    }

    /// The same of a [`cell`].
    #[inline]
    pub(super) fn density_in(&self, cell: Cell) -> f32 {
        self.density.as_flattened().get(cell as usize).copied().unwrap_or(f32::INFINITY)
    }

    #[inline]
    pub(super) fn add_reuse(&mut self, class: Class, bucket: usize) {
        self.reused[usize::from(class)][bucket] += 1.0;
    }

    #[inline]
    pub(super) fn add_loss(&mut self, class: Class, bucket: usize) {
        self.lost[usize::from(class)][bucket] += 1.0;
    }

    /// Lets what was learned so far weigh less.
    pub(super) fn fade(&mut self) {
        for count in self.reused.as_flattened_mut().iter_mut().chain(self.lost.as_flattened_mut()) {
            *count *= FADING;
        }
    }

    /// Moves what was learned to another scale.
    pub(super) fn rescale(&mut self, from: Scale, to: Scale) {
        let offset = from.offset_to(to);
        for row in self.reused.iter_mut().chain(self.lost.iter_mut()) {
            let old = std::mem::replace(row, [0.0; AGES]);
            for (bucket, count) in old.into_iter().enumerate() {
                let moved = (bucket as i64 - offset).clamp(0, AGES as i64 - 1);
                row[moved as usize] += count;
            }
        }
    }

    /// Makes the densities what the counts say, and the entries under observation: each is a loss at its
    /// present class and age bucket, for now.
    pub(super) fn learn(&mut self, scale: Scale, watched: impl Iterator<Item = (Class, usize)>) {
        let mut lost = self.lost.clone();
        for (class, bucket) in watched {
            lost[usize::from(class)][bucket] += 1.0;
        }
        let widths: [f32; AGES] =
            std::array::from_fn(|bucket| (scale.begin(bucket + 1) - scale.begin(bucket)) as f32);
        let classes: [Evidence; CLASSES] =
            std::array::from_fn(|class| Evidence::new(&self.reused[class], &lost[class]));
        let by_frequency: [Evidence; FREQUENCIES] = std::array::from_fn(|frequency| {
            Evidence::sum((0..GAPS).map(|gap| &classes[gap * FREQUENCIES + frequency]))
        });
        let overall = Evidence::sum(by_frequency.iter()).hazard(&default_hazard(scale));
        for (frequency, evidence) in by_frequency.iter().enumerate() {
            let bias = FREQUENCY_BIAS[frequency];
            let hazard = evidence.hazard(&overall.map(|chance| (chance * bias).min(MAX_PRIOR)));
            let mut unseen = [0.0; AGES];
            set_densities(&mut unseen, &hazard, &widths);
            for gap in 0..GAPS {
                let class = gap * FREQUENCIES + frequency;
                // Many classes have not been seen: the prior is all that is known of them, and the same for all.
                match classes[class].is_empty() {
                    true => self.density[class] = unseen,
                    false => {
                        set_densities(&mut self.density[class], &classes[class].hazard(&hazard), &widths)
                    }
                }
            }
        }
        self.respect_frequency();
    }

    /// How many times as dense the classes are at one age as at a later one, each class weighing as much as
    /// it was seen. Above 1 the young are worth more: recency rules. Below 1 the old are.
    pub(super) fn decline(&self, earlier: usize, later: usize) -> f32 {
        let at = |bucket: usize| -> f32 {
            let weights = self.reused.iter().map(|row| row.iter().sum::<f32>() + 1.0);
            weights.zip(self.density.iter()).map(|(weight, row)| weight * row[bucket]).sum()
        };
        at(earlier) / at(later)
    }

    pub(super) fn save(&self, words: &mut Vec<u64>) {
        for table in [&self.reused, &self.lost] {
            let counts: Vec<u32> = table.as_flattened().iter().map(|count| count.to_bits()).collect();
            put_halves(words, &counts);
        }
    }

    /// What [`save`](Self::save) wrote. The densities are to be learned from it yet.
    pub(super) fn load(scale: Scale, words: &mut Words<'_>) -> Option<Self> {
        let mut learner = Self::new(scale);
        for table in [&mut learner.reused, &mut learner.lost] {
            let counts = words.halves(CLASSES * AGES)?.map(f32::from_bits);
            for (to, count) in table.as_flattened_mut().iter_mut().zip(counts) {
                *to = Some(count).filter(|count| (0.0..MOST_COUNT).contains(count))?;
            }
        }
        Some(learner)
    }

    /// Bytes of heap memory held.
    pub(super) fn memory(&self) -> usize {
        3 * size_of::<Table>()
    }

    /// Of two entries with equal gaps and ages, the one asked for more often is worth no less.
    fn respect_frequency(&mut self) {
        for gap in self.density.chunks_exact_mut(FREQUENCIES) {
            for frequency in 1..FREQUENCIES {
                let (rarer, more) = gap.split_at_mut(frequency);
                for (density, floor) in more[0].iter_mut().zip(rarer[frequency - 1]) {
                    *density = density.max(floor);
                }
            }
        }
    }
}

/// What was seen of a class.
struct Evidence {
    /// Reuses by age.
    reused: Row,
    /// Entries that reached the age under observation.
    at_risk: Row,
}

impl Evidence {
    fn new(reused: &Row, lost: &Row) -> Self {
        let mut at_risk = [0.0; AGES];
        let mut later = 0.0;
        for bucket in (0..AGES).rev() {
            later += reused[bucket] + lost[bucket];
            // A loss happens somewhere within its bucket: half of it was at risk.
            at_risk[bucket] = later - lost[bucket] / 2.0;
        }
        Self { reused: *reused, at_risk }
    }

    fn is_empty(&self) -> bool {
        // Nobody reached the first age.
        self.at_risk[0] == 0.0
    }

    fn sum<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        let mut sum = Self { reused: [0.0; AGES], at_risk: [0.0; AGES] };
        for part in parts {
            for bucket in 0..AGES {
                sum.reused[bucket] += part.reused[bucket];
                sum.at_risk[bucket] += part.at_risk[bucket];
            }
        }
        sum
    }

    /// The chance of a reuse in each bucket for an entry that reached it, as if `PRIOR_WEIGHT` entries had
    /// been observed to follow the prior.
    fn hazard(&self, prior: &Row) -> Row {
        std::array::from_fn(|bucket| {
            (self.reused[bucket] + PRIOR_WEIGHT * prior[bucket]) / (self.at_risk[bucket] + PRIOR_WEIGHT)
        })
    }
}

/// A hazard that falls with age, as that of most entries does.
fn default_hazard(scale: Scale) -> Row {
    let half = f64::from(scale.entries()) / 2.0;
    std::array::from_fn(|bucket| {
        let (begin, end) = (scale.begin(bucket) + half, scale.begin(bucket + 1) + half);
        (1.0 - begin / end) as f32
    })
}

/// The Gittins index at every age.
fn set_densities(density: &mut Row, hazard: &Row, widths: &Row) {
    let mut survival = 1.0;
    let steps: [Stretch; AGES] = std::array::from_fn(|bucket| {
        let (width, chance) = (f64::from(widths[bucket]), f64::from(hazard[bucket]).min(MAX_HAZARD));
        let step = Stretch { residence: survival * width * (1.0 - chance / 2.0), hits: survival * chance };
        survival *= 1.0 - chance;
        step
    });
    // The upper hull of the points to the right of each bucket, as the stretches between them, nearest
    // last. Stretches are only ever added up: no precision is lost where hardly anything survives.
    let mut hull = [(Stretch::default(), 0.0); AGES];
    let mut len = 0;
    for bucket in (0..AGES).rev() {
        let mut stretch = steps[bucket];
        let mut highest = stretch.density();
        while len > 0 && highest <= hull[len - 1].1 {
            len -= 1;
            stretch.residence += hull[len].0.residence;
            stretch.hits += hull[len].0.hits;
            highest = stretch.density();
        }
        density[bucket] = highest as f32;
        hull[len] = (stretch, highest);
        len += 1;
    }
}

/// A stretch of life: the residence expected to be paid in it, and the hits to be won.
#[derive(Debug, Clone, Copy, Default)]
struct Stretch {
    residence: f64,
    hits: f64,
}

/// A place in the table of densities.
pub(super) type Cell = u32;

#[inline]
pub(super) fn cell(class: Class, bucket: usize) -> Cell {
    u32::from(class) * AGES as u32 + bucket as u32
}

impl Stretch {
    fn density(self) -> f64 {
        self.hits / self.residence
    }
}

/// How many observations a prior is worth.
const PRIOR_WEIGHT: f32 = 8.0;
/// How much likelier than the average an entry of a frequency level is taken to be reused, before it is known.
const FREQUENCY_BIAS: [f32; FREQUENCIES] = [0.6, 1.0, 1.5, 2.2, 3.0];
/// No prior is certain of a reuse.
const MAX_PRIOR: f32 = 0.95;
/// No reuse is certain: what is left of an entry after all ages stays a number.
const MAX_HAZARD: f64 = 0.999;
/// What a count weighs after one more epoch.
const FADING: f32 = 0.95;

/// No count comes near this: counts fade, and between two fadings are at most 2^27 accesses.
const MOST_COUNT: f32 = 1e12;

#[cfg(test)]
mod tests {
    use super::*;

    const CLASS: Class = 16;

    fn scale() -> Scale {
        Scale::new(1024)
    }

    /// Densities of `CLASS` after lives that end as `reuse_at` says: at an age, or never.
    fn learned(lives: u32, reuse_at: impl Fn(u32) -> Option<u32>) -> Learner {
        let scale = scale();
        let mut learner = Learner::new(scale);
        for life in 0..lives {
            match reuse_at(life) {
                Some(age) => learner.add_reuse(CLASS, scale.bucket(age)),
                None => learner.add_loss(CLASS, scale.bucket(20_000)),
            }
        }
        learner.learn(scale, std::iter::empty());
        learner
    }

    fn densities(learner: &Learner, ages: &[u32]) -> Vec<f32> {
        ages.iter().map(|&age| learner.density(CLASS, scale().bucket(age))).collect()
    }

    #[test]
    fn a_falling_hazard_ranks_by_recency() {
        // The n-th of 1000 lives is reused at an age that grows ever faster: half of them by age 32.
        let learner = learned(1000, |life| Some(1 << (life / 100)));
        let density = densities(&learner, &[16, 64, 128, 256]);
        assert!(density.is_sorted_by(|older, younger| older > younger), "{density:?}");
        assert!(learner.decline(scale().bucket(64), scale().bucket(2048)) > 1.0);
    }

    #[test]
    fn a_loop_keeps_the_old() {
        let learner = learned(1000, |_| Some(3000));
        let density = densities(&learner, &[0, 500, 1500, 2500]);
        assert!(density.is_sorted_by(|older, younger| older < younger), "{density:?}");
        assert!((0.9..1.1).contains(&(density[0] * 3000.0)), "one hit in 3000: {density:?}");
        let beyond = learner.density(CLASS, scale().bucket(6000));
        assert!(beyond < density[0], "who was not asked for at the loop's length will not be: {beyond}");
    }

    #[test]
    fn losses_count_as_far_as_they_go() {
        // Half are lost at age 100, before they could be reused at 1000: the other half shows the hazard.
        let learn = |lost: f32| {
            let mut learner = Learner::new(scale());
            (0..500).for_each(|_| learner.add_reuse(CLASS, scale().bucket(1000)));
            learner.lost[usize::from(CLASS)][scale().bucket(100)] = lost;
            learner.learn(scale(), std::iter::empty());
            learner.density(CLASS, scale().bucket(200))
        };
        assert_eq!(learn(0.0), learn(500.0));
    }

    #[test]
    fn the_frequent_are_never_worth_less() {
        let mut learner = Learner::new(scale());
        let (rare, frequent) = (2 * FREQUENCIES as Class, 2 * FREQUENCIES as Class + 4);
        for _ in 0..1000 {
            learner.add_reuse(rare, scale().bucket(20));
            learner.add_loss(frequent, scale().bucket(20_000));
        }
        learner.learn(scale(), std::iter::empty());
        for bucket in 0..AGES {
            assert!(learner.density(frequent, bucket) >= learner.density(rare, bucket));
        }
    }

    #[test]
    fn priors_prefer_the_young_and_the_frequent() {
        let learner = Learner::new(scale());
        let density = |frequency, bucket| learner.density(frequency, bucket);
        assert!((0..4).all(|frequency| density(frequency, 4) < density(frequency + 1, 4)));
        assert!((0..AGES - 1).all(|bucket| density(1, bucket) >= density(1, bucket + 1)));
    }

    #[test]
    fn densities_are_finite_and_positive_whatever_was_counted() {
        for entries in [1, 1000, usize::MAX] {
            let scale = Scale::new(entries);
            let mut learner = Learner::new(scale);
            for class in 0..CLASSES as Class {
                (0..AGES).step_by(3).for_each(|bucket| learner.reused[usize::from(class)][bucket] = 1e6);
            }
            learner.learn(scale, (0..AGES).map(|bucket| (3, bucket)));
            let all = learner.density.as_flattened();
            assert!(all.iter().all(|density| density.is_finite() && *density > 0.0), "{entries} entries");
        }
        assert_eq!(Learner::new(scale()).density(0x80, 0), f32::INFINITY);
    }

    #[test]
    fn rescaling_moves_the_counts_with_their_ages() {
        let (from, to) = (scale(), Scale::new(4096));
        let mut learner = Learner::new(from);
        learner.add_reuse(CLASS, from.bucket(5000));
        learner.add_loss(CLASS, from.bucket(3));
        learner.rescale(from, to);
        assert_eq!(learner.reused[usize::from(CLASS)][to.bucket(5000)], 1.0);
        assert_eq!(learner.lost[usize::from(CLASS)][0], 1.0);
        learner.fade();
        assert_eq!(learner.lost[usize::from(CLASS)][0], FADING);
    }
}
