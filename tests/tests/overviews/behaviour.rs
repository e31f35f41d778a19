//! What is known of overviews in the product that people know (B25, B26), and the difference that an import is.

use serde_json::json;
use sluice_tests::rig::{ACME, made_up};

use crate::live::On;
use crate::world::{CUSTOMERS, FAIR, World, count};

/// How a change in the CRM comes to show.
enum By {
    Hand,
    NextMorning,
}

struct Case {
    what: &'static str,
    join: &'static [usize],
    leave: &'static [usize],
    by: By,
    added: u64,
    removed: u64,
    unchanged: u64,
}

const B26: &[Case] = &[
    Case {
        what: "the first import",
        join: &[0, 1, 2, 3],
        leave: &[],
        by: By::Hand,
        added: 4,
        removed: 0,
        unchanged: 0,
    },
    Case { what: "nothing changed", join: &[], leave: &[], by: By::Hand, added: 0, removed: 0, unchanged: 4 },
    Case {
        what: "people are added",
        join: &[4, 5],
        leave: &[],
        by: By::Hand,
        added: 2,
        removed: 0,
        unchanged: 4,
    },
    Case {
        what: "people are removed",
        join: &[],
        leave: &[0, 4],
        by: By::Hand,
        added: 0,
        removed: 2,
        unchanged: 4,
    },
    Case {
        what: "both, the next morning",
        join: &[0, 6],
        leave: &[1],
        by: By::NextMorning,
        added: 2,
        removed: 1,
        unchanged: 3,
    },
    Case {
        what: "the last one leaves",
        join: &[],
        leave: &[0, 2, 3, 5, 6],
        by: By::Hand,
        added: 0,
        removed: 5,
        unchanged: 0,
    },
    Case {
        what: "and is back, the next morning",
        join: &[5],
        leave: &[],
        by: By::NextMorning,
        added: 1,
        removed: 0,
        unchanged: 0,
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn b26_what_changes_in_an_overview_shows_after_the_next_import_and_not_before() {
    for on in [On::Sqlite, On::Postgres] {
        let mut world = World::synced(on, made_up(40)).await;
        let people = world.people(7);
        world.add().await;
        let recurring = world.on("change", &["--recurring", "true"]).await;
        assert_eq!(recurring.code(), 0, "{:?}", recurring.lines);
        assert_eq!(
            (&recurring.last()["at"], &recurring.last()["recurring"]),
            (&json!("06:00"), &json!(true))
        );
        for case in B26 {
            let before = world.tagged(FAIR);
            case.join.iter().for_each(|at| world.join(&people[*at]));
            case.leave.iter().for_each(|at| world.leave(&people[*at]));
            assert_eq!(world.sync().await.last()["phase"], "completed");
            assert_eq!(world.tagged(FAIR), before, "{on:?}, {}: not before, whatever is synced", case.what);
            let import = match case.by {
                By::Hand => world.import().await,
                By::NextMorning => {
                    let known = world.imports().await.len();
                    world.put_back(1);
                    world.serve().await;
                    sluice_tests::rig::eventually("it is imported by itself", async || {
                        (world.imports().await.len() > known).then_some(())
                    })
                    .await;
                    let import = world.until_imported().await;
                    world.stop().await;
                    assert_eq!(import["kind"], "recurring");
                    import
                }
            };
            assert_eq!(world.tagged(FAIR), world.members(), "{on:?}, {}", case.what);
            let counted = ["added", "removed", "unchanged"].map(|name| count(&import, name));
            assert_eq!(
                counted,
                [case.added, case.removed, case.unchanged],
                "{on:?}, {}: {import}",
                case.what
            );
        }
        // Nobody was sent more than the difference.
        let sent: u64 = B26.iter().map(|case| case.added + case.removed).sum();
        assert_eq!(world.asked("apsis.tags"), sent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b25_an_overview_needs_no_full_sync_and_a_full_sync_does_not_touch_it() {
    let mut world = World::synced(On::Sqlite, made_up(40)).await;
    let needs = async |world: &World| {
        world.run(&["integration", "show", ACME]).await.last()["full-sync-needed"].clone()
    };
    let before = needs(&world).await;
    let people = world.people(3);
    people.iter().for_each(|person| world.join(person));
    world.add().await;
    world.import().await;
    assert_eq!(needs(&world).await, before, "no full sync is needed");
    let sent = world.asked("apsis.tags");
    world.leave(&people[0]);
    for more in [&["--forced"][..], &["--known"], &[]] {
        let mut arguments = vec!["sync", "start", ACME];
        arguments.extend(more);
        let run = world.run(&arguments).await;
        assert_eq!(run.last()["phase"], "completed", "{}", run.log);
        assert_eq!((world.asked("apsis.tags"), world.tagged(FAIR).len()), (sent, 3), "{more:?}");
    }
    let listed = world.run(&["sync", "list", ACME]).await;
    assert_eq!(listed.lines.len(), 4, "an import is no run");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tag_takes_the_place_of_the_former_one_and_no_two_overviews_have_the_same() {
    let mut world = World::synced(On::Sqlite, made_up(40)).await;
    let people = world.people(3);
    people.iter().for_each(|person| world.join(person));
    world.add().await;
    world.import().await;
    let other = ["overview", "add", ACME, "campaign:1001", "--tag", FAIR.0];
    assert_eq!(world.run(&other).await.last()["error"]["code"], "overview-tag-taken");
    let changed = world.on("change", &["--tag", CUSTOMERS.1]).await;
    assert_eq!(changed.last()["tag"], CUSTOMERS.0, "{:?}", changed.lines);
    assert_eq!(
        (world.tagged(FAIR).len(), world.tagged(CUSTOMERS).len()),
        (3, 0),
        "not before the next import"
    );
    // Some still have it.
    assert_eq!(world.run(&other).await.last()["error"]["code"], "overview-tag-taken");
    let import = world.import().await;
    assert_eq!(count(&import, "added"), 3, "{import}");
    assert_eq!((world.tagged(FAIR).len(), world.tagged(CUSTOMERS).len()), (0, 3));
    assert_eq!(world.run(&other).await.code(), 0);
    let list = world.run(&["overview", "list", ACME]).await.last().clone();
    let of = |id: &str| {
        let lines = list["overviews"].as_array().unwrap();
        lines.iter().find(|line| line["id"] == id).unwrap_or_else(|| panic!("{id} in {list}")).clone()
    };
    assert_eq!(
        (list["offered"].clone(), list["time-zone"].clone()),
        (json!(true), json!("Europe/Stockholm"))
    );
    let own = of(&world.overview());
    assert_eq!((&own["name"], &own["in-crm"]), (&json!("Höstmässan"), &json!(true)), "{own}");
    assert_eq!(own["imported"]["last-import"]["counters"]["added"], 3, "{own}");
    assert_eq!(of("campaign:1001")["imported"]["tag-name"], FAIR.1);
    assert_eq!(of("campaign:1002")["imported"], json!(null));
}
