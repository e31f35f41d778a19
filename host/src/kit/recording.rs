//! `sluice connector record`: asks a connector all that it can be asked, and writes down what it asked the CRM, without
//! people and secrets.
//!
//! What has to come of each case is not what came of the real answers, but what comes of the scrubbed ones: so that a
//! recording is known to be played back before anybody relies on it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::Value as Json;

use super::fixture::{Case, Exchange, Fixtures, Reply, stand_in_secret};
use super::question::{Answer, Question, ask};
use super::scrub::Scrubber;
use super::testing::run_one;
use super::{KitError, Setting};
use crate::change::Delivery;
use crate::connector::{Answered, Asked, Connector, StandIn, Unanswered};
use crate::contact::Value;

/// How much is recorded, and what is kept.
#[derive(Debug, Clone)]
pub struct Wishes {
    /// At most so many contacts a page.
    pub limit: u32,
    /// So many pages of each scan.
    pub pages: u32,
    /// Words that are nobody's and stay as they are.
    pub keep: Vec<String>,
    /// Since when `scan-changed` is asked.
    pub since: Timestamp,
}

/// What was recorded of one case.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Its name.
    pub case: String,
    /// Requests to the CRM.
    pub requests: usize,
    /// Why it has no answer, if it has none.
    pub error: Option<String>,
}

/// Looks on, and writes down.
#[derive(Default)]
struct Recorder(Mutex<Vec<Exchange>>);

impl StandIn for Recorder {
    fn answer(&self, _: &Asked) -> Option<Result<Answered, Unanswered>> {
        None
    }

    fn answered(&self, asked: &Asked, answered: Answered) -> Answered {
        let exchange = Exchange { asked: asked.clone(), reply: Reply::Answer(answered.clone()) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(exchange);
        answered
    }
}

/// One call that was made, as it was answered.
struct Made {
    name: &'static str,
    question: Question,
    exchanges: Vec<Exchange>,
    answer: Answer,
}

/// Records into a folder.
///
/// # Errors
/// The connector cannot be opened; a file cannot be written; what was recorded cannot be played back.
pub async fn record(
    connector: &Connector,
    setting: &Setting,
    folder: &Path,
    wishes: &Wishes,
) -> Result<Vec<Recorded>, KitError> {
    let made = ask_all(connector, setting, wishes).await?;
    let mut scrubber = Scrubber::new(kept_words(connector, setting, &made, &wishes.keep));
    let values: Vec<String> = made.iter().flat_map(|made| personal_values(&made.answer)).collect();
    std::fs::create_dir_all(folder).map_err(|error| KitError::file(folder, error))?;
    let mut recorded = Vec::new();
    let replayed = scrubbed_setting(setting);
    Fixtures::write_setting(folder, &replayed)?;
    for made in made {
        let scrubbed = made.exchanges.iter().map(|exchange| scrubber.exchange(exchange, &values));
        let exchanges = scrubbed.enumerate().map(|(at, exchange)| (format!("{:02}.http", at + 1), exchange));
        let mut case = Case {
            name: made.name.to_owned(),
            question: made.question,
            delivery: nothing(),
            exchanges: exchanges.collect(),
            expected: None,
        };
        let played = run_one(connector, &replayed, &case).await?;
        if let Some(unmatched) = played.faults.iter().find(|fault| fault.starts_with("it asked for")) {
            return Err(KitError::NotReplayed(format!(
                "the recording of {} cannot be played back: with what is made up in place of people, {unmatched}. If the \
                 connector goes by a word that is nobody's, name it with --keep",
                made.name
            )));
        }
        let error = match &played.found {
            Answer::Answer(_) => None,
            Answer::Error(error) => Some(error.to_string()),
        };
        recorded.push(Recorded { case: case.name.clone(), requests: case.exchanges.len(), error });
        case.expected = Some(played.found);
        case.write(folder)?;
    }
    Ok(recorded)
}

/// The same with secrets that are none.
fn scrubbed_setting(setting: &Setting) -> Setting {
    let secrets = setting.secrets.keys().map(|name| (name.clone(), stand_in_secret(name).into()));
    Setting { secrets: secrets.collect(), ..setting.clone() }
}

fn nothing() -> Delivery {
    Delivery { headers: Vec::new(), query: String::new(), body: Vec::new() }
}

async fn ask_all(connector: &Connector, setting: &Setting, wishes: &Wishes) -> Result<Vec<Made>, KitError> {
    let Wishes { limit, pages, since, .. } = *wishes;
    let pages = Some(pages);
    let mut made = Vec::new();
    for (name, question) in [
        ("check", Question::Check),
        ("fields", Question::ListFields),
        ("consents", Question::ListConsents),
        ("scan", Question::Scan { limit, pages }),
        ("changed", Question::ScanChanged { since, limit, pages }),
    ] {
        made.push(ask_one(connector, setting, name, question).await?);
    }
    let scanned =
        made.iter().find(|made| made.name == "scan").map(|made| ids(&made.answer)).unwrap_or_default();
    let mut some: Vec<String> = scanned.into_iter().take(3).collect();
    some.push("999999999".to_owned());
    made.push(ask_one(connector, setting, "some", Question::Get { ids: some }).await?);
    if connector.exports().overviews {
        made.push(ask_one(connector, setting, "overviews", Question::ListOverviews).await?);
        let first = made.last().and_then(|made| match &made.answer {
            Answer::Answer(list) => list.pointer("/0/id").and_then(Json::as_str).map(str::to_owned),
            Answer::Error(_) => None,
        });
        if let Some(overview) = first {
            made.push(
                ask_one(connector, setting, "members", Question::ReadMembers { overview, limit, pages })
                    .await?,
            );
        }
    }
    Ok(made)
}

async fn ask_one(
    connector: &Connector,
    setting: &Setting,
    name: &'static str,
    question: Question,
) -> Result<Made, KitError> {
    let recorder = Arc::new(Recorder::default());
    let connection = setting.open(connector, recorder.clone())?;
    let answer = ask(&connection, &question, &nothing()).await;
    let exchanges = std::mem::take(&mut *recorder.0.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Made { name, question, exchanges, answer })
}

/// The contacts of all pages.
fn contacts(answer: &Answer) -> impl Iterator<Item = &Json> {
    let pages = match answer {
        Answer::Answer(answer) => answer.get("pages").and_then(Json::as_array),
        Answer::Error(_) => None,
    };
    pages.into_iter().flatten().filter_map(|page| page.get("contacts").and_then(Json::as_array)).flatten()
}

fn ids(answer: &Answer) -> Vec<String> {
    contacts(answer)
        .filter_map(|contact| contact.get("id").and_then(Json::as_str).map(str::to_owned))
        .collect()
}

/// What contacts hold as text: it is theirs wherever it is found.
fn personal_values(answer: &Answer) -> Vec<String> {
    let fields =
        contacts(answer).filter_map(|contact| contact.get("fields").and_then(Json::as_object)).flatten();
    let values = fields.filter_map(|(_, value)| match serde_json::from_value(value.clone()) {
        Ok(Value::Text(text) | Value::Json(text)) => Some(text),
        _ => None,
    });
    values.collect()
}

/// Words that are nobody's: what things are called, ids, and what the settings say.
fn kept_words(connector: &Connector, setting: &Setting, made: &[Made], keep: &[String]) -> Vec<String> {
    let mut words: BTreeSet<String> = keep.iter().cloned().collect();
    words.extend(setting.settings.values().filter_map(Json::as_str).map(str::to_owned));
    let description = connector.description();
    words.extend([description.id_field.clone(), description.email_field.clone()]);
    let personal: BTreeSet<String> = made.iter().flat_map(|made| personal_values(&made.answer)).collect();
    for made in made {
        words.extend(ids(&made.answer));
        let names_things =
            matches!(made.question, Question::ListFields | Question::ListConsents | Question::ListOverviews);
        if !names_things {
            continue;
        }
        if let Answer::Answer(answer) = &made.answer {
            collect_words(answer, &mut words);
        }
        let mut behind = BTreeSet::new();
        for exchange in &made.exchanges {
            if let Reply::Answer(answered) = &exchange.reply
                && let Ok(json) = serde_json::from_slice(&answered.body)
            {
                collect_words(&json, &mut behind);
            }
        }
        words.extend(behind.into_iter().filter(|word| !personal.contains(word)));
    }
    // Whatever it is in, an address is somebody's; what logs in is secret.
    words.retain(|word| !word.contains('@') && !is_token(word));
    words.into_iter().collect()
}

/// What could be a token: long, without a space, and with digits.
fn is_token(word: &str) -> bool {
    word.len() >= 20 && !word.contains(char::is_whitespace) && word.contains(|c: char| c.is_ascii_digit())
}

fn collect_words(json: &Json, words: &mut BTreeSet<String>) {
    match json {
        Json::String(text) => {
            words.insert(text.trim().to_owned());
        }
        Json::Array(all) => all.iter().for_each(|one| collect_words(one, words)),
        Json::Object(all) => all.values().for_each(|one| collect_words(one, words)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}
