//! What a webhook says of a write, as Lime's webhook pages show it: the object as it was written.
//!
//! Promises: every property is there, under names without underscore for the system's own; an option is
//! its key, a relation to one object its id, and relations to many are absent; `original_values` holds
//! exactly what changed, and nothing of the system's own. Who is to be told is left to `lime` itself.

use std::mem::swap;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::model::Kind;
use super::render::{USER, Writer};
use super::write::{Action, Change};
use crate::webhooks::ChildrenUpdate;

/// One event, ready to be sent.
#[derive(Debug)]
pub(crate) struct Event {
    /// Such as `person.update`.
    pub(crate) name: String,
    pub(crate) limetype: &'static str,
    pub(crate) object: u64,
    pub(crate) body: Bytes,
}

/// The name of what a change raises.
pub(crate) fn name(change: &Change) -> String {
    format!("{}.{}", change.limetype.name, change.action.name())
}

/// The event of a change.
pub(crate) fn event(writer: &Writer<'_>, change: &Change) -> Event {
    let name = name(change);
    let mut body = Map::new();
    body.insert("id".to_owned(), json!(change.row.id));
    body.insert("limetype".to_owned(), json!(change.limetype.name));
    if change.action == Action::Update {
        body.insert("original_values".to_owned(), Value::Object(original_values(writer, change)));
    }
    if change.action != Action::Delete {
        body.insert("values".to_owned(), values(writer, change));
    }
    let whole = json!({"event": name, "body": body}).to_string();
    Event { name, limetype: change.limetype.name, object: change.row.id, body: Bytes::from(whole) }
}

fn values(writer: &Writer<'_>, change: &Change) -> Value {
    let (row, clock) = (&change.row, &writer.data.clock);
    let mut values: Vec<(String, Value)> = change
        .limetype
        .properties
        .iter()
        .zip(&row.cells)
        .filter(|(property, _)| is_told(writer, property.kind))
        .map(|(property, cell)| (property.name.to_owned(), writer.value(property.kind, cell, false)))
        .collect();
    values.push(("id".to_owned(), json!(row.id)));
    values.push(("createduser".to_owned(), json!(USER)));
    values.push(("createdtime".to_owned(), json!(clock.time(row.created))));
    values.push(("updateduser".to_owned(), json!(USER)));
    values.push(("timestamp".to_owned(), json!(clock.time(row.updated))));
    writer.shuffled(values)
}

fn original_values(writer: &Writer<'_>, change: &Change) -> Map<String, Value> {
    let Some(before) = &change.before else { return Map::new() };
    change
        .limetype
        .properties
        .iter()
        .zip(before.cells.iter().zip(&change.row.cells))
        .filter(|(property, (old, new))| old != new && is_told(writer, property.kind))
        .map(|(property, (old, _))| (property.name.to_owned(), writer.value(property.kind, old, false)))
        .collect()
}

fn is_told(writer: &Writer<'_>, kind: Kind) -> bool {
    !matches!(kind, Kind::HasMany(_)) && writer.data.serves(kind)
}

/// The changes of a delete in the order in which they are told: the children's, then the object's own.
pub(crate) fn arranged(mut changes: Vec<Change>, children: ChildrenUpdate) -> Vec<Change> {
    let Some(own) = changes.pop() else { return changes };
    let mut after = Vec::new();
    match children {
        ChildrenUpdate::Never => changes.clear(),
        ChildrenUpdate::Before => {}
        ChildrenUpdate::After => swap(&mut changes, &mut after),
        ChildrenUpdate::Around => {
            let mut before = Vec::new();
            for (at, change) in changes.into_iter().enumerate() {
                if at % 2 == 0 { before.push(change) } else { after.push(change) }
            }
            changes = before;
        }
    }
    changes.push(own);
    changes.append(&mut after);
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lime::feed::People;
    use crate::lime::store::{Data, LimeSwitches};
    use crate::lime::write;

    fn data() -> Data {
        Data::new(People::Files, LimeSwitches::default()).unwrap()
    }

    fn told(data: &Data, change: &Change) -> Value {
        let event = event(&Writer { data, api: "", shuffle: 3 }, change);
        let body: Value = serde_json::from_slice(&event.body).unwrap();
        assert_eq!((&body["event"], event.object), (&json!(event.name), change.row.id));
        body["body"].clone()
    }

    #[test]
    fn a_new_person_has_every_property() {
        let mut data = data();
        let person = json!({"firstname": "Maja", "lastname": "Ekvall", "birthdate": "2001-07-02"});
        let change = write::create(&mut data, "person", &person).unwrap();
        let body = told(&data, &change);
        assert_eq!(body["limetype"], "person");
        assert!(body.get("original_values").is_none());
        let values = body["values"].as_object().unwrap();
        let properties = change.limetype.properties;
        let kept = properties.iter().filter(|property| !matches!(property.kind, Kind::HasMany(_)));
        assert_eq!(values.len(), kept.count() + 5);
        assert_eq!(values["name"], "Maja Ekvall");
        assert_eq!(values["birthdate"], "2001-07-02T00:00:00+02:00");
        assert_eq!((&values["language"], &values["company"]), (&json!("empty"), &Value::Null));
        assert_eq!((&values["email"], &values["inactive"]), (&json!(""), &json!(false)));
        assert_eq!((&values["id"], &body["id"]), (&json!(change.row.id), &json!(change.row.id)));
        assert_eq!(values["timestamp"], json!(data.clock.time(change.row.updated)));
        assert_eq!(values["createdtime"], json!(data.clock.time(change.row.created)));
        assert!(!values.contains_key("consent") && !values.keys().any(|name| name.starts_with('_')));
    }

    #[test]
    fn an_update_has_the_old_values_of_what_changed() {
        let mut data = data();
        let person = json!({"firstname": "Maja", "language": "sv", "company": 1001, "score": 4});
        let id = write::create(&mut data, "person", &person).unwrap().row.id;
        let changes = json!({"firstname": "My", "language": {"key": "fi"}, "company": null, "score": 4});
        let change = write::update(&mut data, "person", id, &changes).unwrap();
        let body = told(&data, &change);
        let old = json!({"firstname": "Maja", "name": "Maja", "language": "sv", "company": 1001});
        assert_eq!(body["original_values"], old);
        let values = &body["values"];
        assert_eq!((&values["language"], &values["company"]), (&json!("fi"), &Value::Null));
        let nothing = write::update(&mut data, "person", id, &json!({"score": 4})).unwrap();
        assert_eq!(told(&data, &nothing)["original_values"], json!({}));
    }

    #[test]
    fn a_delete_has_only_the_id_and_a_restore_has_all() {
        let mut data = data();
        let id = write::create(&mut data, "person", &json!({"firstname": "Maja"})).unwrap().row.id;
        let gone = write::delete(&mut data, "person", id).unwrap();
        assert_eq!(told(&data, &gone[0]), json!({"id": id, "limetype": "person"}));
        let back = write::restore(&mut data, "person", id).unwrap();
        assert_eq!(name(&back), "person.restore");
        let body = told(&data, &back);
        assert_eq!(body["values"]["firstname"], "Maja");
        assert!(body.get("original_values").is_none());
    }

    #[test]
    fn children_are_told_of_where_the_switch_says() {
        let mut data = data();
        let id = write::create(&mut data, "person", &json!({"firstname": "Maja"})).unwrap().row.id;
        let mut children = Vec::new();
        for _ in 0..3 {
            let consent = json!({"person": id, "date": "2026-05-20", "source": "email"});
            children.push(write::create(&mut data, "consent", &consent).unwrap().row.id);
        }
        let [first, second, third] = children[..] else { panic!("three") };
        for (switch, expected) in [
            (ChildrenUpdate::Never, vec![id]),
            (ChildrenUpdate::Before, vec![first, second, third, id]),
            (ChildrenUpdate::After, vec![id, first, second, third]),
            (ChildrenUpdate::Around, vec![first, third, id, second]),
        ] {
            let changes = arranged(write::delete(&mut data, "person", id).unwrap(), switch);
            assert_eq!(changes.iter().map(|change| change.row.id).collect::<Vec<_>>(), expected);
            let child = changes.iter().find(|change| change.row.id == second);
            let old = child.map(|child| told(&data, child)["original_values"].clone());
            assert_eq!(old, (switch != ChildrenUpdate::Never).then(|| json!({"person": id})));
            write::restore(&mut data, "person", id).unwrap();
            for child in &children {
                write::update(&mut data, "consent", *child, &json!({"person": id})).unwrap();
            }
        }
    }
}
