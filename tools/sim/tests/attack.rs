//! `tollgate soak` and `tollgate hostile` at their shortest: that they run, and what they say.

use std::process::{Command, Output};

fn tollgate(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tollgate")).args(args).output().unwrap()
}

#[test]
fn a_short_soak_finds_nothing() {
    let soak = tollgate(&["soak", "--minutes", "0.02", "--threads", "3"]);
    let said = String::from_utf8_lossy(&soak.stdout);
    assert!(soak.status.success() && said.contains("\n0 violations"), "{said}");
}

#[test]
fn no_keys_are_found_that_a_hasher_of_ours_takes_for_each_other() {
    let hostile = tollgate(&["hostile", "--keys", "20000"]);
    let said = String::from_utf8_lossy(&hostile.stdout);
    assert!(hostile.status.success(), "{said}");
    let canary = said.lines().find(|line| line.contains("canary") && line.contains("padded")).unwrap();
    assert!(canary.split('|').nth(3).is_some_and(|collisions| collisions.trim() != "0"), "{canary}");
}
