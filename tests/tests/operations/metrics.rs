//! Metrics: what is served is what the documentation lists, it says what happened, and nothing of a person.

use std::collections::{BTreeMap, BTreeSet};

use sluice_sandbox::{Fault, FaultRule, When};
use sluice_tests::rig::{ACME, eventually};

use crate::{file, live};

/// What the documentation lists, in the table after its mark.
fn documented() -> BTreeSet<String> {
    let page = include_str!("../../../docs/operations.md");
    let table = page.split("<!-- metrics -->").nth(1).expect("the mark");
    let rows =
        table.lines().skip_while(|line| !line.starts_with("| `")).take_while(|line| line.starts_with("| `"));
    rows.map(|row| row.split('`').nth(1).unwrap().to_owned()).collect()
}

fn served(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

/// Each line's value, by all before it.
fn values(text: &str) -> BTreeMap<&str, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name, value.parse().unwrap()))
        .collect()
}

async fn scrape(url: &str) -> String {
    let answer = reqwest::get(url).await.unwrap();
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    answer.text().await.unwrap()
}

#[tokio::test]
async fn what_is_measured_is_what_is_documented_and_holds_no_person() {
    let live = live(None).await;
    let text = format!(
        "[metrics]\nlisten = \"127.0.0.1:0\"\n[server]\nlisten = \"{0}\"\npublic-url = \"{1}\"\n",
        live.url().trim_start_matches("http://"),
        live.url()
    );
    let file = file(&live, &text);
    let once = |route: &str| FaultRule {
        route: route.to_owned(),
        fault: Fault::Status { status: 429, retry_after: Some(0) },
        when: When::Next(1),
    };
    live.sandbox.add_fault(once("apsis.attributes"));
    live.sandbox.add_fault(once("lime.query"));
    // The variable of the rig goes over the file, the flag over that.
    let mut command = sluice_tests::processes::Followed::start(
        &live,
        &["serve", "--config", &file, "--listen", live.url().trim_start_matches("http://")],
    );
    let answer = command.until(|line| line["listening"].is_string()).await;
    let url = format!("http://{}/metrics", answer["metrics"].as_str().unwrap());
    live.until_subscribed().await;
    assert_eq!(live.sync().await.last()["phase"], "completed");
    let mut editor = live.editor();
    editor.edit(&live.sandbox, 40).unwrap();
    live.until_quiet().await;
    let unknown =
        reqwest::Client::new().post(format!("{}/deliveries/nobody/key", live.url())).send().await.unwrap();
    assert_eq!(unknown.status(), 404);

    let read = eventually("what waits is measured anew", async || {
        let text = scrape(&url).await;
        text.contains(&format!("sluice_contacts_waiting{{integration=\"{ACME}\"}} 0")).then_some(text)
    })
    .await;
    assert_eq!(served(&read), documented());
    let values = values(&read);
    let of = |name: &str| *values.get(name).unwrap_or_else(|| panic!("{name} in {read}"));
    assert!(of(&format!("sluice_integration_health{{integration=\"{ACME}\",state=\"works\"}}")) == 1.0);
    assert!(of(&format!("sluice_webhook_state{{integration=\"{ACME}\",state=\"standing\"}}")) == 1.0);
    assert!(of("sluice_store_up") == 1.0);
    assert!(
        of(&format!("sluice_runs_total{{integration=\"{ACME}\",kind=\"full-sync\",outcome=\"completed\"}}"))
            == 1.0
    );
    assert!(of(&format!("sluice_apsis_throttled_total{{integration=\"{ACME}\"}}")) >= 1.0);
    assert!(
        of(&format!("sluice_deliveries_received_total{{integration=\"{ACME}\",answer=\"taken\"}}")) > 0.0
    );
    assert!(
        of("sluice_deliveries_received_total{integration=\"\",answer=\"delivery-address-unknown\"}") == 1.0
    );
    let sum = |begin: &str| {
        values.iter().filter(|(name, _)| name.starts_with(begin)).map(|(_, value)| value).sum::<f64>()
    };
    assert!(sum("sluice_lane_contacts_total") > 0.0);
    assert!(sum("sluice_run_contacts_total") >= 100.0);

    assert!(!read.contains('@') && !read.contains("key\""), "no address and no key");
    for person in live.sandbox.profiles().iter().filter_map(|profile| profile.crm_id.clone()) {
        assert!(!read.contains(&format!("\"{person}\"")), "{person} is in a label");
    }
    // Not at the address that everybody reaches.
    assert_eq!(reqwest::get(format!("{}/metrics", live.url())).await.unwrap().status(), 404);
    command.signal("TERM");
    assert_eq!(command.end().await.0, Some(0));
}
