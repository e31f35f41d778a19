//! Field mapping: one CRM field to one APSIS One attribute a row, with what it makes of a contact that somebody chooses.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use hyper::StatusCode;
use hyper::header::HeaderMap;

use super::conditions::revision;
use super::door::Who;
use super::form::{Sent, SentRow};
use super::frame::{Frame, Tab, html};
use super::integrations::Done;
use super::status::{Open, open};
use super::{Answer, Page, go_to, is_htmx, texts as t};
use crate::admin::{Admin, RulesChange};
use crate::contact::{Contact, ContactId, FieldInfo, FieldType, Value};
use crate::difference;
use crate::error::Failure;
use crate::integration::{AttributeKind, FieldRow, Integration, IntegrationId, OnInvalid, OnTooLong, Show};
use crate::store::StoreError;
use crate::sync::Sides;

/// The attributes that are mapped by themselves.
const RESERVED: [&str; 2] = ["com.apsis1.attributes.email", "com.apsis1.attributes.crmid"];

const KINDS: [AttributeKind; 7] = [
    AttributeKind::Text,
    AttributeKind::Boolean,
    AttributeKind::Number,
    AttributeKind::Decimal,
    AttributeKind::Date,
    AttributeKind::Timestamp,
    AttributeKind::Mobile,
];

/// A value as people read it.
pub fn in_words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Boolean(true) => t::YES.to_owned(),
        Value::Boolean(false) => t::NO.to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Decimal(text)
        | Value::Text(text)
        | Value::Date(text)
        | Value::Timestamp(text)
        | Value::Json(text) => text.clone(),
        Value::Choice(choice) => choice.label.clone(),
        Value::Choices(choices) => {
            choices.iter().map(|choice| choice.label.as_str()).collect::<Vec<_>>().join(", ")
        }
    }
}

/// An attribute that can be chosen.
struct Choosable {
    id: String,
    name: String,
    kind: Option<&'static str>,
}

struct Row {
    row: FieldRow,
    holds: Option<FieldType>,
    /// What the attribute takes, where APSIS One tells.
    told: Option<&'static str>,
    input: String,
    output: Result<String, String>,
    trouble: Option<String>,
}

impl Row {
    fn kind(&self) -> &'static str {
        self.row.kind.map_or("", AttributeKind::as_str)
    }

    /// What the attribute takes, as far as is known.
    fn takes(&self) -> &'static str {
        self.row.kind.map(AttributeKind::as_str).or(self.told).unwrap_or("text")
    }

    fn is_option(&self) -> bool {
        matches!(self.holds, None | Some(FieldType::Choice | FieldType::Choices))
    }

    fn is_yes_no(&self) -> bool {
        self.takes() == "text" && matches!(self.holds, None | Some(FieldType::Boolean))
    }

    fn is_date(&self) -> bool {
        match self.takes() {
            "text" => matches!(self.holds, None | Some(FieldType::Date | FieldType::Timestamp)),
            "date" | "timestamp" => matches!(self.holds, None | Some(FieldType::Text | FieldType::Choice)),
            _ => false,
        }
    }

    fn is_decimal(&self) -> bool {
        match self.takes() {
            "text" => matches!(self.holds, None | Some(FieldType::Decimal)),
            "number" | "decimal" => matches!(self.holds, None | Some(FieldType::Text | FieldType::Choice)),
            _ => false,
        }
    }

    fn shows_key(&self) -> bool {
        self.row.show == Some(Show::Key)
    }

    fn skips(&self) -> bool {
        self.row.on_invalid == OnInvalid::Skip
    }

    fn too_long(&self) -> &'static str {
        match self.row.on_too_long {
            None => "",
            Some(OnTooLong::Reject) => "reject",
            Some(OnTooLong::Skip) => "skip",
            Some(OnTooLong::Cut) => "cut",
        }
    }
}

/// What of the mappings moves while they are written.
#[derive(Template)]
#[template(path = "fields_editor.html")]
struct Editor {
    rows: Vec<Row>,
    fields: Vec<FieldInfo>,
    attributes: Vec<Choosable>,
    id_field: String,
    email_field: String,
    sample: String,
    sample_email: String,
    at: String,
    may_edit: bool,
}

impl Editor {
    fn is_known(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|one| one.id == attribute || one.name == attribute)
    }
}

#[derive(Template)]
#[template(path = "fields.html")]
struct Fields {
    frame: Frame,
    editor: Editor,
    revision: i64,
    failure: Option<Failure>,
    silent: Vec<String>,
}

fn read(row: &SentRow) -> FieldRow {
    FieldRow {
        field: row.text("field").to_owned(),
        attribute: row.text("attribute").to_owned(),
        kind: KINDS.into_iter().find(|kind| kind.as_str() == row.text("kind")),
        on_invalid: if row.text("on-invalid") == "skip" { OnInvalid::Skip } else { OnInvalid::Reject },
        on_too_long: match row.text("on-too-long") {
            "reject" => Some(OnTooLong::Reject),
            "skip" => Some(OnTooLong::Skip),
            "cut" => Some(OnTooLong::Cut),
            _ => None,
        },
        show: match row.text("show") {
            "key" => Some(Show::Key),
            "label" => Some(Show::Label),
            _ => None,
        },
        true_text: row.some("true-text"),
        false_text: row.some("false-text"),
        date_format: row.some("date-format"),
        decimal_comma: row.text("decimal-comma") == "yes",
    }
}

fn drafts(sent: &Sent) -> Vec<FieldRow> {
    let mut rows: Vec<FieldRow> = sent.rows("field").iter().map(read).collect();
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

fn row(integration: &Integration, sides: &Sides, row: &FieldRow, sample: Option<&Contact>) -> Row {
    let is_written = !row.field.is_empty() && !row.attribute.is_empty();
    let trouble = is_written.then(|| sides.check_field(integration, row).err()).flatten();
    let input = sample.and_then(|contact| contact.fields.get(&row.field)).map(in_words);
    let mapped = match (sample, &trouble) {
        (Some(contact), None) if is_written => sides.mapped(integration, row, contact),
        _ => None,
    };
    Row {
        holds: sides.field(&row.field).map(|field| field.field_type),
        told: sides.attribute(&row.attribute).and_then(|one| one.kind).map(AttributeKind::as_str),
        input: input.unwrap_or_default(),
        output: match mapped {
            None => Ok(String::new()),
            Some(Ok(value)) => Ok(difference::in_words(&value).unwrap_or_default()),
            Some(Err(failure)) => Err(failure.message),
        },
        trouble: trouble.map(|failure| failure.message),
        row: row.clone(),
    }
}

async fn editor(
    admin: &Admin,
    open: &Open,
    sides: &Sides,
    drafts: &[FieldRow],
    sample: Option<&str>,
) -> Answer<Editor> {
    let integration = open.integration();
    let wanted = sample.map(|id| ContactId(id.to_owned()));
    let found = admin.sample(&integration.id, wanted.as_ref()).await?;
    let description = sides.connector.description();
    let email_field = description.email_field.clone();
    let attributes = sides.apsis.as_ref().map(|apsis| {
        let free = apsis.attributes().iter().filter(|one| !RESERVED.contains(&one.id.0.as_str()));
        let mut free: Vec<Choosable> = free
            .map(|one| Choosable {
                id: one.id.0.clone(),
                name: one.name.clone(),
                kind: one.kind.map(AttributeKind::as_str),
            })
            .collect();
        free.sort_by_key(|one| one.name.to_lowercase());
        free
    });
    let value = |field: &str| found.as_ref().and_then(|contact| contact.fields.get(field)).map(in_words);
    Ok(Editor {
        rows: drafts.iter().map(|draft| row(integration, sides, draft, found.as_ref())).collect(),
        fields: sides.fields.clone().unwrap_or_default(),
        attributes: attributes.unwrap_or_default(),
        id_field: description.id_field.clone(),
        sample_email: value(&email_field).unwrap_or_default(),
        email_field,
        sample: found
            .as_ref()
            .map_or_else(|| sample.unwrap_or_default().to_owned(), |contact| contact.id.0.clone()),
        at: open.frame.at(),
        may_edit: open.frame.may_edit(),
    })
}

async fn whole(
    page: &Page,
    admin: &Admin,
    open: Open,
    drafts: &[FieldRow],
    sent: Option<&Sent>,
    failure: Option<Failure>,
) -> Answer {
    let sides = page.sides.of(admin, open.integration()).await?.sides;
    let editor = editor(admin, &open, &sides, drafts, sent.and_then(|sent| sent.text("sample"))).await?;
    let has_failed = failure.is_some();
    let mut response = html(&Fields {
        revision: sent.and_then(revision).unwrap_or(open.standing.revision),
        frame: open.frame,
        editor,
        failure,
        silent: silent(&sides),
    });
    if has_failed {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

/// What a side that does not answer says.
pub fn silent(sides: &Sides) -> Vec<String> {
    let crm = sides.fields.as_ref().err().map(|failure| format!("The CRM: {}", failure.message));
    let apsis = sides.apsis.as_ref().err().map(|failure| format!("APSIS One: {}", failure.message));
    crm.into_iter().chain(apsis).collect()
}

/// Shows the mappings.
pub async fn show(
    State(page): State<Arc<Page>>,
    Extension(admin): Extension<Admin>,
    who: Who,
    Path(id): Path<IntegrationId>,
    Query(Done { done }): Query<Done>,
) -> Answer {
    let open = open(&page, &who, &id, Tab::Fields, done.as_deref()).await?;
    let drafts = open.integration().fields.clone();
    whole(&page, &admin, open, &drafts, None, None).await
}

/// Shows what mappings that are being written would make of the sample. Nothing is saved.
pub async fn attempt(
    State(page): State<Arc<Page>>,
    Extension(admin): Extension<Admin>,
    who: Who,
    Path(id): Path<IntegrationId>,
    headers: HeaderMap,
    Extension(sent): Extension<Sent>,
) -> Answer {
    let open = open(&page, &who, &id, Tab::Fields, None).await?;
    let drafts = drafts(&sent);
    if is_htmx(&headers) {
        let sides = page.sides.of(&admin, open.integration()).await?.sides;
        return Ok(html(&editor(&admin, &open, &sides, &drafts, sent.text("sample")).await?));
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
    let open = open(&page, &who, &id, Tab::Fields, None).await?;
    let drafts = drafts(&sent);
    let rows =
        drafts.iter().filter(|row| !row.field.is_empty() || !row.attribute.is_empty()).cloned().collect();
    let revision = revision(&sent).ok_or(StoreError::Changed { integration: id.clone(), revision: 0 })?;
    match admin.change_rules(&id, revision, RulesChange::Fields(rows)).await {
        Ok(_) => Ok(go_to(&format!("/integrations/{id}/fields?done=fields"))),
        Err(failure) => whole(&page, &admin, open, &drafts, Some(&sent), Some(failure)).await,
    }
}
