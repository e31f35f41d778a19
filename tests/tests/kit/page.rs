//! The page for authors, followed to the letter: each of its commands is run as it stands there.

use std::process::Stdio;

use sluice_tests::rig::{program, sluice};
use tokio::process::Command;

use crate::Desk;

const PAGE: &str = include_str!("../../../docs/writing-a-connector.md");

/// The commands of the page, in order.
fn commands() -> Vec<&'static str> {
    PAGE.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[tokio::test]
async fn from_nothing_to_a_full_sync_by_the_pages_own_commands() {
    let commands = commands();
    assert!(commands.len() >= 7, "{commands:?}");
    let desk = Desk::new();
    let bin = desk.path("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(sluice(), bin.join("sluice")).unwrap();
    std::os::unix::fs::symlink(program("sandbox-under-test"), bin.join("sluice-sandbox")).unwrap();
    // Some people of the fake CRM have no e-mail address, which the exit code says, too.
    let commands = commands
        .join("\n")
        .replace("sluice sync start acme-crm\n", "sluice sync start acme-crm || [ $? = 3 ]\n");
    let script = format!(
        "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null' EXIT\n{commands}\nsluice --json sync show acme-crm\n"
    );
    let mut command = Command::new("bash");
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        // What cargo says of this test is not for the author's crate.
        let is_ours = name.starts_with("CARGO") && name != "CARGO_HOME" || name.starts_with("RUST_");
        if is_ours || name == "RUSTFLAGS" {
            command.env_remove(&name);
        }
    }
    let path = std::env::var("PATH").unwrap();
    let output = command
        .args(["-c", &script])
        .current_dir(desk.folder.path())
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("SLUICE_DATA", desk.path("data"))
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    for word in ["0 failed", "0 broken", "test result: ok"] {
        assert!(out.contains(word), "{word}: {out}");
    }
    let run = out.lines().rev().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let run = run.into_iter().find(|line| line["counters"].is_object()).expect("the run is shown");
    assert_eq!(run["counters"]["read"], 250, "{run:#}");
    assert_eq!(run["phase"], "completed", "{run:#}");
}
