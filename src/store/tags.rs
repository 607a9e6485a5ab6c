//! Which entries of a shard belong to which group, kept under the shard's lock.
//!
//! Beside the rows and not in them: a cache without tags pays two comparisons for a write or removal, and no byte. A tagged entry costs some
//! fifty bytes here.

use super::Table;

/// The name of a group of entries that can be removed together; see [`Cache::remove_tag`](crate::Cache::remove_tag).
///
/// A number of your choice. Groups with the same number are the same group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(pub u64);

/// The tags of the rows of one shard: of each tagged row, and of each tag the rows.
pub(crate) struct Tags {
    tagged: Table<Tagged>,
    groups: Table<Group>,
}

struct Tagged {
    index: u64,
    tag: Tag,
    /// Where in its group.
    nth: u32,
}

/// Never empty.
struct Group {
    tag: Tag,
    members: Vec<u64>,
}

impl Tags {
    pub(crate) const fn new() -> Self {
        Self { tagged: Table::new(), groups: Table::new() }
    }

    /// The tag of the row of an index.
    pub(crate) fn of(&self, index: u64) -> Option<Tag> {
        if self.tagged.len() == 0 {
            return None;
        }
        let place = self.tagged.find(index, |tagged| tagged.index == index)?;
        Some(self.tagged.at(place).tag)
    }

    /// The row of an index has that tag from now on, or none.
    #[inline]
    pub(crate) fn set(&mut self, index: u64, tag: Option<Tag>) {
        if tag.is_some() || self.tagged.len() > 0 {
            self.change(index, tag);
        }
    }

    /// The row of an index is gone.
    #[inline]
    pub(crate) fn forget(&mut self, index: u64) {
        self.set(index, None);
    }

    /// The rows with a tag. O(1).
    pub(crate) fn members(&self, tag: Tag) -> &[u64] {
        let place = self.groups.find(hash(tag), |group| group.tag == tag);
        place.map_or(&[], |place| &self.groups.at(place).members)
    }

    #[cold]
    fn change(&mut self, index: u64, tag: Option<Tag>) {
        if self.of(index) == tag {
            return;
        }
        self.leave(index);
        if let Some(tag) = tag {
            self.join(index, tag);
        }
    }

    fn join(&mut self, index: u64, tag: Tag) {
        let place = self.groups.find(hash(tag), |group| group.tag == tag).unwrap_or_else(|| {
            self.groups.insert(hash(tag), Group { tag, members: Vec::new() }, |group| hash(group.tag))
        });
        let members = &mut self.groups.at_mut(place).members;
        let nth = members.len() as u32;
        members.push(index);
        self.tagged.insert(index, Tagged { index, tag, nth }, |tagged| tagged.index);
    }

    fn leave(&mut self, index: u64) {
        let Some(place) = self.tagged.find(index, |tagged| tagged.index == index) else { return };
        let Tagged { tag, nth, .. } = self.tagged.remove(place, index);
        self.tagged.shrink(|tagged| tagged.index);
        let place =
            self.groups.find(hash(tag), |group| group.tag == tag).expect("a tagged row is in a group");
        let members = &mut self.groups.at_mut(place).members;
        members.swap_remove(nth as usize);
        let moved = members.get(nth as usize).copied();
        if members.len() < members.capacity() / 4 {
            members.shrink_to(members.len() * 2);
        }
        if members.is_empty() {
            self.groups.remove(place, hash(tag));
            self.groups.shrink(|group| hash(group.tag));
        }
        if let Some(moved) = moved {
            let place = self.tagged.find(moved, |tagged| tagged.index == moved).expect("members are tagged");
            self.tagged.at_mut(place).nth = nth;
        }
    }

    /// Verifies that tags and groups agree, and that there is a row for each. For tests.
    pub(crate) fn check(&self, has_row: impl Fn(u64) -> bool) -> Result<(), String> {
        self.tagged.check(|tagged| tagged.index)?;
        self.groups.check(|group| hash(group.tag))?;
        let members: usize = self.groups.iter().map(|group| group.members.len()).sum();
        if members != self.tagged.len() || self.groups.iter().any(|group| group.members.is_empty()) {
            return Err(format!(
                "tags: {} rows are tagged, groups have {members} members",
                self.tagged.len()
            ));
        }
        for &Tagged { index, tag, nth } in self.tagged.iter() {
            if self.members(tag).get(nth as usize) != Some(&index) {
                return Err(format!("tags: row {index:#x} is not where its group {tag:?} has it"));
            }
            if !has_row(index) {
                return Err(format!("tags: row {index:#x} is gone and tagged {tag:?}"));
            }
        }
        Ok(())
    }
}

/// Tags are often small numbers; the table wants all bits.
fn hash(Tag(number): Tag) -> u64 {
    let word = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word ^ word >> 32
}
