//! Members of a shared budget that are hard to please: small ones beside large ones, totals without end, clocks that panic, closures and destructors that
//! turn to another member. What is ordinary is in `tests/shared_budget.rs`.

mod common;
#[path = "common/members.rs"]
mod members;

use common::{lock, watchdog};
use members::{Numbered, builder, by_hand, member};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;
use tollgate::clock::{Clock, ManualClock};
use tollgate::policy::PolicyKind;
use tollgate::{Cache, InsertOptions, KeyHash, KeyHasher, Maintenance, SharedBudget};

/// Some of which may be turned away.
fn pour(cache: &Numbered, from: u64, cost: u64) {
    (from..from + cost).for_each(|key| {
        cache.insert(key, key, 1);
    });
    cache.wait().unwrap();
    cache.check().unwrap();
}

#[test]
fn a_small_member_finds_a_place_beside_a_large_one() {
    watchdog(|| {
        let budget = by_hand(100_000);
        let large = member(&budget, 99);
        pour(&large, 0, 110_000);
        let small = member(&budget, 1);
        assert!(small.insert(1, 1, 1));
        budget.check().unwrap();
    });
}

#[test]
fn a_small_share_that_was_lent_is_given_back() {
    let budget = by_hand(100_000);
    let small = member(&budget, 10);
    let idle = member(&budget, 190);
    let large = member(&budget, 800);
    for round in 0..3 {
        pour(&large, round * 200_000, 120_000);
        budget.rebalance();
    }
    for round in 3..6 {
        pour(&large, round * 200_000, 120_000);
        pour(&small, round * 2_000, 2_000);
        budget.rebalance();
    }
    budget.check().unwrap();
    // 1000 is fair. What the others have to give for it is less than a 64th of what they hold.
    assert!(small.max_cost() > 900, "{:?}", budget.shares());
    drop(idle);
}

#[test]
fn a_total_without_end_is_divided() {
    watchdog(|| {
        let budget = by_hand(u64::MAX);
        let one = member(&budget, 1);
        assert!(one.max_cost() > u64::MAX / 65 * 63);
        let other = member(&budget, 1);
        assert!(one.insert(1, 1, 1) && other.insert(1, 1, 1));
        budget.check().unwrap();
    });
}

#[test]
fn an_owner_may_lower_the_budget_of_a_member_below_what_is_pinned() {
    let budget = by_hand(1_000);
    let cache = builder(&budget, 1).pin_quota(100).build().unwrap();
    for key in 0..8 {
        let options = InsertOptions { pinned: true, ..InsertOptions::default() };
        cache.try_insert_with(key, key, 10, options).unwrap();
    }
    cache.wait().unwrap();
    cache.set_max_cost(50);
    let stats = cache.stats();
    assert!(cache.max_cost() <= 50 && stats.pinned_cost <= 50, "{stats}");
    assert_eq!(stats.pins_lost, 3);
    cache.check().unwrap();
}

/// Divisions take the locks of all members.
#[test]
fn a_closure_under_a_lock_of_a_member_may_write_to_another() {
    watchdog(|| {
        let budget = SharedBudget::with_interval(10_000, Duration::ZERO);
        let build = || Cache::builder(10_000, u64::MAX).shared_budget(&budget, 1).build().unwrap();
        let (one, other): (Numbered, Numbered) = (build(), build());
        pour(&one, 0, 9_000);
        for round in 0..200 {
            let keys = round * 200..round * 200 + 200;
            one.insert(1, 1, 1);
            one.update(&1, |_| {
                keys.clone().for_each(|key| {
                    other.insert(key, key, 1);
                })
            });
            keys.for_each(|key| {
                one.insert(key, key, 1);
            });
        }
        budget.check().unwrap();
    });
}

/// Panics when it is told to.
struct Moody(ManualClock, Arc<AtomicBool>);

impl Clock for Moody {
    fn now(&self) -> Duration {
        assert!(!self.1.load(Ordering::SeqCst), "it is asked at a bad time");
        self.0.now()
    }
}

#[test]
fn a_clock_that_panics_is_no_concern_of_other_members() {
    let (budget, is_moody) = (by_hand(1_000), Arc::new(AtomicBool::new(false)));
    let clock = Moody(ManualClock::new(), Arc::clone(&is_moody));
    let one = builder(&budget, 1).clock(clock).time_to_idle(Duration::from_secs(9)).build().unwrap();
    pour(&one, 0, 100);
    is_moody.store(true, Ordering::SeqCst);
    let other = thread::scope(|scope| scope.spawn(|| member(&budget, 1)).join());
    is_moody.store(false, Ordering::SeqCst);
    assert_eq!(budget.shares().len(), 2);
    drop(other.unwrap());
    assert_eq!(budget.shares().len(), 1);
}

/// Gives every key a row in the same shard.
struct OneShard;

impl KeyHasher for OneShard {
    fn hash_key<Q: Hash + ?Sized>(&self, key: &Q) -> KeyHash {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        KeyHash { index: hasher.finish() & 0xff_ffff_ffff, conflict: 1 }
    }
}

/// Builds a member when it is dropped, if there is a budget by then.
struct Builds(Arc<OnceLock<SharedBudget>>, Arc<Mutex<Vec<Numbered>>>);

impl Drop for Builds {
    fn drop(&mut self) {
        let mut built = lock(&self.1);
        if let Some(budget) = self.0.get().filter(|_| built.is_empty()) {
            built.push(builder(budget, 1).slack(5_000).build().unwrap());
        }
    }
}

#[test]
fn a_destructor_may_build_a_member_while_its_cache_ends() {
    watchdog(|| {
        let (budget, link, built) = (by_hand(10_000), Arc::default(), Arc::default());
        let cache: Cache<u64, Builds, OneShard> = Cache::builder(10_000, u64::MAX)
            .policy(PolicyKind::Lru)
            .maintenance(Maintenance::Manual)
            .key_hasher(OneShard)
            .shared_budget(&budget, 1)
            .build()
            .unwrap();
        for key in 0..5 {
            assert!(cache.insert(key, Builds(Arc::clone(&link), Arc::clone(&built)), 1_900));
        }
        cache.wait().unwrap();
        assert!(link.set(budget.clone()).is_ok());
        drop(cache);
        assert_eq!(lock(&built).len(), 1);
        budget.check().unwrap();
    });
}
