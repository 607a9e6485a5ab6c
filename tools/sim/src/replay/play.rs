//! One replay: threads that play a trace cache-aside through a real cache.

use super::Cached;
use super::observer::{Dismissal, Seen, observe};
use super::value::{Account, Value};
use crate::optimum::Hits;
use crate::progress::Progress;
use crate::trace::{Key, Trace};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// What came of a replay.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) hits: Hits,
    /// Reads that returned the value of another key. There must be none.
    pub(super) wrong_values: u64,
    pub(super) seen: Seen,
    pub(super) elapsed: Duration,
    pub(super) account: Arc<Account>,
}

/// Plays a trace with a number of threads, and waits until the cache has settled.
///
/// The threads take [`BATCH`] requests at a time from one cursor, so that all of them work at the same place
/// of the trace, whatever their pace.
///
/// # Errors
/// If a thread cannot be started.
pub(super) fn play(cache: &Cached, trace: &Trace, threads: usize, progress: &Progress) -> io::Result<Played> {
    let account = Arc::new(Account::default());
    let (cursor, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let started = Instant::now();
    let (shares, seen, elapsed) = thread::scope(|scope| {
        let observer = thread::Builder::new().spawn_scoped(scope, || observe(cache, &done))?;
        // However this ends: the scope waits for the observer.
        let dismissal = Dismissal { observer: observer.thread().clone(), done: &done };
        let player =
            || Player { cache, account: &account, share: Share::default() }.play(trace, &cursor, progress);
        let players: io::Result<Vec<_>> =
            (0..threads).map(|_| thread::Builder::new().spawn_scoped(scope, player)).collect();
        // Those that did start have nothing more to do if others did not.
        let players = players.inspect_err(|_| cursor.store(trace.len(), Relaxed))?;
        let shares: Vec<Share> =
            players.into_iter().map(|player| player.join().expect("a player does not panic")).collect();
        cache.wait().expect("the process was not forked");
        let elapsed = started.elapsed();
        drop(dismissal);
        io::Result::Ok((shares, observer.join().expect("the observer does not panic"), elapsed))
    })?;
    let mut played = Played { hits: Hits::default(), wrong_values: 0, seen, elapsed, account };
    for share in shares {
        played.hits.count += share.hits.count;
        played.hits.cost += share.hits.cost;
        played.wrong_values += share.wrong_values;
    }
    Ok(played)
}

struct Player<'a> {
    cache: &'a Cached,
    account: &'a Arc<Account>,
    share: Share,
}

/// What one thread saw.
#[derive(Debug, Default)]
struct Share {
    hits: Hits,
    wrong_values: u64,
}

impl Player<'_> {
    fn play(mut self, trace: &Trace, cursor: &AtomicUsize, progress: &Progress) -> Share {
        let mut unreported = 0;
        loop {
            // Relaxed: the cursor hands out numbers and publishes nothing.
            let from = cursor.fetch_add(BATCH, Relaxed);
            let Some(ids) =
                trace.ids().get(from..trace.len().min(from + BATCH)).filter(|ids| !ids.is_empty())
            else {
                progress.advance(unreported);
                return self.share;
            };
            ids.iter().for_each(|&id| self.request(&trace.keys()[id as usize]));
            unreported += ids.len() as u64;
            if unreported >= REPORT_EVERY {
                progress.advance(std::mem::take(&mut unreported));
            }
        }
    }

    /// Cache-aside: a read and, on a miss, the insertion that answers it.
    fn request(&mut self, key: &Key) {
        match self.cache.get(&key.key) {
            Some(value) => {
                self.share.hits.count += 1;
                self.share.hits.cost += key.cost;
                self.share.wrong_values += u64::from(value.key() != key.key);
            }
            None => {
                self.cache.insert(key.key, Value::new(key.key, key.cost, self.account), key.cost);
            }
        }
    }
}

/// Few, as the requests of one batch are played while those of the next are: the more, the further from the
/// trace's order.
const BATCH: usize = 4;
const REPORT_EVERY: u64 = 1 << 14;
