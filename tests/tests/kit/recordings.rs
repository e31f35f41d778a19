//! `sluice connector record` and `test`.

use crate::{Desk, all_text, quill_crm};

async fn recorded() -> (Desk, String) {
    let desk = Desk::new();
    let folder = desk.path("fixtures").display().to_string();
    let said = desk.connector(&["record", env!("QUILL_WASM"), "--to", &folder, "--crm", &quill_crm()]).await;
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    (desk, folder)
}

#[tokio::test]
async fn a_recording_holds_nobody_and_no_secret_and_can_be_tested_against() {
    let (desk, folder) = recorded().await;
    let text = all_text(&desk.path("fixtures"));
    // Who is in the fake CRM: of these, nothing is left but ids and what kinds there are.
    for gone in ["Sample101", "Astrid", "Björn", "person101@", "0000101", "fake-key"] {
        assert!(!text.contains(gone), "{gone} is in the recording");
    }
    for stays in ["101", "\"customer\"", "person1@example.com", "not-the-api-key", "bearer api-key"] {
        assert!(text.contains(stays), "{stays} is not in the recording");
    }
    let junit = desk.path("junit.xml").display().to_string();
    let said = desk.connector(&["test", env!("QUILL_WASM"), "--fixtures", &folder, "--junit", &junit]).await;
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    assert!(said.out.contains("6 cases, 0 failed"), "{}", said.out);
    assert!(desk.text("junit.xml").contains("failures=\"0\""));
    // The rules can be tried on it, too.
    let said = desk.connector(&["check", env!("QUILL_WASM"), "--fixtures", &folder]).await;
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    assert!(said.out.contains("open    steady-crowd"), "{}", said.out);
}

#[tokio::test]
async fn what_comes_out_otherwise_is_shown_where_and_a_missing_recording_beside_the_nearest() {
    let (desk, folder) = recorded().await;
    let expected = desk.text("fixtures/scan/expected.json").replacen("\"101\"", "\"100\"", 1);
    std::fs::write(desk.path("fixtures/scan/expected.json"), expected).unwrap();
    let second = desk.text("fixtures/scan/02.http").replacen("behind=110", "behind=111", 1);
    std::fs::write(desk.path("fixtures/scan/02.http"), second).unwrap();
    let (code, report) = desk.told(&["test", env!("QUILL_WASM"), "--fixtures", &folder]).await;
    assert_eq!(code, 1);
    let scan = report["cases"].as_array().unwrap().iter().find(|case| case["case"] == "scan").unwrap();
    let faults = scan["faults"].to_string();
    for word in [
        "which is not recorded",
        "nearest is 02.http; query `behind`: recorded is `111`, asked was `110`",
        "an answer was expected, and it ended with",
    ] {
        assert!(faults.contains(word), "{word}: {faults}");
    }
    assert_eq!(scan["unused"][0], "02.http");

    std::fs::write(
        desk.path("fixtures/scan/02.http"),
        desk.text("fixtures/scan/02.http").replacen("behind=111", "behind=110", 1),
    )
    .unwrap();
    let said = desk.connector(&["test", env!("QUILL_WASM"), "--fixtures", &folder]).await;
    assert_eq!(said.code, 1);
    assert!(
        said.out.contains("/pages/0/contacts/0/id: \"100\" was expected, and it is \"101\""),
        "{}",
        said.out
    );
    assert!(said.err.contains("kit-cases-failed: 1 cases"), "{}", said.err);
    // What it answers now is taken for right when the author says so.
    let said = desk.connector(&["test", env!("QUILL_WASM"), "--fixtures", &folder, "--accept"]).await;
    assert_eq!(said.code, 0, "{}", said.out);
}

#[tokio::test]
async fn a_recording_that_cannot_be_read_is_named() {
    let (desk, folder) = recorded().await;
    for (file, text, word) in [
        ("scan/call.toml", "call = \"dance\"", "scan/call.toml"),
        ("scan/01.http", "GET https://a.example\n", "no line `=== 200`"),
        ("scan/expected.json", "{", "scan/expected.json"),
        ("settings.toml", "[settings", "settings.toml"),
    ] {
        let path = desk.path("fixtures").join(file);
        let before = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text).unwrap();
        let said = desk.connector(&["test", env!("QUILL_WASM"), "--fixtures", &folder]).await;
        assert_eq!(said.code, 1);
        assert!(said.err.contains("kit-file") && said.err.contains(word), "{file}: {}", said.err);
        std::fs::write(&path, before).unwrap();
    }
    let nothing = desk.path("nothing");
    std::fs::create_dir(&nothing).unwrap();
    let said =
        desk.connector(&["test", env!("QUILL_WASM"), "--fixtures", &nothing.display().to_string()]).await;
    assert!(said.err.contains("settings.toml"), "{}", said.err);
}
