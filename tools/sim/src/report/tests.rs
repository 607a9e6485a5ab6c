//! Reports of a small outcome: self-contained, whole, and in agreement with the rows.

use super::*;
use crate::budget::Budget;
use crate::simulate::Plan;
use crate::trace::{Trace, TraceBuilder};
use tollgate::policy::{Objective, PolicyKind};

fn source(cost: impl Fn(u64) -> u64) -> Source {
    let mut builder = TraceBuilder::new("skewed & <small>".into());
    for step in 0..20_000u64 {
        let key = (step * step * 7_919 % 10_007) % (1 + step % 499);
        builder.push(key, cost(key)).unwrap();
    }
    let trace: Trace = builder.finish().unwrap();
    let plan = Plan {
        policies: PolicyKind::ALL.to_vec(),
        budgets: [1.0, 5.0, 20.0, 50.0, 100.0].map(Budget::Percent).to_vec(),
        objectives: vec![Objective::Hits, Objective::Cost],
        num_counters: None,
        seed: 1,
        optimum: true,
        samples: 10,
    };
    let outcome = plan.run(&trace, String::new());
    Source {
        trace: trace.name().to_owned(),
        distinct_keys: trace.distinct(),
        distinct_cost: trace.distinct_cost(),
        rows: outcome.rows,
        histories: outcome.histories,
    }
}

fn written(name: &str, sources: &[Source]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let target = Target::parse(path.to_str().unwrap()).unwrap();
    write(&target, sources, "made <here>", &["a note".to_owned()]).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn the_page_shows_every_row_and_loads_nothing() {
    let sources = [source(|_| 1), source(|key| 1 + key % 9)];
    let html = String::from_utf8(written("report.html", &sources)).unwrap();
    for row in sources.iter().flat_map(|source| &source.rows) {
        assert!(html.contains(&crate::output::percent(row.score())), "{row:?}");
        assert!(html.contains(row.policy));
    }
    for loaded in ["<script", "http://", "https://", "<link", "url("] {
        let count = html.matches(loaded).count();
        let names = html.matches("xmlns=\"http://www.w3.org/2000/svg\"").count();
        assert_eq!(count, if loaded == "http://" { names } else { 0 }, "{loaded}");
    }
    assert!(html.contains("skewed &amp; &lt;small&gt;") && !html.contains("<small>"));
    assert!(html.contains("made &lt;here&gt;") && html.contains("a note") && html.contains("Recommended"));
    // One section for the trace of unit costs, one per objective for the other.
    assert_eq!(html.matches("<section").count(), 3);
}

#[test]
fn pictures_are_pictures() {
    let sources = [source(|_| 1)];
    let svg = String::from_utf8(written("report.svg", &sources)).unwrap();
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
    assert!(svg.contains("skewed &amp; &lt;small&gt;: hit ratio over budget"));
    let png = written("report.png", &sources);
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    let pixels = resvg::tiny_skia::Pixmap::decode_png(&png).unwrap();
    let dark = pixels.pixels().iter().filter(|pixel| pixel.red() < 100 && pixel.green() < 100).count();
    assert!(dark > 2_000, "text needs a font: {dark} dark pixels");
}

#[test]
fn the_knee_is_where_the_curve_bends() {
    let mut rows = source(|_| 1).rows;
    rows.retain(|row| row.policy == rows_default());
    for (row, hit_ratio) in rows.iter_mut().zip([0.1, 0.6, 0.7, 0.75, 0.8]) {
        row.hit_ratio = hit_ratio;
    }
    let knee = knee::knee(rows.iter()).unwrap();
    assert_eq!((knee.max_cost, knee.score, knee.ceiling), (rows[1].max_cost, 0.6, 0.8));
    assert_eq!(knee::knee(rows[..2].iter()), None);
    // A loop: nothing hits before everything fits.
    for (row, hit_ratio) in rows.iter_mut().zip([0.0, 0.0, 0.0, 0.0, 0.8]) {
        row.hit_ratio = hit_ratio;
    }
    assert_eq!(knee::knee(rows.iter()).unwrap().max_cost, rows[4].max_cost);
}

fn rows_default() -> &'static str {
    PolicyKind::default().name()
}

#[test]
fn a_report_has_a_kind_and_a_folder() {
    assert!(Target::parse("report.pdf").is_err());
    assert!(Target::parse("report").is_err());
    assert!(Target::parse("no/such/folder/report.html").is_err());
    assert!(Target::parse("report.html").is_ok());
}
