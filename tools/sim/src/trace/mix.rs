//! The fixed hash of trace keys.
//!
//! Policies expect hashed keys, and block numbers are as far from hashed as numbers can be. A fixed
//! bijection (the finalizer of SplitMix64: Steele, Lea, Flood, OOPSLA 2014) gives every run the same indices and
//! no two keys the same one, so that simulations repeat exactly.

use std::hash::{BuildHasherDefault, Hasher};

/// A hash-map hasher state for keys that are single `u64`s.
pub type MixedKeys = BuildHasherDefault<MixHasher>;

/// A bijection of 64-bit numbers without visible structure.
pub(super) fn mix(key: u64) -> u64 {
    let mut mixed = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// See [`MixedKeys`].
#[derive(Debug, Default, Clone, Copy)]
pub struct MixHasher(u64);

impl Hasher for MixHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = mix(self.0 ^ key);
    }
}
