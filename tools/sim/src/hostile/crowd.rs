//! Attacks on the store by somebody who knows where keys go: with the secret, or with a careless hasher of the user's own.

use crate::failure::Failure;
use crate::output::new_table;
use std::hash::{Hash, Hasher};
use std::time::Instant;
use tollgate::Cache;
use tollgate::key::{KeyHash, KeyHasher};

/// Which bits of the index the attacker holds fast.
#[derive(Clone, Copy)]
struct Crowding {
    name: &'static str,
    /// These bits of the index are the same for all keys.
    fixed: u64,
}

impl KeyHasher for Crowding {
    fn hash_key<Q: Hash + ?Sized>(&self, key: &Q) -> KeyHash {
        let mut number = Number(0);
        key.hash(&mut number);
        let mixed =
            number.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        KeyHash { index: mixed & !self.fixed, conflict: number.0 }
    }
}

struct Number(u64);

impl Hasher for Number {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _bytes: &[u8]) {}
    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

const ATTACKS: [Crowding; 5] = [
    Crowding { name: "none", fixed: 0 },
    Crowding { name: "one shard", fixed: 0xff << 40 },
    Crowding { name: "one tag", fixed: 0x7f << 57 },
    Crowding { name: "one of 1,024 buckets in one shard", fixed: 0xff << 40 | 0x3ff },
    Crowding { name: "one index", fixed: u64::MAX },
];

/// The table.
pub(super) fn table(seed: u64) -> Result<String, Failure> {
    const ENTRIES: u64 = 10_000;
    let mut table = new_table(&["keys share", "ns per insert", "ns per read", "entries that fit", "hits"], 1);
    for attack in ATTACKS {
        let builder =
            Cache::<u64, u64>::builder(10 * ENTRIES as usize, ENTRIES).seed(seed).key_hasher(attack);
        let cache = builder.build().map_err(Failure::Build)?;
        let started = Instant::now();
        (0..10 * ENTRIES).for_each(|n| _ = cache.insert(n % ENTRIES, n, 1));
        let inserted = started.elapsed();
        let started = Instant::now();
        let hits = (0..100 * ENTRIES).filter(|n| cache.get(&(n % ENTRIES)).is_some()).count() as u64;
        let read = started.elapsed();
        table.add_row(vec![
            attack.name.to_owned(),
            (inserted.as_nanos() / u128::from(10 * ENTRIES)).to_string(),
            (read.as_nanos() / u128::from(100 * ENTRIES)).to_string(),
            cache.len().to_string(),
            format!("{:.1} %", hits as f64 / ENTRIES as f64),
        ]);
    }
    Ok(table.to_string())
}
