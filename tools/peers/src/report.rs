//! Tables, and the four ways to print them.

use std::fmt::Write;

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Text(String),
    /// A figure, and how many decimals of it mean something.
    Figure(f64, usize),
    /// A figure and the range that it is the median of.
    Range {
        median: f64,
        low: f64,
        high: f64,
        decimals: usize,
    },
    /// Not measured, or it cannot be: a note of the table says why.
    Absent,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Cell {
    pub(crate) fn figure(figure: impl Into<Option<f64>>, decimals: usize) -> Self {
        figure.into().map_or(Self::Absent, |figure| Self::Figure(figure, decimals))
    }

    pub(crate) fn range(spread: Option<crate::stats::Spread>, decimals: usize) -> Self {
        spread.map_or(Self::Absent, |spread| Self::Range {
            median: spread.median,
            low: spread.low,
            high: spread.high,
            decimals,
        })
    }

    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Figure(figure, decimals) => format!("{figure:.decimals$}"),
            Self::Range { median, low, high, decimals } => {
                format!("{median:.decimals$} ({low:.decimals$}–{high:.decimals$})")
            }
            Self::Absent => "-".into(),
        }
    }

    /// For machines: the figure alone.
    fn bare(&self) -> String {
        match self {
            Self::Range { median, .. } => median.to_string(),
            Self::Figure(figure, _) => figure.to_string(),
            Self::Absent => String::new(),
            Self::Text(text) => text.clone(),
        }
    }

    fn json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Figure(figure, _) => (*figure).into(),
            Self::Range { median, low, high, .. } => {
                serde_json::json!({ "median": median, "low": low, "high": high })
            }
            Self::Absent => serde_json::Value::Null,
        }
    }
}

/// A table with a heading and notes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    pub(crate) title: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Cell>>,
    pub(crate) notes: Vec<String>,
}

impl Report {
    pub(crate) fn new<S: Into<String>>(
        title: impl Into<String>,
        columns: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            title: title.into(),
            columns: columns.into_iter().map(Into::into).collect(),
            ..Default::default()
        }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns.
    Table,
    /// One object a table; medians with their ranges.
    Json,
    /// One line a row, the table's title first; medians alone.
    Csv,
    /// Tables for a document.
    Markdown,
}

pub(crate) fn render(reports: &[Report], format: Format) -> String {
    match format {
        Format::Table => reports.iter().map(table).collect::<Vec<_>>().join("\n"),
        Format::Markdown => reports.iter().map(markdown).collect::<Vec<_>>().join("\n"),
        Format::Csv => reports.iter().map(csv).collect(),
        Format::Json => {
            let all: Vec<_> = reports.iter().map(json).collect();
            serde_json::to_string_pretty(&all).expect("strings and numbers") + "\n"
        }
    }
}

fn cells(report: &Report) -> Vec<Vec<String>> {
    report.rows.iter().map(|row| row.iter().map(Cell::text).collect()).collect()
}

fn table(report: &Report) -> String {
    let rows = cells(report);
    let width = |column: usize| {
        let heads = report.columns[column].chars().count();
        rows.iter().map(|row| row[column].chars().count()).fold(heads, usize::max)
    };
    let widths: Vec<usize> = (0..report.columns.len()).map(width).collect();
    let mut text = format!("{}\n", report.title);
    let mut line = |cells: &[String]| {
        for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            let pad = width - cell.chars().count();
            let gap = if column == 0 { "" } else { "  " };
            // The first column is a name; the others are figures.
            let _ = match column {
                0 => write!(text, "{gap}{cell}{:pad$}", ""),
                _ => write!(text, "{gap}{:pad$}{cell}", ""),
            };
        }
        text.push('\n');
    };
    line(&report.columns);
    rows.iter().for_each(|row| line(row));
    for note in &report.notes {
        let _ = writeln!(text, "  {note}");
    }
    text
}

fn markdown(report: &Report) -> String {
    let mut text = format!("#### {}\n\n| {} |\n", report.title, report.columns.join(" | "));
    let _ = writeln!(text, "|---|{}", "---:|".repeat(report.columns.len() - 1));
    for row in cells(report) {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    if !report.notes.is_empty() {
        text.push('\n');
    }
    for note in &report.notes {
        let _ = writeln!(text, "- {note}");
    }
    text
}

fn csv(report: &Report) -> String {
    let quote = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let line = |cells: Vec<String>| cells.iter().map(|cell| quote(cell)).collect::<Vec<_>>().join(",") + "\n";
    let mut text = line([vec!["table".to_owned()], report.columns.clone()].concat());
    for row in &report.rows {
        let cells: Vec<String> = row.iter().map(Cell::bare).collect();
        text += &line([vec![report.title.clone()], cells].concat());
    }
    text
}

fn json(report: &Report) -> serde_json::Value {
    let object = |row: &Vec<Cell>| -> serde_json::Value {
        report
            .columns
            .iter()
            .cloned()
            .zip(row.iter().map(Cell::json))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    serde_json::json!({
        "table": report.title,
        "rows": report.rows.iter().map(object).collect::<Vec<_>>(),
        "notes": report.notes,
    })
}
