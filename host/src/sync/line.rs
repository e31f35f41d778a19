//! The line of one integration, ready for contacts: its connection to the CRM, its rules with every
//! name resolved, and its target in APSIS One.
//!
//! Opening it reads both sides' definitions once. A rule that names what either side does not have is
//! refused here, before the first contact: an unknown field would read as empty, and would clear an
//! attribute of everybody.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;

use super::failure::SyncError;
use super::holding::Validity;
use super::patience::patiently;
use crate::apsis::{ApsisError, Client, ConsentStep, Definitions, Target};
use crate::connector::{Connection, ConnectionSettings, Connector, Engine, Limits, check_component};
use crate::contact::{ConsentInfo, FieldInfo};
use crate::data_dir::DataDir;
use crate::integration::{AttributeKind, ConsentRow, FieldRow, Integration, RealTime};
use crate::profile::AttributeId;
use crate::rules::{ConsentMapping, ConsentSource, FieldMapping, RuleSet, Rules};
use crate::store::Store;

/// The attributes that are mapped by themselves; every section has them (APSIS One developer hub,
/// "Update profile attributes").
const EMAIL: &str = "com.apsis1.attributes.email";
const CRM_ID: &str = "com.apsis1.attributes.crmid";

/// Everything that one integration's contacts pass through.
pub struct Line {
    /// To the CRM.
    pub connection: Connection,
    /// What a profile should be.
    pub rules: Rules,
    /// Into APSIS One.
    pub target: Target,
    /// Every attribute that the rules set.
    pub attributes: Vec<AttributeId>,
    /// Every consent that the rules set.
    pub consents: Vec<ConsentStep>,
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
    pub async fn open(
        store: &dyn Store,
        data: &DataDir,
        engine: &Engine,
        integration: &Integration,
        valid: Validity,
        patience: Patience,
    ) -> Result<Self, SyncError> {
        let connection = connect(store, engine, integration).await?;
        let client = Client::new(&integration.apsis, integration.apsis.client_secret.read()?)?;
        let client = client.while_allowed(Arc::new(move || valid.left()));
        let client = if patience == Patience::Short { client.impatient() } else { client };
        let definitions = client.definitions().await?;
        let target = client.target(&definitions, &integration.apsis)?;
        let fields = patiently(patience, || connection.list_fields()).await?;
        let consents = if integration.consents.iter().any(|row| row.consent.is_some()) {
            patiently(patience, || connection.list_consents()).await?
        } else {
            Vec::new()
        };
        check_names(integration, &fields, &consents)?;
        let set = resolve(integration, connection.connector(), &definitions)?;
        let mut attributes: Vec<AttributeId> = set.fields.iter().map(|row| row.attribute.clone()).collect();
        attributes.push(set.email_attribute.clone());
        attributes.extend(set.id_attribute.clone());
        let consents =
            set.consents.iter().map(|row| ConsentStep { topic: row.topic.clone(), channel: row.channel });
        let consents = consents.collect();
        Ok(Self {
            connection,
            rules: Rules::new(set)?,
            target,
            attributes,
            consents,
            page_size: integration.sync.page_size,
            import_threshold: u64::from(integration.sync.import_threshold),
            import_rows: integration.sync.import_rows,
            spool: data.spool(),
            real_time: integration.real_time.clone(),
        })
    }
}

/// Connects to an integration's CRM.
///
/// # Errors
/// When the component, a setting or a secret cannot be used.
pub async fn connect(
    store: &dyn Store,
    engine: &Engine,
    integration: &Integration,
) -> Result<Connection, SyncError> {
    let connector = load(store, engine, integration).await?;
    let settings = connection_settings(integration, read_secrets(integration)?)?;
    Ok(Connection::open(&connector, settings)?)
}

fn read_secrets(integration: &Integration) -> Result<BTreeMap<String, SecretString>, SyncError> {
    let mut secrets = BTreeMap::new();
    for (name, reference) in &integration.secrets {
        secrets.insert(name.clone(), reference.read()?);
    }
    Ok(secrets)
}

/// Loads an integration's component. One that this process has loaded before is not fetched again.
async fn load(store: &dyn Store, engine: &Engine, integration: &Integration) -> Result<Connector, SyncError> {
    let name = &integration.connector;
    if let Some(connector) = name.strip_prefix("sha256:").and_then(|digest| engine.loaded(digest)) {
        return Ok(connector);
    }
    let component = check_component(name, store.component(name).await?)?;
    Ok(engine.load(&component).await?)
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
pub async fn check_connection(
    store: &dyn Store,
    engine: &Engine,
    integration: &Integration,
) -> Result<(), SyncError> {
    let connector = load(store, engine, integration).await?;
    if let Ok(secrets) = read_secrets(integration) {
        Connection::open(&connector, connection_settings(integration, secrets)?)?;
        return Ok(());
    }
    let named = integration.secrets.keys().map(|name| (name.clone(), SecretString::from("unread"))).collect();
    Connection::check_unread(&connector, &connection_settings(integration, named)?)?;
    Ok(())
}

/// Turns an integration's rows into rules, with every APSIS One name resolved.
///
/// # Errors
/// When APSIS One has no such attribute, topic or channel, or would not take it in a run; when rows
/// contradict each other.
pub fn resolve(
    integration: &Integration,
    connector: &Connector,
    definitions: &Definitions,
) -> Result<RuleSet, SyncError> {
    let field = |row: &FieldRow| -> Result<FieldMapping, SyncError> {
        let attribute = definitions.attribute(&row.attribute)?;
        if attribute.version.is_none() {
            return Err(refused("fields.attribute", format!("{} has no version in use", attribute.id)));
        }
        Ok(FieldMapping {
            field: row.field.clone(),
            attribute: attribute.id.clone(),
            kind: row.kind.or(attribute.kind).unwrap_or(AttributeKind::Text),
            on_invalid: row.on_invalid,
        })
    };
    let consent = |row: &ConsentRow| -> Result<ConsentMapping, SyncError> {
        let source = match (&row.consent, &row.field) {
            (Some(name), _) => ConsentSource::Consent(name.clone()),
            (None, name) => ConsentSource::Field(name.clone().unwrap_or_default()),
        };
        let topic = definitions.topic(&row.topic)?;
        definitions.check_consent(topic, row.channel)?;
        Ok(ConsentMapping { source, topic: topic.id.clone(), channel: row.channel })
    };
    let keyspace = definitions.keyspace(&integration.apsis.keyspace)?;
    if !integration.consents.is_empty() && !keyspace.manage_subscriptions {
        return Err(refused("apsis.keyspace", format!("no consent can be set through {}", keyspace.id)));
    }
    let rules = RuleSet {
        conditions: integration.conditions.clone(),
        fields: integration.fields.iter().map(field).collect::<Result<_, _>>()?,
        consents: integration.consents.iter().map(consent).collect::<Result<_, _>>()?,
        email_field: connector.description().email_field.clone(),
        email_attribute: definitions.attribute(EMAIL)?.id.clone(),
        id_attribute: definitions.attribute(CRM_ID).ok().map(|attribute| attribute.id.clone()),
        default_country: integration.default_country.clone(),
    };
    Rules::new(rules.clone())?;
    Ok(rules)
}

fn refused(setting: &'static str, what: String) -> SyncError {
    let message = format!("{what} in APSIS One; name another, or have it changed there");
    ApsisError::Setting { setting, message }.into()
}

/// Refuses rules that name what the CRM does not have.
///
/// # Errors
/// With the first such row.
pub fn check_names(
    integration: &Integration,
    fields: &[FieldInfo],
    consents: &[ConsentInfo],
) -> Result<(), SyncError> {
    let field = |row: &str, name: &str| {
        if fields.iter().any(|field| field.name == name) {
            return Ok(());
        }
        Err(not_in_crm(row, name, "its fields", fields.iter().map(|field| field.name.as_str())))
    };
    for row in &integration.conditions {
        field("a sync condition", &row.field)?;
    }
    for row in &integration.fields {
        field("a field mapping", &row.field)?;
    }
    for row in &integration.consents {
        if let Some(name) = &row.field {
            field("a consent mapping", name)?;
        }
        if let Some(name) = &row.consent
            && !consents.iter().any(|consent| consent.name == *name)
        {
            let there = consents.iter().map(|consent| consent.name.as_str());
            return Err(not_in_crm("a consent mapping", name, "its consent types", there));
        }
    }
    Ok(())
}

fn not_in_crm<'a>(row: &str, name: &str, what: &str, there: impl Iterator<Item = &'a str>) -> SyncError {
    let mut there: Vec<&str> = there.collect();
    there.sort_unstable();
    let near =
        if there.is_empty() { format!("{what}: none") } else { format!("{what}: {}", there.join(", ")) };
    SyncError::NotInCrm { row: row.to_owned(), name: name.to_owned(), near }
}
