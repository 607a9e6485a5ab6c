//! The timer wheel: which slots are due?
//!
//! Hierarchical timing wheels after Varghese and Lauck, "Hashed and hierarchical timing wheels: data structures for
//! the efficient implementation of a timer facility" (SOSP 1987), over the slots of the ledger. A deadline is
//! a number of 64 bits, read as eleven digits of six. There is one level per digit and one bucket per
//! value of it; a slot waits on the level of the *highest digit in which its deadline differs from the
//! present*, in the bucket of that digit. Two things follow, and everything here rests on them:
//!
//! - A bucket of level 0 holds one deadline only, to the millisecond.
//! - The lowest level that is not empty holds all that comes next, in the order of its buckets. One bitmap
//!   per level finds the first without visiting the empty ones, however far time has jumped.
//!
//! When the present reaches a bucket of a higher level, its slots are due or move to lower levels (they *cascade*):
//! at most ten times in the life of a deadline, so all operations take amortised O(1). One call of
//! [`pop_due`](TimerWheel::pop_due) moves a bounded number of slots, then leaves the rest of the bucket to the next call.
//!
//! Buckets are lists threaded through one array of nodes, 16 bytes per slot up to the highest that ever
//! had a deadline. Without deadlines there is no array, and every hook is one comparison.
//!
//! The wheel knows no clock, entries or versions; a deadline that has passed when it is set is simply due.

use crate::engine::ledger::Slot;

/// Deadlines of slots.
#[derive(Debug, Default)]
pub(crate) struct TimerWheel {
    /// The present: every bucket before it is empty. Never goes back.
    now_ms: u64,
    /// The latest time that [`pop_due`](Self::pop_due) was asked about. The present gets there when all that is due has left.
    asked_ms: u64,
    /// By slot; empty before the first deadline.
    nodes: Vec<Node>,
    /// The first slot of each bucket; empty before the first deadline.
    heads: Vec<Slot>,
    /// One bit for each bucket of a level that is not empty.
    occupied: [u64; LEVELS],
    /// The bucket that the present has reached, while it has slots left to cascade.
    cascading: Option<Bucket>,
    /// The number of slots that have a deadline.
    scheduled: usize,
}

/// What the wheel knows of a slot.
#[derive(Debug, Clone, Copy)]
struct Node {
    deadline_ms: u64,
    /// The slot before this one in its bucket; in the first, [`FIRST`] plus the bucket; [`NONE`] if the slot is in no bucket.
    previous: u32,
    /// The slot after this one, or [`NONE`].
    next: Slot,
}

impl Node {
    const IDLE: Self = Self { deadline_ms: 0, previous: NONE, next: NONE };
}

/// The number of a bucket: level times [`DIGIT_VALUES`] plus digit.
type Bucket = usize;

impl TimerWheel {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Sets or (with `None`) clears the deadline of `slot`. O(1).
    #[inline]
    pub(crate) fn schedule(&mut self, slot: Slot, deadline_ms: Option<u64>) {
        self.removed(slot);
        if let Some(deadline_ms) = deadline_ms {
            self.reach(slot);
            self.nodes[slot as usize].deadline_ms = deadline_ms;
            self.place(slot);
            self.scheduled += 1;
        }
    }

    /// Forgets the deadline of `slot`, if it has one. O(1).
    #[inline]
    pub(crate) fn removed(&mut self, slot: Slot) {
        if self.is_scheduled(slot) {
            self.unlink(slot);
            self.scheduled -= 1;
        }
    }

    /// The entry at `from` now lives at `to`, which has no deadline. O(1).
    #[inline]
    pub(crate) fn moved(&mut self, from: Slot, to: Slot) {
        if !self.is_scheduled(from) {
            return;
        }
        self.reach(to);
        let node = std::mem::replace(&mut self.nodes[from as usize], Node::IDLE);
        self.nodes[to as usize] = node;
        self.set_next(node.previous, to);
        if node.next != NONE {
            self.nodes[node.next as usize].previous = to;
        }
    }

    /// Only slots below `len` are in use: gives memory back if these are few. O(1), but where it does.
    #[inline]
    pub(crate) fn follow(&mut self, len: usize) {
        if len < self.nodes.len() / 4 && self.nodes.len() > KEPT {
            self.nodes.truncate(len);
            self.nodes.shrink_to_fit();
        }
    }

    /// Takes a slot off the wheel whose deadline is at or before `now_ms`. No slot comes before its deadline; those that
    /// are due come in no particular order.
    ///
    /// `None` says that no other slot is due or that the call has moved as many as one call may: more are due as long as
    /// [`next_due`](Self::next_due) is at or before `now_ms`. A time before that of an earlier call is taken for that
    /// one. Amortised O(1), and O([`MOVES`]) at worst.
    pub(crate) fn pop_due(&mut self, now_ms: u64) -> Option<Slot> {
        self.asked_ms = self.asked_ms.max(now_ms);
        for _ in 0..MOVES {
            let Some(bucket) = self.reach_next() else {
                self.now_ms = self.asked_ms;
                return None;
            };
            let slot = self.heads[bucket];
            self.unlink(slot);
            if self.nodes[slot as usize].deadline_ms <= self.asked_ms {
                self.scheduled -= 1;
                return Some(slot);
            }
            self.place(slot);
        }
        None
    }

    /// When [`pop_due`](Self::pop_due) should be asked next; `None` if nothing is scheduled.
    ///
    /// Never later than the next deadline. It is earlier only if a great many slots share its bucket on a higher level and
    /// have to cascade first, which is done before their time comes: at most ten times until a deadline.
    /// A time that has passed asks for another call at once.
    pub(crate) fn next_due(&self) -> Option<u64> {
        if self.cascading.is_some_and(|bucket| self.heads[bucket] != NONE) {
            return Some(self.now_ms);
        }
        let bucket = self.first_bucket()?;
        let mut earliest = u64::MAX;
        let mut slot = self.heads[bucket];
        for _ in 0..SCAN {
            if slot == NONE {
                return Some(earliest);
            }
            let node = &self.nodes[slot as usize];
            earliest = earliest.min(node.deadline_ms);
            slot = node.next;
        }
        Some(self.start_of(bucket))
    }

    /// Bytes of heap memory.
    pub(crate) fn memory(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.heads.capacity() * size_of::<Slot>()
    }

    /// The first bucket that is not empty, if the present has reached or may be advanced to it.
    fn reach_next(&mut self) -> Option<Bucket> {
        if let Some(bucket) = self.cascading.filter(|&bucket| self.heads[bucket] != NONE) {
            return Some(bucket);
        }
        self.cascading = None;
        let bucket = self.first_bucket()?;
        let start = self.start_of(bucket);
        if start > self.asked_ms {
            return None;
        }
        self.now_ms = start;
        if bucket >= DIGIT_VALUES {
            self.cascading = Some(bucket);
        }
        Some(bucket)
    }

    /// The bucket that the present will reach first, unless one is cascading.
    fn first_bucket(&self) -> Option<Bucket> {
        let level = self.occupied.iter().position(|&buckets| buckets != 0)?;
        Some(level * DIGIT_VALUES + self.occupied[level].trailing_zeros() as usize)
    }

    /// The first millisecond of a bucket: the digits of the present above its level, its own digit, then zeros.
    fn start_of(&self, bucket: Bucket) -> u64 {
        let (level, digit) = (bucket / DIGIT_VALUES, bucket % DIGIT_VALUES);
        let shift = level as u32 * DIGIT_BITS;
        let above = self.now_ms.checked_shr(shift + DIGIT_BITS).unwrap_or(0);
        (above.wrapping_shl(DIGIT_BITS) | digit as u64) << shift
    }

    /// Where a deadline waits, seen from the present. One that has passed waits in the present's own bucket of level 0.
    fn bucket_of(&self, deadline_ms: u64) -> Bucket {
        let deadline_ms = deadline_ms.max(self.now_ms);
        let differing = (deadline_ms ^ self.now_ms) | 1;
        let level = differing.ilog2() / DIGIT_BITS;
        let digit = (deadline_ms >> (level * DIGIT_BITS)) as usize % DIGIT_VALUES;
        level as usize * DIGIT_VALUES + digit
    }

    #[inline]
    pub(crate) fn is_scheduled(&self, slot: Slot) -> bool {
        self.nodes.get(slot as usize).is_some_and(|node| node.previous != NONE)
    }

    /// Sees to it that `slot` has a node, and the wheel its buckets.
    fn reach(&mut self, slot: Slot) {
        debug_assert!(slot < FIRST, "no cache has that many entries");
        if self.heads.is_empty() {
            self.heads = vec![NONE; LEVELS * DIGIT_VALUES];
        }
        if self.nodes.len() <= slot as usize {
            self.nodes.resize(slot as usize + 1, Node::IDLE);
        }
    }

    /// Puts a slot that is in no bucket into that of its deadline.
    fn place(&mut self, slot: Slot) {
        let bucket = self.bucket_of(self.nodes[slot as usize].deadline_ms);
        let next = std::mem::replace(&mut self.heads[bucket], slot);
        let node = &mut self.nodes[slot as usize];
        node.previous = FIRST + bucket as u32;
        node.next = next;
        if next != NONE {
            self.nodes[next as usize].previous = slot;
        }
        self.occupied[bucket / DIGIT_VALUES] |= 1 << (bucket % DIGIT_VALUES);
    }

    /// Takes a slot out of its bucket.
    fn unlink(&mut self, slot: Slot) {
        let node = &mut self.nodes[slot as usize];
        let Node { previous, next, .. } = *node;
        node.previous = NONE;
        self.set_next(previous, next);
        if next != NONE {
            self.nodes[next as usize].previous = previous;
        } else if previous >= FIRST {
            let bucket = (previous - FIRST) as usize;
            self.occupied[bucket / DIGIT_VALUES] &= !(1 << (bucket % DIGIT_VALUES));
        }
    }

    /// Makes `next` the successor of a slot or, if `previous` names a bucket, its first slot.
    fn set_next(&mut self, previous: u32, next: Slot) {
        if previous >= FIRST {
            self.heads[(previous - FIRST) as usize] = next;
        } else {
            self.nodes[previous as usize].next = next;
        }
    }
}

impl TimerWheel {
    /// Verifies links, buckets, bitmaps and the count, and that only the slots below `len` have deadlines. O(n); for tests and
    /// fuzzing.
    pub(crate) fn check(&self, len: usize) -> Result<(), String> {
        let mut found = 0;
        for (bucket, &head) in self.heads.iter().enumerate() {
            let occupied = self.occupied[bucket / DIGIT_VALUES] >> (bucket % DIGIT_VALUES) & 1 == 1;
            if occupied != (head != NONE) {
                return Err(format!("wheel: bucket {bucket}: bitmap says {occupied}, first slot is {head}"));
            }
            found += self.check_bucket(bucket, len)?;
        }
        let marked = self.nodes.iter().filter(|node| node.previous != NONE).count();
        if found != self.scheduled || marked != self.scheduled {
            return Err(format!(
                "wheel: {found} slots in buckets, {marked} marked, {} counted",
                self.scheduled
            ));
        }
        Ok(())
    }

    /// Walks one bucket and returns how many slots are in it.
    fn check_bucket(&self, bucket: Bucket, len: usize) -> Result<usize, String> {
        let mut previous = FIRST + bucket as u32;
        let mut slot = self.heads[bucket];
        let mut found = 0;
        while slot != NONE {
            let Some(node) = self.nodes.get(slot as usize).filter(|_| (slot as usize) < len) else {
                return Err(format!("wheel: bucket {bucket} holds slot {slot} of {len}"));
            };
            if node.previous != previous {
                return Err(format!("wheel: slot {slot} follows {previous}, says {}", node.previous));
            }
            if !self.may_wait_in(bucket, node.deadline_ms) {
                return Err(format!(
                    "wheel: slot {slot}, deadline {}, waits in bucket {bucket} at {}",
                    node.deadline_ms, self.now_ms
                ));
            }
            (previous, slot) = (slot, node.next);
            found += 1;
        }
        Ok(found)
    }

    fn may_wait_in(&self, bucket: Bucket, deadline_ms: u64) -> bool {
        if self.cascading == Some(bucket) {
            let level = (bucket / DIGIT_VALUES) as u32;
            return (deadline_ms ^ self.start_of(bucket)) >> (level * DIGIT_BITS) == 0;
        }
        bucket == self.bucket_of(deadline_ms)
    }
}

/// Bits of a digit: a bitmap of its values fills a word.
const DIGIT_BITS: u32 = 6;
const DIGIT_VALUES: usize = 1 << DIGIT_BITS;
/// Digits of a deadline.
const LEVELS: usize = u64::BITS.div_ceil(DIGIT_BITS) as usize;
/// No slot, no bucket.
const NONE: u32 = u32::MAX;
/// From here on, `previous` names a bucket.
const FIRST: u32 = NONE - (LEVELS * DIGIT_VALUES) as u32;
/// Nodes that are never given back.
const KEPT: usize = 64;
/// Slots that one call of `pop_due` moves: some ten microseconds.
const MOVES: usize = 512;
/// Slots that `next_due` looks at to name a deadline rather than the start of its bucket.
const SCAN: usize = 16;

#[cfg(test)]
#[path = "wheel_tests.rs"]
mod tests;
