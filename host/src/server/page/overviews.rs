//! Overviews: the CRM's lists of people, which of them are imported as which tag, and what their imports came to.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use jiff::civil::Time;

use super::door::Who;
use super::form::Sent;
use super::frame::{Frame, Tab, html};
use super::integrations::Done;
use super::status::{Open, open};
use super::{Answer, Page, go_to, texts as t};
use crate::admin::{Admin, Imported, NewOverview, Overviews, TagLine};
use crate::error::Failure;
use crate::integration::IntegrationId;
use crate::overview::{MORNING, OverviewId, OverviewImport, SkippedMember};

/// Imports, and members that were left as they are, that are shown.
const LISTED: u32 = 100;

#[derive(Template)]
#[template(path = "overviews.html")]
struct List {
    frame: Frame,
    overviews: Overviews,
    tags: Result<Vec<TagLine>, Failure>,
}

impl List {
    fn tags(&self) -> &[TagLine] {
        self.tags.as_deref().unwrap_or_default()
    }
}

/// Shows them.
pub async fn show(
    State(page): State<Arc<Page>>,
    Extension(admin): Extension<Admin>,
    who: Who,
    Path(id): Path<IntegrationId>,
    Query(Done { done }): Query<Done>,
) -> Answer {
    let Open { frame, .. } = open(&page, &who, &id, Tab::Overviews, done.as_deref()).await?;
    let overviews = Box::pin(admin.overviews(&id)).await?;
    let tags = Box::pin(admin.tags(&id)).await;
    Ok(html(&List { frame, overviews, tags }))
}

/// Which overview a form is about.
fn named(sent: &Sent) -> OverviewId {
    OverviewId(sent.exact("overview").to_owned())
}

/// Sets one up, or changes how it is imported.
pub async fn save(
    Extension(admin): Extension<Admin>,
    Path(id): Path<IntegrationId>,
    Extension(sent): Extension<Sent>,
) -> Answer {
    let new = NewOverview {
        tag: sent.text("tag").unwrap_or_default().to_owned(),
        recurring: sent.is_ticked("recurring"),
        at: sent.text("at").and_then(|at| Time::strptime("%H:%M", at).ok()).unwrap_or(MORNING),
    };
    Box::pin(admin.put_overview(&id, &named(&sent), new)).await?;
    Ok(go_to(&format!("/integrations/{id}/overviews?done=overview")))
}

/// Has one be imported.
pub async fn import(
    Extension(admin): Extension<Admin>,
    Path(id): Path<IntegrationId>,
    Extension(sent): Extension<Sent>,
) -> Answer {
    admin.import_overview(&id, &named(&sent), sent.is_ticked("confirm")).await?;
    Ok(go_to(&format!("/integrations/{id}/overviews?done=importing")))
}

/// Removes one: the tag is taken off everybody who has it from it.
pub async fn remove(
    Extension(admin): Extension<Admin>,
    Path(id): Path<IntegrationId>,
    Extension(sent): Extension<Sent>,
) -> Answer {
    admin.remove_overview(&id, &named(&sent)).await?;
    Ok(go_to(&format!("/integrations/{id}/overviews?done=importing")))
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Shown {
    frame: Frame,
    of: Imported,
    imports: Vec<OverviewImport>,
    skipped: Vec<SkippedMember>,
}

/// Shows the imports of one, and who was left as they are, with why.
pub async fn imports(
    State(page): State<Arc<Page>>,
    Extension(admin): Extension<Admin>,
    who: Who,
    Path((id, overview)): Path<(IntegrationId, OverviewId)>,
) -> Answer {
    let Open { frame, .. } = open(&page, &who, &id, Tab::Overviews, None).await?;
    let of = admin.overview(&id, &overview).await?;
    let store = page.callers.service().store();
    let imports = store.overview_imports(&id, &overview, None, LISTED).await?;
    let skipped = store.skipped_members(&id, &overview, None, LISTED).await?;
    Ok(html(&Shown { frame, of, imports, skipped }))
}
