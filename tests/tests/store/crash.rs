//! A process that is killed in the middle of its commits: what it was told is stored is there, whole,
//! and nothing is there by half.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use sluice::integration::IntegrationId;
use sluice::run::{Outcome, Phase};
use sluice::store::{RunEnd, RunStore, SqliteStore};

use crate::sample::*;

/// Set for the process that is to be killed: the database.
const DATABASE: &str = "SLUICE_TEST_CRASH_DATABASE";
/// Contacts of one page; the first half is settled before the next page is stored.
const PAGE: usize = 40;
const KILLS: usize = 12;

/// Stores pages for ever, and prints the number of each one when the store says that it is stored.
async fn store_pages(database: &Path) {
    let store = SqliteStore::open(database).unwrap();
    let id = IntegrationId("a".to_owned());
    let run = store.active_run(&id).await.unwrap().unwrap();
    let fence = hold(&store, &id).await;
    let first = run.cursor.map_or(0, |cursor| cursor.0.parse::<usize>().unwrap());
    for number in first.. {
        let contact = |place: usize| format!("{number:06}-{place:02}");
        let decided = (0..PAGE).map(|place| write(&contact(place))).collect();
        let next = (number + 1).to_string();
        store.commit_page(&fence, run.id, page(decided, Some(&next))).await.unwrap();
        println!("page {number}");
        let settled = (0..PAGE / 2).map(|place| ended(&contact(place), Outcome::Created)).collect();
        store.settle(&fence, run.id, settled).await.unwrap();
        println!("settled {number}");
    }
}

/// Not a test by itself: the body of the process that the test below starts and kills.
#[tokio::test]
async fn killed_process() {
    if let Some(database) = std::env::var_os(DATABASE) {
        store_pages(Path::new(&database)).await;
    }
}

#[tokio::test]
async fn a_killed_process_leaves_whole_pages() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("sluice.db");
    let store = SqliteStore::open(&database).unwrap();
    new_run(&store, "a").await;
    drop(store);

    let mut told = Told::default();
    for kill in 0..KILLS {
        // Each time after another number of answers; the kill lands wherever the next steps are.
        told = run_and_kill(&database, 3 + kill * 5, told);
        let store = SqliteStore::open(&database).unwrap();
        let run = store.runs(&IntegrationId("a".to_owned()), 1).await.unwrap()[0].clone();
        let stored = run.cursor.map_or(0, |cursor| cursor.0.parse::<usize>().unwrap());
        assert!(stored >= told.pages, "{stored} pages are stored, {} were told", told.pages);
        assert_eq!(run.counters.read, (stored * PAGE) as u64);
        assert!(run.counters.created >= (told.settled * (PAGE / 2)) as u64);
        assert_eq!(run.counters.created % (PAGE / 2) as u64, 0, "half a step is stored");
        let contacts = contacts(&store, run.id).await;
        assert_eq!(contacts.len(), stored * PAGE);
        let created = contacts.iter().filter(|contact| contact.outcome == Some(Outcome::Created)).count();
        assert_eq!(created as u64, run.counters.created);
        assert_eq!(store.staged_count(run.id).await.unwrap(), run.counters.pending());
    }
    assert!(told.pages > KILLS);

    let store = SqliteStore::open(&database).unwrap();
    let id = IntegrationId("a".to_owned());
    let run = store.active_run(&id).await.unwrap().unwrap().id;
    let fence = hold(&store, &id).await;
    let rest: Vec<_> =
        staged(&store, run).await.iter().map(|contact| ended(contact, Outcome::Updated)).collect();
    store.settle(&fence, run, rest).await.unwrap();
    assert_eq!(store.end_run(&fence, run, RunEnd::Completed).await.unwrap().phase, Phase::Completed);
}

/// How many pages, and steps that settled one, the killed processes were told are stored.
#[derive(Debug, Default, Clone, Copy)]
struct Told {
    pages: usize,
    settled: usize,
}

fn run_and_kill(database: &Path, answers: usize, mut told: Told) -> Told {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::killed_process", "--nocapture", "--test-threads=1"])
        .env(DATABASE, database)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = 0;
    while seen < answers {
        seen += told.hear(&lines.next().expect("the process goes on until it is killed").unwrap());
    }
    // SIGKILL, on Unix.
    child.kill().unwrap();
    child.wait().unwrap();
    // What it was told before the signal arrived.
    for line in lines {
        told.hear(&line.unwrap());
    }
    told
}

impl Told {
    /// Takes in one line; 1 if it was an answer.
    fn hear(&mut self, line: &str) -> usize {
        // The test harness may print its own words before the first one.
        if line.contains("page ") {
            let number: usize = line.rsplit(' ').next().unwrap().parse().unwrap();
            self.pages = number + 1;
            1
        } else if line.starts_with("settled ") {
            self.settled += 1;
            1
        } else {
            0
        }
    }
}
