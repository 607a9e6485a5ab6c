//! What a subscriber is told, and when: never under a lock, never for a hit, never a value.

use crate::common::{hush, panics, planted_panic, settle, watchdog};
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};
use tollgate::policy::{Admission, Candidate, Departure, Ledger, Policy, PolicyKind, Slot};
use tollgate::{Cache, Maintenance, Reservation};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

type Small = Cache<u64, u64>;

#[derive(Debug, Clone, Default)]
struct Told {
    name: String,
    fields: BTreeMap<String, String>,
    entered: u32,
    closed: bool,
    /// The span that it happened in.
    inside: Option<usize>,
}

#[derive(Default)]
struct Book {
    spans: Vec<Told>,
    events: Vec<Told>,
    stack: Vec<usize>,
}

/// Writes everything down, and uses the cache whenever it is told something.
#[derive(Clone, Default)]
struct Listener {
    book: Arc<Mutex<Book>>,
    cache: Arc<OnceLock<Small>>,
}

struct Fields<'a>(&'a mut Told);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.fields.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

impl Listener {
    /// Would hang if the caller held a lock: takes every one, exclusively where there is a choice.
    fn meddle(&self) {
        if let Some(cache) = self.cache.get() {
            cache.check().unwrap();
            cache.retain(|_, _| true);
        }
    }

    fn spans(&self, name: &str) -> Vec<Told> {
        self.book.lock().unwrap().spans.iter().filter(|told| told.name == name).cloned().collect()
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "tollgate"
    }
    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let id = {
            let mut book = self.book.lock().unwrap();
            let mut told = Told { name: attributes.metadata().name().to_owned(), ..Told::default() };
            told.inside = book.stack.last().copied();
            attributes.record(&mut Fields(&mut told));
            book.spans.push(told);
            Id::from_u64(book.spans.len() as u64)
        };
        self.meddle();
        id
    }
    fn record(&self, span: &Id, values: &Record<'_>) {
        values.record(&mut Fields(&mut self.book.lock().unwrap().spans[span.into_u64() as usize - 1]));
        self.meddle();
    }
    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
    fn event(&self, event: &Event<'_>) {
        {
            let mut book = self.book.lock().unwrap();
            let mut told = Told { name: event.metadata().level().to_string(), ..Told::default() };
            told.inside = book.stack.last().copied();
            event.record(&mut Fields(&mut told));
            book.events.push(told);
        }
        self.meddle();
    }
    fn enter(&self, span: &Id) {
        {
            let mut book = self.book.lock().unwrap();
            let at = span.into_u64() as usize - 1;
            book.spans[at].entered += 1;
            book.stack.push(at);
        }
        self.meddle();
    }
    fn exit(&self, span: &Id) {
        assert_eq!(self.book.lock().unwrap().stack.pop(), Some(span.into_u64() as usize - 1));
        self.meddle();
    }
    fn try_close(&self, span: Id) -> bool {
        self.book.lock().unwrap().spans[span.into_u64() as usize - 1].closed = true;
        true
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let book = self.book.lock().unwrap();
        write!(f, "{:?} {:?}", book.spans, book.events)
    }
}

/// Runs `body` with a cache that is listened to.
fn listening(
    build: impl FnOnce() -> Small + Send + 'static,
    body: impl FnOnce(&Small, &Listener) + Send + 'static,
) {
    watchdog(move || {
        let listener = Listener::default();
        let cache = build();
        listener.cache.set(cache.clone()).unwrap();
        tracing::subscriber::with_default(listener.clone(), || body(&cache, &listener));
        assert!(listener.book.lock().unwrap().spans.iter().all(|told| told.closed), "{listener:?}");
        settle(&cache);
    });
}

fn pages() -> Small {
    Cache::builder(1000, 100).name("pages").maintenance(Maintenance::Manual).build().unwrap()
}

#[test]
fn a_load_is_a_span_with_an_end() {
    hush();
    listening(pages, |cache, listener| {
        let inside = |what: &str| {
            tracing::info!(target: "tollgate", what);
            what.len() as u64
        };
        cache.get_or_insert_with(&1, 1, || inside("loaded"));
        let _ = cache.get_or_try_insert_with(&2, 1, || Err::<u64, _>(inside("failed")));
        panics(|| cache.get_or_insert_with(&3, 1, || planted_panic()));
        drop(cache.get_or_reserve(&4));
        if let Reservation::Vacant(vacancy) = cache.get_or_reserve(&5) {
            vacancy.insert(5, 1);
        }
        let spans = listener.spans("load");
        let ends: Vec<_> = spans.iter().map(|told| told.fields["outcome"].as_str()).collect();
        assert_eq!(ends, ["\"loaded\"", "\"failed\"", "\"abandoned\"", "\"abandoned\"", "\"loaded\""]);
        for (key, told) in (1..=5_u64).zip(&spans) {
            assert_eq!(told.fields["cache"], "\"pages\"");
            assert_eq!(told.fields["index"], format!("{:016x}", cache.key_hash(&key).index));
            assert_eq!(told.entered, u32::from(key <= 3));
        }
        let book = listener.book.lock().unwrap();
        assert_eq!(book.events.len(), 2);
        assert!(
            book.events.iter().all(|told| told.inside.is_some_and(|span| book.spans[span].name == "load"))
        );
    });
}

#[cfg(feature = "async")]
#[test]
fn an_awaited_load_is_entered_while_it_is_polled() {
    listening(pages, |cache, listener| {
        let mut context = Context::from_waker(Waker::noop());
        {
            let mut polls = 0;
            let load = std::future::poll_fn(|_| {
                polls += 1;
                if polls == 3 { Poll::Ready(7) } else { Poll::Pending }
            });
            let mut future = pin!(cache.get_or_insert_async(&1, 1, load));
            assert!(future.as_mut().poll(&mut context).is_pending());
            assert!(listener.book.lock().unwrap().stack.is_empty(), "not entered between two polls");
            assert!(future.as_mut().poll(&mut context).is_pending());
            assert_eq!(future.as_mut().poll(&mut context), Poll::Ready(7));
        }
        {
            let mut dropped = pin!(cache.get_or_insert_async(&2, 1, std::future::pending()));
            assert!(dropped.as_mut().poll(&mut context).is_pending());
        }
        let spans = listener.spans("load");
        let told: Vec<_> = spans.iter().map(|told| (told.entered, told.fields["outcome"].as_str())).collect();
        assert_eq!(told, [(3, "\"loaded\""), (1, "\"abandoned\"")]);
    });
}

#[test]
fn clear_and_resize_are_spans_and_evictions_happen_inside() {
    listening(pages, |cache, listener| {
        (0..50).for_each(|key| _ = cache.insert(key, key, 1));
        cache.set_max_cost(20);
        cache.clear();
        assert_eq!(listener.spans("resize")[0].fields["max_cost"], "20");
        let [clear] = &listener.spans("clear")[..] else { panic!("one clear") };
        assert_eq!((clear.entered, clear.fields["cache"].as_str()), (1, "\"pages\""));
    });
}

#[test]
fn writers_who_help_say_why() {
    let build = || Cache::builder(1000, 100).slack(5).maintenance(Maintenance::Manual).build().unwrap();
    listening(build, |cache, listener| {
        // No room; and then, with room for all, a long log.
        (0..300).for_each(|key| _ = cache.insert(key, key, 2));
        assert!(listener.spans("help").iter().all(|told| told.fields["growth"] == "2"));
        assert!(!listener.spans("help").is_empty());
        cache.set_max_cost(1 << 30);
        let before = listener.spans("help").len();
        (0..20_000).for_each(|key| _ = cache.insert(key, key, 1));
        let helps = listener.spans("help").split_off(before);
        assert!(!helps.is_empty() && helps.iter().all(|told| told.fields.contains_key("pending")));
        assert_eq!(listener.spans("help").len() as u64, cache.stats().helps);
    });
}

#[test]
fn hits_and_easy_writes_tell_nothing_and_nothing_tells_values_or_keys() {
    const KEY: u64 = 8_120_946_375_833;
    const VALUE: u64 = 7_345_918_264_501;
    listening(pages, |cache, listener| {
        assert!(cache.insert(KEY, VALUE, 1));
        for _ in 0..1000 {
            assert_eq!(cache.get(&KEY), Some(VALUE));
            assert_eq!(cache.get_or_insert_with(&KEY, 1, || 0), VALUE);
            cache.get(&1);
        }
        cache.insert(KEY, VALUE, 1);
        cache.update(&KEY, |value| *value += 0);
        cache.remove(&KEY);
        let book = listener.book.lock().unwrap();
        assert!(book.spans.is_empty() && book.events.is_empty());
        drop(book);
        cache.get_or_insert_with(&KEY, 1, || VALUE);
        let _ = cache.get_or_try_insert_with(&(KEY + 1), 1, || Err::<u64, _>(VALUE));
        cache.clear();
        let text = format!("{listener:?}");
        assert!(text.contains("outcome"));
        for secret in [KEY, KEY + 1, VALUE] {
            assert!(!text.contains(&secret.to_string()) && !text.contains(&format!("{secret:x}")), "{text}");
        }
    });
}

#[test]
fn panics_that_were_contained_are_told() {
    hush();
    struct Bad;
    impl Policy for Bad {
        fn name(&self) -> &'static str {
            "bad"
        }
        fn hit(&mut self, _ledger: &Ledger, _slot: Slot) {}
        fn miss(&mut self, _ledger: &Ledger, _index: u64) {}
        fn admit(&mut self, _ledger: &Ledger, _candidate: Candidate, _victims: &mut Vec<Slot>) -> Admission {
            planted_panic()
        }
        fn evict(
            &mut self,
            _ledger: &Ledger,
            _shortfall: u64,
            _keep: Option<Slot>,
            _victims: &mut Vec<Slot>,
        ) {
        }
        fn inserted(&mut self, _ledger: &Ledger, _slot: Slot) {}
        fn removed(&mut self, _ledger: &Ledger, _slot: Slot, _why: Departure) {}
        fn moved(&mut self, _from: Slot, _to: Slot) {}
        fn clear(&mut self) {}
    }
    let build = || {
        let policy = PolicyKind::Custom(Arc::new(|_: &_| Box::new(Bad) as Box<dyn Policy>));
        Cache::builder(1000, 20)
            .policy(policy)
            .listener(|event| {
                if event.value != 0 {
                    planted_panic()
                }
            })
            .maintenance(Maintenance::Manual)
            .build()
            .unwrap()
    };
    listening(build, |cache, listener| {
        (0..100).for_each(|key| _ = cache.insert(key, key, 1));
        cache.wait().unwrap();
        let book = listener.book.lock().unwrap();
        let levels = |level: &str| book.events.iter().filter(|told| told.name == level).count() as u64;
        assert_eq!(levels("ERROR"), 1);
        let panics = levels("WARN");
        drop(book);
        assert!(panics > 0);
        assert_eq!(panics, cache.stats().callback_panics);
    });
}

#[cfg(feature = "persist")]
#[test]
fn a_restart_is_told() {
    listening(pages, |cache, listener| {
        (0..10).for_each(|key| _ = cache.insert(key, key, 1));
        let mut bytes = Vec::new();
        let saved = cache.save(&mut bytes).unwrap();
        cache.restore(bytes.as_slice()).unwrap();
        assert_eq!(listener.spans("save")[0].fields["entries"], saved.entries.to_string());
        assert_eq!(listener.spans("restore")[0].fields["entries"], "0");
    });
}

/// A subscriber that panics fails the call, and the key can be loaded by the next.
#[test]
fn a_subscriber_that_panics_leaves_no_load_behind() {
    struct Panics;
    impl Subscriber for Panics {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == "tollgate"
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            planted_panic()
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, _: &Event<'_>) {}
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }
    hush();
    watchdog(|| {
        let cache = Small::builder(100, 100).maintenance(Maintenance::Manual).build().unwrap();
        tracing::subscriber::with_default(Panics, || panics(|| cache.get_or_insert_with(&1, 1, || 1)));
        assert_eq!((cache.stats().loading, cache.get_or_insert_with(&1, 1, || 2)), (0, 2));
        settle(&cache);
    });
}
