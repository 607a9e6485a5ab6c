//! `tollgate simulate`: many policies x many budgets on traces, engines alone.
//!
//! The engine is deterministic, so a row is reproducible to the last hit; rows differ only in how long
//! they took. The threaded cache around the engine is the business of `tollgate replay`.

mod command;
mod compare;
mod markdown;
mod play;
mod row;

pub use command::{ObjectiveName, PolicyChoice, SimulateArgs, parse_policy, run};
pub use compare::{Contest, Regret, regrets};
pub use play::Sample;
pub use row::{Row, objective_name};

use crate::budget::Budget;
use crate::optimum::{Bounds, Optima};
use crate::progress::Progress;
use crate::trace::Trace;
use play::{Played, play};
use rayon::prelude::*;
use tollgate::policy::{Objective, PolicyConfig, PolicyKind};

/// What to run on every trace.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which policies.
    pub policies: Vec<PolicyKind>,
    /// Which budgets.
    pub budgets: Vec<Budget>,
    /// Which objectives. On traces of unit cost they are one, and only the first is run.
    pub objectives: Vec<Objective>,
    /// Counters of the frequency sketch; ten for each entry that fits, if absent.
    pub num_counters: Option<usize>,
    /// Seed of every random choice.
    pub seed: u64,
    /// Whether to compute the optimum.
    pub optimum: bool,
    /// How often to sample the parameters of the default policy; 0 is never.
    pub samples: usize,
}

/// All runs of one trace.
#[derive(Debug)]
pub struct Outcome {
    /// By objective, then budget, then policy, each in the order of the plan.
    pub rows: Vec<Row>,
    /// The default policy over time, for each budget of each objective.
    pub histories: Vec<History>,
}

/// One run of the default policy over time.
#[derive(Debug)]
pub struct History {
    /// What was to be maximised.
    pub objective: Objective,
    /// The budget.
    pub max_cost: u64,
    /// Equally spaced.
    pub samples: Vec<Sample>,
}

impl Plan {
    /// Runs everything on one trace, on all the threads of the pool.
    pub fn run(&self, trace: &Trace, label: String) -> Outcome {
        let cells = self.cells(trace);
        let runs = cells.len() * (self.policies.len() + usize::from(self.optimum));
        let progress = Progress::new(label, runs as u64 * trace.len() as u64);
        let optima = Optima::new(trace);
        let tasks: Vec<(usize, Task)> =
            (0..cells.len()).flat_map(|cell| self.tasks().map(move |task| (cell, task))).collect();
        let done: Vec<Done> = tasks
            .par_iter()
            .with_max_len(1)
            .map(|&(cell, task)| self.perform(task, cells[cell], trace, &optima, &progress))
            .collect();
        progress.finish();
        self.assemble(trace, &cells, done)
    }

    fn cells(&self, trace: &Trace) -> Vec<Cell> {
        let objectives = if trace.is_unit() { &self.objectives[..1] } else { &self.objectives[..] };
        objectives
            .iter()
            .flat_map(|&objective| self.budgets.iter().map(move |&budget| (objective, budget)))
            .map(|(objective, budget)| {
                let max_cost = budget.resolve(trace.distinct_cost());
                let num_counters = self.num_counters.unwrap_or(10 * trace.expected_entries(max_cost));
                Cell { objective, budget, max_cost, num_counters }
            })
            .collect()
    }

    /// The tasks of one cell; the longest, the optimum, first.
    fn tasks(&self) -> impl Iterator<Item = Task> {
        let optimum = self.optimum.then_some(Task::Bound);
        optimum.into_iter().chain((0..self.policies.len()).map(Task::Play))
    }

    fn perform(&self, task: Task, cell: Cell, trace: &Trace, optima: &Optima, progress: &Progress) -> Done {
        match task {
            Task::Bound => {
                let bounds = optima.bounds(cell.max_cost, cell.objective);
                progress.advance(trace.len() as u64);
                Done::Bounds(bounds)
            }
            Task::Play(policy) => {
                let policy = &self.policies[policy];
                let config = PolicyConfig {
                    num_counters: cell.num_counters,
                    max_cost: cell.max_cost,
                    seed: self.seed,
                    objective: cell.objective,
                };
                let samples = if is_default(policy) { self.samples } else { 0 };
                Done::Played(play(trace, policy, config, samples, progress))
            }
        }
    }

    fn assemble(&self, trace: &Trace, cells: &[Cell], done: Vec<Done>) -> Outcome {
        let mut outcome = Outcome { rows: Vec::new(), histories: Vec::new() };
        let mut done = done.into_iter();
        for cell in cells {
            let mut bounds = None;
            for task in self.tasks() {
                match (task, done.next().expect("every task was performed")) {
                    (Task::Play(policy), Done::Played(played)) => {
                        let policy = &self.policies[policy];
                        outcome.rows.push(Row::new(trace, policy, cell, &played, bounds));
                        if !played.samples.is_empty() {
                            let Cell { objective, max_cost, .. } = *cell;
                            outcome.histories.push(History { objective, max_cost, samples: played.samples });
                        }
                    }
                    (_, Done::Bounds(found)) => bounds = Some(found),
                    (Task::Bound, Done::Played(_)) => unreachable!("tasks and outcomes are in one order"),
                }
            }
        }
        outcome
    }
}

/// A budget and what follows from it.
#[derive(Debug, Clone, Copy)]
struct Cell {
    objective: Objective,
    budget: Budget,
    max_cost: u64,
    num_counters: usize,
}

#[derive(Debug, Clone, Copy)]
enum Task {
    Bound,
    /// The policy at this place of the plan.
    Play(usize),
}

enum Done {
    Bounds(Bounds),
    Played(Played),
}

/// Whether this is the policy that a cache has unless told otherwise.
pub fn is_default(policy: &PolicyKind) -> bool {
    policy.name() == PolicyKind::default().name()
}
