//! The page for authors, followed to the letter: each of its commands is run as it stands there, and how long it took
//! is printed (`--nocapture` shows it).

use std::process::Stdio;
use std::time::Instant;

use sluice_tests::rig::{program, sluice};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::Desk;

const PAGE: &str = include_str!("../../../docs/writing-a-connector.md");

/// What is printed when a command of the page has ended.
const ENDED: &str = "@ ended";

/// The commands of the page, in order; each is one line.
fn commands() -> Vec<&'static str> {
    PAGE.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).flat_map(str::lines).collect()
}

/// What runs one of them.
fn run(command: &str) -> String {
    // Some people of the fake CRM have no e-mail address, which the exit code says, too.
    let may_reject = if command.starts_with("sluice sync start") { " || [ $? = 3 ]" } else { "" };
    format!("{command}{may_reject}\necho '{ENDED}'\n")
}

#[tokio::test]
async fn from_nothing_to_a_full_sync_by_the_pages_own_commands() {
    let commands = commands();
    assert!(commands.len() >= 10, "{commands:?}");
    let desk = Desk::new();
    let bin = desk.path("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(sluice(), bin.join("sluice")).unwrap();
    std::os::unix::fs::symlink(program("sandbox-under-test"), bin.join("sluice-sandbox")).unwrap();
    let all: String = commands.iter().map(|command| run(command)).collect();
    let script = format!(
        "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null' EXIT\n{all}sluice --json sync show acme-crm\n"
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
    let said = desk.path("said");
    let mut child = command
        .args(["-c", &script])
        .current_dir(desk.folder.path())
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("SLUICE_DATA", desk.path("data"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&said).unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut out, mut began, mut ended) = (String::new(), Instant::now(), 0);
    while let Some(line) = lines.next_line().await.unwrap() {
        if line == ENDED {
            println!("{:6.1} s  {}", began.elapsed().as_secs_f64(), commands[ended]);
            (began, ended) = (Instant::now(), ended + 1);
        } else {
            out = out + &line + "\n";
        }
    }
    let status = child.wait().await.unwrap();
    assert!(status.success(), "{out}\n{}", std::fs::read_to_string(said).unwrap());
    assert_eq!(ended, commands.len());
    for word in ["0 failed", "0 broken", "test result: ok"] {
        assert!(out.contains(word), "{word}: {out}");
    }
    let run = out.lines().rev().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let run = run.into_iter().find(|line| line["counters"].is_object()).expect("the run is shown");
    assert_eq!(run["counters"]["read"], 250, "{run:#}");
    assert_eq!(run["phase"], "completed", "{run:#}");
}
