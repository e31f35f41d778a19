//! Secrets in the store, from a host's start to its end: a full sync with them, other keys meanwhile, no key, a wrong one,
//! a row that was moved; and nothing that is said or written down tells one.

use std::path::Path;

use serde_json::{Value, json};
use sluice_sandbox::SandboxConfig;
use sluice_tests::live::{IMMEDIATELY, Live, On};
use sluice_tests::processes::{Followed, slow_down};
use sluice_tests::rig::{ACME, Rig, WEBHOOK_SECRET, ended, eventually, found_below, made_up};

/// The integration with all its secrets in the store.
pub fn stored(text: String) -> String {
    let text = text
        .replace("{ env = \"SLUICE_DEMO_LIME_KEY\" }", "{ stored = \"lime-key\" }")
        .replace("{ env = \"SLUICE_DEMO_WEBHOOK_SECRET\" }", "{ stored = \"webhook-secret\" }")
        .replace("{ env = \"SLUICE_DEMO_APSIS_SECRET\" }", "{ stored = \"apsis\" }");
    assert_eq!(text.matches("stored = ").count(), 3, "{text}");
    text + IMMEDIATELY
}

/// Its secrets, as they are called in the store.
pub fn values(rig: &Rig) -> [(&'static str, String); 3] {
    [
        ("lime-key", rig.sandbox.lime_key().to_owned()),
        ("webhook-secret", WEBHOOK_SECRET.to_owned()),
        ("apsis", rig.sandbox.apsis_client_secret().to_owned()),
    ]
}

/// An installation that does not serve yet, with a key and its secrets in the store.
async fn sealed(on: On, config: SandboxConfig) -> (Live, String) {
    let live = Live::still(on.url(), config, stored).await;
    let (id, key) = live.new_key().await;
    live.give_keys(&[&key]);
    for (name, value) in values(&live) {
        let set = live.set_secret(ACME, name, &value).await;
        assert_eq!(
            (set.code(), &set.last()["name"], &set.last()["key"]),
            (0, &json!(name), &json!(id)),
            "{}",
            set.log
        );
    }
    (live, key)
}

/// A full sync; that contacts are rejected as people were made up and edited is well.
async fn synced(live: &Live) {
    let run = live.sync().await;
    assert_eq!(run.last()["phase"], "completed", "{:?} {}", run.lines, run.log);
}

async fn rotate(live: &Live) -> Value {
    let rotated = live.run(&["secrets", "rotate"]).await;
    assert_eq!(rotated.code(), 0, "{:?} {}", rotated.lines, rotated.log);
    rotated.last().clone()
}

async fn a_full_sync_under_changing_keys(on: On) {
    let (mut live, old) = sealed(on, made_up(200)).await;
    live.serve().await;
    live.until_subscribed().await;
    synced(&live).await;
    live.editor().edit(&live.sandbox, 10).unwrap();

    // The host goes on with both keys, in the middle of a run and of real time.
    slow_down(&live);
    let mut running = Followed::start(&live, &["sync", "start", ACME, "--forced"]);
    running.until_reading().await;
    let (new_id, new) = live.new_key().await;
    live.give_keys(&[&new, &old]);
    assert_eq!(rotate(&live).await, json!({ "key": new_id, "rotated": 3, "left": [] }));
    live.sandbox.clear_faults();
    let (code, run) = running.end().await;
    assert_eq!((code.is_some(), &run["phase"]), (true, &json!("completed")), "{run}");

    // The old key is not needed any more; what was done is done.
    live.give_keys(&[&new]);
    assert_eq!(rotate(&live).await["rotated"], 0);
    let listed = live.run(&["secrets", "list", ACME]).await;
    assert_eq!(listed.lines.len(), 3);
    assert!(
        listed.lines.iter().all(|line| line["key"] == new_id.as_str() && line["set-by"].is_string()),
        "{:?}",
        listed.lines
    );
    live.editor().edit(&live.sandbox, 10).unwrap();
    let again = live.run(&["sync", "start", ACME, "--forced"]).await;
    assert_eq!(again.last()["phase"], "completed", "{}", again.log);
    live.until_quiet().await;
    live.assert_equal();
    live.stop().await;
    assert_not_found(&live, &live.data());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_sync_under_changing_keys_on_sqlite() {
    a_full_sync_under_changing_keys(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_sync_under_changing_keys_on_postgres() {
    a_full_sync_under_changing_keys(On::Postgres).await;
}

/// Whoever has the store has no secret.
fn assert_not_found(rig: &Rig, directory: &Path) {
    assert!(directory.join("cache").is_dir(), "it is the data folder");
    for (name, value) in values(rig) {
        assert!(!found_below(directory, &value), "{name} is in the store");
    }
}

/// What is wrong with the lane.
async fn trouble(live: &Live, code: &str) -> String {
    eventually("the lane says what is wrong", async || {
        let pause = live.status().await["pause"].clone();
        (pause["cause"]["code"] == code).then(|| pause["cause"]["message"].as_str().unwrap().to_owned())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_wrong_key_nothing_is_done_and_nothing_is_lost() {
    let (mut live, key) = sealed(On::Sqlite, made_up(60)).await;
    live.serve().await;
    live.until_subscribed().await;
    synced(&live).await;
    live.until_quiet().await;
    live.stop().await;

    let (wrong_id, wrong) = live.new_key().await;
    live.give_keys(&[&wrong]);
    live.serve().await;
    let said = trouble(&live, "secret-key-missing").await;
    assert!(said.contains(ACME) && said.contains("lime-key") && said.contains(&wrong_id), "{said}");
    // What the CRM sends cannot be checked: it is not taken, and comes again.
    live.editor().edit(&live.sandbox, 20).unwrap();
    let run = live.sync().await;
    assert_eq!(
        (run.code(), &run.last()["error"]["code"]),
        (1, &json!("secret-key-missing")),
        "{:?}",
        run.lines
    );
    let rotated = live.run(&["secrets", "rotate"]).await;
    assert_eq!((rotated.code(), &rotated.last()["error"]["code"]), (1, &json!("secrets-left")));
    assert_eq!(rotated.lines[0]["left"].as_array().unwrap().len(), 3, "{:?}", rotated.lines);

    // The right one is taken up without a new start.
    live.give_keys(&[&key]);
    live.until_quiet().await;
    synced(&live).await;
    live.until_quiet().await;
    live.assert_equal();

    // One secret that is wrong, and right again.
    let set = live.set_secret(ACME, "apsis", "not-the-secret").await;
    assert_eq!(set.code(), 0, "{}", set.log);
    trouble(&live, "apsis-credentials").await;
    let (name, value) = &values(&live)[2];
    assert_eq!(live.set_secret(ACME, name, value).await.code(), 0);
    eventually("the lane works", async || live.status().await["pause"].is_null().then_some(())).await;
    synced(&live).await;
    live.stop().await;

    // None at all, and one that is no key.
    std::fs::remove_file(live.keys()).unwrap();
    let none = live.set_secret(ACME, name, value).await;
    assert_eq!(none.last()["error"]["code"], "secret-keys-none", "{:?}", none.lines);
    live.give_keys(&["hunter2"]);
    let malformed = live.run(&["serve"]).await;
    assert_eq!(malformed.last()["error"]["code"], "secret-keys-malformed");
    assert!(!malformed.last().to_string().contains("hunter2"), "{:?}", malformed.lines);
}

/// What the checks of an integration found wrong.
async fn found(live: &Live, integration: &str) -> Vec<String> {
    let checked = live.run(&["doctor", integration]).await;
    let codes = checked.lines.iter().filter_map(|line| line["error"]["code"].as_str().map(str::to_owned));
    codes.filter(|code| code != "doctor-found-trouble").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_opens_only_where_it_was_put() {
    let (live, _) = sealed(On::Sqlite, made_up(5)).await;
    let text = std::fs::read_to_string(live.path("acme.toml")).unwrap();
    let file = live.path("other.toml");
    std::fs::write(&file, text.replace("id = \"acme-lime\"", "id = \"other\"")).unwrap();
    assert_eq!(live.run(&["integration", "apply", &file.display().to_string()]).await.code(), 0);
    assert_eq!(found(&live, ACME).await, Vec::<String>::new());
    // It cannot name another one's: there is no such name.
    assert_eq!(found(&live, "other").await, ["secret-not-set", "secret-not-set"]);

    let store = rusqlite::Connection::open(live.data().join("sluice.db")).unwrap();
    let moved = "INSERT INTO secrets SELECT (SELECT number FROM integrations WHERE id = 'other'), name, set_at, set_by, key,
        sealed FROM secrets";
    assert_eq!(store.execute(moved, []).unwrap(), 3);
    assert_eq!(found(&live, "other").await, ["secret-damaged", "secret-damaged"]);
    // Nor is one taken for another of the same integration.
    let swapped =
        "UPDATE secrets SET sealed = (SELECT sealed FROM secrets other WHERE other.name = 'webhook-secret'
        AND other.integration = secrets.integration) WHERE name = 'lime-key'";
    store.execute(swapped, []).unwrap();
    drop(store);
    assert_eq!(found(&live, ACME).await, ["secret-damaged"]);
    // Set anew, it works; and it goes with its integration.
    let (name, value) = &values(&live)[0];
    assert_eq!(live.set_secret(ACME, name, value).await.code(), 0);
    assert_eq!(found(&live, ACME).await, Vec::<String>::new());
    assert_eq!(live.run(&["integration", "delete", ACME, "--keep-webhook"]).await.code(), 0);
    let again = live.path("acme.toml").display().to_string();
    assert_eq!(live.run(&["integration", "apply", &again]).await.code(), 0);
    assert_eq!(live.run(&["secrets", "list", ACME]).await.lines, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_said_tells_a_secret_or_a_key() {
    let (live, key) = sealed(On::Sqlite, made_up(30)).await;
    let (_, new) = live.new_key().await;
    let mut said = String::new();
    let mut say = async |arguments: &[&str]| {
        let child = live.command(arguments).env("SLUICE_LOG", "trace").spawn().unwrap();
        let ended = ended(child).await;
        let lines: Vec<String> = ended.lines.iter().map(Value::to_string).collect();
        said.push_str(&format!("{}\n{}\n", ended.log, lines.join("\n")));
    };
    let value = live.path("value");
    for (name, text) in values(&live) {
        std::fs::write(&value, format!("{text}\n")).unwrap();
        say(&["secrets", "set", ACME, name, "--file", &value.display().to_string()]).await;
    }
    live.give_keys(&[&new, &key]);
    for command in [
        &["doctor", ACME][..],
        &["sync", "start", ACME],
        &["secrets", "rotate"],
        &["secrets", "list", ACME],
        &["secrets", "remove", ACME, "apsis"],
        &["integration", "show", ACME],
        &["integration", "export", ACME],
        &["journal"],
    ] {
        say(command).await;
    }
    // A key that does not fit, a value that does not.
    live.give_keys(&[&key]);
    say(&["sync", "start", ACME]).await;
    live.give_keys(&[&format!("{new}{key}")]);
    say(&["doctor", ACME]).await;
    for expected in [
        "run ended",
        "secret.set",
        "secret.rotate",
        "secret-in-use",
        "secret-key-missing",
        "secret-keys-malformed",
    ] {
        assert!(said.contains(expected), "{expected} was said");
    }
    for (name, text) in values(&live) {
        assert!(!said.contains(&text), "{name} is told");
    }
    for key in [&key, &new] {
        assert!(!said.contains(key.as_str()), "a key is told");
    }
}
