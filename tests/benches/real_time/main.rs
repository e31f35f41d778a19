//! What real time and connectors cost, measured on this machine in one run, beside what the machine itself can do.
//!
//! `cargo xtask bench` runs all of it; `cargo xtask bench -- NAME` the parts whose names hold NAME. The program under
//! test is a process of its own, as it is in use, and so is the bare server beside it; both share the machine with
//! whoever sends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::cast_precision_loss, reason = "figures are rounded to be read")]

mod acknowledge;
mod backlog;
mod connector;
mod disk;
mod door;
mod echo;
mod figures;
mod hostile;
mod installed;
mod lane;
mod load;
mod neighbour;
mod page;
mod recorded;

use std::time::Duration;

/// The two stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    Sqlite,
    Postgres,
}

impl On {
    pub const BOTH: [Self; 2] = [Self::Sqlite, Self::Postgres];

    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }

    pub fn url(self) -> Option<String> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some(sluice_tests::postgres::database().url),
        }
    }
}

/// How long each rate is measured.
pub const MEASURED: Duration = Duration::from_secs(5);

/// How often; the median is shown, with the smallest and the greatest.
pub const ROUNDS: usize = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == echo::ARGUMENT) {
        echo::serve();
        return;
    }
    // `cargo test --all-targets` runs this, too, and says no such thing.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        if is_wanted("door") {
            door::measure().await;
        }
        if is_wanted("connector") {
            connector::measure().await;
        }
        if is_wanted("hostile") {
            hostile::measure().await;
        }
        if is_wanted("acknowledge") {
            acknowledge::measure().await;
        }
        if is_wanted("lane") {
            lane::measure().await;
        }
        if is_wanted("backlog") {
            backlog::measure().await;
        }
        if is_wanted("neighbour") {
            neighbour::measure().await;
        }
        if is_wanted("page") {
            page::measure().await;
        }
    });
}
