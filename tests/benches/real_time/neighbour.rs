//! Whether an integration whose APSIS One is away, with 100,000 deliveries waiting, slows another one down: the time
//! from a change in the CRM to its write in APSIS One.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::Client;
use serde_json::json;
use sluice_sandbox::{Fault, FaultRule, Sandbox, When};
use sluice_tests::pushy;
use sluice_tests::rig::ACME;
use sluice_tests::sides::VISITS;

use crate::figures::{Rounds, head, percentile, row};
use crate::installed::{Installed, without_limits};
use crate::load::{Signer, send_all};
use crate::{On, ROUNDS};

const WAITING: u64 = 100_000;
const CHANGES: u64 = 600;
/// Who changes, again and again.
const PEOPLE: u64 = 100;
/// Between two changes.
const PACE: Duration = Duration::from_millis(20);
/// As the other integration has it.
const MORE: &str = "\n[real-time]\nnew-contacts = \"immediately\"\n";

pub async fn measure() {
    head(
        "From a change in the CRM to its write in APSIS One, p99 in milliseconds",
        &["store", "alone", "beside 100,000 that wait for a dead remote", "ratio"],
    );
    for on in On::BOTH {
        let installation = Installed::start(on, without_limits(10)).await;
        pushy::apply(&installation.rig, MORE).await;
        let url = pushy::until_set_up(&installation.rig).await;
        let mut people = People::new(&installation.rig.sandbox, url);
        people.p99().await;
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            alone.push(people.p99().await);
        }
        let dead = dead_neighbour(&installation).await;
        for _ in 0..ROUNDS {
            beside.push(people.p99().await);
        }
        let status = installation.rig.run(&["status", "dead"]).await.last().clone();
        let waiting =
            status["deliveries-waiting"].as_u64().unwrap() + status["contacts-waiting"].as_u64().unwrap();
        assert!(waiting >= WAITING, "they still wait: {status}");
        drop(dead);
        let (alone, beside) = (Rounds::of(alone), Rounds::of(beside));
        let ratio = format!("{:.2}", beside.median() / alone.median());
        row(&[on.name(), &alone.tenths(), &beside.tenths(), &ratio]);
    }
}

/// A CRM that pushes its people: reading them again is left out, since how often a CRM may be asked would be
/// measured.
struct People<'a> {
    sandbox: &'a Sandbox,
    client: Client,
    url: String,
    sent: u64,
}

impl<'a> People<'a> {
    fn new(sandbox: &'a Sandbox, url: String) -> Self {
        Self { sandbox, client: Client::new(), url, sent: 0 }
    }

    /// Changes people one after the other, and sees when each is there.
    async fn p99(&mut self) -> f64 {
        let mut pace = tokio::time::interval(PACE);
        let mut times = Vec::new();
        for _ in 0..CHANGES {
            pace.tick().await;
            self.sent += 1;
            let (id, delivery) = (format!("p{}", self.sent % PEOPLE), format!("d{}", self.sent));
            let mut said = pushy::there(&id, &Timestamp::now().to_string(), "Lund");
            said["visits"] = json!(self.sent);
            let body = json!([said]).to_string().into_bytes();
            let began = Instant::now();
            let answer = pushy::send(&self.client, &self.url, &[("x-id", &delivery)], body).await;
            assert_eq!(answer, 202, "delivery {} after {:?}", self.sent, began.elapsed());
            let mut look = tokio::time::interval(Duration::from_millis(1));
            while visits_of(self.sandbox, &id) != Some(self.sent) {
                look.tick().await;
            }
            times.push(began.elapsed());
        }
        percentile(&mut times, 99)
    }
}

fn visits_of(sandbox: &Sandbox, id: &str) -> Option<u64> {
    sandbox.profile(id)?.attributes.get(VISITS)?.as_u64()
}

/// An integration of its own CRM and its own APSIS One, which stops answering; what came in waits.
async fn dead_neighbour(installation: &Installed) -> Sandbox {
    let sandbox = Sandbox::start(without_limits(200)).await.unwrap();
    let addresses = sandbox.addresses();
    let rig = &installation.rig;
    let own = rig.sandbox.addresses();
    let origin = |url: &str| url.rsplit_once('/').unwrap().0.to_owned();
    let text = std::fs::read_to_string(rig.path("acme.toml"))
        .unwrap()
        .replace(ACME, "dead")
        .replace(&own.lime_url, &addresses.lime_url)
        .replace(&origin(&own.lime_url), &origin(&addresses.lime_url))
        .replace(&own.apsis_url, &addresses.apsis_url)
        .replace(
            r#"{ env = "SLUICE_DEMO_LIME_KEY" }"#,
            &format!(r#"{{ file = "{}" }}"#, secret(rig.path("key"), &addresses.lime_key)),
        )
        .replace(
            r#"{ env = "SLUICE_DEMO_APSIS_SECRET" }"#,
            &format!(r#"{{ file = "{}" }}"#, secret(rig.path("secret"), &addresses.apsis_client_secret)),
        );
    let file = rig.path("dead.toml");
    std::fs::write(&file, text).unwrap();
    let applied = rig.run(&["integration", "apply", &file.display().to_string()]).await;
    assert_eq!(applied.code(), 0, "{:?} {}", applied.lines, applied.log);
    sluice_tests::rig::until("its webhook is set up", || !sandbox.lime_subscriptions().is_empty()).await;
    sandbox.add_fault(FaultRule {
        route: "apsis.".to_owned(),
        fault: Fault::Status { status: 503, retry_after: None },
        when: When::Probability(1.0),
    });
    let target = sandbox.lime_subscriptions()[0].target_url.clone();
    let path = target.split_once("/deliveries/").map(|(_, path)| format!("/deliveries/{path}")).unwrap();
    send_all(installation.address, &path, &Signer::new(1), WAITING, WAITING).await;
    sandbox
}

fn secret(file: std::path::PathBuf, value: &str) -> String {
    std::fs::write(&file, value).unwrap();
    file.display().to_string()
}
