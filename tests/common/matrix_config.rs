//! The options of the configuration matrix, and how a number becomes a configuration.

use super::Numbers;
use std::fmt::Debug;
use tollgate::Maintenance;
use tollgate::policy::PolicyKind;

/// One configuration.
#[derive(Debug, Clone)]
pub struct Config {
    pub number: u64,
    pub keys: Keys,
    pub costs: Costs,
    pub lives: Lives,
    pub hearing: Hearing,
    pub loads: Loads,
    pub policy: PolicyKind,
    pub maintenance: Maintenance,
    pub threads: u64,
    pub max_cost: u64,
    pub slack: Option<u64>,
    pub pin_quota: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    Integer,
    Text,
    Pair,
    Bytes,
    /// Integers that share their index with others.
    Crowded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Costs {
    Unit,
    Varied,
    /// By the weigher, where the caller says 0.
    Weighed,
    /// With the bookkeeping.
    Overhead,
    /// A good part of the budget, or more than all of it.
    Huge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lives {
    Forever,
    Default,
    PerInsert,
    Idle,
    Expiry,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hearing {
    Nobody,
    Books,
    Panics,
    CallsBack,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loads {
    None,
    Closure,
    Fallible,
    Panics,
    Reserved,
    Tasks,
}

impl Config {
    /// Configuration number so and so. Policies take turns; everything else is drawn.
    pub fn number(number: u64) -> Self {
        let mut numbers = Numbers::new(number + 1);
        let costs =
            pick(&mut numbers, &[Costs::Unit, Costs::Varied, Costs::Weighed, Costs::Overhead, Costs::Huge]);
        let max_cost = pick(&mut numbers, &[1, 2, 9, 60, 400, 1 << 40]);
        // An entry with its overhead has to fit, or nothing ever happens.
        let max_cost = if costs == Costs::Overhead { max_cost * 120 } else { max_cost };
        Self {
            number,
            keys: pick(&mut numbers, &[Keys::Integer, Keys::Text, Keys::Pair, Keys::Bytes, Keys::Crowded]),
            costs,
            lives: pick(
                &mut numbers,
                &[Lives::Forever, Lives::Default, Lives::PerInsert, Lives::Idle, Lives::Expiry],
            ),
            hearing: pick(
                &mut numbers,
                &[Hearing::Nobody, Hearing::Books, Hearing::Panics, Hearing::CallsBack],
            ),
            loads: pick(
                &mut numbers,
                &[Loads::None, Loads::Closure, Loads::Fallible, Loads::Panics, Loads::Reserved, Loads::Tasks],
            ),
            policy: PolicyKind::ALL[number as usize % PolicyKind::ALL.len()].clone(),
            maintenance: pick(&mut numbers, &[Maintenance::Thread, Maintenance::Inline, Maintenance::Manual]),
            threads: pick(&mut numbers, &[1, 2, 4]),
            max_cost,
            slack: pick(&mut numbers, &[None, Some(0), Some(1), Some(max_cost / 2), Some(1 << 41)]),
            pin_quota: pick(&mut numbers, &[0, max_cost / 3, max_cost]),
        }
    }

    /// Its options, by name.
    pub fn options(&self) -> Vec<String> {
        fn named(what: &str, option: &dyn Debug) -> String {
            format!("{what} {option:?}")
        }
        vec![
            named("keys", &self.keys),
            named("costs", &self.costs),
            named("lives", &self.lives),
            named("hearing", &self.hearing),
            named("loads", &self.loads),
            named("policy", &self.policy),
            named("maintenance", &self.maintenance),
            named("threads", &self.threads),
        ]
    }
}

fn pick<T: Clone>(numbers: &mut Numbers, options: &[T]) -> T {
    options[numbers.below(options.len() as u64) as usize].clone()
}
