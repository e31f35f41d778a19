//! Members who get no tag, each listed with the reason; and what becomes of profiles that come and go.

use std::collections::BTreeMap;

use serde_json::json;
use sluice_tests::rig::{ACME, made_up};

use crate::live::{IMMEDIATELY, On};
use crate::world::{FAIR, World, assert_adds_up, count};

async fn reasons(world: &World) -> BTreeMap<String, String> {
    let listed = world.on("skipped", &[]).await;
    assert_eq!(listed.code(), 0, "{}", listed.log);
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    listed.lines.iter().map(|line| (text(&line["contact"]), text(&line["reason"]["code"]))).collect()
}

fn person(email: &str) -> serde_json::Value {
    json!({ "firstname": "Nya", "lastname": "Medlem", "email": email, "inactive": false })
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_synced_is_listed_with_the_reason_and_tagged_once_he_is() {
    for on in [On::Sqlite, On::Postgres] {
        let mut world = World::synced(on, made_up(40)).await;
        let people = world.people(4);
        let [synced, excluded, forgotten, deleted] = [0, 1, 2, 3].map(|at| people[at].clone());
        let create = |email: &str| world.sandbox.lime_create("person", &person(email)).unwrap().to_string();
        let rejected = create("no address");
        let as_number = |person: &str| person.parse::<u64>().unwrap();
        world.sandbox.lime_update("person", as_number(&excluded), &json!({ "inactive": true })).unwrap();
        assert_eq!(world.sync().await.last()["phase"], "completed");
        let unknown = world.sandbox.lime_create("person", &person("nya@medlem.example")).unwrap().to_string();
        assert_eq!(world.run(&["contact", "forget", ACME, &forgotten]).await.code(), 0);
        world.sandbox.delete_profile(&deleted).unwrap();
        for person in [&synced, &excluded, &forgotten, &deleted, &rejected, &unknown] {
            world.join(person);
        }
        world.add().await;
        let import = world.import().await;
        let counted = ["read", "added", "skipped"].map(|name| count(&import, name));
        assert_eq!(counted, [6, 1, 5], "{on:?} {import}");
        assert_eq!(world.tagged(FAIR), [synced.clone()].into());
        let mut listed = reasons(&world).await;
        let mark = listed.keys().find(|contact| contact.starts_with("forgotten-")).unwrap().clone();
        assert_eq!(listed.remove(&mark).as_deref(), Some("contact-forgotten"), "nobody is told who it is");
        let wanted = [
            (&excluded, "condition-not-met"),
            (&rejected, "email-invalid"),
            (&unknown, "member-unknown"),
            (&deleted, "profile-missing"),
        ];
        let wanted = wanted.map(|(contact, code)| (contact.clone(), code.to_owned()));
        assert_eq!(listed, BTreeMap::from(wanted), "{on:?}");

        // All but the rejected and the forgotten one are synced now.
        world.sandbox.lime_update("person", as_number(&excluded), &json!({ "inactive": false })).unwrap();
        assert_eq!(world.run(&["sync", "start", ACME, "--forced"]).await.last()["phase"], "completed");
        assert_eq!(world.tagged(FAIR).len(), 1, "not before the next import");
        let import = world.import().await;
        let counted = ["added", "unchanged", "skipped"].map(|name| count(&import, name));
        assert_eq!(counted, [3, 1, 2], "{on:?} {import}");
        assert_eq!(world.tagged(FAIR), [synced, excluded, unknown, deleted].into());
        assert_eq!(reasons(&world).await.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_is_made_anew_gets_its_tag_with_the_next_import() {
    let mut world = World::synced(On::Sqlite, made_up(40)).await;
    let people = world.people(3);
    people.iter().for_each(|person| world.join(person));
    world.add().await;
    world.import().await;
    // One is excluded: its tag stays while it is a member, and is taken off when it is none.
    let excluded: u64 = people[0].parse().unwrap();
    world.sandbox.lime_update("person", excluded, &json!({ "inactive": true })).unwrap();
    // Another one is deleted in APSIS One, and made anew by a full sync.
    world.sandbox.delete_profile(&people[1]).unwrap();
    assert_eq!(world.run(&["sync", "start", ACME, "--forced"]).await.last()["phase"], "completed");
    assert_eq!(world.tagged(FAIR), [people[0].clone(), people[2].clone()].into());
    let import = world.import().await;
    let counted = ["added", "unchanged", "skipped"].map(|name| count(&import, name));
    assert_eq!(counted, [1, 1, 1], "{import}");
    assert_eq!(world.tagged(FAIR), world.members());
    world.leave(&people[0]);
    let import = world.import().await;
    assert_eq!((count(&import, "removed"), world.tagged(FAIR)), (1, world.members()), "{import}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_that_the_crm_deletes_and_brings_back_is_tagged_anew() {
    let mut world = World::synced(On::Sqlite, made_up(40)).await;
    let people = world.people(2);
    people.iter().for_each(|person| world.join(person));
    world.add().await;
    world.import().await;
    let file = world.path("acme.toml");
    let text = std::fs::read_to_string(&file).unwrap() + IMMEDIATELY;
    std::fs::write(&file, text).unwrap();
    assert_eq!(world.run(&["integration", "apply", &file.display().to_string()]).await.code(), 0);
    world.serve().await;
    world.until_subscribed().await;
    let person: u64 = people[0].parse().unwrap();
    world.sandbox.lime_delete("person", person).unwrap();
    world.until_quiet().await;
    assert_eq!(world.tagged(FAIR), [people[1].clone()].into(), "its profile is gone");
    world.sandbox.lime_restore("person", person).unwrap();
    world.until_quiet().await;
    assert!(world.sandbox.profile(&people[0]).is_some_and(|profile| profile.tags.is_empty()));
    // Its part in the campaign went with it in the CRM.
    world.join(&people[0]);
    let import = world.on("import", &[]).await.last().clone();
    assert_adds_up(&import);
    assert_eq!(world.tagged(FAIR), world.members(), "{import}");
}
