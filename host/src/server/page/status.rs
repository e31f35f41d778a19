//! How an integration is, and what somebody has to do about it.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use jiff::Timestamp;

use super::chart::{self, Chart};
use super::door::Who;
use super::form::Sent;
use super::frame::{Frame, Tab, html};
use super::integrations::Done;
use super::{Answer, Page, go_to, texts as t};
use crate::admin::{Admin, Finding, checkup};
use crate::brake::{Effect, Held};
use crate::integration::{Integration, IntegrationId};
use crate::lane::{DeliveryFilter, LaneStatus, Standing};
use crate::run::Run;
use crate::store::StoreError;

/// An integration as a page shows it.
pub struct Open {
    /// As it stands.
    pub standing: Standing,
    /// How it is.
    pub status: LaneStatus,
    /// The page's frame.
    pub frame: Frame,
}

impl Open {
    /// Its definition.
    pub fn integration(&self) -> &Integration {
        &self.standing.integration
    }
}

/// Opens a page of an integration.
pub async fn open(page: &Page, who: &Who, id: &IntegrationId, tab: Tab, done: Option<&str>) -> Answer<Open> {
    let store = page.callers.service().store();
    let standing = store.standing(id).await?.ok_or_else(|| StoreError::NoIntegration(id.clone()))?;
    let status = store.lane_status(id).await?;
    let frame = Frame::of(who, done, &standing.integration, &status, tab);
    Ok(Open { standing, status, frame })
}

/// What waits for approval, for a page that shows it.
pub struct Waiting {
    /// What would be done.
    pub held: Held,
}

impl Waiting {
    /// What would become of how many.
    pub fn effects(&self) -> Vec<(&'static str, u64)> {
        let mut would = self.held.would.clone();
        let all = Effect::ALL.map(|effect| (t::effect(effect), *would.of(effect)));
        all.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

/// What waits for approval in an integration.
pub async fn waiting(page: &Page, id: &IntegrationId) -> Answer<Vec<Waiting>> {
    let store = page.callers.service().store();
    let run = store.active_run(id).await?.filter(Run::waits);
    let of_lane = store.held_lane(id).await?;
    Ok(run.and_then(|run| run.hold).into_iter().chain(of_lane).map(|held| Waiting { held }).collect())
}

#[derive(Template)]
#[template(path = "status.html")]
struct Status {
    frame: Frame,
    integration: Integration,
    status: LaneStatus,
    waiting: Vec<Waiting>,
    charts: Vec<Chart>,
}

impl Status {
    fn failing(&self) -> Vec<&str> {
        let paused = self.status.pause.as_ref().map(|pause| pause.cause.message.as_str());
        let webhook = self.status.webhook.failure.as_ref().map(|cause| cause.message.as_str());
        paused.into_iter().chain(webhook).collect()
    }
}

/// Shows it.
pub async fn show(
    State(page): State<Arc<Page>>,
    who: Who,
    Path(id): Path<IntegrationId>,
    Query(Done { done }): Query<Done>,
) -> Answer {
    let Open { standing, status, frame } = open(&page, &who, &id, Tab::Status, done.as_deref()).await?;
    let store = page.callers.service().store();
    let newest = store.deliveries(&id, &DeliveryFilter::default(), None, chart::LOOKED_AT).await?;
    let charts = chart::of_deliveries(&newest, Timestamp::now(), |at| frame.when(at));
    let charts = charts.into_iter().filter(|chart| !chart.is_empty()).collect();
    let waiting = waiting(&page, &id).await?;
    Ok(html(&Status { frame, integration: standing.integration, status, waiting, charts }))
}

/// Switches it on.
pub async fn enable(Extension(admin): Extension<Admin>, Path(id): Path<IntegrationId>) -> Answer {
    admin.enable(&id, true).await?;
    Ok(go_to(&format!("/integrations/{id}?done=enabled")))
}

/// Switches it off.
pub async fn disable(Extension(admin): Extension<Admin>, Path(id): Path<IntegrationId>) -> Answer {
    admin.enable(&id, false).await?;
    Ok(go_to(&format!("/integrations/{id}?done=disabled")))
}

/// Lets what waits go on.
pub async fn approve(Extension(admin): Extension<Admin>, Path(id): Path<IntegrationId>) -> Answer {
    admin.approve(&id).await?;
    Ok(go_to(&format!("/integrations/{id}?done=approved")))
}

#[derive(Template)]
#[template(path = "findings.html")]
pub(super) struct Findings {
    pub findings: Vec<Finding>,
}

/// Checks that both sides can be worked with.
pub async fn check(
    State(page): State<Arc<Page>>,
    Extension(admin): Extension<Admin>,
    Path(id): Path<IntegrationId>,
) -> Answer {
    let integration = admin.integration(&id).await?;
    let mut findings = Vec::new();
    let mut keep = |finding| findings.push(finding);
    Box::pin(checkup(page.callers.service(), &integration, &mut keep)).await;
    Ok(html(&Findings { findings }))
}

/// Has both sides be asked anew for what they have.
pub async fn look_again(
    State(page): State<Arc<Page>>,
    Path(id): Path<IntegrationId>,
    Extension(sent): Extension<Sent>,
) -> Answer {
    page.sides.forget(&id);
    let tab = Tab::ALL.into_iter().find(|tab| tab.place() == sent.exact("tab")).unwrap_or(Tab::Status);
    Ok(go_to(&format!("/integrations/{id}{}", tab.place())))
}
