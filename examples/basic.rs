//! The cache in one page: insert, read, expire, remove, and hear what leaves.
//!
//! `cargo run --example basic`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tollgate::Cache;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let gone = Arc::new(AtomicU64::new(0));
    let heard = Arc::clone(&gone);

    // A budget of 1 MiB for about 250 pages of 4 KiB; ten counters for each page that fits.
    let pages: Cache<str, Arc<[u8]>> = Cache::builder(2_500, 1 << 20)
        .listener(move |event| {
            heard.fetch_add(event.cost, Ordering::Relaxed);
        })
        .build()?;

    // Keys are only hashed: nothing is allocated for them. The cost is in bytes here.
    let page: Arc<[u8]> = vec![7; 4096].into();
    assert!(pages.insert("index.html", Arc::clone(&page), 4096));
    assert_eq!(pages.get("index.html").as_deref(), Some(&*page));

    // An entry may have a time to live; zero is for ever.
    pages.insert_with_ttl("session", Arc::clone(&page), 4096, Duration::from_secs(60));
    assert!(pages.remaining_ttl("session") <= Some(Duration::from_secs(60)));

    // What does not fit at all is refused at once, and comes back.
    let huge: Arc<[u8]> = vec![0; 2 << 20].into();
    let refused = pages.try_insert("huge", huge, 2 << 20).expect_err("twice the budget");
    println!("refused: {refused}");
    println!("the value is back: {} bytes", refused.into_value().len());

    // Fill the cache four times over: the budget holds at every instant.
    for number in 0..1_000 {
        pages.insert(format!("page-{number}").as_str(), Arc::clone(&page), 4096);
        assert!(pages.cost() <= pages.max_cost() + pages.slack());
    }
    pages.wait()?;
    println!("{} entries, cost {} of {}", pages.len(), pages.cost(), pages.max_cost());
    println!("left with a cost of {} so far", gone.load(Ordering::Relaxed));

    assert!(pages.remove("session").is_none_or(|value| value.len() == 4096));
    println!("{}", pages.stats());
    Ok(())
}
