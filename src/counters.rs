//! stub
use std::sync::atomic::*;
pub(crate) struct Striped<const N: usize>([AtomicU64; N]);
impl<const N: usize> Striped<N> {
    pub(crate) fn new() -> Self {
        Self([const { AtomicU64::new(0) }; N])
    }
    pub(crate) fn add(&self, i: usize, n: u64) {
        self.0[i].fetch_add(n, Ordering::Relaxed);
    }
    pub(crate) fn sum(&self, i: usize) -> u64 {
        self.0[i].load(Ordering::Relaxed)
    }
}
