//! The promised behaviour about consents and real time, sentence by sentence, as tables that read as the sentences
//! do. Each is named after its number; through the program, with both sides simulated.

use serde_json::{Value, json};
use sluice_sandbox::{
    Consent, ConsentType, DumpedProfile, Editor, Fault, FaultRule, People, SandboxConfig, When,
};
use sluice_tests::live::{IMMEDIATELY, Live, On};
use sluice_tests::rig::{ACME, assert_adds_up, ended};

/// The CRM's consent types, as they are mapped: by what, to which subscription, by which channel.
const NEWS: Mapped = ("1001", "usercreated.topics.newsletter-rg4kf3kt24", "com.apsis1.channels.email");
const NEWS_BY_SMS: Mapped = ("1002", "usercreated.topics.newsletter-rg4kf3kt24", "com.apsis1.channels.sms");
const INVITATIONS: Mapped =
    ("1003", "usercreated.topics.invitations-c8v7b6n5m4", "com.apsis1.channels.email");

type Mapped = (&'static str, &'static str, &'static str);

const CITY: &str = "usercreated.attributes.city-p0o9i8u7y6";

/// What happens to a person.
#[derive(Debug, Clone, Copy)]
enum Does {
    SaysYes(Mapped),
    SaysNo(Mapped),
    /// By the link at the end of a message.
    Unsubscribes(Mapped),
    GetsEmail(&'static str),
    GetsMobile(&'static str),
    MovesTo(&'static str),
}
use Does::{GetsEmail, GetsMobile, MovesTo, SaysNo, SaysYes, Unsubscribes};

struct Scene {
    live: Live,
    editor: Editor,
}

impl Scene {
    /// A CRM with nobody in it, a host that serves, and a full sync that has completed.
    async fn new(more: &str) -> Self {
        let config =
            SandboxConfig { people: People::Generated { persons: 0, seed: 1 }, ..SandboxConfig::default() };
        let live = Live::start(On::Sqlite, config, |text| text + more).await;
        let editor = Editor::new(&live.sandbox, 1).unwrap();
        live.sandbox.watch_mailable(|_| {});
        let scene = Self { live, editor };
        scene.full_sync().await;
        scene
    }

    fn person(&self, name: &str, mobile: &str) -> u64 {
        let email = format!("{}@before.example", name.to_lowercase());
        let person = json!({ "firstname": name, "email": email, "mobilephone": mobile, "city": "Lund" });
        self.live.sandbox.lime_create("person", &person).unwrap()
    }

    fn does(&mut self, person: u64, does: Does) {
        let sandbox = &self.live.sandbox;
        let mut says = |of: Mapped, yes| {
            self.editor.say(sandbox, person, of.0.parse().unwrap(), Some(yes)).unwrap();
        };
        match does {
            SaysYes(of) => says(of, true),
            SaysNo(of) => says(of, false),
            Unsubscribes((_, topic, channel)) => {
                let consent = Consent {
                    topic: topic.to_owned(),
                    channel: channel.to_owned(),
                    state: ConsentType::OptOut,
                    modified_at: Some(self.editor.moment()),
                };
                sandbox.put_consent(&person.to_string(), &consent).unwrap();
            }
            GetsEmail(email) => sandbox.lime_update("person", person, &json!({ "email": email })).unwrap(),
            GetsMobile(mobile) => {
                sandbox.lime_update("person", person, &json!({ "mobilephone": mobile })).unwrap();
            }
            MovesTo(city) => sandbox.lime_update("person", person, &json!({ "city": city })).unwrap(),
        }
    }

    async fn full_sync(&self) -> Value {
        let run = self.live.sync().await;
        assert_eq!(run.last()["phase"], "completed", "{}", run.log);
        assert_adds_up(run.last());
        run.last().clone()
    }

    fn profile(&self, person: u64) -> Option<DumpedProfile> {
        self.live.sandbox.profile(&person.to_string())
    }

    /// How a profile's consent is: `opt-in`, `opt-out`, or nothing.
    fn consent(&self, person: u64, (_, topic, channel): Mapped) -> Option<String> {
        let profile = self.profile(person)?;
        let is_it =
            |of: &&Value| of["topic_discriminator"] == topic && of["channel_discriminator"] == channel;
        Some(profile.consents.iter().find(is_it)?["type"].as_str().unwrap().to_owned())
    }

    fn is_mailable(&self, address: &str, (_, topic, channel): Mapped) -> bool {
        let mailable = self.live.sandbox.mailable();
        mailable.iter().any(|it| it.address == address && it.topic == topic && it.channel == channel)
    }

    /// Why it was not done for a person what the CRM says, if it was not.
    async fn told(&self, person: u64) -> Option<String> {
        let story = self.live.run(&["contact", "show", ACME, &person.to_string()]).await;
        story.last()["ledger"]["reason"]["code"].as_str().map(str::to_owned)
    }
}

/// B10. E-mails and SMS can be sent only to profiles with consent; consent comes from the CRM alone.
#[tokio::test]
async fn b10_only_who_gave_the_consent_in_the_crm_can_be_sent_to() {
    type Row = (&'static str, &'static [Does], &'static [Does], Option<&'static str>, Option<&'static str>);
    let table: [Row; 8] = [
        // who, what they did, and then, how the consent to the newsletter by e-mail is, what is told
        ("Ada", &[SaysYes(NEWS)], &[], Some("opt-in"), None),
        ("Bo", &[SaysNo(NEWS)], &[], Some("opt-out"), None),
        ("Cy", &[], &[], None, None),
        ("Di", &[SaysYes(NEWS_BY_SMS), SaysYes(INVITATIONS)], &[], None, None),
        ("Ed", &[SaysYes(NEWS), SaysNo(NEWS)], &[], Some("opt-out"), None),
        ("Fa", &[SaysNo(NEWS), SaysYes(NEWS)], &[], Some("opt-in"), None),
        (
            "Gus",
            &[SaysYes(NEWS)],
            &[Unsubscribes(NEWS), MovesTo("Visby")],
            Some("opt-out"),
            Some("opted-out-in-apsis"),
        ),
        ("Hal", &[SaysYes(NEWS)], &[Unsubscribes(NEWS), SaysYes(NEWS)], Some("opt-in"), None),
    ];
    let mut scene = Scene::new("").await;
    let mut people = Vec::new();
    for (name, first, ..) in table {
        let person = scene.person(name, "");
        first.iter().for_each(|does| scene.does(person, *does));
        people.push(person);
    }
    scene.full_sync().await;
    for (person, (_, _, then, ..)) in people.iter().zip(table) {
        then.iter().for_each(|does| scene.does(*person, *does));
    }
    scene.live.until_quiet().await;
    scene.full_sync().await;
    for (person, (name, _, _, consent, reason)) in people.into_iter().zip(table) {
        assert_eq!(scene.consent(person, NEWS).as_deref(), consent, "{name}");
        let address = format!("{}@before.example", name.to_lowercase());
        assert_eq!(scene.is_mailable(&address, NEWS), consent == Some("opt-in"), "{name}");
        assert_eq!(scene.told(person).await.as_deref(), reason, "{name}");
    }
}

/// B16. The CRM sends the content of created and updated persons as it happens; the host does all that concerns
/// consents. B17. Existing profiles are kept up to date as changes are made in the CRM.
#[tokio::test]
async fn b16_and_b17_profiles_follow_the_crm_as_it_happens() {
    let mut scene = Scene::new(IMMEDIATELY).await;
    let ada = scene.person("Ada", "070-1740605");
    scene.live.until_quiet().await;
    // what happens, which attribute shows it, its value then, the consent to the newsletter by e-mail then
    type Row = (Does, &'static str, Value, Option<&'static str>);
    let mobile = "com.apsis1.attributes.mobile";
    let email = "com.apsis1.attributes.email";
    let table: [Row; 7] = [
        (MovesTo("Visby"), CITY, json!("Visby"), None),
        (SaysYes(NEWS), CITY, json!("Visby"), Some("opt-in")),
        (GetsMobile("070-1740606"), mobile, json!(46_701_740_606_u64), Some("opt-in")),
        (GetsEmail("Ada@After.example"), email, json!("ada@after.example"), Some("opt-in")),
        (SaysNo(NEWS), email, json!("ada@after.example"), Some("opt-out")),
        (MovesTo(""), CITY, Value::Null, Some("opt-out")),
        (SaysYes(NEWS), mobile, json!(46_701_740_606_u64), Some("opt-in")),
    ];
    for (does, attribute, value, consent) in table {
        scene.does(ada, does);
        scene.live.until_quiet().await;
        let profile = scene.profile(ada).unwrap();
        assert_eq!(profile.attributes.get(attribute).unwrap_or(&Value::Null), &value, "{does:?}");
        assert_eq!(scene.consent(ada, NEWS).as_deref(), consent, "{does:?}");
    }
    let run = scene.full_sync().await;
    assert_eq!(run["counters"]["unchanged"], 1, "a full sync has nothing left to do: {run}");
}

/// B18. Completely new contacts are created daily, or at once where that is set; a setting, and shown.
#[tokio::test]
async fn b18_new_contacts_get_their_profile_daily_or_at_once_as_is_set() {
    // the setting, whether the profile is there at once, what waits for the daily run, what the message came to
    for (setting, at_once, waiting, outcome) in
        [("daily", false, json!(1), "held"), ("immediately", true, json!(0), "created")]
    {
        let mut scene = Scene::new(&format!("\n[real-time]\nnew-contacts = \"{setting}\"\n")).await;
        let known = scene.person("Known", "");
        scene.full_sync().await;
        scene.live.until_quiet().await;
        let new = scene.person("New", "");
        scene.does(known, MovesTo("Visby"));
        scene.live.until_quiet().await;
        assert_eq!(scene.profile(new).is_some(), at_once, "{setting}");
        assert_eq!(scene.live.status().await["newcomers"], waiting, "{setting}");
        let profile = scene.profile(known).unwrap();
        assert_eq!(profile.attributes[CITY], "Visby", "{setting}: who has a profile is not waited with");
        let story = scene.live.run(&["contact", "show", ACME, &new.to_string()]).await;
        assert_eq!(story.last()["changes"][0]["outcome"], outcome, "{setting}: {}", story.last());
        let shown = scene.live.run(&["integration", "show", ACME]).await;
        assert_eq!(shown.last()["integration"]["real-time"]["new-contacts"], setting, "{}", shown.last());
        if setting == "daily" {
            scene.live.stop().await;
            scene.live.put_back_daily(2);
            scene.live.serve().await;
            sluice_tests::rig::until("the daily run has made the profile", || scene.profile(new).is_some())
                .await;
        }
    }
}

/// B19. Messages received during a full sync are processed only after it has ended, so that both sides become equal.
#[tokio::test]
async fn b19_what_comes_during_a_full_sync_is_processed_after_it() {
    let mut scene = Scene::new(IMMEDIATELY).await;
    // who, what happens during the full sync, their city and their consent to the newsletter by e-mail after it
    type Row = (&'static str, Does, &'static str, &'static str);
    let table: [Row; 3] = [
        ("Ada", MovesTo("Visby"), "Visby", "opt-in"),
        ("Bo", SaysNo(NEWS), "Lund", "opt-out"),
        ("Cy", GetsEmail("cy@after.example"), "Lund", "opt-in"),
    ];
    let mut people = Vec::new();
    for (name, ..) in table {
        let person = scene.person(name, "");
        scene.does(person, SaysYes(NEWS));
        people.push(person);
    }
    scene.live.until_quiet().await;
    let before = scene.live.sandbox.profiles();

    scene.live.sandbox.add_fault(FaultRule {
        route: "lime.query".to_owned(),
        fault: Fault::Latency { min_millis: 1500, max_millis: 1500 },
        when: When::Probability(1.0),
    });
    let run = scene.live.spawn(&["sync", "start", ACME]);
    scene.live.until_gate_closed().await;
    for (person, (_, does, ..)) in people.iter().zip(table) {
        scene.does(*person, does);
    }
    let new = scene.person("New", "");
    scene.live.sandbox.webhooks_idle().await;
    let status = scene.live.status().await;
    assert!(status["gate-closed-by"].is_number(), "the full sync goes on: {status}");
    assert!(status["deliveries-waiting"].as_u64() >= Some(4), "they are taken, and wait: {status}");
    assert_eq!(scene.live.sandbox.profiles(), before, "nothing of it is written meanwhile");
    scene.live.sandbox.clear_faults();
    assert_eq!(ended(run).await.last()["phase"], "completed");

    scene.live.until_quiet().await;
    for (person, (name, _, city, consent)) in people.into_iter().zip(table) {
        assert_eq!(scene.profile(person).unwrap().attributes[CITY], city, "{name}");
        assert_eq!(scene.consent(person, NEWS).as_deref(), Some(consent), "{name}");
    }
    assert!(scene.profile(new).is_some(), "who was new has a profile, too");
}

/// B20. A person whose address changed: the new address is opted in to what the old one was opted in to, then the old
/// one is opted out. Withdrawn consent in the CRM, or a recipient who unsubscribes, is opted out.
#[tokio::test]
async fn b20_a_changed_address_takes_its_consents_along_and_a_withdrawn_one_is_opted_out() {
    type Row = (
        &'static str,
        &'static [Does],
        &'static [Does],
        &'static [(&'static str, Mapped)],
        &'static [(&'static str, Mapped)],
    );
    let table: [Row; 7] = [
        // who, what they said before, what happens, what may be sent where after it, and what may not
        (
            "Ada",
            &[SaysYes(NEWS), SaysNo(INVITATIONS)],
            &[GetsEmail("ada@after.example")],
            &[("ada@after.example", NEWS)],
            &[("ada@before.example", NEWS), ("ada@after.example", INVITATIONS)],
        ),
        (
            "Bo",
            &[GetsMobile("070-1740605"), SaysYes(NEWS_BY_SMS)],
            &[GetsMobile("070-1740606")],
            &[("46701740606", NEWS_BY_SMS)],
            &[("46701740605", NEWS_BY_SMS)],
        ),
        (
            "Cy",
            &[SaysYes(NEWS)],
            &[GetsEmail("cy@after.example"), SaysNo(NEWS)],
            &[],
            &[("cy@before.example", NEWS), ("cy@after.example", NEWS)],
        ),
        (
            "Di",
            &[SaysYes(NEWS), SaysYes(INVITATIONS)],
            &[Unsubscribes(NEWS), GetsEmail("di@after.example")],
            &[("di@after.example", INVITATIONS)],
            &[("di@before.example", NEWS), ("di@after.example", NEWS), ("di@before.example", INVITATIONS)],
        ),
        ("Ed", &[SaysYes(NEWS)], &[SaysNo(NEWS)], &[], &[("ed@before.example", NEWS)]),
        (
            "Fa",
            &[SaysYes(NEWS)],
            &[Unsubscribes(NEWS), MovesTo("Visby")],
            &[],
            &[("fa@before.example", NEWS)],
        ),
        (
            "Gus",
            &[SaysYes(NEWS)],
            &[GetsEmail("gus@after.example"), GetsEmail("gus@before.example")],
            &[("gus@before.example", NEWS)],
            &[("gus@after.example", NEWS)],
        ),
    ];
    let mut scene = Scene::new(IMMEDIATELY).await;
    let mut people = Vec::new();
    for (name, before, ..) in table {
        let person = scene.person(name, "");
        before.iter().for_each(|does| scene.does(person, *does));
        people.push(person);
    }
    scene.live.until_quiet().await;
    for at in 0..2 {
        for (person, (_, _, happens, ..)) in people.iter().zip(table) {
            if let Some(does) = happens.get(at) {
                scene.does(*person, *does);
            }
        }
        scene.live.until_quiet().await;
    }
    for (name, _, _, may, may_not) in table {
        for (address, of) in may {
            assert!(scene.is_mailable(address, *of), "{name}: {address} may be sent {of:?}");
        }
        for (address, of) in may_not {
            assert!(!scene.is_mailable(address, *of), "{name}: {address} may not be sent {of:?}");
        }
    }
    let run = scene.full_sync().await;
    assert_eq!(run["counters"]["unchanged"], table.len(), "a full sync has nothing left to do: {run}");
}
