//! The live miss-ratio curve, through the cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tollgate::key::FastHasher;
use tollgate::policy::{
    Admission, Candidate, Departure, Ledger, Lru, Policy, PolicyConfig, PolicyKind, Slot,
};
use tollgate::{Cache, Maintenance, MissRatioCurve};

fn cache(max_cost: u64, policy: PolicyKind) -> Cache<u64, u64, FastHasher> {
    Cache::builder(10 * max_cost as usize, max_cost)
        .maintenance(Maintenance::Manual)
        .policy(policy)
        .miss_ratio_curve(true)
        .key_hasher(FastHasher::with_seed(1))
        .build()
        .unwrap()
}

fn curve(cache: &Cache<u64, u64, FastHasher>) -> MissRatioCurve {
    cache.check().unwrap();
    cache.stats().miss_ratio_curve.expect("asked for")
}

/// Keys that are the more popular the smaller they are.
fn skewed(requests: u64, keys: u64) -> impl Iterator<Item = u64> {
    let mut random = 1_u64;
    (0..requests).map(move |_| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let uniform = (random >> 11) as f64 / (1_u64 << 53) as f64;
        (keys as f64 * uniform * uniform * uniform) as u64
    })
}

/// Reads and, on a miss, inserts: returns the share of misses.
fn play(cache: &Cache<u64, u64, FastHasher>, keys: impl Iterator<Item = u64>) -> f64 {
    let (mut requests, mut misses) = (0, 0);
    for key in keys {
        requests += 1;
        if cache.get(&key).is_none() {
            misses += 1;
            cache.insert(key, key, 1 + key % 3);
        }
        cache.run_pending();
    }
    f64::from(misses) / f64::from(requests)
}

#[test]
fn it_tells_what_other_budgets_would_do() {
    let small = cache(400, PolicyKind::default());
    play(&small, skewed(60_000, 10_000));
    let told = curve(&small);
    for max_cost in [200, 400, 800, 1600, 3200] {
        let misses = play(&cache(max_cost, PolicyKind::Lru), skewed(60_000, 10_000));
        let error = told.miss_ratio_at(max_cost) - misses;
        assert!(error.abs() < 0.03, "at {max_cost}: told {}, is {misses}", told.miss_ratio_at(max_cost));
    }
    let wanted = told.miss_ratio_at(1000) + 1e-9;
    let max_cost = told.budget_for(wanted).expect("within reach");
    assert!(told.miss_ratio_at(max_cost) <= wanted && told.miss_ratio_at(max_cost - 1) > wanted);
    assert!(small.stats().to_string().ends_with(&told.to_string()));
}

#[test]
fn there_is_none_unless_asked_for() {
    let without: Cache<u64, u64> = Cache::new(1000, 100).unwrap();
    assert_eq!(without.stats().miss_ratio_curve, None);
    let with = cache(100, PolicyKind::default());
    assert!(with.stats().policy_memory - without.stats().policy_memory < 512 << 10);
}

#[test]
fn a_read_and_its_insertion_are_one_reference() {
    let cache = cache(100, PolicyKind::Lru);
    play(&cache, 0..50);
    assert_eq!(curve(&cache).references(), 50);
    play(&cache, 0..50);
    assert_eq!(curve(&cache).references(), 100);
    assert!((curve(&cache).miss_ratio_at(800) - 0.5).abs() < 1e-9);
}

#[test]
fn clear_forgets_and_a_new_budget_is_followed() {
    let cache = cache(100, PolicyKind::Lru);
    play(&cache, (0..1000).map(|nth| nth % 10));
    assert!(curve(&cache).miss_ratio_at(100) < 0.02);
    cache.set_max_cost(50);
    assert_eq!((curve(&cache).max_cost(), curve(&cache).reach()), (50, 400));
    cache.clear();
    assert_eq!((curve(&cache).references(), curve(&cache).miss_ratio_at(400)), (0, 1.0));
}

/// LRU, until it is told to panic.
struct Fragile(Lru, Arc<AtomicBool>);

impl Policy for Fragile {
    fn name(&self) -> &'static str {
        "fragile"
    }
    fn hit(&mut self, ledger: &Ledger, slot: Slot) {
        assert!(!self.1.load(Ordering::Relaxed), "planted");
        self.0.hit(ledger, slot);
    }
    fn miss(&mut self, ledger: &Ledger, index: u64) {
        self.0.miss(ledger, index);
    }
    fn admit(&mut self, ledger: &Ledger, candidate: Candidate, victims: &mut Vec<Slot>) -> Admission {
        self.0.admit(ledger, candidate, victims)
    }
    fn evict(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        self.0.evict(ledger, shortfall, keep, victims);
    }
    fn inserted(&mut self, ledger: &Ledger, slot: Slot) {
        self.0.inserted(ledger, slot);
    }
    fn removed(&mut self, ledger: &Ledger, slot: Slot, why: Departure) {
        self.0.removed(ledger, slot, why);
    }
    fn moved(&mut self, from: Slot, to: Slot) {
        self.0.moved(from, to);
    }
    fn clear(&mut self) {
        self.0.clear();
    }
}

/// The rows ask for admission again, which is nobody's request.
#[test]
fn it_outlives_a_policy_that_panics() {
    let panics = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&panics);
    let build = move |config: &PolicyConfig| -> Box<dyn Policy> {
        Box::new(Fragile(Lru::new(config), Arc::clone(&told)))
    };
    let cache = cache(100, PolicyKind::Custom(Arc::new(build)));
    play(&cache, 0..30);
    panics.store(true, Ordering::Relaxed);
    play(&cache, std::iter::once(7));
    assert_eq!(cache.stats().policy_panics, 1);
    assert_eq!(curve(&cache).references(), 31);
    play(&cache, 0..30);
    assert_eq!(curve(&cache).references(), 61);
}

/// The policy panics after the cache has taken the new budget, and before the curve has.
#[test]
fn it_follows_a_budget_whose_change_the_policy_spoils() {
    let panics = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&panics);
    let build = move |config: &PolicyConfig| -> Box<dyn Policy> {
        Box::new(Fragile(Lru::new(config), Arc::clone(&told)))
    };
    let cache = cache(100, PolicyKind::Custom(Arc::new(build)));
    play(&cache, 0..30);
    // An update that is pending: the engine hears of it on the way.
    assert!(cache.insert(7, 7, 2));
    panics.store(true, Ordering::Relaxed);
    cache.set_max_cost(50);
    assert_eq!(cache.stats().policy_panics, 1);
    assert_eq!((curve(&cache).max_cost(), curve(&cache).reach()), (50, 400));
}
