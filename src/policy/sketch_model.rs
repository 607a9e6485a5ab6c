//! The sketch beside a naive model of what it must not forget: for each key one bit and one counter. For tests and the fuzz target.

use super::super::knowledge::Words;
use super::{FrequencySketch, MAX_ENTRIES, REPEATS, SATURATED};
use std::collections::HashMap;

/// One step in its raw form: what, on which key, how often.
pub(crate) type RawStep = (u8, u16, u8);

/// Plays `steps` on a sketch for about `entries` residents. `noise` is what a file might hold in the place of a sketch.
pub(crate) fn play(entries: u32, steps: &[RawStep], noise: &[u64]) {
    let entries = (entries >> (entries % 29)) as usize;
    let mut model = Model { sketch: FrequencySketch::new(entries), truth: HashMap::new(), counted: 0 };
    for &step in steps {
        model.play(step);
    }
    model.compare();
    // Whatever is read from a file is refused or a sketch that works.
    if let Some(mut sketch) = FrequencySketch::load(&mut Words::new(noise)) {
        for index in 0..64 {
            assert!(sketch.touch(index) <= sketch.estimate(index) || sketch.strangers == 0);
        }
    }
}

/// What a key must be credited with, at least.
#[derive(Debug, Default, Clone, Copy)]
struct Credit {
    /// It was seen since the doorkeeper last forgot.
    seen: bool,
    /// How often it was seen after that, halved by each ageing.
    counter: u8,
}

struct Model {
    sketch: FrequencySketch,
    truth: HashMap<u64, Credit>,
    /// Accesses since the sketch was made or cleared.
    counted: u64,
}

impl Model {
    fn play(&mut self, (what, key, times): RawStep) {
        let index = u64::from(key) << (what % 3 * 17);
        match what / 3 % 10 {
            0..=4 => (0..u64::from(times)).for_each(|next| self.touch(index.wrapping_add(next * 0x1_0001))),
            5 | 6 => (0..times).for_each(|_| self.touch(index)),
            7 => {
                self.sketch.age();
                self.halve();
            }
            8 if times.is_multiple_of(16) => {
                self.sketch = FrequencySketch::new(self.sketch.entries);
                self.truth.clear();
                self.counted = 0;
            }
            8 => {
                let strangers = self.sketch.strangers;
                self.sketch.set_entries(usize::from(times) << (key % 16));
                if self.sketch.strangers < strangers {
                    self.forget_strangers();
                }
            }
            _ => self.save_and_load(),
        }
    }

    fn touch(&mut self, index: u64) {
        let (repeats, strangers) = (self.sketch.repeats, self.sketch.strangers);
        let estimate = self.sketch.estimate(index);
        assert_eq!(self.sketch.touch(index), estimate, "an access tells the estimate before it");
        let credit = self.truth.entry(index).or_default();
        if credit.seen {
            credit.counter = SATURATED.min(credit.counter + 1);
        }
        credit.seen = true;
        let wanted = credit.counter + 1;
        assert!(estimate <= SATURATED + 1);
        self.counted += 1;
        if self.sketch.repeats < repeats {
            self.halve();
        } else if self.sketch.strangers < strangers {
            self.forget_strangers();
        } else {
            assert!(self.sketch.estimate(index) >= wanted, "{index:#x} was seen more often");
        }
    }

    fn forget_strangers(&mut self) {
        self.truth.values_mut().for_each(|credit| credit.seen = false);
    }

    fn halve(&mut self) {
        for credit in self.truth.values_mut() {
            *credit = Credit { seen: false, counter: credit.counter / 2 };
        }
    }

    fn save_and_load(&mut self) {
        let mut words = Vec::new();
        self.sketch.save(&mut words);
        let mut reader = Words::new(&words);
        let sketch = FrequencySketch::load(&mut reader).expect("it takes what it gave");
        assert!(reader.is_empty());
        let mut again = Vec::new();
        sketch.save(&mut again);
        // A lowered number of entries may leave it with more accesses than its new periods have.
        words[1] = words[1].min(self.sketch.entries as u64 * REPEATS);
        words[2] = words[2].min(self.sketch.next_chore);
        assert_eq!(words, again, "what was saved is what was loaded");
        self.sketch = sketch;
    }

    fn compare(&self) {
        for (&index, credit) in &self.truth {
            let wanted = credit.counter + u8::from(credit.seen);
            assert!(self.sketch.estimate(index) >= wanted, "{index:#x} was seen more often");
        }
        assert!(self.sketch.entries <= MAX_ENTRIES && self.sketch.repeats <= MAX_ENTRIES as u64 * REPEATS);
        // Memory follows use.
        let bound = (8 << 10) + 64 * self.counted as usize;
        assert!(self.sketch.memory() <= bound, "{} bytes after {}", self.sketch.memory(), self.counted);
    }
}

#[cfg(test)]
mod tests {
    use super::play;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_that_was_counted_is_forgotten_before_its_time(
            entries: u32,
            steps in vec(any::<super::RawStep>(), 1..120),
            noise in vec(any::<u64>(), 0..40),
        ) {
            play(entries, &steps, &noise);
        }
    }
}
