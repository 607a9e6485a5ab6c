//! Members that are nothing but numbers: what the division makes of them, in which order, and what it does while they lag behind.

use super::*;

/// What was said to whom.
type Log = Arc<Mutex<Vec<(&'static str, u64)>>>;

struct Fake {
    name: &'static str,
    held: AtomicU64,
    turned_away: AtomicU64,
    log: Log,
}

impl Member for Fake {
    fn name(&self) -> &str {
        self.name
    }
    fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }
    fn pinned(&self) -> u64 {
        0
    }
    fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }
    fn least(&self) -> u64 {
        1
    }
    fn share_for(&self, max_cost: u64) -> u64 {
        max_cost
    }
    fn resize(&self, share: u64) {
        if share < self.held() {
            self.need();
        }
        self.log.lock().push((self.name, share));
    }
    fn deliver(&self) {
        self.log.lock().push((self.name, 0));
    }
}

impl Fake {
    fn join(budget: &SharedBudget, name: &'static str, log: &Log) -> (Arc<Self>, Membership) {
        let (held, turned_away) = (AtomicU64::new(0), AtomicU64::new(0));
        let fake = Arc::new(Self { name, held, turned_away, log: Arc::clone(log) });
        let membership = budget.join(Arc::clone(&fake) as Arc<dyn Member>, 1, u64::MAX);
        (fake, membership.expect("there is room"))
    }

    fn hold(&self, cost: u64) {
        self.held.store(cost, Ordering::Relaxed);
    }

    fn need(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }
}

fn shares(budget: &SharedBudget) -> Vec<u64> {
    budget.check().unwrap_or_else(|inconsistency| panic!("{inconsistency}"));
    budget.shares().iter().map(|share| share.share).collect()
}

#[test]
fn shares_become_smaller_before_others_become_larger_and_values_are_delivered_last() {
    let (budget, log) = (SharedBudget::with_interval(1_000, Duration::MAX), Log::default());
    let ((one, _one), (other, _other)) =
        (Fake::join(&budget, "one", &log), Fake::join(&budget, "other", &log));
    assert_eq!(shares(&budget), [500, 500]);
    for (lender, borrower) in [(&one, &other), (&other, &one)] {
        log.lock().clear();
        lender.hold(100);
        borrower.hold(500);
        borrower.need();
        budget.rebalance();
        let said = std::mem::take(&mut *log.lock());
        let lent = 100 + 500 / 8;
        assert_eq!(said[0], (lender.name, lent));
        assert_eq!(said[1], (borrower.name, 1_000 - lent));
        assert_eq!(said[2..], [(lender.name, 0), (borrower.name, 0)]);
        budget.check().unwrap();
    }
}

#[test]
fn a_share_grows_by_no_more_than_others_have_given_back() {
    let (budget, log) = (SharedBudget::with_interval(1_000, Duration::MAX), Log::default());
    let (one, _one) = Fake::join(&budget, "one", &log);
    assert_eq!(shares(&budget), [1_000]);
    // What it took out it has yet to give back.
    one.hold(900);
    one.need();
    let (other, _other) = Fake::join(&budget, "other", &log);
    other.need();
    budget.rebalance();
    assert_eq!(shares(&budget), [500, 100]);
    one.hold(700);
    one.need();
    other.need();
    // The next turn of whoever sees to it.
    _other.turned();
    assert_eq!(shares(&budget), [500, 300]);
    one.hold(500);
    one.need();
    other.need();
    _one.turned();
    assert_eq!(shares(&budget), [500, 500]);
    let divisions = budget.divisions();
    _one.turned();
    assert_eq!(budget.divisions(), divisions, "nothing is owed any more");
}

/// Nor is need that was met, or could not be.
#[test]
fn what_leaves_for_a_smaller_share_is_no_sign_of_need() {
    let (budget, log) = (SharedBudget::with_interval(1_000, Duration::MAX), Log::default());
    let (one, _one) = Fake::join(&budget, "one", &log);
    one.hold(900);
    one.need();
    let (other, _other) = Fake::join(&budget, "other", &log);
    one.hold(500);
    other.hold(100);
    other.need();
    budget.rebalance();
    assert_eq!(shares(&budget), [500, 500]);
    one.hold(200);
    other.hold(500);
    other.need();
    budget.rebalance();
    assert_eq!(shares(&budget), [262, 738]);
    // It does not need that much any more.
    other.hold(10);
    one.need();
    budget.rebalance();
    assert_eq!(shares(&budget), [928, 72]);
}

#[test]
fn small_changes_are_left_alone() {
    let (budget, log) = (SharedBudget::with_interval(6_400, Duration::MAX), Log::default());
    let ((one, _one), (_, _other)) = (Fake::join(&budget, "one", &log), Fake::join(&budget, "other", &log));
    log.lock().clear();
    one.hold(3_200);
    budget.rebalance();
    let before = shares(&budget);
    log.lock().clear();
    one.hold(3_220);
    budget.rebalance();
    assert_eq!((shares(&budget), log.lock().len()), (before, 0));
}

#[test]
fn who_left_is_forgotten() {
    let (budget, log) = (SharedBudget::with_interval(1_000, Duration::MAX), Log::default());
    let ((_, one), (_, other)) = (Fake::join(&budget, "one", &log), Fake::join(&budget, "other", &log));
    log.lock().clear();
    one.leave();
    assert_eq!(shares(&budget), [1_000]);
    // It may hold no more than it must.
    assert_eq!(log.lock()[0], ("one", 1));
    one.leave();
    one.set_max_cost(7);
    assert_eq!(shares(&budget), [1_000]);
    other.set_max_cost(7);
    assert_eq!(shares(&budget), [7]);
}
