//! Snapshots that nobody saved: any bytes, in frames whose checksums are right, so that they get as far as they can.

use std::hash::Hash;
use tollgate::persist::{Restored, Snapshot};
use tollgate::policy::PolicyKind;
use tollgate::{Cache, KeyHash, KeyHasher, Maintenance, Tag};

/// Takes every key for a number, and every snapshot of identity zero for its own.
#[derive(Clone)]
pub struct Anybody;

impl KeyHasher for Anybody {
    fn hash_key<Q: Hash + ?Sized>(&self, key: &Q) -> KeyHash {
        tollgate::key::SecretHasher::with_seed(1).hash_key(key)
    }

    fn identity(&self) -> KeyHash {
        KeyHash { index: 0, conflict: 0 }
    }
}

/// A cache that has worked before the bytes come works after them. The first byte chooses the policy, and how the rest is cut into frames.
pub fn play(input: &[u8]) -> Option<Restored> {
    let (&first, payload) = input.split_first().unwrap_or((&0, &[]));
    let policies = [PolicyKind::HitDensity, PolicyKind::Lru, PolicyKind::S3Fifo, PolicyKind::TinyLfu];
    let cache: Cache<u64, String, Anybody> = Cache::builder(100, 50)
        .policy(policies[usize::from(first) % policies.len()].clone())
        .maintenance(Maintenance::Manual)
        .slack(u64::from(first >> 7))
        .pin_quota(20)
        .refresh_after(std::time::Duration::from_secs(1 + u64::from(first & 1) * 3600))
        .seed(1)
        .key_hasher(Anybody)
        .build()
        .unwrap();
    (0..40).for_each(|key| _ = cache.insert(key, key.to_string(), 1 + key % 3));
    let bytes = match first & 64 {
        // Both versions of the format.
        0 => framed(2 - (first >> 5 & 1), payload, 1 + usize::from(first >> 2 & 15) * 100),
        _ => payload.to_vec(),
    };
    let snapshot = Snapshot::open(bytes.as_slice()).ok();
    let restored = snapshot.and_then(|snapshot| cache.restore_from(snapshot.any_values()).ok());
    works(&cache);
    restored
}

fn works(cache: &Cache<u64, String, Anybody>) {
    assert!(cache.stats().pinned_cost <= 20, "{} of 20 are pinned", cache.stats().pinned_cost);
    cache.remove_tag(Tag(1));
    for round in 0..3 {
        cache.wait().unwrap();
        cache.check().unwrap();
        assert!(cache.cost() <= 50, "{} of 50", cache.cost());
        for key in 0..100 {
            if cache.get(&key).is_none() {
                cache.insert(key, round.to_string(), 1 + key % 5);
            }
        }
    }
    assert!(cache.stats().peak_cost <= 51);
    assert_eq!(cache.stats().policy_panics, 0, "what comes from a file makes no policy panic");
}

/// A snapshot with this payload, whose checksums are right.
fn framed(version: u8, payload: &[u8], len: usize) -> Vec<u8> {
    let mut bytes = [b"TOLLGATE".as_slice(), &[version, 0, 0, 0]].concat();
    for (number, frame) in payload.chunks(len).chain([&[][..]]).enumerate() {
        let len = frame.len() as u32;
        let mut sum = crc32fast::Hasher::new();
        if version > 1 {
            sum.update(&[version, 0, 0, 0]);
        }
        [&(number as u64).to_le_bytes()[..], &len.to_le_bytes(), frame]
            .iter()
            .for_each(|part| sum.update(part));
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(&sum.finalize().to_le_bytes());
        bytes.extend_from_slice(frame);
    }
    bytes
}
