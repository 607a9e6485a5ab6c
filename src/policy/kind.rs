//! The names of the policies, and how each is built.

use super::{Fifo, HitDensity, Policy, PolicyConfig, TinyLfu};
use std::fmt;
use std::sync::Arc;

/// Builds a policy of the user's own.
pub type BuildPolicy = dyn Fn(&PolicyConfig) -> Box<dyn Policy> + Send + Sync;

/// A policy by name; see the module of each.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum PolicyKind {
    /// Sampled eviction by learned hit density: tunes itself to the workload.
    #[default]
    HitDensity,
    /// First in, first out.
    Fifo,
    /// Least recently used.
    Lru,
    /// Segmented LRU: probation and protected.
    Slru,
    /// FIFO with a second chance.
    Clock,
    /// FIFO with visited bits and a hand that moves nothing.
    Sieve,
    /// Uniformly random victims.
    Random,
    /// A small FIFO queue in front of a main one, with ghosts.
    S3Fifo,
    /// A FIFO queue whose ghosts come back to an LRU one.
    TwoQ,
    /// Recency and frequency, balanced by their ghosts.
    Arc,
    /// Low inter-reference recency set.
    Lirs,
    /// Window TinyLFU with an adaptive window.
    WTinyLfu,
    /// Greedy-Dual-Size-Frequency.
    Gdsf,
    /// TinyLFU and sampled LFU as Ristretto publishes them.
    Ristretto,
    /// TinyLFU admission, sampled LFU eviction.
    TinyLfu,
    /// A policy of your own: called once, when the cache is built.
    Custom(Arc<BuildPolicy>),
}

impl PolicyKind {
    /// Every built-in policy.
    pub const ALL: &[PolicyKind] = &[
        PolicyKind::HitDensity,
        PolicyKind::Fifo,
        PolicyKind::Lru,
        PolicyKind::Slru,
        PolicyKind::Clock,
        PolicyKind::Sieve,
        PolicyKind::Random,
        PolicyKind::S3Fifo,
        PolicyKind::TwoQ,
        PolicyKind::Arc,
        PolicyKind::Lirs,
        PolicyKind::WTinyLfu,
        PolicyKind::Gdsf,
        PolicyKind::Ristretto,
        PolicyKind::TinyLfu,
    ];

    /// The name, as accepted by the command line and printed in statistics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::HitDensity => "density",
            Self::Fifo => "fifo",
            Self::Lru => "lru",
            Self::Slru => "slru",
            Self::Clock => "clock",
            Self::Sieve => "sieve",
            Self::Random => "random",
            Self::S3Fifo => "s3-fifo",
            Self::TwoQ => "two-q",
            Self::Arc => "arc",
            Self::Lirs => "lirs",
            Self::WTinyLfu => "w-tinylfu",
            Self::Gdsf => "gdsf",
            Self::Ristretto => "ristretto",
            Self::TinyLfu => "tinylfu",
            Self::Custom(_) => "custom",
        }
    }

    /// The built-in policy of that name; `default` is the name of the default one, too.
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "default" {
            return Some(Self::default());
        }
        Self::ALL.iter().find(|kind| kind.name() == name).cloned()
    }

    /// Builds the policy.
    pub fn build(&self, config: &PolicyConfig) -> Box<dyn Policy> {
        match self {
            Self::HitDensity => Box::new(HitDensity::new(config)),
            Self::Fifo => Box::new(Fifo::new(config)),
            Self::Lru => Box::new(super::Lru::new(config)),
            Self::Slru => Box::new(super::Slru::new(config)),
            Self::Clock => Box::new(super::Clock::new(config)),
            Self::Sieve => Box::new(super::Sieve::new(config)),
            Self::Random => Box::new(super::Random::new(config)),
            Self::S3Fifo => Box::new(super::S3Fifo::new(config)),
            Self::TwoQ => Box::new(super::TwoQ::new(config)),
            Self::Arc => Box::new(super::Arc::new(config)),
            Self::Lirs => Box::new(super::Lirs::new(config)),
            Self::WTinyLfu => Box::new(super::WTinyLfu::new(config)),
            Self::Gdsf => Box::new(super::Gdsf::new(config)),
            Self::Ristretto => Box::new(super::Ristretto::new(config)),
            Self::TinyLfu => Box::new(TinyLfu::new(config)),
            Self::Custom(build) => build(config),
        }
    }
}

impl fmt::Debug for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Objective;

    #[test]
    fn a_policy_and_its_kind_have_one_name() {
        let config = PolicyConfig { num_counters: 100, max_cost: 10, seed: 1, objective: Objective::Hits };
        for kind in PolicyKind::ALL {
            assert_eq!(kind.build(&config).name(), kind.name());
        }
    }
}
