//! One contact: whether it is in APSIS One and may be mailed, why, and all that was done for it.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use url::form_urlencoded;

use super::door::Who;
use super::fields;
use super::frame::{Frame, Tab, html};
use super::integrations::Done;
use super::status::{Open, open};
use super::{Answer, Page, go_to, texts as t};
use crate::admin::{Admin, ContactStory};
use crate::contact::ContactId;
use crate::explained::Explained;
use crate::integration::IntegrationId;
use crate::story::{By, Chapter, Presence};
use crate::sync::Foretold;

/// Where a contact's page is.
pub fn place(id: &IntegrationId, contact: &ContactId) -> String {
    let contact: String = form_urlencoded::byte_serialize(contact.0.as_bytes()).collect();
    format!("/integrations/{id}/contacts/{}", contact.replace('+', "%20"))
}

/// Whom somebody looks for.
#[derive(Debug, Deserialize)]
pub struct Wanted {
    id: String,
}

/// Goes to a contact.
pub async fn find(Path(id): Path<IntegrationId>, Query(Wanted { id: contact }): Query<Wanted>) -> Answer {
    Ok(go_to(&place(&id, &ContactId(contact.trim().to_owned()))))
}

#[derive(Template)]
#[template(path = "contact.html")]
struct Shown {
    frame: Frame,
    story: ContactStory,
    chapters: Vec<Chapter>,
}

impl Shown {
    fn at(&self) -> String {
        let id = self.frame.one.as_ref().map(|one| one.id.clone());
        id.map_or_else(String::new, |id| place(&id, &self.story.contact))
    }

    fn explained(&self) -> Option<&Explained> {
        self.story.seen.as_ref()?.explained.as_ref()
    }

    fn values(&self) -> Vec<(&str, String)> {
        let seen = self.story.seen.iter().flat_map(|seen| &seen.contact.fields);
        let words = seen.map(|(name, value)| (name.as_str(), fields::in_words(value)));
        words.filter(|(_, words)| !words.is_empty()).collect()
    }
}

/// Shows it.
pub async fn show(
    State(page): State<Arc<Page>>,
    Extension(admin): Extension<Admin>,
    who: Who,
    Path((id, contact)): Path<(IntegrationId, ContactId)>,
    Query(Done { done }): Query<Done>,
) -> Answer {
    let Open { frame, .. } = open(&page, &who, &id, Tab::Activity, done.as_deref()).await?;
    let story = Box::pin(admin.story(&id, contact)).await?;
    let of_runs = story.runs.iter().flat_map(|run| &run.chapters).cloned();
    let of_changes = story.changes.iter().map(|one| Chapter {
        by: By::Change(one.change.number),
        at: one.change.ended_at.unwrap_or(one.change.arrived_at),
        outcome: one.change.outcome,
        cause: one.change.cause.clone(),
        steps: one.change.steps.clone(),
    });
    let mut chapters: Vec<Chapter> = of_runs.chain(of_changes).chain(story.earlier.iter().cloned()).collect();
    chapters.sort_by_key(|chapter| std::cmp::Reverse(chapter.at));
    Ok(html(&Shown { frame, story, chapters }))
}

/// Has it be read from the CRM and dealt with.
pub async fn sync(
    Extension(admin): Extension<Admin>,
    Path((id, contact)): Path<(IntegrationId, ContactId)>,
) -> Answer {
    admin.sync_contact(&id, &contact).await?;
    Ok(go_to(&format!("{}?done=syncing", place(&id, &contact))))
}

#[derive(Template)]
#[template(path = "foretold.html")]
struct Told {
    told: Foretold,
}

#[derive(Template)]
#[template(path = "foretold_page.html")]
struct ToldPage {
    frame: Frame,
    part: Told,
    back: String,
}

/// Shows what a change of it would do now.
pub async fn attempt(
    State(page): State<Arc<Page>>,
    Extension(admin): Extension<Admin>,
    who: Who,
    Path((id, contact)): Path<(IntegrationId, ContactId)>,
    headers: hyper::header::HeaderMap,
) -> Answer {
    let told = Told { told: Box::pin(admin.foretell(&id, &contact)).await? };
    if super::is_htmx(&headers) {
        return Ok(html(&told));
    }
    let Open { frame, .. } = open(&page, &who, &id, Tab::Activity, None).await?;
    Ok(html(&ToldPage { frame, part: told, back: place(&id, &contact) }))
}

/// Has the person be forgotten.
pub async fn forget(
    Extension(admin): Extension<Admin>,
    Path((id, contact)): Path<(IntegrationId, ContactId)>,
) -> Answer {
    admin.forget(&id, &contact).await?;
    Ok(go_to(&format!("{}?done=forgetting", place(&id, &contact))))
}
