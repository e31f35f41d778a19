//! A CRM that fails in one way, whatever it is asked; and what was seen of a connector meanwhile.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::replay::Replay;
use crate::connector::{Answered, Asked, StandIn, Unanswered};

/// One way to fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Every request is answered with this status, and a header.
    Status(u16, Option<(&'static str, &'static str)>),
    /// There is no connection.
    Connect,
    /// There is no answer in time.
    Timeout,
    /// Every good answer is cut in the middle.
    Cut,
    /// Every good answer is a page for people.
    Html,
    /// Every good answer is empty.
    Empty,
    /// Every good answer holds bytes that are no text.
    NoText,
    /// Every good answer is a list in a list in a list, without end.
    Deep,
    /// Every good answer is JSON of another form.
    OtherForm,
}

impl Fault {
    /// What the CRM does, in words.
    pub fn words(&self) -> String {
        match self {
            Self::Status(status, None) => format!("answers {status}"),
            Self::Status(status, Some((name, value))) => format!("answers {status} with {name}: {value}"),
            Self::Connect => "cannot be reached".to_owned(),
            Self::Timeout => "does not answer in time".to_owned(),
            Self::Cut => "breaks off in the middle of its answer".to_owned(),
            Self::Html => "answers with a page of HTML".to_owned(),
            Self::Empty => "answers with nothing".to_owned(),
            Self::NoText => "answers with bytes that are no text".to_owned(),
            Self::Deep => "answers with lists in lists, 100,000 deep".to_owned(),
            Self::OtherForm => "answers with JSON of another form".to_owned(),
        }
    }

    /// What takes the place of any answer.
    fn instead(&self) -> Option<Result<Answered, Unanswered>> {
        match self {
            Self::Status(status, header) => Some(Ok(Answered {
                status: *status,
                headers: header
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
                body: b"{\"message\": \"no\"}".to_vec(),
            })),
            Self::Connect => Some(Err(Unanswered::Connect)),
            Self::Timeout => Some(Err(Unanswered::Timeout)),
            _ => None,
        }
    }

    fn spoil(&self, mut answered: Answered) -> Answered {
        if !(200..300).contains(&answered.status) {
            return answered;
        }
        match self {
            Self::Cut => answered.body.truncate(answered.body.len() / 2),
            Self::Html => answered.body = b"<!doctype html><title>Down for maintenance</title>".to_vec(),
            Self::Empty => answered.body.clear(),
            Self::NoText => answered.body = vec![0xff, 0xfe, 0x00, 0xc3, 0x28],
            Self::Deep => answered.body = [b"[".repeat(100_000), b"]".repeat(100_000)].concat(),
            Self::OtherForm => {
                answered.body = b"{\"unexpected\": [{\"nothing\": null}, 17, \"text\"]}".to_vec()
            }
            Self::Status(..) | Self::Connect | Self::Timeout => {}
        }
        answered
    }
}

/// What was seen of a connector.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Lines that it wrote.
    pub lines: Vec<String>,
    /// Why the host refused requests.
    pub refused: Vec<String>,
    /// The most memory of a call, in bytes.
    pub memory: usize,
    /// The longest call.
    pub longest: Duration,
}

/// Stands between a connector and a CRM that fails, or does not.
pub struct Watch {
    fault: Option<Fault>,
    /// What answers in the CRM's place.
    replay: Option<Arc<Replay>>,
    asked: AtomicU64,
    seen: Mutex<Seen>,
}

impl Watch {
    /// With this fault; `replay` answers in the CRM's place.
    pub fn new(fault: Option<Fault>, replay: Option<Arc<Replay>>) -> Arc<Self> {
        Arc::new(Self { fault, replay, asked: AtomicU64::new(0), seen: Mutex::default() })
    }

    /// Requests so far.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn spoiled(&self, answered: Answered) -> Answered {
        match &self.fault {
            Some(fault) => fault.spoil(answered),
            None => answered,
        }
    }
}

impl StandIn for Watch {
    fn answer(&self, asked: &Asked) -> Option<Result<Answered, Unanswered>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if let Some(instead) = self.fault.as_ref().and_then(Fault::instead) {
            return Some(instead);
        }
        let replay = self.replay.as_ref()?;
        Some(replay.reply(asked).map(|answered| self.spoiled(answered)))
    }

    fn answered(&self, _: &Asked, answered: Answered) -> Answered {
        self.spoiled(answered)
    }

    fn refused(&self, why: &str) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).refused.push(why.to_owned());
    }

    fn wrote(&self, line: &str) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).lines.push(line.to_owned());
    }

    fn ended(&self, _: &'static str, memory: usize, took: Duration) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.memory = seen.memory.max(memory);
        seen.longest = seen.longest.max(took);
    }
}
