//! Weights by distance, in buckets that grow with the distance: 32 to an octave, so that none is wider than
//! a thirty-second of its distances. Distances below 64 have a bucket each.

/// See the [module](self).
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    weights: Box<[f64]>,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { weights: vec![0.0; BUCKETS].into() }
    }

    pub(super) fn add(&mut self, distance: u64, weight: f64) {
        self.weights[bucket_of(distance)] += weight;
    }

    pub(super) fn halve(&mut self) {
        self.weights.iter_mut().for_each(|weight| *weight /= 2.0);
    }

    /// The lowest and the highest distance of each bucket that is not empty, and its weight; in order.
    pub(super) fn occupied(&self) -> impl Iterator<Item = (u64, u64, f64)> + '_ {
        let buckets = self.weights.iter().enumerate().filter(|&(_, &weight)| weight > 0.0);
        buckets.map(|(bucket, &weight)| {
            let (lowest, highest) = span_of(bucket);
            (lowest, highest, weight)
        })
    }

    pub(super) fn sum(&self) -> f64 {
        self.weights.iter().sum()
    }

    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.weights)
    }
}

fn bucket_of(distance: u64) -> usize {
    if distance < PER_OCTAVE {
        return distance as usize;
    }
    let shift = distance.ilog2() - PER_OCTAVE.ilog2();
    // Below an octave of `32 << shift` lie `shift + 1` times 32 buckets; the first of the two terms has one too few, which
    // is the leading bit of the second.
    (u64::from(shift) * PER_OCTAVE + (distance >> shift)) as usize
}

/// The lowest and the highest distance.
fn span_of(bucket: usize) -> (u64, u64) {
    let bucket = bucket as u64;
    let shift = (bucket / PER_OCTAVE).saturating_sub(1);
    let lowest = (bucket - shift * PER_OCTAVE) << shift;
    (lowest, lowest + ((1 << shift) - 1))
}

const PER_OCTAVE: u64 = 32;
/// Up to `u64::MAX`: 59 octaves from 32 on, and what is below.
const BUCKETS: usize = 60 * PER_OCTAVE as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_distance_is_in_one_bucket_that_is_narrow() {
        let mut next = 0;
        for bucket in 0..BUCKETS {
            let (lowest, highest) = span_of(bucket);
            assert_eq!(lowest, next);
            assert_eq!((bucket_of(lowest), bucket_of(highest)), (bucket, bucket));
            assert!((highest - lowest) <= lowest / 32);
            next = highest.wrapping_add(1);
        }
        assert_eq!(next, 0, "the last bucket ends with the last number");
    }

    #[test]
    fn weights_are_where_they_were_put() {
        let mut histogram = Histogram::new();
        for (distance, weight) in [(7, 1.0), (1000, 2.5), (1001, 0.5), (u64::MAX, 4.0)] {
            histogram.add(distance, weight);
        }
        let (lowest, highest) = span_of(bucket_of(1000));
        let last = span_of(BUCKETS - 1).0;
        let occupied = [(7, 7, 1.0), (lowest, highest, 3.0), (last, u64::MAX, 4.0)];
        assert!(histogram.occupied().eq(occupied));
        histogram.halve();
        assert_eq!(histogram.sum(), 4.0);
    }
}
