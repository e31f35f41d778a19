//! `sluice connector test`: a connector against recordings, with no CRM and no network.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::fixture::{Case, Fixtures};
use super::question::{Answer, ask, differences};
use super::replay::Replay;
use super::{KitError, Setting};
use crate::connector::Connector;

/// What came of one case.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Tested {
    /// The case's name.
    pub case: String,
    /// What is not as expected; nothing: it passed.
    pub faults: Vec<String>,
    /// Recordings that were not asked for: they may be left over.
    pub unused: Vec<String>,
    /// What came of it.
    #[serde(skip)]
    pub found: Answer,
    /// How long it took.
    #[serde(skip)]
    pub took: Duration,
}

impl Tested {
    /// Whether it came out as expected.
    pub fn passed(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Runs all cases, in order.
///
/// # Errors
/// The connector cannot be opened with the recordings' settings.
pub async fn run(connector: &Connector, fixtures: &Fixtures) -> Result<Vec<Tested>, KitError> {
    let mut tested = Vec::with_capacity(fixtures.cases.len());
    for case in &fixtures.cases {
        tested.push(run_one(connector, &fixtures.setting, case).await?);
    }
    Ok(tested)
}

/// Runs one case.
///
/// # Errors
/// The connector cannot be opened with these settings.
pub async fn run_one(connector: &Connector, setting: &Setting, case: &Case) -> Result<Tested, KitError> {
    let replay = Arc::new(Replay::new(case.exchanges.clone()));
    let connection = setting.open(connector, replay.clone())?;
    let began = Instant::now();
    let found = ask(&connection, &case.question, &case.delivery).await;
    let took = began.elapsed();
    let mut faults = Vec::new();
    for unmatched in replay.unmatched() {
        faults.push(format!("it asked for {}, which is not recorded", unmatched.asked));
        if let Some((name, lines)) = unmatched.nearest {
            faults.extend(lines.into_iter().map(|line| format!("  nearest is {name}; {line}")));
        }
    }
    match &case.expected {
        Some(expected) => faults.extend(differences(expected, &found)),
        None => faults.push(
            "nothing is expected of it: there is no expected.json; `--accept` writes what it answers now"
                .to_owned(),
        ),
    }
    Ok(Tested { case: case.name.clone(), faults, unused: replay.unused(), found, took })
}
