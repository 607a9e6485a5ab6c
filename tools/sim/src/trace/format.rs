//! Which format a file has.
//!
//! Told by the option, else by the ending of the name, else, for text, by the first line where that is
//! unmistakable. Binary records look like any others: they are never guessed from content.

use super::LoadOptions;
use super::columns::{Columns, KEY_NAMES, TWITTER_WRITES, guess_delimiter, plain_name};
use super::compressed::Reader;
use super::error::TraceFault;
use super::lines::{BYTE_ORDER_MARK, is_plain_number};
use clap::ValueEnum;
use std::io::BufRead;
use std::path::Path;

/// A trace format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Little-endian records `u64 key, u32 size`.
    Tollgate,
    /// One key per line, and its cost if there is a second field.
    Text,
    /// CSV with named (or numbered) columns.
    Csv,
    /// The ARC paper's `.lis`: first block, number of blocks, ignored, request number.
    Arc,
    /// The LIRS paper's: one block number per line, `*` skipped.
    Lirs,
    /// libCacheSim's binary records `u32 time, u64 object, u32 size, i64 next access`.
    OracleGeneral,
    /// libCacheSim's CSV: named columns, or time, object, size.
    #[value(name = "libcachesim-csv")]
    LibCacheSimCsv,
    /// Twitter's cache-trace CSV.
    Twitter,
}

impl Format {
    /// As the command line calls it.
    fn name(self) -> &'static str {
        match self {
            Self::Tollgate => "tollgate",
            Self::Text => "text",
            Self::Csv => "csv",
            Self::Arc => "arc",
            Self::Lirs => "lirs",
            Self::OracleGeneral => "oracle-general",
            Self::LibCacheSimCsv => "libcachesim-csv",
            Self::Twitter => "twitter",
        }
    }
}

/// The format to read `path` by.
pub(super) fn resolve(path: &Path, reader: &mut Reader, options: &LoadOptions) -> Result<Format, TraceFault> {
    let head = reader.fill_buf().map_err(|source| TraceFault::Read { requests: 0, source })?;
    if let Some((name, _)) = NOT_READ.into_iter().find(|(_, magic)| head.starts_with(magic)) {
        return Err(TraceFault::UnknownCompression(name));
    }
    let format = match options.format {
        Some(format) => format,
        None => guess(path, head, options)?,
    };
    let Columns { key, size, delimiter } = &options.columns;
    let chosen = match format {
        Format::Csv | Format::LibCacheSimCsv => false,
        Format::Twitter => key.is_some() || size.is_some() || delimiter.is_some_and(|byte| byte != b','),
        _ => key.is_some() || size.is_some() || delimiter.is_some(),
    };
    if chosen { Err(TraceFault::NoColumns(format.name())) } else { Ok(format) }
}

fn guess(path: &Path, head: &[u8], options: &LoadOptions) -> Result<Format, TraceFault> {
    if (options.columns.key.is_some() || options.columns.size.is_some()) && is_text(head) {
        return Ok(Format::Csv);
    }
    let name = file_name(path).to_lowercase();
    by_content(head).or_else(|| by_name(&name, is_text(head))).ok_or(if head.is_empty() {
        TraceFault::Empty
    } else {
        TraceFault::UnknownFormat
    })
}

/// The name of a trace: its file's, without endings that tell format or compression.
pub fn trace_name(path: &Path) -> String {
    let mut name = file_name(path);
    while let Some((stem, ending)) = name.rsplit_once('.') {
        if stem.is_empty() || !ENDINGS.contains(&ending.to_lowercase().as_str()) {
            break;
        }
        name = stem.to_owned();
    }
    name
}

fn by_name(name: &str, text: bool) -> Option<Format> {
    let has = |ending: &str| name.ends_with(ending) || name.contains(&format!("{ending}."));
    match text {
        true if has(".lis") => Some(Format::Arc),
        true if has(".csv") || has(".tsv") => Some(Format::Csv),
        true if has(".lirs") => Some(Format::Lirs),
        true if has(".txt") || has(".keys") => Some(Format::Text),
        false if name.contains("oraclegeneral") => Some(Format::OracleGeneral),
        false if has(".trc") => Some(Format::Tollgate),
        _ => None,
    }
}

/// What the first line of a text says, if it can only be one thing.
fn by_content(head: &[u8]) -> Option<Format> {
    if !is_text(head) {
        return None;
    }
    let line = String::from_utf8_lossy(head.split(|&byte| byte == b'\n').next()?);
    let line = line.trim_start_matches(BYTE_ORDER_MARK);
    let fields: Vec<&str> = line
        .split(char::from(guess_delimiter(line)))
        .map(str::trim)
        .filter(|field| !field.is_empty())
        .collect();
    let operation = |text: &&str| text.starts_with("get") || TWITTER_WRITES.contains(text);
    match fields.as_slice() {
        [_, _, _, _, _, op, _] if operation(op) => Some(Format::Twitter),
        [one] if *one == "*" || is_plain_number(one) => Some(Format::Lirs),
        [_, _, ..] if fields.iter().any(|name| KEY_NAMES.contains(&plain_name(name).as_str())) => {
            Some(Format::Csv)
        }
        _ => None,
    }
}

/// Whether bytes are text: no control characters but blanks and line ends.
fn is_text(head: &[u8]) -> bool {
    let head = &head[..head.len().min(512)];
    !head.is_empty() && head.iter().all(|&byte| byte >= b' ' && byte != 0x7f || b"\t\r\n".contains(&byte))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// What is compressed otherwise, by its first bytes.
const NOT_READ: [(&str, &[u8]); 4] =
    [("bzip2", b"BZh91AY&SY"), ("xz", b"\xfd7zXZ\0"), ("lz4", b"\x04\x22\x4d\x18"), ("zip", b"PK\x03\x04")];

const ENDINGS: [&str; 13] =
    ["zst", "zstd", "gz", "trc", "trace", "lis", "csv", "tsv", "txt", "keys", "lirs", "bin", "oraclegeneral"];
