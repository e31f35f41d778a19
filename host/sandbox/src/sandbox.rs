//! A running sandbox, and the handle to it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use hex::encode_upper;
use jiff::Timestamp;
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::SandboxError;
use crate::apsis::{
    Apsis, ApsisSwitches, CRM, ConsentType, DumpedProfile, ImportReport, Mailable, MailableChange,
};
use crate::arrivals::{Arrival, Arrivals, Peaks};
use crate::faults::{FaultRule, Faults};
use crate::lime::{Lime, LimeSwitches, People, Subscription};
use crate::lock::held;
use crate::server::{Site, serve};
use crate::stop::{Moment, Stop};
use crate::trial::TrialCrm;
use crate::webcrm::{Webcrm, WebcrmConfig};
use crate::webhooks::{self, Webhook, WebhookCounters, WebhookSwitches, Webhooks};
use crate::world::World;

/// The client id of the sandbox's one API key.
pub const CLIENT_ID: &str = "b2f0c1de-0000-4000-8000-000000000001";

/// What a sandbox is to be.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Who is in the CRM.
    pub people: People,
    /// The Lime application (database) that [`Sandbox::lime_url`] leads to.
    pub application: String,
    /// The API key of Lime; random when not given.
    pub lime_key: Option<String>,
    /// The secret of the APSIS One key; random when not given.
    pub apsis_client_secret: Option<String>,
    /// How Lime behaves.
    pub lime: LimeSwitches,
    /// How APSIS One behaves.
    pub apsis: ApsisSwitches,
    /// How Lime sends its webhooks.
    pub webhooks: WebhookSwitches,
    /// What goes wrong from the start.
    pub faults: Vec<FaultRule>,
    /// Another seed, other chances.
    pub fault_seed: u64,
    /// How many of the newest arrivals are kept.
    pub keep_arrivals: usize,
    /// How many of the newest webhooks are kept in the log.
    pub keep_webhooks: usize,
    /// Ports for Lime, APSIS One and control; 0 for any.
    pub ports: [u16; 3],
    /// The simulated webCRM.
    pub webcrm: WebcrmConfig,
    /// The CRM of which `/people` at the sandbox's own address tells, for a trial.
    pub trial: Option<TrialCrm>,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            people: People::Files,
            application: "acme".to_owned(),
            lime_key: None,
            apsis_client_secret: None,
            lime: LimeSwitches::default(),
            apsis: ApsisSwitches::default(),
            webhooks: WebhookSwitches::default(),
            faults: Vec::new(),
            fault_seed: 1,
            keep_arrivals: 100_000,
            keep_webhooks: 200_000,
            ports: [0; 3],
            webcrm: WebcrmConfig::default(),
            trial: None,
        }
    }
}

/// What a client needs to know of a running sandbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Addresses {
    /// Lime's base URL, application included.
    pub lime_url: String,
    /// Lime's API key.
    pub lime_key: String,
    /// A key that reads only and may not touch webhooks.
    pub lime_read_only_key: String,
    /// The same data under an application whose name has a space.
    pub lime_spaced_url: String,
    /// webCRM's base URL.
    pub webcrm_url: String,
    /// webCRM's application token.
    pub webcrm_token: String,
    /// APSIS One's base URL.
    pub apsis_url: String,
    /// The API key's id.
    pub apsis_client_id: String,
    /// The API key's secret.
    pub apsis_client_secret: String,
    /// The sandbox's own address: `…/_sandbox`.
    pub control_url: String,
}

/// A consent as somebody else sets it: the person by an unsubscribe link, or a user of APSIS One.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// Topic discriminator.
    pub topic: String,
    /// Channel discriminator.
    pub channel: String,
    /// Any state, those that the API cannot set included.
    #[serde(rename = "type")]
    pub state: ConsentType,
    /// When; now if not given.
    #[serde(default)]
    pub modified_at: Option<Timestamp>,
}

/// A running sandbox. It ends when this is dropped.
#[derive(Debug)]
pub struct Sandbox {
    addresses: Addresses,
    pub(crate) world: Arc<World>,
    _stop: DropGuard,
}

fn random_hex(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    rand::rng().fill_bytes(&mut random);
    encode_upper(random)
}

impl Sandbox {
    /// Starts the servers on the loopback address; needs a tokio runtime.
    ///
    /// # Errors
    /// When no port can be taken, or the sandbox's own data cannot be read.
    pub async fn start(config: SandboxConfig) -> Result<Self, SandboxError> {
        let lime_key = config.lime_key.unwrap_or_else(|| random_hex(42));
        let lime_read_only_key = random_hex(42);
        let secret = config.apsis_client_secret.unwrap_or_else(|| random_hex(32).to_lowercase());
        let mut listeners = Vec::new();
        let webcrm_token = config.webcrm.token.clone().unwrap_or_else(|| random_hex(16).to_lowercase());
        for port in config.ports.into_iter().chain([config.webcrm.port]) {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let listener = TcpListener::bind(address).await.map_err(SandboxError::Listen)?;
            let address = listener.local_addr().map_err(SandboxError::Listen)?;
            listeners.push((listener, format!("http://{address}")));
        }
        let url = |at: usize| listeners.get(at).map(|(_, url)| url.clone()).unwrap_or_default();
        let addresses = Addresses {
            lime_url: format!("{}/{}", url(0), config.application.replace(' ', "%20")),
            lime_key: lime_key.clone(),
            lime_read_only_key: lime_read_only_key.clone(),
            lime_spaced_url: format!("{}/Acme%20AB", url(0)),
            webcrm_url: url(3),
            webcrm_token: webcrm_token.clone(),
            apsis_url: url(1),
            apsis_client_id: CLIENT_ID.to_owned(),
            apsis_client_secret: secret.clone(),
            control_url: format!("{}/_sandbox", url(2)),
        };
        let webhooks = Arc::new(Webhooks::new(config.webhooks, config.keep_webhooks));
        let client = webhooks::client().map_err(SandboxError::Client)?;
        let lime = Lime::new(
            config.people,
            config.lime,
            config.application,
            lime_key,
            lime_read_only_key,
            webhooks.clone(),
        )?;
        let hooks = Arc::new(Webhooks::new(config.webcrm.hooks.clone(), config.keep_webhooks));
        let webcrm = Webcrm::new(&config.webcrm, webcrm_token, url(3), hooks.clone());
        let apsis = Apsis::new(config.apsis, CLIENT_ID.to_owned(), secret, random_hex(32), url(1));
        let world = Arc::new(World {
            lime,
            webcrm,
            apsis,
            webhooks: webhooks.clone(),
            arrivals: Mutex::new(Arrivals::new(config.keep_arrivals)),
            limits: Mutex::default(),
            faults: Mutex::new(Faults::new(config.faults, config.fault_seed)),
            stopping: Mutex::default(),
            trial: config.trial,
        });
        let stop = CancellationToken::new();
        let sites = [Site::Lime, Site::Apsis, Site::Control, Site::Webcrm];
        for ((listener, _), site) in listeners.into_iter().zip(sites) {
            tokio::spawn(serve(site, listener, world.clone(), stop.clone()));
        }
        for sender in [webhooks, hooks] {
            tokio::spawn(webhooks::send(client.clone(), sender, stop.clone()));
        }
        Ok(Self { addresses, world, _stop: stop.drop_guard() })
    }

    /// Everything a client needs.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Lime's base URL, application included.
    #[must_use]
    pub fn lime_url(&self) -> &str {
        &self.addresses.lime_url
    }

    /// Lime's API key, for the header `x-api-key`.
    #[must_use]
    pub fn lime_key(&self) -> &str {
        &self.addresses.lime_key
    }

    /// APSIS One's base URL.
    #[must_use]
    pub fn apsis_url(&self) -> &str {
        &self.addresses.apsis_url
    }

    /// The id of the APSIS One API key.
    #[must_use]
    pub fn apsis_client_id(&self) -> &str {
        &self.addresses.apsis_client_id
    }

    /// The secret of the APSIS One API key.
    #[must_use]
    pub fn apsis_client_secret(&self) -> &str {
        &self.addresses.apsis_client_secret
    }

    /// The sandbox's own address, `http://…/_sandbox`.
    #[must_use]
    pub fn control_url(&self) -> &str {
        &self.addresses.control_url
    }

    /// The ids of all objects of a limetype.
    ///
    /// # Errors
    /// When there is no such limetype.
    pub fn lime_ids(&self, limetype: &str) -> Result<Vec<u64>, SandboxError> {
        self.world.lime.ids(limetype)
    }

    /// An object as Lime's limeobject API gives it.
    ///
    /// # Errors
    /// When there is none.
    pub fn lime_object(&self, limetype: &str, id: u64) -> Result<Value, SandboxError> {
        self.world.lime.object(limetype, id)
    }

    /// The ids of the objects of a limetype whose relation leads to an object, ascending.
    ///
    /// # Errors
    /// When there is no such limetype or relation.
    pub fn lime_related(&self, limetype: &str, relation: &str, id: u64) -> Result<Vec<u64>, SandboxError> {
        self.world.lime.related(limetype, relation, id)
    }

    /// Adds an object as a user of the CRM would; gives its id.
    ///
    /// # Errors
    /// When Lime would refuse the values.
    pub fn lime_create(&self, limetype: &str, values: &Value) -> Result<u64, SandboxError> {
        self.world.lime.create(limetype, values)
    }

    /// Changes the given properties of an object.
    ///
    /// # Errors
    /// When there is none, or Lime would refuse the values.
    pub fn lime_update(&self, limetype: &str, id: u64, values: &Value) -> Result<(), SandboxError> {
        self.world.lime.update(limetype, id, values)
    }

    /// Deletes an object; what belonged to it loses the relation.
    ///
    /// # Errors
    /// When there is none.
    pub fn lime_delete(&self, limetype: &str, id: u64) -> Result<(), SandboxError> {
        self.world.lime.delete(limetype, id)
    }

    /// Brings a deleted object back, as a user of the CRM can from "Recently deleted"; what belonged to it
    /// stays detached.
    ///
    /// # Errors
    /// When no such object was deleted.
    pub fn lime_restore(&self, limetype: &str, id: u64) -> Result<(), SandboxError> {
        self.world.lime.restore(limetype, id)
    }

    /// The webhooks that are registered, secrets included.
    #[must_use]
    pub fn lime_subscriptions(&self) -> Vec<Subscription> {
        self.world.lime.subscriptions()
    }

    /// How Lime sends its webhooks now.
    #[must_use]
    pub fn webhook_switches(&self) -> WebhookSwitches {
        self.world.webhooks.switches()
    }

    /// Changes how Lime sends its webhooks. Chance has already decided about what is queued.
    pub fn set_webhook_switches(&self, switches: WebhookSwitches) {
        self.world.webhooks.set_switches(switches);
    }

    /// What became of the newest webhooks, in the order of the writes. [`Sandbox::reset_log`] leaves them.
    #[must_use]
    pub fn webhooks(&self) -> Vec<Webhook> {
        self.world.webhooks.after(None)
    }

    /// Totals over all webhooks since the start.
    #[must_use]
    pub fn webhook_counters(&self) -> WebhookCounters {
        self.world.webhooks.counters()
    }

    /// Waits until the webhooks' counters are as wished for, looking again whenever they change; gives them.
    pub async fn webhooks_until(&self, reached: impl Fn(&WebhookCounters) -> bool) -> WebhookCounters {
        self.world.webhooks.until(reached).await
    }

    /// Waits until no webhook is waiting or in flight. While they are paused, what is queued waits too.
    pub async fn webhooks_idle(&self) -> WebhookCounters {
        self.webhooks_until(WebhookCounters::is_idle).await
    }

    /// All APSIS One profiles, in the order they were made. For many, read `/_sandbox/profiles` instead.
    #[must_use]
    pub fn profiles(&self) -> Vec<DumpedProfile> {
        self.world.apsis.dump_after(0, usize::MAX).1
    }

    /// The profile of a CRM id.
    #[must_use]
    pub fn profile(&self, crm_id: &str) -> Option<DumpedProfile> {
        self.world.apsis.profile(crm_id)
    }

    /// How many profiles there are.
    #[must_use]
    pub fn profile_count(&self) -> usize {
        self.world.apsis.count()
    }

    /// Deletes a profile as a user of APSIS One would.
    ///
    /// # Errors
    /// When there is none.
    pub fn delete_profile(&self, crm_id: &str) -> Result<(), SandboxError> {
        self.world.apsis.delete_profile(crm_id)
    }

    /// Sets a consent as the person or a user of APSIS One would; makes the profile when there is none.
    ///
    /// # Errors
    /// When topic and channel do not go together.
    pub fn put_consent(&self, crm_id: &str, consent: &Consent) -> Result<(), SandboxError> {
        self.world.apsis.put_consent(CRM.discriminator(), crm_id, consent)
    }

    /// The same for a profile with a key in another keyspace, as somebody has who signed up by a form: the address
    /// itself in `com.apsis1.keyspaces.email`.
    ///
    /// # Errors
    /// When topic and channel do not go together, or there is no such keyspace.
    pub fn put_consent_at(&self, keyspace: &str, key: &str, consent: &Consent) -> Result<(), SandboxError> {
        self.world.apsis.put_consent(keyspace, key, consent)
    }

    /// Has `told` called with each write of APSIS One that makes an address mailable for a topic on a channel, or no
    /// longer so: at once, before anything else sees the write, while the account is locked. It may not call
    /// the sandbox.
    pub fn watch_mailable(&self, told: impl FnMut(&MailableChange) + Send + 'static) {
        self.world.apsis.watch(Box::new(told));
    }

    /// All that is mailable now. Known from the first [`Sandbox::watch_mailable`] on; nothing before.
    #[must_use]
    pub fn mailable(&self) -> BTreeSet<Mailable> {
        self.world.apsis.mailable()
    }

    /// What each import did, as the report in the user interface would have it.
    #[must_use]
    pub fn import_reports(&self) -> Vec<ImportReport> {
        self.world.apsis.import_reports()
    }

    /// Defines a tag.
    pub fn add_tag(&self, discriminator: &str, name: &str) {
        self.world.apsis.add_tag(discriminator.to_owned(), name.to_owned());
    }

    /// Kills every APSIS One token.
    pub fn revoke_tokens(&self) {
        self.world.apsis.revoke_tokens();
    }

    /// How Lime behaves now.
    #[must_use]
    pub fn lime_switches(&self) -> LimeSwitches {
        self.world.lime.switches()
    }

    /// Changes how Lime behaves.
    pub fn set_lime_switches(&self, switches: LimeSwitches) {
        self.world.lime.set_switches(switches);
    }

    /// How APSIS One behaves now.
    #[must_use]
    pub fn apsis_switches(&self) -> ApsisSwitches {
        self.world.apsis.switches()
    }

    /// Changes how APSIS One behaves.
    pub fn set_apsis_switches(&self, switches: ApsisSwitches) {
        self.world.apsis.set_switches(switches);
    }

    /// Adds a fault.
    pub fn add_fault(&self, rule: FaultRule) {
        held(&self.world.faults).add(rule);
    }

    /// Has APSIS One stand still at one request: `skip` others of the routes whose names begin with `route` are taken
    /// first. When the request has come to its moment, neither it nor any later one is answered, until the stop is
    /// dropped; then those that stood still are dropped.
    #[must_use]
    pub fn stop_at(&self, route: &str, skip: u64, moment: Moment) -> Stop {
        held(&self.world.stopping).ask(route, skip, moment)
    }

    /// No more faults.
    pub fn clear_faults(&self) {
        held(&self.world.faults).clear();
    }

    /// The greatest number of requests that any window held.
    #[must_use]
    pub fn peaks(&self) -> Peaks {
        held(&self.world.arrivals).peaks()
    }

    /// Requests by route and status; status 0 is a dropped connection.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, BTreeMap<u16, u64>> {
        held(&self.world.arrivals).counts()
    }

    /// The newest arrivals, all or those after a number.
    #[must_use]
    pub fn arrivals(&self, after: Option<u64>) -> Vec<Arrival> {
        held(&self.world.arrivals).after(after)
    }

    /// What arrivals about a contact's profile have as their profile, by the key in the CRM's keyspace.
    #[must_use]
    pub fn profile_hash(&self, crm_id: &str) -> u64 {
        held(&self.world.arrivals).hash(CRM.discriminator(), crm_id)
    }

    /// The moment from which arrivals are counted.
    #[must_use]
    pub fn began_at(&self) -> Timestamp {
        held(&self.world.arrivals).began_at()
    }

    /// Forgets arrivals, counts and peaks.
    pub fn reset_log(&self) {
        held(&self.world.arrivals).reset();
    }
}
