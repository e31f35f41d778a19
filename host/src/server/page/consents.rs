//! Consent mappings: one CRM consent, or one yes/no field, to one subscription on one channel a row.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use hyper::StatusCode;
use hyper::header::HeaderMap;

use super::conditions::revision;
use super::door::Who;
use super::fields::silent;
use super::form::{Sent, SentRow};
use super::frame::{Frame, Tab, html};
use super::integrations::Done;
use super::status::{Open, open};
use super::{Answer, Page, go_to, is_htmx, texts as t};
use crate::admin::{Admin, RulesChange};
use crate::contact::{Channel, ConsentInfo, FieldInfo, FieldType};
use crate::error::Failure;
use crate::integration::{ConsentRow, Integration, IntegrationId};
use crate::store::StoreError;
use crate::sync::Sides;

const CHANNELS: [(Channel, &str, &str); 2] =
    [(Channel::Email, "email", t::EMAIL), (Channel::Sms, "sms", t::SMS)];

/// A subscription that can be chosen.
struct Topic {
    id: String,
    name: String,
}

struct Row {
    /// `consent:1001` or `field:newsletter`.
    source: String,
    topic: String,
    channel: Channel,
    trouble: Option<String>,
    hint: Option<String>,
}

/// What of the mappings moves while they are written.
#[derive(Template)]
#[template(path = "consents_editor.html")]
struct Editor {
    rows: Vec<Row>,
    consents: Vec<ConsentInfo>,
    fields: Vec<FieldInfo>,
    topics: Vec<Topic>,
    /// APSIS One answered, and has none.
    has_none: bool,
    at: String,
    may_edit: bool,
}

impl Editor {
    fn is_source(&self, source: &str) -> bool {
        self.consents.iter().any(|one| source == format!("consent:{}", one.name))
            || self.fields.iter().any(|one| source == format!("field:{}", one.name))
    }

    fn is_topic(&self, topic: &str) -> bool {
        self.topics.iter().any(|one| one.id == topic)
    }
}

#[derive(Template)]
#[template(path = "consents.html")]
struct Consents {
    frame: Frame,
    editor: Editor,
    revision: i64,
    failure: Option<Failure>,
    silent: Vec<String>,
}

fn read(row: &SentRow) -> ConsentRow {
    let (kind, name) = row.text("source").split_once(':').unwrap_or(("", ""));
    let named = |wanted: &str| (kind == wanted && !name.is_empty()).then(|| name.to_owned());
    let channel = CHANNELS.into_iter().find(|(_, word, _)| *word == row.text("channel"));
    ConsentRow {
        consent: named("consent"),
        field: named("field"),
        topic: row.text("topic").to_owned(),
        channel: channel.map_or(Channel::Email, |(channel, ..)| channel),
    }
}

fn drafts(sent: &Sent) -> Vec<ConsentRow> {
    let mut rows: Vec<ConsentRow> = sent.rows("source").iter().map(read).collect();
    if let Some(at) = sent.text("remove").and_then(|at| at.parse::<usize>().ok())
        && at < rows.len()
    {
        rows.remove(at);
    }
    if sent.is_ticked("add") {
        rows.push(read(&SentRow::default()));
    }
    rows
}

fn is_blank(row: &ConsentRow) -> bool {
    row.consent.is_none() && row.field.is_none() && row.topic.is_empty()
}

fn row(integration: &Integration, sides: &Sides, row: &ConsentRow, all: &[ConsentRow]) -> Row {
    let is_written = (row.consent.is_some() || row.field.is_some()) && !row.topic.is_empty();
    let source = match (&row.consent, &row.field) {
        (Some(name), _) => format!("consent:{name}"),
        (None, Some(name)) => format!("field:{name}"),
        (None, None) => String::new(),
    };
    let same_source = |one: &&ConsentRow| one.consent == row.consent && one.field == row.field;
    let other = CHANNELS.into_iter().find(|(channel, ..)| *channel != row.channel);
    let other =
        other.filter(|(channel, ..)| !all.iter().filter(same_source).any(|one| one.channel == *channel));
    let trouble = is_written.then(|| sides.check_consent(integration, row).err()).flatten();
    // A name is shown by its discriminator, which is what the list offers.
    let topic = sides.apsis.as_ref().ok().and_then(|apsis| apsis.topic(&row.topic).ok());
    Row {
        source,
        topic: topic.map_or_else(|| row.topic.clone(), |topic| topic.id.0.clone()),
        channel: row.channel,
        trouble: trouble.map(|failure| failure.message),
        hint: other.filter(|_| is_written).map(|(.., words)| t::other_channel(words)),
    }
}

fn editor(open: &Open, sides: &Sides, drafts: &[ConsentRow]) -> Editor {
    let topics = sides.apsis.as_ref().map(|apsis| {
        let mut topics: Vec<Topic> = apsis
            .topics()
            .iter()
            .map(|topic| Topic { id: topic.id.0.clone(), name: topic.name.clone() })
            .collect();
        topics.sort_by_key(|topic| topic.name.to_lowercase());
        topics
    });
    let yes_no = sides.fields.iter().flatten().filter(|field| field.field_type == FieldType::Boolean);
    Editor {
        rows: drafts.iter().map(|draft| row(open.integration(), sides, draft, drafts)).collect(),
        consents: sides.consents.clone().unwrap_or_default(),
        fields: yes_no.cloned().collect(),
        has_none: topics.as_ref().is_ok_and(Vec::is_empty),
        topics: topics.unwrap_or_default(),
        at: open.frame.at(),
        may_edit: open.frame.may_edit(),
    }
}

async fn whole(
    page: &Page,
    admin: &Admin,
    open: Open,
    drafts: &[ConsentRow],
    sent: Option<&Sent>,
    failure: Option<Failure>,
) -> Answer {
    let sides = page.sides.of(admin, open.integration()).await?.sides;
    let editor = editor(&open, &sides, drafts);
    let has_failed = failure.is_some();
    let mut silent = silent(&sides);
    // Whether the CRM has consents at all is said by itself: a yes/no field can be mapped in their place.
    if let (Ok(_), Err(failure)) = (&sides.fields, &sides.consents) {
        silent.push(format!("The CRM's consents: {}", failure.message));
    }
    let mut response = html(&Consents {
        revision: sent.and_then(revision).unwrap_or(open.standing.revision),
        frame: open.frame,
        editor,
        failure,
        silent,
    });
    if has_failed {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

/// Shows the mappings.
pub async fn show(
    State(page): State<Arc<Page>>,
    Extension(admin): Extension<Admin>,
    who: Who,
    Path(id): Path<IntegrationId>,
    Query(Done { done }): Query<Done>,
) -> Answer {
    let open = open(&page, &who, &id, Tab::Consents, done.as_deref()).await?;
    let drafts = open.integration().consents.clone();
    whole(&page, &admin, open, &drafts, None, None).await
}

/// Shows what is wrong with mappings that are being written. Nothing is saved.
pub async fn attempt(
    State(page): State<Arc<Page>>,
    Extension(admin): Extension<Admin>,
    who: Who,
    Path(id): Path<IntegrationId>,
    headers: HeaderMap,
    Extension(sent): Extension<Sent>,
) -> Answer {
    let open = open(&page, &who, &id, Tab::Consents, None).await?;
    let drafts = drafts(&sent);
    if is_htmx(&headers) {
        let sides = page.sides.of(&admin, open.integration()).await?.sides;
        return Ok(html(&editor(&open, &sides, &drafts)));
    }
    whole(&page, &admin, open, &drafts, Some(&sent), None).await
}

/// Saves the mappings.
pub async fn save(
    State(page): State<Arc<Page>>,
    Extension(admin): Extension<Admin>,
    who: Who,
    Path(id): Path<IntegrationId>,
    Extension(sent): Extension<Sent>,
) -> Answer {
    let open = open(&page, &who, &id, Tab::Consents, None).await?;
    let drafts = drafts(&sent);
    let rows = drafts.iter().filter(|row| !is_blank(row)).cloned().collect();
    let revision = revision(&sent).ok_or(StoreError::Changed { integration: id.clone(), revision: 0 })?;
    match admin.change_rules(&id, revision, RulesChange::Consents(rows)).await {
        Ok(_) => Ok(go_to(&format!("/integrations/{id}/consents?done=consents"))),
        Err(failure) => whole(&page, &admin, open, &drafts, Some(&sent), Some(failure)).await,
    }
}
