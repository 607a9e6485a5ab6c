//! The figures behind the curves, as an HTML table.

use super::svg::escape;
use super::view::View;
use crate::output::{grouped, percent};
use crate::simulate::{Contest, Row};
use std::fmt::Write;

/// Budgets down, policies across (least regret first); the best of each row is bold, the others are the darker the
/// further they are below it.
pub(super) fn table(view: &View<'_>) -> String {
    let mut html = String::from(
        "<div class=\"wide\"><table>\n<thead><tr><th>budget</th><th>max_cost</th><th>optimum</th>",
    );
    for regret in &view.regrets {
        put(&mut html, format_args!("<th>{}</th>", escape(regret.policy)));
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for contest in &view.contests {
        let head = contest.head();
        put(
            &mut html,
            format_args!(
                "<tr><th>{}</th><td>{}</td><td class=\"optimum\">{}</td>",
                escape(&head.budget),
                grouped(head.max_cost),
                head.optimum("–").unwrap_or_default()
            ),
        );
        for regret in &view.regrets {
            html.push_str(
                &contest.row(regret.policy).map_or("<td></td>".to_owned(), |row| cell(contest, row)),
            );
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody>\n<tfoot><tr><th colspan=\"3\">mean points below the best</th>");
    for regret in &view.regrets {
        put(&mut html, format_args!("<td>{}</td>", percent(regret.mean)));
    }
    html.push_str("</tr></tfoot></table></div>\n");
    html
}

fn cell(contest: &Contest<'_>, row: &Row) -> String {
    let below = contest.best() - row.score();
    let figure = percent(row.score());
    if below == 0.0 {
        return format!("<td><strong>{figure}</strong></td>");
    }
    // Full shade at ten points.
    let shade = (below * 10.0).min(1.0) * 0.45;
    format!("<td style=\"background:rgba(232,80,30,{shade:.2})\">{figure}</td>")
}

fn put(html: &mut String, text: std::fmt::Arguments<'_>) {
    html.write_fmt(text).expect("writing to a string does not fail");
}
