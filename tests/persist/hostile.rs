//! Snapshots that nobody saved; the fuzz target `snapshot` plays the same.

#[path = "../common/hostile.rs"]
#[allow(unreachable_pub, reason = "the fuzz target uses it, too")]
mod body;

use body::{Anybody, play};
use proptest::prelude::*;
use std::time::Duration;
use tollgate::{Cache, InsertOptions, Maintenance, Tag};

/// The payload of a snapshot as a cache of the body's kind writes it.
fn good() -> Vec<u8> {
    let cache: Cache<u64, String, Anybody> = Cache::builder(100, 50)
        .maintenance(Maintenance::Manual)
        .seed(1)
        .pin_quota(9)
        .refresh_after(Duration::from_secs(60))
        .key_hasher(Anybody)
        .build()
        .unwrap();
    for n in 0..400_u64 {
        if cache.get(&(n % 47)).is_none() {
            let options = InsertOptions {
                time_to_live: Some(Duration::from_secs(n % 2 * 9)),
                tag: (n % 5 == 0).then_some(Tag(n % 3)),
                pinned: n % 11 == 0,
                if_present: false,
            };
            _ = cache.try_insert_with(n % 47, n.to_string(), 1 + n % 3, options);
        }
    }
    cache.wait().unwrap();
    let mut bytes = Vec::new();
    cache.save(&mut bytes).unwrap();
    // Magic, version, the head of the only frame; the end.
    assert!(bytes.len() < 65_536, "{} bytes", bytes.len());
    bytes[20..bytes.len() - 8].to_vec()
}

#[test]
fn a_good_payload_is_restored() {
    let mut input = vec![0];
    input.extend(good());
    let restored = play(&input).unwrap();
    assert!(restored.learned && restored.entries + restored.rejected + restored.present > 20, "{restored:?}");
    assert!(restored.pinned > 0, "{restored:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 300 } else { 3000 }))]

    #[test]
    fn any_bytes_leave_a_cache_that_works(first in any::<u8>(), zeros in 0..40_usize, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let input: Vec<u8> = [first].into_iter().chain(std::iter::repeat_n(0, zeros)).chain(bytes).collect();
        let _ = play(&input);
    }

    #[test]
    fn changed_words_leave_a_cache_that_works(
        first in 0..64_u8,
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![0..9_u64, Just(u64::MAX), Just(1 << 62), any::<u64>()]), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut payload = good();
        for (at, word) in changes {
            let at = at.index(payload.len() - 8);
            payload[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        if cut.index(4) == 0 {
            payload.truncate(cut.index(payload.len()));
        }
        payload.insert(0, first);
        let _ = play(&payload);
    }
}
