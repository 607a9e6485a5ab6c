//! The flights of a shard: which keys are being loaded, kept under the shard's lock.
//!
//! A shard without loads pays a comparison for each write, and nothing for a read.

use super::{Table, Tag};
use crate::flight::{Flight, FlightId};
use crate::key::KeyHash;
use crate::sync::Arc;

/// At most one flight for each key.
///
/// Letting go of a flight here drops no value: its leader holds it too, until it has landed.
pub(crate) struct Loads<V> {
    flights: Table<Listed<V>>,
}

struct Listed<V> {
    flight: Arc<Flight<V>>,
    /// The groups that were removed since the flight began: it may not bring an entry of theirs.
    ended: Vec<Tag>,
}

impl<V> Loads<V> {
    pub(crate) const fn new() -> Self {
        Self { flights: Table::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.flights.len()
    }

    /// The flight that a caller may join.
    pub(crate) fn find(&self, key: KeyHash) -> Option<&Arc<Flight<V>>> {
        self.listed(key).map(|listed| &listed.flight)
    }

    /// Whether this very flight may bring an entry with that tag: neither was it overtaken, nor the group removed meanwhile.
    pub(crate) fn admits(&self, key: KeyHash, id: FlightId, tag: Option<Tag>) -> bool {
        self.listed(key)
            .filter(|listed| listed.flight.id() == id)
            .is_some_and(|listed| tag.is_none_or(|tag| !listed.ended.contains(&tag)))
    }

    /// Lists a new flight. There is none for the key.
    pub(crate) fn begin(&mut self, key: KeyHash) -> Arc<Flight<V>> {
        let flight = Arc::new(Flight::new(key));
        let listed = Listed { flight: Arc::clone(&flight), ended: Vec::new() };
        self.flights.insert(key.index, listed, |listed| listed.flight.key().index);
        flight
    }

    /// Takes the flight of a key out, if there is one: its key is being written or removed.
    #[inline]
    pub(crate) fn overtake(&mut self, key: KeyHash) {
        if self.flights.len() > 0 {
            self.take(key, |_| true);
        }
    }

    /// Takes this very flight out, if it is still listed; returns the groups that were removed since it began.
    pub(crate) fn end(&mut self, key: KeyHash, id: FlightId) -> Vec<Tag> {
        self.take(key, |flight| flight.id() == id).map_or_else(Vec::new, |listed| listed.ended)
    }

    /// A group is being removed: no flight that is under way brings an entry of it. O(flights).
    pub(crate) fn end_tag(&mut self, tag: Tag) {
        for listed in self.flights.iter_mut().filter(|listed| !listed.ended.contains(&tag)) {
            listed.ended.push(tag);
        }
    }

    /// Takes all flights out.
    pub(crate) fn overtake_all(&mut self) {
        self.flights = Table::new();
    }

    fn listed(&self, key: KeyHash) -> Option<&Listed<V>> {
        let place = self.flights.find(key.index, |listed| listed.flight.key() == key)?;
        Some(self.flights.at(place))
    }

    #[cold]
    fn take(&mut self, key: KeyHash, is_it: impl Fn(&Flight<V>) -> bool) -> Option<Listed<V>> {
        let place =
            self.flights.find(key.index, |listed| listed.flight.key() == key && is_it(&listed.flight))?;
        let listed = self.flights.remove(place, key.index);
        self.flights.shrink(|listed| listed.flight.key().index);
        Some(listed)
    }
}
