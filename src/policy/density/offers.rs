//! The entries on offer: the least valuable that were found and not needed yet.

use crate::policy::Slot;

/// An entry that was found to be of little value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offer {
    pub(super) slot: Slot,
    pub(super) density: f32,
    /// Its stamp when it was scored: an entry used since is not on offer any more.
    pub(super) stamp: u32,
}

/// A handful of offers, from the highest density down. No slot is in it twice.
#[derive(Debug, Default)]
pub(super) struct Offers {
    list: Vec<Offer>,
}

impl Offers {
    /// The lowest.
    pub(super) fn pop(&mut self) -> Option<Offer> {
        self.list.pop()
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Below which density an offer finds a place among `most`.
    #[inline]
    pub(super) fn limit(&self, most: usize) -> f32 {
        if self.list.len() < most {
            return f32::INFINITY;
        }
        self.list.first().map_or(f32::INFINITY, |highest| highest.density)
    }

    /// Keeps an offer if it is among the `most` lowest. Takes the place of another of the same slot.
    pub(super) fn offer(&mut self, offer: Offer, most: usize) {
        if let Some(known) = self.list.iter().position(|known| known.slot == offer.slot) {
            self.list.remove(known);
        } else if self.list.len() >= most {
            if self.limit(most) <= offer.density {
                return;
            }
            self.list.remove(0);
        }
        self.rank(offer);
    }

    /// Puts an offer where it belongs.
    pub(super) fn rank(&mut self, offer: Offer) {
        let lower = self.list.iter().rev().take_while(|known| known.density < offer.density).count();
        self.list.insert(self.list.len() - lower, offer);
    }

    /// The entry is not on offer any more.
    pub(super) fn withdraw(&mut self, slot: Slot) {
        self.list.retain(|offer| offer.slot != slot);
    }

    /// The entry at `from` lives at `to` now.
    pub(super) fn moved(&mut self, from: Slot, to: Slot) {
        if let Some(offer) = self.list.iter_mut().find(|offer| offer.slot == from) {
            offer.slot = to;
        }
    }

    /// The entries of two slots have changed places.
    pub(super) fn exchanged(&mut self, one: Slot, other: Slot) {
        for offer in &mut self.list {
            offer.slot = match offer.slot {
                slot if slot == one => other,
                slot if slot == other => one,
                slot => slot,
            };
        }
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
    }

    pub(super) fn memory(&self) -> usize {
        self.list.capacity() * size_of::<Offer>()
    }

    pub(super) fn check(&self, residents: usize) -> Result<(), String> {
        if self.list.iter().any(|offer| offer.slot as usize >= residents) {
            return Err("density: an entry on offer is not resident".into());
        }
        if !self.list.is_sorted_by(|a, b| a.density >= b.density) {
            return Err("density: the offers are not in order".into());
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.list.iter().map(|offer| offer.slot)
    }
}
