//! The life of a load of many keys: each key has its flight, and one call of the loader serves all that this caller leads.
//!
//! A caller boards every key before it loads any, lands all that it leads, and only then waits for what others load. Nobody who holds a
//! flight waits for another's, so that two callers with overlapping keys cannot wait for each other.

use super::load::{Boarding, Lead, Loaded};
use super::{Core, Count};
use crate::flight::{Aboard, Outcome};
use crate::key::KeyHash;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

/// A key that this caller is to load.
struct Led<'a, V> {
    /// Which of the keys.
    at: usize,
    lead: Lead<'a, V>,
    /// The value that is to be refreshed, if there is one.
    old: Option<V>,
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
            let (mut leads, mut joined) = (Vec::new(), Vec::new());
            for at in left.drain(..) {
                match self.board(keys[at]) {
                    Boarding::Present(value) => found[at] = Some(value),
                    Boarding::Joined(flight) => joined.push((at, flight)),
                    Boarding::Leads { lead, old } => leads.push(Led { at, lead, old }),
                }
            }
            if !leads.is_empty() {
                self.lead_many(leads, &mut load, &mut found).await?;
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

    /// Loads in the caller's own time. If that fails, old values do, if every key has one.
    async fn lead_many<E, F>(
        &self,
        leads: Vec<Led<'_, V>>,
        load: &mut impl FnMut(Vec<usize>) -> F,
        found: &mut [Option<V>],
    ) -> Result<(), Arc<E>>
    where
        E: Send + Sync + 'static,
        F: Future<Output = Result<Vec<Loaded<V>>, E>>,
    {
        let outcome = {
            let loading = {
                let _aboard = aboard(&leads);
                load(leads.iter().map(|led| led.at).collect())
            };
            let mut loading = pin!(loading);
            poll_fn(|context| {
                let _aboard = aboard(&leads);
                loading.as_mut().poll(context)
            })
            .await
        };
        match outcome {
            Ok(loaded) => {
                assert_eq!(
                    loaded.len(),
                    leads.len(),
                    "a load brings one value for each key that it was asked for"
                );
                for (led, loaded) in leads.into_iter().zip(loaded) {
                    found[led.at] = Some(led.lead.land(loaded));
                }
                Ok(())
            }
            Err(error) => {
                let error = Arc::new(error);
                let mut is_made_up_for = true;
                for Led { at, lead, old } in leads {
                    let key = lead.key();
                    lead.fail_with(Arc::clone(&error));
                    let old = old.inspect(|_| self.count(Count::ServedStale, 1));
                    found[at] = old.or_else(|| self.instead_of_error(key));
                    is_made_up_for &= found[at].is_some();
                }
                if is_made_up_for { Ok(()) } else { Err(error) }
            }
        }
    }
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
