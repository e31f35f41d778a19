//! The line of one integration, ready for contacts: its connection to the CRM, its rules with every
//! name resolved, and its target in APSIS One.
//!
//! Opening it reads both sides' definitions once. A mapping row that names what either side no longer has is left out
//! here, before the first contact, and said: an unknown field would read as empty, and would clear an attribute of
//! everybody. The rest goes on. A condition that cannot be tried stops the line: without it, people would be synced who
//! were to be excluded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use tracing::{instrument, warn};

use super::failure::SyncError;
use super::holding::Validity;
use super::mapping::{Crm, Fills, PausedRow, Usable, usable};
use super::patience::patiently;
use super::service::Service;
use crate::apsis::{Client, ConsentStep, Target};
use crate::brake::Brake;
use crate::connector::{Connection, ConnectionSettings, Connector, Limits, check_component};
use crate::integration::{Integration, RealTime, SameAddress};
use crate::need::{NeedCode, NewNeed};
use crate::profile::AttributeId;
use crate::rules::{RuleSet, Rules};

/// Everything that one integration's contacts pass through.
pub struct Line {
    /// To the CRM.
    pub connection: Connection,
    /// What a profile should be.
    pub rules: Rules,
    /// Into APSIS One.
    pub target: Target,
    /// Every attribute that the rules set, and those of paused rows that APSIS One still has.
    pub attributes: Vec<AttributeId>,
    /// Every consent that the rules set, and those of paused rows that APSIS One still has.
    pub consents: Vec<ConsentStep>,
    /// The mapping rows that are left out, because one side no longer has what they name. The attributes and consents
    /// that they fill are to stay as they were last written.
    pub paused: Vec<PausedRow>,
    /// Contacts asked for in one page.
    pub page_size: u32,
    /// From how many writes on bulk imports are used.
    pub import_threshold: u64,
    /// At most this many contacts in one import file.
    pub import_rows: u32,
    /// Where import and export files are kept while they are used.
    pub spool: PathBuf,
    /// How what the CRM sends is taken.
    pub real_time: RealTime,
    /// What becomes of another profile with the same address.
    pub same_address: SameAddress,
    /// How much is done without being asked.
    pub brake: Brake,
    /// When both sides were asked what they have.
    pub opened_at: Instant,
    zone: TimeZone,
}

/// How long somebody tries before he gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Some minutes: a run that fails has to be started anew.
    Long,
    /// Some seconds: whoever it is tries again later by himself.
    Short,
}

impl Line {
    /// Opens an integration's line. Nothing is sent to APSIS One once `valid` holds no more.
    ///
    /// # Errors
    /// When the component, a setting, a secret or a rule cannot be used, or one side does not answer.
    #[instrument(name = "open line", skip_all, fields(integration = %integration.id))]
    pub async fn open(
        service: &Service,
        integration: &Integration,
        valid: Validity,
        patience: Patience,
    ) -> Result<Self, SyncError> {
        let opened_at = Instant::now();
        let connection = connect(service, integration).await?;
        let client = Client::new(&integration.apsis, service.secrets().of_apsis(integration).await?)?;
        let client = client.of(&integration.id).while_allowed(Arc::new(move || valid.left()));
        let client = if patience == Patience::Short { client.impatient() } else { client };
        let definitions = client.definitions().await?;
        let target = client.target(&definitions, &integration.apsis)?;
        let fields = patiently(patience, || connection.list_fields()).await?;
        let consents = if integration.consents.iter().any(|row| row.consent.is_some()) {
            patiently(patience, || connection.list_consents()).await?
        } else {
            Vec::new()
        };
        let email_field = &connection.connector().description().email_field;
        let crm = Crm { email_field, fields: &fields, consents: &consents };
        let Usable { set, paused } = usable(integration, &crm, &definitions)?;
        for row in &paused {
            warn!(
                integration = %integration.id,
                row = row.row,
                name = row.name,
                code = row.why.code,
                "a mapping is paused, the rest goes on: {}",
                row.why.message
            );
        }
        let rules = rules_of(integration, set.clone(), &paused)?;
        let mut attributes: Vec<AttributeId> = set.fields.iter().map(|row| row.attribute.clone()).collect();
        attributes.push(set.email_attribute.clone());
        attributes.extend(set.id_attribute.clone());
        let mut pairs: Vec<_> = set.consents.iter().map(|row| (row.topic.clone(), row.channel)).collect();
        for row in paused.iter().filter(|row| row.is_there) {
            match &row.fills {
                Some(Fills::Attribute(attribute)) => attributes.push(attribute.clone()),
                Some(Fills::Consent(pair)) => pairs.push(pair.clone()),
                Some(Fills::Unresolved(_)) | None => {}
            }
        }
        let consents = pairs.into_iter().map(|(topic, channel)| ConsentStep { topic, channel }).collect();
        Ok(Self {
            connection,
            rules,
            paused,
            target,
            attributes,
            consents,
            page_size: integration.sync.page_size,
            import_threshold: u64::from(integration.sync.import_threshold),
            import_rows: integration.sync.import_rows,
            spool: service.data().spool(),
            real_time: integration.real_time.clone(),
            same_address: integration.apsis.same_address,
            brake: integration.brake.clone(),
            opened_at,
            // A name that the system no longer knows: days begin and end by UTC.
            zone: TimeZone::get(&integration.time_zone).unwrap_or(TimeZone::UTC),
        })
    }

    /// What is to be said of mapping rows that are left out, if any are.
    pub fn paused_need(&self) -> Option<NewNeed> {
        let rows: Vec<String> = self.paused.iter().map(|row| format!("{} ({})", row.row, row.name)).collect();
        (!rows.is_empty()).then(|| NewNeed::about(NeedCode::MappingPaused, rows))
    }

    /// The date where the integration's customer is, for conditions that are relative to it.
    pub fn today(&self) -> Date {
        self.zone.to_datetime(Timestamp::now()).date()
    }
}

/// The rules of an integration, without the rows that are left out.
///
/// # Errors
/// When rows contradict each other.
pub(super) fn rules_of(
    integration: &Integration,
    set: RuleSet,
    paused: &[PausedRow],
) -> Result<Rules, SyncError> {
    let pairs: BTreeSet<_> = paused.iter().filter_map(PausedRow::consent).cloned().collect();
    Ok(Rules::new(set)?
        .pausing(pairs, paused.iter().filter_map(PausedRow::attribute).cloned().collect())
        .unresolved(paused.iter().filter_map(PausedRow::unresolved).cloned().collect())
        .deleting_unmatched(integration.sync.delete_unmatched))
}

/// Connects to an integration's CRM.
///
/// # Errors
/// When the component, a setting or a secret cannot be used.
pub async fn connect(service: &Service, integration: &Integration) -> Result<Connection, SyncError> {
    let connector = load(service, integration).await?;
    let secrets = service.secrets().of_connector(integration).await?;
    Ok(Connection::open(&connector, connection_settings(integration, secrets)?)?)
}

/// Loads an integration's component. One that this process has loaded before is not fetched again.
///
/// # Errors
/// When it is not in the store, or this host cannot load it.
pub async fn load(service: &Service, integration: &Integration) -> Result<Connector, SyncError> {
    load_component(service, &integration.connector).await
}

/// Loads a component of the store by its name.
///
/// # Errors
/// When it is not in the store, or this host cannot load it.
pub async fn load_component(service: &Service, name: &str) -> Result<Connector, SyncError> {
    if let Some(connector) = name.strip_prefix("sha256:").and_then(|digest| service.engine().loaded(digest)) {
        return Ok(connector);
    }
    let component = check_component(name, service.store().component(name).await?)?;
    Ok(service.engine().load(&component).await?)
}

fn connection_settings(
    integration: &Integration,
    secrets: BTreeMap<String, SecretString>,
) -> Result<ConnectionSettings, SyncError> {
    Ok(ConnectionSettings {
        integration: integration.id.clone(),
        settings: integration.settings.clone(),
        secrets,
        grant: integration.grant.clone(),
        limits: Limits::from(&integration.limits)?,
    })
}

/// Whether an integration's component loads and its settings fit. Secrets need not be there yet.
///
/// # Errors
/// With what does not fit.
pub async fn check_connection(service: &Service, integration: &Integration) -> Result<(), SyncError> {
    let connector = load(service, integration).await?;
    if let Ok(secrets) = service.secrets().of_connector(integration).await {
        Connection::open(&connector, connection_settings(integration, secrets)?)?;
        return Ok(());
    }
    let named = integration.secrets.keys().map(|name| (name.clone(), SecretString::from("unread"))).collect();
    Connection::check_unread(&connector, &connection_settings(integration, named)?)?;
    Ok(())
}
