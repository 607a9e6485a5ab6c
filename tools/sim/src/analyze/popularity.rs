//! How requests spread over keys.
//!
//! Zipf's law says that the key of rank `r` is asked for in proportion to `r^-alpha`: a straight line
//! in logarithms, fitted here by least squares. The ranks are thinned to equal steps of their
//! logarithm first, or the long tail of keys seen once or twice would decide alone; keys seen once are left out, as
//! their plateau is an artefact of the trace's length. R² tells how straight the line is: below
//! 0.9 or so, alpha describes little.

use serde::Serialize;

/// See the [module](self). Shares are between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Popularity {
    /// The fitted exponent; absent if fewer than three distinct ranks have two requests or more.
    pub zipf_alpha: Option<f64>,
    /// The coefficient of determination of the fit.
    pub zipf_r_squared: Option<f64>,
    /// The most popular key's share of the requests.
    pub top_key_share: f64,
    /// The share of the requests that the most popular hundredth of the keys has.
    pub top_1_percent_share: f64,
    /// The share of the requests that the most popular tenth of the keys has.
    pub top_10_percent_share: f64,
}

impl Popularity {
    /// From the number of requests of each key.
    pub(super) fn of(mut counts: Vec<u32>) -> Self {
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let requests: u64 = counts.iter().map(|&count| u64::from(count)).sum();
        let share = |keys: usize| {
            let top: u64 = counts[..keys].iter().map(|&count| u64::from(count)).sum();
            top as f64 / requests as f64
        };
        let fit = fit_line(&log_points(&counts));
        Self {
            zipf_alpha: fit.map(|line| -line.slope),
            zipf_r_squared: fit.map(|line| line.r_squared),
            top_key_share: share(1),
            top_1_percent_share: share(counts.len().div_ceil(100)),
            top_10_percent_share: share(counts.len().div_ceil(10)),
        }
    }
}

/// (ln rank, ln count) at ranks in equal steps of their logarithm, of keys seen twice or more.
fn log_points(counts: &[u32]) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    let mut next = 1.0;
    for (rank, &count) in (1u64..).zip(counts).take_while(|&(_, &count)| count > 1) {
        if rank as f64 >= next {
            points.push(((rank as f64).ln(), f64::from(count).ln()));
            next = rank as f64 * RANK_STEP;
        }
    }
    points
}

#[derive(Debug, Clone, Copy)]
struct Line {
    slope: f64,
    r_squared: f64,
}

fn fit_line(points: &[(f64, f64)]) -> Option<Line> {
    if points.len() < 3 {
        return None;
    }
    let n = points.len() as f64;
    let mean_x = points.iter().map(|point| point.0).sum::<f64>() / n;
    let mean_y = points.iter().map(|point| point.1).sum::<f64>() / n;
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in points {
        xx += (x - mean_x) * (x - mean_x);
        xy += (x - mean_x) * (y - mean_y);
        yy += (y - mean_y) * (y - mean_y);
    }
    // Equal counts all over are a perfect line without a slope.
    let r_squared = if yy == 0.0 { 1.0 } else { xy * xy / (xx * yy) };
    Some(Line { slope: xy / xx, r_squared })
}

const RANK_STEP: f64 = 1.05;
