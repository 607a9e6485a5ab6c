//! The default policy over time: what hit, and what the policy made of its parameters.

use super::axes::{Frame, Scale, short};
use super::curves::{LEFT, LEGEND, WIDTH};
use super::palette;
use super::svg::{Anchor, Stroke, Svg};
use super::view::View;
use crate::simulate::Sample;
use tollgate::policy::PolicyKind;

/// A strip for the hit ratio and one for each parameter that changed; `None` without samples.
pub(super) fn timeline(view: &View<'_>) -> Option<Svg> {
    let history = view.history.filter(|history| !history.samples.is_empty())?;
    let strips = strips(&history.samples);
    let mut svg = Svg::new(WIDTH, TOP + strips.len() as f64 * STRIP + 46.0);
    let policy = PolicyKind::default().name();
    let title =
        format!("{}: policy {policy} over time, at max_cost {}", view.trace, short(history.max_cost as f64));
    svg.styled_text((LEFT, 24.0), Anchor::Start, &title, "font-size=\"16\" font-weight=\"600\"");
    for (at, strip) in strips.iter().enumerate() {
        strip.draw(&mut svg, TOP + at as f64 * STRIP, at + 1 == strips.len());
    }
    Some(svg)
}

/// The parameters that never changed, with their values.
pub(super) fn constants(samples: &[Sample]) -> Vec<(&'static str, f64)> {
    let Some(last) = samples.last() else { return Vec::new() };
    last.parameters.iter().filter(|(name, _)| !varies(samples, name)).copied().collect()
}

struct Strip {
    name: &'static str,
    points: Vec<(f64, f64)>,
}

fn strips(samples: &[Sample]) -> Vec<Strip> {
    let ratio = samples.iter().map(|sample| (sample.requests as f64, sample.hit_ratio * 100.0)).collect();
    let names =
        samples.last().map_or(&[][..], |sample| sample.parameters.as_slice()).iter().map(|&(name, _)| name);
    let parameters = names.filter(|name| varies(samples, name)).map(|name| Strip {
        name,
        points: samples
            .iter()
            .filter_map(|sample| Some((sample.requests as f64, value(sample, name)?)))
            .collect(),
    });
    std::iter::once(Strip { name: "hit ratio, %", points: ratio }).chain(parameters).collect()
}

fn varies(samples: &[Sample], name: &str) -> bool {
    samples.iter().any(|sample| value(sample, name) != value(&samples[0], name))
}

fn value(sample: &Sample, name: &str) -> Option<f64> {
    sample
        .parameters
        .iter()
        .find(|(known, _)| *known == name)
        .map(|&(_, value)| value)
        .filter(|value| value.is_finite())
}

impl Strip {
    fn draw(&self, svg: &mut Svg, top: f64, last: bool) {
        let low = self.points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
        let high = self.points.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
        // From zero, unless the changes are small beside the value.
        let low = if low > 0.0 && high < 1.5 * low { low - (high - low) * 0.2 } else { low.min(0.0) };
        let room = if high > low { (high - low) * 0.08 } else { 1.0 };
        let frame = Frame {
            left: LEFT,
            top,
            width: WIDTH - LEFT - LEGEND,
            height: STRIP - 30.0,
            x: Scale::Linear { from: 0.0, to: self.points.last().map_or(1.0, |point| point.0) },
            y: Scale::Linear { from: low, to: high + room },
        };
        frame.draw(svg, |tick| if last { short(tick) } else { String::new() }, (3, short));
        let places: Vec<_> = self.points.iter().map(|&(x, y)| frame.place(x, y)).collect();
        let stroke = palette::look(PolicyKind::default().name()).stroke;
        svg.polyline(&places, Stroke { width: 2.0, ..stroke });
        let right = frame.left + frame.width + 22.0;
        svg.styled_text((right, top + 16.0), Anchor::Start, self.name, "font-weight=\"600\"");
        if let Some(&(_, final_value)) = self.points.last() {
            svg.text((right, top + 35.0), Anchor::Start, &format!("at the end {}", short(final_value)));
        }
        if last {
            let below = top + frame.height + 40.0;
            svg.text((frame.left + frame.width / 2.0, below), Anchor::Middle, "requests");
        }
    }
}

const TOP: f64 = 44.0;
const STRIP: f64 = 116.0;
