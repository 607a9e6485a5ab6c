//! The default hasher: nobody who does not know its secret can make two keys collide.

use super::exact::{Exact, Width};
use super::writes::{Sink, Writes, for_each_word};
use super::{KeyHash, KeyHasher, splitmix};
use rand::Rng;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::fmt;
use std::hash::{Hash, Hasher};

/// The default [`KeyHasher`]: exact for integers, keyed SipHash-1-3 with 128 bits for everything else.
///
/// Seeded non-cryptographic hashes can be made to collide *for every seed* by anyone who chooses keys, and in a
/// cache that does not store them a collision means reading, overwriting and removing somebody else's
/// entry. SipHash (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012) is a
/// pseudo-random function: without its key, its output is as good as random. Each hasher draws its key
/// from the operating system's randomness.
///
/// A key whose [`Hash`] writes one integer of at most 64 bits (integers, `char`, `bool`, new types around them) takes
/// an exact path: no two collide, and it costs about 2 ns. Keys that write more are hashed in one
/// pass over an unambiguous encoding of all that they write, so that no field and no boundary between fields is lost.
///
/// A clone has the same secret, and so gives the same words.
#[derive(Clone)]
pub struct SecretHasher {
    exact: Exact,
    sip_key: (u64, u64),
}

impl SecretHasher {
    /// A hasher with a secret of its own, from the operating system's randomness.
    ///
    /// # Panics
    /// If the operating system has none to give.
    pub fn new() -> Self {
        let mut rng: rand::rngs::StdRng = rand::make_rng();
        Self::from_words(|| rng.next_u64())
    }

    /// A hasher whose words depend on `seed` alone: for tests and simulations that have to repeat. 64 bits of seed
    /// are no secret to speak of, even if they are kept.
    pub fn with_seed(seed: u64) -> Self {
        Self::from_words(splitmix(seed))
    }

    fn from_words(mut random: impl FnMut() -> u64) -> Self {
        Self { exact: Exact::new(&mut random), sip_key: (random(), random()) }
    }
}

impl KeyHasher for SecretHasher {
    #[inline]
    fn hash_key<Q: Hash + ?Sized>(&self, key: &Q) -> KeyHash {
        let sip = SipHasher13::new_with_keys(self.sip_key.0, self.sip_key.1);
        let mut writes = Writes::new(SipSink { exact: &self.exact, sip });
        key.hash(&mut writes);
        writes.close()
    }

    fn secret(&self) -> Option<Vec<u64>> {
        let sip_key: [u64; 2] = self.sip_key.into();
        Some([&self.exact.words()[..], &sip_key].concat())
    }

    fn with_secret(secret: &[u64]) -> Option<Self> {
        let words: [u64; 7] = secret.try_into().ok()?;
        let mut words = words.into_iter();
        Some(Self::from_words(|| words.next().unwrap_or_default()))
    }
}

impl Default for SecretHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SecretHasher {
    /// Says nothing of the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretHasher").finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct SipSink<'a> {
    exact: &'a Exact,
    /// Has absorbed a whole number of words.
    sip: SipHasher13,
}

impl Sink for SipSink<'_> {
    #[inline]
    fn exact(&self, width: Width, integer: u64) -> KeyHash {
        self.exact.hash(width, integer)
    }

    #[inline]
    fn word(&mut self, word: u64) {
        self.sip.write_u64(word);
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        for_each_word(bytes, |word| self.sip.write_u64(word));
    }

    /// SipHash completes its last block with a byte of its own, so seven bytes cost no block more.
    #[inline]
    fn close(&mut self, shape: u64) -> KeyHash {
        self.sip.write_u32(shape as u32);
        self.sip.write_u16((shape >> 32) as u16);
        self.sip.write_u8((shape >> 48) as u8);
        let words = self.sip.finish128();
        KeyHash { index: words.h1, conflict: words.h2 }
    }
}
