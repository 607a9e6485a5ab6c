//! The command line as it could be typed again, for files that say how they were made.

use std::path::{Path, PathBuf};

/// The present process's command line. A run of files that a pattern of the shell stands for, `folder/*.zst`,
/// is written as that pattern again.
pub fn command_line() -> String {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    format!("cargo run --release -p tollgate-sim -- {}", fold(&arguments).join(" "))
}

fn fold(arguments: &[String]) -> Vec<String> {
    let mut folded = Vec::new();
    let mut rest = arguments;
    while let Some(first) = rest.first() {
        let alike =
            rest.iter().take_while(|argument| pattern(argument).is_some_and(|it| Some(it) == pattern(first)));
        match pattern(first).filter(|pattern| covers(pattern, &rest[..alike.clone().count()])) {
            Some(pattern) => {
                folded.push(pattern.to_string_lossy().into_owned());
                rest = &rest[alike.count()..];
            }
            None => {
                folded.push(quoted(first));
                rest = &rest[1..];
            }
        }
    }
    folded
}

/// `folder/*.ending` for an existing file `folder/name.ending`.
fn pattern(argument: &str) -> Option<PathBuf> {
    let path = Path::new(argument);
    let ending = path.extension()?.to_str()?;
    path.is_file().then(|| path.with_file_name(format!("*.{ending}")))
}

/// Whether the pattern stands for exactly these files, and these are several.
fn covers(pattern: &Path, files: &[String]) -> bool {
    let folder = pattern.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let matching = std::fs::read_dir(folder).map_or(0, |entries| {
        entries.flatten().filter(|entry| entry.path().extension() == pattern.extension()).count()
    });
    files.len() > 1 && files.len() == matching
}

fn quoted(argument: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./,=%:+".contains(character);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_fold_into_the_pattern_that_named_them() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["a.trc.zst", "b.trc.zst", "c.txt", "d.txt", "e.txt"];
        let paths = names.map(|name| {
            let path = folder.path().join(name);
            std::fs::write(&path, "1\n").unwrap();
            path.to_str().unwrap().to_owned()
        });
        let [a, b, c, d, _] = paths;
        let pattern = folder.path().join("*.zst").to_str().unwrap().to_owned();
        let line = ["simulate", &a, &b, &c, "--max-cost", "5%"].map(str::to_owned);
        assert_eq!(fold(&line), ["simulate", &pattern, &c, "--max-cost", "5%"]);
        // Not all that the pattern stands for.
        let partial = ["simulate", &a, &c, &d].map(str::to_owned);
        assert_eq!(fold(&partial), partial);
        assert_eq!(quoted("a b"), "'a b'");
    }
}
