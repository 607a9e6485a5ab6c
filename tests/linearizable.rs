//! Linearizability, key by key: histories of three threads on three keys, recorded and judged by `common/history.rs`.
//!
//! `TOLLGATE_HISTORIES=5000000 cargo test --release --test linearizable` judges so many instead of 20,000.

mod common;

use common::history::{Call, Event, Held, KEYS, Recorded, Step, is_linearizable};
use common::{Books, Numbers, on_threads, settle, watchdog};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use tollgate::clock::ManualClock;
use tollgate::policy::PolicyKind;
use tollgate::{Cache, Maintenance};

const THREADS: u64 = 3;
const CALLS: u64 = 5;

#[test]
fn calls_of_threads_happen_one_after_another() {
    let wanted = std::env::var("TOLLGATE_HISTORIES").ok().and_then(|count| count.parse().ok());
    let mut left: u64 = wanted.unwrap_or(20_000);
    let mut seed = 1;
    while left > 0 {
        // The watchdog is for one batch.
        let batch = left.min(2_000);
        watchdog(move || (seed..seed + batch).for_each(play));
        (left, seed) = (left - batch, seed + batch);
    }
}

fn play(seed: u64) {
    let mut numbers = Numbers::new(seed);
    // Where there is room for all and nothing expires or is loaded, "there is none" has to be true.
    let strict = seed.is_multiple_of(2);
    let recorded = recorded(seed, if strict { 1000 } else { 2 });
    let hands: Vec<Vec<Call>> = (0..THREADS).map(|_| hand(&mut numbers, strict)).collect();
    let history = Mutex::new(Vec::new());
    let ready = AtomicU64::new(0);
    on_threads(THREADS, |thread| {
        let mut events = Vec::new();
        ready.fetch_add(1, Ordering::AcqRel);
        while ready.load(Ordering::Acquire) < THREADS {
            thread::yield_now();
        }
        hands[thread as usize].iter().for_each(|&call| recorded.call(call, &mut events));
        history.lock().extend(events);
    });
    let mut history = history.into_inner();
    settle(&recorded.cache);
    (0..KEYS).for_each(|key| recorded.call(Call::Get(key), &mut history));
    history.sort_by_key(|event| event.begun);
    assert!(is_linearizable(&history, strict), "seed {seed}: {hands:?}\n{history:?}");
    recorded.audit();
}

fn recorded(seed: u64, max_cost: u64) -> Recorded {
    let (books, clock) = (Books::new(), ManualClock::new());
    let heard = Arc::clone(&books);
    let maintenance = [Maintenance::Manual, Maintenance::Inline, Maintenance::Thread][seed as usize / 2 % 3];
    let slack = [0, 1, 5][seed as usize / 6 % 3];
    let cache: Cache<u64, Held> = Cache::builder(100, max_cost)
        .policy(PolicyKind::ALL[seed as usize % PolicyKind::ALL.len()].clone())
        .maintenance(maintenance)
        .slack(slack)
        .clock(clock.clone())
        .listener(move |event: tollgate::Event<Held>| heard.hear_id(event.value.id, event.cause))
        .build()
        .unwrap();
    Recorded::new(cache, books, clock)
}

fn hand(numbers: &mut Numbers, strict: bool) -> Vec<Call> {
    (0..CALLS)
        .map(|_| {
            let key = numbers.below(10).min(KEYS - 1);
            match numbers.below(if strict { 18 } else { 26 }) {
                0..=3 => Call::Insert(key),
                4..=7 => Call::Get(key),
                8 | 9 => Call::Remove(key),
                10 => Call::Put(key),
                11 => Call::Take(key),
                12 => Call::Replace(key),
                13 => Call::Update(key),
                14 => Call::GetMany,
                15 => [Call::InsertMany, Call::RemoveMany][key as usize % 2],
                16 => [Call::Clear, Call::RetainNone][key as usize % 2],
                17 => [Call::Wait, Call::RunPending][key as usize % 2],
                18 => Call::Brief(key),
                19 => Call::Advance(2),
                20 => Call::Recost(key, 2),
                21 | 22 => Call::Load(key),
                23 => Call::LoadFails(key),
                24 => Call::Costly(key, 2),
                _ => Call::Resize(1 + key),
            }
        })
        .collect()
}

/// Whether a history of key 0 is accepted: steps with their beginnings and ends.
fn judge(steps: &[(Step, u64, u64)], strict: bool) -> bool {
    let event = |&(step, begun, ended): &(Step, u64, u64)| Event { key: 0, step, begun, ended };
    is_linearizable(&steps.iter().map(event).collect::<Vec<_>>(), strict)
}

#[test]
fn good_histories_are_accepted() {
    use Step::{Absent, Clear, Fresh, Over, Read, Take};
    assert!(judge(&[], true));
    assert!(judge(&[(Fresh(1), 0, 1), (Read(1), 2, 3), (Take(1), 4, 5), (Absent, 6, 7)], true));
    // Overlapping calls, in either order.
    assert!(judge(&[(Fresh(1), 0, 9), (Read(1), 1, 2), (Over(2), 3, 4), (Read(2), 5, 6)], true));
    assert!(judge(&[(Fresh(1), 0, 9), (Absent, 1, 2), (Read(1), 3, 4)], true));
    // Dropped for want of room.
    assert!(judge(&[(Fresh(1), 0, 1), (Absent, 2, 3), (Fresh(2), 4, 5)], false));
    assert!(judge(&[(Fresh(1), 0, 1), (Clear, 2, 5), (Read(1), 3, 4), (Absent, 6, 7)], true));
}

#[test]
fn bad_histories_are_refused() {
    use Step::{Absent, Clear, Fresh, Over, Present, Read, Take, Write};
    let bad: [&[(Step, u64, u64)]; 11] = [
        // Never written.
        &[(Read(1), 0, 1)],
        // An older value comes back.
        &[(Fresh(1), 0, 1), (Over(2), 2, 3), (Read(1), 4, 5)],
        // Two readers see two writes in two orders.
        &[(Fresh(1), 0, 9), (Over(2), 0, 9), (Read(1), 1, 2), (Read(2), 3, 4), (Read(1), 5, 6)],
        // Overwritten while it was loaded, and seen afterwards.
        &[(Write(1, 0), 0, 9), (Fresh(2), 1, 2), (Read(1), 10, 11)],
        // What was seen to be gone comes back.
        &[(Fresh(1), 0, 1), (Absent, 2, 3), (Read(1), 4, 5)],
        // Seen after a remove, or a clear, that was over.
        &[(Fresh(1), 0, 1), (Take(1), 2, 3), (Read(1), 4, 5)],
        &[(Fresh(1), 0, 1), (Clear, 2, 3), (Read(1), 4, 5)],
        // Taken twice.
        &[(Fresh(1), 0, 1), (Take(1), 2, 5), (Take(1), 3, 4)],
        // Replaced, though there was none.
        &[(Fresh(1), 0, 1), (Take(1), 2, 3), (Over(2), 4, 5)],
        // Seen before it was written.
        &[(Read(1), 0, 1), (Fresh(1), 2, 3)],
        &[(Fresh(1), 0, 1), (Absent, 2, 3), (Present, 4, 5)],
    ];
    for history in bad {
        assert!(!judge(history, false), "{history:?}");
    }
    // A lost insert: only a strict judge can tell.
    let lost: &[(Step, u64, u64)] = &[(Fresh(1), 0, 1), (Absent, 2, 3)];
    assert!(judge(lost, false) && !judge(lost, true));
    assert!(!judge(&[(Fresh(1), 0, 1), (Fresh(2), 2, 3)], true));
}
