//! Which traces a command works on, and how they are read: the arguments that all commands share.

use crate::failure::Failure;
use crate::trace::{self, Columns, Format, LoadOptions, Trace, TraceError};
use clap::Args;
use std::path::PathBuf;

/// See the [module](self).
#[derive(Debug, Clone, Args)]
pub struct TraceArgs {
    /// Trace files, raw or compressed (zstd, gzip). Without any, a synthetic trace is made: one million
    /// requests, Zipf 0.9, drifting popularity, scans.
    #[arg(value_name = "TRACE")]
    traces: Vec<PathBuf>,

    /// The format of the traces; worked out from name and content if absent.
    #[arg(long, value_name = "FORMAT", value_enum)]
    trace_format: Option<Format>,

    /// The key's column of a CSV trace: a name, or a number from 1 if there is no line of names.
    #[arg(long, value_name = "COLUMN")]
    key_column: Option<String>,

    /// The cost's column of a CSV trace: likewise.
    #[arg(long, value_name = "COLUMN")]
    size_column: Option<String>,

    /// What stands between the columns of a CSV trace; worked out from the first line if absent.
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<char>,

    /// Seed of every random choice, and of the synthetic trace.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

impl TraceArgs {
    /// Looks at every file: what can be known to be wrong is said before any long work starts.
    ///
    /// # Errors
    /// The first file's that cannot be opened, or whose format cannot be told.
    pub fn probe(&self) -> Result<(), TraceError> {
        let options = self.options();
        self.traces.iter().try_for_each(|path| trace::probe(path, &options).map(drop))
    }

    /// The number of traces: the files, or one that is made up.
    pub fn count(&self) -> usize {
        self.traces.len().max(1)
    }

    /// Reads trace number `at`.
    ///
    /// # Errors
    /// The file's.
    pub fn load(&self, at: usize) -> Result<Trace, Failure> {
        let trace = match self.traces.get(at) {
            Some(path) => trace::load(path, &self.options())?,
            None => trace::synthetic::synthetic(self.seed)
                .map_err(|fault| TraceError { path: PathBuf::from("synthetic"), fault })?,
        };
        if trace.recosted() > 0 {
            let (name, keys, all) = (trace.name(), trace.recosted(), trace.distinct());
            eprintln!("note: {name}: the cost of {keys} of {all} keys varies; the largest counts");
        }
        Ok(trace)
    }

    fn options(&self) -> LoadOptions {
        LoadOptions {
            format: self.trace_format,
            columns: Columns {
                key: self.key_column.clone(),
                size: self.size_column.clone(),
                delimiter: self.delimiter.and_then(|delimiter| u8::try_from(delimiter).ok()),
            },
        }
    }
}
