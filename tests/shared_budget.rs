//! One budget for many caches: it is never passed, whatever their threads do; need and weight divide it; and nobody is forgotten. How it is divided is tested by
//! data in `src/share/fill.rs`.

mod common;
#[path = "common/members.rs"]
mod members;

use common::{Books, Numbers, Value, eventually, lock, settle, watchdog};
use members::{Numbered, builder, by_hand, member};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tollgate::policy::PolicyKind;
use tollgate::{BuildError, Cache, InsertOptions, Maintenance, SharedBudget, SharedProcessor};

const TOTAL: u64 = 10_000;

fn fill(cache: &Numbered, from: u64, cost: u64) {
    (from..from + cost).for_each(|key| assert!(cache.insert(key, key, 1)));
    settle(cache);
}

fn check(budget: &SharedBudget) {
    budget.check().unwrap_or_else(|inconsistency| panic!("{inconsistency}"));
    let shares = budget.shares();
    assert!(shares.iter().map(|share| share.share).sum::<u64>() <= budget.total(), "{shares:?}");
    assert!(shares.iter().all(|share| share.held <= share.share), "{shares:?}");
}

/// Within what a division does not bother about.
fn is_about(share: u64, ought: u64) -> bool {
    share.abs_diff(ought) <= ought / 50 + 2
}

fn shares(budget: &SharedBudget) -> Vec<u64> {
    budget.rebalance();
    check(budget);
    budget.shares().into_iter().map(|share| share.share).collect()
}

#[test]
fn who_does_not_need_its_part_lends_it_and_gets_it_back_when_it_does() {
    let budget = by_hand(TOTAL);
    let (light, heavy) = (member(&budget, 1), member(&budget, 3));
    // Nobody wants anything: what there is is divided by weight.
    let start = shares(&budget);
    assert!(is_about(start[0], 2_500) && is_about(start[1], 7_500), "{start:?}");
    assert!(is_about(light.max_cost() + light.slack(), 2_500));
    // The heavy one uses little, the light one more than it has: it borrows.
    fill(&heavy, 0, 1_000);
    fill(&light, 0, 9_000);
    let lent = shares(&budget);
    assert!(is_about(lent[1], 1_000 + 7_500 / 8) && is_about(lent[0], TOTAL - lent[1]), "{lent:?}");
    fill(&light, 10_000, 9_000);
    assert!(light.cost() > 7_500);
    // Both have more than fits: to each by its weight.
    fill(&heavy, 0, 9_000);
    let fair = shares(&budget);
    assert!(is_about(fair[0], 2_500) && is_about(fair[1], 7_500), "{fair:?}");
    assert!(light.cost() <= 2_600, "what was borrowed is given back at once: {}", light.cost());
    // What had to leave for a smaller share is no sign of need: who asks for nothing lends again.
    light.clear();
    fill(&heavy, 20_000, 9_000);
    let again = shares(&budget);
    assert!(again[0] < 500, "{again:?}");
    settle(&light);
    settle(&heavy);
}

#[test]
fn every_kind_of_slack_is_part_of_the_share() {
    let budget = by_hand(TOTAL);
    let slacks = [None, Some(0), Some(1), Some(500)];
    let members: Vec<Numbered> = slacks
        .iter()
        .map(|slack| match *slack {
            None => member(&budget, 1),
            Some(slack) => builder(&budget, 1).slack(slack).build().unwrap(),
        })
        .collect();
    for (n, cache) in members.iter().enumerate() {
        (0..3_000).for_each(|key| _ = cache.insert(key, key, 1 + key % 3));
        check(&budget);
        let (share, ought) = (budget.shares()[n].share, cache.max_cost() + cache.slack());
        assert_eq!((share, cache.slack()), (ought, slacks[n].unwrap_or(cache.max_cost() / 64)));
    }
    assert!(shares(&budget).into_iter().all(|share| is_about(share, TOTAL / 4)));
}

#[test]
fn the_budget_of_the_builder_is_the_most_that_a_member_gets() {
    let budget = by_hand(TOTAL);
    let small: Numbered = Cache::builder(100, 640)
        .policy(PolicyKind::Lru)
        .maintenance(Maintenance::Manual)
        .shared_budget(&budget, 5)
        .build()
        .unwrap();
    assert_eq!((small.max_cost(), shares(&budget)), (640, vec![650]));
    let large = member(&budget, 1);
    fill(&small, 0, 5_000);
    assert!(is_about(shares(&budget)[1], TOTAL - 650));
    // Which may be changed, as of any cache.
    small.set_max_cost(6_400);
    assert_eq!(small.max_cost(), 6_400);
    small.set_max_cost(64);
    assert_eq!((small.max_cost(), small.cost() <= 64), (64, true));
    check(&budget);
    assert!(is_about(budget.shares()[1].share, TOTAL - 65));
    drop(small);
    assert_eq!(budget.shares().len(), 1);
    assert!(is_about(large.max_cost() + large.slack(), TOTAL), "the share of who left goes to the others");
    settle(&large);
}

#[test]
fn a_budget_takes_as_many_members_as_can_work_and_no_more() {
    let budget = by_hand(100);
    assert_eq!(builder(&budget, 0).build().err(), Some(BuildError::NoWeight));
    let strict: Vec<Numbered> = (0..90).map(|_| builder(&budget, 1).strict().build().unwrap()).collect();
    assert_eq!(builder(&budget, 1).slack(10).build().err(), Some(BuildError::BudgetTaken));
    let last = builder(&budget, 1000).slack(9).build().unwrap();
    assert_eq!(builder(&budget, 1).strict().build().err(), Some(BuildError::BudgetTaken));
    assert_eq!(shares(&budget), [vec![1; 90], vec![10]].concat());
    assert!(strict.iter().all(|cache| cache.insert(1, 1, 1) && cache.cost() == 1));
    assert!(last.insert(1, 1, 1));
    check(&budget);
    drop(strict);
    assert_eq!((budget.shares().len(), last.max_cost()), (1, 91));
}

#[test]
fn shares_are_set_in_the_course_of_maintenance_when_the_interval_is_over() {
    for (interval, divides) in [(Duration::ZERO, true), (Duration::from_secs(3600), false)] {
        let budget = SharedBudget::with_interval(TOTAL, interval);
        let members = [Maintenance::Manual, Maintenance::Inline, Maintenance::Thread]
            .map(|maintenance| builder(&budget, 1).maintenance(maintenance).build().unwrap());
        for (n, cache) in members.iter().enumerate() {
            let before = budget.divisions();
            cache.insert(1, 1, 1);
            match n {
                0 => cache.run_pending(),
                1 => {}
                _ => eventually("a turn", || !divides || budget.divisions() > before),
            }
            assert_eq!(budget.divisions() > before, divides, "member {n}");
        }
        check(&budget);
    }
}

#[test]
fn a_division_undoes_no_pin() {
    let budget = by_hand(TOTAL);
    let (pinning, other) = (builder(&budget, 1).pin_quota(6_000).build().unwrap(), member(&budget, 9));
    // It borrows, and pins what it has.
    fill(&pinning, 100_000, 9_000);
    assert!(shares(&budget)[0] > 8_000);
    let pinned = InsertOptions { pinned: true, ..Default::default() };
    let (mut held, mut key) = (0, 0);
    while pinning.try_insert_with(key, key, 1, pinned).is_ok() {
        (held, key) = (held + 1, key + 1);
    }
    assert!(held > 5_000, "{held}");
    fill(&other, 0, 20_000);
    fill(&other, 0, 20_000);
    let after = shares(&budget);
    assert!(after[0] >= held && after[1] <= TOTAL - held, "{after:?}");
    let stats = pinning.stats();
    assert_eq!((stats.pinned, stats.pins_lost), (held, 0));
    settle(&pinning);
}

/// Listeners and destructors of one member run on the thread that divides, and may do what they like, the last handle of another included.
/// Who delivers, or has yet to end what callbacks may wait for, is called by no other member meanwhile.
#[test]
fn a_turn_within_a_callback_divides_no_budget() {
    watchdog(|| {
        let budget = SharedBudget::with_interval(TOTAL, Duration::ZERO);
        let inside = Arc::new(AtomicBool::new(false));
        let (heard, heard_inside) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let listening = (inside.clone(), heard.clone(), heard_inside.clone());
        let lender = builder(&budget, 1)
            .listener(move |_| {
                let (inside, heard, heard_inside) = &listening;
                heard.fetch_add(1, Ordering::Relaxed);
                heard_inside.fetch_add(u64::from(inside.load(Ordering::Relaxed)), Ordering::Relaxed);
            })
            .build()
            .unwrap();
        let own = Arc::new(Mutex::new(None::<Numbered>));
        let (handle, flag) = (own.clone(), inside.clone());
        let borrower = builder(&budget, 3)
            .listener(move |_| {
                let Some(cache) = lock(&handle).take() else { return };
                flag.store(true, Ordering::Relaxed);
                (1..9_000).for_each(|key| _ = cache.insert(key, key, 1));
                cache.run_pending();
                flag.store(false, Ordering::Relaxed);
            })
            .build()
            .unwrap();
        (0..9_000).for_each(|key| _ = lender.insert(key, key, 1));
        settle(&lender);
        borrower.insert(0, 0, 1);
        settle(&borrower);
        settle(&lender);
        heard.store(0, Ordering::Relaxed);
        *lock(&own) = Some(borrower.clone());
        borrower.insert(0, 1, 1);
        assert_eq!(heard_inside.load(Ordering::Relaxed), 0);
        settle(&borrower);
        assert!(heard.load(Ordering::Relaxed) > 0, "the next turn divides");
        check(&budget);
    });
}

#[test]
fn callbacks_of_a_division_may_call_everything() {
    watchdog(|| {
        let budget = by_hand(TOTAL);
        let third = Arc::new(Mutex::new(Some(member(&budget, 1))));
        let calls = Arc::new(AtomicU64::new(0));
        let borrower: Numbered = {
            let (budget, third, calls) = (budget.clone(), Arc::clone(&third), Arc::clone(&calls));
            let heard = budget.clone();
            builder(&budget, 1)
                .listener(move |_| {
                    if calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(100) {
                        heard.rebalance();
                        heard.check().unwrap();
                        assert!(!heard.shares().is_empty());
                        let third = lock(&third).take();
                        third.iter().for_each(|cache| cache.set_max_cost(77));
                        drop(third);
                    }
                })
                .build()
                .unwrap()
        };
        let lender = member(&budget, 1);
        fill(&borrower, 0, 9_000);
        budget.rebalance();
        fill(&borrower, 10_000, 9_000);
        fill(&lender, 0, 9_000);
        let before = calls.load(Ordering::Relaxed);
        budget.rebalance();
        assert!(calls.load(Ordering::Relaxed) > before, "what was borrowed has left");
        assert!(lock(&third).is_none());
        check(&budget);
        settle(&borrower);
        settle(&lender);
    });
}

fn busy_member(
    budget: &SharedBudget,
    n: u64,
    processor: &SharedProcessor,
    books: &Arc<Books>,
) -> Cache<u64, Value> {
    let heard = Arc::clone(books);
    let builder = Cache::builder(10_000, u64::MAX)
        .name(format!("member {n}"))
        .shared_budget(budget, 1 + n as u32)
        .listener(move |event| heard.hear(event));
    let builder = match n % 4 {
        0 => builder,
        1 => builder.processor(processor),
        2 => builder.maintenance(Maintenance::Inline).slack(9).pin_quota(100),
        _ => builder.maintenance(Maintenance::Manual).strict(),
    };
    builder.build().unwrap()
}

/// Members of all kinds, whose needs come and go, on two threads; one that divides all the time; one whose members come and go; and one that looks.
#[test]
fn the_members_never_hold_more_than_the_total() {
    watchdog(|| {
        let budget = SharedBudget::with_interval(1_000, Duration::from_millis(1));
        let (processor, books) = (SharedProcessor::new().unwrap(), Books::new());
        let members: Vec<_> = (0..4).map(|n| busy_member(&budget, n, &processor, &books)).collect();
        let done = AtomicBool::new(false);
        let looked = thread::scope(|scope| {
            let (budget, members, books, processor, done) = (&budget, &members, &books, &processor, &done);
            let writers: Vec<_> = (0..2)
                .map(|number| {
                    scope.spawn(move || (0..12_000).for_each(|step| write(members, books, number, step)))
                })
                .collect();
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    budget.rebalance();
                }
            });
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let guest = busy_member(budget, 2, processor, books);
                    (0..50).for_each(|key| {
                        _ = books.hand_back_refused(guest.try_insert(key, books.value(0), 5))
                    });
                    guest.clear();
                    // Or the books would miss them: what is resident at the end is told to nobody.
                    settle(&guest);
                }
            });
            let looks = scope.spawn(move || {
                let mut looked = 0_u64;
                while !done.load(Ordering::Relaxed) {
                    looked += u64::from(look(budget, members));
                }
                looked
            });
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            done.store(true, Ordering::Relaxed);
            looks.join().unwrap()
        });
        assert!(looked > 0 && budget.divisions() > 10, "{looked} looks, {} divisions", budget.divisions());
        check(&budget);
        let stats: Vec<_> = members.iter().map(Cache::stats).collect();
        assert!(stats.iter().all(|stats| stats.policy_panics + stats.callback_panics == 0));
        // Together they have seen more than any could hold alone.
        assert!(stats.iter().all(|stats| stats.peak_cost <= 1_000));
        for cache in members {
            settle(&cache);
            cache.clear();
        }
        books.audit(&[]);
    });
}

/// Each has its hour.
fn write(members: &[Cache<u64, Value>], books: &Arc<Books>, number: u64, step: u64) {
    let mut numbers = Numbers::new(step * 2 + number);
    let favourite = (step / 1_500 + number) as usize % members.len();
    let cache = match numbers.below(4) {
        0 => &members[numbers.below(members.len() as u64) as usize],
        _ => &members[favourite],
    };
    let key = numbers.below(600);
    match numbers.below(40) {
        0..4 => cache.remove(&key).into_iter().for_each(|value| books.hand_back(value)),
        4 => _ = cache.pin(&key),
        5 => _ = cache.unpin(&key),
        6 if numbers.below(20) == 0 => cache.set_max_cost(1 + numbers.below(2_000)),
        7 if numbers.below(40) == 0 => cache.clear(),
        8 => cache.run_pending(),
        9..15 => _ = cache.get_with(&key, |value| value.id),
        _ => _ = books.hand_back_refused(cache.try_insert(key, books.value(0), 1 + numbers.below(9))),
    }
}

/// The sum of what they hold, if nobody's share changed meanwhile: only then is it of one instant's making.
fn look(budget: &SharedBudget, members: &[Cache<u64, Value>]) -> bool {
    budget.check().unwrap_or_else(|inconsistency| panic!("{inconsistency}"));
    let before = budget.divisions();
    let sum: u64 = members.iter().map(Cache::cost).sum();
    if budget.divisions() != before {
        return false;
    }
    assert!(sum <= budget.total(), "{sum} of {}", budget.total());
    true
}
