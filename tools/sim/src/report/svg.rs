//! Writing SVG, as little of it as the charts need.
//!
//! By hand and not through a plotting crate, because these charts want dash patterns, tooltips, text
//! that a browser can search and restyle for a dark page, and coordinates finer than a pixel. What
//! every viewer must see is said in attributes; style sheets only refine it.

use std::fmt::{Display, Write};

/// A drawing under construction. Coordinates in pixels from the top left.
#[derive(Debug)]
pub(super) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stroke {
    pub(super) color: &'static str,
    pub(super) width: f64,
    /// Lengths of dashes and gaps, as SVG writes them; empty is solid.
    pub(super) dash: &'static str,
    pub(super) opacity: f64,
}

/// Which point of a text its position means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// The mark of a measured point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Disc,
    Square,
    Triangle,
    Ring,
}

impl Svg {
    pub(super) fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    /// The finished element; `background` is a colour, or nothing for a transparent one.
    pub(super) fn finish(self, label: &str, background: Option<&str>) -> String {
        let Self { width, height, body } = self;
        let paper = background.map_or(String::new(), |color| {
            format!("<rect width=\"{width}\" height=\"{height}\" fill=\"{color}\"/>\n")
        });
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\" aria-label=\"{}\" font-family=\"system-ui, sans-serif\" \
             font-size=\"13\" fill=\"{INK}\">\n{paper}{body}</svg>\n",
            escape(label)
        )
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: Stroke) {
        self.polyline(&[from, to], stroke);
    }

    pub(super) fn polyline(&mut self, points: &[(f64, f64)], stroke: Stroke) {
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let Stroke { color, width, dash, opacity } = stroke;
        let dash = if dash.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dash}\"") };
        self.push(format_args!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{width}\" \
             stroke-opacity=\"{opacity}\" stroke-linejoin=\"round\"{dash}/>",
            path.join(" ")
        ));
    }

    /// A filled outline.
    pub(super) fn area(&mut self, points: &[(f64, f64)], color: &str, opacity: f64) {
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.push(format_args!(
            "<polygon points=\"{}\" fill=\"{color}\" fill-opacity=\"{opacity}\"/>",
            path.join(" ")
        ));
    }

    pub(super) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        self.styled_text((x, y), anchor, text, "");
    }

    /// A text with further attributes.
    pub(super) fn styled_text(&mut self, (x, y): (f64, f64), anchor: Anchor, text: &str, attributes: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.push(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {attributes}>{}</text>",
            escape(text)
        ));
    }

    /// A text that reads upwards, centred on its position.
    pub(super) fn upward_text(&mut self, (x, y): (f64, f64), text: &str) {
        let turn = format!("transform=\"rotate(-90 {x:.1} {y:.1})\"");
        self.styled_text((x, y), Anchor::Middle, text, &turn);
    }

    /// The mark of a point; `title` is shown when it is pointed at.
    pub(super) fn mark(&mut self, (x, y): (f64, f64), mark: Mark, size: f64, color: &str, title: &str) {
        let title =
            if title.is_empty() { String::new() } else { format!("<title>{}</title>", escape(title)) };
        match mark {
            Mark::Disc => self.push(format_args!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{size}\" fill=\"{color}\">{title}</circle>"
            )),
            Mark::Ring => self.push(format_args!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{size}\" fill=\"none\" stroke=\"{color}\" \
                 stroke-width=\"1.5\">{title}</circle>"
            )),
            Mark::Square => self.push(format_args!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{side}\" height=\"{side}\" fill=\"{color}\">{title}</rect>",
                x - size,
                y - size,
                side = 2.0 * size
            )),
            Mark::Triangle => self.push(format_args!(
                "<polygon points=\"{:.1},{:.1} {:.1},{:.1} {x:.1},{:.1}\" fill=\"{color}\">{title}</polygon>",
                x - size * 1.2,
                y + size,
                x + size * 1.2,
                y + size,
                y - size * 1.2
            )),
        }
    }

    /// Puts another drawing below this one.
    pub(super) fn stack(&mut self, below: Self) {
        let top = self.height;
        self.push(format_args!("<g transform=\"translate(0 {top})\">\n{}</g>", below.body));
        self.width = self.width.max(below.width);
        self.height += below.height;
    }

    fn push(&mut self, element: impl Display) {
        writeln!(self.body, "{element}").expect("writing to a string does not fail");
    }
}

/// Makes a text safe between tags and in attributes.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            other => safe.push(other),
        }
    }
    safe
}

/// The colour of text, which the page overrides.
const INK: &str = "#1a1a1a";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out() {
        let mut svg = Svg::new(10.0, 10.0);
        svg.text((0.0, 0.0), Anchor::Start, "<script>\"&\"</script>");
        let text = svg.finish("a\"b", None);
        assert!(text.contains("&lt;script&gt;&quot;&amp;&quot;&lt;/script&gt;"), "{text}");
        assert!(text.contains("aria-label=\"a&quot;b\""), "{text}");
    }
}
