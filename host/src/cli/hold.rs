//! Who does it: a command that asks for work does it itself, unless another process is there for it.
//!
//! With the embedded store, whoever holds the data folder's lock works on it, and is alone. With a shared one,
//! whoever has the integration's lease does.

use std::sync::Arc;
use std::time::Duration;

use super::{Context, Opened, OrFail, Result};
use crate::hosting::HostId;
use crate::integration::IntegrationId;
use crate::store::StoreError;
use crate::sync::{Hold, Holdings, LEASE, SyncError, Terms};

/// How often it is looked whether the other process still is there.
pub const LOOK_EVERY: Duration = Duration::from_millis(300);

impl Opened {
    /// The terms on which this process may work; none while another one works on the data folder.
    pub fn terms(&self, lease: Duration) -> Result<Option<Terms>> {
        if self.shared {
            return Ok(Some(Terms::Shared(lease)));
        }
        Ok(self.data.lock().or_fail()?.map(Terms::Alone))
    }

    /// Takes an integration; none while another process has it.
    pub async fn hold(&self, id: &IntegrationId) -> Result<Option<Hold>> {
        let Some(terms) = self.terms(LEASE)? else { return Ok(None) };
        let holdings = Holdings::new(Arc::clone(&self.store), HostId::fresh(), terms);
        holdings.acquire(id).await.or_fail()
    }
}

/// Has what was asked for done, and gives what `work` came to; nothing where another process had the integration
/// until it was done. That one may end before, so it is tried again; and work whose lease ran out, as while the
/// machine was asleep, is gone on with.
pub async fn work_or_wait<T, F: Future<Output = Result<bool>>>(
    context: &Context,
    opened: &Opened,
    id: &IntegrationId,
    mut is_done: impl FnMut() -> F,
    mut work: impl AsyncFnMut(&Hold) -> std::result::Result<T, SyncError>,
) -> Result<Option<T>> {
    let mut told = false;
    loop {
        if let Some(hold) = opened.hold(id).await? {
            match work(&hold).await {
                Err(SyncError::Store(StoreError::LeaseLost(_))) => {
                    context.say(
                        "this command was held up for so long that its lease ended; it goes on when it may",
                    );
                    told = true;
                }
                done => {
                    hold.release().await.or_fail()?;
                    return done.map(Some).or_fail();
                }
            }
        }
        if !told {
            context.say("another sluice process works on this integration; this command watches");
            told = true;
        }
        tokio::time::sleep(LOOK_EVERY).await;
        if is_done().await? {
            return Ok(None);
        }
    }
}
