//! An overview, by the API: chosen, given a tag, imported, removed.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use sluice_tests::rig::{ACME, eventually};

use crate::asking::{Asker, host};

#[tokio::test(flavor = "multi_thread")]
async fn an_overview_is_set_up_imported_and_removed() {
    let live = host().await;
    assert_eq!(live.run(&["sync", "start", ACME]).await.code(), 0);
    let editor = Asker::with(&live, "editor", &[ACME]).await;
    let viewer = Asker::with(&live, "viewer", &[ACME]).await;
    let all = format!("/integrations/{ACME}/overviews");
    let place = format!("{all}/campaign%3A1001");
    let listed = viewer.get(&all).await.well();
    assert_eq!((&listed["offered"], &listed["failure"]), (&json!(true), &Value::Null));
    let first =
        listed["overviews"].as_array().unwrap().iter().find(|one| one["id"] == "campaign:1001").unwrap();
    assert_eq!((&first["in-crm"], &first["imported"]), (&json!(true), &Value::Null), "{first}");
    let tag = viewer.get(&format!("/integrations/{ACME}/tags")).await.well()[0]["id"].clone();

    let put = async |body: Value| editor.ask(Method::PUT, &place).body(body).send().await;
    assert_eq!(put(json!({ "tag": "no such tag" })).await.problem(), (422, "apsis-setting".to_owned()));
    assert_eq!(
        put(json!({ "tag": tag, "at": "25:00" })).await.problem(),
        (400, "request-malformed".to_owned())
    );
    assert_eq!(viewer.get(&place).await.problem(), (404, "overview-unknown".to_owned()));
    let made = put(json!({ "tag": tag, "recurring": true })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert_eq!((&made.json()["at"], &made.json()["last-import"]), (&json!("06:00"), &Value::Null));
    let changed = put(json!({ "tag": tag, "recurring": false, "at": "07:30" })).await;
    assert_eq!((changed.status, &changed.json()["next-at"]), (StatusCode::OK, &Value::Null));
    let taken =
        editor.ask(Method::PUT, &format!("{all}/campaign%3A1002")).body(json!({ "tag": tag })).send().await;
    assert_eq!(taken.problem(), (409, "overview-tag-taken".to_owned()));
    let missing =
        editor.ask(Method::PUT, &format!("{all}/campaign%3A9")).body(json!({ "tag": tag })).send().await;
    assert_eq!(missing.problem(), (404, "overview-not-in-crm".to_owned()));

    let begun = editor.ask(Method::POST, &format!("{place}/import")).send().await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.text);
    let import = eventually("it is imported", async || {
        let import = viewer.get(&format!("{place}/imports")).await.well()["items"][0].clone();
        (!import["ended-at"].is_null()).then_some(import)
    })
    .await;
    assert_eq!(
        (&import["number"], &import["state"]),
        (&begun.json()["number"], &json!("completed")),
        "{import}"
    );
    let count = |name: &str| import["counters"][name].as_u64().unwrap();
    assert!(count("read") > 0 && count("read") == count("added") + count("skipped"), "{import}");
    let tagged =
        live.sandbox.profiles().iter().filter(|one| one.tags.iter().any(|tag_of| *tag_of == tag)).count();
    assert_eq!(tagged as u64, count("added"));
    let skipped = viewer.get(&format!("{place}/skipped?limit=500")).await.well();
    assert_eq!(skipped["items"].as_array().unwrap().len() as u64, count("skipped"));
    assert_eq!(viewer.get(&place).await.well()["last-import"], import);

    let removed = editor.ask(Method::DELETE, &place).send().await;
    assert_eq!(removed.status, StatusCode::ACCEPTED, "{}", removed.text);
    eventually("it is removed", async || {
        (viewer.get(&place).await.status == StatusCode::NOT_FOUND).then_some(())
    })
    .await;
    assert!(live.sandbox.profiles().iter().all(|profile| profile.tags.is_empty()));
    let journal = live.run(&["journal"]).await;
    let acts: Vec<&str> = journal.lines.iter().filter_map(|act| act["what"].as_str()).collect();
    for what in ["overview.put", "overview.import", "overview.remove"] {
        assert!(acts.contains(&what), "{what} in {acts:?}");
    }
}
