//! Belady-Size: keep what is asked for soonest per unit of cost.
//!
//! Discards the entry with the largest product of cost and distance to its next request (Berger,
//! Beckmann, Harchol-Balter, SIGMETRICS 2018, section 6). The order changes as time passes, so the
//! worst of a sample is taken, from a fixed seed; what it reaches, it reaches for real, and so bounds
//! the optimum from below.

use super::Hits;
use crate::trace::{NEVER, Trace};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// Plays the trace. Expected O(1) per request.
pub(super) fn sampled(trace: &Trace, next: &[u32], max_cost: u64) -> Hits {
    let mut cache = Residents::new(trace.distinct());
    let mut rng = SmallRng::seed_from_u64(1);
    let mut hits = Hits::default();
    for (at, &id) in trace.ids().iter().enumerate() {
        let cost = trace.cost(id);
        if cache.remove(id, cost) {
            hits.count += 1;
            hits.cost += cost;
        }
        if next[at] == NEVER || cost > max_cost {
            continue;
        }
        cache.push(Resident { id, next: next[at], cost });
        while cache.used > max_cost {
            let victim = cache.worst_of_sample(at as u32, &mut rng);
            cache.remove(victim.id, victim.cost);
        }
    }
    hits
}

#[derive(Debug, Clone, Copy)]
struct Resident {
    id: u32,
    next: u32,
    cost: u64,
}

/// A dense array of residents, and where each key lives in it.
struct Residents {
    entries: Vec<Resident>,
    places: Vec<u32>,
    used: u64,
}

impl Residents {
    fn new(keys: usize) -> Self {
        Self { entries: Vec::new(), places: vec![NEVER; keys], used: 0 }
    }

    fn push(&mut self, entry: Resident) {
        self.places[entry.id as usize] = self.entries.len() as u32;
        self.entries.push(entry);
        self.used += entry.cost;
    }

    /// Whether it was there.
    fn remove(&mut self, id: u32, cost: u64) -> bool {
        let place = std::mem::replace(&mut self.places[id as usize], NEVER);
        if place == NEVER {
            return false;
        }
        self.entries.swap_remove(place as usize);
        if let Some(moved) = self.entries.get(place as usize) {
            self.places[moved.id as usize] = place;
        }
        self.used -= cost;
        true
    }

    /// Of the newest entry and a random sample, the one with the largest cost x distance.
    fn worst_of_sample(&self, now: u32, rng: &mut SmallRng) -> Resident {
        let score = |entry: &Resident| u128::from(entry.cost) * u128::from(entry.next - now);
        let newest = self.entries[self.entries.len() - 1];
        (0..SAMPLE)
            .map(|_| self.entries[rng.random_range(0..self.entries.len())])
            .fold(newest, |worst, entry| if score(&entry) > score(&worst) { entry } else { worst })
    }
}

const SAMPLE: usize = 64;
