//! Full Sync: starting one, the one that goes on, and those there were.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};

use super::door::Who;
use super::form::Sent;
use super::frame::{Frame, Tab, html};
use super::integrations::Done;
use super::status::{Open, Waiting, open, waiting};
use super::{Answer, Page, go_to, texts as t};
use crate::admin::Admin;
use crate::integration::IntegrationId;
use crate::need::Need;
use crate::run::{Run, RunOrder, Source};

/// Runs that are listed.
const LISTED: u32 = 50;

#[derive(Template)]
#[template(path = "full_sync.html")]
struct FullSync {
    frame: Frame,
    needs: Vec<Need>,
    waiting: Vec<Waiting>,
    active: Option<Run>,
    runs: Vec<Run>,
}

/// Shows it.
pub async fn show(
    State(page): State<Arc<Page>>,
    who: Who,
    Path(id): Path<IntegrationId>,
    Query(Done { done }): Query<Done>,
) -> Answer {
    let Open { status, frame, .. } = open(&page, &who, &id, Tab::FullSync, done.as_deref()).await?;
    let runs = page.callers.service().store().runs(&id, LISTED).await?;
    let active = runs.iter().find(|run| run.phase.is_active()).cloned();
    let waiting = waiting(&page, &id).await?;
    Ok(html(&FullSync { frame, needs: status.needs, waiting, active, runs }))
}

/// Starts a full sync, or a dry run.
pub async fn start(
    Extension(admin): Extension<Admin>,
    Path(id): Path<IntegrationId>,
    Extension(sent): Extension<Sent>,
) -> Answer {
    let forced = sent.is_ticked("forced");
    let source = if sent.is_ticked("known") { Source::Known } else { Source::Crm };
    let order = match sent.exact("kind") {
        "dry-run" => RunOrder::DryRun { forced, source, trial: None },
        _ => RunOrder::FullSync { forced, source },
    };
    let run = admin.start_run(&id, order).await?;
    Ok(go_to(&format!("/integrations/{id}/runs/{}", run.id)))
}
