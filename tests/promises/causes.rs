//! One departure, one cause: also where an insert that was decided at once has to start over.

use crate::common::{Literal, eventually, lock, settle, watchdog};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tollgate::clock::ManualClock;
use tollgate::policy::PolicyKind;
use tollgate::{Builder, Cache, Cause, Event, Expiry, InsertOptions, Lifespan, Living, Loaded, Maintenance};

type Pairs = Cache<(u64, u64), u64, Literal>;

const TTL: Duration = Duration::from_secs(10);
/// In different shards.
const KEY: (u64, u64) = (1 << 40, 1);
const VICTIM: (u64, u64) = (0, 2);

/// Lets another thread take the victim out while an insert of the key is planned for the second time: under the engine's mutex, for which that
/// thread has to wait before it can give the room back.
#[derive(Clone, Default)]
struct Meddler {
    cache: Arc<Mutex<Option<Pairs>>>,
    plans: Arc<AtomicU64>,
    remover: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Expiry<u64> for Meddler {
    fn after_create(&self, entry: &Living<'_, u64>) -> Lifespan {
        let cache = lock(&self.cache).clone();
        if let Some(cache) = cache
            && entry.key.index == KEY.0
            && self.plans.fetch_add(1, Ordering::Relaxed) == 1
        {
            let remover = cache.clone();
            *lock(&self.remover) = Some(thread::spawn(move || assert!(remover.remove(&VICTIM).is_some())));
            eventually("the victim is taken", || !cache.contains_key(&VICTIM));
        }
        Lifespan::Keep
    }
}

/// A full and strict cache in which the key is past its time, and what its value's departure is called when another takes its place.
fn overdue(
    builder: impl Fn(Builder<(u64, u64), u64>) -> Builder<(u64, u64), u64>,
    options: InsertOptions,
    renew: impl Fn(&Pairs),
) -> (Pairs, Vec<Cause>) {
    let (clock, meddler) = (ManualClock::new(), Meddler::default());
    let causes = Arc::new(Mutex::new(Vec::new()));
    let heard = causes.clone();
    let cache: Pairs = builder(Cache::builder(100, 3))
        .slack(0)
        .policy(PolicyKind::Fifo)
        .maintenance(Maintenance::Manual)
        .clock(clock.clone())
        .expiry(meddler.clone())
        .listener(move |event: Event<u64>| {
            if event.key.index == KEY.0 {
                lock(&heard).push(event.cause);
            }
        })
        .key_hasher(Literal)
        .build()
        .expect("a valid configuration");
    assert!(cache.insert(VICTIM, 0, 2));
    assert!(cache.try_insert_with(KEY, 1, 1, options).is_ok());
    settle(&cache);
    clock.advance(2 * TTL);
    *lock(&meddler.cache) = Some(cache.clone());
    renew(&cache);
    lock(&meddler.cache).take();
    let remover = lock(&meddler.remover).take().expect("the insert was decided at once");
    remover.join().expect("it has removed the victim");
    settle(&cache);
    let causes = lock(&causes).clone();
    (cache, causes)
}

#[test]
fn an_expired_entry_goes_as_expired_though_the_insert_in_its_place_starts_over() {
    watchdog(|| {
        let options = InsertOptions { time_to_live: Some(TTL), ..Default::default() };
        let (cache, causes) = overdue(|builder| builder, options, |cache| assert!(cache.insert(KEY, 2, 2)));
        assert_eq!((cache.get(&KEY), causes), (Some(2), vec![Cause::Expired]));
    });
}

#[test]
fn a_stale_entry_stays_pinned_though_the_load_in_its_place_starts_over() {
    watchdog(|| {
        let options = InsertOptions { time_to_live: Some(TTL), pinned: true, ..Default::default() };
        let refresh = |cache: &Pairs| {
            assert_eq!(cache.get_or_load(&KEY, || Ok::<_, Infallible>(Loaded::new(2, 2))), Ok(2));
        };
        let builder = |builder: Builder<_, _>| builder.pin_quota(2).stale_while_revalidate(10 * TTL);
        let (cache, causes) = overdue(builder, options, refresh);
        assert_eq!((cache.get(&KEY), causes), (Some(2), vec![Cause::Expired]));
        assert!(cache.is_pinned(&KEY), "the pin is lost");
    });
}
