//! Arbitrary times: lives and jumps of all magnitudes, [`Duration::MAX`] among them, on a clock that stands, runs and leaps, against a
//! naive model of who may be alive. Shared with the fuzz target.
//!
//! The model counts nanoseconds. An entry lives at least as long as it was given, and at most until the second millisecond after that: the
//! cache counts whole milliseconds, deadlines rounded up.

use std::collections::HashMap;
use std::time::Duration;
use tollgate::clock::ManualClock;
use tollgate::engine::{Engine, Write};
use tollgate::policy::{Objective, PolicyConfig, PolicyKind};
use tollgate::{Cache, InsertOptions, Maintenance};

/// One step in its raw form: what, on which key, with a number and by how much it is shifted.
pub type RawStep = (u8, u8, u64, u8);

/// Plays `steps` on a cache and on an engine alone.
pub fn play(flags: u8, steps: &[RawStep]) {
    let mut world = World::new(flags);
    let mut bare = Bare::new(flags);
    for &step in steps {
        world.play(step);
        bare.play(step);
    }
    world.end();
}

/// Two ticks: what rounding may add to a life.
const TICKS: u128 = 2_000_000;
/// No deadline is later than this, 34 years after the cache was built: the last of 40 bits of milliseconds.
const LAST_DEADLINE: u128 = ((1 << 40) - 2) * 1_000_000;
/// A manual clock ends here.
const END: u128 = u64::MAX as u128;

/// A span of any magnitude.
fn span(number: u64, shift: u8) -> Duration {
    match shift % 16 {
        0 => Duration::MAX,
        1 => Duration::ZERO,
        2 => Duration::from_millis(number % 50),
        3 => Duration::from_millis(number),
        4 => Duration::new(number, (number % 1_000_000_000) as u32),
        _ => Duration::from_nanos(number >> (shift % 64)),
    }
}

struct World {
    cache: Cache<u8, u32>,
    clock: ManualClock,
    now: u128,
    idle: Option<u128>,
    present: HashMap<u8, Life>,
}

#[derive(Debug, Clone, Copy)]
struct Life {
    value: u32,
    /// `None` is for ever.
    end: Option<u128>,
    touched: u128,
}

impl World {
    fn new(flags: u8) -> Self {
        let clock = ManualClock::new();
        let mut builder = Cache::builder(1000, 1 << 30).clock(clock.clone()).maintenance(if flags & 1 == 0 {
            Maintenance::Manual
        } else {
            Maintenance::Inline
        });
        let idle =
            [None, None, Some(Duration::from_nanos(1)), Some(Duration::from_secs(3))][flags as usize / 2 % 4];
        if let Some(idle) = idle {
            builder = builder.time_to_idle(idle);
        }
        let cache = builder.build().expect("every option is in range");
        Self { cache, clock, now: 0, idle: idle.map(|idle| idle.as_nanos()), present: HashMap::new() }
    }

    fn play(&mut self, (what, key, number, shift): RawStep) {
        let (key, span) = (key % 24, span(number, shift));
        match what % 12 {
            0..=3 => self.insert(key, number as u32, span, shift),
            4 | 5 => self.get(key),
            6 => {
                self.cache.remove(&key);
                self.present.remove(&key);
            }
            7 => self.retime(key, span),
            8 => {
                self.clock.advance(span);
                self.now = (self.now + span.as_nanos()).min(END);
            }
            9 => self.clock.advance(Duration::ZERO),
            10 => self.cache.run_pending(),
            _ => self.settle(),
        }
    }

    fn insert(&mut self, key: u8, value: u32, ttl: Duration, shift: u8) {
        let if_present = shift & 0x80 != 0;
        let options = InsertOptions {
            time_to_live: (shift & 0x40 == 0).then_some(ttl),
            if_present,
            ..Default::default()
        };
        let kept_end = self.present.get(&key).and_then(|life| life.end);
        let (may, must) = (self.may_live(key), self.must_live(key));
        let accepted = self.cache.try_insert_with(key, value, 1, options).is_ok();
        assert!(!accepted || !if_present || may, "replaced what is not there: {key}");
        assert!(accepted || (if_present && !must), "{key} was not inserted");
        if accepted {
            let end = match options.time_to_live {
                Some(ttl) => self.end_of(ttl),
                None if if_present => kept_end,
                None => None,
            };
            self.present.insert(key, Life { value, end, touched: self.now });
        }
    }

    fn get(&mut self, key: u8) {
        let (may, must) = (self.may_live(key), self.must_live(key));
        let left = self.cache.remaining_ttl(&key);
        let value = self.cache.get(&key);
        assert_eq!(left.is_some(), value.is_some(), "two answers about {key} at once");
        assert!(value.is_some() || !must, "{key} has died early: {:?} at {}", self.present[&key], self.now);
        assert!(
            value.is_none() || may,
            "{key} has outlived itself: {:?} at {}",
            self.present.get(&key),
            self.now
        );
        if let Some(life) = self.present.get_mut(&key).filter(|_| value.is_some()) {
            life.touched = self.now;
            assert_eq!(value, Some(life.value));
            let ideal = life.end.map(|end| end.saturating_sub(self.now));
            let idle = self.idle;
            let most = ideal.into_iter().chain(idle).min().map_or(u128::MAX, |ideal| ideal + TICKS);
            assert!(left.is_some_and(|left| left.as_nanos() <= most || left == Duration::MAX), "{left:?}");
        }
    }

    fn retime(&mut self, key: u8, span: Duration) {
        let (may, must) = (self.may_live(key), self.must_live(key));
        let found = self.cache.set_ttl(&key, span);
        assert!((may || !found) && (found || !must), "set_ttl of {key}: {found}");
        let end = self.end_of(span);
        match self.present.get_mut(&key) {
            Some(life) if found => life.end = end,
            _ => {}
        }
    }

    /// Everything that is over is reclaimed, and nothing else.
    fn settle(&mut self) {
        self.cache.wait().expect("not forked");
        self.cache.check().unwrap_or_else(|error| panic!("{error}"));
        let (may, must): (Vec<_>, Vec<_>) =
            (0..24).map(|key| (self.may_live(key), self.must_live(key))).unzip();
        let count = |lives: Vec<bool>| lives.into_iter().filter(|&lives| lives).count();
        let len = self.cache.len();
        let (most, least) = (count(may), count(must));
        assert!((least..=most).contains(&len), "{len} entries of {least} to {most}");
    }

    /// Zero and what lies beyond the last deadline are for ever.
    fn end_of(&self, ttl: Duration) -> Option<u128> {
        Some(self.now + ttl.as_nanos()).filter(|&end| !ttl.is_zero() && end <= LAST_DEADLINE)
    }

    fn ends(&self, key: u8) -> Option<Option<u128>> {
        let life = self.present.get(&key)?;
        Some(life.end.into_iter().chain(self.idle.map(|idle| life.touched + idle)).min())
    }

    fn must_live(&self, key: u8) -> bool {
        self.ends(key).is_some_and(|end| end.is_none_or(|end| self.now < end))
    }

    fn may_live(&self, key: u8) -> bool {
        self.ends(key).is_some_and(|end| end.is_none_or(|end| self.now < end + TICKS))
    }

    fn end(mut self) {
        self.settle();
        (0..24).for_each(|key| self.get(key));
        self.settle();
    }
}

/// The engine and its timer wheel alone: deadlines over all 64 bits.
struct Bare {
    engine: Engine,
    deadlines: HashMap<u64, u64>,
    now_ms: u64,
    version: u32,
}

impl Bare {
    fn new(flags: u8) -> Self {
        let config = PolicyConfig {
            num_counters: 100,
            max_cost: u64::MAX,
            seed: flags.into(),
            objective: Objective::Hits,
        };
        let engine = Engine::new(PolicyKind::Fifo, config);
        Self { engine, deadlines: HashMap::new(), now_ms: 0, version: 0 }
    }

    fn play(&mut self, (what, key, number, shift): RawStep) {
        let index = u64::from(key % 24);
        match what % 12 {
            0..=7 => {
                let deadline = if shift.is_multiple_of(7) {
                    number
                } else {
                    self.now_ms.saturating_add(number >> (shift % 64))
                };
                self.version += 1;
                let write =
                    Write { index, version: self.version, cost: 1, deadline: Some(deadline), pinned: false };
                let mut effects = Vec::new();
                self.engine.write(write, &mut effects);
                assert!(effects.is_empty());
                self.deadlines.insert(index, deadline);
            }
            8 => self.sweep(self.now_ms.saturating_add(number >> (shift % 64)), number % 3),
            // It stands still, or goes back, which is standing still.
            9 => self.sweep(self.now_ms, 1),
            10 => self.sweep(self.now_ms >> (shift % 64), 1),
            _ => {
                self.engine.remove(index);
                self.deadlines.remove(&index);
            }
        }
        self.engine.check().unwrap_or_else(|error| panic!("{error}"));
        let first = self.deadlines.values().min().copied();
        assert_eq!(self.engine.next_due().is_some(), first.is_some());
        assert!(self.engine.next_due() <= first.or(self.engine.next_due()), "asks too late");
    }

    fn sweep(&mut self, asked_ms: u64, postponed: u64) {
        self.now_ms = self.now_ms.max(asked_ms);
        loop {
            let Some(due) = self.engine.due(asked_ms) else {
                if self.engine.next_due().is_none_or(|next| next > self.now_ms) {
                    break;
                }
                continue;
            };
            let deadline = self.deadlines.remove(&due.index);
            assert!(deadline.is_some_and(|deadline| deadline <= self.now_ms), "{due:?}: {deadline:?}");
            match self.now_ms.checked_add(1 + due.index) {
                Some(later) if postponed == 0 => {
                    self.engine.postpone(due, Some(later));
                    self.deadlines.insert(due.index, later);
                }
                _ => self.engine.expire(due),
            }
        }
        assert!(self.deadlines.values().all(|&deadline| deadline > self.now_ms), "an entry is overdue");
    }
}
