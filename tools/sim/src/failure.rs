//! Why a command could not do its work.

use crate::trace::TraceError;
use std::fmt;
use std::io;
use std::path::PathBuf;
use tollgate::BuildError;

/// See the [module](self). Each is the user's to mend, and exits with code 2.
#[derive(Debug)]
pub enum Failure {
    /// A trace cannot be read.
    Trace(TraceError),
    /// A file cannot be written.
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No cache can be built so.
    Build(BuildError),
    /// A thread cannot be started.
    Thread(io::Error),
    /// Standard output cannot be written.
    Output(io::Error),
}

impl Failure {
    /// Whether the reader of our output has heard enough.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(source) if source.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl From<TraceError> for Failure {
    fn from(error: TraceError) -> Self {
        Self::Trace(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trace(error) => error.fmt(f),
            Self::Write { path, source } => write!(f, "cannot write {}: {source}", path.display()),
            Self::Build(error) => error.fmt(f),
            Self::Thread(source) => write!(f, "cannot start a thread: {source}"),
            Self::Output(source) => write!(f, "cannot write the output: {source}"),
        }
    }
}

impl std::error::Error for Failure {}
