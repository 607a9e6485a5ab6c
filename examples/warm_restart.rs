//! A restart that keeps the cache warm: saved when the program ends, restored when it begins.
//!
//! Three services answer the same traffic after the restart: one that never stopped, one that was restored, one that begins
//! with nothing. Prints their hit ratios, and what the snapshot costs.
//!
//! `cargo run --release --features persist --example warm_restart`

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::time::Instant;
use tollgate::persist::{Restored, Snapshot};
use tollgate::{Builder, Cache};

/// Keys are names, values are pages of different sizes, costs are bytes.
type Pages = Cache<str, String>;

fn builder() -> Builder<str, String> {
    Cache::builder(1_000_000, 32 << 20).weigher(|page: &String| page.len() as u64)
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::temp_dir().join(format!("tollgate-{}.snapshot", std::process::id()));
    let (before, mut traffic) = (builder().build()?, Traffic(1));
    serve(&before, &mut traffic, 1_500_000);
    before.wait()?;

    save(&before, &path)?;
    let restored = restore(&path)?;
    fs::remove_file(&path)?;

    let mut ratios = Vec::new();
    for (name, cache) in [("went on", &before), ("restored", &restored), ("cold", &builder().build()?)] {
        let ratio = serve(cache, &mut traffic.clone(), 100_000);
        println!("{name:9} {:5.2} % of the next 100,000 requests hit", 100.0 * ratio);
        ratios.push(ratio);
    }
    assert!((ratios[0] - ratios[1]).abs() < 0.01, "as if nothing had happened");
    assert!(ratios[1] > ratios[2] + 0.05, "a cold cache has to fetch it all again");
    Ok(())
}

/// Writes to another file first: a snapshot is either whole or not there.
fn save(cache: &Pages, path: &Path) -> Result<(), Box<dyn Error>> {
    let part = path.with_extension("part");
    let file = private_file(&part)?;
    let start = Instant::now();
    let saved = cache.save(&file)?;
    let each = start.elapsed() / u32::try_from(saved.entries.max(1))?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    let (entries, per_entry) = (saved.entries, saved.bytes / saved.entries.max(1));
    println!(
        "saved     {entries} entries of {} bytes on average: {per_entry} bytes and {each:?} each",
        cache.cost() / entries
    );
    Ok(())
}

/// A cache that begins with what the snapshot holds; with nothing, if there is no good one.
fn restore(path: &Path) -> Result<Pages, Box<dyn Error>> {
    let attempt = || -> Result<(Pages, Restored), Box<dyn Error>> {
        let snapshot = Snapshot::open(File::open(path)?)?;
        // The keys are known by their hashes: the new cache has to hash as the old one did.
        let cache = builder().same_keys_as(&snapshot)?.build()?;
        let restored = cache.restore_from(snapshot)?;
        Ok((cache, restored))
    };
    let start = Instant::now();
    match attempt() {
        Ok((cache, restored)) => {
            let each = start.elapsed() / u32::try_from(restored.entries.max(1))?;
            println!("restored  {} entries, {} rejected: {each:?} each", restored.entries, restored.rejected);
            Ok(cache)
        }
        Err(error) => {
            eprintln!("beginning with nothing: {error}");
            Ok(builder().build()?)
        }
    }
}

/// The snapshot holds the values, and the secret that keys are hashed with: it is nobody else's business.
fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Answers requests; returns the share that hit.
fn serve(pages: &Pages, traffic: &mut Traffic, requests: u32) -> f64 {
    let mut rendered = 0;
    for _ in 0..requests {
        let id = traffic.next();
        pages.get_or_insert_with(format!("page/{id}").as_str(), 0, || {
            rendered += 1;
            "x".repeat(50 + id as usize % 500)
        });
    }
    1.0 - f64::from(rendered) / f64::from(requests)
}

/// Skewed: some pages are asked for much more often than others.
#[derive(Clone)]
struct Traffic(u64);

impl Traffic {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let unit = (self.0 >> 11) as f64 / (1_u64 << 53) as f64;
        2_000_000_f64.powf(unit) as u64
    }
}
