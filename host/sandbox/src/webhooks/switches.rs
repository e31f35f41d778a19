//! How the simulated Lime sends its webhooks, in one place: what Lime's pages leave open, and what can go
//! wrong on the way.
//!
//! The defaults are Lime as far as it is known: one queue for each subscription, one request at a time in
//! the order of the writes, and retries for as long as it takes. Everything that breaks that is off until
//! it is asked for. What chance decides about an event is drawn when the event is raised, so that the same
//! seed and the same writes meet the same fate, however fast the receiver is.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

/// When the children of a deleted object, which lose the relation, raise their `update`. Lime's pages tell
/// of the detaching, and not of its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChildrenUpdate {
    /// Not at all.
    Never,
    /// Before the `delete`.
    Before,
    /// After the `delete`.
    After,
    /// One before it, the next one after it, and so on.
    Around,
}

/// No time is longer, so that the clock can hold every moment that is reckoned.
const A_YEAR: u64 = 31_536_000_000;

/// The switches. Probabilities go from 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookSwitches {
    /// Holds everything back that is not yet on its way. Events are still raised, and wait.
    pub paused: bool,
    /// How many deliveries of one subscription are under way at once; 1 keeps them in order.
    pub parallel: usize,
    /// Whether a delivery that waits for its next attempt keeps its place, so that with `parallel` 1 nothing
    /// overtakes it. Otherwise those behind it are sent meanwhile.
    pub retries_hold_back: bool,
    /// How long an answer may take.
    pub timeout_millis: u64,
    /// How often a delivery is tried before it is given up; 0 for ever.
    pub attempts: u32,
    /// Between the first attempt and the second. Each pause is twice the one before.
    pub first_pause_millis: u64,
    /// No pause is longer.
    pub longest_pause_millis: u64,
    /// The probability that an event is never sent.
    pub drop: f64,
    /// The probability that a delivery is sent once more after it was acknowledged, with the same id. That
    /// one is not retried.
    pub duplicates: f64,
    /// The duplicate follows within this time.
    pub duplicate_within_millis: u64,
    /// At least this long until the first attempt.
    pub delay_min_millis: u64,
    /// At most this long until the first attempt.
    pub delay_max_millis: u64,
    /// Whether an event waits until those before it are due too. Otherwise delays change the order.
    pub delays_keep_order: bool,
    /// The probability that an event is put back behind later ones.
    pub reorder: f64,
    /// Behind at most so many.
    pub reorder_by: u32,
    /// How long an event that was put back waits for later ones to come.
    pub reorder_wait_millis: u64,
    /// Whether what was raised before a subscription was deleted or disabled is still sent.
    pub send_after_unsubscribe: bool,
    /// See [`ChildrenUpdate`].
    pub children_update: ChildrenUpdate,
    /// Another seed, other chances. Setting another one starts the chances anew.
    pub seed: u64,
}

impl Default for WebhookSwitches {
    fn default() -> Self {
        Self {
            paused: false,
            parallel: 1,
            retries_hold_back: true,
            timeout_millis: 5000,
            attempts: 0,
            first_pause_millis: 200,
            longest_pause_millis: 5000,
            drop: 0.0,
            duplicates: 0.0,
            duplicate_within_millis: 1000,
            delay_min_millis: 0,
            delay_max_millis: 0,
            delays_keep_order: false,
            reorder: 0.0,
            reorder_by: 10,
            reorder_wait_millis: 500,
            send_after_unsubscribe: true,
            children_update: ChildrenUpdate::Around,
            seed: 1,
        }
    }
}

/// What chance has decided about one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) dropped: bool,
    pub(crate) delay: Duration,
    /// Behind how many later ones it is put back.
    pub(crate) put_back: u64,
    pub(crate) duplicate_after: Option<Duration>,
}

impl WebhookSwitches {
    /// Draws as often whatever the switches say, so that one switch does not change what another does.
    pub(crate) fn fate(&self, chance: &mut StdRng) -> Fate {
        let mut happens = |probability: f64| chance.random_bool(probability.clamp(0.0, 1.0));
        let (dropped, duplicated, put_back) =
            (happens(self.drop), happens(self.duplicates), happens(self.reorder));
        let delay_max = self.delay_max_millis.max(self.delay_min_millis);
        let delay = chance.random_range(self.delay_min_millis..=delay_max);
        let behind = chance.random_range(1..=u64::from(self.reorder_by.max(1)));
        let after = chance.random_range(0..=self.duplicate_within_millis);
        Fate {
            dropped,
            delay: millis(delay),
            put_back: if put_back { behind } else { 0 },
            duplicate_after: duplicated.then(|| millis(after)),
        }
    }

    /// The pause after so many attempts that failed.
    pub(crate) fn pause(&self, attempts: u32) -> Duration {
        let times = 2_u64.saturating_pow(attempts.saturating_sub(1));
        millis(self.first_pause_millis.saturating_mul(times).min(self.longest_pause_millis))
    }

    /// How long an event that was put back waits for later ones.
    pub(crate) fn reorder_wait(&self) -> Duration {
        millis(self.reorder_wait_millis)
    }

    /// How long an answer may take.
    pub(crate) fn timeout(&self) -> Duration {
        millis(self.timeout_millis)
    }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis.min(A_YEAR))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let switches = WebhookSwitches::default();
        let millis = |attempts| switches.pause(attempts).as_millis();
        assert_eq!([1, 2, 3, 5, 6, 1000].map(millis), [200, 400, 800, 3200, 5000, 5000]);
    }

    #[test]
    fn the_same_seed_gives_the_same_fates_and_one_switch_leaves_the_others_alone() {
        let fates = |switches: &WebhookSwitches| -> Vec<Fate> {
            let mut chance = StdRng::seed_from_u64(7);
            (0..200).map(|_| switches.fate(&mut chance)).collect()
        };
        let dropping = WebhookSwitches { drop: 0.5, ..WebhookSwitches::default() };
        let both = WebhookSwitches { duplicates: 0.5, reorder: 0.5, delay_max_millis: 9, ..dropping.clone() };
        let (first, second) = (fates(&dropping), fates(&both));
        assert_eq!(first, fates(&dropping));
        let dropped = |fates: &[Fate]| fates.iter().map(|fate| fate.dropped).collect::<Vec<_>>();
        assert_eq!(dropped(&first), dropped(&second));
        let count = first.iter().filter(|fate| fate.dropped).count();
        assert!((50..150).contains(&count), "{count} of 200 were dropped");
        assert!(first.iter().all(|fate| fate.put_back == 0 && fate.duplicate_after.is_none()));
        assert!(
            second.iter().any(|fate| fate.put_back == 10) && second.iter().any(|fate| fate.put_back == 1)
        );
        assert!(second.iter().all(|fate| fate.delay < Duration::from_millis(10)));
        assert!(second.iter().any(|fate| fate.duplicate_after.is_some()));
    }
}
