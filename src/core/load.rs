//! The life of a load: one caller leads, the others join; see [`flight`](crate::flight) for the words.
//!
//! Written once, as a future. A thread runs it with a load that is ready at once, so that it sleeps nowhere but
//! where it waits for another's flight; a task awaits it.

use super::{Core, Count, Lifetime, Pinning, Request};
use crate::error::InsertError;
use crate::flight::{Aboard, Flight, Outcome, Stage};
use crate::key::KeyHash;
use crate::store::Tag;
use crate::sync;
use crate::trace;
use std::future::poll_fn;
use std::ops::Deref;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

/// What a load brought: a value, what it costs, and how long it may live.
///
/// For loads that know these only when they have the value: a page of so many bytes, a token with its expiry, an
/// absence to be remembered for a short while.
///
/// ```
/// use std::time::Duration;
/// use tollgate::{Cache, Loaded};
///
/// # fn fetch(_: &str) -> std::io::Result<Option<String>> { Ok(None) }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // `None` is remembered too: a name that does not exist is not asked for again for five seconds.
/// let names: Cache<str, Option<String>> = Cache::new(10_000, 1 << 20)?;
/// let found = names.get_or_load("nobody", || {
///     fetch("nobody").map(|name| match name {
///         Some(name) => Loaded::new(Some(name.clone()), name.len() as u64),
///         None => Loaded::absent(Duration::from_secs(5)),
///     })
/// })?;
/// assert_eq!(found, None);
/// assert!(names.contains_key("nobody"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "what was loaded is inserted by the method that asked for it"]
#[non_exhaustive]
pub struct Loaded<V> {
    /// The value.
    pub value: V,
    /// Its cost; 0 is the weigher's, or 1.
    pub cost: u64,
    /// How long the entry lives: `None` is what the builder said, zero is for ever.
    pub time_to_live: Option<Duration>,
    /// The group that the entry belongs to.
    pub tag: Option<Tag>,
    /// Whether the entry is to be pinned, if the [quota](crate::Builder::pin_quota) has room for it. One that replaces a pinned entry is pinned anyway.
    pub pinned: bool,
}

impl<V> Loaded<V> {
    /// A value that lives as long as the builder said. A `cost` of 0 is the weigher's, or 1.
    pub fn new(value: V, cost: u64) -> Self {
        Self { value, cost, time_to_live: None, tag: None, pinned: false }
    }

    /// Lets the entry live for `ttl`; `Duration::ZERO` is for ever.
    pub fn time_to_live(self, ttl: Duration) -> Self {
        Self { time_to_live: Some(ttl), ..self }
    }

    /// Lets the entry belong to a group; see [`Cache::remove_tag`](crate::Cache::remove_tag).
    pub fn tag(self, tag: Tag) -> Self {
        Self { tag: Some(tag), ..self }
    }

    /// Pins the entry, if the quota has room for it; see [`Cache::pin`](crate::Cache::pin).
    pub fn pinned(self) -> Self {
        Self { pinned: true, ..self }
    }
}

impl<T> Loaded<Option<T>> {
    /// That there is no value, to be remembered for `ttl` at a cost of 1. `Duration::ZERO` is for ever.
    pub fn absent(ttl: Duration) -> Self {
        Self { value: None, cost: 1, time_to_live: Some(ttl), tag: None, pinned: false }
    }
}

/// What a caller finds who wants a value that was not there.
pub(crate) enum Boarding<'a, V> {
    /// It is there by now, or an older one while another caller refreshes it.
    Present(V),
    /// Another caller is loading it.
    Joined(sync::Arc<Flight<V>>),
    /// This caller is to load it. `old` is the value that is to be refreshed, if there is one.
    Leads { lead: Lead<'a, V>, old: Option<V> },
}

/// What comes of waiting for whoever loads a value already.
pub(super) enum Turn<'a, V, E> {
    /// There is a value or an error.
    Over(Result<V, Arc<E>>),
    /// It is for this caller to load, or to refresh the `old` one.
    Leads { lead: Lead<'a, V>, old: Option<V> },
}

/// A core, as long as somebody else keeps it or for good.
enum Home<'a, V> {
    Lent(&'a Core<V>),
    Shared(Arc<Core<V>>),
}

impl<V> Clone for Home<'_, V> {
    fn clone(&self) -> Self {
        match self {
            Self::Lent(core) => Self::Lent(core),
            Self::Shared(core) => Self::Shared(Arc::clone(core)),
        }
    }
}

impl<V> Deref for Home<'_, V> {
    type Target = Core<V>;

    fn deref(&self) -> &Core<V> {
        match self {
            Self::Lent(core) => core,
            Self::Shared(core) => core,
        }
    }
}

/// The duty to load a value. Dropping it abandons the flight.
pub(crate) struct Lead<'a, V> {
    core: Home<'a, V>,
    /// `None` once it has landed.
    flight: Option<sync::Arc<Flight<V>>>,
    /// Whether there is a value already.
    is_refresh: bool,
    span: trace::Span,
}

impl<V> Core<V> {
    /// The value of a key, its flight, or the duty to load it: looked up and listed in one step.
    pub(crate) fn board(&self, key: KeyHash) -> Boarding<'_, V>
    where
        V: Clone,
    {
        self.keep_time();
        let mut shard = self.store.write(self.store.shard_of(key.index));
        let mut seen = self.see(&shard, key);
        if seen.is_served() {
            drop(shard);
            return Boarding::Present(self.serve(seen));
        }
        if let (None, Some(flight)) = (&seen.value, seen.flight.take()) {
            let stage = Aboard::stage(flight.id());
            if stage != Some(Stage::Landing) || Aboard::is_too_deep() {
                drop(shard);
                assert!(stage.is_none(), "{RECURSION}");
                return Boarding::Joined(flight);
            }
            // It would wait for itself: it loads once more instead, and what it was about to write is out of date.
            shard.loads.overtake(key);
        }
        let flight = shard.loads.begin(key);
        drop(shard);
        let (core, flight, is_refresh) = (Home::Lent(self), Some(flight), seen.value.is_some());
        // The lead first: if a subscriber panics, the flight is abandoned.
        let mut lead = Lead { core, flight, is_refresh, span: trace::Span::none() };
        lead.span = trace::load(self.name(), key.index);
        self.count(Count::Loads, 1);
        self.count(Count::Refreshes, u64::from(lead.is_refresh));
        // A listener may ask for the very key: what leaves by this is delivered when the flight has landed, or by the next turn.
        seen.retime.inspect(|retime| self.deferring(|| self.retime(retime)));
        Boarding::Leads { lead, old: seen.value }
    }

    /// The value of a key, or what `load` makes of it. `load` is polled by at most one caller at a time.
    pub(crate) async fn load<E>(
        &self,
        key: KeyHash,
        load: impl Future<Output = Result<Loaded<V>, E>>,
    ) -> Result<V, Arc<E>>
    where
        V: Clone,
        E: Send + Sync + 'static,
    {
        match self.take_turn(key).await {
            Turn::Over(outcome) => outcome,
            Turn::Leads { lead, old } => self.lead(lead, old, load).await,
        }
    }

    /// Boards, and waits for whoever is at it already.
    pub(super) async fn take_turn<E>(&self, key: KeyHash) -> Turn<'_, V, E>
    where
        V: Clone,
        E: Send + Sync + 'static,
    {
        loop {
            match self.board(key) {
                Boarding::Present(value) => return Turn::Over(Ok(value)),
                Boarding::Leads { lead, old } => return Turn::Leads { lead, old },
                Boarding::Joined(flight) => match &*flight.landing().await {
                    Outcome::Loaded(value) => return Turn::Over(Ok(value.clone())),
                    Outcome::Failed(error) => {
                        // An error of another type was meant for other callers: this one tries for itself.
                        if let Ok(error) = Arc::downcast(Arc::clone(error)) {
                            return Turn::Over(self.instead_of_error(key).ok_or(error));
                        }
                    }
                    Outcome::Abandoned => {}
                },
            }
        }
    }

    /// Loads in the caller's own time. If that fails, an `old` value does.
    pub(super) async fn lead<E>(
        &self,
        lead: Lead<'_, V>,
        old: Option<V>,
        load: impl Future<Output = Result<Loaded<V>, E>>,
    ) -> Result<V, Arc<E>>
    where
        V: Clone,
        E: Send + Sync + 'static,
    {
        let key = lead.key();
        let mut load = pin!(load);
        // Dropped before all else, if the load panics or is cancelled: destructors may ask for the key.
        let lead = lead;
        match lead.run(load.as_mut()).await {
            Ok(loaded) => Ok(lead.land(loaded)),
            Err(error) => {
                let error = lead.fail(error);
                old.inspect(|_| self.count(Count::ServedStale, 1))
                    .or_else(|| self.instead_of_error(key))
                    .ok_or(error)
            }
        }
    }

    /// The value of a key, or the duty to load it.
    pub(crate) async fn reserve(&self, key: KeyHash) -> Result<V, Lead<'_, V>>
    where
        V: Clone,
    {
        loop {
            match self.board(key) {
                Boarding::Present(value) => return Ok(value),
                Boarding::Leads { lead, old } => {
                    let _landing = lead.landing();
                    drop(old);
                    return Err(lead);
                }
                Boarding::Joined(flight) => {
                    if let Outcome::Loaded(value) = &*flight.landing().await {
                        return Ok(value.clone());
                    }
                }
            }
        }
    }
}

impl<'a, V> Lead<'a, V> {
    /// Leads a flight that was begun without a load: to learn whether something overtakes it.
    pub(super) fn new(core: &'a Core<V>, flight: sync::Arc<Flight<V>>) -> Self {
        Self { core: Home::Lent(core), flight: Some(flight), is_refresh: false, span: trace::Span::none() }
    }

    /// The same duty, in nobody's debt.
    pub(super) fn shared(mut self, core: &Arc<Core<V>>) -> Lead<'static, V> {
        let core = Home::Shared(Arc::clone(core));
        let span = std::mem::replace(&mut self.span, trace::Span::none());
        Lead { core, flight: self.flight.take(), is_refresh: self.is_refresh, span }
    }

    /// Runs the load.
    pub(super) async fn run<T>(&self, mut load: Pin<&mut impl Future<Output = T>>) -> T {
        poll_fn(|context| {
            let _aboard = self.aboard();
            let _entered = self.span.enter();
            load.as_mut().poll(context)
        })
        .await
    }

    /// Whether the last handle of the cache is gone.
    pub(super) fn is_off(&self) -> bool {
        self.core.bell.is_stopping()
    }

    /// Ends a flight that brought nothing to those who joined it: they look again.
    pub(super) fn release(mut self) {
        self.delist();
        self.end(Outcome::Abandoned);
    }

    /// Marks that this thread is running the load.
    pub(super) fn aboard(&self) -> Aboard {
        Aboard::new(self.flight().id(), Stage::Loading)
    }

    /// Marks that this thread is landing the flight: whoever asks for the key on it does not wait.
    pub(super) fn landing(&self) -> Aboard {
        Aboard::new(self.flight().id(), Stage::Landing)
    }

    /// Offers what was loaded to the cache, unless the flight was overtaken, and gives it to all who joined and to the caller.
    pub(crate) fn land(mut self, loaded: Loaded<V>) -> V
    where
        V: Clone,
    {
        // A listener may ask for the very key: it is called when the flight has landed.
        let core = self.core.clone();
        let (kept, refused) = core.delivering_after(|| {
            let _landing = self.landing();
            self.commit(loaded)
        });
        // Its destructor may ask for the very key, too.
        drop(refused);
        kept
    }

    /// What was loaded, and once more if the cache did not take it: to be dropped when the caller leads no flight any more.
    pub(super) fn commit(&mut self, loaded: Loaded<V>) -> (V, Option<InsertError<V>>)
    where
        V: Clone,
    {
        self.span.ended(trace::End::Loaded);
        let Loaded { value, cost, time_to_live, tag, pinned } = loaded;
        let kept = value.clone();
        let flight = self.flight();
        let request = Request {
            key: flight.key(),
            cost,
            lifetime: time_to_live.map_or(Lifetime::Default, Lifetime::For),
            only_present: false,
            tag,
            pinning: if pinned { Pinning::Wanted } else { Pinning::Kept },
            flight: Some(flight.id()),
        };
        let refused = self.core.insert(request, value).err();
        self.delist();
        let is_ended = tag.is_some_and(|tag| self.flight().has_ended(tag.0));
        // Whoever has joined holds the flight; nobody joins any more.
        if is_ended {
            // Some may have joined after their group was removed, and may not be given what was read before: they look again.
            self.end(Outcome::Abandoned);
        } else if sync::Arc::strong_count(self.flight()) > 1 {
            let outcome = Outcome::Loaded(kept.clone());
            self.end(outcome);
        } else {
            self.flight = None;
        }
        (kept, refused)
    }

    /// Gives an error to all who joined and to the caller.
    pub(crate) fn fail<E: Send + Sync + 'static>(self, error: E) -> Arc<E> {
        let core = self.core.clone();
        let error = Arc::new(error);
        self.fail_with(Arc::clone(&error));
        core.catch_up();
        error
    }

    /// Gives an error to all who joined.
    pub(super) fn fail_with<E: Send + Sync + 'static>(mut self, error: Arc<E>) {
        self.count_failure();
        self.span.ended(trace::End::Failed);
        self.delist();
        self.end(Outcome::Failed(error));
    }

    pub(super) fn key(&self) -> KeyHash {
        self.flight().key()
    }

    fn count_failure(&self) {
        self.core.count(Count::LoadsFailed, 1);
        self.core.count(Count::RefreshesFailed, u64::from(self.is_refresh));
    }

    fn flight(&self) -> &sync::Arc<Flight<V>> {
        self.flight.as_ref().expect("a flight that has landed leads nobody")
    }

    /// Sees to it that nobody joins the flight any more.
    fn delist(&self) {
        let flight = self.flight();
        let store = &self.core.store;
        store.write(store.shard_of(flight.key().index)).loads.end(flight.key(), flight.id());
    }

    fn end(&mut self, outcome: Outcome<V>) {
        if let Some(flight) = self.flight.take() {
            flight.land(outcome);
        }
    }
}

impl<V> Drop for Lead<'_, V> {
    fn drop(&mut self) {
        if self.flight.is_some() {
            self.count_failure();
            self.core.count(Count::LoadsAbandoned, 1);
            self.delist();
            self.end(Outcome::Abandoned);
            self.span.ended(trace::End::Abandoned);
        }
    }
}

const RECURSION: &str = "a load waits for itself: its loader asked for the key that it is loading";
