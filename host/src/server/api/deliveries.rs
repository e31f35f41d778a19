//! Deliveries: what the CRMs sent, what came of it, and dead letters.

use axum::extract::State;
use axum::{Extension, Json as Given};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::extract::{Asked, At, Json};
use super::paging::{Page, few, number, within};
use super::problem::{Answer, Problems, RequestError};
use crate::admin::Admin;
use crate::change::{ChangeOutcome, DeliveryNumber};
use crate::integration::IntegrationId;
use crate::lane::{CauseCount, ChangeRecord, DeliveryFilter, DeliveryLine, Replay};

/// Which deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Which {
    /// Only those that came to this.
    #[param(value_type = Option<ChangeOutcome>)]
    pub outcome: Option<String>,
    /// Only dead letters.
    #[serde(default)]
    pub dead: bool,
    /// Only those that have no outcome yet.
    #[serde(default)]
    pub open: bool,
    /// Only those with a cause of this code.
    pub cause: Option<String>,
    /// Items on the page.
    #[serde(default = "few")]
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub limit: u32,
    /// Where the page begins, as the page before it says.
    pub after: Option<String>,
}

/// Lists deliveries, the newest first.
#[utoipa::path(get, path = "/integrations/{integration}/deliveries", tag = "deliveries",
    params(("integration" = String, Path, description = "Its id"), Which),
    responses((status = 200, body = Page<DeliveryLine>), Problems), security(("token" = ["viewer"])))]
pub async fn list(
    State(api): State<Api>,
    At(id): At<IntegrationId>,
    Asked(which): Asked<Which>,
) -> Answer<Given<Page<DeliveryLine>>> {
    let limit = within(which.limit)?;
    let before = number(which.after.as_deref())?.map(DeliveryNumber);
    let outcome = which.outcome.map(|text| outcome(&text)).transpose()?;
    let filter = DeliveryFilter { outcome, dead: which.dead, open: which.open, cause: which.cause };
    let found = api.service.store().deliveries(&id, &filter, before, limit + 1).await?;
    Ok(Given(Page::of(found, limit, |line| line.number.to_string())))
}

fn outcome(text: &str) -> Result<ChangeOutcome, RequestError> {
    ChangeOutcome::ALL.into_iter().find(|outcome| outcome.as_str() == text).ok_or_else(|| {
        let all: Vec<&str> = ChangeOutcome::ALL.into_iter().map(ChangeOutcome::as_str).collect();
        RequestError::Malformed { part: "query", problem: format!("`outcome` is one of {}", all.join(", ")) }
    })
}

/// A delivery with everything that is kept of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Whole {
    /// As it is listed.
    pub delivery: DeliveryLine,
    /// Its headers, those that are kept.
    pub headers: Vec<(String, String)>,
    /// What followed the question mark.
    pub query: String,
    /// Its body, as text.
    pub body: String,
    /// What was decoded from it.
    pub changes: Vec<ChangeRecord>,
}

/// Shows one delivery: what came, what was decoded from it, and what came of that. It holds personal data.
#[utoipa::path(get, path = "/integrations/{integration}/deliveries/{delivery}", tag = "deliveries",
    params(("integration" = String, Path, description = "Its id"), ("delivery" = i64, Path, description = "Its number")),
    responses((status = 200, body = Whole), Problems), security(("token" = ["viewer"])))]
pub async fn show(
    State(api): State<Api>,
    At((id, delivery)): At<(IntegrationId, i64)>,
) -> Answer<Given<Whole>> {
    let record = api.service.store().delivery(&id, DeliveryNumber(delivery)).await?;
    Ok(Given(Whole {
        delivery: record.line,
        headers: record.delivery.headers,
        query: record.delivery.query,
        body: String::from_utf8_lossy(&record.delivery.body).into_owned(),
        changes: record.changes,
    }))
}

/// Of which deliveries causes are counted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Causing {
    /// Of what was discarded, in place of dead letters.
    #[serde(default)]
    pub discarded: bool,
}

/// Counts the causes of dead letters, or of what was discarded, the most frequent first.
#[utoipa::path(get, path = "/integrations/{integration}/causes", tag = "deliveries",
    params(("integration" = String, Path, description = "Its id"), Causing),
    responses((status = 200, body = Vec<CauseCount>), Problems), security(("token" = ["viewer"])))]
pub async fn causes(
    State(api): State<Api>,
    At(id): At<IntegrationId>,
    Asked(asked): Asked<Causing>,
) -> Answer<Given<Vec<CauseCount>>> {
    Ok(Given(api.service.store().causes(&id, !asked.discarded).await?))
}

/// Which dead letters are taken anew.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Again {
    /// One delivery, whatever came of it.
    Delivery(i64),
    /// All with a cause of this code.
    Cause(String),
    /// All; `true`.
    All(bool),
}

/// How many.
#[derive(Debug, Serialize, ToSchema)]
pub struct Replayed {
    /// Deliveries that are taken anew.
    pub replayed: u64,
}

/// Has dead letters decoded and processed anew, by the rules as they are now.
#[utoipa::path(post, path = "/integrations/{integration}/replay", tag = "deliveries",
    params(("integration" = String, Path, description = "Its id")), request_body = Again,
    responses((status = 200, body = Replayed), Problems), security(("token" = ["editor"])))]
pub async fn replay(
    Extension(admin): Extension<Admin>,
    At(id): At<IntegrationId>,
    Json(again): Json<Again>,
) -> Answer<Given<Replayed>> {
    let which = match again {
        Again::Delivery(number) => Replay::One(DeliveryNumber(number)),
        Again::Cause(code) => Replay::Cause(code),
        Again::All(true) => Replay::All,
        Again::All(false) => {
            let problem = "`all` is true, or another key is given".to_owned();
            return Err(RequestError::Malformed { part: "body", problem }.into());
        }
    };
    Ok(Given(Replayed { replayed: admin.replay(&id, which).await? }))
}
