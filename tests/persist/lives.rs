//! What is left of a life goes on: times to live, times to idle, and what an `Expiry` decided.

use crate::common::{eventually, settle};
use crate::{Small, builder, heir, saved};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tollgate::clock::ManualClock;
use tollgate::persist::{Restored, Snapshot};
use tollgate::{Cache, Expiry, Lifespan, Living, Maintenance};

const SECOND: Duration = Duration::from_secs(1);

fn restore(cache: &Small, bytes: &[u8], away: Duration) -> Restored {
    cache.restore_from(Snapshot::open(bytes).unwrap().away_for(away)).unwrap()
}

fn left(cache: &Small) -> [Option<Duration>; 5] {
    std::array::from_fn(|key| cache.remaining_ttl(&(key as u64)))
}

#[test]
fn times_to_live_go_on_where_they_were() {
    let clock = ManualClock::new();
    let before = builder(100).clock(clock.clone()).time_to_live(60 * SECOND).build().unwrap();
    clock.advance(Duration::from_micros(1_500));
    (0..4).for_each(|key| assert!(before.insert(key, key, 1)));
    assert!(before.insert_with_ttl(1, 1, 1, 10 * SECOND));
    assert!(before.set_ttl(&2, 20 * SECOND));
    assert!(before.persist(&3));
    assert!(before.insert_with_ttl(4, 4, 1, Duration::ZERO));
    before.wait().unwrap();
    clock.advance(5 * SECOND);
    let bytes = saved(&before);

    // The new cache says otherwise, for new entries.
    let clock = ManualClock::new();
    let build = || heir(builder(100).clock(clock.clone()).time_to_live(SECOND), &bytes);
    let after = build();
    assert_eq!(restore(&after, &bytes, Duration::ZERO).entries, 5);
    let forever = Some(Duration::MAX);
    assert_eq!(left(&after), [Some(55 * SECOND), Some(5 * SECOND), Some(15 * SECOND), forever, forever]);
    settle(&after);

    clock.advance(7 * SECOND);
    let after = build();
    assert_eq!(restore(&after, &bytes, 3 * SECOND).expired, 0);
    assert_eq!(left(&after), [Some(52 * SECOND), Some(2 * SECOND), Some(12 * SECOND), forever, forever]);
    clock.advance(2 * SECOND);
    assert_eq!((after.get(&1), after.get(&2)), (None, Some(2)));
    settle(&after);
    assert_eq!((after.len(), after.stats().expirations), (4, 1), "the timer wheel knows them");

    for (away, expired) in [(4_999, 0), (5_000, 1), (14_999, 1), (15_000, 2), (55_000, 3), (1 << 60, 3)] {
        let after = build();
        let restored = restore(&after, &bytes, Duration::from_millis(away));
        assert_eq!((restored.expired, restored.entries), (expired, 5 - expired), "away for {away} ms");
        settle(&after);
    }
}

#[test]
fn what_had_expired_is_not_saved() {
    let clock = ManualClock::new();
    let before = builder(100).clock(clock.clone()).build().unwrap();
    assert!(before.insert_with_ttl(1, 1, 1, SECOND) && before.insert(2, 2, 1));
    before.wait().unwrap();
    clock.advance(SECOND);
    assert_eq!(before.save(std::io::sink()).unwrap().entries, 1);
    settle(&before);
}

#[test]
fn times_to_idle_begin_afresh_for_those_who_were_not_idle_too_long() {
    let clock = ManualClock::new();
    let build = || builder(100).clock(clock.clone()).time_to_idle(10 * SECOND);
    let before = build().build().unwrap();
    (0..3).for_each(|key| assert!(before.insert(key, key, 1)));
    assert!(before.set_ttl(&2, 12 * SECOND));
    before.wait().unwrap();
    clock.advance(8 * SECOND);
    assert_eq!((before.get(&1), before.get(&2)), (Some(1), Some(2)));
    clock.advance(SECOND);
    let bytes = saved(&before);

    let after = heir(build(), &bytes);
    clock.advance(5 * SECOND);
    let restored = restore(&after, &bytes, SECOND);
    assert_eq!((restored.entries, restored.expired), (2, 1), "0 has idled away meanwhile");
    clock.advance(2 * SECOND);
    assert_eq!((after.peek(&1), after.peek(&2)), (Some(1), None), "2 had two seconds to live");
    clock.advance(Duration::from_millis(7_999));
    assert_eq!(after.peek(&1), Some(1));
    clock.advance(Duration::from_millis(1));
    assert_eq!(after.peek(&1), None);
    settle(&after);
    assert!(after.is_empty());

    // A cache without a time to idle keeps who comes back.
    let after = heir(builder(100).clock(clock.clone()), &bytes);
    assert_eq!(restore(&after, &bytes, SECOND).entries, 2);
    clock.advance(100 * SECOND);
    assert_eq!((after.peek(&1), after.peek(&2)), (Some(1), None));
    settle(&after);
}

/// So many seconds as the value says; counts how often it is asked.
struct ByValue(Arc<AtomicU64>);

impl Expiry<u64> for ByValue {
    fn after_create(&self, entry: &Living<'_, u64>) -> Lifespan {
        self.0.fetch_add(1, Ordering::Relaxed);
        Lifespan::For(Duration::from_secs(*entry.value))
    }

    fn after_update(&self, entry: &Living<'_, u64>, _left: Duration) -> Lifespan {
        self.after_create(entry)
    }

    fn after_read(&self, entry: &Living<'_, u64>) -> Lifespan {
        self.after_create(entry)
    }
}

#[test]
fn what_an_expiry_decided_stays_decided() {
    let (clock, asked) = (ManualClock::new(), Arc::new(AtomicU64::new(0)));
    let build = || builder(100).clock(clock.clone()).expiry(ByValue(asked.clone()));
    let before = build().build().unwrap();
    (10..14).for_each(|key| assert!(before.insert(key, key, 1)));
    before.wait().unwrap();
    clock.advance(5 * SECOND);
    let bytes = saved(&before);
    let after = heir(build(), &bytes);
    let asks = asked.load(Ordering::Relaxed);
    assert_eq!(restore(&after, &bytes, 6 * SECOND).expired, 2);
    assert_eq!(asked.load(Ordering::Relaxed), asks, "nobody was asked");
    assert_eq!(after.remaining_ttl(&13), Some(2 * SECOND));
    assert_eq!(after.get(&13), Some(13));
    assert_eq!(after.remaining_ttl(&13), Some(13 * SECOND), "but for reads, as ever");
    settle(&after);
}

#[test]
fn the_hosts_clock_counts_while_nobody_runs() {
    let before = builder(100).build().unwrap();
    assert!(before.insert_with_ttl(1, 1, 1, 3600 * SECOND));
    before.wait().unwrap();
    let bytes = saved(&before);
    let after = heir(builder(100), &bytes);
    after.restore(bytes.as_slice()).unwrap();
    let left = after.remaining_ttl(&1).unwrap();
    assert!(left <= 3600 * SECOND && left > 1800 * SECOND, "{left:?}");
    settle(&after);
}

#[test]
fn the_processor_reclaims_what_came_back() {
    let before: Small = builder(100).build().unwrap();
    (0..50).for_each(|key| assert!(before.insert_with_ttl(key, key, 1, 3600 * SECOND)));
    before.wait().unwrap();
    let bytes = saved(&before);
    let after = heir(Cache::builder(1000, 100).maintenance(Maintenance::Thread), &bytes);
    after.wait().unwrap();
    // Time to fall asleep; if it has not, the test is easier than it should be.
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(restore(&after, &bytes, 3600 * SECOND - Duration::from_millis(1500)).entries, 50);
    eventually("they expire without traffic", || after.is_empty());
    settle(&after);
}
