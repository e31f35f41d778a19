//! Health: a host whose store takes nothing lives, and is not ready.

use rusqlite::Connection;
use serde_json::Value;
use sluice_tests::rig::eventually;

use crate::{file, live, serve};

async fn status(url: &str, which: &str) -> (u16, String) {
    let answer = reqwest::get(format!("{url}/health{which}")).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_host_whose_store_takes_nothing_lives_and_is_not_ready() {
    let live = live(None).await;
    let file = file(&live, "");
    let (served, answer) = serve(&live, "data", &file).await;
    let url = format!("http://{}", answer["listening"].as_str().unwrap());
    for which in ["", "/live", "/ready"] {
        assert_eq!(status(&url, which).await.0, 200, "{which}");
    }
    let somebody = Connection::open(live.data().join("sluice.db")).unwrap();
    somebody.execute_batch("BEGIN IMMEDIATE").unwrap();
    let body = eventually("it is not ready", async || {
        let (status, body) = status(&url, "/ready").await;
        (status == 503).then_some(body)
    })
    .await;
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(problem["code"], "store-silent");
    assert!(!body.contains("sluice.db"), "where the store is, is not told");
    assert_eq!(status(&url, "/live").await.0, 200);
    somebody.execute_batch("ROLLBACK").unwrap();
    eventually("it is ready", async || (status(&url, "/ready").await.0 == 200).then_some(())).await;
    served.signal("TERM");
    assert_eq!(served.end().await.0, Some(0));
}
