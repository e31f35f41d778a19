//! Integrations: a card for each.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use serde::Deserialize;

use super::door::Who;
use super::frame::{Frame, Tab, html};
use super::{Answer, Page, texts as t};
use crate::admin::Admin;
use crate::integration::Integration;
use crate::lane::{Health, LaneStatus};
use crate::overview::Overview;
use crate::run::{Run, RunKind};

/// The newest runs among which the last full sync is looked for.
const RUNS: u32 = 20;

/// What an address says of what was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Done {
    /// Its word.
    pub done: Option<String>,
}

struct Card {
    integration: Integration,
    status: LaneStatus,
    last: Option<Run>,
    /// Overviews whose last import failed, with why.
    failed_imports: Vec<(Overview, String)>,
}

impl Card {
    fn backlog(&self) -> u64 {
        self.status.deliveries_waiting + self.status.contacts_waiting
    }

    fn health(&self) -> Health {
        self.status.health()
    }

    /// What needs somebody to look at it.
    fn attention(&self) -> Option<String> {
        let paused = self.status.pause.as_ref().map(|pause| pause.cause.message.clone());
        let failed = || {
            let failure = self.last.as_ref().and_then(|run| run.failure.as_ref());
            failure.map(|failure| failure.message.clone())
        };
        paused.or_else(failed)
    }
}

#[derive(Template)]
#[template(path = "integrations.html")]
struct List {
    frame: Frame,
    cards: Vec<Card>,
}

/// Shows those that the visitor may see.
pub async fn list(
    State(page): State<Arc<Page>>,
    Extension(admin): Extension<Admin>,
    who: Who,
    Query(Done { done }): Query<Done>,
) -> Answer {
    let store = page.callers.service().store();
    let mut all = store.integrations().await?;
    all.retain(|one| admin.caller().scope.holds(&one.id));
    let mut cards = Vec::with_capacity(all.len());
    for integration in all {
        let status = store.lane_status(&integration.id).await?;
        let runs = store.runs(&integration.id, RUNS).await?;
        let last = runs.into_iter().find(|run| run.kind == RunKind::FullSync);
        let overviews = store.overviews(&integration.id).await?;
        let failed_imports = overviews.into_iter().filter_map(|(overview, import)| {
            let failure = import?.failure?;
            Some((overview, failure.message))
        });
        let failed_imports = failed_imports.collect();
        cards.push(Card { integration, status, last, failed_imports });
    }
    Ok(html(&List { frame: Frame::new(&who, done.as_deref()), cards }))
}
