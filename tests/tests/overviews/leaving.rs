//! Overviews that are removed, people who are forgotten, integrations that are deleted.

use rusqlite::types::ValueRef;
use serde_json::json;
use sluice_sandbox::{Fault, FaultRule, When};
use sluice_tests::rig::{ACME, eventually, made_up};

use crate::live::On;
use crate::world::{FAIR, World};

async fn imported(on: On) -> (World, Vec<String>) {
    let mut world = World::synced(on, made_up(40)).await;
    let people = world.people(4);
    people.iter().for_each(|person| world.join(person));
    world.add().await;
    world.import().await;
    assert_eq!(world.tagged(FAIR), world.members());
    (world, people)
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_takes_the_tag_off_everybody_though_the_crm_is_away() {
    let (world, people) = imported(On::Sqlite).await;
    let refuse = |route: &str, when: When| {
        let fault = Fault::Status { status: 422, retry_after: None };
        world.sandbox.add_fault(FaultRule { route: route.to_owned(), fault, when });
    };
    refuse("lime", When::Probability(1.0));
    refuse("apsis.tags", When::Profile(world.sandbox.profile_hash(&people[0])));
    let partly = world.on("remove", &[]).await;
    assert_eq!((partly.code(), world.tagged(FAIR).len()), (3, 1), "{:?}", partly.lines);
    assert_eq!(partly.last()["counters"]["not-removed"], 1, "{:?}", partly.lines);
    assert_eq!(world.on("import", &[]).await.last()["error"]["code"], "overview-leaving");
    world.sandbox.clear_faults();
    let removed = world.on("remove", &[]).await;
    assert_eq!(removed.last(), &json!({ "removed": world.overview() }), "{}", removed.log);
    assert!(world.tagged(FAIR).is_empty());
    assert_eq!(world.on("imports", &[]).await.last()["error"]["code"], "overview-unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_may_leave_the_tag_where_it_is() {
    let (world, people) = imported(On::Sqlite).await;
    let sent = world.asked("apsis.tags");
    assert_eq!(world.on("remove", &["--keep-tags"]).await.code(), 0);
    assert_eq!((world.tagged(FAIR).len(), world.asked("apsis.tags")), (people.len(), sent));
    assert_eq!(world.on("imports", &[]).await.last()["error"]["code"], "overview-unknown");
    let journal = world.run(&["journal"]).await;
    let acts: Vec<&str> = journal.lines.iter().filter_map(|act| act["what"].as_str()).collect();
    assert!(acts.contains(&"overview.drop") && acts.contains(&"overview.put"), "{acts:?}");
}

/// What the store has of overviews, as text.
fn kept(world: &World) -> String {
    if let Some(url) = world.store() {
        // The journal outlives what it tells of.
        let dump = sluice_tests::postgres::dump(url);
        return dump.split("<row").filter(|row| row.contains("<overview>")).collect();
    }
    let store = rusqlite::Connection::open(world.data().join("sluice.db")).unwrap();
    let mut all = String::new();
    for table in ["overviews", "overview_imports", "overview_members"] {
        let mut rows = store.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = rows.column_count();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                match row.get_ref(column).unwrap() {
                    ValueRef::Text(text) => all.push_str(&format!("'{}' ", String::from_utf8_lossy(text))),
                    other => all.push_str(&format!("{other:?} ")),
                }
            }
            all.push('\n');
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_person_who_is_forgotten_stays_and_nothing_comes_back() {
    let (mut world, people) = imported(On::Sqlite).await;
    assert_eq!(kept(&world).matches("spring_fair").count(), 5, "the overview and four members");
    let forgotten = world.run(&["contact", "forget", ACME, &people[0]]).await;
    assert_eq!(forgotten.last()["erased"]["overviews"], 1, "{:?}", forgotten.lines);
    assert!(!kept(&world).contains(&format!("'{}'", people[0])));
    assert_eq!(world.tagged(FAIR).len(), 3, "its profile went with its tag");
    // The CRM still names it.
    world.leave(&people[1]);
    world.import().await;
    assert!(!kept(&world).contains(&format!("'{}'", people[0])));
    assert_eq!(world.tagged(FAIR).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integration_takes_its_overviews_with_it() {
    for on in [On::Sqlite, On::Postgres] {
        let (mut world, people) = imported(on).await;
        assert!(kept(&world).contains("spring_fair"));
        let deleted = world.run(&["integration", "delete", ACME, "--keep-webhook"]).await;
        assert_eq!(deleted.code(), 0, "{}", deleted.log);
        // Many rows are deleted a few at a time, by whoever serves.
        world.serve().await;
        eventually("its rows are gone", async || {
            let kept = kept(&world);
            (!kept.contains("spring_fair")).then_some(())
        })
        .await;
        assert_eq!(world.tagged(FAIR).len(), people.len(), "profiles stay as they are");
    }
}
