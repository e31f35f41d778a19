//! One call of a connector as a file says it, and what came of it as JSON.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::change::Delivery;
use crate::connector::{CallError, Connection, Members, SaidKind};
use crate::contact::{ContactId, Cursor, Page};
use crate::error::ErrorCode;

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Question {
    /// Whether settings and credentials work.
    Check,
    /// The fields.
    ListFields,
    /// The consent types.
    ListConsents,
    /// Pages of all contacts.
    Scan {
        /// At most so many contacts a page.
        limit: u32,
        /// So many pages; left out: to the last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pages: Option<u32>,
    },
    /// Pages of the contacts that changed.
    ScanChanged {
        /// Since when.
        since: Timestamp,
        /// At most so many contacts a page.
        limit: u32,
        /// So many pages; left out: to the last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pages: Option<u32>,
    },
    /// Contacts by id.
    Get {
        /// Which.
        ids: Vec<String>,
    },
    /// Whether the CRM sent `delivery.http`.
    Verify,
    /// What `delivery.http` says.
    Receive,
    /// Asks the CRM to send its changes.
    Subscribe {
        /// Where to.
        url: String,
    },
    /// Asks it to send no more.
    Unsubscribe {
        /// The CRM's id for it.
        id: String,
    },
    /// The CRM's lists of people.
    ListOverviews,
    /// Pages of a list's members.
    ReadMembers {
        /// Which list.
        overview: String,
        /// At most so many members a page.
        limit: u32,
        /// So many pages; left out: to the last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pages: Option<u32>,
    },
    /// Pages of the contacts that show another record's values.
    ContactsOf {
        /// The record: `company 1215`.
        subject: String,
        /// At most so many contacts a page.
        limit: u32,
        /// So many pages; left out: to the last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pages: Option<u32>,
    },
}

impl Question {
    /// Whether it is about a delivery.
    pub fn has_delivery(&self) -> bool {
        matches!(self, Self::Verify | Self::Receive)
    }
}

/// What came of a call, as JSON: `{"answer": …}` or `{"error": {"kind": …, "message": …}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It answered.
    Answer(Json),
    /// It did not.
    Error(Json),
}

/// More pages than this are none: a connector whose pages do not end is stopped here.
pub const MOST_PAGES: u32 = 10_000;

/// Asks a connector; `delivery` is what `verify` and `receive` are about.
pub async fn ask(connection: &Connection, question: &Question, delivery: &Delivery) -> Answer {
    match answer(connection, question, delivery).await {
        Ok(answer) => Answer::Answer(answer),
        Err(error) => Answer::Error(told(&error)),
    }
}

async fn answer(
    connection: &Connection,
    question: &Question,
    delivery: &Delivery,
) -> Result<Json, CallError> {
    Ok(match question {
        Question::Check => json!(connection.check().await?),
        Question::ListFields => json!(connection.list_fields().await?),
        Question::ListConsents => json!(connection.list_consents().await?),
        Question::Scan { limit, pages } => {
            paged(*pages, async |after| Ok(of_page(connection.scan(after.as_ref(), *limit).await?))).await?
        }
        Question::ScanChanged { since, limit, pages } => {
            let page = async |after: Option<Cursor>| {
                Ok(of_page(connection.scan_changed(*since, after.as_ref(), *limit).await?))
            };
            paged(*pages, page).await?
        }
        Question::Get { ids } => {
            let ids: Vec<ContactId> = ids.iter().cloned().map(ContactId).collect();
            json!(connection.get(&ids).await?)
        }
        Question::Verify => {
            let proof = connection.verify(delivery).await?;
            json!({ "id": proof.id, "sent-at": proof.sent_at })
        }
        Question::Receive => json!(connection.receive(delivery).await?),
        Question::Subscribe { url } => json!(connection.subscribe(url).await?),
        Question::Unsubscribe { id } => json!(connection.unsubscribe(id).await?),
        Question::ListOverviews => {
            let overviews = connection.list_overviews().await?;
            let all = overviews.iter().map(|one| json!({ "id": one.id, "name": one.name, "size": one.size }));
            all.collect()
        }
        Question::ReadMembers { overview, limit, pages } => {
            let page = async |after: Option<Cursor>| {
                Ok(of_members(connection.read_members(overview, after.as_ref(), *limit).await?))
            };
            paged(*pages, page).await?
        }
        Question::ContactsOf { subject, limit, pages } => {
            let page = async |after: Option<Cursor>| {
                Ok(of_members(connection.contacts_of(subject, after.as_ref(), *limit).await?))
            };
            paged(*pages, page).await?
        }
    })
}

/// Reads page after page: `{"pages": […], "ends": true}`.
async fn paged(
    pages: Option<u32>,
    page: impl AsyncFn(Option<Cursor>) -> Result<(Json, Option<Cursor>), CallError>,
) -> Result<Json, CallError> {
    let mut read = Vec::new();
    let mut after = None;
    for _ in 0..pages.unwrap_or(MOST_PAGES) {
        let (told, next) = page(after.take()).await?;
        read.push(told);
        after = next;
        if after.is_none() {
            break;
        }
    }
    Ok(json!({ "pages": read, "ends": after.is_none() }))
}

fn of_page(page: Page) -> (Json, Option<Cursor>) {
    let told = json!({ "contacts": page.contacts, "discarded": page.discarded, "total": page.total });
    (told, page.next)
}

fn of_members(members: Members) -> (Json, Option<Cursor>) {
    (json!({ "contacts": members.contacts }), members.next)
}

fn told(error: &CallError) -> Json {
    match error {
        CallError::Said { kind, message, retry_after, .. } => {
            let mut told = json!({ "kind": kind_name(*kind), "message": message });
            if let (Some(wait), Some(told)) = (retry_after, told.as_object_mut()) {
                told.insert("retry-after-ms".to_owned(), json!(wait.as_millis()));
            }
            told
        }
        other => json!({ "kind": other.code(), "message": other.to_string() }),
    }
}

/// A kind as the contract names it.
pub fn kind_name(kind: SaidKind) -> &'static str {
    match kind {
        SaidKind::Unauthorized => "unauthorized",
        SaidKind::Misconfigured => "misconfigured",
        SaidKind::RateLimited => "rate-limited",
        SaidKind::Unavailable => "unavailable",
        SaidKind::CursorExpired => "cursor-expired",
        SaidKind::Malformed => "malformed",
        SaidKind::Unsupported => "unsupported",
        SaidKind::Other => "other",
    }
}

/// Where two answers differ, a line for each place; nothing: they are equal. The message of an error may be left out of
/// what is expected.
pub fn differences(expected: &Answer, found: &Answer) -> Vec<String> {
    let mut lines = Vec::new();
    match (expected, found) {
        (Answer::Answer(expected), Answer::Answer(found)) => compare("", expected, found, &mut lines),
        (Answer::Error(expected), Answer::Error(found)) => {
            let mut found = found.clone();
            if let Some(found) = found.as_object_mut().filter(|_| expected.get("message").is_none()) {
                found.remove("message");
            }
            compare("", expected, &found, &mut lines);
        }
        (Answer::Answer(_), Answer::Error(error)) => {
            lines.push(format!("an answer was expected, and it ended with {error}"));
        }
        (Answer::Error(error), Answer::Answer(_)) => {
            lines.push(format!("{error} was expected, and it answered"));
        }
    }
    lines
}

/// Differences that are listed; the first say enough.
const LISTED: usize = 50;

fn compare(place: &str, expected: &Json, found: &Json, lines: &mut Vec<String>) {
    if expected == found || lines.len() >= LISTED {
        return;
    }
    match (expected, found) {
        (Json::Object(expected), Json::Object(found)) => {
            for (name, value) in expected {
                let place = format!("{place}/{name}");
                match found.get(name) {
                    Some(other) => compare(&place, value, other, lines),
                    None => lines.push(format!("{place}: {value} was expected, and there is nothing")),
                }
            }
            for (name, value) in found.iter().filter(|(name, _)| !expected.contains_key(*name)) {
                lines.push(format!("{place}/{name}: nothing was expected, and there is {value}"));
            }
        }
        (Json::Array(expected), Json::Array(found)) => {
            if expected.len() != found.len() {
                lines.push(format!(
                    "{place}: {} were expected, and there are {}",
                    expected.len(),
                    found.len()
                ));
            }
            for (at, (expected, found)) in expected.iter().zip(found).enumerate() {
                compare(&format!("{place}/{at}"), expected, found, lines);
            }
        }
        _ => lines.push(format!("{place}: {expected} was expected, and it is {found}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_and_written() {
        let scan: Question = toml::from_str("call = \"scan\"\nlimit = 10").unwrap();
        assert_eq!(scan, Question::Scan { limit: 10, pages: None });
        assert_eq!(toml::to_string(&scan).unwrap(), "call = \"scan\"\nlimit = 10\n");
        assert!(toml::from_str::<Question>("call = \"scan\"\nlimit = 10\nlimits = 3").is_err());
        assert!(toml::from_str::<Question>("call = \"dance\"").is_err());
    }

    #[test]
    fn differences_name_their_places() {
        let expected = Answer::Answer(json!([{ "id": "1", "fields": { "a": 1 } }, { "id": "2" }]));
        let found = Answer::Answer(json!([{ "id": "1", "fields": { "a": 2, "b": 3 } }]));
        assert_eq!(
            differences(&expected, &found),
            [
                ": 2 were expected, and there are 1",
                "/0/fields/a: 1 was expected, and it is 2",
                "/0/fields/b: nothing was expected, and there is 3",
            ]
        );
        assert!(differences(&expected, &expected).is_empty());
    }

    #[test]
    fn an_errors_message_may_be_left_open() {
        let found = Answer::Error(json!({ "kind": "unauthorized", "message": "no" }));
        assert!(differences(&Answer::Error(json!({ "kind": "unauthorized" })), &found).is_empty());
        assert_eq!(
            differences(&Answer::Error(json!({ "kind": "unavailable" })), &found),
            ["/kind: \"unavailable\" was expected, and it is \"unauthorized\""]
        );
        assert_eq!(differences(&Answer::Answer(json!([])), &found).len(), 1);
    }
}
