//! Traces: who was asked for, in order, and what each key costs.
//!
//! [`load`] reads any of the supported [`Format`]s, compressed or not, and [`synthetic`] makes one up.
//! Either way the outcome is a [`Trace`]: the requests as dense key numbers, and one cost per key. Dense
//! numbers make everything after the reading (optima, stack distances) arithmetic on arrays.
//!
//! A key has one cost for the whole trace, the largest that it was ever recorded with: the bounds on
//! the optimum are only defined for fixed costs, and a cache that does not hear of writes cannot know
//! better. [`Trace::recosted`] tells how many keys this concerns.
//!
//! Times are read over: the simulator counts requests, not seconds, and knows no expiry.

mod binary;
mod columns;
mod compressed;
mod error;
mod format;
mod lines;
mod mix;
pub mod synthetic;

pub use columns::Columns;
pub use error::{TraceError, TraceFault};
pub use format::{Format, trace_name};
pub use mix::MixedKeys;

use std::collections::HashMap;
use std::path::Path;

/// A trace in memory.
#[derive(Debug)]
pub struct Trace {
    name: String,
    /// The key number of each request, in order.
    ids: Vec<u32>,
    keys: Vec<Key>,
    recosted: usize,
    distinct_cost: u64,
    requested_cost: u64,
}

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The key as the trace has it, or a hash of it where it is text.
    pub key: u64,
    /// A fixed 64-bit mix of the key, for policies, which expect a hash.
    pub index: u64,
    /// Its cost; at least 1.
    pub cost: u64,
}

impl Trace {
    /// The trace's name: that of its file, without the endings.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same trace under another name.
    pub fn renamed(self, name: String) -> Self {
        Self { name, ..self }
    }

    /// The number of requests.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// The number of distinct keys.
    pub fn distinct(&self) -> usize {
        self.keys.len()
    }

    /// The requests in order, as key numbers in `0..distinct()`.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The requests in order.
    pub fn requests(&self) -> impl ExactSizeIterator<Item = &Key> {
        self.ids.iter().map(|&id| &self.keys[id as usize])
    }

    /// The keys by number, in order of their first request.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The cost of key number `id`.
    pub fn cost(&self, id: u32) -> u64 {
        self.keys[id as usize].cost
    }

    /// The sum of the costs of the distinct keys: the budget that holds everything.
    pub fn distinct_cost(&self) -> u64 {
        self.distinct_cost
    }

    /// The sum of the costs of all requests.
    pub fn requested_cost(&self) -> u64 {
        self.requested_cost
    }

    /// How many keys were recorded with more than one cost.
    pub fn recosted(&self) -> usize {
        self.recosted
    }

    /// Whether every key costs 1.
    pub fn is_unit(&self) -> bool {
        self.distinct_cost == self.keys.len() as u64
    }

    /// How many entries fit into a budget, if they are like the average key: at least one, at most all.
    pub fn expected_entries(&self, max_cost: u64) -> usize {
        let entries = u128::from(max_cost) * self.keys.len() as u128 / u128::from(self.distinct_cost.max(1));
        (entries as usize).clamp(1, self.keys.len().max(1))
    }

    /// For every request, the position of the next request of the same key, or [`NEVER`].
    pub fn next_requests(&self) -> Vec<u32> {
        let mut last_seen = vec![NEVER; self.keys.len()];
        let mut next = vec![NEVER; self.ids.len()];
        for (at, &id) in self.ids.iter().enumerate().rev() {
            next[at] = std::mem::replace(&mut last_seen[id as usize], at as u32);
        }
        next
    }
}

/// "There is no next request of this key."
pub const NEVER: u32 = u32::MAX;

/// How to read a trace file.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// The format; worked out from name and content if absent.
    pub format: Option<Format>,
    /// Which columns hold what, for the formats that have columns.
    pub columns: Columns,
}

/// Reads a trace file.
///
/// # Errors
/// A [`TraceError`] that names the file, and the line or the number of requests read before the fault.
pub fn load(path: &Path, options: &LoadOptions) -> Result<Trace, TraceError> {
    read_file(path, options).map_err(|fault| TraceError { path: path.to_owned(), fault })
}

/// Opens a trace file and works out its format, without reading on: what can be known to be wrong
/// before any long work starts. Of what can be read only once, a pipe or standard input, nothing is known.
///
/// # Errors
/// As [`load`].
pub fn probe(path: &Path, options: &LoadOptions) -> Result<(), TraceError> {
    if compressed::is_stream(path) {
        return Ok(());
    }
    let fault = |fault| TraceError { path: path.to_owned(), fault };
    let mut reader = compressed::open(path).map_err(fault)?;
    format::resolve(path, &mut reader, options).map(drop).map_err(fault)
}

fn read_file(path: &Path, options: &LoadOptions) -> Result<Trace, TraceFault> {
    read(compressed::open(path)?, path, options)
}

/// Reads a trace that is in memory, as a file of that name would be.
///
/// # Errors
/// What is wrong with it.
#[cfg(fuzzing)]
pub fn read_bytes(bytes: Vec<u8>, path: &Path, options: &LoadOptions) -> Result<Trace, TraceFault> {
    let reader = compressed::decode(std::io::Cursor::new(bytes)).map_err(TraceFault::Open)?;
    read(reader, path, options)
}

fn read(mut reader: compressed::Reader, path: &Path, options: &LoadOptions) -> Result<Trace, TraceFault> {
    let mut trace = TraceBuilder::new(format::trace_name(path));
    match format::resolve(path, &mut reader, options)? {
        Format::Tollgate => binary::read_tollgate(&mut reader, &mut trace)?,
        Format::OracleGeneral => binary::read_oracle_general(&mut reader, &mut trace)?,
        Format::Text => lines::read_text(&mut reader, &mut trace)?,
        Format::Arc => lines::read_arc(&mut reader, &mut trace)?,
        Format::Lirs => lines::read_lirs(&mut reader, &mut trace)?,
        Format::Csv => columns::read_csv(&mut reader, &options.columns, &mut trace)?,
        Format::LibCacheSimCsv => columns::read_libcachesim(&mut reader, &options.columns, &mut trace)?,
        Format::Twitter => columns::read_twitter(&mut reader, &mut trace)?,
    }
    trace.finish()
}

/// Collects requests and numbers their keys.
#[derive(Debug)]
pub struct TraceBuilder {
    trace: Trace,
    numbers: HashMap<u64, u32, MixedKeys>,
    /// Costs of keys that were told of without a request.
    noted: HashMap<u64, u64, MixedKeys>,
    /// By key number: whether it had more than one cost.
    recosted: Vec<bool>,
}

impl TraceBuilder {
    /// An empty trace.
    pub fn new(name: String) -> Self {
        let trace = Trace {
            name,
            ids: Vec::new(),
            keys: Vec::new(),
            recosted: 0,
            distinct_cost: 0,
            requested_cost: 0,
        };
        Self { trace, numbers: HashMap::default(), noted: HashMap::default(), recosted: Vec::new() }
    }

    /// The number of requests so far.
    pub fn len(&self) -> usize {
        self.trace.ids.len()
    }

    /// Appends a request. A cost of 0 counts as 1: no entry is free.
    ///
    /// # Errors
    /// [`TraceFault::TooLong`] at 2^32 - 1 requests.
    pub fn push(&mut self, key: u64, cost: u64) -> Result<(), TraceFault> {
        if self.trace.ids.len() >= NEVER as usize {
            return Err(TraceFault::TooLong);
        }
        let cost = cost.max(1);
        let id = *self.numbers.entry(key).or_insert_with(|| {
            self.trace.keys.push(Key { key, index: mix::mix(key), cost });
            self.recosted.push(false);
            (self.trace.keys.len() - 1) as u32
        });
        self.trace.ids.push(id);
        self.recost(id, cost);
        Ok(())
    }

    /// Takes note of a key's cost without a request.
    pub fn note(&mut self, key: u64, cost: u64) {
        let noted = self.noted.entry(key).or_default();
        *noted = cost.max(*noted);
    }

    /// The trace.
    ///
    /// # Errors
    /// [`TraceFault::Empty`] if there was no request; [`TraceFault::TooCostly`] if the costs add up to
    /// more than 64 bits.
    pub fn finish(mut self) -> Result<Trace, TraceFault> {
        for id in 0..self.trace.keys.len() as u32 {
            if let Some(&cost) = self.noted.get(&self.trace.keys[id as usize].key) {
                self.recost(id, cost);
            }
        }
        let mut trace = self.trace;
        trace.recosted = self.recosted.iter().filter(|&&recosted| recosted).count();
        if trace.ids.is_empty() {
            return Err(TraceFault::Empty);
        }
        let requested: u128 = trace.requests().map(|key| u128::from(key.cost)).sum();
        trace.requested_cost = u64::try_from(requested).map_err(|_| TraceFault::TooCostly)?;
        let distinct: u128 = trace.keys.iter().map(|key| u128::from(key.cost)).sum();
        trace.distinct_cost = u64::try_from(distinct).map_err(|_| TraceFault::TooCostly)?;
        Ok(trace)
    }

    fn recost(&mut self, id: u32, cost: u64) {
        let known = &mut self.trace.keys[id as usize];
        if known.cost != cost {
            known.cost = known.cost.max(cost);
            self.recosted[id as usize] = true;
        }
    }
}

#[cfg(test)]
mod tests;
