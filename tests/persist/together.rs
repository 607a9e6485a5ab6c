//! Saving and restoring while others work.

use crate::common::{Numbers, settle, watchdog};
use crate::{Small, heir, saved};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use tollgate::{Builder, Cache, Maintenance};

fn builder(slack: u64, maintenance: Maintenance) -> Builder<u64, u64> {
    Cache::builder(10_000, 1_000).slack(slack).maintenance(maintenance)
}

const KEYS: u64 = 3_000;

#[test]
fn the_budget_holds_while_entries_come_back() {
    watchdog(|| {
        for (slack, maintenance) in [
            (0, Maintenance::Thread),
            (16, Maintenance::Thread),
            (1, Maintenance::Inline),
            (100, Maintenance::Manual),
        ] {
            let before = builder(16, Maintenance::Manual).build().unwrap();
            (0..KEYS).for_each(|key| _ = before.insert(key, key, 1 + key % 3));
            before.wait().unwrap();
            let bytes = saved(&before);
            let after = heir(builder(slack, maintenance), &bytes);
            let (done, wrote) = (AtomicBool::new(false), AtomicU64::new(0));
            thread::scope(|scope| {
                for thread in 0..3 {
                    let (after, done, wrote) = (&after, &done, &wrote);
                    scope.spawn(move || {
                        let mut numbers = Numbers::new(thread + 1);
                        while !done.load(Ordering::Relaxed) {
                            let key = numbers.below(KEYS / 3) * 3 + thread;
                            match numbers.below(4) {
                                0 => {
                                    let wrote_it = after.insert(key, key + KEYS, 1 + numbers.below(5));
                                    wrote.fetch_add(wrote_it.into(), Ordering::Relaxed);
                                }
                                1 => _ = after.get_or_insert_with(&key, 2, || key + KEYS),
                                2 => _ = after.update(&key, |_| ()),
                                _ => {
                                    let found = after.get(&key);
                                    let right = found.is_none_or(|value| value % KEYS == key);
                                    assert!(right, "{key} has the value {found:?}");
                                }
                            }
                        }
                    });
                }
                for _ in 0..20 {
                    let restored = after.restore(bytes.as_slice()).unwrap();
                    let sum = restored.entries + restored.rejected + restored.present;
                    assert_eq!(sum, before.len() as u64);
                    after.check().unwrap();
                }
                while wrote.load(Ordering::Relaxed) < 1000 {
                    thread::yield_now();
                }
                done.store(true, Ordering::Relaxed);
            });
            let stats = after.stats();
            assert!(stats.peak_cost <= 1_000 + slack, "{} with a slack of {slack}", stats.peak_cost);
            settle(&after);
        }
    });
}

#[test]
fn a_written_key_keeps_its_value_while_entries_come_back() {
    watchdog(|| {
        // Room for all: nobody is evicted, so that whatever was written has to be there.
        let build = || Cache::<u64, u64>::builder(100_000, 10 * KEYS);
        let before = build().build().unwrap();
        (0..KEYS).for_each(|key| assert!(before.insert(key, key, 1)));
        before.wait().unwrap();
        let bytes = saved(&before);
        for round in 0..10 {
            let after = heir(build(), &bytes);
            thread::scope(|scope| {
                let after: &Small = &after;
                let bytes = &bytes;
                scope.spawn(move || after.restore(bytes.as_slice()).unwrap());
                let mut numbers = Numbers::new(round);
                for _ in 0..KEYS {
                    let key = numbers.below(KEYS);
                    assert!(after.insert(key, key + KEYS, 1));
                    assert_eq!(after.get(&key), Some(key + KEYS));
                }
            });
            settle(&after);
            assert_eq!(after.len() as u64, KEYS);
        }
    });
}

#[test]
fn a_cache_can_be_saved_while_it_works() {
    watchdog(|| {
        for slack in [0, 16] {
            let cache = builder(slack, Maintenance::Thread).build().unwrap();
            let done = AtomicBool::new(false);
            let snapshots = thread::scope(|scope| {
                for thread in 0..2 {
                    let (cache, done) = (&cache, &done);
                    scope.spawn(move || {
                        let mut numbers = Numbers::new(thread);
                        while !done.load(Ordering::Relaxed) {
                            let key = numbers.below(KEYS);
                            match numbers.below(8) {
                                0 => _ = cache.remove(&key),
                                1 if numbers.below(1000) == 0 => cache.clear(),
                                _ => _ = cache.insert(key, key + 7, 1 + numbers.below(9)),
                            }
                        }
                    });
                }
                let snapshots: Vec<Vec<u8>> = (0..20)
                    .map(|_| {
                        let mut bytes = Vec::new();
                        cache.save(&mut bytes).unwrap();
                        bytes
                    })
                    .collect();
                done.store(true, Ordering::Relaxed);
                snapshots
            });
            settle(&cache);
            for bytes in snapshots {
                let after = heir(builder(0, Maintenance::Manual), &bytes);
                after.restore(bytes.as_slice()).unwrap();
                settle(&after);
                let known = (0..KEYS)
                    .filter(|key| after.peek(key).inspect(|value| assert_eq!(*value, key + 7)).is_some());
                assert_eq!(known.count(), after.len());
            }
        }
    });
}
