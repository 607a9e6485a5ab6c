//! What the threads of a soak do.

use super::account::{Account, Token};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tollgate::{Cache, Computed, Event, InsertError, InsertOptions, Loaded, Op, Reservation};

pub(super) type Soaked = Cache<u64, Arc<Token>>;

/// What a planted panic says.
pub(super) const PLANTED: &str = "planted";

/// Counts what left, and panics now and then.
pub(super) fn listener(account: &'static Account) -> impl Fn(Event<Arc<Token>>) + Send + Sync + 'static {
    let calls = AtomicU64::new(0);
    move |event| {
        account.announce(&event.value);
        if calls.fetch_add(1, Ordering::Relaxed) % 10_007 == 10_006 {
            std::panic::panic_any(PLANTED);
        }
    }
}

/// One thread's hand in it.
pub(super) struct Worker<'a> {
    cache: &'a Soaked,
    account: &'static Account,
    /// The most that the store may ever have held.
    bound: &'a AtomicU64,
    max_cost: u64,
    random: u64,
}

impl<'a> Worker<'a> {
    pub(super) fn new(
        cache: &'a Soaked,
        account: &'static Account,
        bound: &'a AtomicU64,
        max_cost: u64,
        seed: u64,
    ) -> Self {
        Self { cache, account, bound, max_cost, random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    /// xorshift64*.
    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % bound
    }

    /// Popular keys among many.
    fn key(&mut self) -> u64 {
        match self.below(4) {
            0 => self.below(100_000),
            _ => self.below(60) * self.below(60),
        }
    }

    fn value(&mut self) -> Arc<Token> {
        Arc::new(Token::new(self.below(1 << 20), false, self.account))
    }

    pub(super) fn step(&mut self) {
        let (cache, key) = (self.cache, self.key());
        match self.below(1000) {
            0..=549 => drop(cache.get(&key)),
            550..=729 => self.insert(key),
            730..=789 => cache.remove(&key).into_iter().for_each(|value| self.account.hand_back(&value)),
            790..=839 => self.load(key),
            840..=879 => self.compute(key),
            880..=919 => _ = cache.update(&key, |value| _ = value.tag),
            920..=939 => _ = cache.set_ttl(&key, Duration::from_millis(1)),
            940..=959 => drop(cache.get_many(&[key, key + 1, key + 2])),
            960..=979 => {
                let items: Vec<_> = (0..4).map(|next| (key + next, self.value(), 3)).collect();
                cache.insert_many(items).into_iter().for_each(|outcome| self.settle(outcome));
            }
            980..=989 => {
                let removed = cache.remove_many(&[key, key + 7]);
                removed.into_iter().flatten().for_each(|value| self.account.hand_back(&value));
            }
            990..=998 => cache.run_pending(),
            _ => self.rare(),
        }
    }

    fn rare(&mut self) {
        match self.below(40) {
            0 => self.cache.clear(),
            1 => self.cache.retain(|_, value| !value.tag.is_multiple_of(9)),
            2..=5 => {
                let max_cost = self.max_cost / 2 + self.below(self.max_cost / 2 + 1);
                let slack = self.cache.slack().max(1 + max_cost / 64);
                // Before it may be made use of.
                self.bound.fetch_max(max_cost.saturating_add(slack), Ordering::Relaxed);
                self.cache.set_max_cost(max_cost);
            }
            6 => _ = self.cache.iter().count(),
            _ => _ = self.cache.wait(),
        }
    }

    fn settle<T>(&self, outcome: Result<T, InsertError<Arc<Token>>>) {
        if let Err(error) = outcome {
            self.account.hand_back(&error.into_value());
        }
    }

    fn insert(&mut self, key: u64) {
        let (value, cost) = (self.value(), 1 + self.below(40));
        let time_to_live = (self.below(8) == 0).then(|| Duration::from_micros(self.below(3000)));
        let options = InsertOptions { time_to_live, if_present: self.below(9) == 0, ..Default::default() };
        self.settle(self.cache.try_insert_with(key, value, cost, options));
    }

    fn compute(&mut self, key: u64) {
        let (fresh, choice, cost) = (self.value(), self.below(4), 1 + self.below(60));
        let mut fresh = Some(fresh);
        let outcome = self.cache.compute(&key, |entry| match (entry.is_some(), choice) {
            (_, 0) => fresh.take().map_or(Op::Keep, |value| Op::Put { value, cost }),
            (true, 1) => Op::Remove,
            (true, 2) => Op::Recost(cost),
            _ => Op::Keep,
        });
        if let Some(unused) = fresh {
            self.account.hand_back(&unused);
        }
        match outcome {
            Ok(Computed::Removed(value)) => self.account.hand_back(&value),
            other => self.settle(other),
        }
    }

    fn load(&mut self, key: u64) {
        let (cache, choice) = (self.cache, self.below(12));
        let mut load = || {
            if choice == 0 {
                std::panic::panic_any(PLANTED);
            }
            Arc::new(Token::new(self.below(1 << 20), true, self.account))
        };
        match choice {
            0..=3 => {
                // The panic of a load goes to its caller.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(cache.get_or_insert_with(&key, 2, load))));
            }
            4 => drop(cache.get_or_try_insert_with(&key, 2, || Err::<Arc<Token>, _>(PLANTED))),
            5..=7 => {
                let brief = Duration::from_millis(1);
                drop(cache.get_or_load(&key, || Ok::<_, ()>(Loaded::new(load(), 5).time_to_live(brief))));
            }
            _ => match cache.get_or_reserve(&key) {
                Reservation::Present(value) => drop(value),
                Reservation::Vacant(vacancy) if choice == 8 => drop(vacancy),
                Reservation::Vacant(vacancy) => drop(vacancy.insert(load(), 7)),
            },
        }
    }
}
