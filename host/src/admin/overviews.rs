//! Overviews: what the CRM has, what is imported of it and as which tag; imported now, changed, removed.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{About, Admin, Done, failed};
use crate::error::Failure;
use crate::integration::{Integration, IntegrationId, clock};
use crate::overview::{ImportKind, MORNING, Overview, OverviewError, OverviewId, OverviewImport};
use crate::profile::TagId;
use crate::store::{NewImport, StoreError};
use crate::sync::{self, Found};

/// The overviews of an integration: those that the CRM has, and those that are set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Overviews {
    /// Whether the connector offers any.
    pub offered: bool,
    /// By name; those that the CRM no longer has at the end.
    pub overviews: Vec<OverviewLine>,
    /// Why the CRM did not say which it has; then those that are set up are there alone.
    pub failure: Option<Failure>,
    /// The time zone of local times.
    pub time_zone: String,
}

/// One overview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct OverviewLine {
    /// The CRM's id.
    pub id: OverviewId,
    /// What people call it.
    pub name: String,
    /// How many are in it, where the CRM says.
    pub size: Option<u64>,
    /// Whether the CRM has it; none: it did not say.
    pub in_crm: Option<bool>,
    /// How it is imported, if it is.
    pub imported: Option<Imported>,
}

/// How an overview is imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Imported {
    /// As it is set up.
    #[serde(flatten)]
    pub overview: Overview,
    /// When it is imported by itself the next time.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_at: Option<Timestamp>,
    /// Its newest import.
    pub last_import: Option<OverviewImport>,
}

/// How an overview is to be imported.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NewOverview {
    /// The tag that its members get, by name or discriminator. It has to be there.
    pub tag: String,
    /// Whether it is imported every day by itself.
    #[serde(default)]
    pub recurring: bool,
    /// When, in the integration's time zone.
    #[serde(default = "morning", with = "clock")]
    #[schema(value_type = String, example = "06:00", default = "06:00")]
    pub at: Time,
}

fn morning() -> Time {
    MORNING
}

/// A tag of the section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TagLine {
    /// Its discriminator.
    pub id: TagId,
    /// What people call it.
    pub name: String,
}

impl Admin {
    /// The overviews that the CRM has, joined with what is set up. If the CRM does not answer, what is set up is shown
    /// with that failure.
    ///
    /// # Errors
    /// There is no such integration; the store fails.
    pub async fn overviews(&self, id: &IntegrationId) -> Result<Overviews, Failure> {
        let integration = self.integration(id).await?;
        let known = self.store().overviews(id).await.map_err(failed)?;
        let found = sync::look(&self.service, &integration).await;
        let (offered, failure, found) = match found {
            Ok(Found::Overviews(found)) => (true, None, Some(found)),
            Ok(Found::NotOffered) => (false, None, Some(Vec::new())),
            Err(error) => (true, Some(failed(error)), None),
        };
        let is_known = found.is_some();
        let mut known: Vec<_> = known.into_iter().map(|of| imported(&integration, of)).collect();
        let mut overviews: Vec<OverviewLine> = Vec::new();
        for there in found.into_iter().flatten() {
            let at = known.iter().position(|known| known.overview.id.0 == there.id);
            overviews.push(OverviewLine {
                id: OverviewId(there.id),
                name: there.name,
                size: there.size,
                in_crm: Some(true),
                imported: at.map(|at| known.remove(at)),
            });
        }
        overviews.sort_by(|one, other| (&one.name, &one.id).cmp(&(&other.name, &other.id)));
        overviews.extend(known.into_iter().map(|known| OverviewLine {
            id: known.overview.id.clone(),
            name: known.overview.name.clone(),
            size: None,
            in_crm: is_known.then_some(false),
            imported: Some(known),
        }));
        Ok(Overviews { offered, overviews, failure, time_zone: integration.time_zone })
    }

    /// One overview that is set up.
    ///
    /// # Errors
    /// There is no such integration, or none is set up of this id; the store fails.
    pub async fn overview(&self, id: &IntegrationId, overview: &OverviewId) -> Result<Imported, Failure> {
        let integration = self.integration(id).await?;
        let known = self.store().overview(id, overview).await.map_err(failed)?;
        let last = self.store().overview_imports(id, overview, None, 1).await.map_err(failed)?;
        Ok(imported(&integration, (known, last.into_iter().next())))
    }

    /// The tags that the integration's section has.
    ///
    /// # Errors
    /// There is no such integration; APSIS One does not answer, or a setting cannot be used.
    pub async fn tags(&self, id: &IntegrationId) -> Result<Vec<TagLine>, Failure> {
        let integration = self.integration(id).await?;
        let tags = sync::tags_of(&self.service, &integration).await.map_err(failed)?;
        Ok(tags.0.into_iter().map(|tag| TagLine { id: tag.id, name: tag.name }).collect())
    }

    /// Sets an overview up, or changes how it is imported; whether it is new. Nobody gets a tag before the next import. A
    /// full sync is not needed for it.
    ///
    /// # Errors
    /// There is no such integration; the CRM has no such overview, APSIS One no such tag, or another overview has it; a
    /// side does not answer; the store fails.
    pub async fn put_overview(
        &self,
        id: &IntegrationId,
        overview: &OverviewId,
        new: NewOverview,
    ) -> Result<(Imported, bool), Failure> {
        let about = About { integration: Some(id), about: Some(overview.to_string()) };
        let doing = async {
            let integration = self.integration(id).await?;
            let before = match self.store().overview(id, overview).await {
                Ok(before) => Some(before),
                Err(StoreError::Overview(OverviewError::Unknown { .. })) => None,
                Err(error) => return Err(failed(error)),
            };
            let name = self.name_in_crm(&integration, overview).await?;
            let tags = sync::tags_of(&self.service, &integration).await.map_err(failed)?;
            let tag = tags.tag(&new.tag).map_err(failed)?;
            let after = Overview {
                id: overview.clone(),
                name,
                tag: tag.id.clone(),
                tag_name: tag.name.clone(),
                recurring: new.recurring,
                at: new.at,
                leaving: false,
            };
            let is_new = self.store().put_overview(id, &after).await.map_err(failed)?;
            let value = (self.overview(id, overview).await?, is_new);
            let [before, after] =
                [before, Some(after)].map(|one| one.and_then(|one| serde_json::to_value(one).ok()));
            Ok(Done { value, before, after })
        };
        self.noted("overview.put", about, doing).await
    }

    async fn name_in_crm(&self, integration: &Integration, overview: &OverviewId) -> Result<String, Failure> {
        let found = sync::look(&self.service, integration).await.map_err(failed)?;
        let found = match found {
            Found::Overviews(found) => found.into_iter().find(|found| found.id == overview.0),
            Found::NotOffered => None,
        };
        found.map(|found| found.name).ok_or_else(|| failed(OverviewError::NotInCrm(overview.clone())))
    }

    /// Asks for an overview to be imported: by whoever holds the integration. `confirmed`: it takes the tag off however
    /// many.
    ///
    /// # Errors
    /// There is no such integration, or none is set up of this id; an import of it is under way; the store fails.
    pub async fn import_overview(
        &self,
        id: &IntegrationId,
        overview: &OverviewId,
        confirmed: bool,
    ) -> Result<OverviewImport, Failure> {
        let new = NewImport { kind: ImportKind::ByHand, confirmed, done: None };
        self.accept_import("overview.import", id, overview, new).await
    }

    /// Asks for an overview to be removed: the tag is taken off everybody who has it from this overview, and then it is
    /// gone.
    ///
    /// # Errors
    /// As `import_overview`.
    pub async fn remove_overview(
        &self,
        id: &IntegrationId,
        overview: &OverviewId,
    ) -> Result<OverviewImport, Failure> {
        let new = NewImport { kind: ImportKind::Removal, confirmed: true, done: None };
        self.accept_import("overview.remove", id, overview, new).await
    }

    async fn accept_import(
        &self,
        what: &'static str,
        id: &IntegrationId,
        overview: &OverviewId,
        new: NewImport,
    ) -> Result<OverviewImport, Failure> {
        let about = About { integration: Some(id), about: Some(overview.to_string()) };
        let doing = async {
            let import = self.store().accept_import(id, overview, new).await.map_err(failed)?;
            let number = import.number;
            Ok(Done::with_after(import, &number))
        };
        self.noted(what, about, doing).await
    }

    /// Forgets an overview at once. Whoever has its tag keeps it.
    ///
    /// # Errors
    /// As `import_overview`.
    pub async fn drop_overview(&self, id: &IntegrationId, overview: &OverviewId) -> Result<(), Failure> {
        let about = About { integration: Some(id), about: Some(overview.to_string()) };
        let doing = async {
            let before = self.store().overview(id, overview).await.map_err(failed)?;
            self.store().drop_overview(id, overview).await.map_err(failed)?;
            Ok(Done { value: (), before: serde_json::to_value(before).ok(), after: None })
        };
        self.noted("overview.drop", about, doing).await
    }
}

fn imported(
    integration: &Integration,
    (overview, last_import): (Overview, Option<OverviewImport>),
) -> Imported {
    let zone = TimeZone::get(&integration.time_zone).unwrap_or(TimeZone::UTC);
    let is_due = overview.recurring && !overview.leaving;
    let next_at = is_due.then(|| sync::next_due(Timestamp::now(), overview.at, &zone)).flatten();
    Imported { overview, next_at, last_import }
}
