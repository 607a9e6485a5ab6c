//! Belady's MIN: keep what is asked for soonest.
//!
//! L. A. Belady, "A study of replacement algorithms for a virtual-storage computer", 1966. The cache
//! may decline to keep what it just fetched (bypass), as our policies may. For keys of equal cost the
//! outcome is the optimum; for others it is a sound offline policy and so a lower bound.
//!
//! A resident entry is represented by the position of its next request, which belongs to one key only:
//! request `i` hits exactly if `i` is in the set.

use super::Hits;
use super::times::Times;
use crate::trace::{NEVER, Trace};

/// Plays the trace, always discarding the entry whose next request is furthest away.
pub(super) fn furthest_first(trace: &Trace, next: &[u32], max_cost: u64) -> Hits {
    let mut resident = Times::new(next.len());
    let mut used = 0;
    let mut hits = Hits::default();
    for (at, &id) in trace.ids().iter().enumerate() {
        let cost = trace.cost(id);
        if resident.remove(at as u32) {
            hits.count += 1;
            hits.cost += cost;
            used -= cost;
        }
        if next[at] == NEVER || cost > max_cost {
            continue;
        }
        resident.insert(next[at]);
        used += cost;
        while used > max_cost {
            let furthest = resident.max().expect("costs are only used by residents");
            resident.remove(furthest);
            used -= trace.cost(trace.ids()[furthest as usize]);
        }
    }
    hits
}
