//! A measure in a process of its own: a fresh heap, no threads but those that it starts, nothing left over.

use crate::peers::Entry;
use crate::{alloc, measures};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};

/// What a child process is asked to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Probe {
    /// Bytes for each of `size` entries.
    Entries,
    /// An empty cache of capacity `size`.
    Empty,
    /// The peak against a budget of `size` bytes.
    Budget,
    /// One new key into a cache of `size` residents.
    Growth,
    /// Inserts unseen, and entries beyond a capacity of `size`.
    Visibility,
}

impl Probe {
    fn name(self) -> &'static str {
        match self {
            Self::Entries => "entries",
            Self::Empty => "empty",
            Self::Budget => "budget",
            Self::Growth => "growth",
            Self::Visibility => "visibility",
        }
    }
}

/// Named figures; what could not be measured is not among them.
pub(crate) type Figures = BTreeMap<String, f64>;

/// Runs a probe on one cache in a child process; the reason if it failed.
pub(crate) fn probe(probe: Probe, entry: &Entry, size: u64) -> Result<Figures, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(program)
        .args(["isolated", probe.name(), &size.to_string(), "--only", entry.name()])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("{} failed: {}", entry.name(), output.status));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

/// The child's side: measures, and prints the figures.
pub(crate) fn serve(probe: Probe, entry: &Entry, size: u64) {
    if matches!(probe, Probe::Entries | Probe::Empty) {
        alloc::count();
    }
    let figures = match probe {
        Probe::Entries => measures::memory::entries(entry, size),
        Probe::Empty => measures::memory::empty(entry, size),
        Probe::Budget => measures::memory::budget(entry, size),
        Probe::Growth => measures::growth::measure(entry, size),
        Probe::Visibility => measures::visibility::measure(entry, size),
    };
    println!("{}", serde_json::to_string(&figures).expect("names and numbers"));
}

/// Collects named figures.
pub(crate) fn figures<const N: usize>(named: [(&str, Option<f64>); N]) -> Figures {
    named.into_iter().filter_map(|(name, figure)| Some((name.to_owned(), figure?))).collect()
}
