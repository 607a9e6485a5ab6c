//! The command line of `tollgate analyze`.

use super::{Analysis, Spread};
use crate::failure::Failure;
use crate::output::{self, RowFormat, grouped, new_table, percent};
use crate::source::TraceArgs;
use clap::{Args, ValueEnum};
use std::process::ExitCode;

/// Arguments of `tollgate analyze`.
#[derive(Debug, Args)]
pub struct AnalyzeArgs {
    #[command(flatten)]
    source: TraceArgs,

    /// How to print the analysis.
    #[arg(long, value_enum, default_value = "table")]
    format: AnalysisFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AnalysisFormat {
    /// For people.
    Table,
    /// One array of objects.
    Json,
}

/// Runs `tollgate analyze`.
///
/// # Errors
/// A trace's, or of writing.
pub fn run(args: &AnalyzeArgs) -> Result<ExitCode, Failure> {
    args.source.probe()?;
    let mut analyses = Vec::new();
    for at in 0..args.source.count() {
        analyses.push(Analysis::of(&args.source.load(at)?));
    }
    let format = match args.format {
        AnalysisFormat::Table => RowFormat::Table,
        AnalysisFormat::Json => RowFormat::Json,
    };
    output::print(&analyses, format, |analyses| analyses.iter().map(text).collect::<Vec<_>>().join("\n\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn text(analysis: &Analysis) -> String {
    [figures(analysis), spreads(analysis), curve(analysis)].join("\n\n")
}

fn figures(analysis: &Analysis) -> String {
    let popularity = &analysis.popularity;
    let mut table = new_table(&[&analysis.trace, ""], 1);
    let mut figure = |name: &str, value: String| {
        table.add_row([name.to_owned(), value]);
    };
    figure("requests", grouped(analysis.requests as u64));
    figure("distinct keys", grouped(analysis.distinct_keys as u64));
    figure("distinct cost (working set)", grouped(analysis.distinct_cost));
    figure("requested cost", grouped(analysis.requested_cost));
    figure("cold misses, % of requests", percent(analysis.cold_miss_ratio));
    figure("cold misses, % of requested cost", percent(analysis.cold_byte_miss_ratio));
    figure("one-hit wonders", grouped(analysis.one_hit_wonders as u64));
    figure("one-hit wonders, % of keys", percent(analysis.one_hit_wonder_share));
    figure(
        "Zipf alpha (fit, R²)",
        match (popularity.zipf_alpha, popularity.zipf_r_squared) {
            (Some(alpha), Some(r_squared)) => format!("{alpha:.3} ({r_squared:.3})"),
            _ => "-".to_owned(),
        },
    );
    figure("most popular key, % of requests", percent(popularity.top_key_share));
    figure("top 1 % of keys, % of requests", percent(popularity.top_1_percent_share));
    figure("top 10 % of keys, % of requests", percent(popularity.top_10_percent_share));
    table.to_string()
}

fn spreads(analysis: &Analysis) -> String {
    let header = ["distribution", "mean", "min", "10 %", "25 %", "50 %", "75 %", "90 %", "99 %", "max"];
    let mut table = new_table(&header, 1);
    let mut add = |name: &str, spread: &Spread| {
        let Spread { mean, min, p10, p25, p50, p75, p90, p99, max } = *spread;
        let percentiles = [min, p10, p25, p50, p75, p90, p99, max].map(grouped);
        table.add_row([&[name.to_owned(), format!("{mean:.1}")], &percentiles[..]].concat());
    };
    if !analysis.unit_cost {
        add("cost of a key", &analysis.cost);
    }
    if let Some(spread) = &analysis.reuse_distance {
        add("reuse distance, keys", spread);
    }
    if let Some(spread) = analysis.reuse_distance_cost.as_ref().filter(|_| !analysis.unit_cost) {
        add("reuse distance, cost", spread);
    }
    table.to_string()
}

fn curve(analysis: &Analysis) -> String {
    let mut table =
        new_table(&["LRU at % of distinct cost", "max cost", "miss ratio %", "byte miss ratio %"], 0);
    for point in &analysis.lru_curve {
        table.add_row([
            format!("{:.1}", point.share * 100.0),
            grouped(point.max_cost),
            percent(point.miss_ratio),
            percent(point.byte_miss_ratio),
        ]);
    }
    let caveat = "Exact, but that the curve's LRU takes in what is larger than the whole budget, which a cache refuses.";
    if analysis.unit_cost { table.to_string() } else { format!("{table}\n{caveat}") }
}
