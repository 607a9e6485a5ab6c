//! Jitter: entries that were written together do not expire together.
//!
//! Each time to live is cut by a share that depends on the key and the seed alone: the same for every write of a key, so that an
//! update that changes nothing else needs no new deadline, and the same in every run. Lives only get shorter: nothing is served longer than was said.

/// How far lives are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Jitter {
    /// The largest cut, in 2^-32 of a life.
    most: u32,
    seed: u64,
}

impl Jitter {
    /// `share` is the largest cut, from 0 up to but not including 1; `None` for anything else.
    pub(crate) fn new(share: f64, seed: u64) -> Option<Self> {
        (0.0..1.0).contains(&share).then(|| Self { most: (share * f64::from(u32::MAX)) as u32, seed })
    }

    /// What is left of `ms` for the key of that index; at least 1 of 1 or more.
    #[inline]
    pub(crate) fn shorten(self, index: u64, ms: u64) -> u64 {
        if self.most == 0 {
            return ms;
        }
        let cut = u128::from(self.most) * u128::from(Self::mix(index ^ self.seed) >> 32);
        let cut = (u128::from(ms) * cut) >> 64;
        // Less than `ms`, as both factors are less than 2^32.
        (ms - cut as u64).max(1)
    }

    /// The finisher of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
    fn mix(word: u64) -> u64 {
        let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shares_of_a_life_can_be_cut() {
        for share in [-0.1, 1.0, 2.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Jitter::new(share, 1), None, "{share}");
        }
        assert!(Jitter::new(0.0, 1).is_some() && Jitter::new(0.999, 1).is_some());
    }

    #[test]
    fn lives_are_cut_evenly_and_never_prolonged_or_ended() {
        let jitter = Jitter::new(0.5, 42).unwrap();
        let mut quarters = [0; 4];
        for index in 0..10_000 {
            let left = jitter.shorten(index, 1_000);
            assert!((500..=1_000).contains(&left), "{left}");
            quarters[((left - 500) / 125).min(3) as usize] += 1;
            assert_eq!(jitter.shorten(index, 1), 1);
            assert!(jitter.shorten(index, u64::MAX) >= u64::MAX / 2);
        }
        assert!(quarters.iter().all(|quarter| (2_200..=2_800).contains(quarter)), "{quarters:?}");
    }

    #[test]
    fn the_seed_decides() {
        let cuts = |seed| {
            let jitter = Jitter::new(0.5, seed).unwrap();
            (0..100).map(|index| jitter.shorten(index, 1_000_000)).collect::<Vec<_>>()
        };
        assert_eq!(cuts(1), cuts(1));
        assert_ne!(cuts(1), cuts(2));
    }
}
