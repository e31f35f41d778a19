//! The journal: who did what on purpose.

use axum::Json as Given;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Api;
use super::extract::Asked;
use super::paging::{Page, few, number, within};
use super::problem::{Answer, Problems};
use crate::integration::IntegrationId;
use crate::journal::{Act, ActFilter, ActNumber};

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// Only what was done with this integration.
    pub integration: Option<String>,
    /// Items on the page.
    #[serde(default = "few")]
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub limit: u32,
    /// Where the page begins, as the page before it says.
    pub after: Option<String>,
}

/// Lists who did what on purpose, the newest first, with what was so before and after. Secrets are left out.
#[utoipa::path(get, path = "/journal", tag = "journal", params(Which),
    responses((status = 200, body = Page<Act>), Problems), security(("token" = ["operator", "host"])))]
pub async fn list(State(api): State<Api>, Asked(which): Asked<Which>) -> Answer<Given<Page<Act>>> {
    let limit = within(which.limit)?;
    let filter = ActFilter {
        integration: which.integration.map(IntegrationId),
        before: number(which.after.as_deref())?.map(ActNumber),
    };
    let acts = api.service.store().acts(&filter, limit + 1).await?;
    Ok(Given(Page::of(acts, limit, |act| act.number.0.to_string())))
}
