//! With the feature.

use super::End;
use crate::listener::Cause;
use tracing::field::Empty;
use tracing::{debug_span, error, warn};

/// Something that takes time.
pub(crate) struct Span(tracing::Span);

/// While this lives, what happens on this thread happens inside the span.
pub(crate) struct Entered<'a>(
    #[expect(dead_code, reason = "it is there to be dropped")] tracing::span::Entered<'a>,
);

impl Span {
    pub(crate) fn none() -> Self {
        Self(tracing::Span::none())
    }

    pub(crate) fn enter(&self) -> Entered<'_> {
        Entered(self.0.enter())
    }

    pub(crate) fn ended(&self, end: End) {
        let outcome = match end {
            End::Loaded => "loaded",
            End::Failed => "failed",
            End::Abandoned => "abandoned",
        };
        self.0.record("outcome", outcome);
    }

    #[cfg(feature = "persist")]
    pub(crate) fn entries(&self, entries: u64) {
        self.0.record("entries", entries);
    }
}

pub(crate) fn load(cache: &str, index: u64) -> Span {
    Span(debug_span!(target: TARGET, "load", cache, index = format_args!("{index:016x}"), outcome = Empty))
}

pub(crate) fn help_for_room(cache: &str, growth: u64) -> Span {
    Span(debug_span!(target: TARGET, "help", cache, growth))
}

pub(crate) fn help_with_log(cache: &str, pending: usize) -> Span {
    Span(debug_span!(target: TARGET, "help", cache, pending))
}

pub(crate) fn clear(cache: &str) -> Span {
    Span(debug_span!(target: TARGET, "clear", cache))
}

pub(crate) fn resize(cache: &str, max_cost: u64) -> Span {
    Span(debug_span!(target: TARGET, "resize", cache, max_cost))
}

#[cfg(feature = "persist")]
pub(crate) fn save(cache: &str) -> Span {
    Span(debug_span!(target: TARGET, "save", cache, entries = Empty))
}

#[cfg(feature = "persist")]
pub(crate) fn restore(cache: &str) -> Span {
    Span(debug_span!(target: TARGET, "restore", cache, entries = Empty))
}

#[cold]
pub(crate) fn policy_panicked(cache: &str) {
    error!(target: TARGET, cache, "the policy panicked and was replaced by the default one");
}

#[cold]
pub(crate) fn callback_panicked(cache: &str, cause: Option<Cause>) {
    warn!(target: TARGET, cache, ?cause, "a listener or a destructor panicked");
}

const TARGET: &str = "tollgate";
