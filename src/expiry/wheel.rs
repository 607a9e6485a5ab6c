//! A timer wheel over the slots of the ledger (placeholder for the first compile).

use crate::engine::ledger::Slot;

/// Deadlines of slots.
#[derive(Debug)]
pub(crate) struct TimerWheel {}

impl TimerWheel {
    pub(crate) fn new() -> Self {
        Self {}
    }
    /// Sets or (with `None`) clears the deadline of `slot`.
    pub(crate) fn schedule(&mut self, _slot: Slot, _deadline_ms: Option<u64>) {}
    /// Forgets `slot`.
    pub(crate) fn removed(&mut self, _slot: Slot) {}
    /// The entry at `from` now lives at `to`, which is vacant.
    pub(crate) fn moved(&mut self, _from: Slot, _to: Slot) {}
    /// Unschedules and returns one slot whose deadline is at or before `now_ms`.
    pub(crate) fn pop_due(&mut self, _now_ms: u64) -> Option<Slot> {
        None
    }
    /// When `pop_due` should be asked next.
    pub(crate) fn next_due(&self) -> Option<u64> {
        None
    }
    pub(crate) fn is_scheduled(&self, _s: Slot) -> bool {
        false
    }
    pub(crate) fn memory(&self) -> usize {
        0
    }
    pub(crate) fn check(&self, _len: usize) -> Result<(), String> {
        Ok(())
    }
}
