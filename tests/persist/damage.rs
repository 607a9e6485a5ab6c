//! Broken snapshots, readers and writers: a typed error, and a cache that works.

use crate::common::{Numbers, settle};
use crate::{Small, builder, heir, saved};
use std::io::{self, Read, Write};
use tollgate::Cache;
use tollgate::persist::{RestoreError, SaveError, Snapshot};
use tollgate::policy::PolicyKind;

/// A small snapshot: of a policy that knows nothing, and of one that knows much.
fn snapshots() -> Vec<(PolicyKind, Vec<u8>)> {
    [PolicyKind::Lru, PolicyKind::HitDensity]
        .map(|kind| {
            let cache = builder(20).policy(kind.clone()).build().unwrap();
            (0..60).for_each(|key| _ = cache.insert(key % 17, 1000 + key % 17, 1));
            cache.wait().unwrap();
            (kind, saved(&cache))
        })
        .into()
}

/// Restores what is to fail, into a cache with entries of its own, and sees that it works on. `None` if the header is not even read.
fn fails(kind: &PolicyKind, good: &[u8], reader: impl Read) -> RestoreError {
    let cache = heir(builder(20).policy(kind.clone()), good);
    (100..105).for_each(|key| assert!(cache.insert(key, key, 1)));
    let error = cache.restore(reader).unwrap_err();
    works(&cache);
    error
}

/// What is there is right, and the rest works.
fn works(cache: &Small) {
    settle(cache);
    let found = (0..17).filter_map(|key| Some((key, cache.get(&key)?))).inspect(|&(key, value)| {
        assert_eq!(value, 1000 + key, "a damaged entry");
    });
    let known = found.count() + (100..105).filter(|key| cache.get(key) == Some(*key)).count();
    assert_eq!(known, cache.len(), "entries that nobody knows");
    (200..230).for_each(|key| _ = cache.insert(key, key, 1));
    settle(cache);
    assert!(cache.remove(&100).is_none_or(|value| value == 100));
    assert!(cache.insert(100, 1, 1) && cache.get(&100) == Some(1));
    settle(cache);
}

#[test]
fn a_snapshot_that_ends_too_early_is_found_out_wherever_it_ends() {
    for (kind, bytes) in snapshots() {
        let step = if cfg!(debug_assertions) && bytes.len() > 4000 { 7 } else { 1 };
        for len in (0..bytes.len()).step_by(step) {
            let error = fails(&kind, &bytes, &bytes[..len]);
            assert!(
                matches!(error, RestoreError::Truncated),
                "{error:?} after {len} of {} bytes",
                bytes.len()
            );
        }
    }
}

#[test]
fn a_flipped_bit_is_found_out_wherever_it_is() {
    let mut numbers = Numbers::new(1);
    for (kind, bytes) in snapshots() {
        let all = bytes.len() < 4000;
        for at in 0..bytes.len() {
            let bits = if all {
                0..8
            } else {
                let bit = numbers.below(8);
                bit..bit + 1
            };
            if !all && cfg!(debug_assertions) && at % 7 != 0 && at < bytes.len() - 100 {
                continue;
            }
            for bit in bits {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                let error = fails(&kind, &bytes, damaged.as_slice());
                let expected = match at {
                    0..8 => matches!(error, RestoreError::NotASnapshot),
                    8..12 => {
                        matches!(error, RestoreError::OtherVersion { found } if found == 2 ^ 1 << (8 * (at - 8) + bit as usize))
                    }
                    // A length that grew takes bytes for its own that are not there.
                    _ => matches!(error, RestoreError::Corrupt | RestoreError::Truncated),
                };
                assert!(expected, "{error:?} for bit {bit} of byte {at}");
            }
        }
    }
}

#[test]
fn a_snapshot_does_not_pass_for_one_of_another_version() {
    for (kind, bytes) in snapshots() {
        let mut older = bytes.clone();
        older[8] = 1;
        let error = fails(&kind, &bytes, older.as_slice());
        assert!(matches!(error, RestoreError::Corrupt), "{error:?}");
    }
}

#[test]
fn frames_cannot_be_lost_repeated_or_exchanged() {
    let cache: Cache<u64, String> = Cache::builder(1000, 1000).build().unwrap();
    // Every frame but the last is full: 64 KiB and its head.
    (0..8).for_each(|key| assert!(cache.insert(key, "x".repeat(40_000), 1)));
    cache.wait().unwrap();
    let mut bytes = Vec::new();
    cache.save(&mut bytes).unwrap();
    let (begin, frame) = (12, 65_536 + 8);
    assert!(bytes.len() > begin + 4 * frame);
    let frames = |from: usize, to: usize| &bytes[begin + from * frame..begin + to * frame];
    let rest = &bytes[begin + 4 * frame..];
    let lost = [&bytes[..begin], frames(0, 2), frames(3, 4), rest].concat();
    let repeated = [&bytes[..begin], frames(0, 2), frames(1, 4), rest].concat();
    let exchanged = [&bytes[..begin], frames(0, 1), frames(2, 3), frames(1, 2), frames(3, 4), rest].concat();
    for damaged in [lost, repeated, exchanged] {
        let snapshot = Snapshot::open(bytes.as_slice()).unwrap();
        let after: Cache<u64, String> =
            Cache::builder(1000, 1000).same_keys_as(&snapshot).unwrap().build().unwrap();
        assert!(matches!(after.restore(damaged.as_slice()), Err(RestoreError::Corrupt)));
        settle(&after);
    }
}

#[test]
fn values_of_another_type_are_refused() {
    let before = builder(100).build().unwrap();
    (0..10).for_each(|key| assert!(before.insert(key, 1000 + key, 1)));
    before.wait().unwrap();
    let bytes = saved(&before);
    let open = || Snapshot::open(bytes.as_slice()).unwrap();
    assert_eq!(open().values(), "u64");

    let numbers: Cache<u64, u32> = Cache::builder(1000, 100).same_keys_as(&open()).unwrap().build().unwrap();
    assert!(matches!(numbers.restore_from(open()), Err(RestoreError::OtherValues)));
    assert!(numbers.is_empty());
    // Integers are written alike whatever their width.
    assert_eq!(numbers.restore_from(open().any_values()).unwrap().entries, 10);
    assert_eq!(numbers.get(&3), Some(1003));
    settle(&numbers);

    // 1000 is two bytes: a string of as many letters would be longer, a small number is shorter.
    let words: Cache<u64, String> = Cache::builder(1000, 100).same_keys_as(&open()).unwrap().build().unwrap();
    assert!(matches!(words.restore_from(open().any_values()), Err(RestoreError::Value)));
    let bytes_only: Cache<u64, i8> =
        Cache::builder(1000, 100).same_keys_as(&open()).unwrap().build().unwrap();
    assert!(matches!(bytes_only.restore_from(open().any_values()), Err(RestoreError::Value)));
    assert!(words.is_empty() && bytes_only.is_empty());
    settle(&words);
    settle(&bytes_only);
}

/// Fails after so many calls; gives and takes a few bytes at a time.
struct Frail<T> {
    inner: T,
    calls: u64,
    most: usize,
}

impl<T> Frail<T> {
    fn pass(&mut self) -> io::Result<()> {
        self.calls = self.calls.checked_sub(1).ok_or_else(|| io::Error::other("planted"))?;
        Ok(())
    }
}

impl<T: Write> Write for Frail<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pass()?;
        self.inner.write(&bytes[..bytes.len().min(self.most)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass()?;
        self.inner.flush()
    }
}

impl<T: Read> Read for Frail<T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.pass()?;
        let most = bytes.len().min(self.most);
        self.inner.read(&mut bytes[..most])
    }
}

#[test]
fn a_writer_may_fail_at_any_call() {
    let cache = builder(20).policy(PolicyKind::Lru).build().unwrap();
    (0..17).for_each(|key| assert!(cache.insert(key, 1000 + key, 1)));
    cache.wait().unwrap();
    let whole = saved(&cache);
    let mut calls = 0;
    loop {
        let mut writer = Frail { inner: Vec::new(), calls, most: 16 };
        let saved = cache.save(&mut writer);
        let written = writer.inner;
        if saved.is_ok() {
            // All but the time is the same.
            assert_eq!(written.len(), whole.len());
            break;
        }
        assert!(matches!(saved, Err(SaveError::Io(_))));
        let after = heir(builder(20), &whole);
        assert!(written.len() == whole.len() || after.restore(written.as_slice()).is_err());
        calls += 1;
    }
    assert!(calls as usize > whole.len() / 16);
    works(&cache);
}

#[test]
fn a_reader_may_fail_at_any_call_and_give_a_byte_at_a_time() {
    for (kind, bytes) in snapshots() {
        let whole = Frail { inner: bytes.as_slice(), calls: u64::MAX, most: 1 };
        let after = heir(builder(20).policy(kind.clone()), &bytes);
        assert_eq!(after.restore(whole).unwrap().entries, 17);
        works(&after);
        let most = bytes.len() / 40;
        for calls in 0..40 {
            let error = fails(&kind, &bytes, Frail { inner: bytes.as_slice(), calls, most });
            assert!(matches!(error, RestoreError::Io(_)), "{error:?}");
        }
    }
}

#[test]
fn errors_say_what_happened() {
    let io = || io::Error::other("planted");
    let errors: [(RestoreError, &str); 4] = [
        (RestoreError::Io(io()), "the snapshot could not be read"),
        (RestoreError::OtherVersion { found: 7 }, "the snapshot has version 7 of the format"),
        (RestoreError::Truncated, "the snapshot ends too early"),
        (RestoreError::Corrupt, "the snapshot is damaged"),
    ];
    for (error, text) in errors {
        assert_eq!(error.to_string(), text);
    }
    let error: &dyn std::error::Error = &SaveError::Io(io());
    assert_eq!(error.source().unwrap().to_string(), "planted");
}

#[test]
fn nothing_is_printed_of_secrets_or_values() {
    let cache = builder(20).build().unwrap();
    assert!(cache.insert(1, 987_654_321, 1));
    cache.wait().unwrap();
    let bytes = saved(&cache);
    let snapshot = Snapshot::open(bytes.as_slice()).unwrap();
    assert_eq!(format!("{snapshot:?}"), "Snapshot { values: \"u64\", policy: \"density\", .. }");
}
