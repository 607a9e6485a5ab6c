//! The account of every value: made once, gone one way, dropped once.

use std::sync::atomic::{AtomicU64, Ordering};

/// Sums of single events, each Relaxed: they are compared only while all threads pause at a barrier.
///
/// Of a loaded value nobody but the cache knows whether it was kept; it is counted when it is made and dropped only.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) made: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) loaded: AtomicU64,
    /// Given to the listener.
    pub(super) announced: AtomicU64,
    /// Handed back to a caller, or resident in a cache that was dropped.
    pub(super) handed_back: AtomicU64,
}

impl Account {
    pub(super) fn announce(&self, token: &Token) {
        self.announced.fetch_add(u64::from(!token.loaded), Ordering::Relaxed);
    }

    pub(super) fn hand_back(&self, token: &Token) {
        self.handed_back.fetch_add(u64::from(!token.loaded), Ordering::Relaxed);
    }

    /// What is wrong with the account while so many values, and so many that were not loaded, are in the one cache that there is.
    pub(super) fn audit(&self, resident: u64, not_loaded: u64) -> Option<String> {
        let at = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (made, dropped, loaded) = (at(&self.made), at(&self.dropped), at(&self.loaded));
        if made != dropped + resident {
            return Some(format!("{made} values made, {dropped} dropped, {resident} resident"));
        }
        let (announced, handed_back) = (at(&self.announced), at(&self.handed_back));
        (made - loaded != announced + handed_back + not_loaded).then(|| {
            format!(
                "{made} values made, {loaded} of them loaded; of the others {announced} announced, {handed_back} handed back, \
                 {not_loaded} resident"
            )
        })
    }
}

/// A value that is counted.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) tag: u64,
    pub(super) loaded: bool,
    account: &'static Account,
}

impl Token {
    pub(super) fn new(tag: u64, loaded: bool, account: &'static Account) -> Self {
        account.made.fetch_add(1, Ordering::Relaxed);
        account.loaded.fetch_add(u64::from(loaded), Ordering::Relaxed);
        Self { tag, loaded, account }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.account.dropped.fetch_add(1, Ordering::Relaxed);
    }
}
