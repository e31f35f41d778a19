//! A disk that fills up under a run: a clear error, nothing lost, and the run goes on when there is room.

use sluice_sandbox::SandboxConfig;
use tokio::process::Command;

use crate::expected;
use crate::people::compare;
use crate::processes::SLUICE;
use crate::rig::{ACME, Rig, assert_adds_up, counter, ended};

/// The program where no file may grow beyond this many KiB. The system then refuses to write, as on a full
/// disk: the shell ignores the signal that would end the program first, and the program inherits that.
fn cramped(rig: &Rig, kibibytes: u64, arguments: &[&str]) -> Command {
    let plain = rig.command(arguments);
    let mut command = Command::new("sh");
    // `ulimit -f` counts in blocks of 512 bytes.
    command.args(["-c", "trap '' XFSZ; ulimit -f \"$0\" && exec \"$@\"", &(kibibytes * 2).to_string(), SLUICE]);
    command.args(plain.as_std().get_args());
    for (name, value) in plain.as_std().get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).kill_on_drop(true);
    command
}

#[tokio::test]
async fn a_run_on_a_full_disk_says_so_and_goes_on_when_there_is_room() {
    let rig = Rig::start(SandboxConfig::default()).await;
    let mut failures = 0;
    // Room for ever more of the run: it stops at other places, and goes on from there.
    for kibibytes in [300, 600, 1000, 1500] {
        let active = rig.run(&["sync", "list", ACME]).await;
        let command = if active.lines.is_empty() { "start" } else { "watch" };
        let ended = ended(cramped(&rig, kibibytes, &["sync", command, ACME]).spawn().unwrap()).await;
        let error = &ended.last()["error"];
        assert_eq!((ended.code(), error["code"].as_str()), (1, Some("store-broken")), "{error} {}", ended.log);
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("sluice.db") && message.contains("space"), "{message}");
        assert!(!ended.log.contains("panicked"), "{}", ended.log);
        failures += 1;

        let shown = rig.run(&["sync", "list", ACME]).await;
        if let Some(run) = shown.lines.first() {
            assert!(["accepted", "reading", "comparing"].contains(&run["phase"].as_str().unwrap()), "{run}");
            assert_eq!(counter(run, "rejected"), rejected_listed(&rig).await, "what is counted is stored");
        }
    }
    assert_eq!(failures, 4);

    let watched = rig.run(&["sync", "watch", ACME]).await;
    assert_eq!((watched.code(), watched.last()["phase"].as_str()), (3, Some("completed")), "{}", watched.log);
    assert_adds_up(watched.last());
    let people = expected::people();
    assert_eq!(counter(watched.last(), "read"), people.len() as u64);
    compare(&rig, &people);
}

async fn rejected_listed(rig: &Rig) -> u64 {
    let shown = rig.run(&["sync", "show", ACME, "--outcome", "rejected"]).await;
    shown.lines.iter().filter(|line| line["outcome"] == "rejected").count() as u64
}
