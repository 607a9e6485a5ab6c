//! The account of every value: made once, gone one way, dropped once.

use std::sync::atomic::{AtomicU64, Ordering};

/// Sums of single events, each Relaxed: they are compared only while all threads pause at a barrier.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) made: AtomicU64,
    pub(super) dropped: AtomicU64,
    /// Given to the listener.
    pub(super) announced: AtomicU64,
    /// Handed back to a caller.
    pub(super) handed_back: AtomicU64,
    /// Made by loaders: their callers cannot know whether the cache has kept them.
    pub(super) loaded: AtomicU64,
}

impl Account {
    pub(super) fn announce(&self) {
        self.announced.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn hand_back(&self) {
        self.handed_back.fetch_add(1, Ordering::Relaxed);
    }

    /// What is wrong with the account while `resident` values are in the one cache that there is.
    pub(super) fn audit(&self, resident: u64) -> Option<String> {
        let at = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (made, dropped, loaded) = (at(&self.made), at(&self.dropped), at(&self.loaded));
        if made != dropped + resident {
            return Some(format!("{made} values made, {dropped} dropped, {resident} resident"));
        }
        // What left otherwise than by the end of a cache, which is counted as handed back.
        let told = at(&self.announced) + at(&self.handed_back) + resident;
        if told > made || told + loaded < made {
            return Some(format!(
                "{made} values made, {loaded} of them loaded; {told} announced, handed back or resident"
            ));
        }
        None
    }
}

/// A value that is counted.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) tag: u64,
    account: &'static Account,
}

impl Token {
    pub(super) fn new(tag: u64, account: &'static Account) -> Self {
        account.made.fetch_add(1, Ordering::Relaxed);
        Self { tag, account }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.account.dropped.fetch_add(1, Ordering::Relaxed);
    }
}
