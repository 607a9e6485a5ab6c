//! Refreshes that outlive the call that found a value due: a [`Refresh`] is handed to the user's spawner.

use super::freshness::Spawner;
use super::load::{Lead, Loaded, Turn};
use super::{Core, Count};
use crate::contain::contain;
use crate::flight::block_on;
use crate::key::KeyHash;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

/// A refresh to be run: the loading of a new value for a key that has one; see [`Builder::spawner`](crate::Builder::spawner).
///
/// A future for an executor, or a job for a thread ([`run`](Self::run)). It never panics: a load that does is a refresh that failed. If it is dropped, or
/// the cache is, the refresh is off, and the next caller who finds the value due begins another.
#[must_use = "nothing is refreshed unless this is run or awaited"]
pub struct Refresh {
    /// `None` when it is over.
    job: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Refresh {
    fn new(job: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { job: Some(Box::pin(job)) }
    }

    /// Runs the refresh on this thread, to its end.
    ///
    /// # Blocking
    /// As long as the load takes.
    pub fn run(self) {
        block_on(self);
    }
}

impl Future for Refresh {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(job) = &mut self.job else { return Poll::Ready(()) };
        // The load, the value's destructor and its clone are the user's, and have no caller to panic to.
        match contain(|| job.as_mut().poll(context)) {
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready(())) | None => {
                let job = self.job.take();
                contain(|| drop(job));
                Poll::Ready(())
            }
        }
    }
}

impl fmt::Debug for Refresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refresh").field("is_over", &self.job.is_none()).finish()
    }
}

impl<V: Send + Sync + 'static> Core<V> {
    /// The value of a key, or what `load` makes of it. If there is one that is due, `load` goes to the spawner, if there is one.
    pub(crate) async fn load_or_refresh<E: Send + Sync + 'static>(
        self: &Arc<Self>,
        key: KeyHash,
        load: impl Future<Output = Result<Loaded<V>, E>> + Send + 'static,
    ) -> Result<V, Arc<E>>
    where
        V: Clone,
    {
        match (self.take_turn(key).await, &self.settings.freshness.spawner) {
            (Turn::Over(outcome), _) => outcome,
            (Turn::Leads { lead, old: Some(old) }, Some(spawner)) => {
                self.count(Count::ServedStale, 1);
                self.spawn(&**spawner, lead.shared(self), load);
                Ok(old)
            }
            (Turn::Leads { lead, old }, _) => self.lead(lead, old, load).await,
        }
    }

    fn spawn<E: Send + Sync + 'static>(
        &self,
        spawner: &Spawner,
        lead: Lead<'static, V>,
        load: impl Future<Output = Result<Loaded<V>, E>> + Send + 'static,
    ) where
        V: Clone,
    {
        let refresh = Refresh::new(async move {
            if lead.is_off() {
                return;
            }
            let mut load = pin!(load);
            // See `lead`.
            let lead = lead;
            match lead.run(load.as_mut()).await {
                _ if lead.is_off() => {}
                Ok(loaded) => drop(lead.land(loaded)),
                Err(error) => drop(lead.fail(error)),
            }
        });
        if contain(|| spawner(refresh)).is_none() {
            self.count(Count::CallbackPanics, 1);
        }
    }
}
