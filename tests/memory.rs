//! What a cache held for entries that have left is given back, whatever way they left.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tollgate::policy::PolicyKind;
use tollgate::{Cache, Maintenance};

/// The system's allocator, which says how much it has given away.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);

// A global allocator cannot be had without it.
#[allow(unsafe_code)]
// SAFETY: every call is passed on to the system's allocator as it came in.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: what the caller promises is what is needed.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ENTRIES: u64 = 100_000;

/// Bytes that the cache held when it was full and after `empty`, beyond those that it had when it was new.
fn full_and_after(
    policy: PolicyKind,
    fill: impl Fn(&Cache<u64, u64>),
    empty: impl Fn(&Cache<u64, u64>),
) -> (usize, usize) {
    let cache: Cache<u64, u64> = Cache::builder(ENTRIES as usize, ENTRIES)
        .maintenance(Maintenance::Manual)
        .policy(policy)
        .pin_quota(ENTRIES)
        .build()
        .unwrap();
    let new = HELD.load(Ordering::Relaxed);
    fill(&cache);
    cache.wait().unwrap();
    let full = HELD.load(Ordering::Relaxed) - new;
    empty(&cache);
    cache.wait().unwrap();
    assert!(cache.len() <= 1, "{} entries are left", cache.len());
    cache.check().unwrap();
    (full, HELD.load(Ordering::Relaxed).saturating_sub(new))
}

// One test, as the count is for all threads.
#[test]
fn what_is_not_needed_any_more_is_given_back() {
    let plain = |cache: &Cache<u64, u64>| (0..ENTRIES).for_each(|key| _ = cache.insert(key, key, 1));
    let mortal = |cache: &Cache<u64, u64>| {
        (0..ENTRIES).for_each(|key| _ = cache.insert_with_ttl(key, key, 1, Duration::from_secs(3600)));
    };
    let pinned = |cache: &Cache<u64, u64>| {
        mortal(cache);
        (0..ENTRIES).for_each(|key| assert!(cache.pin(&key).unwrap()));
    };
    for policy in PolicyKind::ALL {
        let retained = full_and_after(policy.clone(), plain, |cache| cache.retain(|_, _| false));
        let mortals = full_and_after(policy.clone(), mortal, |cache| cache.retain(|_, _| false));
        let pins = full_and_after(policy.clone(), pinned, |cache| cache.retain(|_, _| false));
        let one_by_one = full_and_after(policy.clone(), plain, |cache| {
            (0..ENTRIES).for_each(|key| _ = cache.remove(&key))
        });
        let shed = full_and_after(policy.clone(), plain, |cache| cache.set_max_cost(1));
        for (way, (full, after)) in [
            ("retain", retained),
            ("retain, with deadlines", mortals),
            ("retain, pinned, with deadlines", pins),
            ("remove", one_by_one),
            ("a budget of 1", shed),
        ] {
            assert!(after < full / 4, "{policy:?}, {way}: {full} bytes when full, {after} afterwards");
        }
        // Not one word for each pin either.
        let kept = pins.1.saturating_sub(retained.1);
        assert!(kept < ENTRIES as usize * 4, "{policy:?}: {kept} bytes more after pins than without");
    }
}
