//! Dead letters, taken anew.

use jiff::Timestamp;

use super::{About, Admin, Done, failed};
use crate::error::Failure;
use crate::integration::IntegrationId;
use crate::lane::Replay;

impl Admin {
    /// Has dead letters decoded and processed anew, by the rules as they are now; how many there were.
    ///
    /// # Errors
    /// There is no such integration or delivery; it has not ended; the store fails.
    pub async fn replay(&self, id: &IntegrationId, which: Replay) -> Result<u64, Failure> {
        let about = match &which {
            Replay::One(number) => Some(number.to_string()),
            Replay::Cause(code) => Some(code.clone()),
            Replay::All => None,
        };
        let doing = async {
            // What fails again meanwhile is not taken again.
            let (mut replayed, now) = (0, Timestamp::now());
            loop {
                let some = self.store().replay(id, &which, now).await.map_err(failed)?;
                replayed += some;
                if some == 0 || matches!(which, Replay::One(_)) {
                    break;
                }
            }
            Ok(Done::with_after(replayed, &replayed))
        };
        self.noted("deliveries.replay", About { integration: Some(id), about }, doing).await
    }
}
