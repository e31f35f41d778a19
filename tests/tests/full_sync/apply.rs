//! Integrations as files: applied, listed, shown, exported, deleted; and refused with a sentence that
//! says what to do, with nothing stored.

use sluice_sandbox::SandboxConfig;

use sluice_tests::processes::say;
use sluice_tests::rig::{ACME, Ended, Rig, found_below};

#[tokio::test]
async fn an_exported_integration_is_the_same_when_it_is_applied_again() {
    let rig = Rig::start(SandboxConfig::default()).await;
    let shown = rig.run(&["integration", "show", ACME]).await;
    let before = shown.last()["integration"].clone();
    assert_eq!(before["id"], ACME);

    let toml = say(&rig.data(), &["integration", "export", ACME]).await;
    assert_eq!(toml.code, 0, "{}", toml.err);
    let json = rig.run(&["integration", "export", ACME]).await;
    for (name, text) in [("exported.toml", toml.out.clone()), ("exported.json", json.last().to_string())] {
        for secret in [rig.sandbox.lime_key(), rig.sandbox.apsis_client_secret()] {
            assert!(!text.contains(secret), "{name} holds a secret");
        }
        assert_eq!(rig.run(&["integration", "delete", ACME]).await.code(), 0);
        assert!(rig.run(&["integration", "list"]).await.lines.is_empty());

        let file = rig.path(name);
        std::fs::write(&file, text).unwrap();
        let applied = rig.run(&["integration", "apply", &file.display().to_string()]).await;
        assert_eq!(applied.last()["added"], ACME, "{}", applied.log);
        let after = rig.run(&["integration", "show", ACME]).await.last()["integration"].clone();
        assert_eq!(before, after, "{name}");
    }
    let secret_on_disk = found_below(&rig.data(), rig.sandbox.apsis_client_secret());
    assert!(!secret_on_disk, "secrets are references, and stay where they are");
}

#[tokio::test]
async fn what_cannot_be_applied_is_refused_with_what_to_do() {
    let rig = Rig::start(SandboxConfig::default()).await;
    assert_eq!(rig.run(&["integration", "delete", ACME]).await.code(), 0);
    let good = std::fs::read_to_string(rig.path("acme.toml")).unwrap();
    let other_component = good.replace(env!("LIME_WASM"), &rig.path("acme.toml").display().to_string());
    let core_module = rig.path("core.wasm");
    std::fs::write(&core_module, b"\0asm\x01\0\0\0").unwrap();
    let url = format!("url = \"{}\"", rig.sandbox.lime_url());
    let origin = rig.sandbox.lime_url().rsplit_once('/').unwrap().0;
    let row = "[[consents]]\nconsent = \"1001\"\ntopic = \"Newsletter\"\n";

    let refused: [(&str, String, &[&str]); 19] = [
        ("integration-malformed", good.replace("section =", "sektion ="), &["sektion", "line"]),
        ("integration-malformed", String::new(), &["id"]),
        ("integration-malformed", "id = ".to_owned(), &["line 1"]),
        (
            "integration-both-channels",
            format!("{good}\n{row}channel = [\"email\", \"sms\"]\n"),
            &["row 6", "two rows"],
        ),
        ("integration-setting", good.replace("\"acme-lime\"", "\"Acme Lime\""), &["id", "lower-case"]),
        ("catalogue-file", good.replace(env!("LIME_WASM"), "nothing.wasm"), &["nothing.wasm"]),
        ("component-not-wasm", other_component, &[".wasm"]),
        (
            "component-core-module",
            good.replace(env!("LIME_WASM"), &core_module.display().to_string()),
            &["wasm32-wasip2"],
        ),
        (
            "connection-not-granted",
            good.replace(&format!("[\"{origin}\"]"), "[\"https://acme.lime-crm.com\"]"),
            &["grant", origin],
        ),
        ("connection-setting", good.replace(&url, ""), &["url"]),
        ("connection-setting", good.replace(&url, &format!("{url}\ncolour = \"red\"")), &["colour"]),
        ("connection-secret", good.replace("api-key =", "api-keys ="), &["api-key"]),
        (
            "rules-condition-type",
            good.replacen("equals = false", "equals = 5", 1),
            &["inactive", "yes or no"],
        ),
        (
            "rules-condition-type",
            good.replacen("equals = false", "at-least = \"today-30d\"", 1),
            &["inactive", "`equals`"],
        ),
        (
            "rules-condition-option",
            format!(
                "{good}\n[[conditions]]\nfield = \"company.customertype\"\none-of = [\"prospect\", \"rare\"]\n"
            ),
            &["company.customertype", "\"rare\"", "prospect"],
        ),
        (
            "rules-mapping-type",
            good.replacen("\"city\"", "\"birthdate\"", 1).replacen(
                "attribute = \"City\"\nkind = \"text\"",
                "attribute = \"City\"\nkind = \"number\"",
                1,
            ),
            &["birthdate", "City", "number"],
        ),
        (
            "rules-mapping-type",
            good.replacen(
                "attribute = \"Birthdate\"\nkind = \"date\"",
                "attribute = \"Birthdate\"\nkind = \"text\"",
                1,
            ),
            &["Birthdate", "`kind`"],
        ),
        (
            "delete-unmatched-not-allowed",
            format!("{good}\n[sync]\ndelete-unmatched = true\n"),
            &["--allow-delete-unmatched", "deleted from APSIS One"],
        ),
        ("limit-unknown", format!("{good}\n[limits]\nspeed = 3\n"), &["speed", "cpu-ms"]),
    ];
    for (code, text, words) in refused {
        assert_ne!(text, good, "{code}: the file was changed");
        let ended = apply(&rig, text.as_bytes()).await;
        assert_refused(&ended, code, words);
    }
    let unreadable = rig.run(&["integration", "apply", "/nowhere/acme.toml"]).await;
    assert_refused(&unreadable, "integration-unreadable", &["/nowhere/acme.toml"]);
    let folder = rig.run(&["integration", "apply", &rig.data().display().to_string()]).await;
    assert_refused(&folder, "integration-unreadable", &["data"]);

    let list = rig.run(&["integration", "list"]).await;
    assert!(list.lines.is_empty(), "nothing was stored");
    assert_eq!(apply(&rig, good.as_bytes()).await.code(), 0, "the file itself is good");
}

#[tokio::test]
async fn only_an_operator_lets_a_file_delete_who_stops_matching() {
    let rig = Rig::start(SandboxConfig::default()).await;
    let who = async || {
        let shown = say(&rig.data(), &["integration", "show", ACME]).await.out;
        shown.lines().find(|line| line.contains("who stops matching")).unwrap().to_owned()
    };
    assert!(who().await.contains("keeps the profile"));
    let file = rig.path("deleting.toml");
    let good = std::fs::read_to_string(rig.path("acme.toml")).unwrap();
    std::fs::write(&file, format!("{good}\n[sync]\ndelete-unmatched = true\n")).unwrap();
    let applied =
        rig.run(&["integration", "apply", "--allow-delete-unmatched", &file.display().to_string()]).await;
    assert_eq!(applied.last()["replaced"], ACME);
    assert!(applied.log.contains("`delete-unmatched` is on"), "{}", applied.log);
    assert!(who().await.contains("has the profile deleted"));
    let exported = rig.run(&["integration", "export", ACME]).await;
    assert_eq!(exported.last()["sync"]["delete-unmatched"], true);
}

#[tokio::test]
async fn a_file_that_is_no_integration_at_all_is_refused_at_once() {
    let rig = Rig::start(SandboxConfig::default()).await;
    let good = std::fs::read_to_string(rig.path("acme.toml")).unwrap();
    let binary: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    assert_refused(&apply(&rig, &binary).await, "integration-unreadable", &["acme"]);
    let long_line = vec![b'a'; 10_000_000];
    assert_refused(&apply(&rig, &long_line).await, "integration-malformed", &["line 1"]);
    let deep = format!("x = {}", "[".repeat(100_000));
    assert_refused(&apply(&rig, deep.as_bytes()).await, "integration-malformed", &[]);
    let many_rows = "[[conditions]]\nfield = \"nothing\"\n".repeat(300_000);
    assert_refused(
        &apply(&rig, format!("{good}{many_rows}").as_bytes()).await,
        "integration-malformed",
        &["line"],
    );
    assert_eq!(rig.run(&["integration", "list"]).await.lines.len(), 1, "what was there is still there");
}

#[tokio::test]
async fn a_value_that_stands_where_its_name_belongs_is_not_repeated() {
    let rig = Rig::start(SandboxConfig::default()).await;
    let good = std::fs::read_to_string(rig.path("acme.toml")).unwrap();
    let key = rig.sandbox.lime_key();
    for wrong in [
        good.replace("{ env = \"SLUICE_DEMO_LIME_KEY\" }", &format!("\"{key}\"")),
        good.replace("[secrets]", &format!("api-key = \"{key}\"\n[secrets]")),
        good.replace("{ env = \"SLUICE_DEMO_LIME_KEY\" }", &format!("{{ value = \"{key}\" }}")),
    ] {
        assert_ne!(wrong, good);
        let ended = apply(&rig, wrong.as_bytes()).await;
        assert_eq!(ended.code(), 1);
        assert!(!ended.last().to_string().contains(key), "{}", ended.last());
        assert!(!ended.log.contains(key));
    }
}

async fn apply(rig: &Rig, text: &[u8]) -> Ended {
    let file = rig.path("tried-acme.toml");
    std::fs::write(&file, text).unwrap();
    rig.run(&["integration", "apply", &file.display().to_string()]).await
}

fn assert_refused(ended: &Ended, code: &str, words: &[&str]) {
    let error = &ended.last()["error"];
    assert_eq!((error["code"].as_str(), ended.code()), (Some(code), 1), "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(message.len() > 30 && message.len() < 1000, "a sentence, not a dump: {message}");
    for word in words {
        assert!(message.contains(word), "{code} names {word}: {message}");
    }
}
