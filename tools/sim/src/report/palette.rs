//! Which line a policy has, in every chart.
//!
//! Seven hues of middle lightness (3:1 or better against white and against near-black) times two dash
//! patterns, with marks that change at a third pace: 14 lines that stay apart, in print without colours too.
//! The default policy has a colour of its own and a heavier line.

use super::svg::{Mark, Stroke};
use crate::simulate::is_default;
use tollgate::policy::PolicyKind;

/// The look of a policy's curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Look {
    pub(super) stroke: Stroke,
    pub(super) mark: Mark,
}

/// The look of the policy of that name: the same in every report.
pub(super) fn look(policy: &str) -> Look {
    let others = PolicyKind::ALL.iter().filter(|kind| !is_default(kind)).map(PolicyKind::name);
    if policy == PolicyKind::default().name() {
        return Look {
            stroke: Stroke { color: DEFAULT, width: 3.4, dash: "", opacity: 1.0 },
            mark: Mark::Disc,
        };
    }
    let place = others.clone().position(|name| name == policy).unwrap_or(others.count());
    Look {
        stroke: Stroke {
            color: HUES[place % HUES.len()],
            width: 1.7,
            dash: DASHES[place / HUES.len() % DASHES.len()],
            opacity: 1.0,
        },
        mark: MARKS[place % MARKS.len()],
    }
}

/// The look of the optimum, and of its lower bound.
pub(super) const OPTIMUM: Stroke = Stroke { color: "#808080", width: 2.2, dash: "", opacity: 1.0 };
pub(super) const OPTIMUM_LOWER: Stroke = Stroke { width: 1.2, dash: "2 3", ..OPTIMUM };

const DEFAULT: &str = "#e8501e";
const HUES: [&str; 7] = ["#3b82c4", "#2e9e5b", "#9467bd", "#12a0a8", "#d6569a", "#94851a", "#a0694a"];
const DASHES: [&str; 3] = ["", "7 4", "2 3"];
const MARKS: [Mark; 4] = [Mark::Square, Mark::Triangle, Mark::Ring, Mark::Disc];
