//! An integration of a CRM that pushes whole states and cannot be read: its messages are the test's own.

use hmac::{Hmac, KeyInit, Mac};
use reqwest::Client;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::rig::{Rig, WEBHOOK_SECRET, eventually};

/// Its id.
pub const PUSHY: &str = "pushy";

const FILE: &str = r#"
id = "pushy"
name = "Pushy"
connector = "{component}"

[secrets]
webhook-secret = { env = "SLUICE_DEMO_WEBHOOK_SECRET" }

[apsis]
url = "{apsis_url}"
client-id = "b2f0c1de-0000-4000-8000-000000000001"
client-secret = { env = "SLUICE_DEMO_APSIS_SECRET" }
section = "Nordics"
private-network = true

[[fields]]
field = "city"
attribute = "City"
kind = "text"

[[fields]]
field = "visits"
attribute = "Visits"
kind = "number"

[[consents]]
consent = "news"
topic = "usercreated.topics.newsletter-rg4kf3kt24"
channel = "email"
"#;

/// Applies its file; `more` ends it.
pub async fn apply(rig: &Rig, more: &str) {
    let text = FILE
        .replace("{component}", env!("PUSHY_WASM"))
        .replace("{apsis_url}", &rig.sandbox.addresses().apsis_url);
    let file = rig.path("pushy.toml");
    std::fs::write(&file, text + more).unwrap();
    let applied = rig.run(&["integration", "apply", &file.display().to_string()]).await;
    assert_eq!(applied.code(), 0, "{:?} {}", applied.lines, applied.log);
}

/// How it stands.
pub async fn status(rig: &Rig) -> Value {
    rig.run(&["status", PUSHY]).await.last().clone()
}

/// Waits until its webhook is set up; where its CRM sends to.
pub async fn until_set_up(rig: &Rig) -> String {
    eventually("its webhook is set up", async || {
        status(rig).await["webhook"]["standing"]["url"].as_str().map(str::to_owned)
    })
    .await
}

/// Sends a body to an address, signed; the status of the answer.
pub async fn send(client: &Client, url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> u16 {
    try_send(client, url, headers, body).await.expect("an answer is heard")
}

/// The same; none if the connection was closed before the answer was heard, as it may be where not all is read.
pub async fn try_send(client: &Client, url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Option<u16> {
    let mut mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).unwrap();
    mac.update(&body);
    let mac = hex::encode(mac.finalize().into_bytes());
    let mut request = client.post(url).header("x-mac", mac).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.ok().map(|response| response.status().as_u16())
}

/// Somebody as the CRM pushes it.
pub fn there(id: &str, at: &str, city: &str) -> Value {
    json!({ "is": "there", "id": id, "at": at, "email": format!("{id}@push.example"), "city": city })
}
