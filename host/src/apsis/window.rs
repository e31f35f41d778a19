//! A limit of so many requests in a window of time, kept at the server whatever the network does.
//!
//! A token bucket at the client is not enough: requests that left evenly may arrive together, after a
//! stall on the way. Here a request holds its slot from before it is sent until the window's length
//! after its answer came, so that all requests that arrive within one window hold a slot at the same
//! moment; there are never more of them than slots. An optional pace spreads them.

use std::collections::VecDeque;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// At most `slots` arrivals in any stretch of `length`.
#[derive(Debug, Clone)]
pub(super) struct Window(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    length: Duration,
    pace: Duration,
    free: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When each slot that is not in use may be used again, the earliest first.
    free_at: VecDeque<Instant>,
    /// Before this, nothing is sent, to keep the pace.
    next: Instant,
}

/// A request's slot. Drop it when the answer has come, or when there will be none.
#[derive(Debug)]
pub(super) struct Slot {
    shared: Arc<Shared>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let again = Instant::now() + self.shared.length;
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.free_at.push_back(again);
    }
}

impl Window {
    pub(super) fn new(slots: usize, length: Duration, pace: Duration) -> Self {
        let now = Instant::now();
        Self(Arc::new(Shared {
            length,
            pace,
            free: Arc::new(Semaphore::new(slots)),
            state: Mutex::new(State { free_at: std::iter::repeat_n(now, slots).collect(), next: now }),
        }))
    }

    /// Waits for a slot. Callers are served in the order in which they came; none is lost when a
    /// caller gives up.
    pub(super) async fn slot(&self) -> Slot {
        // Nobody closes the semaphore.
        let permit = self.0.free.clone().acquire_owned().await.ok();
        let (at, slot) = {
            let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
            let free = state.free_at.pop_front().unwrap_or_else(Instant::now);
            let at = free.max(state.next).max(Instant::now());
            state.next = at + self.0.pace;
            (at, Slot { shared: self.0.clone(), _permit: permit })
        };
        // A timer rounds up to the next millisecond, also for a moment that has passed.
        if at > Instant::now() {
            sleep_until(at).await;
        }
        slot
    }

    /// Whether no request holds a slot or has held one within the last window.
    fn is_idle(&self, now: Instant) -> bool {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::strong_count(&self.0) == 1 && state.free_at.back().is_none_or(|last| *last <= now)
    }
}

/// A window for each key. Keys that are idle are forgotten, so that memory stays flat.
#[derive(Debug)]
pub(super) struct Windows<K> {
    slots: usize,
    length: Duration,
    state: Mutex<Keys<K>>,
}

#[derive(Debug)]
struct Keys<K> {
    by_key: std::collections::HashMap<K, Window>,
    sweep_at: usize,
}

/// Keys are swept when there are this many, or twice as many as were in use at the last sweep.
const FEW: usize = 256;

impl<K: Hash + Eq> Windows<K> {
    pub(super) fn new(slots: usize, length: Duration) -> Self {
        let state = Mutex::new(Keys { by_key: std::collections::HashMap::new(), sweep_at: FEW });
        Self { slots, length, state }
    }

    pub(super) async fn slot(&self, key: K) -> Slot {
        let window = {
            let mut keys = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if keys.by_key.len() >= keys.sweep_at {
                let now = Instant::now();
                keys.by_key.retain(|_, window| !window.is_idle(now));
                keys.sweep_at = (keys.by_key.len() * 2).max(FEW);
            }
            keys.by_key
                .entry(key)
                .or_insert_with(|| Window::new(self.slots, self.length, Duration::ZERO))
                .clone()
        };
        window.slot().await
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).by_key.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Short, so that the tests run on the real clock.
    const LENGTH: Duration = Duration::from_millis(40);

    /// The most arrivals within one window, a sliding one.
    fn busiest(mut arrivals: Vec<Instant>) -> usize {
        arrivals.sort();
        let within =
            |from: Instant| arrivals.iter().filter(|at| **at >= from && **at < from + LENGTH).count();
        arrivals.iter().map(|from| within(*from)).max().unwrap_or(0)
    }

    /// Sends with these delays on the way there and back; gives the moments of arrival.
    fn arrivals(slots: usize, delays: Vec<(u64, u64)>) -> Vec<Instant> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let window = Window::new(slots, LENGTH, Duration::ZERO);
            let requests = delays.into_iter().map(|(there, back)| {
                let window = window.clone();
                async move {
                    let slot = window.slot().await;
                    tokio::time::sleep(Duration::from_millis(there)).await;
                    let arrived = Instant::now();
                    tokio::time::sleep(Duration::from_millis(back)).await;
                    drop(slot);
                    arrived
                }
            });
            futures::future::join_all(requests).await
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn no_window_sees_more_arrivals_than_slots_however_the_network_stalls(
            slots in 3usize..9, delays in prop::collection::vec((0u64..100, 0u64..60), 1..30)
        ) {
            prop_assert!(busiest(arrivals(slots, delays)) <= slots);
        }
    }

    #[test]
    fn slots_are_used_up() {
        let delays = vec![(0, 0); 40];
        assert_eq!(busiest(arrivals(8, delays)), 8);
    }

    #[tokio::test]
    async fn a_caller_that_gives_up_loses_no_slot() {
        // So long that a machine that stands still for a moment does not free the slot meanwhile.
        let length = LENGTH * 20;
        let window = Window::new(1, length, Duration::ZERO);
        drop(window.slot().await);
        for _ in 0..3 {
            assert!(tokio::time::timeout(Duration::from_millis(1), window.slot()).await.is_err());
        }
        assert!(tokio::time::timeout(length * 100, window.slot()).await.is_ok());
    }

    #[tokio::test]
    async fn the_pace_spreads() {
        let window = Window::new(100, LENGTH, Duration::from_millis(10));
        let start = Instant::now();
        for _ in 0..11 {
            drop(window.slot().await);
        }
        assert!(start.elapsed() >= Duration::from_millis(100));
    }

    #[tokio::test]
    async fn idle_keys_are_forgotten() {
        let windows = Windows::new(8, Duration::from_micros(1));
        let held = windows.slot(0).await;
        for key in 1..5_000 {
            drop(windows.slot(key).await);
            assert!(windows.len() <= 2 * FEW, "{}", windows.len());
        }
        drop(held);
    }
}
