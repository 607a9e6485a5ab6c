//! Scales, ticks, and the frame that curves are drawn into.

use super::svg::{Anchor, Stroke, Svg};

/// How numbers map to a length. The ends differ; a linear scale may fall.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    Linear {
        from: f64,
        to: f64,
    },
    /// Both ends above zero.
    Log {
        from: f64,
        to: f64,
    },
}

impl Scale {
    /// 0 at the one end, 1 at the other.
    fn fraction(self, number: f64) -> f64 {
        match self {
            Self::Linear { from, to } => (number - from) / (to - from),
            Self::Log { from, to } => (number / from).ln() / (to / from).ln(),
        }
    }

    /// Round numbers within the scale, about `wanted` of them.
    fn ticks(self, wanted: usize) -> Vec<f64> {
        match self {
            Self::Linear { from, to } => {
                let (low, high) = (from.min(to), from.max(to));
                let step = round_step((high - low) / wanted as f64);
                let first = (low / step).ceil() as i64;
                let last = (high / step + 1e-9).floor() as i64;
                (first..=last).map(|tick| tick as f64 * step).collect()
            }
            Self::Log { from, to } => {
                let decades = from.log10().floor() as i32..=to.log10().ceil() as i32;
                let steps: &[f64] = if (to / from).log10() > 3.5 { &[1.0] } else { &[1.0, 2.0, 5.0] };
                decades
                    .flat_map(|decade| steps.iter().map(move |step| step * 10f64.powi(decade)))
                    .filter(|&tick| tick >= from * 0.999 && tick <= to * 1.001)
                    .collect()
            }
        }
    }
}

/// A rectangle of the drawing with two scales.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) x: Scale,
    pub(super) y: Scale,
}

impl Frame {
    /// Where a point lies in the drawing.
    pub(super) fn place(&self, x: f64, y: f64) -> (f64, f64) {
        (self.left + self.x.fraction(x) * self.width, self.top + (1.0 - self.y.fraction(y)) * self.height)
    }

    /// Draws grid lines and the numbers at the axes.
    pub(super) fn draw(
        &self,
        svg: &mut Svg,
        x_ticks: impl Fn(f64) -> String,
        y_ticks: (usize, impl Fn(f64) -> String),
    ) {
        let (bottom, right) = (self.top + self.height, self.left + self.width);
        for tick in self.x.ticks(8) {
            let (x, _) = self.place(tick, 0.0);
            svg.line((x, self.top), (x, bottom), GRID);
            svg.text((x, bottom + 17.0), Anchor::Middle, &x_ticks(tick));
        }
        for tick in self.y.ticks(y_ticks.0) {
            let (_, y) = self.place(1.0, tick);
            svg.line((self.left, y), (right, y), GRID);
            svg.text((self.left - 8.0, y + 4.5), Anchor::End, &y_ticks.1(tick));
        }
        svg.line((self.left, bottom), (right, bottom), AXIS);
    }
}

/// 1, 2 or 5 times a power of ten, no smaller than `rough`.
fn round_step(rough: f64) -> f64 {
    let power = 10f64.powf(rough.max(f64::MIN_POSITIVE).log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|&step| step >= rough * 0.999)
        .unwrap_or(power)
}

/// A number with a unit prefix: `12k`, `3.5M`.
pub(super) fn short(number: f64) -> String {
    let (scaled, prefix) = match number.abs() {
        size if size >= 1e12 => (number / 1e12, "T"),
        size if size >= 1e9 => (number / 1e9, "G"),
        size if size >= 1e6 => (number / 1e6, "M"),
        size if size >= 1e3 => (number / 1e3, "k"),
        _ => (number, ""),
    };
    let digits = match scaled.abs() {
        size if size >= 100.0 || scaled.fract() == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 0.1 => 2,
        _ => 4,
    };
    let text = format!("{scaled:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{prefix}")
}

/// Visible on white and on black.
const GRID: Stroke = Stroke { color: "#808080", width: 1.0, dash: "", opacity: 0.22 };
const AXIS: Stroke = Stroke { color: "#808080", width: 1.2, dash: "", opacity: 0.9 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        assert_eq!(Scale::Linear { from: 0.0, to: 57.0 }.ticks(6), [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]);
        assert_eq!(Scale::Log { from: 187.0, to: 2_500.0 }.ticks(0), [200.0, 500.0, 1_000.0, 2_000.0]);
        assert_eq!(Scale::Log { from: 100.0, to: 1_000_000.0 }.ticks(0), [1e2, 1e3, 1e4, 1e5, 1e6]);
    }

    #[test]
    fn frames_turn_numbers_into_places() {
        let frame = Frame {
            left: 10.0,
            top: 20.0,
            width: 100.0,
            height: 50.0,
            x: Scale::Log { from: 1.0, to: 100.0 },
            y: Scale::Linear { from: 0.0, to: 10.0 },
        };
        assert_eq!(frame.place(1.0, 0.0), (10.0, 70.0));
        assert_eq!(frame.place(10.0, 10.0), (60.0, 20.0));
        let falling = Frame { y: Scale::Linear { from: 10.0, to: 0.0 }, ..frame };
        assert_eq!(falling.place(1.0, 0.0), (10.0, 20.0));
        assert_eq!(falling.y.ticks(2), [0.0, 5.0, 10.0]);
    }

    #[test]
    fn short_numbers() {
        let texts = [0.0, 0.25, 950.0, 1_000.0, 12_345.0, 2_500_000.0, 1e9].map(short);
        assert_eq!(texts, ["0", "0.25", "950", "1k", "12.3k", "2.5M", "1G"]);
    }
}
