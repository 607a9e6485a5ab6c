//! stub
use std::time::{Duration, Instant};
/// c
pub trait Clock: Send + Sync + 'static {
    /// n
    fn now(&self) -> Duration;
}
/// s
#[derive(Debug)]
pub struct SystemClock(Instant);
impl SystemClock {
    /// n
    pub fn new() -> Self {
        Self(Instant::now())
    }
}
impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}
pub(crate) fn floor_ms(d: Duration) -> u64 {
    d.as_millis() as u64
}
pub(crate) fn ceil_ms(d: Duration) -> u64 {
    d.as_nanos().div_ceil(1_000_000) as u64
}
pub(crate) fn deadline_ms(now: Duration, ttl: Duration) -> Option<u64> {
    now.checked_add(ttl).map(ceil_ms)
}
