//! Two simulated sides with a host between them, gone through step by step, and judged after each write.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sluice::integration::{Integration, IntegrationId};
use sluice::run::{Phase, RunOrder, Source};
use sluice::store::StoreError;
use sluice_sandbox::{
    ApsisSwitches, Consent, ConsentType, Editor, Fault, FaultRule, LimeSwitches, People, Sandbox,
    SandboxConfig, Stop, WebhookSwitches, When,
};
use tempfile::TempDir;

use crate::gaps;
use crate::host::{Host, engine};
pub use crate::judging::Found;
use crate::judging::Judge;
use crate::model::{Answer, Channel, Crm, KINDS, PAIRS, Pair, Rules};
use crate::steps::{Setting, Step, Wrong};

/// The integration.
pub const ID: &str = "acme-lime";

/// How long the sides may take to become quiet.
const PATIENCE: Duration = Duration::from_secs(150);

/// More than anybody asks for.
const NO_LIMIT: usize = 1_000_000;

/// The sides, and the host between them.
pub struct World {
    pub sandbox: Sandbox,
    judge: Arc<Mutex<Judge>>,
    editor: Editor,
    /// The persons' ids in the CRM.
    pub ids: Vec<u64>,
    setting: Setting,
    directory: TempDir,
    host: Option<Host>,
    port: u16,
    /// How many definitions were applied.
    pub applied: u32,
    stop: Option<Stop>,
    /// How often the host was killed.
    pub crashes: u32,
    /// Who was ever kept from being opted in by a no that his own later yes does not undo, and to what.
    pub held_back: Vec<(usize, Pair)>,
    /// Who ever said no, and to what.
    pub said_no: Vec<(usize, Pair)>,
    /// Who was ever kept from being opted in by somebody else's no, and to what.
    pub held_by_another: Vec<(usize, Pair)>,
    /// APSIS One was made to refuse a consent: that is an outcome, and not tried again but by a forced run.
    pub refused: bool,
}

fn sandbox_config(setting: Setting) -> SandboxConfig {
    SandboxConfig {
        people: People::Generated { persons: 0, seed: 1 },
        lime: LimeSwitches { rate_limit: NO_LIMIT, ..LimeSwitches::default() },
        apsis: ApsisSwitches {
            account_per_second: NO_LIMIT,
            profile_per_second: NO_LIMIT,
            tokens_per_minute: NO_LIMIT,
            imports_per_minute: NO_LIMIT,
            exports_per_second: NO_LIMIT,
            downloads_per_minute: NO_LIMIT,
            export_millis: 0,
            import_queued_millis: 0,
            import_running_millis: 0,
            consents_stay_with_address: setting.stay_with_address,
            ..ApsisSwitches::default()
        },
        webhooks: WebhookSwitches {
            parallel: if setting.untidy { 4 } else { 1 },
            duplicates: if setting.untidy { 0.2 } else { 0.0 },
            duplicate_within_millis: 20,
            reorder: if setting.untidy { 0.2 } else { 0.0 },
            reorder_by: 3,
            reorder_wait_millis: 30,
            first_pause_millis: 20,
            longest_pause_millis: 100,
            ..WebhookSwitches::default()
        },
        ..SandboxConfig::default()
    }
}

/// Where a file system in memory is, if there is one: each commit waits for its disk.
fn directory() -> TempDir {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

impl World {
    /// A CRM with its people, an account with nobody, and a host at work.
    pub async fn new(setting: Setting) -> Self {
        let sandbox = Sandbox::start(sandbox_config(setting)).await.unwrap();
        let crm = Crm::new();
        let judge = Judge {
            since_quiet: vec![crm.clone()],
            step: 0,
            left: Vec::new(),
            found: Vec::new(),
            told: Vec::new(),
        };
        let judge = Arc::new(Mutex::new(judge));
        let judging = Arc::clone(&judge);
        sandbox.watch_mailable(move |change| judging.lock().unwrap().judge(change));
        let create = |(number, person): (usize, &crate::model::Person)| {
            sandbox.lime_create("person", &person.values(number)).unwrap()
        };
        let ids = crm.people.iter().enumerate().map(create).collect();
        let editor = Editor::new(&sandbox, 1).unwrap();
        let directory = directory();
        for (file, secret) in [
            ("lime-key", sandbox.lime_key()),
            ("webhook-secret", sluice_tests::rig::WEBHOOK_SECRET),
            ("apsis-secret", sandbox.apsis_client_secret()),
        ] {
            std::fs::write(directory.path().join(file), secret).unwrap();
        }
        let mut world = Self {
            sandbox,
            judge,
            editor,
            ids,
            setting,
            directory,
            host: None,
            port: 0,
            applied: 0,
            stop: None,
            crashes: 0,
            held_back: Vec::new(),
            said_no: Vec::new(),
            held_by_another: Vec::new(),
            refused: false,
        };
        world.start_host().await;
        world.apply().await.unwrap();
        world.until_subscribed().await;
        if !setting.fresh {
            world.step(Step::FullSync { forced: false }).await;
            world.quiet().await;
        }
        world
    }

    fn judge(&self) -> MutexGuard<'_, Judge> {
        self.judge.lock().unwrap()
    }

    /// The CRM as it is now.
    pub fn crm(&self) -> Crm {
        self.judge().now().clone()
    }

    /// Changes what the model has as the CRM; before the CRM itself, so that nobody is judged by what he could not
    /// know yet.
    fn now(&mut self, change: impl FnOnce(&mut Crm)) {
        let judge = Arc::clone(&self.judge);
        let mut judge = judge.lock().unwrap();
        let mut crm = judge.now().clone();
        change(&mut crm);
        let before = judge.since_quiet.iter().map(|crm| crm.rules).filter(|_| !gaps::NEW_RULES_HOLD_AT_ONCE);
        let rules: Vec<Rules> = before.chain([crm.rules]).collect();
        for rules in rules {
            self.note_held_back(&Crm { rules, ..crm.clone() });
        }
        judge.since_quiet.push(crm);
    }

    /// Notes who is kept from being opted in by a no that his own later yes does not undo.
    fn note_held_back(&mut self, crm: &Crm) {
        for (number, person) in crm.people.iter().enumerate().filter(|(_, person)| person.there) {
            for pair in PAIRS {
                let refused = person.address(pair.1).is_some_and(|address| crm.is_refused(pair, address));
                let own = crm.answer(person, pair) == Answer::No;
                if own {
                    self.said_no.push((number, pair));
                }
                if refused && !own {
                    self.held_by_another.push((number, pair));
                }
                let other = !gaps::COMES_BACK_WHEN_THE_REFUSAL_GOES && refused && !own;
                let rows = crm.rules.kinds(pair).len();
                let other_row = !gaps::COMES_BACK_WHEN_THE_OTHER_ROW_DOES && own && rows > 1;
                let unmapped_after_import = !gaps::KNOWS_AN_IMPORTS_OPT_OUT_AFTER_ITS_MAPPING_CAME_BACK
                    && self.setting.imports
                    && rows == 0
                    && self.held_by_another.contains(&(number, pair));
                if (other || other_row || unmapped_after_import) && !self.held_back.contains(&(number, pair))
                {
                    self.held_back.push((number, pair));
                }
            }
        }
    }

    /// What was found wrong so far.
    pub fn found(&self) -> Found {
        self.judge().found.clone()
    }

    /// What became mailable, and what no more, in words.
    pub fn told(&self) -> Vec<String> {
        self.judge().told.clone()
    }

    /// The number of the step that follows.
    pub fn at_step(&self, number: usize) {
        self.judge().step = number;
    }

    pub fn host(&self) -> &Host {
        self.host.as_ref().expect("it is killed only to be started again")
    }

    pub fn id() -> IntegrationId {
        IntegrationId(ID.to_owned())
    }

    async fn start_host(&mut self) {
        let host = Host::start(self.directory.path().join("data"), self.port).await;
        self.port = host.address.port();
        self.host = Some(host);
    }

    /// Kills the host, lets go of what stands still at APSIS One, and starts it again.
    pub async fn crash(&mut self) {
        self.host.take().expect("it is there").kill().await;
        self.crashes += 1;
        self.stop = None;
        self.start_host().await;
    }

    /// Applies the integration with the rules as they are now.
    async fn apply(&mut self) -> Result<(), StoreError> {
        let rules = self.judge().now().rules;
        self.applied += 1;
        let (lime, apsis) = (self.sandbox.lime_url(), self.sandbox.apsis_url());
        let origin = lime.rsplit_once('/').unwrap().0;
        // Each time another limit, so that the connections to it start with a full measure.
        let limit = 100_000 - self.applied;
        let mut text = format!(
            r#"
            id = "{ID}"
            name = "Acme"
            connector = "lime.wasm"
            default-country = "SE"
            settings = {{ url = "{lime}" }}
            grant = {{ origins = ["{origin}"], private-network = true }}
            conditions = [{{ field = "inactive", equals = false }}{malmo}]
            [secrets]
            api-key = {{ file = "lime-key" }}
            webhook-secret = {{ file = "webhook-secret" }}
            [apsis]
            url = "{apsis}"
            client-id = "{client}"
            client-secret = {{ file = "apsis-secret" }}
            section = "Nordics"
            private-network = true
            requests-per-second = {limit}
            [sync]
            import-threshold = {threshold}
            [real-time]
            new-contacts = "{new}"
            [[fields]]
            field = "mobilephone"
            attribute = "Mobile"
            kind = "mobile"
            on-invalid = "skip"
            "#,
            client = self.sandbox.apsis_client_id(),
            malmo = if rules.only_malmo { r#", { field = "city", equals = "Malmö" }"# } else { "" },
            threshold = if self.setting.imports { 1 } else { 1_000_000 },
            new = if self.setting.daily { "daily" } else { "immediately" },
        );
        for (kind, (topic, channel)) in rules.rows() {
            let channel = match channel {
                Channel::Email => "email",
                Channel::Sms => "sms",
            };
            let topic = topic.id();
            let _ = write!(
                text,
                "\n[[consents]]\nconsent = \"{kind}\"\ntopic = \"{topic}\"\nchannel = \"{channel}\"\n"
            );
        }
        let mut integration = Integration::parse(&text, &self.directory.path().join("acme.toml")).unwrap();
        integration.connector = engine().await.1;
        self.host().store.put_integration(&integration).await
    }

    async fn until_subscribed(&self) {
        let url = format!("http://127.0.0.1:{}", self.port);
        sluice_tests::rig::until("the webhook is set up", || {
            self.sandbox.lime_subscriptions().iter().any(|it| it.target_url.starts_with(&url))
        })
        .await;
    }

    /// Does one step. What cannot be done as things are is left out, so that any part of a sequence is one, too.
    pub async fn step(&mut self, step: Step) {
        match step {
            Step::Address { person, channel, address } => {
                let before = self.crm().people[person].address(channel);
                if let Some(left) = before.filter(|_| self.setting.stay_with_address) {
                    self.judge().left.push((channel, left));
                }
                self.edit(person, |person| match channel {
                    Channel::Email => person.email = address,
                    Channel::Sms => person.mobile = address,
                });
            }
            Step::Inactive { person, inactive } => self.edit(person, |person| person.inactive = inactive),
            Step::Town { person, malmo } => self.edit(person, |person| person.in_malmo = malmo),
            Step::Say { person, kind, says } => self.say(person, kind, says),
            Step::Delete { person } => {
                if self.crm().people[person].there {
                    self.now(|crm| {
                        crm.people[person].there = false;
                        crm.people[person].said = [None; 3];
                    });
                    self.sandbox.lime_delete("person", self.ids[person]).unwrap();
                }
            }
            Step::Restore { person } => {
                if !self.crm().people[person].there {
                    self.now(|crm| crm.people[person].there = true);
                    self.sandbox.lime_restore("person", self.ids[person]).unwrap();
                }
            }
            Step::Unsubscribe { person, pair } => {
                self.quiet().await;
                self.unsubscribe(person, pair);
            }
            Step::Rules(rules) => {
                let before = self.crm().rules;
                self.now(|crm| crm.rules = rules);
                match self.apply().await {
                    Ok(()) => {}
                    // Rules are not changed under a run.
                    Err(StoreError::RunActive { .. }) => self.now(|crm| crm.rules = before),
                    Err(error) => panic!("{error}"),
                }
            }
            Step::FullSync { forced } => self.order(RunOrder::FullSync { forced, source: Source::Crm }).await,
            Step::KnownSync => {
                self.order(RunOrder::FullSync { forced: false, source: Source::Known }).await;
            }
            Step::Daily => self.order(RunOrder::Daily { due: Timestamp::now() }).await,
            Step::Cancel => {
                if let Some(run) = self.host().store.active_run(&Self::id()).await.unwrap() {
                    match self.host().store.request_cancel(run.id).await {
                        Ok(()) | Err(StoreError::RunEnded(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            Step::Fault { skip, next, wrong } => {
                let fault = match wrong {
                    Wrong::Status(status) => Fault::Status { status, retry_after: None },
                    Wrong::Refused => Fault::Status { status: 409, retry_after: None },
                    Wrong::LostBefore => Fault::DropBefore,
                    Wrong::LostAfter => Fault::DropAfter,
                    Wrong::TokensDead => Fault::TokensExpire,
                };
                self.refused |= wrong == Wrong::Refused;
                let route = if wrong == Wrong::Refused { "apsis.consents.post" } else { "apsis" };
                self.sandbox.add_fault(FaultRule {
                    route: route.to_owned(),
                    fault,
                    when: When::After { skip, next },
                });
            }
            Step::Crash { skip, moment } => {
                if self.stop.as_ref().is_some_and(Stop::is_reached) {
                    self.crash().await;
                }
                self.stop = Some(self.sandbox.stop_at("apsis", skip, moment));
            }
            Step::Quiet => self.quiet().await,
        }
    }

    fn edit(&mut self, number: usize, change: impl FnOnce(&mut crate::model::Person)) {
        if self.crm().people[number].there {
            self.now(|crm| change(&mut crm.people[number]));
            let values = self.crm().people[number].values(number);
            self.sandbox.lime_update("person", self.ids[number], &values).unwrap();
        }
    }

    fn say(&mut self, person: usize, kind: usize, says: Option<bool>) {
        if !self.crm().people[person].there {
            return;
        }
        // When it is said is told once it is said; that may only be later than this.
        let about = self.editor.moment();
        self.now(|crm| crm.people[person].said[kind] = says.map(|yes| (yes, about)));
        let at = self.editor.say(&self.sandbox, self.ids[person], KINDS[kind], says).unwrap();
        self.now(|crm| crm.people[person].said[kind] = says.map(|yes| (yes, at)));
    }

    fn unsubscribe(&mut self, person: usize, pair: usize) {
        let id = self.ids[person].to_string();
        if self.sandbox.profile(&id).is_none() {
            return;
        }
        let at = self.editor.moment();
        self.now(|crm| crm.people[person].unsubscribed[pair] = Some(at));
        let (topic, channel) = PAIRS[pair];
        let consent = Consent {
            topic: topic.id().to_owned(),
            channel: channel.id().to_owned(),
            state: ConsentType::OptOut,
            modified_at: Some(at),
        };
        self.sandbox.put_consent(&id, &consent).unwrap();
        // Nothing else was under way.
        let mut judge = self.judge.lock().unwrap();
        let now = judge.now().clone();
        judge.since_quiet = vec![now];
    }

    async fn order(&mut self, order: RunOrder) {
        match self.host().store.accept_run(&Self::id(), order).await {
            Ok(_) | Err(StoreError::RunActive { .. } | StoreError::KnownNotEnough { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits until nothing is left to do on either side; the host is killed meanwhile where that was asked for.
    pub async fn quiet(&mut self) {
        let start = Instant::now();
        let mut pause = Duration::from_millis(2);
        loop {
            if self.stop.as_ref().is_some_and(Stop::is_reached) {
                self.crash().await;
            }
            if self.is_quiet().await {
                break;
            }
            if start.elapsed() > PATIENCE {
                let status = self.host().store.lane_status(&Self::id()).await.unwrap();
                let sent = self.sandbox.webhook_counters();
                self.judge().found.push(format!("it does not become quiet: {status:?} {sent:?}"));
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(Duration::from_millis(25));
        }
        // Not met: there was not that much to do.
        self.stop = None;
        let lost = self.lost_opt_outs();
        self.judge().found.extend(lost);
        let mut judge = self.judge();
        let now = judge.now().clone();
        judge.since_quiet = vec![now];
    }

    async fn is_quiet(&self) -> bool {
        if !self.sandbox.webhook_counters().is_idle() {
            return false;
        }
        let store = &self.host().store;
        let Ok(status) = store.lane_status(&Self::id()).await else { return false };
        status.deliveries_waiting + status.contacts_waiting == 0 && status.gate_closed_by.is_none()
    }

    /// Ends a sequence: nothing goes wrong any more, everything drains, and a full sync completes.
    pub async fn end(&mut self) {
        self.quiet().await;
        self.sandbox.clear_faults();
        for _ in 0..3 {
            self.order(RunOrder::FullSync { forced: self.refused, source: Source::Crm }).await;
            self.quiet().await;
            let runs = self.host().store.runs(&Self::id(), 1).await.unwrap();
            if runs.first().is_some_and(|run| run.phase == Phase::Completed) {
                return;
            }
        }
        self.judge().found.push("no full sync completes".to_owned());
    }

    /// Kills the host for good.
    pub async fn close(mut self) {
        if let Some(host) = self.host.take() {
            host.kill().await;
        }
    }
}
