//! Hit ratio over budget: one curve per policy, under the optimum.

use super::axes::{Frame, Scale, short};
use super::knee::Knee;
use super::palette::{self, OPTIMUM, OPTIMUM_LOWER};
use super::svg::{Anchor, Stroke, Svg};
use super::view::View;
use crate::output::percent;
use crate::simulate::{Contest, Row};

/// Hit ratios as they are, with the optimum and the knee.
pub(super) fn hit_ratios(view: &View<'_>) -> Svg {
    let top = view.contests.iter().map(|contest| contest.head().optimum_upper.unwrap_or(contest.best()));
    let top = (top.fold(0.01, f64::max) * 104.0).min(100.0);
    let title = format!("{}: {} over budget", view.trace, view.score_name());
    let mut chart = Chart::new(view, &title, CURVES_HEIGHT, top);
    chart.axes(view, &format!("{}, %", view.score_name()));
    chart.optimum(view);
    if let Some(knee) = &view.knee {
        chart.knee(knee);
    }
    for regret in view.regrets.iter().rev() {
        chart.curve(view, regret.policy, |_, row| row.score() * 100.0);
    }
    chart.legend(view);
    chart.svg
}

/// How far each policy is below the best of each budget: the differences that the curves hide.
pub(super) fn gaps(view: &View<'_>) -> Svg {
    let gap = |contest: &Contest<'_>, row: &Row| (contest.best() - row.score()) * 100.0;
    let deepest = view.contests.iter().flat_map(|contest| contest.rows.iter().map(|row| gap(contest, row)));
    let deepest = deepest.fold(1.0, f64::max) * 1.04;
    let title = format!("{}: points below the best policy of each budget", view.trace);
    let mut chart = Chart::new(view, &title, GAPS_HEIGHT, deepest);
    // The best is at the top, as in the chart above.
    chart.frame.y = Scale::Linear { from: deepest, to: 0.0 };
    chart.axes(view, "points below the best");
    for regret in view.regrets.iter().rev() {
        chart.curve(view, regret.policy, gap);
    }
    chart.svg
}

struct Chart {
    svg: Svg,
    frame: Frame,
}

impl Chart {
    fn new(view: &View<'_>, title: &str, height: f64, top: f64) -> Self {
        let (from, to) = view.span();
        let mut svg = Svg::new(WIDTH, height);
        svg.styled_text((LEFT, 24.0), Anchor::Start, title, "font-size=\"16\" font-weight=\"600\"");
        let frame = Frame {
            left: LEFT,
            top: 44.0,
            width: WIDTH - LEFT - LEGEND,
            height: height - 44.0 - 52.0,
            x: Scale::Log { from, to },
            y: Scale::Linear { from: 0.0, to: top },
        };
        Self { svg, frame }
    }

    fn axes(&mut self, view: &View<'_>, y_name: &str) {
        self.frame.draw(&mut self.svg, short, (8, short));
        let Frame { left, top, width, height, .. } = self.frame;
        let x_name = format!(
            "budget: max_cost, logarithmic ({} holds every key of the trace)",
            short(view.distinct_cost as f64)
        );
        self.svg.text((left + width / 2.0, top + height + 40.0), Anchor::Middle, &x_name);
        self.svg.upward_text((18.0, top + height / 2.0), y_name);
    }

    fn curve(&mut self, view: &View<'_>, policy: &str, score: impl Fn(&Contest<'_>, &Row) -> f64) {
        let look = palette::look(policy);
        let rows = view.contests.iter().filter_map(|contest| Some((contest, contest.row(policy)?)));
        let points: Vec<_> = rows
            .map(|(contest, row)| (self.frame.place(row.max_cost as f64, score(contest, row)), row))
            .collect();
        let places: Vec<_> = points.iter().map(|&(place, _)| place).collect();
        self.svg.polyline(&places, look.stroke);
        for (place, row) in points {
            let Row { max_cost, .. } = row;
            let title = format!("{policy} at {max_cost}: {} %", percent(row.score()));
            self.svg.mark(place, look.mark, mark_size(look.stroke), look.stroke.color, &title);
        }
    }

    /// A line where the optimum is exact, a band between its bounds where it is not.
    fn optimum(&mut self, view: &View<'_>) {
        let bound = |of: fn(&Row) -> Option<f64>| -> Vec<(f64, f64)> {
            let heads = view.contests.iter().map(Contest::head);
            heads.filter_map(|row| Some(self.frame.place(row.max_cost as f64, of(row)? * 100.0))).collect()
        };
        let (upper, lower) = (bound(|row| row.optimum_upper), bound(|row| row.optimum_lower));
        if upper.is_empty() {
            return;
        }
        if !view.optimum_is_exact() {
            let outline: Vec<_> = upper.iter().chain(lower.iter().rev()).copied().collect();
            self.svg.area(&outline, OPTIMUM.color, 0.16);
            self.svg.polyline(&lower, OPTIMUM_LOWER);
        }
        self.svg.polyline(&upper, OPTIMUM);
    }

    fn knee(&mut self, knee: &Knee) {
        let (x, bottom) = self.frame.place(knee.max_cost as f64, 0.0);
        self.svg.line((x, self.frame.top), (x, bottom), KNEE);
        self.svg.text(
            (x + 6.0, bottom - 8.0),
            Anchor::Start,
            &format!("knee: {}", short(knee.max_cost as f64)),
        );
    }

    /// The policies, best first, with their mean distance from the best.
    fn legend(&mut self, view: &View<'_>) {
        let left = self.frame.left + self.frame.width + 22.0;
        let right = WIDTH - 8.0;
        let mut y = self.frame.top + 4.0;
        self.svg.styled_text((right, y), Anchor::End, "mean points below best", "font-size=\"11\"");
        y += LEGEND_STEP;
        if view.contests.iter().any(|contest| contest.head().optimum_upper.is_some()) {
            let name = if view.optimum_is_exact() { "optimum (Belady)" } else { "optimum (bounds)" };
            self.legend_line(left, y, OPTIMUM);
            self.svg.text((left + 42.0, y + 4.5), Anchor::Start, name);
            y += LEGEND_STEP;
        }
        for regret in &view.regrets {
            let look = palette::look(regret.policy);
            self.legend_line(left, y, look.stroke);
            self.svg.mark((left + 16.0, y), look.mark, mark_size(look.stroke), look.stroke.color, "");
            let weight = if look.stroke.width > 2.0 { "font-weight=\"700\"" } else { "" };
            self.svg.styled_text((left + 42.0, y + 4.5), Anchor::Start, regret.policy, weight);
            self.svg.styled_text((right, y + 4.5), Anchor::End, &percent(regret.mean), weight);
            y += LEGEND_STEP;
        }
    }

    fn legend_line(&mut self, left: f64, y: f64, stroke: Stroke) {
        self.svg.line((left, y), (left + 32.0, y), stroke);
    }
}

fn mark_size(stroke: Stroke) -> f64 {
    if stroke.width > 2.0 { 4.4 } else { 3.0 }
}

/// The size of every chart, and where their frames begin and end: they line up below each other.
pub(super) const WIDTH: f64 = 1080.0;
pub(super) const LEFT: f64 = 66.0;
pub(super) const LEGEND: f64 = 226.0;
const CURVES_HEIGHT: f64 = 540.0;
const GAPS_HEIGHT: f64 = 380.0;
const LEGEND_STEP: f64 = 23.0;
const KNEE: Stroke = Stroke { color: "#e8501e", width: 1.3, dash: "3 4", opacity: 0.9 };
