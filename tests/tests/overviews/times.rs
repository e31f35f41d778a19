//! Recurring imports: at their local time, and once for all that were missed.

use jiff::{Timestamp, ToSpan};
use serde_json::json;
use sluice_tests::rig::{eventually, made_up};

use crate::live::On;
use crate::world::{FAIR, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_recurring_import_is_done_at_its_time_and_once_for_those_that_were_missed() {
    let mut world = World::synced(On::Sqlite, made_up(30)).await;
    let people = world.people(2);
    world.join(&people[0]);
    // Its time has just passed: the first one is due tomorrow.
    let zone = jiff::tz::TimeZone::get("Europe/Stockholm").unwrap();
    let past = Timestamp::now().to_zoned_datetime(zone.clone()).checked_sub(2.minutes()).unwrap();
    let at = past.strftime("%H:%M").to_string();
    let added = world.on("add", &["--tag", FAIR.1, "--recurring", "--at", &at]).await;
    assert_eq!(added.code(), 0, "{:?}", added.lines);
    let next: Timestamp = added.last()["next-at"].as_str().unwrap().parse().unwrap();
    let next_local = next.to_zoned_datetime(zone);
    assert_eq!(next_local.strftime("%H:%M").to_string(), at, "in the integration's time zone");
    assert!(next > Timestamp::now() && next_local.date() == past.date().tomorrow().unwrap());
    world.serve().await;
    world.until_subscribed().await;
    assert!(world.imports().await.is_empty(), "not at once");

    // It is down for three mornings.
    world.stop().await;
    world.put_back(3);
    world.join(&people[1]);
    world.serve().await;
    eventually("it is imported", async || (world.tagged(FAIR) == world.members()).then_some(())).await;
    let import = world.until_imported().await;
    assert_eq!((&import["kind"], &import["state"]), (&json!("recurring"), &json!("completed")));
    world.stop().await;
    world.serve().await;
    world.until_subscribed().await;
    assert_eq!(world.imports().await.len(), 1, "made up for once");

    // A disabled integration imports nothing by itself.
    world.stop().await;
    world.put_back(1);
    assert_eq!(world.run(&["integration", "disable", sluice_tests::rig::ACME]).await.code(), 0);
    world.leave(&people[0]);
    world.serve().await;
    assert_eq!(world.on("import", &[]).await.last()["kind"], "by-hand", "but is imported by hand");
    assert_eq!(world.tagged(FAIR), world.members());
    assert_eq!(world.imports().await.len(), 2);
}
