//! What both hashers promise, and what [`AsKey`] takes.

// The point of many a test here is which forms of a key are taken.
#![allow(clippy::needless_borrows_for_generic_args)]

use super::writes::tests::{Script, Write, script};
use super::*;
use proptest::prelude::*;
use std::borrow::Cow;
use std::collections::HashSet;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

fn for_each_hasher(mut body: impl FnMut(&str, &dyn Fn(&Script) -> KeyHash)) {
    let (secret, fast) = (SecretHasher::with_seed(11), FastHasher::with_seed(11));
    body("secret", &|script| secret.hash_key(script));
    body("fast", &|script| fast.hash_key(script));
}

/// All ways to cut a script's bytes elsewhere that are easily confused with it.
fn lookalikes(script: &Script) -> Vec<Script> {
    let mut all = vec![Script(Vec::new()), script.clone()];
    for at in 0..script.0.len() {
        let mut shorter = script.clone();
        shorter.0.remove(at);
        all.push(shorter);
        let mut doubled = script.clone();
        doubled.0.insert(at, script.0[at].clone());
        all.push(doubled);
        let mut swapped = script.clone();
        swapped.0.swap(at, 0);
        all.push(swapped);
        for same_bytes in rewritings(&script.0[at]) {
            let mut rewritten = script.clone();
            rewritten.0.splice(at..=at, same_bytes);
            all.push(rewritten);
        }
    }
    all
}

/// Other writes of the same bytes, or of a few zeros more.
fn rewritings(write: &Write) -> Vec<Vec<Write>> {
    match write {
        Write::U8(i) => vec![vec![Write::U16((*i).into())], vec![Write::Bytes(vec![*i])]],
        Write::U16(i) => vec![i.to_le_bytes().map(Write::U8).to_vec(), vec![Write::U32((*i).into())]],
        Write::U32(i) => vec![vec![Write::Bytes(i.to_le_bytes().to_vec())], vec![Write::U64((*i).into())]],
        Write::U64(i) => vec![
            vec![Write::Bytes(i.to_le_bytes().to_vec())],
            vec![Write::U32(*i as u32), Write::U32((*i >> 32) as u32)],
            vec![Write::Usize(*i as usize)],
        ],
        Write::Usize(i) => vec![vec![Write::U64(*i as u64)]],
        Write::U128(i) => vec![vec![Write::U64(*i as u64), Write::U64((*i >> 64) as u64)]],
        Write::Bytes(bytes) => {
            let cut = |at: usize| vec![Write::Bytes(bytes[..at].into()), Write::Bytes(bytes[at..].into())];
            let mut longer = bytes.clone();
            longer.push(0);
            let mut all: Vec<_> = (0..=bytes.len()).map(cut).collect();
            all.push(vec![Write::Bytes(longer)]);
            all.push(bytes.iter().copied().map(Write::U8).collect());
            all
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn different_writes_get_different_words(script in script()) {
        let mut scripts = lookalikes(&script);
        scripts.sort_unstable();
        scripts.dedup();
        for_each_hasher(|name, hash| {
            let mut indices = HashSet::new();
            let mut conflicts = HashSet::new();
            for script in scripts.iter().filter(|script| !matches!(script.0[..], [_])) {
                assert!(indices.insert(hash(script).index), "{name}: {script:?}");
                assert!(conflicts.insert(hash(script).conflict), "{name}: {script:?}");
            }
            let all: HashSet<_> = scripts.iter().map(hash).collect();
            assert_eq!(all.len(), scripts.len(), "{name}");
        });
    }

    #[test]
    fn borrowed_forms_hash_like_their_owners(
        text in ".*",
        numbers in prop::collection::vec(any::<u32>(), 0..9),
        bytes in prop::collection::vec(1u8.., 0..40),
        array in any::<[u16; 5]>(),
    ) {
        fn check<H: KeyHasher>(hasher: &H, text: &str, numbers: &[u32], bytes: &[u8], array: [u16; 5]) {
            fn same<K: ?Sized, H: KeyHasher>(hasher: &H, a: impl AsKey<K>, b: impl AsKey<K>) {
                assert_eq!(a.key_hash(hasher), b.key_hash(hasher));
            }
            same::<String, _>(hasher, text, text.to_owned());
            same::<Box<str>, _>(hasher, text, Box::from(text));
            same::<Arc<str>, _>(hasher, text, Arc::from(text));
            same::<Rc<str>, _>(hasher, text, Rc::from(text));
            same::<Cow<'_, str>, _>(hasher, text, Cow::Owned(text.to_owned()));
            same::<str, _>(hasher, text, text.to_owned());
            same::<str, _>(hasher, text, &text.to_owned());
            same::<Vec<u32>, _>(hasher, numbers, numbers.to_vec());
            same::<[u32], _>(hasher, numbers, numbers.to_vec());
            same::<[u32], _>(hasher, numbers, &numbers.to_vec());
            same::<Vec<u8>, _>(hasher, bytes, bytes.to_vec());
            same::<Vec<u16>, _>(hasher, &array, array.to_vec());
            same::<[u16], _>(hasher, array, array.to_vec());
            same::<[u16], _>(hasher, &array, array.as_slice());
            same::<[u16; 5], _>(hasher, &array, array);
            same::<PathBuf, _>(hasher, Path::new(text), PathBuf::from(text));
            same::<Path, _>(hasher, Path::new(text), PathBuf::from(text));
            same::<Path, _>(hasher, Path::new(text), &PathBuf::from(text));
            same::<OsString, _>(hasher, OsStr::new(text), OsString::from(text));
            same::<OsStr, _>(hasher, OsStr::new(text), OsString::from(text));
            same::<OsStr, _>(hasher, OsStr::new(text), &OsString::from(text));
            let owned = CString::new(bytes).expect("no zero byte");
            same::<CString, _>(hasher, owned.as_c_str(), owned.clone());
            same::<CStr, _>(hasher, owned.as_c_str(), owned.clone());
            same::<CStr, _>(hasher, owned.as_c_str(), &owned);
            let pair = (text.to_owned(), numbers.to_vec());
            same::<(String, Vec<u32>), _>(hasher, &pair, pair.clone());
            assert_eq!(hasher.hash_key(&pair), hasher.hash_key(&(text, numbers)));
        }
        check(&SecretHasher::with_seed(3), &text, &numbers, &bytes, array);
        check(&FastHasher::with_seed(3), &text, &numbers, &bytes, array);
    }
}

/// The shape of the cache's insertion, to see what type inference makes of it.
struct Mock<K: ?Sized, V>(SecretHasher, PhantomData<V>, PhantomData<K>);

impl<K: Hash + ?Sized, V> Mock<K, V> {
    fn new() -> Self {
        Self(SecretHasher::with_seed(5), PhantomData, PhantomData)
    }

    fn insert<Q: AsKey<K>>(&self, key: Q, _value: V, _cost: u64) -> KeyHash {
        key.key_hash(&self.0)
    }

    fn get<Q: Hash + ?Sized>(&self, key: &Q) -> KeyHash
    where
        K: std::borrow::Borrow<Q>,
    {
        self.0.hash_key(key)
    }
}

#[test]
fn insertion_infers_the_type_of_literals() {
    let cache = Mock::<u64, &str>::new();
    assert_eq!(cache.insert(5, "v", 1).conflict, 5);
    assert_eq!(cache.insert(5, "v", 1), cache.insert(&5, "v", 1));
    assert_eq!(cache.insert(5, "v", 1), cache.get(&5));
    assert_ne!(cache.insert(5, "v", 1), cache.0.hash_key(&5i32), "the literal is a u64");

    let cache = Mock::<(u32, u64), _>::new();
    assert_eq!(cache.insert((1, 2), 'v', 1), cache.0.hash_key(&(1u32, 2u64)));
    assert_eq!(cache.insert(&(1, 2), 'v', 1), cache.get(&(1, 2)));

    let cache = Mock::<i8, ()>::new();
    assert_eq!(cache.insert(-1, (), 1), cache.get(&-1));

    let cache = Mock::<Named, ()>::new();
    assert_eq!(cache.insert(Named(1), (), 1), cache.get(&Named(1)));
}

#[derive(Hash)]
struct Named(u32);

#[test]
fn insertion_takes_what_look_up_takes() {
    let cache = Mock::<String, Vec<u8>>::new();
    let expected = cache.get("abc");
    assert_eq!(cache.insert("abc", vec![], 1), expected);
    assert_eq!(cache.insert(String::from("abc"), vec![], 1), expected);
    assert_eq!(cache.insert(&String::from("abc"), vec![], 1), expected);

    let cache = Mock::<str, ()>::new();
    assert_eq!(cache.insert("abc", (), 1), expected);
    assert_eq!(cache.insert("abc".to_owned(), (), 1), expected);
    assert_eq!(cache.get("abc"), expected);

    let cache = Mock::<&str, ()>::new();
    assert_eq!(cache.insert("abc", (), 1), expected);
    assert_eq!(cache.get("abc"), expected);

    let cache = Mock::<Vec<u8>, ()>::new();
    let expected = cache.get(&b"abc"[..]);
    assert_eq!(cache.insert(b"abc", (), 1), expected);
    assert_eq!(cache.insert(&b"abc"[..], (), 1), expected);
    assert_eq!(cache.insert(b"abc".to_vec(), (), 1), expected);

    let cache = Mock::<PathBuf, ()>::new();
    assert_eq!(cache.insert(Path::new("a/b"), (), 1), cache.get(Path::new("a/b")));
    let cache = Mock::<(), ()>::new();
    assert_eq!(cache.insert((), (), 1), cache.get(&()));
}

#[test]
fn no_field_of_a_key_is_lost() {
    fn check<H: KeyHasher>(hasher: &H) {
        let mut seen = HashSet::new();
        for a in 0..32u64 {
            for b in 0..32u32 {
                for c in ["", "x", "yy"] {
                    assert!(seen.insert(hasher.hash_key(&(a, b, c))));
                }
            }
        }
    }
    check(&SecretHasher::with_seed(1));
    check(&FastHasher::with_seed(1));
}

#[test]
fn zero_is_an_ordinary_word() {
    fn check<H: KeyHasher>(hasher: &H) {
        let zero = hasher.hash_key(&0u64);
        assert_eq!(zero.conflict, 0);
        assert!((1..10_000u64).all(|integer| hasher.hash_key(&integer) != zero));
        assert!((1..10_000u64).all(|integer| hasher.hash_key(&integer).conflict != 0));
        assert_ne!(hasher.hash_key(&(0u64, 0u64)), hasher.hash_key(&(0u64,)));
        assert_ne!(hasher.hash_key(""), hasher.hash_key(&()));
    }
    check(&SecretHasher::new());
    check(&FastHasher::new());
}

#[test]
fn every_hasher_has_a_secret_of_its_own() {
    assert_ne!(SecretHasher::new().hash_key(&1), SecretHasher::new().hash_key(&1));
    assert_ne!(SecretHasher::new().hash_key("a"), SecretHasher::new().hash_key("a"));
    assert_ne!(FastHasher::new().hash_key(&1), FastHasher::new().hash_key(&1));
    assert_ne!(FastHasher::new().hash_key("a"), FastHasher::new().hash_key("a"));
    let hasher = SecretHasher::new();
    assert_eq!(hasher.hash_key("a"), hasher.clone().hash_key("a"));
    assert_eq!(SecretHasher::with_seed(9).hash_key("a"), SecretHasher::with_seed(9).hash_key("a"));
    assert_ne!(SecretHasher::with_seed(9).hash_key("a"), SecretHasher::with_seed(8).hash_key("a"));
}

#[test]
fn debug_output_keeps_the_secret() {
    assert_eq!(format!("{:?}", SecretHasher::new()), "SecretHasher { .. }");
    assert_eq!(format!("{:?}", FastHasher::new()), "FastHasher { .. }");
}

/// The pair of words that comes after those of the exact path.
fn random_after(skipped: usize, random: &mut impl FnMut() -> u64) -> (u64, u64) {
    (0..skipped).for_each(|_| _ = random());
    (random(), random())
}

/// SipHash-1-3-128 of `"abc"`, over the words that the encoding gives: pins that all of them and the key reach it.
#[test]
fn a_string_is_siphash_of_its_words() {
    use siphasher::sip128::SipHasher13;
    let hasher = SecretHasher::with_seed(0);
    let shape: u64 = ((1 << 20 | 3) << 4 | 7) << 12 | 0xff << 4;
    let mut message = b"abc\0\0\0\0\0".to_vec();
    message.extend_from_slice(&shape.to_le_bytes()[..7]);
    let mut random = splitmix(0);
    let (k0, k1) = random_after(5, &mut random);
    let expected = SipHasher13::new_with_keys(k0, k1).hash(&message);
    assert_eq!(hasher.hash_key("abc"), KeyHash { index: expected.h1, conflict: expected.h2 });
}

/// Flips each bit of random inputs and counts how often each bit of the index flips with it. All bits matter: the
/// low ones choose buckets, the top seven are tags, those between choose shards and counters.
fn worst_avalanche(hash: impl Fn(u64) -> u64) -> f64 {
    const INPUTS: u32 = 4096;
    let mut flips = vec![[0u32; 64]; 64];
    let mut random = splitmix(99);
    for _ in 0..INPUTS {
        let input = random();
        let before = hash(input);
        for (bit, flips) in flips.iter_mut().enumerate() {
            let mut changed = before ^ hash(input ^ 1 << bit);
            while changed != 0 {
                flips[changed.trailing_zeros() as usize] += 1;
                changed &= changed - 1;
            }
        }
    }
    let bias = |&count: &u32| (f64::from(count) / f64::from(INPUTS) - 0.5).abs();
    flips.iter().flatten().map(bias).fold(0.0, f64::max)
}

#[test]
fn every_bit_of_an_integer_flips_half_the_bits_of_the_index() {
    for seed in 0..4 {
        let hasher = SecretHasher::with_seed(seed);
        let worst = worst_avalanche(|input| hasher.hash_key(&input).index);
        assert!(worst < 0.05, "seed {seed}: worst bias {worst}");
    }
}

#[test]
fn every_bit_of_a_pair_flips_half_the_bits_of_the_index() {
    let secret = SecretHasher::with_seed(4);
    let worst = worst_avalanche(|input| secret.hash_key(&(input, 1u8)).index);
    assert!(worst < 0.05, "secret: worst bias {worst}");
    let fast = FastHasher::with_seed(4);
    let worst = worst_avalanche(|input| fast.hash_key(&(input, 1u8)).index);
    assert!(worst < 0.05, "fast: worst bias {worst}");
}

/// Keys that people have: runs and strides of integers. The index must spread them over buckets (low bits), shards and tags (high
/// bits) as well as random numbers would be.
#[test]
fn runs_and_strides_spread_like_random_numbers() {
    for seed in 0..8 {
        let hasher = SecretHasher::with_seed(seed);
        for stride_bits in [0, 3, 12, 20, 32, 40, 48] {
            for shift in [0, 10, 20, 32, 44, 54] {
                let mut counts = [0u32; 1024];
                for i in 0..1024 * 16u64 {
                    let index = hasher.hash_key(&(i << stride_bits)).index;
                    counts[(index >> shift) as usize % 1024] += 1;
                }
                let fullest = *counts.iter().max().expect("1,024 of them");
                assert!(
                    fullest < 64,
                    "stride 2^{stride_bits}, bits {shift}..: {fullest} where 16 are expected"
                );
            }
        }
    }
}
