//! Another version of an integration's connector, tried beside the one that it uses: whether the integration can use it,
//! and what it would make of contacts that are known. Nothing is written, here or there.

mod differing;
mod fitting;

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tracing::warn;

use self::differing::difference;
use self::fitting::{InUse, Lists, Offer, obstacles};
use super::checking::ask_apsis;
use super::failure::SyncError;
use super::fetching::{Answer, Fetched, fetch};
use super::line::{Patience, connect, load, rules_of};
use super::mapping::{Crm, usable};
use super::patience::patiently;
use super::service::Service;
use crate::apsis::Definitions;
use crate::connector::{CallError, Connection, Connector};
use crate::contact::ContactId;
use crate::error::{ErrorCode, Failure};
use crate::integration::Integration;
use crate::lane::Standing;
use crate::overview::OverviewId;
use crate::rules::Rules;
use crate::upgrade::{Comparison, ContactDifference, Sample, UpgradeError};

/// Contacts that are read in one call.
const AT_ONCE: usize = 50;

/// How often contacts that differ are read, at most: somebody may have changed them in the CRM between the two readings.
const READINGS: u32 = 3;

/// Compares what the version that an integration uses, and another one, make of so many contacts that are known, evenly
/// over all.
///
/// # Errors
/// The integration cannot use the other version: it is another connector, its settings, secrets or origins do not fit, or
/// something that a rule uses is not there; the other version, or APSIS One, does not answer; the store fails.
pub async fn compare(
    service: &Service,
    standing: &Standing,
    to: &Connector,
    sample: Sample,
) -> Result<Comparison, SyncError> {
    let integration = &standing.integration;
    let from = load(service, integration).await?;
    let Fitting { connection, then, now } = fits(service, standing, &from, to).await?;
    let (from, to) = (from.version(), to.version());
    let definitions = ask_apsis(service, integration).await?;
    let after = Side::new(integration, connection, now, &definitions)?;
    let before = match then {
        Ok((connection, lists)) => Side::new(integration, connection, lists, &definitions),
        Err(error) => Err(error),
    };
    let before = match before {
        Ok(before) => before,
        Err(error) => return Ok(Comparison::unread(from, to, Failure::from(&error))),
    };
    let zone = TimeZone::get(&integration.time_zone).unwrap_or(TimeZone::UTC);
    let today = zone.to_datetime(Timestamp::now()).date();
    let known = service.store().known_sample(&integration.id, sample.contacts()).await?;
    match read(&before, &after, today, &known).await {
        Ok(differences) => Ok(Comparison::of(from, to, known.len() as u64, differences)),
        Err(Unread::Before(error)) => Ok(Comparison::unread(from, to, Failure::from(&error))),
        Err(Unread::After(error)) => Err(error.into()),
    }
}

/// An integration that can use another version.
struct Fitting {
    connection: Connection,
    now: Lists,
    /// That of the version which it uses, if it answers.
    then: Result<(Connection, Lists), SyncError>,
}

async fn fits(
    service: &Service,
    standing: &Standing,
    from: &Connector,
    to: &Connector,
) -> Result<Fitting, SyncError> {
    let integration = &standing.integration;
    let (of_now, of_other) = (from.description(), to.description());
    if of_now.id != of_other.id {
        let (from, to) = (of_now.id.clone(), of_other.id.clone());
        return Err(UpgradeError::OtherConnector { integration: integration.id.clone(), from, to }.into());
    }
    let trial = Integration { connector: to.version().connector, ..integration.clone() };
    let connection = connect(service, &trial).await?;
    let store = service.store();
    let overviews = store.overviews(&integration.id).await?;
    let overviews: Vec<_> = overviews.into_iter().map(|(overview, _)| overview).collect();
    let in_use = InUse { webhook: !store.webhook(&integration.id).await?.is_gone(), overviews };
    let then = async {
        let connection = connect(service, integration).await?;
        let lists = lists(&connection, integration, &in_use).await?;
        Ok::<_, SyncError>((connection, lists))
    };
    let then = then.await;
    if let Err(error) = &then {
        warn!(
            integration = %integration.id,
            code = error.code(),
            "the version that is used does not say what it has; the other one is held against the rules alone"
        );
    }
    let now = lists(&connection, integration, &in_use).await?;
    let lists_then = then.as_ref().ok().map(|(_, lists)| lists.clone());
    let before = Offer { description: of_now, exports: from.exports(), lists: lists_then };
    let after = Offer { description: of_other, exports: to.exports(), lists: Some(now.clone()) };
    let obstacles = obstacles(integration, &in_use, &before, &after);
    match obstacles.is_empty() {
        true => Ok(Fitting { connection, now, then }),
        false => Err(UpgradeError::Obstacles { integration: integration.id.clone(), obstacles }.into()),
    }
}

/// Asks a version for what the integration uses of it.
async fn lists(
    connection: &Connection,
    integration: &Integration,
    in_use: &InUse,
) -> Result<Lists, CallError> {
    let fields = patiently(Patience::Short, || connection.list_fields()).await?;
    let consents = if integration.consents.iter().any(|row| row.consent.is_some()) {
        patiently(Patience::Short, || connection.list_consents()).await?
    } else {
        Vec::new()
    };
    let overviews = if in_use.overviews.is_empty() || !connection.connector().exports().overviews {
        BTreeSet::new()
    } else {
        let found = patiently(Patience::Short, || connection.list_overviews()).await?;
        found.into_iter().map(|found| OverviewId(found.id)).collect()
    };
    Ok(Lists { fields, consents, overviews })
}

/// A version, with the rules as it would have them.
struct Side {
    connection: Connection,
    rules: Rules,
}

impl Side {
    fn new(
        integration: &Integration,
        connection: Connection,
        lists: Lists,
        definitions: &Definitions,
    ) -> Result<Self, SyncError> {
        let email_field = &connection.connector().description().email_field;
        let crm = Crm { email_field, fields: &lists.fields, consents: &lists.consents };
        let usable = usable(integration, &crm, definitions)?;
        let rules = rules_of(integration, usable.set, &usable.paused)?;
        Ok(Self { connection, rules })
    }

    async fn read(&self, ids: &[ContactId]) -> Result<HashMap<ContactId, Fetched>, CallError> {
        match fetch(&self.connection, Patience::Short, ids).await? {
            Answer::Of(fetched) => Ok(fetched),
            Answer::NotOffered => Err(CallError::NotOffered { interface: "get" }),
        }
    }
}

/// Which version could not be asked.
enum Unread {
    Before(CallError),
    After(CallError),
}

/// Reads contacts with both versions; how they differ.
async fn read(
    before: &Side,
    after: &Side,
    today: Date,
    known: &[ContactId],
) -> Result<Vec<ContactDifference>, Unread> {
    let mut all = Vec::new();
    for some in known.chunks(AT_ONCE) {
        let mut differing = read_some(before, after, today, some).await?;
        for _ in 1..READINGS {
            if differing.is_empty() {
                break;
            }
            let again: Vec<ContactId> = differing.iter().map(|one| one.contact.clone()).collect();
            differing = read_some(before, after, today, &again).await?;
        }
        all.extend(differing);
    }
    Ok(all)
}

async fn read_some(
    before: &Side,
    after: &Side,
    today: Date,
    ids: &[ContactId],
) -> Result<Vec<ContactDifference>, Unread> {
    let then = before.read(ids).await.map_err(Unread::Before)?;
    let now = after.read(ids).await.map_err(Unread::After)?;
    let differs = |id: &ContactId| {
        let (then, now) = (then.get(id)?, now.get(id)?);
        difference(id, today, (&before.rules, then), (&after.rules, now))
    };
    Ok(ids.iter().filter_map(differs).collect())
}
