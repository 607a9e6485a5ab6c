//! The marks: which shards have something to tell.

use crate::sync::{AtomicU64, Ordering};

/// Which shards have pending commands: one bit each.
///
/// `Ordering:` setting a bit and the processor's last look before it sleeps are both sequentially
/// consistent, as are the two accesses of the [`Bell`](crate::processor): either the writer sees the sleeper,
/// or the sleeper sees the bit. The commands themselves are published by the shard's lock.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    words: [AtomicU64; 4],
}

impl Dirty {
    pub(crate) fn mark(&self, shard: usize) {
        self.words[shard / 64].fetch_or(1 << (shard % 64), Ordering::SeqCst);
    }

    /// Unmarks a shard. To be called *before* its log is swapped out, under its lock or not: a write that
    /// comes after the swap starts a new log and marks again.
    pub(crate) fn unmark(&self, shard: usize) {
        self.words[shard / 64].fetch_and(!(1 << (shard % 64)), Ordering::SeqCst);
    }

    pub(crate) fn has(&self, shard: usize) -> bool {
        self.words[shard / 64].load(Ordering::SeqCst) & (1 << (shard % 64)) != 0
    }

    pub(crate) fn any(&self) -> bool {
        self.words.iter().any(|word| word.load(Ordering::SeqCst) != 0)
    }

    /// The first marked shard at or after `from`, going round.
    pub(crate) fn next(&self, from: usize) -> Option<usize> {
        let (word, bit) = (from / 64 % 4, from % 64);
        let here = self.words[word].load(Ordering::SeqCst);
        let ahead = here & (u64::MAX << bit);
        if ahead != 0 {
            return Some(word * 64 + ahead.trailing_zeros() as usize);
        }
        (1..=4).map(|step| (word + step) % 4).find_map(|word| {
            let bits = self.words[word].load(Ordering::SeqCst);
            (bits != 0).then(|| word * 64 + bits.trailing_zeros() as usize)
        })
    }
}

#[cfg(all(test, not(any(tollgate_loom, tollgate_shuttle))))]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Marks of all kinds, beside a set: who is marked, and who is next from everywhere.
    #[test]
    fn it_is_a_set_of_shards_that_goes_round() {
        let (dirty, mut set) = (Dirty::default(), BTreeSet::new());
        assert!(!dirty.any() && dirty.next(0).is_none());
        for step in 0..400 {
            let shard = step * 97 % 256;
            if step % 3 == 0 && set.len() > 1 {
                let gone = *set.range(shard..).next().or(set.first()).expect("it is not empty");
                dirty.unmark(gone);
                set.remove(&gone);
            } else {
                dirty.mark(shard);
                set.insert(shard);
            }
            assert_eq!(dirty.any(), !set.is_empty());
            for from in 0..256 {
                assert_eq!(dirty.has(from), set.contains(&from));
                let next = set.range(from..).next().copied();
                // Going round begins with the next word of 64, wherever in it.
                let after = |word: usize| set.range(word % 4 * 64..word % 4 * 64 + 64).next().copied();
                let round = || (1..=4).find_map(|step| after(from / 64 + step));
                let here = next.filter(|next| next / 64 == from / 64);
                assert_eq!(dirty.next(from), here.or_else(round), "from {from} of {set:?}");
            }
        }
    }
}

/// `RUSTFLAGS="--cfg tollgate_loom" cargo test --release --lib loom`
#[cfg(all(test, tollgate_loom))]
mod loom_tests {
    use super::*;
    use loom::sync::{Arc, Mutex};
    use loom::thread;

    /// A shard's log, under a lock that loom knows.
    type Log = Mutex<Vec<u32>>;

    fn write(dirty: &Dirty, log: &Log, command: u32) {
        let mut log = log.lock().unwrap();
        log.push(command);
        if log.len() == 1 {
            dirty.mark(0);
        }
    }

    fn settle(dirty: &Dirty, log: &Log) -> Vec<u32> {
        dirty.unmark(0);
        std::mem::take(&mut *log.lock().unwrap())
    }

    /// Two writers and a turn: what the turn did not take is marked for the next one, and nothing is taken twice.
    #[test]
    fn loom_a_log_that_is_not_empty_is_marked() {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(|| {
            let shared = Arc::new((Dirty::default(), Log::default()));
            let writers: Vec<_> = (1..=2)
                .map(|command| {
                    let shared = shared.clone();
                    thread::spawn(move || write(&shared.0, &shared.1, command))
                })
                .collect();
            let mut taken = settle(&shared.0, &shared.1);
            taken.extend(settle(&shared.0, &shared.1));
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            let (dirty, log) = &*shared;
            assert!(log.lock().unwrap().is_empty() || dirty.has(0), "commands without a mark");
            taken.extend(settle(dirty, log));
            taken.sort_unstable();
            assert_eq!(taken, [1, 2]);
        });
    }
}
