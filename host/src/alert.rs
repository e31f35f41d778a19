//! When somebody is told that an integration needs attention, and that it no longer does. Pure.
//!
//! What is wrong is told once it has lasted for a while, and once: each kind of trouble by itself, so that one that
//! stays does not hide another one that comes. That all is well again is told when it has been for as long. What was
//! decided to be told stays until it has been, or something newer takes its place.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::integration::IntegrationId;
use crate::lane::{Health, LaneStatus};
use crate::run::{Phase, Run, RunKind};

/// A kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// Somebody has to mend credentials, a right or a setting.
    NeedsAttention,
    /// A run or the lane waits until somebody approves.
    Held,
    /// A remote does not answer.
    Waiting,
    /// There are dead letters.
    DeadLetters,
    /// The last run failed.
    RunFailed,
    /// The webhook in the CRM is not as it should be.
    Webhook,
}

/// Why somebody is told: a code and a sentence, neither with personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AlertReason {
    /// Its kind.
    pub trouble: Trouble,
    /// The stable code.
    pub code: String,
    /// What happened, to what, and what to do.
    pub message: String,
}

/// How an integration was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Whose.
    pub integration: IntegrationId,
    /// In one word.
    pub health: Health,
    /// What is wrong; nothing, if nothing is.
    pub reasons: Vec<AlertReason>,
}

impl Seen {
    /// As the store has it. `runs`: the newest ones, the newest first.
    pub fn of(status: &LaneStatus, runs: &[Run]) -> Self {
        let health = status.health();
        let seen = |reasons| Self { integration: status.integration.clone(), health, reasons };
        if !status.enabled {
            return seen(Vec::new());
        }
        let id = &status.integration;
        let mut reasons = Vec::new();
        let mut add = |trouble, code: &str, message: String| {
            reasons.push(AlertReason { trouble, code: code.to_owned(), message });
        };
        if let Some(pause) = &status.pause {
            let trouble = match health {
                Health::Held => Trouble::Held,
                Health::Waiting => Trouble::Waiting,
                _ => Trouble::NeedsAttention,
            };
            add(trouble, &pause.cause.code, pause.cause.message.clone());
        }
        if let Some(held) = runs.iter().find(|run| run.waits()).and_then(|run| run.hold.as_ref()) {
            let todo = format!(
                "Look at it with `sluice sync held {id}`; `sluice sync approve {id}` lets it through"
            );
            add(Trouble::Held, "brake-held", format!("the full sync {held}. {todo}"));
        }
        if status.dead > 0 {
            let message = format!(
                "{} deliveries were given up; `sluice deliveries list {id} --dead` groups them by cause",
                status.dead
            );
            add(Trouble::DeadLetters, "dead-letters", message);
        }
        let last = runs.iter().find(|run| !run.phase.is_active() && run.kind != RunKind::DryRun);
        if let Some(failure) =
            last.filter(|run| run.phase == Phase::Failed).and_then(|run| run.failure.as_ref())
        {
            add(Trouble::RunFailed, &failure.code, failure.message.clone());
        }
        if let Some(failure) = &status.webhook.failure {
            add(Trouble::Webhook, &failure.code, failure.message.clone());
        }
        seen(reasons)
    }
}

/// How long what is wrong must last before it is told, and what is well again.
#[derive(Debug, Clone, Copy)]
pub struct Lasting {
    /// Anything.
    pub any: Duration,
    /// A remote that does not answer.
    pub remote: Duration,
}

impl Lasting {
    fn of(self, trouble: Trouble) -> Duration {
        if trouble == Trouble::Waiting { self.remote } else { self.any }
    }
}

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Something is wrong that was not told before.
    Attention,
    /// Nothing is wrong any more.
    Recovered,
}

/// One alert, as it is posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Alert {
    /// The same each time that it is sent.
    pub id: String,
    /// What is told.
    pub event: Event,
    /// Of which integration.
    pub integration: IntegrationId,
    /// How it is.
    pub health: String,
    /// What is wrong.
    pub reasons: Vec<AlertReason>,
    /// Since when it is so.
    pub since: Timestamp,
    /// When it was decided to tell.
    pub at: Timestamp,
}

/// An alert on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Outgoing {
    /// What is posted.
    pub alert: Alert,
    /// How often that failed.
    pub failures: u32,
    /// When it is posted next.
    pub due: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Known {
    is_there: bool,
    since: Timestamp,
    told: bool,
}

/// What the store keeps of an integration's alerts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct AlertRecord {
    troubles: BTreeMap<Trouble, Known>,
    /// What is to be told.
    pub outgoing: Option<Outgoing>,
}

impl AlertRecord {
    /// Takes in what was found, and decides what is to be told. `id`: for an alert that is decided on.
    pub fn take_in(&mut self, seen: &Seen, lasting: Lasting, now: Timestamp, id: impl FnOnce() -> String) {
        for reason in &seen.reasons {
            let fresh = Known { is_there: true, since: now, told: false };
            let known = self.troubles.entry(reason.trouble).or_insert(fresh);
            if !known.is_there {
                // One that was told, and came back before its end was.
                (known.is_there, known.since) = (true, now);
            }
        }
        for (trouble, known) in &mut self.troubles {
            let is_there = seen.reasons.iter().any(|reason| reason.trouble == *trouble);
            if known.is_there && !is_there {
                (known.is_there, known.since) = (false, now);
            }
        }
        let has_lasted = |known: &Known, long: Duration| {
            Duration::try_from(now.duration_since(known.since)).unwrap_or_default() >= long
        };
        let mut is_new = false;
        for (trouble, known) in &mut self.troubles {
            if known.is_there && !known.told && has_lasted(known, lasting.of(*trouble)) {
                (known.told, is_new) = (true, true);
            }
        }
        let was_told = self.troubles.values().any(|known| known.told);
        let well_since = self.troubles.values().map(|known| known.since).max();
        self.troubles.retain(|_, known| known.is_there || known.told && !has_lasted(known, lasting.any));
        let is_told = self.troubles.values().any(|known| known.told);
        let (event, since) = if is_new {
            let there = self.troubles.values().filter(|known| known.is_there && known.told);
            (Event::Attention, there.map(|known| known.since).min())
        } else if was_told && !is_told {
            (Event::Recovered, well_since)
        } else {
            return;
        };
        let told = |reason: &&AlertReason| self.troubles.get(&reason.trouble).is_some_and(|known| known.told);
        let alert = Alert {
            id: id(),
            event,
            integration: seen.integration.clone(),
            health: word(seen.health),
            reasons: seen.reasons.iter().filter(told).cloned().collect(),
            since: since.unwrap_or(now),
            at: now,
        };
        self.outgoing = Some(Outgoing { alert, failures: 0, due: now });
    }

    /// What is to be posted now.
    pub fn due(&self, now: Timestamp) -> Option<&Alert> {
        self.outgoing.as_ref().filter(|outgoing| outgoing.due <= now).map(|outgoing| &outgoing.alert)
    }

    /// It was posted, or that failed.
    pub fn posted(&mut self, is_taken: bool, now: Timestamp) {
        let Some(outgoing) = &mut self.outgoing else { return };
        if is_taken {
            self.outgoing = None;
            return;
        }
        outgoing.failures = outgoing.failures.saturating_add(1);
        outgoing.due = now.checked_add(again(outgoing.failures)).unwrap_or(now);
    }
}

/// Doubles from a second to ten minutes.
fn again(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.clamp(1, 11).saturating_sub(1)).min(Duration::from_mins(10))
}

fn word(health: Health) -> String {
    let word = serde_json::to_value(health).ok();
    word.and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTING: Lasting = Lasting { any: Duration::from_secs(60), remote: Duration::from_secs(900) };

    struct Story(AlertRecord);

    impl Story {
        /// What is told when these are there at this second.
        fn at(&mut self, second: i64, troubles: &[Trouble]) -> Option<(Event, usize)> {
            let reason = |trouble: &Trouble| AlertReason {
                trouble: *trouble,
                code: "a-code".into(),
                message: "a sentence".into(),
            };
            let seen = Seen {
                integration: IntegrationId("acme".into()),
                health: Health::NeedsAttention,
                reasons: troubles.iter().map(reason).collect(),
            };
            let now = Timestamp::from_second(second).unwrap();
            self.0.take_in(&seen, LASTING, now, || second.to_string());
            let told = self.0.due(now).map(|alert| (alert.event, alert.reasons.len()));
            self.0.posted(true, now);
            told
        }
    }

    #[test]
    fn what_lasts_is_told_once_and_so_is_its_end() {
        let mut story = Story(AlertRecord::default());
        let bad = &[Trouble::NeedsAttention];
        assert_eq!(story.at(0, bad), None);
        assert_eq!(story.at(59, bad), None);
        assert_eq!(story.at(60, bad), Some((Event::Attention, 1)));
        assert_eq!(story.at(500, bad), None);
        assert_eq!(story.at(501, &[]), None);
        assert_eq!(story.at(530, bad), None, "it came back before its end was told");
        assert_eq!(story.at(600, bad), None);
        assert_eq!(story.at(601, &[]), None);
        assert_eq!(story.at(661, &[]), Some((Event::Recovered, 0)));
        assert_eq!(story.at(900, &[]), None);
        assert_eq!(story.0, AlertRecord::default());
    }

    #[test]
    fn what_passes_soon_is_not_told() {
        let mut story = Story(AlertRecord::default());
        assert_eq!(story.at(0, &[Trouble::RunFailed]), None);
        assert_eq!(story.at(59, &[]), None);
        assert_eq!(story.at(300, &[]), None);
        assert_eq!(story.at(301, &[Trouble::Waiting]), None);
        assert_eq!(story.at(1200, &[Trouble::Waiting]), None);
        assert_eq!(story.at(1201, &[Trouble::Waiting]), Some((Event::Attention, 1)));
    }

    #[test]
    fn another_trouble_is_told_beside_one_that_stays() {
        let mut story = Story(AlertRecord::default());
        let (dead, both) = (&[Trouble::DeadLetters][..], &[Trouble::DeadLetters, Trouble::Held][..]);
        story.at(0, dead);
        assert_eq!(story.at(60, dead), Some((Event::Attention, 1)));
        assert_eq!(story.at(100, both), None);
        assert_eq!(story.at(160, both), Some((Event::Attention, 2)));
        assert_eq!(story.at(200, dead), None);
        assert_eq!(story.at(260, dead), None, "one of both is still there");
        story.at(300, both);
        assert_eq!(story.at(360, both), Some((Event::Attention, 2)), "it came anew");
    }

    #[test]
    fn what_is_not_taken_is_posted_again_with_growing_pauses() {
        let mut record = AlertRecord::default();
        let seen = Seen {
            integration: IntegrationId("acme".into()),
            health: Health::Held,
            reasons: vec![AlertReason { trouble: Trouble::Held, code: "x-y".into(), message: String::new() }],
        };
        let at = |second| Timestamp::from_second(second).unwrap();
        let at_once = Lasting { any: Duration::ZERO, remote: Duration::ZERO };
        record.take_in(&seen, at_once, at(0), || "1".into());
        record.posted(false, at(0));
        assert!(record.due(at(0)).is_none() && record.due(at(1)).is_some());
        record.posted(false, at(1));
        assert!(record.due(at(2)).is_none() && record.due(at(3)).is_some());
        assert_eq!(again(40), Duration::from_mins(10));
        // Its end takes its place.
        record.take_in(&Seen { reasons: Vec::new(), ..seen }, at_once, at(4), || "2".into());
        assert_eq!(record.due(at(4)).unwrap().event, Event::Recovered);
        let kept: AlertRecord = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
        assert_eq!(kept, record);
    }
}
