//! `tollgate analyze` as a user runs it.

mod common;

use common::{number, recorded, rows, skewed, tollgate, write_trace};
use tempfile::TempDir;

#[test]
fn an_analysis_is_complete() {
    let folder = TempDir::new().unwrap();
    write_trace(&folder, "sized.trc", skewed(30_000, |key| 1 + key as u32 % 50));
    let analyses = rows(&folder, "analyze {sized.trc} --format json");
    let [analysis] = &analyses[..] else { panic!("one trace, one analysis") };
    assert_eq!(analysis["trace"], "sized");
    assert_eq!(analysis["requests"], 30_000);
    assert_eq!(number(analysis, "cold_miss_ratio"), number(analysis, "distinct_keys") / 30_000.0);
    let curve = analysis["lru_curve"].as_array().unwrap();
    let last = curve.last().unwrap();
    assert_eq!(last["max_cost"], analysis["distinct_cost"]);
    assert!((number(last, "miss_ratio") - number(analysis, "cold_miss_ratio")).abs() < 1e-12);
    assert!(curve.windows(2).all(|pair| number(&pair[0], "miss_ratio") >= number(&pair[1], "miss_ratio")));
    assert!(number(&analysis["reuse_distance"], "max") <= number(analysis, "distinct_keys"));

    let table = tollgate(&folder, "analyze {sized.trc}");
    let text = String::from_utf8(table.stdout).unwrap();
    for wanted in ["one-hit wonders", "Zipf alpha", "reuse distance, keys", "cost of a key", "LRU at %"] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
}

/// The curve comes from stack distances, the engine plays requests: two ways to one figure.
#[test]
fn the_lru_curve_is_what_the_engine_plays() {
    let folder = TempDir::new().unwrap();
    write_trace(&folder, "unit.trc", skewed(30_000, |_| 1));
    let analysis = &rows(&folder, "analyze {unit.trc} --format json")[0];
    for point in analysis["lru_curve"].as_array().unwrap() {
        let line = format!(
            "simulate {{unit.trc}} --max-cost {} --policy lru --no-optimum --format json",
            point["max_cost"]
        );
        let row = &rows(&folder, &line)[0];
        assert!(
            (number(row, "hit_ratio") + number(point, "miss_ratio") - 1.0).abs() < 1e-12,
            "{row} {point}"
        );
    }
}

#[test]
fn a_recorded_trace_has_its_published_figures() {
    let folder = TempDir::new().unwrap();
    let Some(path) = recorded("arc_oltp") else { return };
    let analysis = &rows(&folder, &format!("analyze {} --format json", path.display()))[0];
    assert_eq!((number(analysis, "requests"), number(analysis, "distinct_keys")), (914_145.0, 186_880.0));
    assert!((number(analysis, "one_hit_wonder_share") - 0.46).abs() < 0.005);
}
