//! Groups of entries: what tags an entry, and how a group is removed.
//!
//! A tag belongs to an entry, not to its key: whatever writes the entry says its tag, or that it has none. Only what replaces nothing but
//! a present value keeps it.
//!
//! A group is removed shard by shard, by going through its members: nothing is marked to be looked at later, so that the
//! store, the budget and the engine know at once. A load that is under way may bring an entry of the group that was read from its
//! source before: each flight that is listed while its shard is visited is told that the tag is over for it.

use super::deliver::Departed;
use super::{Core, Request};
use crate::key::KeyHash;
use crate::listener::Cause;
use crate::store::{Shard, Tag};

impl<V> Core<V> {
    /// Gives a live entry another tag, or none; false if there is none.
    pub(crate) fn set_tag(&self, key: KeyHash, tag: Option<Tag>) -> bool {
        self.keep_time();
        let mut shard = self.store.write(self.store.shard_of(key.index));
        let is_live = self.live(&shard, key).is_some();
        if is_live {
            shard.loads.overtake(key);
            shard.tags.set(key.index, tag);
        }
        is_live
    }

    /// The tag of a live entry.
    pub(crate) fn tag(&self, key: KeyHash) -> Option<Tag> {
        self.keep_time();
        let shard = self.store.read(self.store.shard_of(key.index));
        self.live(&shard, key).and_then(|_| shard.tags.of(key.index))
    }

    /// Removes every entry with a tag; returns how many were live.
    pub(crate) fn remove_tag(&self, tag: Tag) -> usize {
        self.keep_time();
        // Asked for once and with no lock held: the clock is the user's, and a removal that has begun is to end.
        let now = self.now();
        let mut removed = 0;
        for number in 0..self.store.shards() {
            let mut departed = Vec::new();
            let ticket = {
                let mut shard = self.store.write(number);
                shard.loads.end_tag(tag);
                for index in shard.tags.members(tag).to_vec() {
                    let place = shard.place_of(index).expect("what is tagged has a row");
                    let is_live = self.is_live_at(shard.at(place), now);
                    let row = shard.remove(place);
                    shard.loads.overtake(row.key());
                    if is_live {
                        removed += 1;
                        shard.tally.removed(row.cost());
                    }
                    let logged = shard.log_remove(index);
                    self.mark_first(number, logged);
                    departed.push(Departed::new(row, if is_live { Cause::Removed } else { Cause::Expired }));
                }
                self.ticket_for(&departed)
            };
            self.settle_departures(number, departed, ticket);
        }
        removed
    }

    /// Tags the row that a request has written.
    #[inline]
    pub(super) fn tag_written(&self, shard: &mut Shard<V>, request: &Request) {
        if request.tag.is_some() || !request.only_present {
            shard.tags.set(request.key.index, request.tag);
        }
    }
}
