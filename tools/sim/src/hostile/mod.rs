//! `tollgate hostile`: what somebody who chooses keys can do, in figures.
//!
//! | table | attacks |
//! |---|---|
//! | key hashers | look for two keys with one pair of words, with one index; crowd one shard, knowing the secret or not |
//! | the store | all keys in one shard; all keys with one index |
//! | policies | junk made popular before it is inserted (poisoned sketch); scans between the requests; both against what honest users hit |
//!
//! Nothing here breaks a promise but a wrong answer: that alone makes the exit code 1. The rest are prices.

mod crowd;
mod hashers;
mod policies;

use crate::failure::Failure;
use crate::output::say;
use clap::Args;
use std::process::ExitCode;

/// Arguments of `tollgate hostile`.
#[derive(Debug, Args)]
pub struct HostileArgs {
    /// Keys that are tried against each hasher, 1000 at least; policies are asked for ten times fewer.
    #[arg(long, value_name = "N", default_value = "4000000", value_parser = clap::value_parser!(u64).range(1000..))]
    keys: u64,

    /// Seed of every random choice.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs `tollgate hostile`. The exit code is 1 if two keys of a hasher of ours collided.
///
/// # Errors
/// Of building a cache, or of writing.
pub fn run(args: &HostileArgs) -> Result<ExitCode, Failure> {
    let (hashers, collided) = hashers::table(args.keys, args.seed);
    say(format_args!("Key hashers, {} keys of each shape\n{hashers}\n", args.keys))?;
    let crowd = crowd::table(args.seed)?;
    say(format_args!("The store: 100,000 inserts and 1,000,000 reads by one thread\n{crowd}\n"))?;
    let policies = policies::table(args.keys / 10, args.seed);
    say(format_args!(
        "Policies: hits of honest requests (Zipf 0.9 over 50,000 keys, room for 2,000)\n{policies}"
    ))?;
    Ok(if collided { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
