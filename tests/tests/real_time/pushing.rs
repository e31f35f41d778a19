//! A CRM that pushes whole states: the newest holds, however they come; who is deleted stays so; and without a CRM
//! to ask, what waits for the daily run is kept.

use serde_json::json;

use crate::live::On;
use crate::pushy::{PUSHY, Pushy, there};

const IMMEDIATELY: &str = crate::live::IMMEDIATELY;

#[tokio::test]
async fn on_sqlite_the_newest_pushed_state_holds() {
    the_newest_pushed_state_holds(On::Sqlite).await;
}

#[tokio::test]
async fn on_postgres_the_newest_pushed_state_holds() {
    the_newest_pushed_state_holds(On::Postgres).await;
}

async fn the_newest_pushed_state_holds(on: On) {
    let pushy = Pushy::start(on, IMMEDIATELY).await;
    let delivery = pushy.take("1", there("p1", "2026-03-01T12:00:00Z", "Lund")).await;
    assert_eq!((delivery["outcome"].as_str(), pushy.city("p1").as_deref()), (Some("created"), Some("Lund")));
    // Older than what is known: nothing is asked of APSIS One.
    let before = pushy.live.asked("apsis.");
    let late = pushy.take("2", there("p1", "2026-03-01T11:00:00Z", "Malmö")).await;
    assert_eq!(
        (late["outcome"].as_str(), late["cause"]["code"].as_str()),
        (Some("superseded"), Some("newer-known"))
    );
    assert_eq!((pushy.live.asked("apsis."), pushy.city("p1").as_deref()), (before, Some("Lund")));
    // Of several in one message, the newest, wherever it stands.
    let said = json!([
        there("p1", "2026-03-02T12:00:00Z", "Kiruna"),
        there("p1", "2026-03-02T15:00:00Z", "Visby"),
        there("p1", "2026-03-02T13:00:00Z", "Ystad"),
    ]);
    assert_eq!(pushy.push("3", &said).await, 202);
    pushy.until_quiet().await;
    assert_eq!(pushy.city("p1").as_deref(), Some("Visby"));
    let story = pushy.live.run(&["contact", "show", PUSHY, "p1"]).await;
    assert_eq!(story.last()["changes"].as_array().unwrap().len(), 5, "{}", story.last());
}

#[tokio::test]
async fn who_is_deleted_is_not_brought_back_by_what_came_late() {
    let pushy = Pushy::start(On::Sqlite, IMMEDIATELY).await;
    pushy.take("1", there("p1", "2026-03-01T12:00:00Z", "Lund")).await;
    let gone = pushy.take("2", json!({ "is": "gone", "id": "p1" })).await;
    assert_eq!((gone["outcome"].as_str(), pushy.live.sandbox.profile("p1")), (Some("deleted"), None));
    let late = pushy.take("3", there("p1", "2026-03-01T13:00:00Z", "Malmö")).await;
    assert_eq!((late["outcome"].as_str(), pushy.live.sandbox.profile("p1")), (Some("superseded"), None));
    // A state that the CRM made after the deletion came in: restored.
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(60);
    let restored = pushy.take("4", there("p1", &later.to_string(), "Visby")).await;
    assert_eq!((restored["outcome"].as_str(), pushy.city("p1").as_deref()), (Some("created"), Some("Visby")));
}

#[tokio::test]
async fn an_answer_is_written_and_an_older_one_is_not() {
    let pushy = Pushy::start(On::Sqlite, IMMEDIATELY).await;
    // Nobody is opted in before it.
    assert_eq!(pushy.live.run(&["sync", "start", PUSHY]).await.last()["phase"], "completed");
    // Minutes from now: what APSIS One has since then is newer than what was said before.
    let said = |given: bool, minutes: i64| {
        let at = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(minutes);
        json!({ "to": "news", "given": given, "at": at.to_string() })
    };
    let mut new = there("p1", "2026-03-01T09:00:00Z", "Lund");
    new["consents"] = json!([said(true, -60)]);
    pushy.take("1", new).await;
    assert_eq!(pushy.news("p1").as_deref(), Some("opt-in"));
    pushy.take("2", json!({ "is": "answered", "id": "p1", "answer": said(false, 0) })).await;
    assert_eq!(pushy.news("p1").as_deref(), Some("opt-out"));
    pushy.take("3", json!({ "is": "answered", "id": "p1", "answer": said(true, -30) })).await;
    assert_eq!(pushy.news("p1").as_deref(), Some("opt-out"), "an older yes does not undo a no");
    pushy.take("4", json!({ "is": "answered", "id": "p1", "answer": said(true, 1) })).await;
    assert_eq!(pushy.news("p1").as_deref(), Some("opt-in"));
}

#[tokio::test]
async fn who_withdraws_before_the_daily_run_is_not_opted_in_by_it() {
    let mut pushy = Pushy::start(On::Sqlite, "").await;
    let mut new = there("p1", "2026-03-01T09:00:00Z", "Lund");
    new["consents"] = json!([{ "to": "news", "given": true, "at": "2026-03-01T08:00:00Z" }]);
    pushy.take("1", new).await;
    let answer = json!({ "to": "news", "given": false, "at": "2026-03-01T10:00:00Z" });
    let held = pushy.take("2", json!({ "is": "answered", "id": "p1", "answer": answer })).await;
    assert_eq!(held["outcome"], "held");
    pushy.after_days(1).await;
    assert_eq!((pushy.city("p1").as_deref(), pushy.news("p1").as_deref()), (Some("Lund"), Some("opt-out")));
}

#[tokio::test]
async fn on_sqlite_who_is_new_waits_for_the_daily_run_with_the_newest_state() {
    who_is_new_waits_for_the_daily_run(On::Sqlite).await;
}

#[tokio::test]
async fn on_postgres_who_is_new_waits_for_the_daily_run_with_the_newest_state() {
    who_is_new_waits_for_the_daily_run(On::Postgres).await;
}

async fn who_is_new_waits_for_the_daily_run(on: On) {
    let mut pushy = Pushy::start(on, "").await;
    let held = pushy.take("1", there("p1", "2026-03-01T12:00:00Z", "Lund")).await;
    assert_eq!(
        (held["outcome"].as_str(), held["cause"]["code"].as_str()),
        (Some("held"), Some("waits-for-daily-run"))
    );
    pushy.take("2", there("p1", "2026-03-01T13:00:00Z", "Visby")).await;
    pushy.take("3", there("p1", "2026-03-01T11:00:00Z", "Malmö")).await;
    pushy.take("4", there("p2", "2026-03-01T12:00:00Z", "Ystad")).await;
    pushy.take("5", json!({ "is": "gone", "id": "p2" })).await;
    assert_eq!(
        (pushy.status().await["newcomers"].as_u64(), pushy.live.sandbox.profile("p1")),
        (Some(1), None)
    );
    // Two days during which nobody served: one run is made up for.
    let runs = pushy.after_days(2).await;
    assert_eq!((runs.len(), &runs[0]["kind"], &runs[0]["phase"]), (1, &json!("daily"), &json!("completed")));
    assert_eq!(runs[0]["counters"]["created"], 1, "{}", runs[0]);
    assert_eq!((pushy.city("p1").as_deref(), pushy.live.sandbox.profile("p2")), (Some("Visby"), None));
    assert_eq!(pushy.status().await["newcomers"], 0);
    // From now on it is known, and what changes is written at once.
    let known = pushy.take("6", there("p1", "2026-03-03T11:00:00Z", "Malmö")).await;
    assert_eq!((known["outcome"].as_str(), pushy.city("p1").as_deref()), (Some("updated"), Some("Malmö")));
}
