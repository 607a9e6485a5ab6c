//! The names of the policies, and how each is built.

use super::{Fifo, HitDensity, Policy, PolicyConfig, TinyLfu};
use std::fmt;
use std::sync::Arc;

/// A policy by name; see the module of each.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum PolicyKind {
    /// Sampled eviction by learned hit density: tunes itself to the workload.
    #[default]
    HitDensity,
    /// First in, first out.
    Fifo,
    /// TinyLFU admission, sampled LFU eviction.
    TinyLfu,
    /// A policy of your own: called once, when the cache is built.
    Custom(Arc<dyn Fn(&PolicyConfig) -> Box<dyn Policy> + Send + Sync>),
}

impl PolicyKind {
    /// Every built-in policy.
    pub const ALL: &[PolicyKind] = &[PolicyKind::HitDensity, PolicyKind::Fifo, PolicyKind::TinyLfu];

    /// The name, as accepted by the command line and printed in statistics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::HitDensity => "density",
            Self::Fifo => "fifo",
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
