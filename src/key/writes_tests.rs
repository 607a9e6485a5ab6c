use super::*;
use proptest::prelude::*;
use std::hash::Hash;

/// One call of a `Hash` implementation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::key) enum Write {
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    Usize(usize),
    U128(u128),
    Bytes(Vec<u8>),
}

/// A key that makes these writes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::key) struct Script(pub(in crate::key) Vec<Write>);

impl Hash for Script {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        for write in &self.0 {
            match write {
                Write::U8(i) => hasher.write_u8(*i),
                Write::U16(i) => hasher.write_u16(*i),
                Write::U32(i) => hasher.write_u32(*i),
                Write::U64(i) => hasher.write_u64(*i),
                Write::Usize(i) => hasher.write_usize(*i),
                Write::U128(i) => hasher.write_u128(*i),
                Write::Bytes(bytes) => hasher.write(bytes),
            }
        }
    }
}

/// Writes of every kind; small values and runs of zeros are as likely as anything.
fn write() -> impl Strategy<Value = Write> {
    let byte = || prop_oneof![Just(0u8), any::<u8>()];
    prop_oneof![
        byte().prop_map(Write::U8),
        byte().prop_map(|i| Write::U16(i.into())),
        byte().prop_map(|i| Write::U32(i.into())),
        prop_oneof![byte().prop_map(u64::from), any::<u64>()].prop_map(Write::U64),
        prop_oneof![byte().prop_map(usize::from), any::<usize>()].prop_map(Write::Usize),
        prop_oneof![byte().prop_map(u128::from), any::<u128>()].prop_map(Write::U128),
        prop::collection::vec(byte(), 0..40).prop_map(Write::Bytes),
    ]
}

pub(in crate::key) fn script() -> impl Strategy<Value = Script> {
    prop::collection::vec(write(), 0..24).prop_map(Script)
}

/// Keeps the stream instead of hashing it.
#[derive(Clone)]
struct Keep<'a>(&'a std::cell::RefCell<Stream>);

#[derive(Debug, Default)]
struct Stream {
    exact: Option<(Width, u64)>,
    words: Vec<u64>,
}

impl Sink for Keep<'_> {
    fn exact(&self, width: Width, integer: u64) -> KeyHash {
        self.0.borrow_mut().exact = Some((width, integer));
        KeyHash { index: 0, conflict: 0 }
    }

    fn word(&mut self, word: u64) {
        self.0.borrow_mut().words.push(word);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for_each_word(bytes, |word| self.word(word));
    }

    fn close(&mut self, shape: u64) -> KeyHash {
        assert!(shape < 1 << 56);
        self.word(shape);
        KeyHash { index: 0, conflict: 0 }
    }
}

fn stream_of(script: &Script) -> Stream {
    let stream = Default::default();
    let mut writes = Writes::new(Keep(&stream));
    script.hash(&mut writes);
    writes.close();
    stream.into_inner()
}

/// Reads a stream from its end, as the module says that it can be.
fn read_back(stream: Stream) -> Script {
    if let Some((width, integer)) = stream.exact {
        assert!(stream.words.is_empty(), "the exact path leaves no stream");
        return Script(vec![match width {
            Width::U8 => Write::U8(integer as u8),
            Width::U16 => Write::U16(integer as u16),
            Width::U32 => Write::U32(integer as u32),
            Width::U64 => Write::U64(integer),
            Width::Usize => Write::Usize(integer as usize),
        }]);
    }
    let mut words = stream.words;
    let mut writes = Vec::new();
    while let Some(mut shape) = words.pop() {
        while shape != EMPTY {
            writes.push(read_field(&mut shape, &mut words));
        }
    }
    writes.reverse();
    Script(writes)
}

fn read_field(shape: &mut u64, words: &mut Vec<u64>) -> Write {
    let mut take = |bits: u32| {
        let value = *shape & ((1 << bits) - 1);
        *shape >>= bits;
        value
    };
    let mut word = || words.pop().expect("the shape says that there is one");
    match take(KIND_BITS) {
        kind::U8 => Write::U8(take(8) as u8),
        kind::U16 => Write::U16(take(16) as u16),
        kind::U32 => Write::U32(take(32) as u32),
        kind::U64 => Write::U64(word()),
        kind::USIZE_SMALL => Write::Usize(take(8) as usize),
        kind::USIZE => Write::Usize(word() as usize),
        kind::U128 => Write::U128(u128::from(word()) << 64 | u128::from(word())),
        kind::BYTES => read_bytes(words, take(LEN_BITS)),
        kind::BYTES_MANY => {
            let len = word();
            read_bytes(words, len)
        }
        other => panic!("no such kind of write: {other}"),
    }
}

fn read_bytes(words: &mut Vec<u64>, len: u64) -> Write {
    let data = words.split_off(words.len() - (len as usize).div_ceil(8));
    let mut bytes: Vec<u8> = data.iter().flat_map(|word| word.to_le_bytes()).collect();
    assert!(bytes.drain(len as usize..).all(|padding| padding == 0));
    Write::Bytes(bytes)
}

proptest! {
    #[test]
    fn every_sequence_of_writes_can_be_read_back(script in script()) {
        prop_assert_eq!(read_back(stream_of(&script)), script);
    }
}

#[test]
fn long_byte_strings_can_be_read_back() {
    for len in [(1 << LEN_BITS) - 1, 1 << LEN_BITS, (1 << LEN_BITS) + 3] {
        let script = Script(vec![Write::U8(3), Write::Bytes(vec![0xa5; len]), Write::U16(1)]);
        assert!(read_back(stream_of(&script)) == script, "length {len}");
    }
}

#[test]
fn words_of_bytes_are_little_endian_and_padded_with_zeros() {
    let bytes: Vec<u8> = (1..=40).collect();
    for len in 0..=bytes.len() {
        let mut words = Vec::new();
        for_each_word(&bytes[..len], |word| words.push(word));
        let mut padded = bytes[..len].to_vec();
        padded.resize(len.div_ceil(8) * 8, 0);
        let expected: Vec<u64> =
            padded.as_chunks::<8>().0.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect();
        assert_eq!(words, expected, "length {len}");
    }
}

#[test]
fn the_usual_keys_take_few_words() {
    let count = |key: &dyn Fn(&mut Writes<Keep<'_>>)| {
        let stream = Default::default();
        let mut writes = Writes::new(Keep(&stream));
        key(&mut writes);
        writes.close();
        stream.into_inner().words.len()
    };
    assert_eq!(count(&|hasher| 7u64.hash(hasher)), 0, "exact");
    assert_eq!(count(&|_| ()), 1);
    assert_eq!(count(&|hasher| "sixteen bytes...".hash(hasher)), 3);
    assert_eq!(count(&|hasher| (1u32, 2u64).hash(hasher)), 2);
    assert_eq!(count(&|hasher| (1u64, 2u64).hash(hasher)), 3);
    assert_eq!(count(&|hasher| Some(1u64).hash(hasher)), 2);
    assert_eq!(count(&|hasher| [7u8; 20][..].hash(hasher)), 4);
}
