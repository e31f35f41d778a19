//! What scripts and people meet: exit codes, JSON lines and plain words, a reader that goes away, and the
//! commands around a run.

use std::process::Stdio;

use sluice_sandbox::SandboxConfig;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use sluice_tests::processes::{Followed, say, slow_down};
use sluice_tests::rig::{ACME, Rig, assert_adds_up, counter, sluice};

/// One person of the data files, with a good address, and nobody else.
fn only_one(text: String) -> String {
    let condition =
        "[[conditions]]\nfield = \"email\"\nequals = \"emelie.akesson@lindwikstromhb.se.example\"\n";
    format!("{text}\n{condition}")
}

#[tokio::test]
async fn the_exit_code_says_how_it_ended() {
    let rig = Rig::start_with(SandboxConfig::default(), only_one).await;
    let all_well = rig.sync().await;
    assert_eq!(all_well.code(), 0, "nobody was rejected: {}", all_well.last());
    assert_eq!(counter(all_well.last(), "created"), 1);
    assert_eq!(counter(all_well.last(), "excluded"), counter(all_well.last(), "read") - 1);

    let unknown = rig.run(&["sync", "start", "nobody"]).await;
    assert_eq!(unknown.code(), 1);
    assert_eq!(unknown.last()["error"]["code"], "integration-unknown");

    for wrong in
        [&["sync", "begin", ACME][..], &["sync", "start"], &["sync", "show", ACME, "--outcome", "lost"]]
    {
        let ended = rig.run(wrong).await;
        assert_eq!(ended.code(), 2, "{wrong:?}");
        assert!(ended.lines.is_empty() && ended.log.contains("error:"), "{}", ended.log);
    }
    let filter = rig.command(&["sync", "list", ACME]).env("SLUICE_LOG", "=,=").output().await.unwrap();
    assert_eq!(filter.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&filter.stderr).contains("log-filter-invalid"));
}

#[tokio::test]
async fn some_rejected_is_partial_and_ctrl_c_is_cancelled() {
    let rig = Rig::start(SandboxConfig::default()).await;
    slow_down(&rig);
    let mut run = Followed::start(&rig, &["sync", "start", ACME]);
    let reading = run.until_reading().await;
    assert!(reading["per-second"].is_number() && reading["seconds"].is_number(), "{reading}");
    run.signal("INT");
    let (code, last) = run.end().await;
    assert_eq!((code, last["phase"].as_str()), (Some(4), Some("cancelled")), "{last}");
    assert_eq!(rig.sandbox.profile_count(), 0, "nothing is written before all is read");

    rig.sandbox.clear_faults();
    let partial = rig.sync().await;
    assert_eq!((partial.code(), partial.last()["phase"].as_str()), (3, Some("completed")));
    assert_adds_up(partial.last());

    slow_down(&rig);
    let mut again = Followed::start(&rig, &["sync", "start", ACME]);
    let line = again.until_reading().await;
    assert_eq!(
        line["total"],
        partial.last()["counters"]["read"],
        "as many as the last time, for want of better"
    );
    assert_eq!(line["total-is-known"], false);
    assert!(line["seconds-left"].is_u64(), "{line}");
    again.signal("INT");
    assert_eq!(again.end().await.0, Some(4));

    let runs = rig.run(&["sync", "list", ACME]).await;
    let phases: Vec<_> = runs.lines.iter().map(|run| run["phase"].as_str().unwrap()).collect();
    assert_eq!(phases, ["cancelled", "completed", "cancelled"], "the newest first");
}

#[tokio::test]
async fn words_for_people_have_no_json_and_name_the_next_command() {
    let rig = Rig::start(SandboxConfig::default()).await;
    let data = rig.data();
    let none = say(&data, &["sync", "list", ACME]).await;
    assert_eq!((none.code, none.out.as_str()), (0, ""));
    assert!(none.err.contains("sluice sync start acme-lime"), "{}", none.err);
    let none = say(&data, &["sync", "show", ACME]).await;
    assert_eq!(none.code, 1);
    assert!(
        none.err.starts_with("sluice: run-none:") && none.err.contains("sluice sync start"),
        "{}",
        none.err
    );
    let empty = say(&rig.path("elsewhere"), &["integration", "list"]).await;
    assert_eq!((empty.code, empty.out.as_str()), (0, ""));
    assert!(empty.err.contains("sluice integration apply"), "{}", empty.err);

    let run = rig.sync().await;
    let rejected = counter(run.last(), "rejected");
    let shown = say(&data, &["sync", "show", ACME]).await;
    assert_eq!(shown.code, 0);
    assert!(shown.out.contains("  read       3 000\n"), "{}", shown.out);
    assert!(!shown.out.contains('{'), "{}", shown.out);
    let listed = shown.out.lines().filter(|line| line.contains(" in the CRM")).count() as u64;
    assert_eq!(listed, rejected, "each rejected contact is listed: {rejected}\n{}", shown.out);
    let few = say(&data, &["sync", "show", ACME, "--limit", "2"]).await;
    assert!(few.out.contains(&format!("... and {} more", rejected - 2)), "{}", few.out);
    for command in [&["integration", "list"][..], &["integration", "show", ACME], &["sync", "list", ACME]] {
        let said = say(&data, command).await;
        assert!(said.code == 0 && said.out.contains("completed in"), "{}", said.out);
        assert!(said.err.is_empty(), "{}", said.err);
        assert!(!rig.run(command).await.lines.is_empty(), "the same command gives JSON lines");
    }
    let other = say(&data, &["sync", "show", ACME, "--run", "99"]).await;
    assert!(other.code == 1 && other.err.contains("run-unknown"), "{}", other.err);
}

#[tokio::test]
async fn a_reader_that_goes_away_stops_nothing() {
    let rig = Rig::start(SandboxConfig::default()).await;
    // As `sluice --json sync start acme | head -1` does.
    let mut child = rig.spawn(&["sync", "start", ACME]);
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(out.next_line().await.unwrap().is_some());
    drop(out);
    let ended = child.wait_with_output().await.unwrap();
    let log = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(3), "the run is not harmed: {log}");
    assert!(!log.contains("panicked"), "{log}");

    for command in
        [&["sync", "show", ACME, "--outcome", "created"][..], &["completions", "bash"], &["--help"]]
    {
        for json in [&["--json"][..], &[]] {
            let mut child = Command::new(sluice());
            let child = child.arg("--data").arg(rig.data()).args(json).args(command);
            let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            drop(child.stdout.take());
            let ended = child.wait_with_output().await.unwrap();
            let log = String::from_utf8_lossy(&ended.stderr);
            assert_eq!((ended.status.code(), log.as_ref()), (Some(0), ""), "{command:?}");
        }
    }
}

#[tokio::test]
async fn completions_name_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = say(folder.path(), &["completions", shell]).await;
        assert_eq!((script.code, script.err.as_str()), (0, ""));
        for command in
            ["integration", "apply", "sync", "start", "cancel", "connector", "inspect", "doctor", "serve"]
        {
            assert!(script.out.contains(command), "{shell} knows {command}");
        }
    }
    assert_eq!(say(folder.path(), &["completions", "cmd"]).await.code, 2);
}

#[tokio::test]
async fn a_connector_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let inspected = say(folder.path(), &["connector", "inspect", env!("LIME_WASM")]).await;
    assert_eq!(inspected.code, 0, "{}", inspected.err);
    for word in ["(lime)", "e-mail field", "api-key", "deliveries", "sha256:"] {
        assert!(inspected.out.contains(word), "{word}: {}", inspected.out);
    }
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "no component").unwrap();
    let refused = say(folder.path(), &["connector", "inspect", &text.display().to_string()]).await;
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.starts_with("sluice: component-not-wasm: ") && refused.err.contains(".wasm"),
        "{}",
        refused.err
    );
    let missing = say(folder.path(), &["connector", "inspect", "/nowhere.wasm"]).await;
    assert!(missing.code == 1 && missing.err.contains("component-unreadable"), "{}", missing.err);
}
