//! Standing still at one request: APSIS One takes no further one, so that a client can be killed just there.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// On which side of its effect a request stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// It has come, and changes nothing.
    Before,
    /// It has taken effect, and is not answered.
    After,
}

/// A stop that was asked for. When this is dropped, what stands still is dropped without an answer, and requests are
/// taken again.
#[derive(Debug)]
pub struct Stop {
    reached: watch::Receiver<bool>,
    _release: DropGuard,
}

impl Stop {
    /// Waits until the request has come to its moment. From then on APSIS One answers nobody.
    pub async fn reached(&mut self) {
        // The sender lives as long as the stop is not released.
        let _ = self.reached.wait_for(|reached| *reached).await;
    }

    /// Whether it has.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        *self.reached.borrow()
    }
}

/// What stands between requests and the account.
#[derive(Debug, Default)]
pub(crate) struct Stopping(Option<Asked>);

#[derive(Debug)]
struct Asked {
    route: String,
    /// Requests that are let through first.
    skip: u64,
    moment: Moment,
    /// The request has come.
    met: bool,
    reached: Arc<watch::Sender<bool>>,
    released: CancellationToken,
}

/// What is to become of a request that has come.
#[derive(Debug)]
pub(crate) enum Way {
    /// Nobody stops it.
    Free,
    /// It is the one, or came after it: it waits, and is then dropped.
    Held(Held),
    /// It is the one: it waits as soon as it has taken effect.
    HeldAfter(Held),
}

/// A request that stands still.
#[derive(Debug)]
pub(crate) struct Held {
    is_it: bool,
    reached: Arc<watch::Sender<bool>>,
    released: CancellationToken,
}

impl Held {
    /// Stands still until it is released.
    pub(crate) async fn wait(self) {
        if self.is_it {
            self.reached.send_replace(true);
        }
        self.released.cancelled().await;
    }
}

impl Stopping {
    /// Asks for a stop, in place of an earlier one.
    pub(crate) fn ask(&mut self, route: &str, skip: u64, moment: Moment) -> Stop {
        let (told, reached) = watch::channel(false);
        let released = CancellationToken::new();
        let guard = released.clone().drop_guard();
        self.0 = Some(Asked {
            route: route.to_owned(),
            skip,
            moment,
            met: false,
            reached: Arc::new(told),
            released,
        });
        Stop { reached, _release: guard }
    }

    /// A request has come.
    pub(crate) fn way(&mut self, route: &str) -> Way {
        let Some(asked) = self.0.as_mut().filter(|asked| !asked.released.is_cancelled()) else {
            self.0 = None;
            return Way::Free;
        };
        let held =
            |is_it| Held { is_it, reached: Arc::clone(&asked.reached), released: asked.released.clone() };
        if asked.met {
            return Way::Held(held(false));
        }
        if !route.starts_with(&asked.route) {
            return Way::Free;
        }
        if asked.skip > 0 {
            asked.skip -= 1;
            return Way::Free;
        }
        let held = held(true);
        asked.met = true;
        match asked.moment {
            Moment::Before => Way::Held(held),
            Moment::After => Way::HeldAfter(held),
        }
    }
}
