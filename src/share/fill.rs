//! Who gets how much: weighted max-min fairness, as a pure function.
//!
//! Water is poured into vessels that stand beside each other, each as wide as its weight: the level rises everywhere alike, until a vessel is full and the
//! others take the rest. So nobody gets less than another for each unit of weight but who wants no more, and what one does not want is divided among
//! those who do (Bertsekas and Gallager, *Data Networks*, section 6.5.2: progressive filling). A floor is water that is there before.
//!
//! It is done twice: first up to what each member wants, then, with what is left, up to what each may have.
//!
//! All in integers: the level is a number with [`FRACTION`] binary digits, found by bisection. The same claims give the same answer on every machine.

/// What a member asks for, in units of cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    /// At least 1.
    pub(crate) weight: u32,
    /// What it has to get. The floors of all add up to at most the total.
    pub(crate) least: u64,
    /// What it has a use for now.
    pub(crate) wanted: u64,
    /// What it may get if nobody wants it; at least `least`.
    pub(crate) most: u64,
}

/// Divides `total`. The answers add up to at most that, and to exactly that unless everybody gets the most.
///
/// O(n log total).
pub(crate) fn divide(total: u64, claims: &[Claim]) -> Vec<u64> {
    let vessels: Vec<Vessel> = claims
        .iter()
        .map(|claim| Vessel {
            width: claim.weight.max(1),
            floor: claim.least,
            brim: claim.wanted.clamp(claim.least, claim.most.max(claim.least)),
        })
        .collect();
    let wanted = pour(total, &vessels);
    let vessels: Vec<Vessel> = vessels
        .iter()
        .zip(claims)
        .zip(&wanted)
        .map(|((vessel, claim), &floor)| Vessel { floor, brim: claim.most.max(floor), ..*vessel })
        .collect();
    pour(total, &vessels)
}

#[derive(Debug, Clone, Copy)]
struct Vessel {
    width: u32,
    floor: u64,
    brim: u64,
}

impl Vessel {
    fn content(&self, level: u128) -> u64 {
        let poured = (level * u128::from(self.width)) >> FRACTION;
        u64::try_from(poured).unwrap_or(u64::MAX).clamp(self.floor, self.brim)
    }
}

fn pour(total: u64, vessels: &[Vessel]) -> Vec<u64> {
    let sum = |level: u128| vessels.iter().map(|vessel| u128::from(vessel.content(level))).sum::<u128>();
    let fits = |level: u128| sum(level) <= u128::from(total);
    // At the upper end every vessel is full, whatever its width.
    let (mut low, mut high) = (0_u128, 1_u128 << (u64::BITS + FRACTION));
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(middle) { low = middle } else { high = middle }
    }
    if fits(high) {
        low = high;
    }
    let mut contents: Vec<u64> = vessels.iter().map(|vessel| vessel.content(low)).collect();
    // What rounding has left, less than a unit for each, goes to the first who has a use for it.
    let mut left = total.saturating_sub(contents.iter().sum());
    for (content, vessel) in contents.iter_mut().zip(vessels) {
        let more = left.min(vessel.brim - *content);
        *content += more;
        left -= more;
    }
    contents
}

/// Binary digits of the level after the point: with widths of 32 bits, no vessel is filled by more than a unit too little.
const FRACTION: u32 = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn claim(weight: u32, least: u64, wanted: u64, most: u64) -> Claim {
        Claim { weight, least, wanted, most }
    }

    fn hungry(weight: u32) -> Claim {
        claim(weight, 1, u64::MAX, u64::MAX)
    }

    #[test]
    fn the_hungry_share_by_weight() {
        assert_eq!(divide(100, &[hungry(1), hungry(1)]), [50, 50]);
        assert_eq!(divide(100, &[hungry(1), hungry(3)]), [25, 75]);
        assert_eq!(divide(10, &[hungry(1), hungry(1), hungry(1)]), [4, 3, 3]);
        assert_eq!(divide(u64::MAX, &[hungry(1), hungry(1)]), [u64::MAX / 2 + 1, u64::MAX / 2]);
        assert_eq!(divide(7, &[]), [0; 0]);
    }

    #[test]
    fn what_one_does_not_want_is_lent_to_those_who_do() {
        let modest = claim(1, 1, 10, 100);
        assert_eq!(divide(100, &[modest, hungry(1)]), [10, 90]);
        assert_eq!(divide(100, &[modest, hungry(1), hungry(2)]), [10, 30, 60]);
        // It is back as soon as it is wanted.
        assert_eq!(divide(100, &[claim(1, 1, 60, 100), hungry(1)]), [50, 50]);
    }

    #[test]
    fn what_nobody_wants_is_divided_all_the_same() {
        assert_eq!(divide(100, &[claim(1, 1, 10, 100), claim(1, 1, 20, 100)]), [50, 50]);
        assert_eq!(divide(100, &[claim(1, 1, 10, 30), claim(1, 1, 20, 100)]), [30, 70]);
        assert_eq!(divide(100, &[claim(1, 1, 10, 30), claim(1, 1, 20, 40)]), [30, 40]);
        // Who wants more than its part keeps it, while others want less than theirs.
        assert_eq!(divide(100, &[claim(1, 1, 70, 100), claim(1, 1, 20, 100)]), [70, 30]);
    }

    #[test]
    fn a_floor_holds_whatever_the_weights() {
        assert_eq!(divide(100, &[claim(1, 40, 40, 100), hungry(99)]), [40, 60]);
        assert_eq!(divide(100, &[claim(1, 40, u64::MAX, 100), claim(u32::MAX, 60, 60, 60)]), [40, 60]);
    }

    fn claims() -> impl Strategy<Value = (u64, Vec<Claim>)> {
        let one = (1..=9_u32, 0..20_u64, 0..400_u64, 0..400_u64)
            .prop_map(|(weight, least, wanted, above)| claim(weight, least, wanted, least + above));
        (prop::collection::vec(one, 0..9), 0..500_u64)
            .prop_map(|(claims, above)| (claims.iter().map(|claim| claim.least).sum::<u64>() + above, claims))
    }

    proptest! {
        #[test]
        fn sums_floors_and_fairness((total, claims) in claims(), scale in 0..50_u32) {
            let total = total << scale;
            let claims: Vec<_> = claims.iter().map(|&Claim { weight, least, wanted, most }| {
                claim(weight, least << scale, wanted << scale, most << scale)
            }).collect();
            let shares = divide(total, &claims);
            prop_assert_eq!(&shares, &divide(total, &claims));
            let most: u128 = claims.iter().map(|claim| u128::from(claim.most)).sum();
            let sum: u128 = shares.iter().map(|&share| u128::from(share)).sum();
            prop_assert_eq!(sum, most.min(total.into()));
            for (one, claim) in shares.iter().zip(&claims) {
                prop_assert!((claim.least..=claim.most).contains(one));
                // Who gets less than it wants envies nobody who has more for its weight than it had to get, by more than what rounding gives.
                if *one < claim.wanted.min(claim.most) {
                    for (other, theirs) in shares.iter().zip(&claims) {
                        let fair = (u128::from(*one) + 1) * u128::from(theirs.weight) / u128::from(claim.weight);
                        let rounding = 1 + claims.len() as u128;
                        prop_assert!(
                            u128::from(*other) <= u128::from(theirs.least).max(fair) + rounding,
                            "{:?} of {:?}", shares, claims
                        );
                    }
                }
            }
        }

        #[test]
        fn nobody_starves(weights in prop::collection::vec(1..=1000_u32, 1..20), total in 100_000..1_u64 << 50) {
            let claims: Vec<_> = weights.iter().map(|&weight| hungry(weight)).collect();
            let all: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
            for (share, &weight) in divide(total, &claims).iter().zip(&weights) {
                let fair = u128::from(total) * u128::from(weight) / u128::from(all);
                prop_assert!(u128::from(*share) + 1 >= fair, "{share} where {fair} is due");
            }
        }
    }
}
