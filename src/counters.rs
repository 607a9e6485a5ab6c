//! Counters that many threads bump and few read.
//!
//! One shared counter is one cache line for which all cores compete. [`Striped`] keeps a line per stripe of threads
//! instead: an addition is one uncontended atomic, a few nanoseconds, and a reading adds the stripes up.
//!
//! A sum is exact once the threads that counted have been waited for. Taken meanwhile, it is a number that the
//! count had, or nearly: two counters that are read one after the other may disagree by what happened
//! between.
//!
//! Which events are counted, and what they are called, is the business of the owner.

use crossbeam_utils::CachePadded;
use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// `N` counters, striped by thread.
#[derive(Debug)]
pub(crate) struct Striped<const N: usize> {
    /// A power of two of them. Every counter is written by [`add`](Self::add) and read by [`sum`](Self::sum), all
    /// Relaxed: it publishes nothing but itself, and additions to one atomic are never lost.
    stripes: Box<[CachePadded<[AtomicU64; N]>]>,
}

impl<const N: usize> Striped<N> {
    /// Counters at zero.
    pub(crate) fn new() -> Self {
        let stripe = || CachePadded::new([const { AtomicU64::new(0) }; N]);
        Self { stripes: (0..stripes_up_to(MAX_STRIPES)).map(|_| stripe()).collect() }
    }

    /// Adds `n` to counter `which`.
    ///
    /// # Panics
    /// If `which` is not below `N`.
    #[inline]
    pub(crate) fn add(&self, which: usize, n: u64) {
        let stripe = thread_stripe() & (self.stripes.len() - 1);
        self.stripes[stripe][which].fetch_add(n, Ordering::Relaxed);
    }

    /// The value of counter `which`. O(stripes).
    ///
    /// # Panics
    /// If `which` is not below `N`.
    pub(crate) fn sum(&self, which: usize) -> u64 {
        // A count of what has happened does not reach 2^64; if it did, wrapping is what `fetch_add` does.
        self.stripes.iter().fold(0, |sum, stripe| sum.wrapping_add(stripe[which].load(Ordering::Relaxed)))
    }
}

/// The stripe of the calling thread: a number that it keeps for life, to be taken modulo the number of stripes.
///
/// Threads are numbered in the order in which they first ask, so that the first so many have stripes of their own.
#[inline]
pub(crate) fn thread_stripe() -> usize {
    // A constant without a destructor can be read even while the thread's other locals are being
    // destroyed. Should a platform refuse, any stripe is correct.
    match STRIPE.try_with(Cell::get) {
        Ok(UNASSIGNED) => assign_stripe(),
        Ok(stripe) => stripe,
        Err(_) => 0,
    }
}

#[cold]
fn assign_stripe() -> usize {
    /// The next number. Relaxed: all that matters is that each is given once.
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let stripe = NEXT.fetch_add(1, Ordering::Relaxed) % UNASSIGNED;
    // Where it cannot be kept, it is not needed for long.
    let _ = STRIPE.try_with(|kept| kept.set(stripe));
    stripe
}

/// The number of stripes that suits the machine: the least power of two that gives each core its own, at most `max`.
pub(crate) fn stripes_up_to(max: usize) -> usize {
    // Asking the system reads files on some platforms.
    static PARALLELISM: OnceLock<usize> = OnceLock::new();
    let parallelism =
        *PARALLELISM.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from));
    parallelism.next_power_of_two().min(max)
}

thread_local! {
    static STRIPE: Cell<usize> = const { Cell::new(UNASSIGNED) };
}

const UNASSIGNED: usize = usize::MAX;
/// Counters are read rarely; beyond this many stripes, sharing one costs less than reading them all.
const MAX_STRIPES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_addition_is_lost() {
        const ADDITIONS: u64 = 200_000;
        let counters = Striped::<3>::new();
        let start = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (counters, start) = (&counters, &start);
                scope.spawn(move || {
                    // Two threads to a stripe, so that they do compete.
                    STRIPE.set(thread as usize / 2);
                    start.wait();
                    for _ in 0..ADDITIONS {
                        counters.add(0, 1);
                        counters.add(2, thread);
                    }
                });
            }
        });
        assert_eq!(counters.sum(0), 4 * ADDITIONS);
        assert_eq!(counters.sum(1), 0);
        assert_eq!(counters.sum(2), 6 * ADDITIONS);
    }

    #[test]
    #[should_panic(expected = "out of bounds")]
    fn there_are_as_many_counters_as_were_asked_for() {
        Striped::<3>::new().add(3, 1);
    }

    #[test]
    fn a_thread_keeps_its_stripe_and_shares_it_with_no_other() {
        let own = thread_stripe();
        assert_eq!(thread_stripe(), own);
        let other = std::thread::spawn(|| (thread_stripe(), thread_stripe())).join().unwrap();
        assert_eq!(other.0, other.1);
        assert_ne!(other.0, own);
    }

    #[test]
    fn threads_count_in_different_lines() {
        let counters = Striped::<1>::new();
        for stripe in 0..counters.stripes.len() {
            STRIPE.set(stripe);
            counters.add(0, 1);
        }
        assert!(counters.stripes.iter().all(|line| line[0].load(Ordering::Relaxed) == 1));
        assert_eq!(counters.memory(), counters.stripes.len() * size_of::<CachePadded<u64>>());
    }

    #[test]
    fn stripes_are_a_power_of_two_up_to_the_limit() {
        assert_eq!(stripes_up_to(1), 1);
        let stripes = stripes_up_to(64);
        assert!(stripes.is_power_of_two() && stripes <= 64);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        assert!(stripes >= cores.min(64));
    }

    /// A cache may be dropped, and so counted in, by the destructor of a thread-local.
    #[test]
    fn destructors_of_thread_locals_may_count() {
        use std::sync::Arc;
        struct CountsWhenDropped(Arc<Striped<1>>);
        impl Drop for CountsWhenDropped {
            fn drop(&mut self) {
                self.0.add(0, 1);
            }
        }
        thread_local!(static LOCAL: Cell<Option<CountsWhenDropped>> = const { Cell::new(None) });
        let counters = Arc::new(Striped::new());
        let given = counters.clone();
        std::thread::spawn(move || LOCAL.set(Some(CountsWhenDropped(given)))).join().unwrap();
        assert_eq!(counters.sum(0), 1);
    }
}
