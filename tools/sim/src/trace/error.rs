//! What can be wrong with a trace file.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// A trace file that cannot be read, and why.
#[derive(Debug)]
pub struct TraceError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: TraceFault,
}

/// Why a trace cannot be read.
#[derive(Debug)]
pub enum TraceFault {
    /// The file cannot be opened.
    Open(io::Error),
    /// Reading failed: the medium, or a compressed stream that is damaged or cut short.
    Read {
        /// Requests read before.
        requests: usize,
        /// What the reader said.
        source: io::Error,
    },
    /// The file ends within a record.
    Truncated {
        /// Requests read before.
        requests: usize,
        /// Bytes of the incomplete record.
        left: usize,
        /// Bytes of a complete one.
        record: usize,
    },
    /// A line makes no sense.
    Line {
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it.
        fault: LineFault,
    },
    /// Neither name nor content tell the format.
    UnknownFormat,
    /// Compressed in a way that is not read.
    UnknownCompression(&'static str),
    /// Columns were named that the format does not have.
    NoColumns(&'static str),
    /// One column is given by its number, which says that there is no line of names, and the other by its name.
    MixedColumns,
    /// There is no column of that name; the names that there are.
    NoColumn {
        /// What was looked for.
        wanted: String,
        /// What there is.
        present: Vec<String>,
    },
    /// There is no request in it.
    Empty,
    /// More requests or keys than 32 bits can number.
    TooLong,
    /// The costs add up to more than 64 bits.
    TooCostly,
}

/// What can be wrong with a line of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineFault {
    /// Not a whole number where one is due.
    NotANumber(String),
    /// A number that 64 bits cannot hold.
    TooLarge(String),
    /// A line of keys has more than a key and a cost.
    TooManyFields {
        /// How many there may be.
        most: usize,
    },
    /// A quoted field goes on in the next line.
    OpenQuote,
    /// Too few fields.
    TooFewFields {
        /// How many there are.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// One request for more blocks than any device serves at once.
    LongRun {
        /// How many.
        blocks: u64,
        /// How many there may be.
        most: u64,
    },
    /// Not UTF-8 text.
    NotText,
    /// Neither a read nor a write operation of the format.
    UnknownOperation(String),
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.fault)
    }
}

impl fmt::Display for TraceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(source) => write!(f, "cannot open: {source}"),
            Self::Read { requests, source } => {
                write!(f, "damaged or cut short after {requests} requests: {source}")
            }
            Self::Truncated { requests, left, record } => {
                write!(f, "ends within a record: {left} of {record} bytes after {requests} whole requests")
            }
            Self::Line { line, fault } => write!(f, "line {line}: {fault}"),
            Self::UnknownFormat => f.write_str("cannot tell the format; name it with --trace-format"),
            Self::UnknownCompression(name) => {
                write!(f, "compressed by {name}; decompress it, or use zstd or gzip")
            }
            Self::NoColumns(format) => {
                write!(
                    f,
                    "the format {format} has fixed columns: none can be chosen, nor what stands between them"
                )
            }
            Self::MixedColumns => f.write_str(
                "one column is given by number, as if there were no line of names, and the other by name",
            ),
            Self::NoColumn { wanted, present } => {
                write!(f, "no column {wanted}; the columns are: {}", present.join(", "))
            }
            Self::Empty => f.write_str("holds no request"),
            Self::TooLong => f.write_str("holds more requests than 32 bits can number"),
            Self::TooCostly => f.write_str("the costs add up to more than 64 bits"),
        }
    }
}

impl fmt::Display for LineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotANumber(text) => write!(f, "{text:?} is not a whole number"),
            Self::TooLarge(text) => write!(f, "{text} is more than 64 bits hold"),
            Self::TooManyFields { most } => {
                write!(f, "more than {most} fields; if it is another format, name it with --trace-format")
            }
            Self::OpenQuote => f.write_str("a quotation mark is not closed on its line"),
            Self::TooFewFields { found, needed } => write!(f, "{found} fields where {needed} are needed"),
            Self::LongRun { blocks, most } => {
                write!(f, "{blocks} blocks in one request, where at most {most} are believed")
            }
            Self::NotText => f.write_str("not UTF-8 text"),
            Self::UnknownOperation(text) => write!(f, "unknown operation {text:?}"),
        }
    }
}

impl std::error::Error for TraceError {}
