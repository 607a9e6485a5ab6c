//! The life of a load of many keys: each key has its flight, and one call of the loader serves all that this caller leads.
//!
//! A caller boards every key before it loads any, lands all that it leads, and only then waits for what others load. Nobody who holds a
//! flight waits for another's, so that two callers with overlapping keys cannot wait for each other.
//!
//! Nor does user code that might ask for a key run on the caller's thread meanwhile, but for the load itself: what leaves the cache is
//! delivered, and whatever has a destructor is dropped, when all flights have landed. Hence the order of declarations: what is declared
//! last is dropped first, also by a panic and by a caller who cancels, and that is the flights.

use super::load::{Boarding, Lead, Loaded};
use super::{Core, Count};
use crate::error::InsertError;
use crate::flight::{Aboard, Outcome};
use crate::key::KeyHash;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::vec;

/// A key that this caller is to load.
struct Led<'a, V> {
    /// Which of the keys.
    at: usize,
    lead: Lead<'a, V>,
}

impl<V: Clone> Core<V> {
    /// The values of keys, or what `load` makes of the positions of those that have none. It is called again only if a load that this caller
    /// waited for brought nothing.
    pub(crate) async fn load_many<E, F>(
        &self,
        keys: &[KeyHash],
        mut load: impl FnMut(Vec<usize>) -> F,
    ) -> Result<Vec<V>, Arc<E>>
    where
        E: Send + Sync + 'static,
        F: Future<Output = Result<Vec<Loaded<V>>, E>>,
    {
        let mut found = self.look_many(keys);
        let groups = missing(keys, &found);
        let mut left: Vec<usize> = groups.iter().map(|group| group[0]).collect();
        while !left.is_empty() {
            let (mut joined, mut olds) = (Vec::new(), Vec::new());
            let mut leads = Vec::new();
            // To board a key may take a turn.
            self.deferring(|| {
                for at in left.drain(..) {
                    match self.board(keys[at]) {
                        Boarding::Present(value) => found[at] = Some(value),
                        Boarding::Joined(flight) => joined.push((at, flight)),
                        Boarding::Leads { lead, old } => {
                            leads.push(Led { at, lead });
                            olds.push(old);
                        }
                    }
                }
            });
            if leads.is_empty() {
                self.catch_up();
            } else {
                self.lead_many(olds, leads, &mut load, &mut found).await?;
            }
            for (at, flight) in joined {
                match &*flight.landing().await {
                    Outcome::Loaded(value) => found[at] = Some(value.clone()),
                    Outcome::Failed(error) => match Arc::downcast(Arc::clone(error)) {
                        Ok(error) => found[at] = Some(self.instead_of_error(keys[at]).ok_or(error)?),
                        // An error of another type was meant for other callers.
                        Err(_) => left.push(at),
                    },
                    Outcome::Abandoned => left.push(at),
                }
            }
        }
        for group in groups {
            group[1..].iter().for_each(|&at| found[at] = found[group[0]].clone());
        }
        Ok(found.into_iter().map(|value| value.expect("every key has a value or an error by now")).collect())
    }

    fn look_many(&self, keys: &[KeyHash]) -> Vec<Option<V>> {
        if self.settings.freshness.serves_old {
            keys.iter().map(|&key| self.look(key)).collect()
        } else {
            self.get_many(keys)
        }
    }

    /// Loads in the caller's own time. If that fails, `olds` do, the values that are to be refreshed, if every key has one.
    async fn lead_many<E, F>(
        &self,
        olds: Vec<Option<V>>,
        leads: Vec<Led<'_, V>>,
        load: &mut impl FnMut(Vec<usize>) -> F,
        found: &mut [Option<V>],
    ) -> Result<(), Arc<E>>
    where
        E: Send + Sync + 'static,
        F: Future<Output = Result<Vec<Loaded<V>>, E>>,
    {
        let loading = {
            let _aboard = aboard(&leads);
            load(leads.iter().map(|led| led.at).collect())
        };
        let mut loading = pin!(loading);
        let leads = leads;
        let outcome = poll_fn(|context| {
            let _aboard = aboard(&leads);
            loading.as_mut().poll(context)
        })
        .await;
        match outcome {
            Ok(loaded) => {
                let (mut loaded, mut refused) = (loaded.into_iter(), Vec::new());
                self.delivering_after(|| land_all(leads, &mut loaded, found, &mut refused));
                Ok(())
            }
            Err(error) => {
                let error = Arc::new(error);
                let failed = fail_all(leads, &error);
                self.catch_up();
                let mut is_made_up_for = true;
                for ((at, key), old) in failed.into_iter().zip(olds) {
                    let old = old.inspect(|_| self.count(Count::ServedStale, 1));
                    found[at] = old.or_else(|| self.instead_of_error(key));
                    is_made_up_for &= found[at].is_some();
                }
                if is_made_up_for { Ok(()) } else { Err(error) }
            }
        }
    }
}

/// Lands every flight with what was loaded for it. What the cache did not take goes to `refused`.
fn land_all<V: Clone>(
    leads: Vec<Led<'_, V>>,
    loaded: &mut vec::IntoIter<Loaded<V>>,
    found: &mut [Option<V>],
    refused: &mut Vec<InsertError<V>>,
) {
    assert_eq!(loaded.len(), leads.len(), "a load brings one value for each key that it was asked for");
    // The first to land is marked last, so that its mark goes when it has landed.
    let mut landing: Vec<Aboard> = leads.iter().rev().map(|led| led.lead.landing()).collect();
    for (Led { at, mut lead }, loaded) in leads.into_iter().zip(loaded) {
        let (kept, back) = lead.commit(loaded);
        landing.pop();
        found[at] = Some(kept);
        refused.extend(back);
    }
}

/// Gives an error to all who joined. Tells which keys that were.
fn fail_all<V, E: Send + Sync + 'static>(leads: Vec<Led<'_, V>>, error: &Arc<E>) -> Vec<(usize, KeyHash)> {
    let fail = |Led { at, lead }: Led<'_, V>| {
        let key = lead.key();
        lead.fail_with(Arc::clone(error));
        (at, key)
    };
    leads.into_iter().map(fail).collect()
}

/// The positions of what was not found, those of equal keys together.
fn missing<V>(keys: &[KeyHash], found: &[Option<V>]) -> Vec<Vec<usize>> {
    let mut missing: Vec<usize> = (0..keys.len()).filter(|&at| found[at].is_none()).collect();
    missing.sort_by_key(|&at| (keys[at].index, keys[at].conflict));
    let mut groups: Vec<_> = missing.chunk_by(|&a, &b| keys[a] == keys[b]).map(<[usize]>::to_vec).collect();
    // The loader is asked in the order of the keys.
    groups.sort_unstable_by_key(|group| group[0]);
    groups
}

fn aboard<V>(leads: &[Led<'_, V>]) -> Vec<Aboard> {
    leads.iter().map(|led| led.lead.aboard()).collect()
}
