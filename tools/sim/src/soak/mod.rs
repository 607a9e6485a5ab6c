//! `tollgate soak`: everything at once, for as long as one likes, with the oracle every second.
//!
//! Threads insert, read, load, change, remove, clear and resize; times to live pass; listeners and loaders panic. About every second all of them
//! pause, and what must hold of a cache at rest is verified: the whole structure ([`Cache::check`](tollgate::Cache::check)), the cost
//! against the budget, the peak against the bound, and the account of every value that was ever made. Every few seconds a new cache of another
//! setting takes over. Memory is compared between whole rounds of all settings, when no cache is alive.
//!
//! It takes no trace: the load is made for breaking promises, not for hit ratios.

mod account;
mod era;
mod workload;

use crate::failure::Failure;
use crate::output::say;
use account::Account;
use clap::Args;
use era::{Setting, play};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

/// Arguments of `tollgate soak`.
#[derive(Debug, Args)]
pub struct SoakArgs {
    /// How long, in minutes; fractions are welcome. Every setting gets its turn, however short.
    #[arg(long, value_name = "M", default_value = "1", value_parser = parse_minutes)]
    minutes: f64,

    /// Threads that work, besides the caches' own.
    #[arg(long, value_name = "T", default_value = "4")]
    threads: NonZeroUsize,

    /// Seed of every random choice but the schedule.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Sums over all eras.
#[derive(Debug, Default)]
struct Total {
    operations: u64,
    checks: u64,
    eras: u64,
    panics: u64,
    /// The highest share of its bound that any store ever reached.
    tightest: f64,
    violations: Vec<String>,
    /// Resident kilobytes after each whole round of settings.
    resident_kb: Vec<u64>,
}

/// Runs `tollgate soak`. The exit code is 1 if a promise was broken.
///
/// # Errors
/// Of building a cache, or of writing.
pub fn run(args: &SoakArgs) -> Result<ExitCode, Failure> {
    hush_planted_panics();
    let account: &'static Account = Box::leak(Box::default());
    thread::spawn(move || bark_if_stuck(account));
    let length = Duration::from_secs_f64(args.minutes * 60.0);
    let (started, mut total) = (Instant::now(), Total::default());
    loop {
        for setting in Setting::ALL {
            // An era is short in a short soak, so that every setting gets its turn at least twice.
            let rounds = (length.as_secs_f64() / (2.5 * Setting::ALL.len() as f64)).clamp(0.25, 5.0);
            let seed = args.seed.wrapping_mul(1000).wrapping_add(total.eras);
            let era = play(setting, args.threads.get(), rounds, seed, account).map_err(Failure::Build)?;
            total.operations += era.operations;
            total.checks += era.checks;
            total.eras += 1;
            total.panics += era.panics;
            total.tightest = total.tightest.max(era.peak as f64 / era.bound as f64);
            let violations = era.violations.into_iter().map(|violation| format!("{setting:?}: {violation}"));
            total.violations.extend(violations);
        }
        total.resident_kb.extend(resident_kb());
        let seconds = started.elapsed().as_secs();
        let resident = total.resident_kb.last().copied().unwrap_or_default();
        say(format_args!(
            "{seconds:>6} s  {:>14} operations  {:>7} checks  {resident:>8} KiB resident",
            total.operations, total.checks
        ))?;
        if started.elapsed() >= length || !total.violations.is_empty() {
            break;
        }
    }
    report(&mut total, account)?;
    Ok(if total.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(total: &mut Total, account: &Account) -> Result<(), Failure> {
    let growth = growth_kb(&total.resident_kb);
    // The allocator keeps what the first rounds needed; half as much again is more than that.
    if let (Some(growth), Some(&first)) = (growth, total.resident_kb.first())
        && growth > (first / 2).max(32 << 10) as i64
    {
        total.violations.push(format!("memory grew by {growth} KiB from one round of settings to the last"));
    }
    say(format_args!(
        "{} operations, {} checks of caches at rest, {} caches",
        total.operations, total.checks, total.eras
    ))?;
    say(format_args!("peak of the store: {:.4} of max_cost + slack", total.tightest))?;
    say(format_args!("planted panics that were contained: {}", total.panics))?;
    let at = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    say(format_args!(
        "values: {} made, {} dropped, {} announced, {} handed back, {} loaded",
        at(&account.made),
        at(&account.dropped),
        at(&account.announced),
        at(&account.handed_back),
        at(&account.loaded)
    ))?;
    match growth {
        Some(growth) => {
            say(format_args!("resident set: {growth:+} KiB from the second round of settings to the last"))?;
        }
        None => say("resident set: too few rounds to tell")?,
    }
    say(format_args!("{} violations", total.violations.len()))?;
    total.violations.iter().try_for_each(|violation| say(format_args!("VIOLATION: {violation}")))
}

/// From the second round of settings to the last: the first fills the allocator.
fn growth_kb(resident_kb: &[u64]) -> Option<i64> {
    match resident_kb {
        [_, second, .., last] => Some(*last as i64 - *second as i64),
        _ => None,
    }
}

/// What the system says of this process, where it says anything.
fn resident_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Threads that wait for each other would make it last for ever.
fn bark_if_stuck(account: &Account) {
    let mut seen = 0;
    loop {
        thread::sleep(Duration::from_secs(60));
        let made = account.made.load(Ordering::Relaxed);
        if made == seen {
            eprintln!("VIOLATION: no value was made for a minute: a deadlock");
            std::process::exit(1);
        }
        seen = made;
    }
}

fn hush_planted_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<&str>() != Some(&workload::PLANTED) {
            print(info);
        }
    }));
}

/// A length for clap: above nothing, below a lifetime.
fn parse_minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(minutes) if minutes > 0.0 && minutes <= MOST_MINUTES => Ok(minutes),
        _ => Err(format!("minutes are a number above 0, {MOST_MINUTES} at most")),
    }
}

/// A hundred years.
const MOST_MINUTES: f64 = 52_560_000.0;
