//! A hundred tasks and four threads ask for the same page: it is rendered once. Then one that does not exist: its absence
//! is remembered for a short while. Then the page grows old: it is served all the same, and rendered anew behind the visitors' backs.
//!
//! `cargo run --example async_loader`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use tollgate::clock::ManualClock;
use tollgate::{Cache, Loaded};

/// A page, or that there is none.
type Page = Option<Arc<str>>;

struct Site {
    pages: Cache<str, Page>,
    renders: Arc<AtomicU64>,
}

impl Site {
    /// A page from the cache, or rendered once for all who want it now. Its cost is its length. An old page is good enough while a task of the
    /// runtime renders a new one, which is why rendering must own all that it needs.
    async fn page(&self, path: &'static str) -> Result<Page, Arc<std::io::Error>> {
        let renders = Arc::clone(&self.renders);
        let render = async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let nth = 1 + renders.fetch_add(1, Ordering::Relaxed);
            Ok(match path {
                "index.html" => {
                    let html: Arc<str> = format!("<h1>tollgate</h1> rendered as number {nth}").into();
                    let cost = html.len() as u64;
                    Loaded::new(Some(html), cost)
                }
                _ => Loaded::absent(Duration::from_secs(5)),
            })
        };
        self.pages.get_or_refresh_async(path, render).await
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let clock = ManualClock::new();
    let handle = runtime.handle().clone();
    let pages = Cache::builder(10_000, 1 << 20)
        .clock(clock.clone())
        .time_to_live(Duration::from_secs(60))
        .stale_while_revalidate(Duration::from_secs(600))
        .spawner(move |refresh| drop(handle.spawn(refresh)))
        .build()?;
    let site = Arc::new(Site { pages, renders: Arc::default() });

    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let site = Arc::clone(&site);
            runtime.spawn(async move { site.page("index.html").await })
        })
        .collect();
    // Threads wait for the same load, without an executor.
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let site = Arc::clone(&site);
            thread::spawn(move || {
                site.pages.get_or_insert_with("index.html", 0, || {
                    site.renders.fetch_add(1, Ordering::Relaxed);
                    Some("<h1>tollgate</h1>".into())
                })
            })
        })
        .collect();
    for task in tasks {
        assert!(runtime.block_on(task)??.is_some());
    }
    for thread in threads {
        assert!(thread.join().expect("no thread panics").is_some());
    }
    println!("104 callers, {} load", site.renders.load(Ordering::Relaxed));

    for _ in 0..3 {
        assert_eq!(runtime.block_on(site.page("nothing.html"))?, None);
    }
    println!("3 more callers of a page that does not exist, 1 load");
    assert_eq!(site.renders.load(Ordering::Relaxed), 2);

    clock.advance(Duration::from_secs(61));
    let old = runtime.block_on(site.page("index.html"))?;
    assert!(old.is_some_and(|page| !page.ends_with('3')));
    for _ in 0..9 {
        runtime.block_on(site.page("index.html"))?;
    }
    while site.pages.stats().loading > 0 {
        thread::yield_now();
    }
    let new = runtime.block_on(site.page("index.html"))?;
    assert!(new.is_some_and(|page| page.ends_with('3')));
    println!("10 callers of a page that is a minute old: served at once, 1 load");
    println!("{}", site.pages.stats());
    Ok(())
}
