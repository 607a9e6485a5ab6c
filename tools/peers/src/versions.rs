//! The versions of the caches, from the lockfile that they were built from.

const LOCK: &str = include_str!("../Cargo.lock");

/// The version of the crate behind a subject's name.
pub(crate) fn of(name: &str) -> &'static str {
    let package = match name {
        "scc HashCache" => "scc",
        "foyer" => "foyer-memory",
        "lru (mutex)" => "lru",
        "bare map" => "hashbrown",
        name => name,
    };
    let quoted = format!("name = \"{package}\"");
    let lines = LOCK.lines().skip_while(|line| *line != quoted);
    // Of several versions in a lockfile the newest comes last, and ours is the newest.
    let newest = lines
        .clone()
        .zip(lines.skip(1))
        .filter(|(name, _)| *name == quoted)
        .last()
        .map(|(_, version)| version.trim_start_matches("version = \"").trim_end_matches('"'));
    newest.unwrap_or("-")
}
