//! Activity: what the CRM sends, as it comes, and what became of it; what was given up, by cause.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use hyper::header::HeaderMap;
use serde::Deserialize;

use super::door::Who;
use super::form::Sent;
use super::frame::{Frame, Tab, html};
use super::status::{Open, open};
use super::{Answer, Page, go_to, is_htmx, texts as t};
use crate::admin::Admin;
use crate::change::{ChangeOutcome, DeliveryNumber};
use crate::contact::ContactId;
use crate::integration::IntegrationId;
use crate::lane::{CauseCount, ChangeRecord, DeliveryFilter, DeliveryLine, DeliveryRecord, Replay};

/// Deliveries of a page.
const LISTED: u32 = 50;

/// Which deliveries.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Which {
    outcome: String,
    cause: String,
    contact: String,
    before: Option<i64>,
    done: Option<String>,
}

impl Which {
    fn filter(&self) -> DeliveryFilter {
        DeliveryFilter {
            outcome: ChangeOutcome::ALL.into_iter().find(|outcome| outcome.as_str() == self.outcome),
            dead: self.outcome == "dead",
            open: self.outcome == "open",
            cause: Some(self.cause.trim().to_owned()).filter(|cause| !cause.is_empty()),
        }
    }

    /// For the address of the rows, so that they come as they were asked for.
    fn query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [("outcome", &self.outcome), ("cause", &self.cause)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }
}

#[derive(Template)]
#[template(path = "activity_rows.html")]
struct Rows {
    at: String,
    lines: Vec<(DeliveryLine, String)>,
    query: String,
    next: Option<i64>,
    /// Whether what comes is shown by itself: not of an older page.
    moves: bool,
}

#[derive(Template)]
#[template(path = "activity.html")]
struct Activity {
    frame: Frame,
    which: Which,
    outcomes: [&'static str; 9],
    rows: Rows,
    dead: Vec<CauseCount>,
    discarded: Vec<CauseCount>,
}

async fn listed(page: &Page, frame: &Frame, id: &IntegrationId, which: &Which) -> Answer<Rows> {
    let store = page.callers.service().store();
    let before = which.before.map(DeliveryNumber);
    let mut lines = store.deliveries(id, &which.filter(), before, LISTED + 1).await?;
    let limit = usize::try_from(LISTED).unwrap_or(usize::MAX);
    let has_more = lines.len() > limit;
    lines.truncate(limit);
    let next = lines.last().filter(|_| has_more).map(|line| line.number.0);
    let when = |line: DeliveryLine| {
        let when = frame.when(&line.arrived_at);
        (line, when)
    };
    Ok(Rows {
        at: frame.at(),
        lines: lines.into_iter().map(when).collect(),
        query: which.query(),
        next,
        moves: before.is_none(),
    })
}

/// Shows it.
pub async fn show(
    State(page): State<Arc<Page>>,
    who: Who,
    Path(id): Path<IntegrationId>,
    Query(which): Query<Which>,
) -> Answer {
    let contact = which.contact.trim();
    if !contact.is_empty() {
        return Ok(go_to(&super::contact::place(&id, &ContactId(contact.to_owned()))));
    }
    let Open { frame, .. } = open(&page, &who, &id, Tab::Activity, which.done.as_deref()).await?;
    let store = page.callers.service().store();
    let rows = listed(&page, &frame, &id, &which).await?;
    let dead = store.causes(&id, true).await?;
    let discarded = store.causes(&id, false).await?;
    let outcomes = ChangeOutcome::ALL.map(ChangeOutcome::as_str);
    Ok(html(&Activity { frame, which, outcomes, rows, dead, discarded }))
}

/// Gives the newest, for a page that shows them as they come.
pub async fn rows(
    State(page): State<Arc<Page>>,
    who: Who,
    Path(id): Path<IntegrationId>,
    Query(which): Query<Which>,
    headers: HeaderMap,
) -> Answer {
    if !is_htmx(&headers) {
        return Ok(go_to(&format!("/integrations/{id}/activity")));
    }
    let Open { frame, .. } = open(&page, &who, &id, Tab::Activity, None).await?;
    Ok(html(&listed(&page, &frame, &id, &which).await?))
}

#[derive(Template)]
#[template(path = "delivery.html")]
struct Delivery {
    frame: Frame,
    line: DeliveryLine,
    changes: Vec<ChangeRecord>,
    headers: Vec<(String, String)>,
    body: String,
}

/// Shows one delivery, and what was made of it.
pub async fn delivery(
    State(page): State<Arc<Page>>,
    who: Who,
    Path((id, number)): Path<(IntegrationId, i64)>,
) -> Answer {
    let Open { frame, .. } = open(&page, &who, &id, Tab::Activity, None).await?;
    let found = page.callers.service().store().delivery(&id, DeliveryNumber(number)).await?;
    let DeliveryRecord { line, delivery, changes, .. } = found;
    let body = String::from_utf8_lossy(&delivery.body);
    let json: Option<serde_json::Value> = serde_json::from_str(&body).ok();
    let body =
        json.and_then(|json| serde_json::to_string_pretty(&json).ok()).unwrap_or_else(|| body.into_owned());
    Ok(html(&Delivery { frame, line, changes, headers: delivery.headers, body }))
}

/// Has what was given up be tried again.
pub async fn replay(
    Extension(admin): Extension<Admin>,
    Path(id): Path<IntegrationId>,
    Extension(sent): Extension<Sent>,
) -> Answer {
    let one = sent.text("delivery").and_then(|number| number.parse().ok());
    let which = match (one, sent.text("cause")) {
        (Some(number), _) => Replay::One(DeliveryNumber(number)),
        (None, Some(code)) => Replay::Cause(code.to_owned()),
        (None, None) => Replay::All,
    };
    admin.replay(&id, which).await?;
    Ok(go_to(&format!("/integrations/{id}/activity?done=replayed")))
}
