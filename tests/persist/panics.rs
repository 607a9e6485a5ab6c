//! User code that panics while a cache is saved or restored: values that clone, serialise, deserialise and are dropped, and policies.

use crate::common::{hush, panics, planted_panic, settle};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tollgate::persist::{RestoreError, SaveError, Snapshot};
use tollgate::policy::{Admission, Candidate, Departure, Keepsake, Ledger, Policy, PolicyKind, Slot};
use tollgate::{Cache, Maintenance};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum When {
    Clone,
    Serialize,
    SerializeFails,
    Deserialize,
    DeserializeFails,
    Drop,
}

thread_local! {
    /// The next so many calls of that kind pass, then one does not.
    static FUSE: Cell<Option<(When, u64)>> = const { Cell::new(None) };
    static ALIVE: Cell<i64> = const { Cell::new(0) };
}

fn burns(when: When) -> bool {
    let (burns, next) = match FUSE.get() {
        Some((armed, left)) if armed == when => (left == 0, left.checked_sub(1).map(|left| (armed, left))),
        other => (false, other),
    };
    FUSE.set(next);
    burns
}

/// A value that counts itself and panics to order.
struct Moody(u64);

impl Moody {
    fn new(value: u64) -> Self {
        ALIVE.set(ALIVE.get() + 1);
        Self(value)
    }
}

impl Clone for Moody {
    fn clone(&self) -> Self {
        if burns(When::Clone) {
            planted_panic();
        }
        Self::new(self.0)
    }
}

impl Drop for Moody {
    fn drop(&mut self) {
        ALIVE.set(ALIVE.get() - 1);
        if !std::thread::panicking() && burns(When::Drop) {
            planted_panic();
        }
    }
}

impl Serialize for Moody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if burns(When::Serialize) {
            planted_panic();
        }
        if burns(When::SerializeFails) {
            return Err(serde::ser::Error::custom("planted"));
        }
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Moody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if burns(When::Deserialize) {
            planted_panic();
        }
        if burns(When::DeserializeFails) {
            return Err(serde::de::Error::custom("planted"));
        }
        Ok(Self::new(u64::deserialize(deserializer)?))
    }
}

fn cache(bytes: Option<&[u8]>) -> Cache<u64, Moody> {
    let builder = Cache::builder(2000, 200).maintenance(Maintenance::Manual).seed(1);
    let builder = match bytes {
        Some(bytes) => builder.same_keys_as(&Snapshot::open(bytes).unwrap()).unwrap(),
        None => builder,
    };
    builder.build().unwrap()
}

fn filled() -> Cache<u64, Moody> {
    let cache = cache(None);
    (0..150).for_each(|key| assert!(cache.insert(key, Moody::new(key), 1)));
    settle(&cache);
    cache
}

#[test]
fn a_value_that_panics_fails_the_call_and_nothing_else() {
    hush();
    for left in [0, 1, 63, 64, 65, 149] {
        for when in [When::Clone, When::Serialize] {
            let before = filled();
            FUSE.set(Some((when, left)));
            panics(|| before.save(std::io::sink()));
            assert_eq!(before.save(std::io::sink()).unwrap().entries, 150, "{when:?}");
            settle(&before);
        }
        let before = filled();
        FUSE.set(Some((When::SerializeFails, left)));
        assert!(matches!(before.save(std::io::sink()), Err(SaveError::Value)));
        let mut bytes = Vec::new();
        before.save(&mut bytes).unwrap();

        let after = cache(Some(&bytes));
        FUSE.set(Some((When::Deserialize, left)));
        panics(|| after.restore(bytes.as_slice()));
        settle(&after);
        assert!(after.len() as u64 <= left);
        FUSE.set(Some((When::DeserializeFails, 149 - left)));
        assert!(matches!(after.restore(bytes.as_slice()), Err(RestoreError::Value)));
        settle(&after);
        assert!(after.len() as u64 >= 149 - left);
        // The third time everything comes: what is there already is dropped.
        let restored = after.restore(bytes.as_slice()).unwrap();
        assert_eq!((restored.entries + restored.present, after.len()), (150, 150));
        FUSE.set(Some((When::Drop, left)));
        panics(|| after.restore(bytes.as_slice()));
        settle(&after);
        assert_eq!(after.len(), 150);
        (0..150).for_each(|key| assert_eq!(after.get(&key).map(|value| value.0), Some(key)));
        drop((before, after));
        assert_eq!(ALIVE.get(), 0, "every value was dropped once");
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sabotage {
    Knowledge,
    Keepsake,
    Learn,
    Admit,
    Inserted,
    Recall,
    Removed,
}

/// FIFO, by the order of slots; panics to order, once.
struct Saboteur(Sabotage, Arc<AtomicI64>);

impl Saboteur {
    fn pass(&self, here: Sabotage) {
        if self.0 == here && self.1.fetch_sub(1, Ordering::Relaxed) == 0 {
            planted_panic();
        }
    }
}

impl Policy for Saboteur {
    fn name(&self) -> &'static str {
        "saboteur"
    }
    fn hit(&mut self, _ledger: &Ledger, _slot: Slot) {}
    fn miss(&mut self, _ledger: &Ledger, _index: u64) {}
    fn admit(&mut self, ledger: &Ledger, candidate: Candidate, victims: &mut Vec<Slot>) -> Admission {
        self.pass(Sabotage::Admit);
        self.evict(ledger, candidate.shortfall, None, victims);
        Admission::Admit
    }
    fn evict(&mut self, ledger: &Ledger, shortfall: u64, keep: Option<Slot>, victims: &mut Vec<Slot>) {
        let slots = (0..ledger.len() as Slot).filter(|&slot| Some(slot) != keep);
        victims.extend(slots.take(shortfall as usize));
    }
    fn inserted(&mut self, _ledger: &Ledger, _slot: Slot) {
        self.pass(Sabotage::Inserted);
    }
    fn removed(&mut self, _ledger: &Ledger, _slot: Slot, _why: Departure) {
        self.pass(Sabotage::Removed);
    }
    fn moved(&mut self, _from: Slot, _to: Slot) {}
    fn clear(&mut self) {}
    fn keepsake(&self, _ledger: &Ledger, slot: Slot) -> Keepsake {
        self.pass(Sabotage::Keepsake);
        Keepsake { worth: slot as f32, note: u64::from(slot) }
    }
    fn recall(&mut self, _ledger: &Ledger, _slot: Slot, _note: u64) {
        self.pass(Sabotage::Recall);
    }
    fn knowledge(&self) -> Vec<u64> {
        self.pass(Sabotage::Knowledge);
        vec![1, 2, 3]
    }
    fn learn(&mut self, knowledge: &[u64]) -> bool {
        self.pass(Sabotage::Learn);
        assert_eq!(knowledge, [1, 2, 3]);
        true
    }
}

#[test]
fn a_policy_that_panics_is_replaced_and_the_rest_goes_on() {
    hush();
    let plans = [Sabotage::Learn, Sabotage::Admit, Sabotage::Inserted, Sabotage::Recall, Sabotage::Removed];
    for how in [Sabotage::Knowledge, Sabotage::Keepsake].into_iter().chain(plans) {
        for left in [0, 1, 40] {
            let fuse = Arc::new(AtomicI64::new(i64::MAX));
            let build = |max_cost| {
                let fuse = fuse.clone();
                let policy = move |_: &_| Box::new(Saboteur(how, fuse.clone())) as Box<dyn Policy>;
                Cache::<u64, u64>::builder(2000, max_cost)
                    .policy(PolicyKind::Custom(Arc::new(policy)))
                    .maintenance(Maintenance::Manual)
            };
            let before = build(200).build().unwrap();
            (0..150).for_each(|key| assert!(before.insert(key, key, 1)));
            settle(&before);
            let single = matches!(how, Sabotage::Knowledge | Sabotage::Learn);
            let saving = matches!(how, Sabotage::Knowledge | Sabotage::Keepsake);
            let left = if single { 0 } else { left };
            if saving {
                fuse.store(left, Ordering::Relaxed);
            }
            let mut bytes = Vec::new();
            assert_eq!(before.save(&mut bytes).unwrap().entries, 150);
            assert_eq!(before.stats().policy_panics, u64::from(saving));
            settle(&before);

            let snapshot = Snapshot::open(bytes.as_slice()).unwrap();
            let after = build(100).same_keys_as(&snapshot).unwrap().build().unwrap();
            (0..10).for_each(|key| assert!(after.insert(key, key, 1)));
            settle(&after);
            fuse.store(if saving { i64::MAX } else { left }, Ordering::Relaxed);
            let restored = after.restore_from(snapshot).unwrap();
            assert_eq!(after.stats().policy_panics, u64::from(!saving), "{how:?} after {left}");
            let sum = restored.entries + restored.rejected + restored.present;
            assert_eq!(sum, 150, "{how:?} after {left}: {restored:?}");
            assert!(after.len() >= 90, "{how:?}: {restored:?}");
            settle(&after);
            (0..150).for_each(|key| assert!(after.get(&key).is_none_or(|value| value == key)));
            assert!(after.insert(999, 999, 1));
            settle(&after);
        }
    }
}
