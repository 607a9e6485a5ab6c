//! Policies as the command line and the rows name them.
//!
//! The policy that a cache has unless told otherwise is called `default` in every row and chart, whichever
//! it is: that is the one thing that a reader of a comparison must find.

use tollgate::policy::PolicyKind;

/// The name of the default policy in rows.
pub const DEFAULT: &str = "default";

/// One or all policies, as asked for.
#[derive(Debug, Clone)]
pub enum PolicyChoice {
    /// Every built-in policy.
    All,
    /// This one.
    One(PolicyKind),
}

impl PolicyChoice {
    /// Reads a name, for clap.
    ///
    /// # Errors
    /// A sentence with the names that there are.
    pub fn parse(name: &str) -> Result<Self, String> {
        match name {
            "all" => Ok(Self::All),
            DEFAULT => Ok(Self::One(PolicyKind::default())),
            _ => PolicyKind::from_name(name).map(Self::One).ok_or_else(|| {
                let names: Vec<&str> = PolicyKind::ALL.iter().map(PolicyKind::name).collect();
                format!("the policies are: all, {DEFAULT}, {}", names.join(", "))
            }),
        }
    }

    /// The policies chosen, each once.
    pub fn unique(choices: &[Self]) -> Vec<PolicyKind> {
        let mut policies: Vec<PolicyKind> = Vec::new();
        for kind in choices.iter().flat_map(Self::kinds) {
            if policies.iter().all(|known| known.name() != kind.name()) {
                policies.push(kind);
            }
        }
        policies
    }

    fn kinds(&self) -> Vec<PolicyKind> {
        match self {
            Self::All => PolicyKind::ALL.to_vec(),
            Self::One(kind) => vec![kind.clone()],
        }
    }
}

/// A policy's name in rows: its own, or [`DEFAULT`].
pub fn row_name(policy: &PolicyKind) -> &'static str {
    if is_default(policy) { DEFAULT } else { policy.name() }
}

/// Whether this is the policy that a cache has unless told otherwise.
pub fn is_default(policy: &PolicyKind) -> bool {
    policy.name() == PolicyKind::default().name()
}

/// The default policy by both its names.
pub fn default_in_full() -> String {
    format!("{DEFAULT} ({})", PolicyKind::default().name())
}
