//! What the policy has learned, for a snapshot, and back.
//!
//! All of it but the residents, which come back one by one, each with a note of its class and age. Restored in a cache of another size,
//! the policy begins at the scale that it had and follows the number of residents as ever.
//!
//! Words that come from outside are checked for all that the rest of the policy takes for granted: lengths that follow from
//! the scale, classes in range, counts that are numbers, an epoch that ends.

use super::HitDensity;
use super::class::{CLASSES, Class, Scale};
use super::ghost::Ghost;
use super::learner::Learner;
use super::monitor::Monitor;
use super::residents::View;
use crate::policy::knowledge::Words;
use crate::policy::sketch::FrequencySketch;
use crate::policy::{Keepsake, Ledger, Objective, Slot};

impl HitDensity {
    pub(super) fn save(&self) -> Vec<u64> {
        let mut words = vec![
            FORMAT,
            self.scale.entries().into(),
            self.clock.into(),
            self.epoch_end.wrapping_sub(self.clock).into(),
            self.epoch_len.into(),
            self.epochs,
            self.clock.wrapping_sub(self.clamped).into(),
            self.sized.into(),
        ];
        self.sketch.save(&mut words);
        self.ghost.save(&mut words);
        self.monitor.save(&mut words);
        self.learner.save(&mut words);
        words
    }

    /// `None` if the words are not what [`save`](Self::save) wrote; nothing has changed then.
    pub(super) fn load(&mut self, words: &[u64]) -> Option<()> {
        let believable = words.len().max(self.scale.entries() as usize);
        let mut words = Words::new(words);
        if words.next()? != FORMAT {
            return None;
        }
        let scale = Scale::of_entries(words.next_u32()?)?;
        let clock = words.next_u32()?;
        let (left, epoch_len) = (words.next_u32()?, words.next_u32()?);
        if left == 0 || left > epoch_len || epoch_len > MOST_EPOCH {
            return None;
        }
        let epochs = words.next()?;
        let unclamped = words.next_u32()?;
        let sized = words.next()? != 0;
        let mut sketch = FrequencySketch::load(&mut words)?;
        let ghost = Ghost::load(scale.entries(), &mut words)?;
        // A ghost without memory takes it when it is first needed: as much as the scale says.
        if ghost.memory() == 0 && scale.entries() as usize > believable {
            return None;
        }
        // As large as the scale wants it, whatever it says of itself; and epochs end as those of such a cache do.
        sketch.set_entries(2 * scale.entries() as usize);
        let longest = (scale.entries() / 2).max(super::SHORTEST_EPOCH);
        let (left, epoch_len) = (left.min(longest), epoch_len.min(longest));
        let monitor = Monitor::load(scale.entries(), &mut words)?;
        let mut learner = Learner::load(scale, &mut words)?;
        if !words.is_empty() {
            return None;
        }
        let watched = monitor.watched(clock).map(|(class, age)| (class, scale.bucket(age)));
        learner.learn(scale, watched);
        // Who is resident already keeps the age that it has.
        self.residents.shift_stamps(clock.wrapping_sub(self.clock));
        self.scale = scale;
        self.clock = clock;
        self.epoch_end = clock.wrapping_add(left);
        self.epoch_len = epoch_len;
        // The same luck, but no number that overflows.
        self.epochs = epochs & u64::MAX >> 1;
        self.clamped = clock.wrapping_sub(unclamped);
        self.sized |= sized;
        (self.sketch, self.ghost, self.monitor, self.learner) = (sketch, ghost, monitor, learner);
        Some(())
    }

    pub(super) fn keepsake_of(&self, ledger: &Ledger, slot: Slot) -> Keepsake {
        let view = View {
            ledger,
            learner: &self.learner,
            scale: self.scale,
            clock: self.clock,
            sized: self.sized,
            per_cost: self.sized && self.config.objective == Objective::Hits,
        };
        let class = self.residents.class(slot);
        let age = self.clock.wrapping_sub(self.residents.stamp(slot));
        let worth = view.density(class, age, slot);
        Keepsake { worth, note: u64::from(age) << 8 | u64::from(class) }
    }

    pub(super) fn recall_at(&mut self, slot: Slot, note: u64) {
        let class = note as Class;
        let age = (note >> 8) as u32;
        if usize::from(class) < CLASSES {
            self.residents.touch(slot, class, self.clock.wrapping_sub(age));
        }
    }
}

/// Changes with the meaning of the words.
const FORMAT: u64 = 2;
/// No epoch is longer: half of the most entries.
const MOST_EPOCH: u32 = 1 << 26;
