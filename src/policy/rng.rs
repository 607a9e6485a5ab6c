//! Random numbers that are the same on every machine: SplitMix64.
//!
//! Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014. Eight bytes of
//! state, and good enough to draw samples with. Nothing secret depends on it.

/// A stream of pseudorandom numbers.
#[derive(Debug, Clone)]
pub(crate) struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number, uniform over all of `u64`.
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `bound`, which is not 0. The bias of at most `bound / 2^64` is accepted.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}

/// Visits every number below a length once, in an order drawn at random, in O(1) memory: `start`,
/// `start + stride`, `start + 2 stride`, ... modulo the length, for a stride that has no factor in
/// common with it. Each number alone is uniform; together they are no more random than that.
#[derive(Debug)]
pub(crate) struct Walk {
    len: u32,
    left: u32,
    place: u32,
    /// 0 until the second step asks for it: most walks end with the first.
    stride: u32,
    rng: SplitMix64,
}

impl Walk {
    pub(crate) fn new(rng: &mut SplitMix64, len: usize) -> Self {
        let len = len as u32;
        let place = rng.below(u64::from(len)) as u32;
        Self { len, left: len, place, stride: 0, rng: SplitMix64::new(rng.next()) }
    }

    fn draw_stride(&mut self) -> u32 {
        loop {
            let stride = 1 + self.rng.below(u64::from(self.len)) as u32;
            if gcd(stride, self.len) == 1 {
                return stride;
            }
        }
    }
}

impl Iterator for Walk {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.left == 0 {
            return None;
        }
        if self.left < self.len {
            if self.stride == 0 {
                self.stride = self.draw_stride();
            }
            self.place = ((u64::from(self.place) + u64::from(self.stride)) % u64::from(self.len)) as u32;
        }
        self.left -= 1;
        Some(self.place)
    }
}

fn gcd(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_below_the_bound_comes_up() {
        let mut rng = SplitMix64::new(7);
        let mut counts = [0u32; 5];
        for _ in 0..50_000 {
            counts[rng.below(5) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_walk_visits_everything_once() {
        let mut rng = SplitMix64::new(7);
        for len in (0..40).chain([1000, 1024]) {
            let mut visited: Vec<u32> = Walk::new(&mut rng, len).collect();
            visited.sort_unstable();
            assert!(visited.into_iter().eq(0..len as u32));
        }
    }
}
