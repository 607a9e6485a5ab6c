//! Without the feature.

use super::End;
use crate::listener::Cause;

pub(crate) struct Span;

pub(crate) struct Entered;

impl Span {
    #[inline(always)]
    pub(crate) fn none() -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn enter(&self) -> Entered {
        Entered
    }

    #[inline(always)]
    pub(crate) fn ended(&self, _end: End) {}

    #[cfg(feature = "persist")]
    #[inline(always)]
    pub(crate) fn entries(&self, _entries: u64) {}
}

#[inline(always)]
pub(crate) fn load(_cache: &str, _index: u64) -> Span {
    Span
}

#[inline(always)]
pub(crate) fn help_for_room(_cache: &str, _growth: u64) -> Span {
    Span
}

#[inline(always)]
pub(crate) fn help_with_log(_cache: &str, _pending: usize) -> Span {
    Span
}

#[inline(always)]
pub(crate) fn clear(_cache: &str) -> Span {
    Span
}

#[inline(always)]
pub(crate) fn resize(_cache: &str, _max_cost: u64) -> Span {
    Span
}

#[cfg(feature = "persist")]
#[inline(always)]
pub(crate) fn save(_cache: &str) -> Span {
    Span
}

#[cfg(feature = "persist")]
#[inline(always)]
pub(crate) fn restore(_cache: &str) -> Span {
    Span
}

#[inline(always)]
pub(crate) fn policy_panicked(_cache: &str) {}

#[inline(always)]
pub(crate) fn callback_panicked(_cache: &str, _cause: Option<Cause>) {}
