//! A web server with a cache of responses: its budget is in bytes, and `/metrics` tells Prometheus how it does.
//!
//! - `/page/{name}`: a page, rendered slowly, once for all who want it at the same time; kept for a minute at most.
//! - `/metrics`: the statistics of the cache, as text for Prometheus.
//!
//! `cargo run --release --manifest-path examples/http/Cargo.toml [ADDRESS] [BUDGET IN BYTES]`

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tollgate::{Builder, Cache, Loaded};

/// Pages by name; `None` for a name that no page has. Cloning one copies a pointer.
type Pages = Cache<str, Option<Bytes>>;

struct Site {
    pages: Pages,
    prometheus: PrometheusHandle,
}

/// Every page is charged what it takes: its body, and what the cache keeps to know it by.
fn pages(budget: u64) -> Builder<str, Option<Bytes>> {
    const USUAL_SIZE: u64 = 8 << 10;
    let num_counters = (10 * budget / USUAL_SIZE).max(1000) as usize;
    Cache::builder(num_counters, budget)
        .name("pages")
        .charge_overhead(true)
        .time_to_live(Duration::from_secs(60))
        // What was rendered together is not to expire together.
        .ttl_jitter(0.1)
        .miss_ratio_curve(true)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let budget = args.next().map_or(Ok(64 << 20), |budget| budget.parse())?;

    let prometheus = PrometheusBuilder::new().install_recorder()?;
    tollgate::metrics::describe();
    let site = Arc::new(Site { pages: pages(budget).build()?, prometheus });
    let router =
        Router::new().route("/page/{name}", get(page)).route("/metrics", get(metrics)).with_state(site);

    let listener = TcpListener::bind(&address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    Ok(axum::serve(listener, router).await?)
}

/// A page from the cache, or rendered now. However many ask for it meanwhile, it is rendered once; if rendering fails, all of them hear why,
/// and the next one tries again.
async fn page(State(site): State<Arc<Site>>, Path(name): Path<String>) -> Response {
    let mut rendered = false;
    let load = async {
        rendered = true;
        Ok(match render(&name).await? {
            Some(body) => {
                let cost = body.len() as u64;
                Loaded::new(Some(body), cost)
            }
            // That there is none is worth knowing for a moment, and costs next to nothing.
            None => Loaded::absent(Duration::from_secs(5)),
        })
    };
    let found: Result<Option<Bytes>, Arc<RenderError>> =
        site.pages.get_or_load_async(name.as_str(), load).await;
    let source = [("x-cache", if rendered { "rendered" } else { "shared" })];
    match found {
        Ok(Some(body)) => {
            (source, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], body).into_response()
        }
        Ok(None) => (StatusCode::NOT_FOUND, source, "no such page\n").into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, source, format!("{error}\n")).into_response(),
    }
}

/// The cache counts by itself, for nothing; the recorder is told when somebody asks.
async fn metrics(State(site): State<Arc<Site>>) -> impl IntoResponse {
    site.pages.stats().publish(site.pages.name());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], site.prometheus.render())
}

/// Stands for a template engine and its database: takes its time, and some pages are long.
async fn render(name: &str) -> Result<Option<Bytes>, RenderError> {
    tokio::time::sleep(Duration::from_millis(20)).await;
    match name.split_once('-') {
        Some(("missing", _)) => Ok(None),
        Some(("broken", _)) => Err(RenderError),
        _ => {
            let lines = 10 + name.bytes().map(usize::from).sum::<usize>() % 500;
            let body = format!("<h1>{name}</h1>\n") + &"<p>All work and no play.</p>\n".repeat(lines);
            Ok(Some(body.into()))
        }
    }
}

/// The page could not be rendered.
#[derive(Debug)]
struct RenderError;

impl std::fmt::Display for RenderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the page could not be rendered")
    }
}

impl Error for RenderError {}
