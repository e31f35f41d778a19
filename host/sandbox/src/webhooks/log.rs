//! The log of webhooks: what became of every delivery, apart from what the receiver sees.
//!
//! Promises: the totals are exact over all deliveries since the start; of single deliveries the newest are
//! kept only, so that memory does not grow with the run.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// How many statuses of one delivery are kept.
const STATUSES: usize = 50;

/// Where a delivery is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WebhookState {
    /// Not yet acknowledged; it will be tried, or tried again.
    Waiting,
    /// Answered with 2xx.
    Acknowledged,
    /// Never sent, as `drop` asked for.
    Dropped,
    /// Tried as often as `attempts` allows.
    GaveUp,
    /// Not sent, or not again, since its subscription is gone.
    Withdrawn,
}

/// One event for one subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Its number, from 0, in the order of the writes. An event that two subscriptions name has two.
    pub number: u64,
    /// Lime's id of the subscription.
    pub subscription: u64,
    /// Such as `person.update`.
    pub event: String,
    /// The limetype of the object.
    pub limetype: String,
    /// The object's id.
    pub object: u64,
    /// What `X-Lime-Delivery-Id` says; nothing for a subscription of version 1.
    pub delivery_id: Option<String>,
    /// See [`WebhookState`].
    pub state: WebhookState,
    /// Attempts that ended, without the duplicate.
    pub attempts: u32,
    /// The HTTP status of each attempt, 0 for no answer: the newest 50.
    pub statuses: Vec<u16>,
    /// The status of the duplicate, when one was sent.
    pub duplicate: Option<u16>,
    /// Milliseconds from the sandbox's start to the write.
    pub raised_millis: u64,
    /// Milliseconds from the sandbox's start to the first 2xx.
    pub acknowledged_millis: Option<u64>,
}

/// Totals over all deliveries. Each one raised is dropped, acknowledged, given up, withdrawn or still
/// waiting or in flight.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookCounters {
    /// Deliveries: events times subscriptions that name them.
    pub raised: u64,
    /// Never sent, as `drop` asked for.
    pub dropped: u64,
    /// Requests that ended, duplicates and retries included.
    pub attempts: u64,
    /// Distinct deliveries that were answered with 2xx.
    pub acknowledged: u64,
    /// Duplicates that were answered with 2xx.
    pub acknowledged_duplicates: u64,
    /// Requests answered otherwise, by status.
    pub refused: BTreeMap<u16, u64>,
    /// Requests without an answer: refused or broken connections, and time-outs.
    pub unanswered: u64,
    /// Tried as often as `attempts` allows.
    pub gave_up: u64,
    /// Not sent, or not again, since the subscription is gone.
    pub withdrawn: u64,
    /// Queued or pausing now, duplicates included.
    pub waiting: u64,
    /// Requests under way now.
    pub in_flight: u64,
}

impl WebhookCounters {
    /// Whether nothing is waiting or in flight.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.waiting == 0 && self.in_flight == 0
    }
}

/// The log.
#[derive(Debug)]
pub(crate) struct Log {
    start: Instant,
    kept: VecDeque<Webhook>,
    keep: usize,
    next: u64,
    totals: WebhookCounters,
}

impl Log {
    pub(crate) fn new(keep: usize) -> Self {
        Self {
            start: Instant::now(),
            kept: VecDeque::new(),
            keep: keep.max(1),
            next: 0,
            totals: WebhookCounters::default(),
        }
    }

    /// Notes a delivery; gives its number.
    pub(crate) fn raised(
        &mut self,
        subscription: u64,
        event: &str,
        limetype: &str,
        object: u64,
        delivery_id: Option<&str>,
    ) -> u64 {
        let number = self.next;
        self.next += 1;
        self.totals.raised += 1;
        if self.kept.len() >= self.keep {
            self.kept.pop_front();
        }
        self.kept.push_back(Webhook {
            number,
            subscription,
            event: event.to_owned(),
            limetype: limetype.to_owned(),
            object,
            delivery_id: delivery_id.map(str::to_owned),
            state: WebhookState::Waiting,
            attempts: 0,
            statuses: Vec::new(),
            duplicate: None,
            raised_millis: self.now(),
            acknowledged_millis: None,
        });
        number
    }

    /// Notes how an attempt ended; 0 for no answer.
    pub(crate) fn attempted(&mut self, number: u64, status: u16, is_duplicate: bool) {
        self.totals.attempts += 1;
        match status {
            0 => self.totals.unanswered += 1,
            200..=299 if is_duplicate => self.totals.acknowledged_duplicates += 1,
            200..=299 => {}
            _ => *self.totals.refused.entry(status).or_default() += 1,
        }
        let Some(kept) = self.kept(number) else { return };
        if is_duplicate {
            kept.duplicate = Some(status);
            return;
        }
        kept.attempts += 1;
        if kept.statuses.len() >= STATUSES {
            kept.statuses.remove(0);
        }
        kept.statuses.push(status);
    }

    /// Notes how a delivery's life ended.
    pub(crate) fn over(&mut self, number: u64, state: WebhookState) {
        let now = self.now();
        match state {
            WebhookState::Waiting => {}
            WebhookState::Acknowledged => self.totals.acknowledged += 1,
            WebhookState::Dropped => self.totals.dropped += 1,
            WebhookState::GaveUp => self.totals.gave_up += 1,
            WebhookState::Withdrawn => self.totals.withdrawn += 1,
        }
        if let Some(kept) = self.kept(number) {
            kept.state = state;
            kept.acknowledged_millis = (state == WebhookState::Acknowledged).then_some(now);
        }
    }

    pub(crate) fn after(&self, number: Option<u64>) -> Vec<Webhook> {
        let newer = |kept: &&Webhook| number.is_none_or(|after| kept.number > after);
        self.kept.iter().filter(newer).cloned().collect()
    }

    pub(crate) fn totals(&self) -> &WebhookCounters {
        &self.totals
    }

    fn kept(&mut self, number: u64) -> Option<&mut Webhook> {
        let first = self.kept.front()?.number;
        self.kept.get_mut(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_hold_all_and_the_log_the_newest() {
        let mut log = Log::new(2);
        for object in 0..3 {
            assert_eq!(log.raised(1, "person.new", "person", object, Some("id")), object);
            log.attempted(object, 503, false);
            log.attempted(object, 0, false);
            log.attempted(object, 204, false);
            log.over(object, WebhookState::Acknowledged);
            log.attempted(object, 200, true);
        }
        let totals = log.totals();
        assert_eq!((totals.raised, totals.attempts, totals.acknowledged), (3, 12, 3));
        assert_eq!((totals.acknowledged_duplicates, totals.unanswered, totals.refused[&503]), (3, 3, 3));
        let kept = log.after(None);
        assert_eq!(kept.iter().map(|kept| kept.object).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((kept[1].attempts, &kept[1].statuses[..]), (3, &[503, 0, 204][..]));
        assert_eq!((kept[1].state, kept[1].duplicate), (WebhookState::Acknowledged, Some(200)));
        assert!(kept[1].acknowledged_millis.is_some());
        assert_eq!(log.after(Some(1)).len(), 1);
    }

    #[test]
    fn a_delivery_that_is_refused_for_long_keeps_its_newest_statuses() {
        let mut log = Log::new(2);
        log.raised(1, "person.new", "person", 1, None);
        for _ in 0..STATUSES {
            log.attempted(0, 500, false);
        }
        log.attempted(0, 0, false);
        let kept = &log.after(None)[0];
        assert_eq!((kept.attempts, kept.statuses.len(), kept.statuses[STATUSES - 1]), (51, STATUSES, 0));
    }
}
