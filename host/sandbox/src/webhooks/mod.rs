//! Sending webhooks: what the simulated Lime CRM has raised is queued, one queue for each subscription, and
//! posted until it is acknowledged.
//!
//! Promises: a delivery is numbered and its body fixed at the moment of the write, so that a late one tells
//! of an old state; each ends in exactly one state, and the totals say so; a retry carries the id and the
//! time of the first attempt. Where a delivery goes is the subscription as it is at each attempt, and as it
//! last was once it is gone (inferred). What an event says is left to `lime::event`, and when it is raised
//! to `lime`.

mod line;
mod log;
mod sender;
mod signature;
mod switches;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::sync::Notify;

pub use log::{Webhook, WebhookCounters, WebhookState};
pub(crate) use sender::{client, send};
pub use switches::{ChildrenUpdate, WebhookSwitches};

use crate::lime::{Event, Subscription};
use crate::lock::held;
use line::{Delivery, Line, Target};
use log::Log;

/// All queues of one sandbox.
#[derive(Debug)]
pub(crate) struct Webhooks {
    state: Mutex<State>,
    /// Told when there may be something to send.
    work: Notify,
    /// Told when anything changes.
    news: Notify,
}

#[derive(Debug)]
struct State {
    switches: WebhookSwitches,
    chance: StdRng,
    lines: BTreeMap<u64, Line>,
    log: Log,
}

/// One attempt to be made.
#[derive(Debug)]
struct Attempt {
    subscription: u64,
    target: Arc<Target>,
    delivery: Delivery,
    /// Unix seconds of the delivery's first attempt.
    seconds: i64,
    timeout: Duration,
}

impl Webhooks {
    pub(crate) fn new(switches: WebhookSwitches, keep: usize) -> Self {
        let chance = StdRng::seed_from_u64(switches.seed);
        let state = State { switches, chance, lines: BTreeMap::new(), log: Log::new(keep) };
        Self { state: Mutex::new(state), work: Notify::new(), news: Notify::new() }
    }

    pub(crate) fn switches(&self) -> WebhookSwitches {
        held(&self.state).switches.clone()
    }

    pub(crate) fn set_switches(&self, switches: WebhookSwitches) {
        let mut state = held(&self.state);
        if state.switches.seed != switches.seed {
            state.chance = StdRng::seed_from_u64(switches.seed);
        }
        state.switches = switches;
        drop(state);
        self.tell();
    }

    /// Takes note of the subscriptions as they are now.
    pub(crate) fn follow(&self, subscriptions: &[Subscription]) {
        let mut state = held(&self.state);
        for line in state.lines.values_mut() {
            line.gone = true;
        }
        for subscription in subscriptions {
            let target = Arc::new(Target {
                url: subscription.target_url.clone(),
                secret: subscription.secret.clone(),
                version_2: subscription.signature_version == Some("v2"),
            });
            let line = state.lines.entry(subscription.id).or_insert_with(|| Line::new(target.clone()));
            line.target = target;
            line.gone = !subscription.enabled;
        }
        drop(state);
        self.tell();
    }

    /// Queues an event for the subscriptions that name it.
    pub(crate) fn raise(&self, subscriptions: &[u64], event: &Event) {
        let now = Instant::now();
        let mut state = held(&self.state);
        let State { switches, chance, lines, log } = &mut *state;
        for subscription in subscriptions {
            let Some(line) = lines.get_mut(subscription) else { continue };
            let fate = switches.fate(chance);
            // Not by the seed: a receiver may remember ids for longer than this sandbox lives.
            let id = uuid::Builder::from_random_bytes(rand::random()).into_uuid().to_string();
            let known_by = line.target.version_2.then_some(id.as_str());
            let number = log.raised(*subscription, &event.name, event.limetype, event.object, known_by);
            if fate.dropped {
                log.over(number, WebhookState::Dropped);
            } else {
                line.push(now, switches.delays_keep_order, fate, number, id, event.body.clone());
            }
        }
        drop(state);
        self.tell();
    }

    /// The attempts to be made now, and when to ask again though nothing has happened.
    fn take(&self) -> (Vec<Attempt>, Option<Instant>) {
        let now = Instant::now();
        let mut state = held(&self.state);
        let State { switches, lines, log, .. } = &mut *state;
        if !switches.send_after_unsubscribe {
            for line in lines.values_mut().filter(|line| line.gone) {
                withdraw(line, log);
            }
        }
        lines.retain(|_, line| !line.gone || line.waiting() + line.in_flight() > 0);
        let mut attempts = Vec::new();
        let mut wakes = None;
        if !switches.paused {
            for (subscription, line) in lines.iter_mut() {
                while let Some(mut delivery) = line.next(now, switches) {
                    let seconds = *delivery.first_attempt.get_or_insert_with(|| Timestamp::now().as_second());
                    attempts.push(Attempt {
                        subscription: *subscription,
                        target: line.target.clone(),
                        delivery,
                        seconds,
                        timeout: switches.timeout(),
                    });
                }
                wakes = wakes.into_iter().chain(line.wakes(now)).min();
            }
        }
        drop(state);
        self.news.notify_waiters();
        (attempts, wakes)
    }

    /// An attempt has ended with this HTTP status, 0 for no answer.
    fn ended(&self, attempt: Attempt, status: u16) {
        let now = Instant::now();
        let mut state = held(&self.state);
        let State { switches, lines, log, .. } = &mut *state;
        let Attempt { subscription, mut delivery, .. } = attempt;
        log.attempted(delivery.number, status, delivery.is_duplicate);
        if let Some(line) = lines.get_mut(&subscription) {
            line.came_back();
            if delivery.is_duplicate {
                // Tried once, however that ends.
            } else if (200..300).contains(&status) {
                log.over(delivery.number, WebhookState::Acknowledged);
                if let Some(after) = delivery.duplicate_after.take() {
                    delivery.is_duplicate = true;
                    line.repeat(now + after, delivery);
                }
            } else {
                delivery.attempts = delivery.attempts.saturating_add(1);
                if switches.attempts > 0 && delivery.attempts >= switches.attempts {
                    log.over(delivery.number, WebhookState::GaveUp);
                } else {
                    line.retry(now + switches.pause(delivery.attempts), delivery);
                }
            }
        }
        drop(state);
        self.tell();
    }

    pub(crate) fn after(&self, number: Option<u64>) -> Vec<Webhook> {
        held(&self.state).log.after(number)
    }

    pub(crate) fn counters(&self) -> WebhookCounters {
        let state = held(&self.state);
        let sum = |of: fn(&Line) -> usize| {
            state.lines.values().map(of).map(|count| u64::try_from(count).unwrap_or(u64::MAX)).sum()
        };
        let (waiting, in_flight) = (sum(Line::waiting), sum(Line::in_flight));
        WebhookCounters { waiting, in_flight, ..state.log.totals().clone() }
    }

    /// Waits until the counters are as wished for; gives them.
    pub(crate) async fn until(&self, reached: impl Fn(&WebhookCounters) -> bool) -> WebhookCounters {
        loop {
            // Before looking: what happens from now on is told, waited for or not.
            let news = self.news.notified();
            let counters = self.counters();
            if reached(&counters) {
                return counters;
            }
            news.await;
        }
    }

    fn tell(&self) {
        self.work.notify_one();
        self.news.notify_waiters();
    }
}

fn withdraw(line: &mut Line, log: &mut Log) {
    for delivery in line.withdraw() {
        if !delivery.is_duplicate {
            log.over(delivery.number, WebhookState::Withdrawn);
        }
    }
}
