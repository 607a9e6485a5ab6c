//! Everything, as a document.

use super::{growth, hit_ratio, latency, memory, throughput, visibility};
use crate::peers::{Entry, Role};
use crate::report::{Cell, Format, Report, render};
use crate::{Measure, machine};
use clap::Parser;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Settings {
    /// A few minutes: the settings that matter most.
    #[arg(long, conflicts_with = "full")]
    pub(crate) quick: bool,
    /// Everything: an hour.
    #[arg(long)]
    pub(crate) full: bool,
    /// Leave out the hit ratios.
    #[arg(long)]
    pub(crate) no_traces: bool,
}

/// So that each part's own defaults are written in one place: its command line.
#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    measure: Measure,
}

fn parsed(line: &[&str]) -> Measure {
    Line::parse_from(std::iter::once("peers").chain(line.iter().copied())).measure
}

pub(crate) fn run(settings: &Settings, entries: &[Entry], rounds: usize, operations: u64) -> String {
    let lines: &[(&str, &[&str])] = if settings.full { FULL } else { QUICK };
    let mut text = opening(settings, entries, rounds);
    for (heading, line) in lines {
        if settings.no_traces && line[0] == "hit-ratio" {
            continue;
        }
        let reports = measure(&parsed(line), entries, rounds, operations);
        text += &format!(
            "\n### {heading}\n\n`peers {}`\n\n{}",
            line.join(" "),
            render(&reports, Format::Markdown)
        );
    }
    text
}

const FULL: &[(&str, &[&str])] = &[
    ("Throughput", &["throughput"]),
    ("Latency", &["latency"]),
    ("Memory", &["memory"]),
    ("Growth", &["growth"]),
    ("Visibility", &["visibility"]),
    ("Hit ratio", &["hit-ratio"]),
];

const QUICK: &[(&str, &[&str])] = &[
    ("Throughput", &["throughput", "--keys", "zipf", "--capacity", "10", "--threads", "1,2,8"]),
    ("Latency", &["latency"]),
    ("Memory", &["memory"]),
    ("Growth", &["growth", "--residents", "1000,100000"]),
    ("Visibility", &["visibility"]),
    ("Hit ratio", &["hit-ratio", "--longest", "150000"]),
];

/// Runs one measure.
pub(crate) fn measure(measure: &Measure, entries: &[Entry], rounds: usize, operations: u64) -> Vec<Report> {
    match measure {
        Measure::Throughput(settings) => throughput::run(settings, entries, rounds, operations),
        Measure::Latency(settings) => latency::run(settings, entries, rounds, operations),
        Measure::Memory(settings) => memory::run(settings, entries),
        Measure::Growth(settings) => growth::run(settings, entries),
        Measure::HitRatio(settings) => hit_ratio::run(settings, entries),
        Measure::Visibility(settings) => visibility::run(settings, entries),
        Measure::Subjects => vec![subjects(entries)],
        Measure::All(_) | Measure::Isolated { .. } => Vec::new(),
    }
}

fn opening(settings: &Settings, entries: &[Entry], rounds: usize) -> String {
    let scale = if settings.full { "--full" } else { "--quick" };
    format!(
        "- Machine: {}\n- Built by {}, release, thin LTO, the system's allocator\n\
         - Command: `cargo run --release -- all {scale} --rounds {rounds}` in `tools/peers`\n\
         - Keys and values are 64-bit integers, unless it says otherwise; figures are medians of {rounds} interleaved rounds\n\n{}",
        machine::describe(),
        env!("PEERS_RUSTC"),
        render(&[subjects(entries)], Format::Markdown)
    )
}

/// Who takes part, and how.
fn subjects(entries: &[Entry]) -> Report {
    let mut report =
        Report::new("The caches", ["cache", "version", "role", "hash function", "configuration"]);
    for entry in entries {
        let role = match entry.facts.role {
            Role::Ours => "ours",
            Role::Peer => "peer",
            Role::Limit => "limit",
        };
        report.row([
            Cell::from(entry.name()),
            Cell::from(crate::versions::of(entry.name())),
            Cell::from(role),
            Cell::from(entry.facts.hash),
            Cell::from(entry.facts.configured),
        ]);
    }
    report
}
