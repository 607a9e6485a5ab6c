//! A sequence of calls split over two or three threads: then they are joined, the cache is settled, and the oracle and the books of all
//! values must agree. Shared with the fuzz target.
//!
//! What each call answers depends on the schedule and is not predicted; what became of every value is.

use super::{Books, Value, audit_to_the_end};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use tollgate::clock::ManualClock;
use tollgate::policy::PolicyKind;
use tollgate::{Cache, InsertOptions, Maintenance, Op};

/// One step in its raw form: what, on which key, with which number.
pub type RawStep = (u8, u8, u16);

/// Plays `steps`, dealt out to the threads one by one.
pub fn play([policy, cost, slack, flags]: [u8; 4], steps: &[RawStep]) {
    let threads = 2 + usize::from(flags & 1);
    let maintenance =
        [Maintenance::Thread, Maintenance::Inline, Maintenance::Manual][usize::from(flags / 2 % 3)];
    let max_cost = [1, 4, 30, 200][cost as usize % 4];
    let (books, clock) = (Books::new(), ManualClock::new());
    let heard = Arc::clone(&books);
    let mut builder = Cache::<u64, Value>::builder(400, max_cost)
        .policy(PolicyKind::ALL[policy as usize % PolicyKind::ALL.len()].clone())
        .maintenance(maintenance)
        .clock(clock.clone())
        .listener(move |event| heard.hear(event));
    if let Some(slack) = [None, Some(0), Some(3), Some(1000)][slack as usize % 4] {
        builder = builder.slack(slack);
    }
    if flags & 8 != 0 {
        builder = builder.replace_if(|old: &Value, new: &Value| !(old.tag ^ new.tag).is_multiple_of(5));
    }
    if flags & 16 != 0 {
        builder = builder.time_to_idle(Duration::from_millis(40));
    }
    let quota = max_cost * u64::from(flags >> 5 & 3) / 3;
    let cache = builder.pin_quota(quota).build().expect("every option is in range");
    let bound = AtomicU64::new(cache.max_cost().saturating_add(cache.slack()));
    thread::scope(|scope| {
        for number in 0..threads {
            let hand: Vec<_> = steps.iter().skip(number).step_by(threads).copied().collect();
            let (cache, books, clock, bound) = (&cache, &books, &clock, &bound);
            scope.spawn(move || hand.iter().for_each(|&raw| step(cache, books, clock, bound, raw)));
        }
    });
    let peak = cache.stats().peak_cost;
    let bound = bound.into_inner();
    assert!(peak <= bound, "a peak of {peak} passes {bound}");
    if flags & 16 != 0 {
        // Nothing is to expire between the count of the residents and the audit: what is late leaves now.
        cache.wait().expect("not forked");
    }
    audit_to_the_end(cache, &books);
}

fn step(
    cache: &Cache<u64, Value>,
    books: &Arc<Books>,
    clock: &ManualClock,
    bound: &AtomicU64,
    (what, key, number): RawStep,
) {
    let (key, cost) = (u64::from(key % 24), u64::from(number % 6));
    let time_to_live =
        [None, None, Some(Duration::from_millis(9)), Some(Duration::MAX)][usize::from(number >> 14)];
    let if_present = number & 0x1000 != 0;
    let value = || books.value(number.into());
    match what % 26 {
        0..=7 => {
            let pinned = number.is_multiple_of(5);
            let options = InsertOptions { time_to_live, if_present, pinned, tag: None };
            books.hand_back_refused(cache.try_insert_with(key, value(), cost, options));
        }
        8..=10 => _ = cache.get_with(&key, |value| value.tag),
        11..=13 => cache.remove(&key).into_iter().for_each(|value| books.hand_back(value)),
        14 => {
            let outcome = cache.compute(&key, |entry| match (entry, number % 4) {
                (None, _) | (Some(_), 0) => Op::Put { value: value(), cost },
                (Some(_), 1) => Op::Remove,
                (Some(_), 2) => Op::Recost(cost),
                (Some(_), _) => Op::Keep,
            });
            match outcome {
                Ok(tollgate::Computed::Removed(value)) => books.hand_back(value),
                other => _ = books.hand_back_refused(other),
            }
        }
        15 => _ = cache.update(&key, |value| value.tag += 1),
        16 => _ = cache.set_ttl(&key, time_to_live.unwrap_or(Duration::from_millis(3))),
        17 => clock.advance(Duration::from_millis(u64::from(number % 12))),
        18 => {
            let max_cost = 1 + u64::from(number % 64);
            // Before it may be made use of.
            let slack = cache.slack().max(1 + max_cost / 64);
            bound.fetch_max(max_cost + slack, Ordering::Relaxed);
            cache.set_max_cost(max_cost);
        }
        19 if number.is_multiple_of(4) => cache.clear(),
        19 => cache.retain(|_, value| value.tag % 7 != 0),
        20 => {
            let items = (0..4).map(|next| ((key + next) % 24, value(), cost));
            for outcome in cache.insert_many(items) {
                books.hand_back_refused(outcome);
            }
        }
        21 => {
            let keys = [key, (key + 5) % 24, key];
            cache.remove_many(&keys).into_iter().flatten().for_each(|value| books.hand_back(value));
        }
        22 => cache.run_pending(),
        23 => _ = cache.pin(&key),
        24 => _ = cache.unpin(&key),
        _ => cache.wait().expect("not forked"),
    }
}
