//! Where calls go that compute for long: threads of their own, so that whoever does little is not kept waiting.
//!
//! A component that computes gives way once a tick, and until then holds the thread that it is on, with all else
//! that this thread had to do. So a call that has computed for a tick is taken along to threads that do nothing
//! but this, are few, and have a low priority: the system lets them run where nobody else wants to. There, calls
//! take turns, a tick each, and an integration gets one turn in a round however many calls it has.
//!
//! Only computing is moved. Whatever a call waits for (requests, timers) stays with the runtime that it came from,
//! as do the connections that it opens: others use them after it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Notify;
use tokio::task::{JoinSet, yield_now};
use tracing::instrument::WithSubscriber as _;
use wasmtime::UpdateDeadline;

/// Ticks that a call may compute before it goes aside: most calls end before the first.
const TICKS: u64 = 1;

/// How much lower than the others' the priority of these threads is, as `nice` counts.
#[cfg(target_os = "linux")]
const NICER: i32 = 10;

/// The threads. Dropped, it breaks off what is still on them.
pub(super) struct Aside {
    /// There until it is dropped: a runtime must not be waited for where others run.
    runtime: Option<Runtime>,
    shares: Shares,
}

impl Aside {
    pub(super) fn new() -> std::io::Result<Self> {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads((processors / 2).max(1))
            .thread_name("sluice-aside")
            .on_thread_start(give_way)
            .build()?;
        Ok(Self { runtime: Some(runtime), shares: Shares::default() })
    }

    /// How the integrations whose calls are here share the threads.
    pub(super) fn shares(&self) -> &Shares {
        &self.shares
    }

    /// Goes on with a call here, to its end. Dropped, the call is broken off. None where that happened to it.
    pub(super) async fn go_on<T: Send + 'static>(
        &self,
        mut call: Pin<Box<dyn Future<Output = T> + Send>>,
    ) -> Option<T> {
        let aside = self.runtime.as_ref()?.handle();
        let home = Handle::current();
        let at_home = poll_fn(move |context| {
            let _at_home = home.enter();
            call.as_mut().poll(context)
        });
        let mut one = JoinSet::new();
        one.spawn_on(at_home.with_current_subscriber(), aside);
        one.join_next().await?.ok()
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Lets the system prefer all other threads of the machine to this one.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICER) {
        tracing::debug!(%error, "threads for long calls keep the priority of others");
    }
}

/// How long a call computes: known to its component's clock, and to whoever drives it.
#[derive(Default)]
pub(super) struct Length {
    long: Notify,
    /// Its part of the threads, once it is aside.
    share: OnceLock<Share>,
}

impl Length {
    /// Ends when the call has computed for long.
    pub(super) async fn long(&self) {
        self.long.notified().await;
    }

    /// Counts the call among those of its integration that are aside, until it ends.
    pub(super) fn share(&self, shares: &Shares, integration: &str) {
        self.share.get_or_init(|| shares.take(integration));
    }

    /// How the component gives way after so many ticks.
    pub(super) fn gives_way(&self, ticks: u64) -> UpdateDeadline {
        if let Some(share) = self.share.get() {
            return UpdateDeadline::YieldCustom(1, Box::pin(share.turn()));
        }
        if ticks >= TICKS {
            self.long.notify_one();
        }
        UpdateDeadline::Yield(1)
    }
}

/// How many calls of each integration are aside.
#[derive(Clone, Default)]
pub(super) struct Shares(Arc<Mutex<HashMap<String, usize>>>);

impl Shares {
    /// Counts a call of an integration until what is returned is dropped.
    pub(super) fn take(&self, integration: &str) -> Share {
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *shares.entry(integration.to_owned()).or_default() += 1;
        Share { integration: integration.to_owned(), shares: self.clone() }
    }

    fn of(&self, integration: &str) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(integration).copied().unwrap_or_default()
    }
}

/// A call's part of its integration's share.
pub(super) struct Share {
    integration: String,
    shares: Shares,
}

impl Share {
    /// Gives way for as many rounds as the integration has calls here, so that all of them together get one turn
    /// in a round.
    pub(super) fn turn(&self) -> impl Future<Output = ()> + Send + 'static {
        let rounds = self.shares.of(&self.integration);
        async move {
            for _ in 0..rounds.max(1) {
                yield_now().await;
            }
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut shares = self.shares.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(calls) = shares.get_mut(&self.integration) {
            *calls = calls.saturating_sub(1);
            if *calls == 0 {
                shares.remove(&self.integration);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_counted_while_they_are_held() {
        let shares = Shares::default();
        let (one, other) = (shares.take("acme"), shares.take("acme"));
        let third = shares.take("beta");
        assert_eq!((shares.of("acme"), shares.of("beta")), (2, 1));
        drop((one, third));
        assert_eq!((shares.of("acme"), shares.of("beta")), (1, 0));
        drop(other);
        assert!(shares.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_call_goes_on_elsewhere_and_is_broken_off_with_whoever_waits_for_it() {
        let aside = Aside::new().unwrap();
        let here = std::thread::current().id();
        let there = aside.go_on(Box::pin(async { std::thread::current().id() })).await.unwrap();
        assert_ne!(here, there);

        let (alive, gone) = tokio::sync::oneshot::channel::<()>();
        let endless = aside.go_on(Box::pin(async move {
            let _alive = alive;
            std::future::pending::<()>().await;
        }));
        // Dropped as soon as it has begun.
        assert!(futures::poll!(Box::pin(endless)).is_pending());
        assert!(gone.await.is_err(), "dropped, and not sent");
    }
}
