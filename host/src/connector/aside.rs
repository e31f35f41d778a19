//! Where calls go that compute for long: threads of their own, so that whoever does little is not kept waiting.
//!
//! A component that computes gives way once a tick, and until then holds the thread that it is on, with all else
//! that this thread had to do. So a call that has computed for long is taken along to threads that do nothing
//! but this, are few, and have a low priority: the system lets them run where nobody else wants to. There, calls
//! take turns, a tick each, and an integration gets one turn in a round however many calls it has. What was long the
//! last time, or did what it must not, begins there: the system may let others wait for a thread of the same priority
//! though a processor is idle.
//!
//! Only computing is moved. Whatever a call waits for (requests, timers) stays with the runtime that it came from,
//! as do the connections that it opens: others use them after it.

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::{JoinSet, yield_now};
use tracing::instrument::WithSubscriber as _;
use wasmtime::UpdateDeadline;

/// What a call may compute before it goes aside: most calls end before.
const LONG: Duration = Duration::from_millis(10);

/// How much lower than the others' the priority of these threads is, as `nice` counts.
#[cfg(target_os = "linux")]
const NICER: i32 = 10;

/// The threads. Dropped, it breaks off what is still on them.
pub(super) struct Aside {
    /// There until it is dropped: a runtime must not be waited for where others run.
    runtime: Option<Runtime>,
    shares: Shares,
    /// What computed for long, or did what it must not, when it was called last.
    known: Mutex<HashSet<Caller>>,
}

/// Whose call it is, and which.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Caller {
    pub(super) integration: String,
    pub(super) call: &'static str,
}

impl Aside {
    pub(super) fn new() -> std::io::Result<Self> {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads((processors / 2).max(1))
            .thread_name("sluice-aside")
            .on_thread_start(give_way)
            .build()?;
        Ok(Self { runtime: Some(runtime), shares: Shares::default(), known: Mutex::default() })
    }

    /// Runs a call to its end, here from when it has computed for long, or from its beginning where the last one did or
    /// `is_fault` holds of its end. Dropped, the call is broken off. None where that happened to it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        caller: &Caller,
        place: &Place,
        call: impl Future<Output = T> + Send + 'static,
        is_fault: impl FnOnce(&T) -> bool,
    ) -> Option<T> {
        let mut call = Computing { call: Box::pin(call), computed: Duration::ZERO };
        let ended = if self.is_known(caller) { None } else { call.until_long().await };
        let (ended, is_long) = match ended {
            Some(ended) => (ended, call.is_long()),
            None => {
                place.aside.get_or_init(|| self.shares.take(&caller.integration));
                self.go_on(call).await?
            }
        };
        self.remember(caller, is_long || is_fault(&ended));
        Some(ended)
    }

    /// Goes on with a call here; says whether all of it was long.
    async fn go_on<T: Send + 'static>(&self, mut call: Computing<T>) -> Option<(T, bool)> {
        let aside = self.runtime.as_ref()?.handle();
        let home = Handle::current();
        let at_home = poll_fn(move |context| {
            let _at_home = home.enter();
            call.poll(context).map(|ended| (ended, call.is_long()))
        });
        let mut one = JoinSet::new();
        one.spawn_on(at_home.with_current_subscriber(), aside);
        one.join_next().await?.ok()
    }

    fn is_known(&self, caller: &Caller) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(caller)
    }

    fn remember(&self, caller: &Caller, is_known: bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_known {
            known.remove(caller);
        } else if !known.contains(caller) {
            known.insert(caller.clone());
        }
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

/// A call, and how long a processor has worked for it: its component's code, and what the host does with what that
/// hands over. Waiting, also for a processor, does not count.
struct Computing<T> {
    call: Pin<Box<dyn Future<Output = T> + Send>>,
    computed: Duration,
}

impl<T> Computing<T> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<T> {
        let began = worked();
        let polled = self.call.as_mut().poll(context);
        self.computed += worked().saturating_sub(began);
        polled
    }

    fn is_long(&self) -> bool {
        self.computed >= LONG
    }

    /// Its end, unless it computes for long before that: then nothing is lost, and it can go on elsewhere.
    async fn until_long(&mut self) -> Option<T> {
        poll_fn(|context| match self.poll(context) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending if self.is_long() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }
}

/// How long a processor has worked for this thread.
fn worked() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// Where a call runs, for its component's clock.
#[derive(Default)]
pub(super) struct Place {
    /// Its part of the threads for long calls, once it is there.
    aside: OnceLock<Share>,
}

impl Place {
    /// How the component gives way at a tick.
    pub(super) fn gives_way(&self) -> UpdateDeadline {
        match self.aside.get() {
            Some(share) => UpdateDeadline::YieldCustom(1, Box::pin(share.turn())),
            None => UpdateDeadline::Yield(1),
        }
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
    use std::thread::ThreadId;

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

    #[test]
    fn a_caller_is_known_until_its_next_call_ends_well() {
        let aside = Aside::new().unwrap();
        let caller = |integration: &str, call| Caller { integration: integration.to_owned(), call };
        let (scan, verify, other) =
            (caller("acme", "scan"), caller("acme", "verify"), caller("beta", "scan"));
        aside.remember(&scan, true);
        assert!(aside.is_known(&scan));
        assert!(!aside.is_known(&verify) && !aside.is_known(&other));
        aside.remember(&verify, false);
        assert!(aside.is_known(&scan));
        aside.remember(&scan, false);
        assert!(!aside.is_known(&scan));
    }

    /// Computes for so many milliseconds, and gives way after each.
    async fn computes(millis: usize) -> Vec<ThreadId> {
        let mut seen = Vec::new();
        for _ in 0..millis {
            let began = worked();
            while worked() - began < Duration::from_millis(1) {}
            seen.push(std::thread::current().id());
            yield_now().await;
        }
        seen
    }

    #[tokio::test]
    async fn what_computes_for_long_goes_on_elsewhere_and_begins_there_the_next_time() {
        let (aside, here) = (Aside::new().unwrap(), std::thread::current().id());
        let caller = Caller { integration: "acme".to_owned(), call: "scan" };
        let run = async |call| aside.run(&caller, &Place::default(), call, Vec::is_empty).await.unwrap();
        assert_eq!(run(computes(1)).await, [here]);
        let long = run(computes(40)).await;
        assert!(long[0] == here && *long.last().unwrap() != here, "{long:?}");
        let next = run(computes(1)).await;
        assert_ne!(next, [here]);
        assert_eq!(run(computes(1)).await, [here], "it was short again");
        assert_eq!(run(computes(0)).await, []);
        assert_ne!(run(computes(1)).await, [here], "after a fault");
    }

    #[tokio::test]
    async fn a_call_is_broken_off_with_whoever_waits_for_it() {
        let aside = Aside::new().unwrap();
        let caller = Caller { integration: "acme".to_owned(), call: "scan" };
        aside.remember(&caller, true);
        let (alive, gone) = tokio::sync::oneshot::channel::<()>();
        let place = Place::default();
        let endless = async move {
            let _alive = alive;
            std::future::pending::<()>().await;
        };
        let endless = aside.run(&caller, &place, endless, |()| false);
        // Dropped as soon as it has begun.
        assert!(futures::poll!(Box::pin(endless)).is_pending());
        assert!(gone.await.is_err(), "dropped, and not sent");
    }
}
