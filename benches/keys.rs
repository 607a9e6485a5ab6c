//! What it costs to hash a key: `cargo bench --bench keys`.

use divan::{Bencher, black_box};
use std::hash::Hash;
use tollgate::key::{FastHasher, KeyHasher, SecretHasher};

fn main() {
    divan::main();
}

#[divan::bench(types = [SecretHasher, FastHasher])]
fn integer<H: KeyHasher + Default>(bencher: Bencher<'_, '_>) {
    each(bencher, &H::default(), |i| i);
}

#[divan::bench(types = [SecretHasher, FastHasher])]
fn pair<H: KeyHasher + Default>(bencher: Bencher<'_, '_>) {
    each(bencher, &H::default(), |i| (i as u32, i));
}

#[divan::bench(types = [SecretHasher, FastHasher])]
fn tuple_of_four<H: KeyHasher + Default>(bencher: Bencher<'_, '_>) {
    each(bencher, &H::default(), |i| (i, i as u8, !i, Some(i as u32)));
}

#[divan::bench(types = [SecretHasher, FastHasher], args = [4, 16, 24, 64, 256, 1024])]
fn string<H: KeyHasher + Default>(bencher: Bencher<'_, '_>, len: usize) {
    let text = "x".repeat(len);
    each(bencher, &H::default(), |_| black_box(text.as_str()));
}

/// What the standard library's SipHash-1-3 takes for 64 bits of output.
#[divan::bench(args = [4, 16, 24, 64, 256, 1024])]
#[allow(deprecated)]
fn string_by_std(bencher: Bencher<'_, '_>, len: usize) {
    use std::hash::{BuildHasher, RandomState};
    let text = "x".repeat(len);
    let state = RandomState::new();
    bencher.bench_local(|| {
        for _ in 0..KEYS {
            black_box(state.hash_one(black_box(text.as_str())));
        }
    });
}

/// Times [`KEYS`] keys at a time, so that the clock does not drown the work.
fn each<H: KeyHasher, K: Hash>(bencher: Bencher<'_, '_>, hasher: &H, key: impl Fn(u64) -> K + Sync) {
    let hasher = black_box(hasher);
    bencher.bench_local(|| {
        for i in 0..KEYS {
            black_box(hasher.hash_key(&key(black_box(i))));
        }
    });
}

const KEYS: u64 = 1000;
