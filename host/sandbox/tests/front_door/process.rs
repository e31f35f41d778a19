//! The sandbox as a process, and its own address.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sluice_sandbox::{Addresses, Peaks};

use crate::support::read;

#[tokio::test]
async fn the_program_says_where_it_is_and_ends_with_its_input() {
    let mut process = Command::new(env!("CARGO_BIN_EXE_sluice-sandbox"))
        .args(["--persons", "50", "--apsis-switches", "{\"profile_per_second\": 2}"])
        .args(["--seed", "9", "--webhook-switches", "{\"parallel\": 2}"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let addresses: Addresses = serde_json::from_str(&line).unwrap();
    let http = reqwest::Client::new();
    let at = |path: &str| format!("{}/{path}", addresses.control_url);

    let ids: Vec<u64> = http.get(at("lime/person")).send().await.unwrap().json().await.unwrap();
    assert_eq!(ids.len(), 50);
    let person = json!({"firstname": "Maja", "email": "maja@x.example"});
    let made: Value = http.post(at("lime/person")).json(&person).send().await.unwrap().json().await.unwrap();
    assert_eq!(made["id"], 5051);
    let gone = http.delete(at("lime/person/5051")).send().await.unwrap();
    assert_eq!(gone.status(), 204);
    assert_eq!(http.get(at("lime/person/5051")).send().await.unwrap().status(), 400);

    let webhooks: Value = http.get(at("switches/webhooks")).send().await.unwrap().json().await.unwrap();
    assert_eq!((&webhooks["parallel"], &webhooks["seed"]), (&json!(2), &json!(9)));

    let rule = json!({"route": "lime", "fault": {"kind": "status", "status": 503}, "when": {"next": 1}});
    assert_eq!(http.post(at("faults")).json(&rule).send().await.unwrap().status(), 204);
    let lime = format!("{}/api/v1/limetype/", addresses.lime_url);
    let asked = || http.get(&lime).header("x-api-key", &addresses.lime_key).send();
    assert_eq!(asked().await.unwrap().status(), 503);
    assert_eq!(asked().await.unwrap().status(), 200);
    let changed = http.patch(at("switches/lime")).json(&json!({"rate_limit": 1}));
    assert_eq!(changed.send().await.unwrap().status(), 204);
    assert_eq!(asked().await.unwrap().status(), 429);
    let unknown = http.patch(at("switches/lime")).json(&json!({"colour": 1})).send().await.unwrap();
    assert_eq!(read(unknown).await.0, 400);
    let peaks: Peaks = http.get(at("peaks")).send().await.unwrap().json().await.unwrap();
    assert_eq!(peaks.lime_per_window, 3);
    let counts: Value = http.get(at("counts")).send().await.unwrap().json().await.unwrap();
    assert_eq!(counts["lime.limetype"], json!({"200": 1, "429": 1, "503": 1}));
    assert_eq!(http.get(at("profiles")).send().await.unwrap().text().await.unwrap(), "");

    drop(process.stdin.take());
    assert!(process.wait().unwrap().success());
}
