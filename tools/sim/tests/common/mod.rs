//! Running the binary, and traces to run it on.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// `tollgate` with arguments separated by blanks; `{name}` stands for a file in `folder`.
pub fn command(folder: &TempDir, line: &str) -> Command {
    let arguments = line.split_whitespace().map(|word| match word.strip_prefix('{') {
        Some(name) => folder.path().join(name.trim_end_matches('}')).into_os_string(),
        None => word.into(),
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.args(arguments);
    command
}

/// Runs it to its end.
pub fn tollgate(folder: &TempDir, line: &str) -> Output {
    command(folder, line).output().expect("the binary runs")
}

/// Runs `tollgate` and reads the JSON array that it prints.
pub fn rows(folder: &TempDir, line: &str) -> Vec<Value> {
    let output = tollgate(folder, line);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {errors}");
    assert_eq!(errors, "", "{line}: standard error is silent when it is no terminal");
    match serde_json::from_slice(&output.stdout).expect("one JSON value") {
        Value::Array(rows) => rows,
        other => panic!("{line}: not an array: {other}"),
    }
}

/// A number of a row.
pub fn number(row: &Value, field: &str) -> f64 {
    row[field].as_f64().unwrap_or_else(|| panic!("{field} in {row}"))
}

/// Writes a trace of our own format.
pub fn write_trace(folder: &TempDir, name: &str, requests: impl Iterator<Item = (u64, u32)>) {
    let records: Vec<u8> =
        requests.flat_map(|(key, size)| [&key.to_le_bytes()[..], &size.to_le_bytes()].concat()).collect();
    std::fs::write(folder.path().join(name), records).unwrap();
}

/// A skewed walk over about a thousand keys: hits, misses and evictions at every budget.
pub fn skewed(requests: u64, cost: impl Fn(u64) -> u32) -> impl Iterator<Item = (u64, u32)> {
    (0..requests).map(move |step| {
        let key = (step * step * 7_919 % 10_007) % (1 + step % 999);
        (key, cost(key))
    })
}

/// A recorded trace by name, where the collection is at hand: `TOLLGATE_TRACES`, or beside the project.
pub fn recorded(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("TOLLGATE_TRACES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces"), PathBuf::from);
    let path = folder.join(format!("{name}.trc.zst"));
    if !path.is_file() {
        eprintln!("skipped: no trace {name} at hand (set TOLLGATE_TRACES)");
        return None;
    }
    Some(path)
}
