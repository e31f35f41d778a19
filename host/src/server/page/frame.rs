//! What all pages have: who is there, where they are, and what was just done.

use askama::Template;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tracing::error;

use super::{door, texts as t};
use crate::access::{Need, On, Role};
use crate::error::Failure;
use crate::integration::{Integration, IntegrationId};
use crate::lane::{Health, LaneStatus};
use crate::server::callers::Visitor;

/// The frame of a page.
pub struct Frame {
    /// Who is there.
    pub who: String,
    /// What a form sends to prove that it is ours.
    pub proof: String,
    /// What was just done.
    pub notice: Option<&'static str>,
    /// Whether they may enable an integration.
    pub may_add: bool,
    /// The integration that the page is of.
    pub one: Option<One>,
}

/// A page's integration.
pub struct One {
    /// Its id.
    pub id: IntegrationId,
    /// What people call it.
    pub name: String,
    /// How it is.
    pub health: Health,
    /// Whether a full sync is needed.
    pub needs_sync: bool,
    /// Which tab is open.
    pub tab: Tab,
    /// Its customer's time zone.
    pub zone: TimeZone,
    /// Whether they may change its rules.
    pub may_edit: bool,
    /// Whether they may do all with it.
    pub may_operate: bool,
}

/// A tab of an integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    Status,
    Conditions,
    Fields,
    Consents,
    FullSync,
    Overviews,
    Activity,
    Settings,
}

impl Tab {
    /// Those that are shown, in this order.
    pub const ALL: [Self; 8] = [
        Self::Status,
        Self::Conditions,
        Self::Fields,
        Self::Consents,
        Self::FullSync,
        Self::Overviews,
        Self::Activity,
        Self::Settings,
    ];

    /// Its words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Status => t::STATUS,
            Self::Conditions => t::CONDITIONS,
            Self::Fields => t::FIELDS,
            Self::Consents => t::CONSENTS,
            Self::FullSync => t::FULL_SYNC,
            Self::Overviews => t::OVERVIEWS,
            Self::Activity => t::ACTIVITY,
            Self::Settings => t::SETTINGS,
        }
    }

    /// Where it is, after the integration's address.
    pub fn place(self) -> &'static str {
        match self {
            Self::Status => "",
            Self::Conditions => "/conditions",
            Self::Fields => "/fields",
            Self::Consents => "/consents",
            Self::FullSync => "/full-sync",
            Self::Overviews => "/overviews",
            Self::Activity => "/activity",
            Self::Settings => "/settings",
        }
    }
}

impl Frame {
    /// A page of no integration.
    pub fn new(visitor: &Visitor, done: Option<&str>) -> Self {
        Self {
            who: visitor.caller.who.clone(),
            proof: visitor.secret.form_proof(),
            notice: done.and_then(t::done),
            may_add: visitor.caller.may(Need { role: Role::Operator, on: On::Host }),
            one: None,
        }
    }

    /// A page of an integration.
    pub fn of(
        visitor: &Visitor,
        done: Option<&str>,
        integration: &Integration,
        status: &LaneStatus,
        tab: Tab,
    ) -> Self {
        let id = &integration.id;
        let may = |role| visitor.caller.may(Need { role, on: On::One(id) });
        let one = One {
            id: id.clone(),
            name: integration.name.clone(),
            health: status.health(),
            needs_sync: !status.needs.is_empty(),
            tab,
            zone: TimeZone::get(&integration.time_zone).unwrap_or(TimeZone::UTC),
            may_edit: may(Role::Editor),
            may_operate: may(Role::Operator),
        };
        Self { one: Some(one), ..Self::new(visitor, done) }
    }

    /// Whether they may change the rules of the page's integration.
    pub fn may_edit(&self) -> bool {
        self.one.as_ref().is_some_and(|one| one.may_edit)
    }

    /// Whether they may do all with the page's integration.
    pub fn may_operate(&self) -> bool {
        self.one.as_ref().is_some_and(|one| one.may_operate)
    }

    /// Where the page's integration is.
    pub fn at(&self) -> String {
        self.one.as_ref().map_or_else(String::new, |one| format!("/integrations/{}", one.id))
    }

    /// A moment as the integration's customer reads it.
    pub fn when(&self, moment: &Timestamp) -> String {
        let zone = self.one.as_ref().map_or(TimeZone::UTC, |one| one.zone.clone());
        zone.to_datetime(*moment).strftime("%Y-%m-%d %H:%M").to_string()
    }
}

/// A page, or a part of one.
pub fn html(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => ([(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
        Err(problem) => {
            error!(%problem, "a page could not be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage<'a> {
    failure: &'a Failure,
}

/// What could not be done, as a page of its own.
pub fn failure(failure: &Failure) -> Response {
    refused(html(&FailurePage { failure }), &failure.code)
}

/// A page with the status of what could not be done.
pub fn refused(mut response: Response, code: &str) -> Response {
    let status = door::status(code);
    *response.status_mut() = status;
    if status == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
    }
    response
}
