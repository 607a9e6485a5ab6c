//! The floors of the house: a module uses what is on its own floor or below, never what is above.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up. Every top-level module of the crate is on one floor.
const FLOORS: &[(&str, &[&str])] = &[
    ("words", &["key", "listener", "clock", "error", "contain", "sync", "life", "persist", "trace"]),
    ("memory", &["store", "ring", "flight", "counters", "budget"]),
    // What the statistics tell includes what the policy tunes.
    ("decisions", &["engine", "policy", "expiry", "stats", "metrics"]),
    ("driver", &["processor", "share"]),
    ("core", &["core"]),
    ("faces", &["cache", "builder", "lib"]),
];

/// What the floor of decisions does not know: threads, locks and clocks.
const FOREIGN_TO_DECISIONS: &[&str] = &[
    "std::thread",
    "std::time",
    "std::sync::atomic",
    "parking_lot",
    "Mutex",
    "Condvar",
    "Instant",
    "crate::clock",
];

#[test]
fn imports_point_downwards() {
    let floors = floors();
    let mut upward = Vec::new();
    for (module, path, code) in sources() {
        assert!(!code.contains("crate::{"), "{}: one `use` for each module, please", path.display());
        for used in modules_used(&code) {
            let Some(floor) = floors.get(used.as_str()) else { continue };
            if *floor > floors[module.as_str()] {
                upward.push(format!("{} uses crate::{used}", path.display()));
            }
        }
    }
    assert!(upward.is_empty(), "upward imports:\n{}", upward.join("\n"));
}

#[test]
fn every_module_has_a_floor() {
    let floors = floors();
    let modules: Vec<_> = sources().into_iter().map(|(module, ..)| module).collect();
    for module in &modules {
        assert!(floors.contains_key(module.as_str()), "which floor is {module} on?");
    }
    for floor in floors.keys() {
        assert!(modules.iter().any(|module| module == floor), "{floor} has a floor but is not there");
    }
}

#[test]
fn decisions_know_no_threads_locks_or_clocks() {
    for (module, path, code) in sources() {
        if ["engine", "policy", "expiry"].contains(&module.as_str()) {
            for foreign in FOREIGN_TO_DECISIONS {
                assert!(!code.contains(foreign), "{} knows {foreign}", path.display());
            }
        }
    }
}

fn floors() -> BTreeMap<&'static str, usize> {
    let numbered = FLOORS.iter().enumerate();
    numbered.flat_map(|(floor, (_, modules))| modules.iter().map(move |&module| (module, floor))).collect()
}

/// Every source file: the top-level module that it belongs to, its path, and its code without comments and tests.
fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 20, "the sources are not where they were");
    files
        .into_iter()
        .map(|path| {
            let inside = path.strip_prefix(&root).unwrap().components().next().unwrap();
            let module = Path::new(inside.as_os_str()).file_stem().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).unwrap();
            (module, path, code_of(&text))
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Comments may point anywhere; tests stand at the end of a file and may as well.
fn code_of(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

fn modules_used(code: &str) -> Vec<String> {
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    code.split("crate::").skip(1).map(|rest| rest.chars().take_while(|&c| is_name(c)).collect()).collect()
}
