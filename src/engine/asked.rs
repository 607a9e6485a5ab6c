//! Joins a miss with the insertion that answers it.
//!
//! The two are one access, but they reach the engine on different paths: the miss through the lossy
//! access ring, the insertion through the lossless log. A policy must count the pair once, whichever is heard first
//! and whether or not the miss got through:
//!
//! - *The miss*, as a rule. It is remembered as asked until its insertion is heard.
//! - *The insertion*, where a turn drained the ring just before the miss came into it and swapped the log just
//!   after the insertion did. The miss is in the ring by then: the very next drain brings it, if nothing
//!   has overwritten it. So the insertion is remembered as answered until the end of that drain.
//!
//! Both tables are small, direct-mapped and made of fingerprints. Being wrong is harmless: a forgotten half of a
//! pair is counted twice, a fingerprint shared by two keys (1 in 2^22) hides one count.

/// Direct-mapped: a newer key replaces an older one. 8 KiB.
#[derive(Debug)]
pub(super) struct Asked {
    /// Of misses that no insertion has answered. Vacant is 0, which is no key's tag.
    asked: Box<[u32; SLOTS]>,
    /// Of insertions heard before their miss, each xored with the number of the drain that will bring the miss: those of
    /// earlier drains match nothing any more. Vacant is 1, as what is xored is odd.
    answered: Box<[u32; SLOTS]>,
    /// How many there are in `answered` that have not been through a drain.
    waiting: u32,
    /// The number of the next drain. Odd.
    drain: u32,
}

impl Asked {
    pub(super) fn new() -> Self {
        Self { asked: Box::new([0; SLOTS]), answered: Box::new([1; SLOTS]), waiting: 0, drain: 1 }
    }

    pub(super) const fn memory() -> usize {
        2 * size_of::<[u32; SLOTS]>()
    }

    /// A miss was heard.
    #[inline]
    pub(super) fn ask(&mut self, index: u64) {
        self.asked[place(index)] = tag(index);
    }

    /// Whether a read that was heard is a miss whose insertion was heard before it; forgets it then.
    #[inline]
    pub(super) fn is_answered(&mut self, index: u64) -> bool {
        if self.waiting == 0 {
            return false;
        }
        let answer = &mut self.answered[place(index)];
        let is_answered = *answer == tag(index) ^ self.drain;
        if is_answered {
            *answer = 1;
        }
        is_answered
    }

    /// An insertion was heard. Whether its miss was heard before; forgets it then.
    #[inline]
    pub(super) fn answer(&mut self, index: u64) -> bool {
        let asked = &mut self.asked[place(index)];
        if *asked == tag(index) {
            *asked = 0;
            return true;
        }
        self.answered[place(index)] = tag(index) ^ self.drain;
        self.waiting += 1;
        false
    }

    /// A drain is over: what was read before it has been heard, or is lost.
    pub(super) fn drained(&mut self) {
        self.waiting = 0;
        self.drain = self.drain.wrapping_add(2);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }
}

fn place(index: u64) -> usize {
    (index >> 20) as usize % SLOTS
}

/// Odd.
fn tag(index: u64) -> u32 {
    (index >> 32) as u32 | 1
}

const SLOTS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::Asked;

    const KEY: u64 = 0x0123_4567_89ab_cdef;
    const OTHER: u64 = 0xfedc_ba98_7654_3210;

    #[test]
    fn an_insertion_is_news_unless_its_miss_was_heard() {
        let mut asked = Asked::new();
        asked.ask(KEY);
        assert!(!asked.answer(OTHER));
        assert!(asked.answer(KEY));
        assert!(!asked.answer(KEY), "a miss is answered once");
    }

    #[test]
    fn a_miss_is_no_news_in_the_drain_after_its_insertion() {
        let mut asked = Asked::new();
        assert!(!asked.answer(KEY));
        assert!(!asked.is_answered(OTHER));
        assert!(asked.is_answered(KEY));
        assert!(!asked.is_answered(KEY), "one miss, one insertion");
        for later_drains in 1..5 {
            assert!(!asked.answer(KEY));
            (0..later_drains).for_each(|_| asked.drained());
            assert!(
                !asked.is_answered(KEY),
                "whatever was read before an earlier drain is not on its way any more"
            );
            assert!(!asked.answer(OTHER), "as is_answered looks only if somebody waits");
            assert!(!asked.is_answered(KEY));
        }
    }

    #[test]
    fn nothing_is_known_after_a_clear() {
        let mut asked = Asked::new();
        asked.ask(KEY);
        asked.answer(OTHER);
        asked.clear();
        assert!(!asked.answer(KEY) && !asked.is_answered(OTHER));
    }
}
