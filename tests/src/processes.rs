//! Programs that run beside the test: followed line by line, signalled, killed; and without `--json`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use sluice_sandbox::{Fault, FaultRule, When};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::rig::{Installation, sluice};

/// How long a test waits for what must come, before it fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// A started program whose answers are read as they come.
pub struct Followed {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Followed {
    /// Starts the program with `--json`; its log goes to a file of the installation.
    pub fn start(rig: &Installation, arguments: &[&str]) -> Self {
        Self::of(rig.command(arguments), &rig.path("log"))
    }

    /// Starts it as another host, with a data folder, and a log, of this name.
    pub fn start_on(rig: &Installation, data: &str, arguments: &[&str]) -> Self {
        Self::of(rig.command_on(&rig.path(data), arguments), &rig.path(&format!("{data}.log")))
    }

    fn of(mut command: Command, log: &Path) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        let mut child = command.stderr(Stdio::from(log)).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Reads on until an answer is as wanted.
    pub async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        loop {
            let next = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
            let Some(line) = next.unwrap_or_else(|_| panic!("no answer in time after {last}")).unwrap()
            else {
                panic!("the program ended before, with {last}");
            };
            last = serde_json::from_str(&line).unwrap();
            if wanted(&last) {
                return last;
            }
        }
    }

    /// Reads on until the run has read some contacts.
    pub async fn until_reading(&mut self) -> Value {
        self.until(|line| line["phase"] == "reading" && line["counters"]["read"].as_u64() > Some(0)).await
    }

    /// Sends a signal: `INT`, `TERM`, `KILL`.
    pub fn signal(&self, name: &str) {
        let process = self.child.id().expect("the program runs").to_string();
        let sent = std::process::Command::new("kill").args([&format!("-{name}"), &process]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end: the exit code (none if it was killed), and the last answer.
    pub async fn end(mut self) -> (Option<i32>, Value) {
        let mut last = Value::Null;
        let reading = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                last = serde_json::from_str(&line).unwrap();
            }
            self.child.wait().await.unwrap().code()
        };
        let code = tokio::time::timeout(PATIENCE, reading).await.expect("the program ends");
        (code, last)
    }
}

/// How a program without `--json` ended, and what it said.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs the program as a person would, but for the terminal.
pub async fn say(data: &Path, arguments: &[&str]) -> Said {
    let output = Command::new(sluice()).arg("--data").arg(data).args(arguments).output().await.unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Makes reading from the CRM slow, so that a run can be met while it reads.
pub fn slow_down(rig: &crate::rig::Rig) {
    rig.sandbox.add_fault(FaultRule {
        route: "lime.query".to_owned(),
        fault: Fault::Latency { min_millis: 300, max_millis: 300 },
        when: When::Probability(1.0),
    });
}
