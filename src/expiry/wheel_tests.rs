use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// The wheel beside a list of deadlines, as the ledger would use it: slots are dense, removal swaps.
#[derive(Default)]
struct Pair {
    wheel: TimerWheel,
    deadlines: Vec<Option<u64>>,
    now_ms: u64,
}

#[derive(Debug, Clone)]
enum Op {
    Push(Option<u64>),
    Reschedule(usize, Option<u64>),
    SwapRemove(usize),
    /// Time goes on by this much (or back, which is ignored), and up to so many slots are popped.
    Pop(i64, usize),
    /// Sleeps until the wheel says that it should be asked.
    Sleep,
}

impl Pair {
    fn apply(&mut self, op: Op) {
        match op {
            Op::Push(ttl) => {
                let deadline = self.deadline(ttl);
                self.deadlines.push(deadline);
                self.wheel.schedule(self.deadlines.len() as Slot - 1, deadline);
            }
            Op::Reschedule(at, ttl) if !self.deadlines.is_empty() => {
                let slot = at % self.deadlines.len();
                self.deadlines[slot] = self.deadline(ttl);
                self.wheel.schedule(slot as Slot, self.deadlines[slot]);
            }
            Op::SwapRemove(at) if !self.deadlines.is_empty() => self.swap_remove(at % self.deadlines.len()),
            Op::Reschedule(..) | Op::SwapRemove(_) => {}
            Op::Pop(by, limit) => {
                let asked = self.now_ms.saturating_add_signed(by);
                self.now_ms = self.now_ms.max(asked);
                self.pop(asked, limit);
            }
            Op::Sleep => self.sleep(),
        }
    }

    fn deadline(&self, ttl: Option<u64>) -> Option<u64> {
        ttl.map(|ttl| self.now_ms.saturating_add(ttl))
    }

    fn swap_remove(&mut self, slot: usize) {
        self.deadlines.swap_remove(slot);
        self.wheel.removed(slot as Slot);
        if slot < self.deadlines.len() {
            self.wheel.moved(self.deadlines.len() as Slot, slot as Slot);
        }
    }

    /// Pops at a time that the caller names; every other slot that is popped leaves the ledger.
    fn pop(&mut self, asked_ms: u64, limit: usize) {
        for popped in 0..limit {
            let Some(slot) = self.wheel.pop_due(asked_ms) else {
                assert_eq!(self.due(), 0, "nothing is left behind");
                break;
            };
            let deadline = self.deadlines[slot as usize].take();
            assert!(deadline.is_some_and(|deadline| deadline <= self.now_ms), "{slot}: {deadline:?}");
            if popped % 2 == 0 {
                self.swap_remove(slot as usize);
            }
        }
    }

    fn due(&self) -> usize {
        self.deadlines.iter().flatten().filter(|&&deadline| deadline <= self.now_ms).count()
    }

    fn sleep(&mut self) {
        let Some(wake_ms) = self.wheel.next_due() else {
            assert!(self.deadlines.iter().all(Option::is_none));
            return;
        };
        self.now_ms = self.now_ms.max(wake_ms);
        self.pop(self.now_ms, usize::MAX);
    }

    fn check(&self) {
        self.wheel.check(self.deadlines.len()).unwrap();
        let earliest = self.deadlines.iter().flatten().min();
        assert_eq!(self.wheel.next_due().is_some(), earliest.is_some());
        if let (Some(next), Some(&earliest)) = (self.wheel.next_due(), earliest) {
            assert!(next <= earliest, "asked at {next} for {earliest}");
        }
    }
}

/// Spans of all magnitudes.
fn span() -> impl Strategy<Value = u64> {
    (0..64u32, any::<u64>()).prop_map(|(bits, value)| value >> bits)
}

fn ttl() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![1 => Just(None), 2 => span().prop_map(Some), 4 => (0..300u64).prop_map(Some)]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => ttl().prop_map(Op::Push),
        2 => (any::<usize>(), ttl()).prop_map(|(at, ttl)| Op::Reschedule(at, ttl)),
        2 => any::<usize>().prop_map(Op::SwapRemove),
        2 => (-100..400i64, 1..40usize).prop_map(|(by, limit)| Op::Pop(by, limit)),
        1 => (span(), 1..40usize).prop_map(|(by, limit)| Op::Pop((by >> 8) as i64, limit)),
        1 => Just(Op::Sleep),
    ]
}

proptest! {
    #[test]
    fn pops_what_is_due_and_nothing_else(ops in prop::collection::vec(op(), 1..200)) {
        let mut pair = Pair::default();
        for op in ops {
            pair.apply(op);
            pair.check();
        }
        pair.now_ms = u64::MAX;
        pair.pop(u64::MAX, usize::MAX);
        pair.check();
        prop_assert_eq!(pair.wheel.next_due(), None);
    }
}

#[test]
fn without_deadlines_there_is_no_memory() {
    let mut wheel = TimerWheel::new();
    wheel.schedule(5, None);
    wheel.moved(9, 5);
    wheel.removed(5);
    assert_eq!(wheel.pop_due(1_000), None);
    assert_eq!(wheel.memory(), 0);
    assert_eq!(wheel.next_due(), None);
    wheel.check(10).unwrap();
    wheel.schedule(5, Some(7));
    assert!(wheel.memory() > 0);
}

#[test]
fn a_lone_deadline_is_met_to_the_millisecond_in_one_sleep() {
    for deadline in (0..64).map(|bit| 1 << bit).chain([0, 99, 600_000, 86_400_000, u64::MAX]) {
        let mut wheel = TimerWheel::new();
        wheel.schedule(0, Some(deadline));
        assert_eq!(wheel.next_due(), Some(deadline));
        if deadline > 0 {
            assert_eq!(wheel.pop_due(deadline - 1), None);
        }
        assert_eq!(wheel.pop_due(deadline), Some(0));
        assert_eq!(wheel.pop_due(u64::MAX), None);
        wheel.check(1).unwrap();
    }
}

#[test]
fn a_crowd_cascades_a_bounded_number_at_a_time_and_in_time() {
    const LEN: u64 = 20_000;
    let deadline = |slot: u64| 300_000 + slot * 7 % 10_000;
    let mut wheel = TimerWheel::new();
    for slot in 0..LEN {
        wheel.schedule(slot as Slot, Some(deadline(slot)));
    }
    let (mut popped, mut sleeps) = (BTreeSet::new(), 0);
    while let Some(now_ms) = wheel.next_due() {
        sleeps += 1;
        while let Some(slot) = wheel.pop_due(now_ms) {
            assert_eq!(deadline(u64::from(slot)), now_ms.max(deadline(u64::from(slot))), "not late");
            assert!(deadline(u64::from(slot)) <= now_ms, "not early");
            assert!(popped.insert(slot), "once");
        }
        if sleeps % 100 == 0 {
            wheel.check(LEN as usize).unwrap();
        }
    }
    assert_eq!(popped.len() as u64, LEN);
    // 10,000 distinct deadlines, and each slot moves at most ten times, many at a time.
    let for_cascades = sleeps - 10_000;
    assert!(for_cascades < 10 * LEN / MOVES as u64 + 1_000, "{for_cascades}");
}

#[test]
fn one_call_moves_a_bounded_number_of_slots() {
    let mut wheel = TimerWheel::new();
    let len = 3 * MOVES as u64;
    for slot in 0..len {
        wheel.schedule(slot as Slot, Some(5_000 + slot % 50));
    }
    // The bucket that starts at 4,096 is reached before any of its deadlines.
    assert_eq!(wheel.pop_due(4_999), None);
    assert_eq!(wheel.next_due(), Some(4_096), "asks for another call at once");
    wheel.check(len as usize).unwrap();
    assert_eq!(wheel.pop_due(4_999), None);
    assert_eq!(wheel.pop_due(4_999), None);
    assert_eq!(wheel.pop_due(4_999), None);
    assert!(wheel.next_due().is_some_and(|next| (4_992..=5_000).contains(&next)));
    wheel.check(len as usize).unwrap();
    let due: Vec<_> = std::iter::from_fn(|| wheel.pop_due(5_000)).collect();
    assert_eq!(due.len() as u64, len.div_ceil(50));
}

#[test]
fn time_may_stand_still_jump_or_go_back() {
    let mut wheel = TimerWheel::new();
    let year_ms = 365 * 86_400_000;
    wheel.schedule(0, Some(10));
    wheel.schedule(1, Some(100 * year_ms));
    wheel.schedule(2, Some(3_000 * year_ms));
    assert_eq!(wheel.pop_due(10), Some(0));
    assert_eq!(wheel.pop_due(10), None);
    assert_eq!(wheel.pop_due(1_000 * year_ms), Some(1));
    assert_eq!(wheel.pop_due(1_000 * year_ms), None);
    // Back to the start: what was due stays popped, what is set for a time that has passed is due.
    assert_eq!(wheel.pop_due(0), None);
    wheel.schedule(0, Some(500 * year_ms));
    assert_eq!(wheel.next_due(), Some(500 * year_ms));
    assert_eq!(wheel.pop_due(0), Some(0));
    assert_eq!(wheel.pop_due(u64::MAX), Some(2));
    wheel.check(3).unwrap();
}
