//! A hundred tasks and four threads ask for the same page: it is rendered once. Then one that does not exist: its absence
//! is remembered for a short while.
//!
//! `cargo run --example async_loader`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use tollgate::{Cache, Loaded};

/// A page, or that there is none.
type Page = Option<Arc<str>>;

struct Site {
    pages: Cache<str, Page>,
    renders: AtomicU64,
}

impl Site {
    /// A page from the cache, or rendered once for all who want it now. Its cost is its length.
    async fn page(&self, path: &str) -> Result<Page, Arc<std::io::Error>> {
        let render = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            self.renders.fetch_add(1, Ordering::Relaxed);
            Ok(match path {
                "index.html" => {
                    let html: Arc<str> = "<h1>tollgate</h1>".into();
                    let cost = html.len() as u64;
                    Loaded::new(Some(html), cost)
                }
                _ => Loaded::absent(Duration::from_secs(5)),
            })
        };
        self.pages.get_or_load_async(path, render).await
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let site = Arc::new(Site { pages: Cache::new(10_000, 1 << 20)?, renders: AtomicU64::new(0) });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;

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
    println!("{}", site.pages.stats());
    Ok(())
}
