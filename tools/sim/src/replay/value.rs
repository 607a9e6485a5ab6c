//! Values that keep an account of themselves.
//!
//! A value adds its cost to a shared account when it is made and takes it off when it is dropped, so the
//! account knows what is alive whatever the cache believes. It also knows its key: a read that returns
//! another key's value is seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What the values of one cache cost in all, as told by themselves.
///
/// Relaxed throughout: the figures are read while work goes on, when only their own consistency counts, and once after
/// all threads were joined.
#[derive(Debug, Default)]
pub(super) struct Account {
    alive: AtomicU64,
    made: AtomicU64,
}

impl Account {
    /// The cost of the values that are alive now: in the store, or on their way in or out.
    pub(super) fn alive(&self) -> u64 {
        self.alive.load(Relaxed)
    }

    /// How many values were ever made.
    pub(super) fn made(&self) -> u64 {
        self.made.load(Relaxed)
    }
}

/// A cached value: nothing but its account.
#[derive(Debug)]
pub(super) struct Value {
    key: u64,
    cost: u64,
    account: Arc<Account>,
}

impl Value {
    pub(super) fn new(key: u64, cost: u64, account: &Arc<Account>) -> Arc<Self> {
        account.alive.fetch_add(cost, Relaxed);
        account.made.fetch_add(1, Relaxed);
        Arc::new(Self { key, cost, account: Arc::clone(account) })
    }

    /// The key that it was made for.
    pub(super) fn key(&self) -> u64 {
        self.key
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.account.alive.fetch_sub(self.cost, Relaxed);
    }
}
