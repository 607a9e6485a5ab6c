//! The progress bar: on standard error, and only if that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// Counts requests played, over all runs of one trace.
#[derive(Debug, Clone)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar for `requests` requests in all.
    pub fn new(label: String, requests: u64) -> Self {
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {percent:>3} %  {per_sec}  {eta} left")
            .expect("the template is well-formed");
        Self(ProgressBar::new(requests).with_style(style).with_prefix(label))
    }

    /// A bar that is never shown.
    #[cfg(test)]
    pub fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    /// That many more were played.
    pub fn advance(&self, requests: u64) {
        self.0.inc(requests);
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
