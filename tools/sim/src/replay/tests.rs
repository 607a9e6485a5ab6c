//! Replays of a small trace, and rows that tell of broken promises.

use super::command::Setting;
use super::row::{Broken, Row};
use crate::budget::Budget;
use crate::progress::Progress;
use crate::trace::{Trace, TraceBuilder};
use tollgate::policy::{Objective, PolicyKind};

fn trace() -> Trace {
    let mut trace = TraceBuilder::new("test".into());
    for step in 0..50_000u64 {
        let key = (step * step * 7_919 % 10_007) % (1 + step % 999);
        trace.push(key, 1 + key % 7).unwrap();
    }
    trace.finish().unwrap()
}

fn replay(trace: &Trace, policy: &PolicyKind, slack: Option<u64>, threads: usize) -> Row {
    let setting = Setting {
        policy,
        objective: Objective::Hits,
        budget: Budget::Cost(500),
        max_cost: 500,
        slack,
        num_counters: 2_000,
        threads,
        seed: 1,
    };
    setting.run(trace, &Progress::hidden()).unwrap()
}

#[test]
fn every_policy_keeps_the_promises() {
    let trace = trace();
    for policy in PolicyKind::ALL {
        for (slack, threads) in [(None, 1), (Some(0), 2), (Some(100), 3)] {
            let row = replay(&trace, policy, slack, threads);
            assert_eq!(row.broken(), [], "{row:?}");
            assert_eq!(row.requests as u64, row.hits + row.values_made, "one value for each miss: {row:?}");
            assert!(row.hits > 0 && row.observations > 0, "{row:?}");
        }
    }
}

#[test]
fn a_broken_promise_is_told() {
    let whole = replay(&trace(), &PolicyKind::default(), Some(10), 1);
    let bound = whole.max_cost + 10;
    let row = Row { observed_peak_cost: bound + 1, ..whole.clone() };
    assert_eq!(row.broken(), [Broken::Budget { peak: bound + 1, bound }]);
    let row = Row { peak_cost: bound + 2, ..whole.clone() };
    assert_eq!(row.broken(), [Broken::Budget { peak: bound + 2, bound }]);
    let row = Row { alive_cost: whole.alive_cost + 1, ..whole.clone() };
    assert!(matches!(row.broken()[..], [Broken::Accounts { .. }]));
    let row = Row { wrong_values: 3, ..whole };
    assert_eq!(row.broken(), [Broken::WrongValues(3)]);
}
