//! A store that is full, stands still or is gone: 503 for as long as that lasts, nothing that was acknowledged is
//! lost, and normal service afterwards without a restart.

use std::process::Stdio;

use rusqlite::Connection;
use sluice_sandbox::{Editor, People, SandboxConfig, WebhookCounters, WebhookSwitches};
use sluice_tests::postgres::Cluster;
use sluice_tests::rig::{ACME, eventually, sluice};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::live::{IMMEDIATELY, Live, On};

fn config() -> SandboxConfig {
    SandboxConfig {
        people: People::Generated { persons: 100, seed: 5 },
        webhooks: WebhookSwitches {
            parallel: 4,
            // As long as Lime may wait; an answer that takes longer would count as none.
            timeout_millis: 1000,
            first_pause_millis: 50,
            longest_pause_millis: 300,
            ..WebhookSwitches::default()
        },
        ..SandboxConfig::default()
    }
}

fn change(text: String) -> String {
    text + IMMEDIATELY
}

fn refused(sent: &WebhookCounters) -> u64 {
    sent.refused.get(&503).copied().unwrap_or_default()
}

/// Edits, and waits until many of the deliveries were answered 503, and none otherwise.
async fn until_refused(live: &Live, editor: &mut Editor) {
    let before = live.sandbox.webhook_counters();
    editor.edit(&live.sandbox, 20).unwrap();
    let sent = live.sandbox.webhooks_until(|sent| refused(sent) >= refused(&before) + 20).await;
    assert_eq!(sent.unanswered, before.unanswered, "each is answered in time: {sent:?}");
    assert!(sent.refused.keys().all(|status| *status == 503), "{sent:?}");
    until_health_is(live, 503).await;
}

/// Waits until a load balancer is told so.
async fn until_health_is(live: &Live, status: u16) {
    eventually("a load balancer is told", async || {
        let health = reqwest::get(format!("{}/health", live.url())).await.unwrap();
        assert_eq!(health.headers().contains_key("retry-after"), health.status() == 503);
        (health.status() == status).then_some(())
    })
    .await;
}

/// All is well again: what was sent is acknowledged, and has its outcome.
async fn assert_well(live: &Live, editor: &mut Editor) {
    editor.edit(&live.sandbox, 20).unwrap();
    let sent = live.until_quiet().await;
    until_health_is(live, 200).await;
    live.assert_equal();
    live.assert_in_order();
    assert_eq!(live.outcomes().await.values().sum::<u64>(), sent.acknowledged);
}

#[tokio::test]
async fn a_store_that_somebody_holds_is_a_503_until_it_is_free() {
    let live = Live::start(On::Sqlite, config(), change).await;
    assert_eq!(live.sync().await.last()["phase"], "completed");
    let mut editor = live.editor();
    let somebody = Connection::open(live.data().join("sluice.db")).unwrap();
    somebody.execute_batch("BEGIN IMMEDIATE").unwrap();
    until_refused(&live, &mut editor).await;
    somebody.execute_batch("ROLLBACK").unwrap();
    assert_well(&live, &mut editor).await;
}

#[tokio::test]
async fn a_database_server_that_stands_still_is_a_503_until_it_goes_on() {
    let cluster = Cluster::start();
    let live = Live::start_at(Some(cluster.database().url), config(), change).await;
    assert_eq!(live.sync().await.last()["phase"], "completed");
    let mut editor = live.editor();
    cluster.signal("STOP");
    until_refused(&live, &mut editor).await;
    cluster.signal("CONT");
    assert_well(&live, &mut editor).await;
}

#[tokio::test]
async fn a_database_that_cuts_connections_and_takes_none_is_a_503_until_it_does() {
    let cluster = Cluster::start();
    let database = cluster.database();
    let live = Live::start_at(Some(database.url.clone()), config(), change).await;
    assert_eq!(live.sync().await.last()["phase"], "completed");
    let mut editor = live.editor();
    for _ in 0..3 {
        cluster.shut(&database);
        until_refused(&live, &mut editor).await;
        cluster.open(&database);
        assert_well(&live, &mut editor).await;
    }
}

/// A shell whose data folder is on a small disk of its own. The disk is in memory, and only this shell's: it
/// is gone with it, however that ends. Each line that it reads is run; its answer ends with a line `done`.
const SHELL: &str = r#"
set -u
data=$1 kept=$2
mv "$data" "$kept" && mkdir "$data" && mount -t tmpfs -o size=96m tmpfs "$data" && cp -a "$kept/." "$data" || exit 1
while read -r line; do eval "$line"; echo done; done
kill $server; wait
rm -r "$kept" && cp -a "$data/." "$kept" && umount "$data" && rmdir "$data" && mv "$kept" "$data"
"#;

struct Shell {
    child: Child,
    asks: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Shell {
    fn start(live: &Live) -> Self {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", SHELL, "sh"]);
        command.arg(live.data()).arg(live.path("kept"));
        for (name, value) in live.command(&[]).as_std().get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        command.env("SLUICE_DATA", live.data()).env("PROGRAM", sluice()).env("LOG", live.path("log"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("unshare (util-linux) can be started");
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { asks: child.stdin.take(), child, answers }
    }

    /// Runs a line; what it said.
    async fn run(&mut self, line: &str) -> Vec<String> {
        let asks = self.asks.as_mut().unwrap();
        asks.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let mut said = Vec::new();
        loop {
            match self.answers.next_line().await.unwrap().expect("the shell goes on").as_str() {
                "done" => return said,
                line => said.push(line.to_owned()),
            }
        }
    }

    /// Ends it; what is on the disk is where it was before.
    async fn end(mut self) {
        drop(self.asks.take());
        assert!(self.child.wait().await.unwrap().success());
    }
}

#[tokio::test]
async fn a_full_disk_is_a_503_until_there_is_room() {
    let mut live = Live::still(None, config(), change).await;
    let mut shell = Shell::start(&live);
    let url = live.url();
    let listen = url.trim_start_matches("http://");
    shell
        .run(&format!(
            r#""$PROGRAM" --json serve --listen {listen} --public-url {url} >>"$LOG" 2>>"$LOG" & server=$!; until grep -q listening "$LOG"; do :; done"#
        ))
        .await;
    live.until_subscribed().await;
    shell.run(&format!(r#""$PROGRAM" --json sync start {ACME} >>"$LOG" 2>&1"#)).await;
    let mut editor = live.editor();
    for _ in 0..2 {
        shell.run(r#"cat /dev/zero >"$SLUICE_DATA/filling" 2>/dev/null"#).await;
        // What the store has room for in its own files it takes; then it takes nothing.
        let before = live.sandbox.webhook_counters();
        let mut sent = before.clone();
        while refused(&sent) < refused(&before) + 30 {
            editor.edit(&live.sandbox, 10).unwrap();
            let tried = sent.attempts;
            sent = live.sandbox.webhooks_until(|sent| sent.attempts >= tried + 10).await;
        }
        assert_eq!(sent.unanswered, before.unanswered, "each is answered in time: {sent:?}");
        shell.run(r#"rm "$SLUICE_DATA/filling""#).await;
        live.sandbox.webhooks_idle().await;
    }
    // The same process is there, and works.
    let wait = r#"until "$PROGRAM" --json status | grep -q '"deliveries-waiting":0,"contacts-waiting":0'; do :; done"#;
    shell.run(wait).await;
    let alive = shell.run("kill -0 $server && echo alive").await;
    assert_eq!(alive, ["alive"]);
    shell.end().await;
    live.serve().await;
    assert_well(&live, &mut editor).await;
}
