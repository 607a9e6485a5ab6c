//! `tollgate replay` as a user runs it.

mod common;

use common::{number, recorded, rows, skewed, tollgate, write_trace};
use serde_json::Value;
use tempfile::TempDir;

fn assert_kept(row: &Value) {
    let bound = number(row, "max_cost") + number(row, "slack");
    assert!(number(row, "peak_cost") <= bound, "{row}");
    assert!(number(row, "observed_peak_cost") <= bound, "{row}");
    assert!(number(row, "observed_peak_cost") >= number(row, "census_cost"), "{row}");
    assert_eq!(row["resident_cost"], row["census_cost"], "{row}");
    assert_eq!(row["alive_cost"], row["census_cost"], "{row}");
    assert_eq!(number(row, "wrong_values"), 0.0, "{row}");
    assert_eq!(number(row, "hits") + number(row, "values_made"), number(row, "requests"), "{row}");
}

#[test]
fn the_budget_holds_at_every_slack_and_number_of_threads() {
    let folder = TempDir::new().unwrap();
    write_trace(&folder, "sized.trc", skewed(60_000, |key| 1 + key as u32 % 50));
    for options in ["", "--strict", "--slack 64", "--threads 3", "--threads 3 --strict"] {
        let line = format!("replay {{sized.trc}} --max-cost 300,5%,20% {options} --format json");
        let rows = rows(&folder, &line);
        assert_eq!(rows.len(), 3);
        rows.iter().for_each(assert_kept);
        if options.contains("strict") {
            assert!(rows.iter().all(|row| row["slack"] == 0), "{options}");
        }
    }
}

#[test]
fn the_table_and_the_csv_have_the_same_rows() {
    let folder = TempDir::new().unwrap();
    write_trace(&folder, "unit.trc", skewed(10_000, |_| 1));
    let table = tollgate(&folder, "replay {unit.trc} --max-cost 10,100");
    assert_eq!(String::from_utf8(table.stdout).unwrap().lines().count(), 4);
    let csv = tollgate(&folder, "replay {unit.trc} --max-cost 10,100 --format csv");
    assert_eq!(String::from_utf8(csv.stdout).unwrap().lines().count(), 3);
}

#[test]
fn mistakes_are_told() {
    let folder = TempDir::new().unwrap();
    write_trace(&folder, "unit.trc", skewed(100, |_| 1));
    for line in [
        "replay {unit.trc} --max-cost 0",
        "replay {unit.trc} --max-cost 10 --threads 0",
        "replay {unit.trc} --max-cost 10 --slack 5 --strict",
        "replay {missing.trc} --max-cost 10",
    ] {
        let output = tollgate(&folder, line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{line}");
    }
}

/// A thread that cannot be started ends the replay: nobody waits for ever.
#[cfg(target_os = "linux")]
#[test]
fn too_many_threads_are_an_error() {
    let folder = TempDir::new().unwrap();
    write_trace(&folder, "unit.trc", skewed(100, |_| 1));
    let line = format!(
        "ulimit -v 2000000; exec {} replay {} --max-cost 10 --threads 3000",
        env!("CARGO_BIN_EXE_tollgate"),
        folder.path().join("unit.trc").display()
    );
    let output = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("cannot start a thread"), "{errors}");
}

/// The threaded cache decides as the engine alone does, up to the order in which threads arrive.
#[test]
fn a_recorded_trace_hits_as_often_as_through_the_engine_alone() {
    let folder = TempDir::new().unwrap();
    let Some(path) = recorded("arc_oltp") else { return };
    for threads in [1, 2] {
        let trace = path.display();
        let budgets = "--max-cost 256,1000,2000 --format json";
        let alone = rows(&folder, &format!("simulate {trace} {budgets}"));
        // Whom the system lets run, and for how long, decides how many reads are heard: on a busy machine one
        // run of a few may fall short.
        let close = (0..5).any(|_| {
            let threaded = rows(&folder, &format!("replay {trace} {budgets} --threads {threads}"));
            alone.iter().zip(&threaded).all(|(alone, threaded)| {
                assert_kept(threaded);
                assert!(number(threaded, "hit_ratio") <= number(alone, "optimum_upper"));
                (number(alone, "hit_ratio") - number(threaded, "hit_ratio")).abs() <= 0.01
            })
        });
        assert!(close, "{threads} threads: more than a point from {alone:?}, five times");
    }
}
