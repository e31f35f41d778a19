//! What this host holds: an integration's lane and runs belong to one host at a time, by a lease in the
//! store.
//!
//! Promises: a lease is renewed long before it ends, all of a host's together; once it may have ended, or
//! somebody else has it, its holder is told, and [`Validity`] says so to whoever asks before he sends
//! anything. What has ended stays so for whoever held it: he may take the integration again. The store refuses what
//! comes too late. A host that is the only one there can be holds without an end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use crate::data_dir::WorkLock;
use crate::error::ErrorCode;
use crate::hosting::{Fence, HostId, Term};
use crate::integration::IntegrationId;
use crate::store::{Store, StoreError};

/// A lease when nothing else is asked for.
pub const LEASE: Duration = Duration::from_secs(10);

/// No more than this is left to what may still be on its way.
const AFTERGLOW: Duration = Duration::from_secs(2);

/// Longer than anything takes.
const UNLIMITED: Duration = Duration::from_hours(24);

/// How a host holds integrations.
pub enum Terms {
    /// No other host can be there.
    Alone(WorkLock),
    /// Others may be: each lease is for so long, and renewed.
    Shared(Duration),
}

/// Whether a holder may still act. The last fifth of a lease is not used: a request that was sent at its
/// end is still on its way when the lease is over.
#[derive(Clone)]
pub struct Validity(Arc<Mutex<Until>>);

#[derive(Clone, Copy)]
enum Until {
    /// As long as the process lives.
    ProcessEnds,
    /// By this process's clock, which goes on while the process stands still.
    Moment(Instant),
    Over,
}

impl Validity {
    fn of(until: Until) -> Self {
        Self(Arc::new(Mutex::new(until)))
    }

    /// For as long as the process lives.
    pub fn unlimited() -> Self {
        Self::of(Until::ProcessEnds)
    }

    /// Whether it holds now.
    pub fn holds(&self) -> bool {
        self.left().is_some()
    }

    /// For how long it holds as yet, if it is not renewed; none if it does not.
    pub fn left(&self) -> Option<Duration> {
        self.until().left()
    }

    /// Has it hold until then, if it still does; whether it does.
    fn prolong(&self, moment: Instant) -> bool {
        let mut until = self.until();
        let holds = until.left().is_some();
        if holds {
            *until = Until::Moment(moment);
        }
        holds
    }

    fn end(&self) {
        *self.until() = Until::Over;
    }

    fn until(&self) -> MutexGuard<'_, Until> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Until {
    fn left(&mut self) -> Option<Duration> {
        match *self {
            Self::ProcessEnds => Some(UNLIMITED),
            Self::Moment(moment) => {
                let left = moment.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
                if left.is_none() {
                    // One who asked has stopped for it, so that another one who asks later may not find it renewed.
                    *self = Self::Over;
                }
                left
            }
            Self::Over => None,
        }
    }
}

struct Held {
    fence: Fence,
    valid: Validity,
    lost: CancellationToken,
}

/// All that a host holds.
pub struct Holdings {
    store: Arc<dyn Store>,
    host: HostId,
    terms: Terms,
    held: Mutex<HashMap<IntegrationId, Held>>,
    _renewing: Option<DropGuard>,
}

/// One integration that this host holds. Dropping it lets the lease run out; `release` gives it back.
pub struct Hold {
    /// What the store checks.
    pub fence: Fence,
    /// Whether it still holds.
    pub valid: Validity,
    /// Cancelled once it is known to be lost.
    pub lost: CancellationToken,
    holdings: Arc<Holdings>,
}

impl Holdings {
    /// What this host holds: nothing yet. On shared terms it is renewed until the last of its holders is gone.
    pub fn new(store: Arc<dyn Store>, host: HostId, terms: Terms) -> Arc<Self> {
        Arc::new_cyclic(|this: &Weak<Self>| {
            let renewing = match terms {
                Terms::Alone(_) => None,
                Terms::Shared(lease) => {
                    let this = this.clone();
                    let stop = CancellationToken::new();
                    let guard = stop.clone().drop_guard();
                    tokio::spawn(async move {
                        let mut ticks = tokio::time::interval(lease / 5);
                        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                            let Some(holdings) = this.upgrade() else { return };
                            holdings.renew(lease).await;
                        }
                    });
                    Some(guard)
                }
            };
            Self { store, host, terms, held: Mutex::default(), _renewing: renewing }
        })
    }

    /// This host.
    pub fn host(&self) -> &HostId {
        &self.host
    }

    /// The lease, where hosts share the store.
    pub fn lease(&self) -> Option<Duration> {
        match self.terms {
            Terms::Alone(_) => None,
            Terms::Shared(lease) => Some(lease),
        }
    }

    /// Takes an integration; none while somebody else has it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn acquire(self: &Arc<Self>, id: &IntegrationId) -> Result<Option<Hold>, StoreError> {
        let asked = Instant::now();
        let term = self.lease().map_or(Term::Alone, Term::For);
        let Some(fence) = self.store.acquire(id, &self.host, term).await? else { return Ok(None) };
        let until = self.lease().map_or(Until::ProcessEnds, |lease| Until::Moment(asked + usable(lease)));
        let (valid, lost) = (Validity::of(until), CancellationToken::new());
        let held = Held { fence: fence.clone(), valid: valid.clone(), lost: lost.clone() };
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), held);
        info!(integration = %id, fence = fence.number, host = %self.host, "integration taken");
        Ok(Some(Hold { fence, valid, lost, holdings: Arc::clone(self) }))
    }

    /// What is held now.
    pub fn fences(&self) -> Vec<Fence> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.values().map(|held| held.fence.clone()).collect()
    }

    /// How long what was sent under a lease, and not answered, may still be on its way once nobody waits for it.
    pub fn afterglow(&self) -> Duration {
        self.lease().map_or(Duration::ZERO, |lease| (lease - usable(lease)).min(AFTERGLOW))
    }

    /// Gives back what was broken off.
    pub async fn give_back(&self, fences: &[Fence]) {
        for fence in fences {
            match self.store.release(fence).await {
                Ok(()) => info!(integration = %fence.integration, "handed back"),
                Err(error) => {
                    warn!(integration = %fence.integration, code = error.code(), "not handed back, and runs out");
                }
            }
        }
    }

    async fn renew(&self, lease: Duration) {
        let fences: Vec<Fence> = {
            let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let (hold, ended): (Vec<&Held>, Vec<&Held>) = held.values().partition(|held| held.valid.holds());
            for held in ended.into_iter().filter(|held| !held.lost.is_cancelled()) {
                let fence = &held.fence;
                warn!(integration = %fence.integration, fence = fence.number, "held up for longer than the lease");
                held.lost.cancel();
            }
            hold.into_iter().map(|held| held.fence.clone()).collect()
        };
        if fences.is_empty() {
            return;
        }
        let asked = Instant::now();
        let kept = match self.store.renew(&fences, lease).await {
            Ok(kept) => kept,
            Err(error) => {
                // What is held runs out by itself.
                warn!(code = error.code(), %error, "leases could not be renewed");
                return;
            }
        };
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for fence in fences {
            let Some(held) = held.get(&fence.integration).filter(|held| held.fence == fence) else {
                continue;
            };
            if !kept.contains(&fence) {
                warn!(integration = %fence.integration, fence = fence.number, "another host has taken over");
                held.valid.end();
                held.lost.cancel();
            } else if !held.valid.prolong(asked + usable(lease)) {
                warn!(integration = %fence.integration, fence = fence.number, "renewed too late");
                held.lost.cancel();
            }
        }
    }

    fn forget(&self, fence: &Fence) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.get(&fence.integration).is_some_and(|held| held.fence == *fence) {
            held.remove(&fence.integration);
        }
    }
}

/// The part of a lease in which its holder acts.
fn usable(lease: Duration) -> Duration {
    lease / 5 * 4
}

impl Hold {
    /// Gives the integration back, so that another host may take it at once.
    ///
    /// # Errors
    /// When the store fails; the lease runs out by itself then.
    pub async fn release(self) -> Result<(), StoreError> {
        self.valid.end();
        // Not held any more, it is not looked at by whoever renews.
        self.holdings.forget(&self.fence);
        self.holdings.store.release(&self.fence).await
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.valid.end();
        self.holdings.forget(&self.fence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_still_holds_is_prolonged() {
        let soon = Instant::now() + Duration::from_secs(60);
        let valid = Validity::of(Until::Moment(soon));
        assert!(valid.prolong(soon + Duration::from_secs(3_600)));
        assert!(valid.left() > Some(Duration::from_secs(3_000)));
        valid.end();
        assert!(!valid.holds());
    }

    #[test]
    fn what_has_ended_stays_so_for_all_who_ask() {
        let valid = Validity::of(Until::Moment(Instant::now()));
        let who_asks = valid.clone();
        assert!(!valid.prolong(Instant::now() + Duration::from_secs(60)));
        assert!(!who_asks.holds() && !valid.holds());
    }
}
