//! `tollgate simulate` as a user runs it.

mod common;

use common::{command, number, recorded, rows, skewed, tollgate, write_trace};
use tempfile::TempDir;

fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    write_trace(&folder, "unit.trc", skewed(30_000, |_| 1));
    write_trace(&folder, "sized.trc", skewed(30_000, |key| 1 + key as u32 % 50));
    folder
}

#[test]
fn rows_are_complete_and_under_the_optimum() {
    let folder = folder();
    let rows = rows(
        &folder,
        "simulate {unit.trc} {sized.trc} --max-cost 1%,10%,200 --policy all --objective hits,cost --format json",
    );
    // Three budgets, with both objectives where there are costs.
    let policies = rows.iter().filter(|row| row["trace"] == "unit" && row["budget"] == "10%").count();
    assert_eq!(rows.len(), policies * 3 * 3);
    for row in &rows {
        let (hits, requests) = (number(row, "hits"), number(row, "requests"));
        assert_eq!(requests, 30_000.0);
        assert!((number(row, "hit_ratio") - hits / requests).abs() < 1e-12, "{row}");
        assert!(number(row, "resident_cost") <= number(row, "max_cost"), "{row}");
        assert!(number(row, "optimum_lower") <= number(row, "optimum_upper"), "{row}");
        let score = if row["objective"] == "cost" { "byte_hit_ratio" } else { "hit_ratio" };
        assert!(number(row, score) <= number(row, "optimum_upper"), "{row}");
        if row["trace"] == "unit" {
            assert_eq!(row["hit_ratio"], row["byte_hit_ratio"]);
            assert_eq!(row["optimum_lower"], row["optimum_upper"]);
        }
    }
}

#[test]
fn fifo_hits_as_often_as_a_naive_fifo() {
    let folder = folder();
    let rows = rows(&folder, "simulate {unit.trc} --max-cost 100 --policy fifo --format json");
    let (mut queue, mut hits) = (std::collections::VecDeque::new(), 0);
    for (key, _) in skewed(30_000, |_| 1) {
        if queue.contains(&key) {
            hits += 1;
            continue;
        }
        if queue.len() == 100 {
            queue.pop_front();
        }
        queue.push_back(key);
    }
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["hits"], hits);
    assert_eq!(rows[0]["policy"], "fifo");
    assert_eq!(rows[0]["num_counters"], 1_000);
}

#[test]
fn runs_repeat_to_the_last_hit() {
    let folder = folder();
    let line = "simulate {sized.trc} --max-cost 5% --policy all --format json --seed 7";
    let hits = || rows(&folder, line).into_iter().map(|row| row["hits"].clone()).collect::<Vec<_>>();
    assert_eq!(hits(), hits());
}

#[test]
fn files_beside_the_rows() {
    let folder = folder();
    let line = "simulate {unit.trc} {sized.trc} --max-cost 5% --policy all --format json --report {report.html} --markdown {page.md}";
    let rows = rows(&folder, line);
    assert!(rows.iter().all(|row| row["budget"] == "5%"), "the grid of the report is not printed");
    let report = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(report.contains("a grid from 0.1% to 100%") && report.contains("</html>"));
    let page = std::fs::read_to_string(folder.path().join("page.md")).unwrap();
    assert!(page.contains("simulate") && page.contains("| unit | 5% |") && page.contains("| sized | 5% |"));
    for row in &rows {
        let figure = format!("{:.2}", 100.0 * number(row, "hit_ratio"));
        assert!(report.contains(&figure), "{row}");
        assert!(page.contains(&figure), "{row}");
    }
}

#[test]
fn files_of_one_name_and_what_is_said_twice() {
    let folder = folder();
    for (other, requests) in [("a", 1_000), ("b", 2_000)] {
        std::fs::create_dir(folder.path().join(other)).unwrap();
        write_trace(&folder, &format!("{other}/web.trc"), skewed(requests, |_| 1));
    }
    let line = "simulate {a/web.trc} {b/web.trc} {unit.trc} --max-cost 5%,5%,100 --policy lru,fifo,lru --objective cost,hits,cost \
                --format json --markdown {page.md}";
    let rows = rows(&folder, line);
    assert_eq!(
        rows.len(),
        3 * 2 * 2,
        "traces, budgets and policies, each once; of cost 1, both objectives are one"
    );
    let mut names: Vec<&str> = rows.iter().map(|row| row["trace"].as_str().unwrap()).collect();
    names.dedup();
    assert!(
        names[0].ends_with("a/web.trc") && names[1].ends_with("b/web.trc") && names[2] == "unit",
        "{names:?}"
    );
    let page = std::fs::read_to_string(folder.path().join("page.md")).unwrap();
    for row in &rows {
        let figure = format!("{:.2}", 100.0 * number(row, "hit_ratio"));
        assert!(page.contains(&figure), "{row}");
    }
}

/// A pipe can be read but once.
#[cfg(unix)]
#[test]
fn a_pipe_is_read_from_its_beginning() {
    use std::io::Write;
    use std::process::Stdio;
    let (folder, lines) = (folder(), (0..50_000).map(|n| format!("{}\n", 1_000_000 + n % 1_000)));
    let lines: String = lines.collect();
    for source in ["- --trace-format lirs", "/dev/stdin --trace-format lirs", "-"] {
        let mut command = command(&folder, &format!("analyze {source} --format json"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // In pieces: the first line comes bit by bit.
        let mut input = child.stdin.take().unwrap();
        for piece in [&lines[..3], &lines[3..10], &lines[10..]] {
            input.write_all(piece.as_bytes()).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        drop(input);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("\"requests\": 50000"), "{source}: {said}");
    }
}

/// Whoever reads only the beginning of the output is no fault of ours.
#[cfg(unix)]
#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    use std::process::Stdio;
    let folder = folder();
    let budgets: Vec<String> = (1..400).map(|cost| cost.to_string()).collect();
    let simulate =
        format!("simulate {{unit.trc}} --max-cost {} --no-optimum --format csv", budgets.join(","));
    for line in [simulate.as_str(), "hostile --keys 2000", "soak --minutes 0.001 --threads 1"] {
        let mut command = command(&folder, line);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.is_empty(), "{line}: {:?} {errors}", output.status);
    }
}

#[cfg(unix)]
#[test]
fn a_file_may_have_any_name() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = folder();
    let odd = folder.path().join(OsStr::from_bytes(b"odd-\xff.trc"));
    std::fs::copy(folder.path().join("unit.trc"), &odd).unwrap();
    let output = command(&folder, "simulate --max-cost 5% --markdown {page.md}").arg(&odd).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn csv_has_a_line_of_names_and_one_per_row() {
    let folder = folder();
    let output = tollgate(&folder, "simulate {unit.trc} --max-cost 1%,5% --format csv");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("trace,"), "{text}");
    assert_eq!(text.lines().count(), 3);
}

#[test]
fn without_a_trace_one_is_made() {
    let folder = TempDir::new().unwrap();
    let rows = rows(&folder, "simulate --max-cost 1% --no-optimum --format json");
    assert_eq!(rows[0]["trace"], "synthetic");
    assert_eq!(rows[0]["requests"], 1_000_000);
    assert!(rows[0]["optimum_upper"].is_null());
}

#[test]
fn mistakes_are_told_before_the_work() {
    let folder = folder();
    std::fs::write(folder.path().join("mystery"), [0; 24]).unwrap();
    for (line, told) in [
        ("simulate {unit.trc} --max-cost 0", "above zero"),
        ("simulate {unit.trc} --max-cost 5%,lots", "whole number"),
        ("simulate {unit.trc} --max-cost 120%", "100%"),
        ("simulate {unit.trc} --max-cost 5% --policy nobody", "the policies are"),
        ("simulate {unit.trc} --max-cost 5% --num-counters 0", "--num-counters"),
        ("simulate {unit.trc} {missing.trc} --max-cost 5%", "missing.trc: cannot open"),
        ("simulate {mystery} --max-cost 5%", "--trace-format"),
        ("simulate {unit.trc} --max-cost 5% --delimiter →", "one ASCII character"),
        ("simulate {unit.trc} --max-cost 5% --size-column 3", "fixed columns"),
        ("simulate {unit.trc} --max-cost 5% --key-column 0", "from 1"),
        ("soak --minutes 0", "above 0"),
        ("soak --minutes nan", "above 0"),
        ("soak --minutes inf", "above 0"),
        ("hostile --keys 9", "1000"),
        ("simulate {unit.trc} --max-cost 5% --report {report.pdf}", ".html"),
        ("simulate {unit.trc} --max-cost 5% --report {none/report.html}", "no folder"),
        ("simulate {unit.trc} --max-cost 5% --markdown {none/page.md}", "no folder"),
    ] {
        let output = tollgate(&folder, line);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{line}: {errors}");
        assert!(errors.contains(told), "{line}: {errors}");
        assert!(output.stdout.is_empty(), "{line}");
    }
}

#[test]
fn a_truncated_trace_is_told() {
    let folder = folder();
    let whole = std::fs::read(folder.path().join("unit.trc")).unwrap();
    std::fs::write(folder.path().join("cut.trc"), &whole[..1_000]).unwrap();
    let output = tollgate(&folder, "simulate {cut.trc} --max-cost 5%");
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.contains("cut.trc: ends within a record: 4 of 12 bytes after 83 whole requests"),
        "{errors}"
    );
}

/// (trace, budgets, percent): Belady's MIN, as published beside the traces.
const EXACT_OPTIMA: [(&str, &str, &[f64]); 3] = [
    ("arc_oltp", "1000,5000,15000", &[53.62, 68.27, 75.14]),
    ("lirs_loop", "256,512,1000", &[25.27, 50.54, 98.71]),
    ("cache2k_web12", "300,1200,3000", &[66.85, 79.12, 84.24]),
];

#[test]
fn the_optima_of_recorded_traces_are_the_published_ones() {
    let folder = TempDir::new().unwrap();
    for (name, budgets, percents) in EXACT_OPTIMA {
        let Some(path) = recorded(name) else { continue };
        let line = format!("simulate {} --max-cost {budgets} --policy fifo --format json", path.display());
        for (row, percent) in rows(&folder, &line).iter().zip(percents) {
            assert!((100.0 * number(row, "optimum_upper") - percent).abs() < 0.006, "{row}");
        }
    }
}

#[test]
fn the_bounds_of_recorded_traces_are_the_published_ones() {
    let folder = TempDir::new().unwrap();
    let Some(path) = recorded("cloudphysics_io") else { return };
    let line = format!("simulate {} --max-cost 1%,5%,20% --policy fifo --format json", path.display());
    for (row, (lower, upper)) in rows(&folder, &line).iter().zip([(22.9, 26.5), (32.4, 39.9), (47.2, 51.9)]) {
        assert!((100.0 * number(row, "optimum_lower") - lower).abs() < 0.3, "{row}");
        assert!((100.0 * number(row, "optimum_upper") - upper).abs() < 0.06, "{row}");
    }
}
