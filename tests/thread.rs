//! The processor as the operating system sees it: one thread for each cache, asleep when idle, gone with the cache. In a file of
//! its own, as the threads of other tests would be counted as well.

mod common;

use common::{eventually, threads_named, watchdog};
use std::fs;
use std::thread;
use std::time::Duration;
use tollgate::{Cache, Maintenance};

#[test]
fn one_thread_for_each_cache_asleep_when_idle_and_gone_with_it() {
    if threads_named("tollgate").is_none() {
        eprintln!("skipped: this system does not list the threads of a process");
        return;
    }
    watchdog(|| {
        let manual: Cache<u64, u64> =
            Cache::builder(100, 10).maintenance(Maintenance::Manual).build().unwrap();
        manual.insert(1, 1, 1);
        assert_eq!(threads(), 0, "no thread where none was asked for");

        let caches: Vec<Cache<u64, u64>> = (0..3).map(|_| Cache::new(1000, 100).unwrap()).collect();
        let clones = caches.clone();
        for cache in &caches {
            (0..500).for_each(|key| _ = cache.insert(key, key, 1));
            cache.wait().unwrap();
        }
        eventually("each has its thread", || threads() == 3);

        eventually("they sleep", || {
            let before = wake_ups();
            thread::sleep(Duration::from_millis(50));
            wake_ups() == before
        });
        let before = wake_ups();
        thread::sleep(Duration::from_millis(400));
        assert_eq!(wake_ups(), before, "an idle cache wakes nobody");

        drop(caches);
        assert_eq!(threads(), 3, "clones keep them");
        drop(clones);
        assert_eq!(threads(), 0, "the last handle has joined them");

        for round in 0..2000 {
            let cache: Cache<u64, u64> = Cache::new(100, 10).unwrap();
            cache.insert(round, round, 1);
        }
        assert_eq!(threads(), 0, "2,000 caches came and went");
    });
}

fn threads() -> usize {
    threads_named("tollgate").expect("it was there before")
}

/// How often the processors went to sleep, all together.
fn wake_ups() -> u64 {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let statuses = tasks.filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
    let processors = statuses.filter(|status| status.starts_with("Name:\ttollgate\n"));
    let switches = processors.filter_map(|status| {
        let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches"))?;
        line.split_whitespace().last()?.parse::<u64>().ok()
    });
    switches.sum()
}
