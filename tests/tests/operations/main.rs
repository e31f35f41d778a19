//! What whoever runs a host sees of it: its set-up, its health, its metrics, its traces, its alerts, and how it stops.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod alerts;
mod collector;
mod config;
mod health;
mod metrics;
mod packaging;
mod receiver;
mod stopping;
mod traces;

use sluice_sandbox::{Fault, FaultRule, People, SandboxConfig, When};
use sluice_tests::live::{IMMEDIATELY, Live};
use sluice_tests::processes::Followed;

/// A hundred people, and new contacts get their profiles at once.
async fn live(store: Option<String>) -> Live {
    let people = People::Generated { persons: 100, seed: 5 };
    let config = SandboxConfig { people, ..SandboxConfig::default() };
    Live::still(store, config, |text| text + IMMEDIATELY).await
}

/// A configuration file of the installation.
fn file(live: &Live, text: &str) -> String {
    let path = live.path("sluice.toml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// Serves as a file has it set up; its first answer.
async fn serve(live: &Live, data: &str, file: &str) -> (Followed, serde_json::Value) {
    let mut served = Followed::start_on(live, data, &["serve", "--config", file]);
    let answer = served.until(|line| line["listening"].is_string()).await;
    (served, answer)
}

fn always(route: &str, fault: Fault) -> FaultRule {
    FaultRule { route: route.to_owned(), fault, when: When::Probability(1.0) }
}
