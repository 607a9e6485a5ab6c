//! The marks: which shards have something to tell.

use std::sync::atomic::{AtomicU64, Ordering};

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
