//! `tollgate`: traces in, hit ratios out.
//!
//! | command | plays a trace through | answers |
//! |---|---|---|
//! | `simulate` | policy engines alone | which policy, which budget; beside the optimum |
//! | `analyze` | nothing | what the trace is like |
//! | `replay` | the real, threaded cache | whether it keeps its promises, and how fast |
//! | `soak` | the real, threaded cache; no trace | whether it keeps its promises for hours, under everything at once |
//! | `hostile` | hashers, policies and caches; no trace | what an attacker who chooses keys can do |
//!
//! Exit codes: 0 done; 1 the cache broke a promise in a replay, a soak or under attack; 2 the arguments or a file are wrong, said on standard error.

mod analyze;
mod budget;
mod command_line;
mod failure;
mod hostile;
mod optimum;
mod output;
mod policies;
mod progress;
mod replay;
mod report;
mod simulate;
mod soak;
mod source;
mod trace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Plays cache traces: which policy and which budget serve them best.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play traces through policy engines alone: many policies x many budgets, exactly and fast.
    Simulate(simulate::SimulateArgs),
    /// Tell what a trace is like: skew, reuse distances, costs, LRU's miss-ratio curve.
    Analyze(analyze::AnalyzeArgs),
    /// Play traces through the real, threaded cache, cache-aside, and watch its budget.
    Replay(replay::ReplayArgs),
    /// Everything at once on real caches, with the oracle every second.
    Soak(soak::SoakArgs),
    /// What an attacker who chooses keys can do, by hasher and by policy.
    Hostile(hostile::HostileArgs),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Simulate(args) => simulate::run(&args),
        Command::Analyze(args) => analyze::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Soak(args) => soak::run(&args),
        Command::Hostile(args) => hostile::run(&args),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(2)
        }
    }
}
