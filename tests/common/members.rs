//! Members of a shared budget, as plain as can be.

use std::time::Duration;
use tollgate::policy::PolicyKind;
use tollgate::{Builder, Cache, Maintenance, SharedBudget};

pub(crate) type Numbered = Cache<u64, u64>;

/// A budget that nobody divides but who is asked to.
pub(crate) fn by_hand(total: u64) -> SharedBudget {
    SharedBudget::with_interval(total, Duration::MAX)
}

pub(crate) fn builder(budget: &SharedBudget, weight: u32) -> Builder<u64, u64> {
    Cache::builder(10_000, u64::MAX)
        .policy(PolicyKind::Lru)
        .maintenance(Maintenance::Manual)
        .seed(1)
        .shared_budget(budget, weight)
}

pub(crate) fn member(budget: &SharedBudget, weight: u32) -> Numbered {
    builder(budget, weight).build().expect("a valid configuration")
}
