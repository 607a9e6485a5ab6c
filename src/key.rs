//! Keys: two words that stand for a key, and the hashers that make them.
//!
//! The cache never stores a key. It knows an entry by its [`KeyHash`], so the hash has to be as good as the
//! key itself: if two keys had the same pair of words, one would be answered with the other's value. That
//! is why the default, [`SecretHasher`], is a keyed pseudo-random function and not a fast mixer.
//!
//! | hasher | single integers of at most 64 bits | everything else | for |
//! |---|---|---|---|
//! | [`SecretHasher`] | exact: no two collide | SipHash-1-3, 128 bits, secret key | keys that anybody may choose |
//! | [`FastHasher`] | exact: no two collide | XXH3 and SeaHash, seeded | keys that only you choose |
//! | your own [`KeyHasher`] | up to you | up to you | keys that are hashes already |
//!
//! With 128 bits, the chance that any two of `n` keys collide is about `n² / 2¹²⁹`: for a billion keys,
//! one in 6.8 × 10²⁰.
//!
//! [`AsKey`] is the insertion side: what may be passed where a key of type `K` is wanted.
//!
//! This module keeps nothing of a key, and does no table look-up: which bits of `index` choose a shard, a
//! bucket or a counter is the business of those who own them.

mod as_key;
mod exact;
mod fast;
mod secret;
mod writes;

pub use as_key::AsKey;
pub use fast::FastHasher;
pub use secret::SecretHasher;

use std::hash::Hash;

/// What the cache knows of a key: two 64-bit words.
///
/// Two keys are one entry if *both* words agree. No value is special: zero is an ordinary word, never a
/// wildcard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash {
    /// Finds the entry: shard, bucket, tag and frequency counters are taken from its bits, so all of them
    /// have to be well mixed.
    pub index: u64,
    /// Tells apart the keys whose `index` is the same. Need not be well mixed.
    pub conflict: u64,
}

/// Turns keys into [`KeyHash`]es.
///
/// # Contract
///
/// - Keys that are equal get the same words, from the same hasher, always.
/// - A borrowed form gets the words of its owned form. That is so if only what the key's [`Hash`] writes
///   is looked at.
/// - Keys that are not equal get different pairs, with a probability of failure that you can live with:
///   the cache has no other way to tell them apart.
///
/// ```
/// use std::hash::Hash;
/// use tollgate::key::{KeyHash, KeyHasher, SecretHasher};
///
/// /// Each tenant of one process is a world of its own.
/// struct PerTenant(u32, SecretHasher);
///
/// impl KeyHasher for PerTenant {
///     fn hash_key<Q: Hash + ?Sized>(&self, key: &Q) -> KeyHash {
///         self.1.hash_key(&(self.0, key))
///     }
/// }
/// ```
pub trait KeyHasher: Send + Sync + 'static {
    /// The two words of `key`.
    fn hash_key<Q: Hash + ?Sized>(&self, key: &Q) -> KeyHash;

    /// What a snapshot knows this hasher by: two hashers with the same identity must give every key the same words. By default the
    /// words of a certain string; a hasher that does not take strings has to say something of its own. Asked for by `Cache::save`
    /// and `Cache::restore` only.
    fn identity(&self) -> KeyHash {
        self.hash_key("tollgate: which hasher is this?")
    }

    /// What an equal hasher can be [made from](Self::with_secret) in another process. By default nothing: the program has to see to it
    /// that both processes build equal ones. `Cache::save` writes it into the snapshot, in the clear; who knows it can make keys collide.
    fn secret(&self) -> Option<Vec<u64>> {
        None
    }

    /// The hasher with that secret; `None` if it is not one of this type's.
    fn with_secret(secret: &[u64]) -> Option<Self>
    where
        Self: Sized,
    {
        let _ = secret;
        None
    }
}

/// The numbers of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
/// 2014): turns one seed into as many words as a hasher needs.
fn splitmix(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests;
