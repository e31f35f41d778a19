//! A disk that fills up under a run: a clear error, nothing lost, and the run goes on when there is room.

use serde_json::Value;
use sluice_sandbox::SandboxConfig;
use tokio::process::Command;

use crate::people::compare;
use sluice_tests::expected;
use sluice_tests::rig::sluice;
use sluice_tests::rig::{ACME, Rig, assert_adds_up, counter};

/// Puts the data folder onto a disk of its own, fills what is left of it but for so many kB, and starts the
/// run; takes some of it away, and goes on; at last there is room for all. The disk is in memory, and only
/// this shell's: it is gone with it, however that ends. After each command, a line with its exit code.
const SCRIPT: &str = r#"
set -eu
data=$1 kept=$2 sluice=$3 integration=$4
mv "$data" "$kept"
mkdir "$data"
mount -t tmpfs -o size=64m tmpfs "$data"
cp -a "$kept/." "$data"
command() { "$sluice" --json --data "$data" sync "$1" "$integration" && code=0 || code=$?; echo "{\"exit\":$code}"; }
room() { rm -f "$data/filling"; size=$(($(du -sk "$data" | cut -f1) + $1)); mount -o "remount,size=${size}k" "$data"; }
room 3000; command start
room 300; command watch
room 800; command watch
mount -o remount,size=64m "$data"
command watch
command show
rm -r "$kept"
cp -a "$data/." "$kept"
umount "$data"
rmdir "$data"
mv "$kept" "$data"
"#;

#[tokio::test]
async fn a_run_on_a_full_disk_says_so_and_goes_on_when_there_is_room() {
    let rig = Rig::start(SandboxConfig::default()).await;
    let mut script = Command::new("unshare");
    script.args(["--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh"]);
    script.arg(rig.data()).arg(rig.path("kept")).arg(sluice()).arg(ACME);
    for (name, value) in rig.command(&[]).as_std().get_envs() {
        script.env(name, value.unwrap_or_default());
    }
    let output = script.kill_on_drop(true).output().await.expect("unshare (util-linux) can be started");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "a disk can be mounted, and all commands started: {log}");
    assert!(!log.contains("panicked"), "{log}");

    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let commands: Vec<&[Value]> = lines.split_inclusive(|line| line["exit"].is_i64()).collect();
    let [full @ .., watched, shown] = commands.as_slice() else { panic!("{text}") };
    assert_eq!(full.len(), 3);
    let mut read = 0;
    for answers in full {
        let [progress @ .., error, end] = answers else { panic!("{answers:?}") };
        let error = &error["error"];
        assert_eq!(
            (end["exit"].as_i64(), error["code"].as_str()),
            (Some(1), Some("store-broken")),
            "{error}"
        );
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("sluice.db") && message.contains("space"), "{message}");
        for line in progress.iter().filter(|line| line["counters"].is_object()) {
            assert!(counter(line, "read") >= read, "what was stored stays stored: {line}");
            read = counter(line, "read");
        }
    }
    assert!(read > 0, "some of it was read before the disk was full");

    let [.., run, end] = watched else { panic!("{watched:?}") };
    assert_eq!((end["exit"].as_i64(), run["phase"].as_str()), (Some(3), Some("completed")), "{run} {log}");
    assert_eq!(run["id"], 1, "it is the same run");
    assert_adds_up(run);
    let people = expected::people();
    assert_eq!(counter(run, "read"), people.len() as u64);
    let listed = shown.iter().filter(|line| line["outcome"] == "rejected").count() as u64;
    assert_eq!(counter(run, "rejected"), listed, "what is counted is stored");
    compare(&rig, &people);
}
