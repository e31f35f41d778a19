//! Enabling an integration, and its settings afterwards: what the connector asks for, where APSIS One is, and what may be
//! reached.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use hyper::StatusCode;
use hyper::header::HeaderMap;

use super::conditions::revision;
use super::connection_form::{Setting, Widget, Written, blank, read, settings};
use super::door::Who;
use super::form::Sent;
use super::frame::{Frame, Tab, html};
use super::integrations::Done;
use super::status::{Findings, open};
use super::{Answer, Page, go_to, is_htmx, texts as t};
use crate::admin::{Admin, Finding, checkup};
use crate::connector::{CatalogueError, Connector, Description};
use crate::error::Failure;
use crate::integration::{Integration, IntegrationId, NewContacts, OnDelete, SameAddress, SecretRef};
use crate::store::{Expected, StoreError};

#[derive(Template)]
#[template(path = "connectors.html")]
struct Choice {
    frame: Frame,
    connectors: Vec<(String, Description)>,
}

#[derive(Template)]
#[template(path = "connection.html")]
struct Form {
    frame: Frame,
    /// Where it is sent.
    place: String,
    integration: Integration,
    settings: Vec<Setting>,
    origins: Vec<String>,
    asks_for: Vec<String>,
    revision: Option<i64>,
    failure: Option<Failure>,
    findings: Vec<Finding>,
    may_edit: bool,
    secret_is_set: bool,
    speaker: Speaker,
}

/// What speaks to the CRM.
struct Speaker {
    name: String,
    version: String,
    digest: String,
}

impl Form {
    fn is_new(&self) -> bool {
        self.revision.is_none()
    }

    fn first(&self) -> Vec<&Setting> {
        self.settings.iter().filter(|one| one.required || one.widget == Widget::Secret).collect()
    }

    fn more(&self) -> Vec<&Setting> {
        self.settings.iter().filter(|one| !one.required && one.widget != Widget::Secret).collect()
    }
}

impl Speaker {
    fn of(connector: &Connector) -> Self {
        let (name, version) = (connector.description().name.clone(), connector.version());
        Self { name, version: version.version, digest: version.connector }
    }
}

/// The addresses that a connector asks for, while its settings are not written yet.
fn asks_for(connector: &Connector) -> Vec<String> {
    let settled = |origin: &String| origin.replace("{settings.", "‹").replace('}', "›");
    connector.description().origins.iter().map(settled).collect()
}

async fn load(page: &Page, name: &str) -> Answer<Connector> {
    let service = page.callers.service();
    let component = service.store().component(name).await?;
    let component = component.ok_or_else(|| CatalogueError::Missing(name.to_owned()))?;
    Ok(Box::pin(service.engine().load(&component)).await?)
}

/// Shows the connectors there are.
pub async fn choose(State(page): State<Arc<Page>>, who: Who) -> Answer {
    let mut connectors = Vec::new();
    for name in page.callers.service().store().component_names().await? {
        // One that this host cannot load any more is not offered.
        if let Ok(connector) = load(&page, &name).await {
            connectors.push((name, connector.description().clone()));
        }
    }
    connectors.sort_by(|(_, one), (_, other)| (&one.name, &one.version).cmp(&(&other.name, &other.version)));
    Ok(html(&Choice { frame: Frame::new(&who, None), connectors }))
}

/// Shows the form of a new integration.
pub async fn new(State(page): State<Arc<Page>>, who: Who, Path(name): Path<String>) -> Answer {
    let connector = load(&page, &name).await?;
    let form = Form {
        frame: Frame::new(&who, None),
        place: format!("/integrations/new/{name}"),
        integration: blank(&connector),
        settings: settings(&connector, None, None),
        origins: Vec::new(),
        asks_for: asks_for(&connector),
        speaker: Speaker::of(&connector),
        revision: None,
        failure: None,
        findings: Vec::new(),
        may_edit: true,
        secret_is_set: false,
    };
    Ok(html(&form))
}

/// What a form's button asks for, done with what was written: whether it can work, or that it be stored.
enum Asked {
    Findings(Vec<Finding>),
    Stored(IntegrationId),
    Failed(Box<Integration>, Failure),
}

async fn asked(
    page: &Page,
    admin: &Admin,
    connector: &Connector,
    known: Option<&Integration>,
    sent: &Sent,
    expected: Expected,
) -> Asked {
    let Written { integration, secrets } = match read(connector, known, sent) {
        Ok(written) => written,
        Err(failure) => {
            let as_known = known.cloned().unwrap_or_else(|| blank(connector));
            return Asked::Failed(Box::new(as_known), failure);
        }
    };
    if sent.is_ticked("test") {
        let service = page.callers.service().having((integration.id.clone(), secrets));
        let mut findings = Vec::new();
        let mut keep = |finding| findings.push(finding);
        Box::pin(checkup(&service, &integration, &mut keep)).await;
        return Asked::Findings(findings);
    }
    let id = integration.id.clone();
    match admin.apply_with_secrets(integration.clone(), secrets, expected).await {
        Ok(_) => Asked::Stored(id),
        Err(failure) => Asked::Failed(Box::new(integration), failure),
    }
}

/// Enables an integration, or tests the connection of one that is not stored yet.
pub async fn add(
    State(page): State<Arc<Page>>,
    Extension(admin): Extension<Admin>,
    who: Who,
    Path(name): Path<String>,
    headers: HeaderMap,
    Extension(sent): Extension<Sent>,
) -> Answer {
    let connector = load(&page, &name).await?;
    let (integration, failure, findings) =
        match asked(&page, &admin, &connector, None, &sent, Expected::Absent).await {
            Asked::Stored(id) => return Ok(go_to(&format!("/integrations/{id}?done=added"))),
            Asked::Findings(findings) if is_htmx(&headers) => return Ok(html(&Findings { findings })),
            Asked::Findings(findings) => {
                let written = read(&connector, None, &sent)?;
                (written.integration, None, findings)
            }
            Asked::Failed(integration, failure) => (*integration, Some(failure), Vec::new()),
        };
    let has_failed = failure.is_some();
    let mut response = html(&Form {
        frame: Frame::new(&who, None),
        place: format!("/integrations/new/{name}"),
        settings: settings(&connector, None, Some(&sent)),
        origins: connector.wanted_origins(&integration.settings),
        asks_for: asks_for(&connector),
        speaker: Speaker::of(&connector),
        integration,
        revision: None,
        failure,
        findings,
        may_edit: true,
        secret_is_set: false,
    });
    if has_failed {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

/// Shows an integration's settings.
pub async fn show(
    State(page): State<Arc<Page>>,
    who: Who,
    Path(id): Path<IntegrationId>,
    Query(Done { done }): Query<Done>,
) -> Answer {
    let open = open(&page, &who, &id, Tab::Settings, done.as_deref()).await?;
    let connector = load(&page, &open.integration().connector).await?;
    let form = Form {
        place: format!("/integrations/{id}/settings"),
        settings: settings(&connector, Some(open.integration()), None),
        origins: open.integration().grant.origins.clone(),
        asks_for: asks_for(&connector),
        speaker: Speaker::of(&connector),
        revision: Some(open.standing.revision),
        failure: None,
        findings: Vec::new(),
        may_edit: open.frame.may_operate(),
        secret_is_set: true,
        integration: open.standing.integration,
        frame: open.frame,
    };
    Ok(html(&form))
}

/// Saves an integration's settings, or tests the connection with them.
pub async fn save(
    State(page): State<Arc<Page>>,
    Extension(admin): Extension<Admin>,
    who: Who,
    Path(id): Path<IntegrationId>,
    headers: HeaderMap,
    Extension(sent): Extension<Sent>,
) -> Answer {
    let open = open(&page, &who, &id, Tab::Settings, None).await?;
    let connector = load(&page, &open.integration().connector).await?;
    let revision = revision(&sent).ok_or(StoreError::Changed { integration: id.clone(), revision: 0 })?;
    let expected = Expected::Revision(revision);
    let (integration, failure, findings) =
        match asked(&page, &admin, &connector, Some(open.integration()), &sent, expected).await {
            Asked::Stored(_) => {
                page.sides.forget(&id);
                return Ok(go_to(&format!("/integrations/{id}/settings?done=settings")));
            }
            Asked::Findings(findings) if is_htmx(&headers) => return Ok(html(&Findings { findings })),
            Asked::Findings(findings) => (open.integration().clone(), None, findings),
            Asked::Failed(integration, failure) => (*integration, Some(failure), Vec::new()),
        };
    let has_failed = failure.is_some();
    let mut response = html(&Form {
        place: format!("/integrations/{id}/settings"),
        settings: settings(&connector, Some(open.integration()), Some(&sent)),
        origins: connector.wanted_origins(&integration.settings),
        asks_for: asks_for(&connector),
        speaker: Speaker::of(&connector),
        revision: Some(revision),
        failure,
        findings,
        may_edit: open.frame.may_operate(),
        secret_is_set: true,
        integration,
        frame: open.frame,
    });
    if has_failed {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

/// Deletes an integration, once its webhook is taken back.
pub async fn delete(Extension(admin): Extension<Admin>, Path(id): Path<IntegrationId>) -> Answer {
    admin.retire(&id).await?;
    Ok(go_to("/integrations?done=deleted"))
}
