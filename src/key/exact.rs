//! The exact path: a key that is one integer needs no hash, only a shuffle.
//!
//! `conflict` is the integer itself and `index` is a keyed bijection of it, so that two integers never
//! share a [`KeyHash`]. Widths are told apart by a constant of their own, xored in before the
//! bijection: `5u32` and `5u64` have the same `conflict`, hence different inputs to the bijection, hence
//! different indices.
//!
//! The bijection is three rounds of *multiply by a secret odd number, fold the high half into the low half*,
//! with secrets added between. A multiplication carries differences upwards only, the fold brings
//! them down again. After two rounds, integers that differ in their upper bits only still crowd some
//! values of the index's middle bits; after three, no bias is left that the tests could see. With a
//! secret odd multiplier the high bits of a product are a universal hash (Dietzfelbinger, Hagerup,
//! Katajainen and Penttonen, "A reliable randomized algorithm for the closest-pair problem", 1997): who
//! does not know the secret cannot choose integers that crowd one shard, bucket or counter. It is no
//! cipher: do not hand indices to an adversary.

use super::KeyHash;

/// The widths of integer that `Hash` can write in one call and that fit in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    U8 = 1,
    U16 = 2,
    U32 = 3,
    U64 = 4,
    /// Apart from `U64`, so that neither answers for the other on any platform.
    Usize = 5,
}

/// The secret of the bijection.
#[derive(Clone, Copy)]
pub(super) struct Exact {
    /// What the first two rounds add.
    addends: [u64; 2],
    /// What each round multiplies by: odd.
    factors: [u64; 3],
}

impl Exact {
    pub(super) fn new(mut random: impl FnMut() -> u64) -> Self {
        Self { addends: std::array::from_fn(|_| random()), factors: std::array::from_fn(|_| random() | 1) }
    }

    /// What [`new`](Self::new) has drawn.
    pub(super) fn words(&self) -> [u64; 5] {
        let ([a, b], [c, d, e]) = (self.addends, self.factors);
        [a, b, c, d, e]
    }

    #[inline]
    pub(super) fn hash(&self, width: Width, integer: u64) -> KeyHash {
        let distinct = integer ^ (width as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        KeyHash { index: self.permute(distinct), conflict: integer }
    }

    /// The bijection.
    #[inline]
    pub(super) fn permute(&self, x: u64) -> u64 {
        let x = fold(x.wrapping_add(self.addends[0]).wrapping_mul(self.factors[0]));
        let x = fold(x.wrapping_add(self.addends[1]).wrapping_mul(self.factors[1]));
        fold(x.wrapping_mul(self.factors[2]))
    }
}

/// Its own inverse.
#[inline]
fn fold(x: u64) -> u64 {
    x ^ (x >> 32)
}

#[cfg(test)]
mod tests {
    use super::super::splitmix;
    use super::*;

    /// The inverse of an odd number modulo 2^64, by Newton's iteration.
    fn inverse(odd: u64) -> u64 {
        (0..6).fold(odd, |inv, _| inv.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(inv))))
    }

    fn invert(exact: &Exact, y: u64) -> u64 {
        let y = fold(y).wrapping_mul(inverse(exact.factors[2]));
        let y = fold(y).wrapping_mul(inverse(exact.factors[1])).wrapping_sub(exact.addends[1]);
        fold(y).wrapping_mul(inverse(exact.factors[0])).wrapping_sub(exact.addends[0])
    }

    #[test]
    fn the_permutation_can_be_undone() {
        let mut random = splitmix(7);
        for seed in 0..64 {
            let exact = Exact::new(splitmix(seed));
            for integer in (0..64).map(|bit| 1 << bit).chain([0, u64::MAX]).chain((0..64).map(|_| random())) {
                assert_eq!(invert(&exact, exact.permute(integer)), integer);
            }
        }
    }

    #[test]
    fn widths_never_answer_for_each_other() {
        let widths = [Width::U8, Width::U16, Width::U32, Width::U64, Width::Usize];
        let exact = Exact::new(splitmix(1));
        for integer in 0..=255 {
            let mut hashes: Vec<_> = widths.iter().map(|&width| exact.hash(width, integer)).collect();
            hashes.sort_unstable();
            hashes.dedup();
            assert_eq!(hashes.len(), widths.len());
        }
    }
}
