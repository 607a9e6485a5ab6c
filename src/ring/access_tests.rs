use super::*;

/// Drains and returns what came, sorted.
fn drain(ring: &AccessRing, drainer: &mut Drainer) -> Vec<u64> {
    let mut drained = Vec::new();
    drainer.drain(ring, |index| drained.push(index));
    drained.sort_unstable();
    drained
}

#[cfg(not(tollgate_loom))]
mod threads {
    use super::*;
    use std::collections::HashSet;
    use std::sync::atomic::AtomicBool;

    /// All that was attempted is recorded or lost: nothing is pending.
    fn check_drained(ring: &AccessRing, drainer: &Drainer) {
        assert_eq!(ring.attempted(), drainer.recorded() + drainer.lost());
    }

    #[test]
    fn what_fits_is_handed_out_once() {
        let (ring, mut drainer) = AccessRing::new();
        for index in 1..=CAPACITY as u64 {
            ring.record(index);
        }
        assert_eq!(drain(&ring, &mut drainer), (1..=CAPACITY as u64).collect::<Vec<_>>());
        assert_eq!(drain(&ring, &mut drainer), []);
        assert_eq!((drainer.recorded(), drainer.lost()), (CAPACITY as u64, 0));
        check_drained(&ring, &drainer);
    }

    #[test]
    fn the_freshest_stay_and_the_rest_is_counted() {
        let (ring, mut drainer) = AccessRing::with_stripes(2);
        let (len, kept) = (3 * CAPACITY as u64 - 7, CAPACITY as u64);
        for index in 1..=len {
            ring.record_in(1, index);
        }
        assert_eq!(ring.attempted(), len);
        assert_eq!(drain(&ring, &mut drainer), (len - kept + 1..=len).collect::<Vec<_>>());
        assert_eq!((drainer.recorded(), drainer.lost()), (kept, len - kept));
        check_drained(&ring, &drainer);
    }

    #[test]
    fn index_zero_counts_for_one() {
        let (ring, mut drainer) = AccessRing::new();
        ring.record(0);
        assert_eq!(drain(&ring, &mut drainer), [1]);
        check_drained(&ring, &drainer);
    }

    #[test]
    fn every_part_of_a_stripe_asks_for_a_drain() {
        let (ring, _drainer) = AccessRing::with_stripes(1);
        let asked: Vec<_> = (1..=3 * PART).filter(|&index| ring.record(index)).collect();
        assert_eq!(asked, [PART, 2 * PART, 3 * PART]);
    }

    #[test]
    fn a_reservation_that_was_not_stored_yet_is_lost_and_the_late_index_is_not() {
        let (ring, mut drainer) = AccessRing::with_stripes(1);
        ring.stripes[0].cursor.fetch_add(1, Ordering::Relaxed);
        ring.record(7);
        assert_eq!(drain(&ring, &mut drainer), [7]);
        assert_eq!(drainer.lost(), 1);
        ring.stripes[0].slots[0].store(5, Ordering::Relaxed);
        for _ in 0..CAPACITY - 2 {
            ring.record(9);
        }
        assert_eq!(drain(&ring, &mut drainer).len(), CAPACITY - 2);
        ring.stripes[0].cursor.fetch_add(1, Ordering::Relaxed);
        assert_eq!(drain(&ring, &mut drainer), [5], "it stands in for the next position of the slot");
        check_drained(&ring, &drainer);
    }

    #[test]
    #[should_panic(expected = "belongs to one ring")]
    fn a_drainer_belongs_to_its_ring() {
        let (ring, _) = AccessRing::with_stripes(1);
        let (_, mut stranger) = AccessRing::with_stripes(2);
        stranger.drain(&ring, |_| {});
    }

    #[test]
    fn with_many_threads_nothing_is_made_up_or_repeated_and_all_is_accounted_for() {
        const THREADS: u64 = 4;
        const READS: u64 = 50_000;
        let (ring, mut drainer) = AccessRing::with_stripes(2);
        let done = AtomicBool::new(false);
        let mut seen = HashSet::new();
        let mut note = |index: u64| {
            let (thread, read) = (index >> 32, index & 0xffff_ffff);
            assert!((1..=THREADS).contains(&thread) && read < READS, "{index:x} was never recorded");
            assert!(seen.insert(index), "{index:x} came twice");
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::scope(|readers| {
                    for thread in 1..=THREADS {
                        let ring = &ring;
                        readers
                            .spawn(move || (0..READS).for_each(|read| _ = ring.record(thread << 32 | read)));
                    }
                });
                done.store(true, Ordering::Release);
            });
            // Acquire: pairs with the Release above, so that the last drain sees every reader's end.
            while !done.load(Ordering::Acquire) {
                drainer.drain(&ring, &mut note);
            }
        });
        drainer.drain(&ring, &mut note);
        assert_eq!(ring.attempted(), THREADS * READS);
        assert_eq!(drainer.recorded(), seen.len() as u64);
        check_drained(&ring, &drainer);
    }
}

/// `RUSTFLAGS="--cfg tollgate_loom" cargo test --release --lib loom`
#[cfg(tollgate_loom)]
mod loom {
    use super::*;
    use ::loom::sync::Arc;
    use ::loom::thread;

    fn model(body: impl Fn() + Send + Sync + 'static) {
        let mut builder = ::loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(body);
    }

    /// Two readers of two reads each on a stripe of two slots, beside a drain and before another.
    fn two_readers_and_a_drainer(stripes: usize) {
        let (ring, mut drainer) = AccessRing::with_stripes(stripes);
        let ring = Arc::new(ring);
        let readers: Vec<_> = (0..2)
            .map(|reader| {
                let ring = ring.clone();
                thread::spawn(move || {
                    ring.record_in(reader, 10 * (reader as u64 + 1));
                    ring.record_in(reader, 10 * (reader as u64 + 1) + 1);
                })
            })
            .collect();
        let mut drained = drain(&ring, &mut drainer);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        let pending: u64 = ring.attempted() - drainer.recorded() - drainer.lost();
        let last = drain(&ring, &mut drainer);
        assert!(last.len() as u64 <= pending);
        drained.extend(last);

        assert_eq!(ring.attempted(), 4);
        assert_eq!(drainer.recorded() + drainer.lost(), 4, "nothing is left after the last drain");
        assert_eq!(drainer.recorded(), drained.len() as u64);
        assert!(drained.iter().all(|index| [10, 11, 20, 21].contains(index)), "made up: {drained:?}");
        drained.sort_unstable();
        drained.dedup();
        assert_eq!(drained.len() as u64, drainer.recorded(), "handed out twice");
    }

    #[test]
    fn loom_two_readers_of_one_stripe() {
        model(|| two_readers_and_a_drainer(1));
    }

    #[test]
    fn loom_two_readers_of_two_stripes() {
        model(|| two_readers_and_a_drainer(2));
    }

    /// A read that happened before a drain is seen by it.
    #[test]
    fn loom_what_happened_before_a_drain_is_drained() {
        model(|| {
            let (ring, mut drainer) = AccessRing::with_stripes(1);
            let ring = Arc::new(ring);
            let reader = {
                let ring = ring.clone();
                thread::spawn(move || _ = ring.record_in(0, 5))
            };
            reader.join().unwrap();
            assert_eq!(drain(&ring, &mut drainer), [5]);
            assert_eq!(drainer.lost(), 0);
        });
    }
}
