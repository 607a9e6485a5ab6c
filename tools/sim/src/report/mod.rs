//! The report of `tollgate simulate`: curves, recommendation and figures, in one file.
//!
//! `.html` is the whole: for each trace the hit ratio of every policy over the budget under the optimum,
//! the distances from the best, the default policy's parameters over time, a recommended budget, and the
//! table of figures. It loads nothing. `.svg` and `.png` are the charts alone, one below the other.

mod axes;
mod curves;
mod knee;
mod page;
mod palette;
mod png;
mod svg;
mod table;
mod timeline;
mod view;

use crate::failure::Failure;
use crate::simulate::{Contest, History, Row, regrets};
use std::path::{Path, PathBuf};
use svg::Svg;
use view::View;

/// What a report is about: one trace.
#[derive(Debug)]
pub struct Source {
    /// Its name.
    pub trace: String,
    /// Its distinct keys.
    pub distinct_keys: usize,
    /// Their cost.
    pub distinct_cost: u64,
    /// The outcome, by objective.
    pub rows: Vec<Row>,
    /// The default policy over time.
    pub histories: Vec<History>,
}

/// The file to write, with the kind that its name tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Html,
    Svg,
    Png,
}

impl Target {
    /// Reads a file name, for clap.
    ///
    /// # Errors
    /// If the name does not tell the kind, or there is no such folder.
    pub fn parse(text: &str) -> Result<Self, String> {
        let path = PathBuf::from(text);
        let kind = match path.extension().and_then(|ending| ending.to_str()) {
            Some("html" | "htm") => Kind::Html,
            Some("svg") => Kind::Svg,
            Some("png") => Kind::Png,
            _ => return Err("a report is a .html, .svg or .png file".to_owned()),
        };
        check_folder(&path)?;
        Ok(Self { path, kind })
    }
}

/// Checks that a file could be written there, before hours of work are spent for it.
///
/// # Errors
/// If there is no such folder.
pub fn check_folder(path: &Path) -> Result<(), String> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(format!("there is no folder {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Writes a report. The notes say how it came about.
///
/// # Errors
/// [`Failure::Write`].
pub fn write(target: &Target, sources: &[Source], command: &str, notes: &[String]) -> Result<(), Failure> {
    let views: Vec<View<'_>> = sources
        .iter()
        .flat_map(|source| {
            source.rows.chunk_by(|a, b| a.objective == b.objective).map(move |rows| View::new(source, rows))
        })
        .collect();
    let content = match target.kind {
        Kind::Html => {
            let contests: Vec<Contest<'_>> = views.iter().flat_map(|view| view.contests.clone()).collect();
            Ok(page::page(&views, &regrets(&contests), command, notes).into_bytes())
        }
        Kind::Svg => Ok(charts(&views).into_bytes()),
        Kind::Png => png::render(&charts(&views)),
    };
    content
        .and_then(|content| std::fs::write(&target.path, content))
        .map_err(|source| Failure::Write { path: target.path.clone(), source })
}

/// All charts in one drawing, on white.
fn charts(views: &[View<'_>]) -> String {
    let mut all = Svg::new(0.0, 0.0);
    for view in views {
        all.stack(curves::hit_ratios(view));
        if view.regrets.len() > 1 {
            all.stack(curves::gaps(view));
        }
        if let Some(chart) = timeline::timeline(view) {
            all.stack(chart);
        }
    }
    all.finish("Hit ratio over budget", Some("#ffffff"))
}

#[cfg(test)]
mod tests;
