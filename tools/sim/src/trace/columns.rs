//! The formats of comma-separated columns.
//!
//! | format | columns |
//! |---|---|
//! | csv | any, named by the first line; the key's and the cost's are found by name or given by number |
//! | libCacheSim csv | the same names, or, without a first line of names, `time, object, size` |
//! | Twitter | `time, key, key size, value size, client, operation, TTL` |
//!
//! In the Twitter format `get` and `gets` are the requests. Writes are not: a read-through cache
//! answers them by its misses. They do tell sizes, though, which a `get` that missed does not know;
//! the cost of a key is its key size plus its largest value size.

use super::TraceBuilder;
use super::compressed::Reader;
use super::error::{LineFault, TraceFault};
use super::lines::{number, text_key};
use csv::StringRecord;
use std::io::BufRead;

/// Which columns hold key and cost: by name, or by number from 1, which says that there is no line of
/// names.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    /// The key's column.
    pub key: Option<String>,
    /// The cost's column.
    pub size: Option<String>,
    /// What stands between columns; worked out from the first line if absent.
    pub delimiter: Option<u8>,
}

/// Positions of key and cost.
struct Places {
    key: usize,
    size: Option<usize>,
}

/// CSV with named, or numbered, columns.
pub(super) fn read_csv(
    reader: &mut Reader,
    columns: &Columns,
    trace: &mut TraceBuilder,
) -> Result<(), TraceFault> {
    let mut csv = open(reader, columns, true);
    let mut record = StringRecord::new();
    let places = match (numbered(&columns.key), numbered(&columns.size)) {
        (Some(_), None) if columns.size.is_some() => return Err(TraceFault::MixedColumns),
        (Some(key), size) => Places { key, size },
        _ => {
            next(&mut csv, &mut record, trace.len())?;
            named(&record, columns)?
        }
    };
    read_places(&mut csv, &places, record, trace)
}

/// libCacheSim's CSV.
pub(super) fn read_libcachesim(
    reader: &mut Reader,
    columns: &Columns,
    trace: &mut TraceBuilder,
) -> Result<(), TraceFault> {
    if columns.key.is_some() || !starts_with_number(reader) {
        return read_csv(reader, columns, trace);
    }
    let size = numbered(&columns.size);
    if size.is_none() && columns.size.is_some() {
        return Err(TraceFault::MixedColumns);
    }
    let mut csv = open(reader, columns, true);
    read_places(&mut csv, &Places { key: 1, size: size.or(Some(2)) }, StringRecord::new(), trace)
}

/// Twitter's cache-trace.
pub(super) fn read_twitter(reader: &mut Reader, trace: &mut TraceBuilder) -> Result<(), TraceFault> {
    // Written without quotation marks: one that is there is a part of a key.
    let mut csv = open(reader, &Columns { delimiter: Some(b','), ..Columns::default() }, false);
    let mut record = StringRecord::new();
    while next(&mut csv, &mut record, trace.len())? {
        let line = line_of(&record);
        let key = text_key(field(&record, 1)?);
        let size = number_in(&record, 2)?.saturating_add(number_in(&record, 3)?);
        match field(&record, 5)? {
            "get" | "gets" => trace.push(key, size)?,
            operation if TWITTER_WRITES.contains(&operation) => trace.note(key, size),
            operation => {
                let fault = LineFault::UnknownOperation(operation.to_owned());
                return Err(TraceFault::Line { line, fault });
            }
        }
    }
    Ok(())
}

/// Operations that are no reads. `delete` and `incr` among them carry no size of interest, and noting
/// it is harmless, as the largest counts.
pub(super) const TWITTER_WRITES: [&str; 9] =
    ["set", "add", "replace", "cas", "append", "prepend", "delete", "incr", "decr"];

/// Names under which a key's column is looked for, when none is given.
pub(super) const KEY_NAMES: [&str; 10] =
    ["key", "id", "obj_id", "object_id", "obj_key", "object", "obj", "lbn", "block", "url"];

/// Names under which a cost's column is looked for, when none is given. There need not be one.
const SIZE_NAMES: [&str; 8] =
    ["size", "cost", "bytes", "obj_size", "object_size", "length", "size_bytes", "value_size"];

/// The name of a column as it is compared: `# Object-ID` is `object_id`.
pub(super) fn plain_name(name: &str) -> String {
    name.trim_start_matches('#').trim().to_lowercase().replace(['-', ' '], "_")
}

/// The delimiter that a first line suggests.
pub(super) fn guess_delimiter(line: &str) -> u8 {
    [b',', b'\t', b';', b'|', b' ']
        .into_iter()
        .find(|&delimiter| line.as_bytes().contains(&delimiter))
        .unwrap_or(b',')
}

fn open<'a>(reader: &'a mut Reader, columns: &Columns, quoting: bool) -> csv::Reader<&'a mut Reader> {
    let delimiter = columns.delimiter.unwrap_or_else(|| {
        let head = reader.fill_buf().unwrap_or_default();
        let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
        guess_delimiter(&String::from_utf8_lossy(line))
    });
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .quoting(quoting)
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .from_reader(reader)
}

fn numbered(column: &Option<String>) -> Option<usize> {
    column.as_ref()?.parse::<usize>().ok()?.checked_sub(1)
}

fn named(header: &StringRecord, columns: &Columns) -> Result<Places, TraceFault> {
    let names: Vec<String> = header.iter().map(plain_name).collect();
    let place = |wanted: &str| names.iter().position(|name| *name == plain_name(wanted));
    let missing = |wanted: &str| TraceFault::NoColumn {
        wanted: wanted.to_owned(),
        present: header.iter().map(str::to_owned).collect(),
    };
    let key = match &columns.key {
        Some(wanted) => place(wanted).ok_or_else(|| missing(wanted))?,
        None => KEY_NAMES.iter().find_map(|name| place(name)).ok_or_else(|| missing("for the key"))?,
    };
    let size = match &columns.size {
        Some(wanted) => {
            Some(numbered(&columns.size).or_else(|| place(wanted)).ok_or_else(|| missing(wanted))?)
        }
        None => SIZE_NAMES.iter().find_map(|name| place(name)),
    };
    Ok(Places { key, size })
}

fn starts_with_number(reader: &mut Reader) -> bool {
    let head = reader.fill_buf().unwrap_or_default();
    let text = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head);
    text.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(u8::is_ascii_digit)
}

fn read_places(
    csv: &mut csv::Reader<&mut Reader>,
    places: &Places,
    mut record: StringRecord,
    trace: &mut TraceBuilder,
) -> Result<(), TraceFault> {
    while next(csv, &mut record, trace.len())? {
        let key = text_key(field(&record, places.key)?);
        let cost = places.size.map_or(Ok(1), |size| number_in(&record, size))?;
        trace.push(key, cost)?;
    }
    Ok(())
}

fn next(
    csv: &mut csv::Reader<&mut Reader>,
    record: &mut StringRecord,
    requests: usize,
) -> Result<bool, TraceFault> {
    csv.read_record(record).map_err(|error| {
        let line = error.position().map_or(0, csv::Position::line);
        match error.into_kind() {
            csv::ErrorKind::Io(source) => TraceFault::Read { requests, source },
            _ => TraceFault::Line { line, fault: LineFault::NotText },
        }
    })
}

fn field(record: &StringRecord, at: usize) -> Result<&str, TraceFault> {
    let fault = |fault| TraceFault::Line { line: line_of(record), fault };
    // A stray quotation mark takes the lines up to the next one, which may be many, for a single field: this one, or one before it.
    let mut lines = record.iter().map(|field| field.matches('\n').count());
    if lines.clone().nth(at).is_some_and(|lines| lines > 0) || lines.any(|lines| lines > MOST_LINES) {
        return Err(fault(LineFault::OpenQuote));
    }
    record.get(at).ok_or_else(|| fault(LineFault::TooFewFields { found: record.len(), needed: at + 1 }))
}

/// A field that is neither key nor cost may have so many more lines.
const MOST_LINES: usize = 16;

fn number_in(record: &StringRecord, at: usize) -> Result<u64, TraceFault> {
    number(field(record, at)?).map_err(|fault| TraceFault::Line { line: line_of(record), fault })
}

fn line_of(record: &StringRecord) -> u64 {
    record.position().map_or(0, csv::Position::line)
}
