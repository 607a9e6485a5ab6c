//! Classes of entries and buckets of age: what the learned densities are a table of.

/// The yardstick of time: the expected number of residents. Gaps and ages are told relative to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scale {
    /// The expected number of residents, a power of two.
    entries: u32,
    /// The quarter octave at which bucket 1 would begin if it were bucket 0; see [`Scale::bucket`].
    first: u32,
}

impl Scale {
    /// The scale for `entries` residents: 5/8 of them, rounded up to a power of two, at most 2^27.
    pub(super) fn new(entries: usize) -> Self {
        let entries = (entries.clamp(1, MAX_ENTRIES) * 5 / 8).next_power_of_two() as u32;
        let resolution = (entries / BUCKETS_BELOW_ENTRIES).max(1);
        Self { entries, first: quarter_octave(resolution) }
    }

    /// The scale that says `entries`; `None` if there is none.
    pub(super) fn of_entries(entries: u32) -> Option<Self> {
        // 8/5 of a power of two comes back to it, rounded as it may be.
        let scale = Self::new((entries as usize).saturating_mul(8).div_ceil(5));
        (scale.entries == entries).then_some(scale)
    }

    pub(super) fn entries(self) -> u32 {
        self.entries
    }

    /// The class of an entry that was asked for `frequency` times before this access, the last time
    /// `gap` accesses ago, if that is known.
    #[inline]
    pub(super) fn class(self, frequency: u8, gap: Option<u32>) -> Class {
        let frequency = FREQUENCY_LEVEL[usize::from(frequency.min(7))];
        let gap = match gap {
            Some(gap) => self.gap_level(gap),
            None => GAP_UNKNOWN,
        };
        (gap * FREQUENCIES + frequency) as Class
    }

    /// {< C/4, < C, < 4C, < 16C, < 64C, more}.
    #[inline]
    fn gap_level(self, gap: u32) -> usize {
        let gap = (4 * u64::from(gap)) >> self.entries.trailing_zeros();
        match gap {
            0 => 0,
            gap => (1 + gap.ilog2() as usize / 2).min(GAP_UNKNOWN - 1),
        }
    }

    /// The bucket of an age: four an octave. Bucket 0 takes every age below C/64.
    #[inline]
    pub(super) fn bucket(self, age: u32) -> usize {
        (quarter_octave(age).saturating_sub(self.first) as usize).min(AGES - 1)
    }

    /// The age at which a bucket begins; that of [`AGES`] is where the last one ends.
    pub(super) fn begin(self, bucket: usize) -> f64 {
        match bucket {
            0 => 0.0,
            _ => f64::from(f32::from_bits((self.first + bucket as u32) << 21)),
        }
    }

    /// By how many buckets an age moves down from `self` to `other`.
    pub(super) fn offset_to(self, other: Self) -> i64 {
        i64::from(other.first) - i64::from(self.first)
    }
}

/// The exponent of `age` and the first two bits behind its leading one, as `f32` has them.
#[inline]
fn quarter_octave(age: u32) -> u32 {
    (age as f32).to_bits() >> 21
}

/// `gap level * FREQUENCIES + frequency level`, below [`CLASSES`].
pub(super) type Class = u8;

/// Levels of frequency: {0, 1, 2-3, 4-6, 7 and more}.
pub(super) const FREQUENCIES: usize = 5;
const FREQUENCY_LEVEL: [usize; 8] = [0, 1, 2, 2, 3, 3, 3, 4];
/// Levels of gap: {< C/4, < C, < 4C, < 16C, < 64C, more, unknown}.
pub(super) const GAPS: usize = 7;
const GAP_UNKNOWN: usize = 6;
pub(super) const CLASSES: usize = FREQUENCIES * GAPS;
/// Buckets of age.
pub(super) const AGES: usize = 80;
/// Ages below this part of the expected number of residents are not told apart.
const BUCKETS_BELOW_ENTRIES: u32 = 64;
const MAX_ENTRIES: usize = 1 << 27;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_quarter_octaves_from_a_64th_of_the_entries() {
        let scale = Scale::new(10_000);
        assert_eq!(scale.entries(), 8192);
        assert_eq!(scale.bucket(0), 0);
        assert_eq!(scale.bucket(127), 0);
        assert_eq!(scale.bucket(128), 0);
        assert_eq!(scale.bucket(160), 1);
        assert_eq!(scale.bucket(256), 4);
        assert_eq!(scale.bucket(8192), 24);
        assert_eq!(scale.bucket(u32::MAX), AGES - 1);
        // Beyond 2^24 an age is rounded before it finds its bucket.
        for bucket in 1..68 {
            let begin = scale.begin(bucket) as u32;
            assert_eq!((scale.bucket(begin - 1), scale.bucket(begin)), (bucket - 1, bucket));
        }
    }

    #[test]
    fn a_scale_is_known_by_its_entries() {
        for entries in (0..=27).map(|power| 1 << power) {
            assert_eq!(Scale::of_entries(entries).map(Scale::entries), Some(entries));
        }
        for entries in [0, 3, 5, 100, (1 << 27) + 1, 1 << 28, u32::MAX] {
            assert_eq!(Scale::of_entries(entries), None);
        }
    }

    #[test]
    fn gaps_are_levels_of_four() {
        let scale = Scale::new(1024);
        let level = |gap| usize::from(scale.class(0, gap)) / FREQUENCIES;
        for (gap, expected) in [
            (0, 0),
            (255, 0),
            (256, 1),
            (1023, 1),
            (1024, 2),
            (4095, 2),
            (4096, 3),
            (16_384, 4),
            (65_535, 4),
            (65_536, 5),
            (u32::MAX, 5),
        ] {
            assert_eq!(level(Some(gap)), expected, "gap {gap}");
        }
        assert_eq!(level(None), 6);
    }

    #[test]
    fn every_class_is_below_the_number_of_classes() {
        for entries in [1, 63, 64, 1000, usize::MAX] {
            let scale = Scale::new(entries);
            for frequency in 0..=16 {
                for gap in [None, Some(0), Some(1), Some(1000), Some(u32::MAX)] {
                    assert!(usize::from(scale.class(frequency, gap)) < CLASSES);
                }
            }
        }
    }
}
