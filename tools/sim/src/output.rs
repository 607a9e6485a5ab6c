//! Rows on standard output: as a table for people, JSON or CSV for programs.

use crate::failure::Failure;
use clap::ValueEnum;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, Write};

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RowFormat {
    /// For people.
    Table,
    /// One array of objects.
    Json,
    /// With a line of names.
    Csv,
}

/// Prints rows; `table` lays them out for people.
///
/// # Errors
/// [`Failure::Output`].
pub fn print<T: Serialize>(
    rows: &[T],
    format: RowFormat,
    table: impl FnOnce(&[T]) -> String,
) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match format {
        RowFormat::Table => writeln!(out, "{}", table(rows)),
        RowFormat::Json => {
            serde_json::to_writer_pretty(&mut out, rows).map_err(io::Error::from).and_then(|()| writeln!(out))
        }
        RowFormat::Csv => write_csv(rows, &mut out),
    }
    .and_then(|()| out.flush())
    .map_err(Failure::Output)
}

/// Prints a line as it comes. That nobody reads it any more is no failure: the exit code says what there is to say.
///
/// # Errors
/// [`Failure::Output`].
pub fn say(line: impl Display) -> Result<(), Failure> {
    match writeln!(io::stdout(), "{line}") {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(source)),
        _ => Ok(()),
    }
}

fn write_csv<T: Serialize>(rows: &[T], out: impl Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    rows.iter().try_for_each(|row| csv.serialize(row)).map_err(|error| match error.into_kind() {
        csv::ErrorKind::Io(source) => source,
        other => io::Error::other(format!("{other:?}")),
    })?;
    csv.flush()
}

/// An empty table in the house style: `left` columns of text, then numbers.
pub fn new_table(header: &[&str], left: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for column in table.column_iter_mut().skip(left) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A ratio between 0 and 1, in percent.
pub fn percent(ratio: f64) -> String {
    format!("{:.2}", ratio * 100.0)
}

/// A number with its thousands set apart: `1_234_567`, as budgets are written.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let texts = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1_000", "1_234_567"]);
    }
}
