//! The API is what its own description says: schemathesis makes requests out of it, right and wrong ones, and looks at
//! every answer.

use std::fmt::Write as _;
use std::path::PathBuf;

use sluice_tests::rig::{ACME, at_full_size};
use tokio::process::Command;

use crate::asking::{Asker, host};

/// Where `cargo xtask test` puts it.
fn schemathesis() -> PathBuf {
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/schemathesis/bin/schemathesis");
    let program = PathBuf::from(place);
    assert!(program.is_file(), "{place} is not there; `cargo xtask test` installs it");
    program
}

/// No answer is a 5xx, of another status or form than is described, or lets through what is wrong.
#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_described() {
    let live = host().await;
    assert_eq!(live.run(&["sync", "start", ACME]).await.code(), 0);
    let operator = Asker::with(&live, "operator", &[]).await;
    let directory = tempfile::tempdir().unwrap();
    let mut config = String::new();
    // Names that are there, so that more than "there is no such thing" is seen.
    let _ = writeln!(
        config,
        "[parameters]\n\"path.integration\" = \"{ACME}\"\n\"path.run\" = 1\n\"path.contact\" = \"5001\""
    );
    // A name or a place is looked up: what has the right form may still be none that there is. That what a change replaces
    // is missing is said by a status of its own.
    config.push_str("[checks]\npositive_data_acceptance.enabled = false\n");
    // Whether a token is asked for is tried in `access`; here so many are none that whoever sends them has to wait.
    config.push_str("ignored_auth.enabled = false\n");
    config.push_str("missing_required_header.expected-statuses = [400, 401, 415, 422, 428]\n");
    let file = directory.path().join("schemathesis.toml");
    std::fs::write(&file, config).unwrap();
    let examples = if at_full_size() { "100" } else { "4" };
    let mut run = Command::new(schemathesis());
    run.arg("--config-file").arg(&file).arg("run").arg(format!("{}/api/v1/openapi.json", live.url()));
    run.args(["--header", &format!("Authorization: Bearer {}", operator.token())]);
    // One worker: before Python 3.11.8, two threads that parse Python at the same time may both fail ("AST
    // constructor recursion depth mismatch"), and Hypothesis parses it to describe what it makes.
    run.args([
        "--max-examples",
        examples,
        "--seed",
        "1",
        "--workers",
        "1",
        "--no-color",
        "--continue-on-failure",
    ]);
    run.args([
        "--phases",
        "examples,coverage,fuzzing",
        "--request-timeout",
        "60",
        "--generation-database",
        "none",
    ]);
    run.args(["--output-truncate", "false"]);
    // What would take the integration or the contact away from under the others; that is tried in `way`.
    run.args(["--exclude-operation-id", "contacts.forget"]);
    run.args(["--exclude-operation-id", "integrations.delete"]);
    // It takes a file; that is tried in `way`, too.
    run.args(["--exclude-operation-id", "connectors.add"]);
    let ended = run.current_dir(directory.path()).kill_on_drop(true).output().await.unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    println!("{said}");
    assert!(ended.status.success(), "{said}\n{}", String::from_utf8_lossy(&ended.stderr));
    // The host is well after it.
    assert_eq!(operator.get("/integrations").await.well()["items"][0]["id"], ACME);
}
