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
        sleep_until(at).await;
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
