//! W-TinyLFU: a recency window in front of a cache that must be earned, and a climber between them.
//!
//! Einziger, Friedman, Manes: "TinyLFU: a highly efficient cache admission policy", ACM Transactions
//! on Storage 13(4), 2017. Newcomers enter an LRU window. What the window no longer holds is a
//! candidate for the main cache, an SLRU (probation, and a protected part for what was hit there): it
//! replaces the main cache's victim only if the sketch says that it is more frequent; otherwise it
//! leaves. The window serves recency, the filter frequency.
//!
//! **The window adapts** as in Einziger, Eytan, Friedman, Manes: "Adaptive software cache management",
//! Middleware 2018, with the constants of the Caffeine library: after every ten requests per resident the
//! window's share moves on in the direction that raised the hit ratio, or turns round; steps are 6.25 %
//! of the budget and shrink by 2 % each, until the hit ratio jumps by 5 points and restarts them. A window
//! that is to grow takes the oldest of the main cache in, a few per event.
//!
//! **Costs** follow Einziger, Eytan, Friedman, Manes: "Lightweight robust size aware cache management",
//! ACM Transactions on Storage 18(3), 2022 (aggregated victims): a candidate must be more frequent than
//! all the victims together that make room for it. A newcomer that is larger than the window goes to the
//! filter directly, and can be turned away; any other is let in, since the window is open to everybody.
//!
//! A candidate of some frequency that loses gets in by chance, once in 128 times, as in Caffeine, so that
//! victims with a poisoned frequency do not stay for ever.

use super::queues::Queues;
use super::rng::SplitMix64;
use super::sketch::FrequencySketch;
use super::{Admission, Candidate, Departure, Ledger, Parameter, Policy, PolicyConfig, Slot};

/// Window TinyLFU with an adaptive window.
#[derive(Debug)]
pub struct WTinyLfu {
    config: PolicyConfig,
    sketch: FrequencySketch,
    queues: Queues<3>,
    climber: Climber,
    /// Cost that may still move from the main cache to the window since it last grew.
    growth: u64,
    rng: SplitMix64,
}

impl WTinyLfu {
    /// An empty cache with a small window.
    pub fn new(config: &PolicyConfig) -> Self {
        Self {
            config: *config,
            sketch: FrequencySketch::new(config.expected_entries()),
            queues: Queues::default(),
            climber: Climber::new(),
            growth: 0,
            rng: SplitMix64::new(config.seed),
        }
    }

    fn window_limit(&self, ledger: &Ledger) -> u64 {
        share_of(self.climber.window, ledger).max(1)
    }

    /// The oldest entries of the window are candidates, one after the other, until a newcomer of `cost`
    /// fits in it; each of them, or its victims, leaves while there is a shortfall.
    fn contest(&mut self, ledger: &Ledger, cost: u64, shortfall: u64, victims: &mut Vec<Slot>) -> u64 {
        let limit = self.window_limit(ledger);
        let mut freed = 0;
        while freed < shortfall && self.queues.cost(WINDOW).saturating_add(cost) > limit {
            let Some(candidate) = self.queues.oldest(WINDOW) else { break };
            let needed = ledger.cost(candidate).min(shortfall - freed);
            let first = victims.len();
            if self.beats(&[PROBATION, PROTECTED], ledger, ledger.index(candidate), needed, victims) {
                for &victim in &victims[first..] {
                    freed += ledger.cost(victim);
                    self.queues.pull(ledger, victim);
                }
                self.queues.shift(ledger, candidate, PROBATION);
            } else {
                victims.truncate(first);
                freed += ledger.cost(candidate);
                self.queues.pull(ledger, candidate);
                victims.push(candidate);
            }
        }
        freed
    }

    /// Whether `index` is more frequent than all those together that must leave `queues` to free `needed`;
    /// names them. Stops as soon as the answer is no.
    fn beats(
        &mut self,
        queues: &[usize],
        ledger: &Ledger,
        index: u64,
        needed: u64,
        victims: &mut Vec<Slot>,
    ) -> bool {
        let estimate = u32::from(self.sketch.estimate(index));
        let lucky = estimate >= LUCKY && self.rng.below(128) == 0;
        let (mut freed, mut against) = (0, 0);
        for slot in queues.iter().flat_map(|&queue| self.queues.oldest_first(queue)) {
            if freed >= needed {
                break;
            }
            against += u32::from(self.sketch.estimate(ledger.index(slot)));
            if against >= estimate && !lucky {
                return false;
            }
            freed += ledger.cost(slot);
            victims.push(slot);
        }
        freed >= needed
    }

    /// Carries a part of what is out of proportion to where it belongs.
    fn rebalance(&mut self, ledger: &Ledger) {
        let window_limit = self.window_limit(ledger);
        let protected_limit = share_of(MAIN_PROTECTED + FIRST_WINDOW - self.climber.window, ledger);
        for _ in 0..MOVES {
            if self.queues.cost(WINDOW) <= window_limit {
                break;
            }
            let Some(oldest) = self.queues.oldest(WINDOW) else { break };
            self.queues.shift(ledger, oldest, PROBATION);
        }
        for _ in 0..MOVES {
            if self.queues.cost(PROTECTED) <= protected_limit {
                break;
            }
            let Some(oldest) = self.queues.oldest(PROTECTED) else { break };
            self.queues.shift(ledger, oldest, PROBATION);
        }
        for _ in 0..MOVES {
            let room = window_limit.saturating_sub(self.queues.cost(WINDOW)).min(self.growth);
            let main = [PROBATION, PROTECTED].into_iter().filter_map(|queue| self.queues.oldest(queue));
            let Some(oldest) = main.into_iter().find(|&slot| ledger.cost(slot) <= room) else {
                self.growth = 0;
                break;
            };
            self.growth -= ledger.cost(oldest);
            self.queues.shift(ledger, oldest, WINDOW);
        }
    }

    fn count(&mut self, ledger: &Ledger, hit: bool) {
        let period = SAMPLE * ledger.len().max(16) as u64;
        let before = self.climber.window;
        if self.climber.count(hit, period) {
            self.growth = share_of((self.climber.window - before).max(0.0), ledger);
            self.sketch.set_entries(ledger.len().max(self.config.expected_entries()));
        }
    }
}

impl Policy for WTinyLfu {
    fn name(&self) -> &'static str {
        "w-tinylfu"
    }

    fn hit(&mut self, ledger: &Ledger, slot: Slot) {
        self.sketch.touch(ledger.index(slot));
        let queue = self.queues.queue_of(slot);
        self.queues.shift(ledger, slot, if queue == WINDOW { WINDOW } else { PROTECTED });
        self.count(ledger, true);
        self.rebalance(ledger);
    }

    fn miss(&mut self, ledger: &Ledger, index: u64) {
        self.sketch.touch(index);
        self.count(ledger, false);
    }

    fn admit(&mut self, ledger: &Ledger, candidate: Candidate, victims: &mut Vec<Slot>) -> Admission {
        self.climber.awake = true;
        if candidate.cost > self.window_limit(ledger) {
            let admitted = self.beats(
                &[PROBATION, PROTECTED, WINDOW],
                ledger,
                candidate.index,
                candidate.shortfall,
                victims,
            );
            return if admitted { Admission::Admit } else { Admission::Reject };
        }
        let freed = self.contest(ledger, candidate.cost, candidate.shortfall, victims);
        let shortfall = candidate.shortfall.saturating_sub(freed);
        let freed = self.queues.name_oldest(ledger, PROBATION, shortfall, None, victims);
        self.queues.name_oldest(ledger, PROTECTED, shortfall.saturating_sub(freed), None, victims);
        Admission::Admit
    }

    fn evict(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        let mut freed = 0;
        for queue in [PROBATION, WINDOW, PROTECTED] {
            freed += self.queues.name_oldest(ledger, queue, shortfall.saturating_sub(freed), keep, victims);
        }
    }

    fn inserted(&mut self, ledger: &Ledger, slot: Slot) {
        let fits = ledger.cost(slot) <= self.window_limit(ledger);
        self.queues.enter(ledger, slot, if fits { WINDOW } else { PROBATION });
        self.rebalance(ledger);
    }

    fn removed(&mut self, ledger: &Ledger, slot: Slot, _why: Departure) {
        self.queues.leave(ledger, slot);
    }

    fn moved(&mut self, from: Slot, to: Slot) {
        self.queues.relocate(from, to);
    }

    fn recosted(&mut self, ledger: &Ledger, slot: Slot, old_cost: u64) {
        self.queues.recost(ledger, slot, old_cost);
    }

    fn clear(&mut self) {
        *self = Self::new(&self.config);
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![("window_share", self.climber.window)]
    }

    fn memory(&self) -> usize {
        self.queues.memory() + self.sketch.memory()
    }

    fn check(&self, ledger: &Ledger) -> Result<(), String> {
        if !(0.0..=WIDEST_WINDOW).contains(&self.climber.window) {
            return Err(format!("w-tinylfu: the window has the share {}", self.climber.window));
        }
        self.queues.check(ledger)
    }
}

/// Hill climbing: which share of the budget should the window have?
#[derive(Debug)]
struct Climber {
    /// The window's share, 0 to [`WIDEST_WINDOW`].
    window: f64,
    /// What the next sample adds to the share if the hit ratio did not fall; may be negative.
    step: f64,
    /// The hit ratio of the last sample.
    last_ratio: f64,
    hits: u64,
    requests: u64,
    /// Set by the first newcomer that did not fit: until then there is nothing to learn.
    awake: bool,
}

impl Climber {
    fn new() -> Self {
        Self { window: FIRST_WINDOW, step: -STEP, last_ratio: 0.0, hits: 0, requests: 0, awake: false }
    }

    /// Counts a request. Returns whether that completed a sample of `period`, and moved the window.
    fn count(&mut self, hit: bool, period: u64) -> bool {
        self.hits += u64::from(hit);
        self.requests += 1;
        if self.requests < period || !self.awake {
            return false;
        }
        let ratio = self.hits as f64 / self.requests as f64;
        let change = ratio - self.last_ratio;
        let amount = if change >= 0.0 { self.step } else { -self.step };
        self.window = (self.window + amount).clamp(0.0, WIDEST_WINDOW);
        self.step = if change.abs() >= RESTART { STEP.copysign(amount) } else { amount * DECAY };
        (self.last_ratio, self.hits, self.requests) = (ratio, 0, 0);
        true
    }
}

fn share_of(share: f64, ledger: &Ledger) -> u64 {
    (share * ledger.max_cost() as f64) as u64
}

const WINDOW: usize = 0;
const PROBATION: usize = 1;
const PROTECTED: usize = 2;

/// The window's share at first.
const FIRST_WINDOW: f64 = 0.01;
/// The protected share at first: four fifths of the rest. The window grows at its expense.
const MAIN_PROTECTED: f64 = 0.8 * (1.0 - FIRST_WINDOW);
const WIDEST_WINDOW: f64 = MAIN_PROTECTED + FIRST_WINDOW;

/// Requests per resident in one sample of the climber.
const SAMPLE: u64 = 10;
const STEP: f64 = 0.0625;
const DECAY: f64 = 0.98;
/// The change of the hit ratio that starts the steps anew.
const RESTART: f64 = 0.05;

/// Entries that one event carries from one queue to another, at most.
const MOVES: usize = 16;
/// Estimates from here on may get in by chance.
const LUCKY: u32 = 6;
