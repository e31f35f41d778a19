//! Imports that are cut off, refused, or would take the tag off too many.

use serde_json::json;
use sluice_sandbox::{Fault, FaultRule, When};
use sluice_tests::rig::{ACME, made_up, until};

use crate::live::On;
use crate::world::{FAIR, World, assert_adds_up, count};

fn fault(world: &World, route: &str, status: u16, when: When) {
    let fault = Fault::Status { status, retry_after: None };
    world.sandbox.add_fault(FaultRule { route: route.to_owned(), fault, when });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_fails_takes_the_tag_off_nobody() {
    let mut world = World::synced(On::Sqlite, made_up(80)).await;
    let people = world.people(30);
    people.iter().for_each(|person| world.join(person));
    world.add().await;
    assert_eq!(count(&world.import().await, "added"), 30);
    let sent = world.asked("apsis.tags");
    // The second page is refused: the first one names ten of them.
    fault(&world, "lime.query", 401, When::After { skip: 1, next: 1_000 });
    let failed = world.on("import", &[]).await;
    assert_eq!(failed.last()["error"]["code"], "crm-unauthorized", "{:?}", failed.lines);
    assert_eq!((world.tagged(FAIR).len(), world.asked("apsis.tags")), (30, sent), "nothing was written");
    let import = &world.imports().await[0];
    assert_eq!((&import["state"], count(import, "read")), (&json!("failed"), 10), "{import}");
    world.sandbox.clear_faults();
    // What passes is waited for.
    world.leave(&people[0]);
    fault(&world, "lime.query", 503, When::After { skip: 1, next: 5 });
    let import = world.import().await;
    assert_eq!((count(&import, "removed"), count(&import, "unchanged")), (1, 29), "{import}");
    assert_eq!(world.tagged(FAIR), world.members());
}

#[tokio::test(flavor = "multi_thread")]
async fn apsis_one_that_is_busy_is_waited_for_and_one_that_refuses_somebody_costs_him_alone() {
    let mut world = World::synced(On::Sqlite, made_up(80)).await;
    let people = world.people(40);
    people.iter().for_each(|person| world.join(person));
    world.add().await;
    fault(&world, "apsis.tags", 429, When::Probability(0.2));
    fault(&world, "apsis.tags", 503, When::Probability(0.1));
    let import = world.import().await;
    assert_eq!(count(&import, "added"), 40, "{import}");
    assert_eq!(world.tagged(FAIR), world.members());
    world.sandbox.clear_faults();
    let refused = world.sandbox.profile_hash(&people[1]);
    fault(&world, "apsis.tags", 422, When::Profile(refused));
    world.leave(&people[0]);
    world.leave(&people[1]);
    let import = world.on("import", &[]).await;
    assert_eq!(import.code(), 3, "partial: {:?}", import.lines);
    let counted = ["removed", "not-removed", "unchanged"].map(|name| count(import.last(), name));
    assert_eq!(counted, [1, 1, 38], "{}", import.last());
    let skipped = world.on("skipped", &[]).await;
    let (who, why) = (&skipped.last()["contact"], &skipped.last()["reason"]["code"]);
    assert_eq!((who, why), (&json!(people[1]), &json!("refused-by-apsis")));
    world.sandbox.clear_faults();
    assert_eq!(count(&world.import().await, "removed"), 1);
    assert_eq!(world.tagged(FAIR), world.members());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_was_killed_in_the_middle_goes_on_and_ends_right() {
    for on in [On::Sqlite, On::Postgres] {
        let mut world = World::synced(on, made_up(260)).await;
        let people = world.people(160);
        people[..130].iter().for_each(|person| world.join(person));
        world.add().await;
        let late = Fault::Latency { min_millis: 40, max_millis: 80 };
        world.sandbox.add_fault(FaultRule {
            route: "apsis.tags".to_owned(),
            fault: late,
            when: When::Probability(1.0),
        });
        world.serve().await;
        // Twice: while the first of them are tagged, and while some are tagged and others are to lose it.
        for change in [false, true] {
            if change {
                people[..30].iter().for_each(|person| world.leave(person));
                people[130..].iter().for_each(|person| world.join(person));
            }
            let (overview, before) = (world.overview(), world.answered("apsis.tags"));
            let importing = world.spawn(&["overview", "import", ACME, &overview]);
            until("some tags are written", || world.answered("apsis.tags") > before + 10).await;
            world.kill().await;
            drop(importing);
            let cut_off = world.imports().await[0].clone();
            assert_eq!(cut_off["state"], "writing", "{on:?}: {cut_off}");
            assert_ne!(world.tagged(FAIR), world.members());
            world.serve().await;
            let import = world.until_imported().await;
            assert_eq!((&import["state"], &import["number"]), (&json!("completed"), &cut_off["number"]));
            assert_adds_up(&import);
            assert_eq!(world.tagged(FAIR), world.members(), "{on:?}");
            assert_eq!(count(&import, "read"), 130);
        }
        world.sandbox.clear_faults();
        let import = world.on("import", &[]).await.last().clone();
        assert_eq!((count(&import, "unchanged"), count(&import, "added")), (130, 0), "{on:?}: {import}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overview_that_shrinks_suddenly_is_asked_about() {
    let mut world = World::synced(On::Sqlite, made_up(160)).await;
    let people = world.people(90);
    people.iter().for_each(|person| world.join(person));
    world.add().await;
    world.import().await;
    let sent = world.asked("apsis.tags");
    people[..60].iter().for_each(|person| world.leave(person));
    let stopped = world.on("import", &[]).await;
    assert_eq!(stopped.last()["error"]["code"], "overview-shrank", "{:?}", stopped.lines);
    assert!(stopped.last()["error"]["message"].as_str().unwrap().contains("60 of the 90"));
    assert_eq!((world.tagged(FAIR).len(), world.asked("apsis.tags")), (90, sent), "nothing was written");
    // Some may leave by themselves.
    people[40..60].iter().for_each(|person| world.join(person));
    assert_eq!(count(&world.import().await, "removed"), 40);
    // And all, if that is meant.
    people[40..].iter().for_each(|person| world.leave(person));
    assert_eq!(world.on("import", &[]).await.last()["error"]["code"], "overview-shrank");
    let meant = world.on("import", &["--confirm"]).await;
    assert_eq!((meant.code(), count(meant.last(), "removed")), (0, 50), "{:?}", meant.lines);
    assert!(world.tagged(FAIR).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said() {
    let mut world = World::synced(On::Sqlite, made_up(20)).await;
    let missing = world.on("add", &["--tag", "Autumn fair"]).await;
    let error = &missing.last()["error"];
    assert_eq!(error["code"], "apsis-setting", "{error}");
    let said = error["message"].as_str().unwrap();
    assert!(said.contains("Spring fair") && said.contains("made in APSIS One"), "{said}");
    let unknown = world.run(&["overview", "add", ACME, "campaign:9999", "--tag", FAIR.1]).await;
    assert_eq!(unknown.last()["error"]["code"], "overview-not-in-crm");
    for command in ["import", "imports", "skipped", "change", "remove"] {
        assert_eq!(world.on(command, &[]).await.last()["error"]["code"], "overview-unknown", "{command}");
    }
    // A tag that is made there can be used at once.
    world.sandbox.add_tag("usercreated.tags.autumn_fair-a1b2c3d4e5", "Autumn fair");
    assert_eq!(world.on("add", &["--tag", "Autumn fair"]).await.code(), 0);
    let tags = world.run(&["overview", "tags", ACME]).await;
    assert_eq!(
        tags.last(),
        &json!({ "id": "usercreated.tags.autumn_fair-a1b2c3d4e5", "name": "Autumn fair" })
    );
    // The CRM loses the overview: nobody loses the tag.
    let person = world.people(1)[0].clone();
    world.join(&person);
    assert_eq!(count(&world.import().await, "added"), 1);
    fault(&world, "lime.query", 403, When::Probability(1.0));
    let list = world.run(&["overview", "list", ACME]).await.last().clone();
    assert!(list["failure"]["code"].as_str().is_some_and(|code| code.starts_with("crm-")), "{list}");
    assert_eq!(
        (list["overviews"].as_array().unwrap().len(), &list["overviews"][0]["in-crm"]),
        (1, &json!(null))
    );
}
