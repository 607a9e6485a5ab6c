//! Which traces a command works on, and how they are read: the arguments that all commands share.

use crate::failure::Failure;
use crate::trace::{self, Columns, Format, LoadOptions, Trace, TraceError};
use clap::Args;
use std::path::PathBuf;

/// See the [module](self).
#[derive(Debug, Clone, Args)]
pub struct TraceArgs {
    /// Trace files, raw or compressed (zstd, gzip); `-` is standard input. Without any, a synthetic trace is made: one million
    /// requests, Zipf 0.9, drifting popularity, scans.
    #[arg(value_name = "TRACE")]
    traces: Vec<PathBuf>,

    /// The format of the traces; worked out from name and content if absent.
    #[arg(long, value_name = "FORMAT", value_enum)]
    trace_format: Option<Format>,

    /// The key's column of a CSV trace: a name, or a number from 1, which says that there is no line of names.
    #[arg(long, value_name = "COLUMN", value_parser = parse_column)]
    key_column: Option<String>,

    /// The cost's column of a CSV trace: likewise.
    #[arg(long, value_name = "COLUMN", value_parser = parse_column)]
    size_column: Option<String>,

    /// What stands between the columns of a CSV trace, one ASCII character; worked out from the first line if absent.
    #[arg(long, value_name = "CHARACTER", value_parser = parse_delimiter)]
    delimiter: Option<u8>,

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
        self.traces.iter().try_for_each(|path| trace::probe(path, &options))
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
            Some(path) => self.told_apart(at, trace::load(path, &self.options())?),
            None => trace::synthetic::synthetic(self.seed)
                .map_err(|fault| TraceError { path: PathBuf::from("synthetic"), fault })?,
        };
        if trace.recosted() > 0 {
            let (name, keys, all) = (trace.name(), trace.recosted(), trace.distinct());
            eprintln!("note: {name}: the cost of {keys} of {all} keys varies; the largest counts");
        }
        Ok(trace)
    }

    /// A trace whose file has the same name as that of another is called by its path, and one that is given twice by its place, too.
    fn told_apart(&self, at: usize, trace: Trace) -> Trace {
        let path = &self.traces[at];
        let is_rival = |other: &PathBuf| trace::trace_name(other) == trace.name();
        if self.traces.iter().filter(|other| is_rival(other)).count() < 2 {
            return trace;
        }
        let name = path.to_string_lossy();
        let earlier = self.traces[..at].iter().filter(|other| *other == path).count();
        trace.renamed(if earlier == 0 { name.into_owned() } else { format!("{name} ({})", earlier + 1) })
    }

    fn options(&self) -> LoadOptions {
        LoadOptions {
            format: self.trace_format,
            columns: Columns {
                key: self.key_column.clone(),
                size: self.size_column.clone(),
                delimiter: self.delimiter,
            },
        }
    }
}

fn parse_column(text: &str) -> Result<String, String> {
    match text.parse::<usize>() {
        Ok(0) => Err("columns are numbered from 1".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

fn parse_delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"\\t" => Ok(b'\t'),
        &[byte] if byte.is_ascii() => Ok(byte),
        _ => Err("one ASCII character is needed; a tab may be written \\t".to_owned()),
    }
}
