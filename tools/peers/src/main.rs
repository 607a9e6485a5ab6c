//! tollgate beside other caches, in one run on one machine.
//!
//! Every cache is seen through one trait ([`subject::Peer`]) by a small adapter of its own ([`peers`]); what is
//! measured is in [`measures`]. Rounds are interleaved and ratios are taken within a round, so that a busy machine
//! disturbs all alike.

mod alloc;
mod isolated;
mod machine;
mod measures;
mod peers;
mod report;
mod stats;
mod stream;
mod subject;
mod trace;
mod value;
mod versions;

use clap::{Parser, Subcommand};
use isolated::Probe;
use measures::{all, growth, hit_ratio, latency, memory, throughput, visibility};
use peers::Entry;
use report::{Format, render};
use std::path::PathBuf;
use std::process::ExitCode;

/// tollgate beside other caches.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    measure: Measure,
    /// Only the caches whose names contain one of these.
    #[arg(long, global = true, value_delimiter = ',')]
    only: Vec<String>,
    /// Interleaved rounds.
    #[arg(long, global = true, default_value_t = 5)]
    rounds: usize,
    /// Operations by which a cache is warmed up.
    #[arg(long, global = true, default_value_t = 4_000_000)]
    ops: u64,
    #[arg(long, global = true, default_value = "table")]
    format: Format,
    /// Where to write; the standard output if not given.
    #[arg(long, global = true)]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Subcommand)]
enum Measure {
    /// Operations a second, by mix, capacity and number of threads.
    Throughput(throughput::Settings),
    /// Percentiles of single gets and inserts.
    Latency(latency::Settings),
    /// Bytes an entry, an empty cache, and the peak against a budget.
    Memory(memory::Settings),
    /// One new key into a full cache, by the number of residents.
    Growth(growth::Settings),
    /// Hit ratios on recorded accesses.
    HitRatio(hit_ratio::Settings),
    /// Inserts that are not seen, and entries beyond the capacity.
    Visibility(visibility::Settings),
    /// Who takes part: versions, hash functions, configurations.
    Subjects,
    /// All of these, as a document.
    All(all::Settings),
    /// One probe of one cache in this process, for the other commands.
    #[command(hide = true)]
    Isolated { probe: Probe, size: u64 },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let chosen = chosen(&arguments.only);
    let text = match &arguments.measure {
        Measure::All(settings) => all::run(settings, &chosen, arguments.rounds, arguments.ops),
        Measure::Isolated { probe, size } => {
            chosen.iter().for_each(|entry| isolated::serve(*probe, entry, *size));
            return ExitCode::SUCCESS;
        }
        measure => render(&all::measure(measure, &chosen, arguments.rounds, arguments.ops), arguments.format),
    };
    match arguments.out {
        None => print!("{text}"),
        Some(path) => {
            if let Err(error) = std::fs::write(&path, text) {
                eprintln!("{}: {error}", path.display());
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// An exact name wins over names that contain it.
fn chosen(only: &[String]) -> Vec<Entry> {
    let all = peers::all();
    if only.is_empty() {
        return all;
    }
    let wants = |entry: &Entry, name: &String| {
        entry.name() == name
            || (!all.iter().any(|other| other.name() == name) && entry.name().contains(name.as_str()))
    };
    all.iter().filter(|entry| only.iter().any(|name| wants(entry, name))).copied().collect()
}
