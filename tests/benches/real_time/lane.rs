//! The lane: changes a second into a simulated APSIS One without limits, beside a bare loop that makes the same
//! requests.

use std::sync::Arc;
use std::time::Instant;

use futures::{StreamExt, stream};
use reqwest::Client;
use serde_json::{Value, json};
use sluice_tests::rig::until;

use crate::figures::{Rounds, head, row};
use crate::installed::{Installed, without_limits};
use crate::load::{Signer, send_all};
use crate::{On, ROUNDS};

/// People who change in a round: so few that reading them takes no more requests than a CRM like Lime allows at once.
const PERSONS: u64 = 3000;

/// How many are written before the time is taken: until then the lane is opened.
const FIRST: u64 = 200;

/// Requests of the bare loop at the same time: as many as the lane's.
const AT_ONCE: usize = 16;

pub async fn measure() {
    head(
        "Changes a second into APSIS One",
        &["what", "changes a second", "profiles written for a change", "of the bare loop"],
    );
    for on in On::BOTH {
        let installation = Installed::start(on, without_limits(PERSONS)).await;
        let ran = installation.rig.sync().await;
        assert_eq!(ran.last()["phase"], "completed", "{}", ran.log);
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        let mut written = 0.0;
        for round in 0..ROUNDS {
            let (rate, patches) = one_round(&installation, round).await;
            ours.push(rate);
            written = patches as f64 / PERSONS as f64;
            bare.push(bare_loop(&installation, patches, round).await / written);
        }
        let (ours, bare) = (Rounds::of(ours), Rounds::of(bare));
        row(&[
            on.name(),
            &ours.whole(),
            &format!("{written:.2}"),
            &format!("{:.2}", ours.median() / bare.median()),
        ]);
        row(&["bare reqwest loop, nothing stored", &bare.whole(), &format!("{written:.2}"), "1.00"]);
    }
}

/// Everybody changes while the lane holds still; then it is let go. Changes a second, and the requests that they
/// took: consents read, and profiles written.
async fn one_round(installation: &Installed, round: usize) -> (f64, u64) {
    let (rig, sandbox) = (&installation.rig, &installation.rig.sandbox);
    installation.enable(false).await;
    let people = sandbox.lime_ids("person").unwrap();
    for person in &people {
        sandbox.lime_update("person", *person, &json!({ "visits": 1_000_000 + round })).unwrap();
    }
    // A disabled integration has no webhook; the same is sent for it.
    let (signer, count) = (Signer::new(round), people.len() as u64);
    send_all(installation.address, &installation.path, &signer, count, count).await;
    let before = rig.answered("apsis.attributes.patch");
    installation.enable(true).await;
    until("the first are written", || rig.answered("apsis.attributes.patch") >= before + FIRST).await;
    let began = Instant::now();
    installation.until_empty().await;
    let time = began.elapsed().as_secs_f64();
    ((count - FIRST) as f64 / time, rig.answered("apsis.attributes.patch") - before)
}

/// Reads as many profiles' consents and writes their attributes, by nothing but reqwest; profiles a second.
async fn bare_loop(installation: &Installed, count: u64, round: usize) -> f64 {
    let sandbox = &installation.rig.sandbox;
    let addresses = sandbox.addresses();
    let client = Client::new();
    let asked = json!({
        "client_id": addresses.apsis_client_id, "client_secret": addresses.apsis_client_secret,
        "grant_type": "client_credentials",
    });
    let token =
        client.post(format!("{}/oauth/token", addresses.apsis_url)).json(&asked).send().await.unwrap();
    let token: Value = token.json().await.unwrap();
    let token: Arc<str> = token["access_token"].as_str().unwrap().into();
    let profiles: Vec<(String, Value)> = sandbox
        .profiles()
        .into_iter()
        .filter_map(|profile| {
            let mut body = json!(profile.attributes);
            body["usercreated.attributes.visits-a2s3d4f5g6"] = json!(2_000_000 + round);
            Some((profile.crm_id?, body))
        })
        .collect();
    let began = Instant::now();
    stream::iter((0..count).map(|number| {
        let (id, body) = &profiles[usize::try_from(number).unwrap() % profiles.len()];
        let url = format!(
            "{}/v2/audience/keyspaces/com.apsis1.keyspaces.crm-id/profiles/{id}/sections/{}",
            addresses.apsis_url,
            sluice_sandbox::SECTION
        );
        let (client, token) = (client.clone(), Arc::clone(&token));
        async move {
            let read = client.get(format!("{url}/consents")).bearer_auth(&token).send().await.unwrap();
            assert!(read.status().is_success(), "{}", read.status());
            drop(read.bytes().await.unwrap());
            let write = client
                .patch(format!("{url}/attributes"))
                .bearer_auth(&token)
                .header("content-type", "application/merge-patch+json")
                .body(body.to_string());
            let answer = write.send().await.unwrap();
            assert!(answer.status().is_success(), "{} {}", answer.status(), answer.text().await.unwrap());
        }
    }))
    .buffer_unordered(AT_ONCE)
    .collect::<Vec<_>>()
    .await;
    count as f64 / began.elapsed().as_secs_f64()
}
