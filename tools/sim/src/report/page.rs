//! The HTML page: self-contained, light and dark, printable.

use super::curves::{gaps, hit_ratios};
use super::svg::escape;
use super::table::table;
use super::timeline::{constants, timeline};
use super::view::View;
use crate::output::{grouped, percent};
use crate::simulate::{Regret, objective_name};
use tollgate::policy::Objective;

/// The whole page.
pub(super) fn page(views: &[View<'_>], overall: &[Regret], command: &str, notes: &[String]) -> String {
    let mut body = String::from("<h1>Hit ratio over budget</h1>\n");
    body += &format!("<p>Made by <code>{}</code></p>\n", escape(command));
    for note in notes {
        body += &format!("<p>{}</p>\n", escape(note));
    }
    if views.len() > 1 {
        body += &contents(views);
        body += &overall_table(overall);
    }
    for (at, view) in views.iter().enumerate() {
        body += &section(at, view);
    }
    let title =
        if let [only] = views { format!("tollgate: {}", only.trace) } else { "tollgate: hit ratios".into() };
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>{STYLE}</style></head>\n<body>\n{body}</body></html>\n",
        escape(&title)
    )
}

fn contents(views: &[View<'_>]) -> String {
    let links: Vec<String> = views
        .iter()
        .enumerate()
        .map(|(at, view)| format!("<a href=\"#trace-{at}\">{}</a>", escape(&heading(view))))
        .collect();
    format!("<p>{}</p>\n", links.join(" · "))
}

/// All traces and budgets together.
fn overall_table(overall: &[Regret]) -> String {
    let mut html = String::from(
        "<h2>All traces and budgets</h2>\n<table><thead><tr><th>policy</th><th>mean points below the best</th>\
         <th>most</th><th>where</th></tr></thead><tbody>\n",
    );
    for regret in overall {
        let Regret { policy, mean, max, worst } = regret;
        html += &format!(
            "<tr><th>{}</th><td>{}</td><td>{}</td><td class=\"text\">{}</td></tr>\n",
            escape(policy),
            percent(*mean),
            percent(*max),
            escape(worst)
        );
    }
    html + "</tbody></table>\n"
}

fn section(at: usize, view: &View<'_>) -> String {
    let mut html = format!("<section id=\"trace-{at}\">\n<h2>{}</h2>\n", escape(&heading(view)));
    html += &format!(
        "<p>{} requests, {} distinct keys of cost {} in all.</p>\n",
        grouped(view.requests as u64),
        grouped(view.distinct_keys as u64),
        grouped(view.distinct_cost)
    );
    html += &recommendation(view);
    html += &figure(&hit_ratios(view).finish("Hit ratio over budget", None), &optimum_note(view));
    if view.regrets.len() > 1 {
        html += &figure(&gaps(view).finish("Points below the best policy", None), "");
    }
    if let Some(chart) = timeline(view) {
        let samples = view.history.map_or(&[][..], |history| &history.samples);
        html += &figure(
            &chart.finish("The default policy over time", None),
            &constants_note(&constants(samples)),
        );
    }
    html += &format!("<h3>{}, %</h3>\n{}</section>\n", upper_first(view.score_name()), table(view));
    html
}

fn heading(view: &View<'_>) -> String {
    format!("{}, {}", view.trace, view.score_name())
}

fn recommendation(view: &View<'_>) -> String {
    let Some(knee) = &view.knee else { return String::new() };
    format!(
        "<p class=\"advice\"><strong>Recommended: <code>max_cost = {}</code>, <code>num_counters = {}</code>.</strong> \
         There policy {} reaches {} %, which is {:.0} % of the {} % that it reaches at best, for {:.1} % of the cost of \
         all keys. It is the knee of its curve among the budgets played: up to there a unit of budget buys \
         more hits than the average unit, beyond it fewer.</p>\n",
        grouped(knee.max_cost),
        grouped(knee.num_counters as u64),
        escape(knee.policy),
        percent(knee.score),
        100.0 * knee.score / knee.ceiling,
        percent(knee.ceiling),
        100.0 * knee.max_cost as f64 / view.distinct_cost as f64,
    )
}

fn optimum_note(view: &View<'_>) -> String {
    match view.contests.first().and_then(|contest| contest.head().optimum_upper) {
        None => String::new(),
        Some(_) if view.optimum_is_exact() => "The optimum is exact: Belady's MIN with bypass.".to_owned(),
        Some(_) => format!(
            "The grey band holds the optimum: above it nothing is possible (PFOO-L), its lower edge is reached by an \
             offline policy ({}).",
            if view.objective == objective_name(Objective::Cost) { "furthest first" } else { "Belady-Size" }
        ),
    }
}

fn constants_note(constants: &[(&str, f64)]) -> String {
    if constants.is_empty() {
        return String::new();
    }
    let values: Vec<String> = constants.iter().map(|(name, value)| format!("{name} {value}")).collect();
    format!("Did not change: {}.", values.join(", "))
}

fn figure(svg: &str, caption: &str) -> String {
    let caption = if caption.is_empty() {
        String::new()
    } else {
        format!("<figcaption>{}</figcaption>", escape(caption))
    };
    format!("<figure>{svg}{caption}</figure>\n")
}

fn upper_first(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| first.to_uppercase().chain(characters).collect())
}

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #ffffff; --rule: #8884; --advice: #e8501e14 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --paper: #14171a; --advice: #e8501e26 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1240px; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.7rem } h2 { font-size: 1.35rem; margin-top: 3rem; border-bottom: 1px solid var(--rule) } h3 { font-size: 1.05rem }
code { font-size: 0.92em } a { color: #3b82c4 }
figure { margin: 1.2rem 0 } figure svg { width: 100%; height: auto; fill: var(--ink) }
figcaption { font-size: 0.88rem; opacity: 0.8 }
.advice { background: var(--advice); border-left: 4px solid #e8501e; padding: 0.6rem 1rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: 0.8rem; font-variant-numeric: tabular-nums }
th, td { padding: 0.2rem 0.4rem; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap }
th:first-child, td.text { text-align: left } td.optimum { opacity: 0.75 }
thead th { vertical-align: bottom }
";
