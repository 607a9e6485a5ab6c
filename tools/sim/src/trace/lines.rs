//! The formats of one request, or one run of requests, per line.
//!
//! | format | line |
//! |---|---|
//! | text | a key, and a cost if there is a second field, between blanks or commas; `#` opens a comment; no third field |
//! | ARC (`.lis`) | `first block, number of blocks, ignored, request number`: one request per block |
//! | LIRS | a block number; `*` marks the end of a phase and is skipped |

use super::TraceBuilder;
use super::compressed::Reader;
use super::error::{LineFault, TraceFault};
use std::io::{self, BufRead};
use xxhash_rust::xxh3::xxh3_64;

/// Keys in plain text.
pub(super) fn read_text(reader: &mut Reader, trace: &mut TraceBuilder) -> Result<(), TraceFault> {
    for_each_line(reader, trace, |text, trace| {
        let mut fields = fields(text);
        let Some(key) = fields.next().filter(|key| !key.starts_with('#')) else { return Ok(()) };
        let cost = fields.next().map_or(Ok(1), number)?;
        if fields.next().is_some_and(|field| !field.starts_with('#')) {
            return Err(LineFault::TooManyFields { most: 2 }.into());
        }
        Ok(trace.push(text_key(key), cost)?)
    })
}

/// The traces of the ARC paper.
pub(super) fn read_arc(reader: &mut Reader, trace: &mut TraceBuilder) -> Result<(), TraceFault> {
    for_each_line(reader, trace, |text, trace| {
        let mut fields = fields(text);
        let Some(first) = fields.next() else { return Ok(()) };
        let needed = LineFault::TooFewFields { found: 1, needed: 2 };
        let (first, count) = (number(first)?, number(fields.next().ok_or(needed)?)?);
        if count > MOST_BLOCKS {
            return Err(LineFault::LongRun { blocks: count, most: MOST_BLOCKS }.into());
        }
        for block in first..first.saturating_add(count) {
            trace.push(block, 1)?;
        }
        Ok(())
    })
}

/// The traces of the LIRS paper.
pub(super) fn read_lirs(reader: &mut Reader, trace: &mut TraceBuilder) -> Result<(), TraceFault> {
    for_each_line(reader, trace, |text, trace| match text.trim() {
        "" | "*" => Ok(()),
        block => Ok(trace.push(number(block)?, 1)?),
    })
}

/// The key that a piece of text stands for: itself if it is a number as numbers are written, else its hash. `007` is not `7`.
pub(super) fn text_key(text: &str) -> u64 {
    let number = if is_plain_number(text) { number(text).ok() } else { None };
    number.unwrap_or_else(|| xxh3_64(text.as_bytes()))
}

/// Whether a text is a number of 64 bits as it is usually written.
pub(super) fn is_plain_number(text: &str) -> bool {
    (text == "0" || !text.starts_with('0')) && number(text).is_ok()
}

pub(super) fn number(text: &str) -> Result<u64, LineFault> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(LineFault::NotANumber(text.to_owned()));
    }
    text.parse().map_err(|_| LineFault::TooLarge(text.to_owned()))
}

fn fields(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', '\t', ',', '\r']).filter(|field| !field.is_empty())
}

/// The blocks that one line may ask for: half a gigabyte of the usual blocks. A line that says more is damaged, and to believe it
/// would fill the memory.
const MOST_BLOCKS: u64 = 1 << 20;

/// What some editors put before a text.
pub(super) const BYTE_ORDER_MARK: char = '\u{feff}';

/// What stops the reading of lines.
enum Stop {
    Line(LineFault),
    Trace(TraceFault),
}

impl From<LineFault> for Stop {
    fn from(fault: LineFault) -> Self {
        Self::Line(fault)
    }
}

impl From<TraceFault> for Stop {
    fn from(fault: TraceFault) -> Self {
        Self::Trace(fault)
    }
}

fn for_each_line(
    reader: &mut Reader,
    trace: &mut TraceBuilder,
    mut take: impl FnMut(&str, &mut TraceBuilder) -> Result<(), Stop>,
) -> Result<(), TraceFault> {
    let mut text = String::new();
    for line in 1.. {
        text.clear();
        match reader.read_line(&mut text) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(TraceFault::Line { line, fault: LineFault::NotText });
            }
            Err(source) => return Err(TraceFault::Read { requests: trace.len(), source }),
        }
        let text = if line == 1 { text.trim_start_matches(BYTE_ORDER_MARK) } else { &text };
        take(text.trim_end_matches(['\n', '\r']), trace).map_err(|stop| match stop {
            Stop::Line(fault) => TraceFault::Line { line, fault },
            Stop::Trace(fault) => fault,
        })?;
    }
    Ok(())
}
