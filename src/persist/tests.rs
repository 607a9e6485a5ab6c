//! Snapshots that were never written by a cache: what they announce is not believed.

use super::frames::FrameWriter;
use super::records::{Entry, Header, Reader, Writer};
use super::{RestoreError, Snapshot};
use crate::key::KeyHash;
use proptest::prelude::*;

/// A stream of valid frames with these words in it.
fn framed(words: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut frames = FrameWriter::new(&mut bytes).unwrap();
    words.iter().for_each(|word| frames.put(&word.to_le_bytes()).unwrap());
    frames.end().unwrap();
    bytes
}

const HUGE: [u64; 5] = [1 << 20, 1 << 33, 1 << 47, u64::MAX / 8, u64::MAX];

#[test]
fn no_length_in_the_header_is_believed() {
    for len in HUGE {
        // The secret, the name of the values, that of the policy, the knowledge.
        for words in [
            &[1, 2, len, 7][..],
            &[1, 2, 0, 5, len, 7],
            &[1, 2, 0, 5, 0, len, 7],
            &[1, 2, 0, 5, 0, 0, len, 7],
        ] {
            let error = Snapshot::open(framed(words).as_slice()).unwrap_err();
            assert!(matches!(error, RestoreError::Corrupt), "{error:?} for {words:?}");
        }
    }
}

#[test]
fn no_length_of_a_value_is_believed() {
    for len in HUGE {
        let mut bytes = Vec::new();
        let mut frames = FrameWriter::new(&mut bytes).unwrap();
        [1, 2, 0, 5, 0, 0, 0].iter().for_each(|word: &u64| frames.put(&word.to_le_bytes()).unwrap());
        frames.put(&[1]).unwrap();
        [1, 2, 3, 4, 5, 6].iter().for_each(|word: &u64| frames.put(&word.to_le_bytes()).unwrap());
        frames.put(&[0]).unwrap();
        frames.put(&len.to_le_bytes()).unwrap();
        frames.put(&[0; 100_000]).unwrap();
        frames.end().unwrap();
        let mut snapshot = Snapshot::open(bytes.as_slice()).unwrap();
        assert!(matches!(snapshot.reader.entry::<Vec<u8>>(), Err(RestoreError::Corrupt)), "{len}");
        assert!(snapshot.reader.scratch() <= 1 << 18, "{} bytes taken", snapshot.reader.scratch());
    }
}

#[test]
fn marks_that_nobody_knows_are_damage() {
    for marks in [8_u8, 0x80, 0xff] {
        let mut bytes = Vec::new();
        let mut frames = FrameWriter::new(&mut bytes).unwrap();
        [1, 2, 0, 5, 0, 0, 0].iter().for_each(|word: &u64| frames.put(&word.to_le_bytes()).unwrap());
        frames.put(&[1]).unwrap();
        [1, 2, 3, 4, 5, 6].iter().for_each(|word: &u64| frames.put(&word.to_le_bytes()).unwrap());
        frames.put(&[marks]).unwrap();
        frames.put(&[0; 100]).unwrap();
        frames.end().unwrap();
        let mut snapshot = Snapshot::open(bytes.as_slice()).unwrap();
        assert!(matches!(snapshot.reader.entry::<u8>(), Err(RestoreError::Corrupt)), "{marks}");
    }
}

#[test]
fn the_number_of_entries_is_verified() {
    let header = Header {
        identity: KeyHash { index: 1, conflict: 2 },
        secret: Vec::new(),
        saved_ms: 0,
        values: "u64".into(),
        policy: "p".into(),
        knowledge: Vec::new(),
    };
    let entry = |value: u64| Entry {
        key: header.identity,
        cost: 1,
        left_ms: None,
        unread_ms: Some(3),
        note: 4,
        pinned: value == 1,
        tag: (value > 0).then_some(7),
        due_ms: (value == 2).then_some(8),
        value,
    };
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, &header).unwrap();
    (0..3_u64).for_each(|value| writer.entry(&entry(value)).unwrap());
    writer.miscount();
    assert_eq!(writer.end().unwrap().0, 4);
    let mut reader = Reader::new(bytes.as_slice()).unwrap();
    reader.header().unwrap();
    for value in 0..3 {
        let (found, _) = reader.entry::<u64>().unwrap().unwrap();
        assert_eq!((found.value, found.left_ms, found.unread_ms, found.note), (value, None, Some(3), 4));
        let expected = (value == 1, (value > 0).then_some(7), (value == 2).then_some(8));
        assert_eq!((found.pinned, found.tag, found.due_ms), expected);
    }
    assert!(matches!(reader.entry::<u64>(), Err(RestoreError::Corrupt)));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        secret in prop::collection::vec(any::<u64>(), 0..12),
        knowledge in prop::collection::vec(any::<u64>(), 0..20_000),
        values in prop::collection::vec((any::<[u64; 4]>(), any::<[Option<u32>; 3]>(), prop::collection::vec(any::<u8>(), 0..3000)), 0..60),
    ) {
        let identity = KeyHash { index: 7, conflict: 8 };
        let header = Header { identity, secret, saved_ms: 9, values: "Vec<u8>".into(), policy: "policy".into(), knowledge };
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, &header).unwrap();
        for ([index, conflict, cost, note], left, value) in &values {
            let key = KeyHash { index: *index, conflict: *conflict };
            let [left_ms, tag, due_ms] = left.map(|left| left.map(u64::from));
            let entry = Entry { key, cost: *cost, left_ms, unread_ms: left_ms, note: *note, pinned: cost % 2 == 0, tag, due_ms, value };
            writer.entry(&entry).unwrap();
        }
        prop_assert_eq!(writer.end().unwrap(), (values.len() as u64, bytes.len() as u64));
        let mut reader = Reader::new(bytes.as_slice()).unwrap();
        let read = reader.header().unwrap();
        prop_assert_eq!((read.identity, read.saved_ms), (identity, 9));
        prop_assert_eq!((read.secret, read.knowledge), (header.secret, header.knowledge));
        prop_assert_eq!((read.values, read.policy), (header.values, header.policy));
        for ([index, conflict, cost, note], left, value) in values {
            let (entry, len) = reader.entry::<Vec<u8>>().unwrap().unwrap();
            prop_assert_eq!((entry.key, entry.cost, entry.note), (KeyHash { index, conflict }, cost, note));
            let [left_ms, tag, due_ms] = left.map(|left| left.map(u64::from));
            prop_assert_eq!((entry.left_ms, entry.unread_ms), (left_ms, left_ms));
            prop_assert_eq!((entry.pinned, entry.tag, entry.due_ms), (cost % 2 == 0, tag, due_ms));
            prop_assert!(len > value.len());
            prop_assert_eq!(entry.value, value);
        }
        prop_assert!(reader.entry::<Vec<u8>>().unwrap().is_none());
    }

    #[test]
    fn any_bytes_in_valid_frames_are_an_error_or_a_snapshot(words in prop::collection::vec(prop_oneof![Just(0), 0..4_u64, any::<u64>()], 0..60)) {
        if let Ok(mut snapshot) = Snapshot::open(framed(&words).as_slice()) {
            while let Ok(Some(_)) = snapshot.reader.entry::<Vec<u16>>() {}
        }
    }
}
