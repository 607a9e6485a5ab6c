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
    flights: Table<Arc<Flight<V>>>,
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
        let place = self.flights.find(key.index, |flight| flight.key() == key)?;
        Some(self.flights.at(place))
    }

    /// Whether this very flight may bring an entry with that tag: neither was it overtaken, nor the group removed meanwhile.
    pub(crate) fn admits(&self, key: KeyHash, id: FlightId, tag: Option<Tag>) -> bool {
        self.find(key)
            .filter(|flight| flight.id() == id)
            .is_some_and(|flight| tag.is_none_or(|tag| !flight.has_ended(tag.0)))
    }

    /// Lists a new flight. There is none for the key.
    pub(crate) fn begin(&mut self, key: KeyHash) -> Arc<Flight<V>> {
        let flight = Arc::new(Flight::new(key));
        self.flights.insert(key.index, Arc::clone(&flight), |flight| flight.key().index);
        flight
    }

    /// Takes the flight of a key out, if there is one: its key is being written or removed.
    #[inline]
    pub(crate) fn overtake(&mut self, key: KeyHash) {
        if self.flights.len() > 0 {
            self.take(key, |_| true);
        }
    }

    /// Takes this very flight out, if it is still listed.
    pub(crate) fn end(&mut self, key: KeyHash, id: FlightId) {
        self.take(key, |flight| flight.id() == id);
    }

    /// A group is being removed: no flight that is under way brings an entry of it. O(flights).
    pub(crate) fn end_tag(&self, tag: Tag) {
        self.flights.iter().for_each(|flight| flight.end_group(tag.0));
    }

    /// Takes all flights out.
    pub(crate) fn overtake_all(&mut self) {
        self.flights = Table::new();
    }

    #[cold]
    fn take(&mut self, key: KeyHash, is_it: impl Fn(&Flight<V>) -> bool) {
        if let Some(place) = self.flights.find(key.index, |flight| flight.key() == key && is_it(flight)) {
            self.flights.remove(place, key.index);
            self.flights.shrink(|flight| flight.key().index);
        }
    }
}
