//! Sync conditions: rules that somebody writes row by row, with what they would do for the contacts that are known.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use hyper::StatusCode;
use hyper::header::HeaderMap;
use serde_json::Value as Json;

use super::door::Who;
use super::form::{Sent, SentRow};
use super::frame::{Frame, Tab, html};
use super::integrations::Done;
use super::sides::Known;
use super::status::{Open, open};
use super::{Answer, Page, go_to, is_htmx, texts as t};
use crate::admin::{Admin, Matching, RulesChange};
use crate::contact::{Contact, FieldInfo, FieldType};
use crate::error::Failure;
use crate::integration::{Comparison, ConditionRow, FieldCondition, Integration, IntegrationId, Test};
use crate::store::StoreError;

/// An operator, as a form names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equals,
    NotEquals,
    OneOf,
    Contains,
    StartsWith,
    Empty,
    Filled,
    Compare(Comparison),
}

impl Operator {
    const ALL: [Self; 11] = [
        Self::Equals,
        Self::NotEquals,
        Self::OneOf,
        Self::Contains,
        Self::StartsWith,
        Self::Compare(Comparison::Greater),
        Self::Compare(Comparison::Less),
        Self::Compare(Comparison::AtLeast),
        Self::Compare(Comparison::AtMost),
        Self::Empty,
        Self::Filled,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Equals => "equals",
            Self::NotEquals => "not-equals",
            Self::OneOf => "one-of",
            Self::Contains => "contains",
            Self::StartsWith => "starts-with",
            Self::Empty => "empty",
            Self::Filled => "filled",
            Self::Compare(Comparison::Greater) => "greater",
            Self::Compare(Comparison::Less) => "less",
            Self::Compare(Comparison::AtLeast) => "at-least",
            Self::Compare(Comparison::AtMost) => "at-most",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Equals => "is",
            Self::NotEquals => "is not",
            Self::OneOf => "is one of",
            Self::Contains => "contains",
            Self::StartsWith => "starts with",
            Self::Empty => "is empty",
            Self::Filled => "is not empty",
            Self::Compare(how) => t::comparison(how),
        }
    }

    fn of_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|operator| operator.name() == name).unwrap_or(Self::Equals)
    }

    fn of_test(test: &Test) -> Self {
        match test {
            Test::Equals(_) => Self::Equals,
            Test::NotEquals(_) => Self::NotEquals,
            Test::OneOf(_) => Self::OneOf,
            Test::Contains(_) => Self::Contains,
            Test::StartsWith(_) => Self::StartsWith,
            Test::IsEmpty(true) => Self::Empty,
            Test::IsEmpty(false) => Self::Filled,
            Test::Compare(how, _) => Self::Compare(*how),
        }
    }

    fn is_for(self, holds: Option<FieldType>) -> bool {
        use FieldType::{Boolean, Choice, Choices, Date, Decimal, Integer, Json, Text, Timestamp};
        match (self, holds) {
            (_, None) | (Self::Equals | Self::NotEquals | Self::Empty | Self::Filled, _) => true,
            (Self::OneOf, Some(holds)) => holds != Boolean,
            (Self::Contains | Self::StartsWith, Some(holds)) => {
                matches!(holds, Text | Choice | Choices | Json)
            }
            (Self::Compare(_), Some(holds)) => matches!(holds, Integer | Decimal | Date | Timestamp | Text),
        }
    }
}

/// A rule as somebody writes it.
#[derive(Debug, Clone)]
enum Draft {
    Rule {
        field: String,
        operator: Operator,
        values: Vec<String>,
    },
    /// What a page cannot write is kept as it is.
    Group(ConditionRow),
}

impl Draft {
    fn of(row: &ConditionRow) -> Self {
        let ConditionRow::Field(one) = row else { return Self::Group(row.clone()) };
        let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let values = match &one.test {
            Test::Contains(value) | Test::StartsWith(value) => vec![value.clone()],
            test => test.values().into_iter().map(text).collect(),
        };
        Self::Rule { field: one.field.clone(), operator: Operator::of_test(&one.test), values }
    }

    fn read(row: &SentRow) -> Option<Self> {
        if let Some(group) = row.some("group") {
            return serde_json::from_str(&group).ok().map(Self::Group);
        }
        let operator = Operator::of_name(row.text("operator"));
        let lines = row.all("value").flat_map(|value| match operator {
            Operator::OneOf => value.lines().collect::<Vec<_>>(),
            _ => vec![value],
        });
        let values = lines.map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned).collect();
        Some(Self::Rule { field: row.text("field").to_owned(), operator, values })
    }

    /// As it is saved; none while nothing is written in it. `holds`: the field's type.
    fn row(&self, holds: Option<FieldType>) -> Option<ConditionRow> {
        let (field, operator, values) = match self {
            Self::Group(row) => return Some(row.clone()),
            Self::Rule { field, operator, values } => (field, *operator, values),
        };
        if field.is_empty() {
            return None;
        }
        let first = || typed(values.first().map_or("", String::as_str), holds);
        let text = || values.first().cloned().unwrap_or_default();
        let test = match operator {
            Operator::Equals => Test::Equals(first()),
            Operator::NotEquals => Test::NotEquals(first()),
            Operator::OneOf => Test::OneOf(values.iter().map(|value| typed(value, holds)).collect()),
            Operator::Contains => Test::Contains(text()),
            Operator::StartsWith => Test::StartsWith(text()),
            Operator::Empty => Test::IsEmpty(true),
            Operator::Filled => Test::IsEmpty(false),
            Operator::Compare(how) => Test::Compare(how, first()),
        };
        Some(ConditionRow::Field(FieldCondition { field: field.clone(), test }))
    }
}

/// A value as the field's type has it; what is none stays text, and is refused as such.
fn typed(text: &str, holds: Option<FieldType>) -> Json {
    let read = match holds {
        Some(FieldType::Boolean) => text.parse::<bool>().ok().map(Json::from),
        Some(FieldType::Integer | FieldType::Decimal) => {
            text.parse::<serde_json::Number>().ok().map(Json::Number)
        }
        None if matches!(text, "true" | "false") => text.parse::<bool>().ok().map(Json::from),
        _ => None,
    };
    read.unwrap_or_else(|| Json::from(text))
}

/// How a value is written.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Widget {
    Nothing,
    Text,
    Lines,
    Number,
    Date,
    /// Options with key and label, and whether each is chosen.
    Options(Vec<(String, String, bool)>, bool),
}

struct Row {
    field: String,
    holds: Option<FieldType>,
    operators: Vec<(&'static str, &'static str, bool)>,
    widget: Widget,
    value: String,
    trouble: Option<String>,
    group: Option<(String, String)>,
    samples: Vec<String>,
}

/// What of rules moves while they are written.
#[derive(Template)]
#[template(path = "conditions_editor.html")]
struct Editor {
    rows: Vec<Row>,
    fields: Vec<FieldInfo>,
    tried: Result<Matching, String>,
    email: String,
    at: String,
    may_edit: bool,
}

impl Editor {
    fn who<'a>(&self, contact: &'a Contact) -> &'a str {
        match contact.fields.get(&self.email) {
            Some(crate::contact::Value::Text(address)) => address,
            _ => "",
        }
    }

    fn groups(&self) -> Vec<(&'static str, u64, &[Contact])> {
        let Ok(tried) = &self.tried else { return Vec::new() };
        let others = tried.looked_at.saturating_sub(tried.matching);
        vec![
            (t::WHO_MATCHES, tried.matching, &tried.who_match),
            (t::WHO_DOES_NOT, others, &tried.who_do_not),
            (t::WHO_LEAVES, tried.leaving, &tried.who_leave),
        ]
    }
}

#[derive(Template)]
#[template(path = "conditions.html")]
struct Conditions {
    frame: Frame,
    editor: Editor,
    revision: i64,
    failure: Option<Failure>,
    silent: Option<Failure>,
    deletes: bool,
}

/// The rows of a form, after what its button does with them.
fn drafts(sent: &Sent) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = sent.rows("field").iter().filter_map(Draft::read).collect();
    if let Some(at) = sent.text("remove").and_then(|at| at.parse::<usize>().ok())
        && at < drafts.len()
    {
        drafts.remove(at);
    }
    if sent.is_ticked("add") {
        drafts.push(Draft::Rule { field: String::new(), operator: Operator::Equals, values: Vec::new() });
    }
    drafts
}

async fn editor(admin: &Admin, open: &Open, known: &Known, drafts: &[Draft]) -> Answer<Editor> {
    let integration = open.integration();
    let mut tried = Vec::new();
    let mut rows = Vec::with_capacity(drafts.len());
    let samples = admin.sample(&integration.id, None).await?;
    for draft in drafts {
        let row = row(integration, known, draft, samples.as_ref());
        if row.trouble.is_none() {
            tried.extend(draft.row(row.holds));
        }
        rows.push(row);
    }
    let tried = admin.matching(integration, &tried).await.map_err(|failure| failure.message);
    Ok(Editor {
        rows,
        fields: known.sides.fields.clone().unwrap_or_default(),
        tried,
        email: known.sides.connector.description().email_field.clone(),
        at: open.frame.at(),
        may_edit: open.frame.may_edit(),
    })
}

fn row(integration: &Integration, known: &Known, draft: &Draft, sample: Option<&Contact>) -> Row {
    let (field, operator, values) = match draft {
        Draft::Rule { field, operator, values } => (field, *operator, values),
        Draft::Group(row) => {
            let json = serde_json::to_string(row).unwrap_or_default();
            return Row {
                field: String::new(),
                holds: None,
                operators: Vec::new(),
                widget: Widget::Nothing,
                value: String::new(),
                trouble: known.sides.check_condition(integration, row).err().map(|failure| failure.message),
                group: Some((json, row.to_string())),
                samples: Vec::new(),
            };
        }
    };
    let info = known.sides.field(field);
    let holds = info.map(|info| info.field_type);
    let operators = Operator::ALL.into_iter().filter(|one| one.is_for(holds) || *one == operator);
    let trouble = draft
        .row(holds)
        .and_then(|row| known.sides.check_condition(integration, &row).err())
        .map(|failure| failure.message);
    let sample = sample.and_then(|contact| contact.fields.get(field)).map(super::fields::in_words);
    Row {
        field: field.clone(),
        holds,
        operators: operators.map(|one| (one.name(), one.words(), one == operator)).collect(),
        widget: widget(info, operator, values),
        value: if operator == Operator::OneOf {
            values.join("\n")
        } else {
            values.first().cloned().unwrap_or_default()
        },
        // What is still being written is not wrong yet.
        trouble: trouble
            .filter(|_| !values.is_empty() || matches!(operator, Operator::Empty | Operator::Filled)),
        group: None,
        samples: sample.into_iter().filter(|words| !words.is_empty()).collect(),
    }
}

fn widget(info: Option<&FieldInfo>, operator: Operator, values: &[String]) -> Widget {
    if matches!(operator, Operator::Empty | Operator::Filled) {
        return Widget::Nothing;
    }
    let chosen = |key: &str, label: &str| {
        values.iter().any(|value| value == key || value.trim().eq_ignore_ascii_case(label))
    };
    let several = operator == Operator::OneOf;
    match info {
        Some(info) if info.field_type == FieldType::Boolean => Widget::Options(
            [("true", t::YES), ("false", t::NO)]
                .map(|(key, label)| (key.to_owned(), label.to_owned(), chosen(key, label)))
                .to_vec(),
            false,
        ),
        Some(info)
            if !info.options.is_empty()
                && matches!(operator, Operator::Equals | Operator::NotEquals | Operator::OneOf) =>
        {
            let option = |one: &crate::contact::Choice| {
                (one.key.clone(), one.label.clone(), chosen(&one.key, &one.label))
            };
            Widget::Options(info.options.iter().map(option).collect(), several)
        }
        _ if several => Widget::Lines,
        Some(info) if matches!(info.field_type, FieldType::Integer | FieldType::Decimal) => Widget::Number,
        Some(info) if matches!(info.field_type, FieldType::Date | FieldType::Timestamp) => Widget::Date,
        _ => Widget::Text,
    }
}

/// Shows the rules.
pub async fn show(
    State(page): State<Arc<Page>>,
    Extension(admin): Extension<Admin>,
    who: Who,
    Path(id): Path<IntegrationId>,
    Query(Done { done }): Query<Done>,
) -> Answer {
    let open = open(&page, &who, &id, Tab::Conditions, done.as_deref()).await?;
    let drafts: Vec<Draft> = open.integration().conditions.iter().map(Draft::of).collect();
    whole(&page, &admin, open, &drafts, None, None).await
}

async fn whole(
    page: &Page,
    admin: &Admin,
    open: Open,
    drafts: &[Draft],
    revision: Option<i64>,
    failure: Option<Failure>,
) -> Answer {
    let known = page.sides.of(admin, open.integration()).await?;
    let editor = editor(admin, &open, &known, drafts).await?;
    let has_failed = failure.is_some();
    let mut response = html(&Conditions {
        revision: revision.unwrap_or(open.standing.revision),
        deletes: open.integration().sync.delete_unmatched,
        frame: open.frame,
        editor,
        failure,
        silent: known.sides.fields.as_ref().err().cloned(),
    });
    if has_failed {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

/// Shows what rules that are being written would do. Nothing is saved.
pub async fn attempt(
    State(page): State<Arc<Page>>,
    Extension(admin): Extension<Admin>,
    who: Who,
    Path(id): Path<IntegrationId>,
    headers: HeaderMap,
    Extension(sent): Extension<Sent>,
) -> Answer {
    let open = open(&page, &who, &id, Tab::Conditions, None).await?;
    let drafts = drafts(&sent);
    if is_htmx(&headers) {
        let known = page.sides.of(&admin, open.integration()).await?;
        return Ok(html(&editor(&admin, &open, &known, &drafts).await?));
    }
    whole(&page, &admin, open, &drafts, revision(&sent), None).await
}

/// The revision that the rules had when the page was loaded.
pub fn revision(sent: &Sent) -> Option<i64> {
    sent.text("revision").and_then(|revision| revision.parse().ok())
}

/// Saves the rules.
pub async fn save(
    State(page): State<Arc<Page>>,
    Extension(admin): Extension<Admin>,
    who: Who,
    Path(id): Path<IntegrationId>,
    Extension(sent): Extension<Sent>,
) -> Answer<Response> {
    let open = open(&page, &who, &id, Tab::Conditions, None).await?;
    let drafts = drafts(&sent);
    let known = page.sides.of(&admin, open.integration()).await?;
    let of = |draft: &Draft| match draft {
        Draft::Rule { field, .. } => draft.row(known.sides.field(field).map(|field| field.field_type)),
        Draft::Group(_) => draft.row(None),
    };
    let rows = drafts.iter().filter_map(of).collect();
    // Without a revision it is nobody's page.
    let revision = revision(&sent).ok_or(StoreError::Changed { integration: id.clone(), revision: 0 })?;
    match admin.change_rules(&id, revision, RulesChange::Conditions(rows)).await {
        Ok(_) => Ok(go_to(&format!("/integrations/{id}/conditions?done=conditions"))),
        Err(failure) => whole(&page, &admin, open, &drafts, Some(revision), Some(failure)).await,
    }
}
