//! How long somebody waits for a page when 1,000,000 contacts are known and 5,000,000 changes are kept.

use std::time::Instant;

use jiff::Timestamp;
use sluice_sandbox::SandboxConfig;
use sluice_tests::live::Live;
use sluice_tests::postgres;
use sluice_tests::rig::ACME;

use crate::On;
use crate::figures::{Rounds, head, row};

const CONTACTS: u32 = 1_000_000;
const CHANGES: u32 = 5_000_000;

/// Requests that are measured, and left out before.
const REQUESTS: usize = 40;
const WARM_UP: usize = 5;

pub async fn measure() {
    head(
        "A page with 1,000,000 contacts and 5,000,000 changes in the store; milliseconds (smallest to greatest)",
        &["store", "Integrations", "Status", "Full Sync", "Activity", "a contact"],
    );
    for on in On::BOTH {
        let url = on.url();
        let mut live = Live::still(url.clone(), SandboxConfig::default(), |text| text).await;
        fill(&live, url.as_deref());
        let made = live.run(&["token", "create", "bench", "--role", "operator"]).await;
        let token = made.last()["token"].as_str().unwrap().to_owned();
        live.serve().await;
        let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let sent = browser.post(format!("{}/login", live.url())).body(format!("token={token}"));
        let sent = sent.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
        let cookie = sent.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let mut cells = vec![on.name().to_owned()];
        for path in [
            "",
            &format!("/{ACME}"),
            &format!("/{ACME}/full-sync"),
            &format!("/{ACME}/activity"),
            &format!("/{ACME}/contacts/c500000"),
        ] {
            let mut times = Vec::new();
            for request in 0..WARM_UP + REQUESTS {
                let began = Instant::now();
                let page =
                    browser.get(format!("{}/integrations{path}", live.url())).header("cookie", &cookie);
                let page = page.send().await.unwrap();
                assert_eq!(page.status(), 200, "{path}");
                page.bytes().await.unwrap();
                if request >= WARM_UP {
                    times.push(began.elapsed().as_secs_f64() * 1000.0);
                }
            }
            cells.push(Rounds::middle(times).tenths());
        }
        row(&cells.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

fn fill(live: &Live, url: Option<&str>) {
    match url {
        Some(url) => {
            for statement in statements(|count| format!("generate_series(1, {count}) AS g(n)"), "bytea") {
                postgres::sql(url, &statement);
            }
            postgres::sql(url, "VACUUM ANALYZE");
        }
        None => {
            let raw = rusqlite::Connection::open(live.data().join("sluice.db")).unwrap();
            let numbers = |count| {
                format!(
                    "(WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < {count}) SELECT n FROM g) AS g"
                )
            };
            for statement in statements(numbers, "blob") {
                raw.execute(&statement, []).unwrap();
            }
        }
    }
}

/// Contacts with their last outcome; deliveries that have ended, each with its change.
fn statements(numbers: impl Fn(u32) -> String, bytes: &str) -> Vec<String> {
    let at = Timestamp::now().as_microsecond();
    let day = 86_400_000_000_i64;
    vec![
        format!(
            "INSERT INTO ledger (integration, contact, outcome, at) SELECT 1, 'c' || n, 'updated', {at} FROM {}",
            numbers(CONTACTS)
        ),
        format!(
            "INSERT INTO deliveries (integration, id, arrived_at, headers, query, body, decoded, outcome, ended_at, forget_at)
             SELECT 1, 'd' || n, {at} - {CHANGES} + n, '[]', '', CAST('body' AS {bytes}), 1, 'updated', {at} - {CHANGES} + n,
                 {at} + {day} FROM {}",
            numbers(CHANGES)
        ),
        format!(
            "INSERT INTO changes (integration, delivery, contact, kind, arrived_at, outcome, ended_at)
             SELECT 1, number, 'c' || (number % {CONTACTS}), 'touched', arrived_at, 'updated', ended_at FROM deliveries
             ORDER BY number"
        ),
    ]
}
