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
        self.density.as_flattened().get(usize::from(class) * AGES + bucket).copied().unwrap_or(f32::INFINITY)
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
            for gap in 0..GAPS {
                let class = gap * FREQUENCIES + frequency;
                set_densities(&mut self.density[class], &classes[class].hazard(&hazard), &widths);
            }
        }
        self.respect_frequency();
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
            at_risk[bucket] = later;
        }
        Self { reused: *reused, at_risk }
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
        (1.0 - (begin / end).sqrt()) as f32
    })
}

/// The Gittins index at every age.
fn set_densities(density: &mut Row, hazard: &Row, widths: &Row) {
    // Residence paid and hits won from birth up to each bucket, in expectation.
    let mut points = [(0.0f64, 0.0f64); AGES + 1];
    let mut survival = 1.0;
    for bucket in 0..AGES {
        let (residence, hits) = points[bucket];
        let (width, chance) = (f64::from(widths[bucket]), f64::from(hazard[bucket]));
        points[bucket + 1] = (residence + survival * width * (1.0 - chance / 2.0), hits + survival * chance);
        survival *= 1.0 - chance;
    }
    // The upper hull of the points to the right of each bucket, nearest last.
    let slope = |a: (f64, f64), b: (f64, f64)| (b.1 - a.1) / (b.0 - a.0).max(f64::MIN_POSITIVE);
    let mut hull = [(0.0, 0.0); AGES + 1];
    hull[0] = points[AGES];
    let mut len = 1;
    for bucket in (0..AGES).rev() {
        while len > 1 && slope(points[bucket], hull[len - 1]) <= slope(hull[len - 1], hull[len - 2]) {
            len -= 1;
        }
        density[bucket] = slope(points[bucket], hull[len - 1]) as f32;
        hull[len] = points[bucket];
        len += 1;
    }
}

/// How many observations a prior is worth.
const PRIOR_WEIGHT: f32 = 8.0;
/// How much likelier than the average an entry of a frequency level is taken to be reused, before it is known.
const FREQUENCY_BIAS: [f32; FREQUENCIES] = [0.6, 1.0, 1.5, 2.2, 3.0];
/// No prior is certain of a reuse.
const MAX_PRIOR: f32 = 0.95;
/// What a count weighs after one more epoch.
const FADING: f32 = 0.95;
