//! From a person's record, with its company, to the contact's fields.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json};
use sluice_sdk::paging::Filled;
use sluice_sdk::{Contact, Error, Field, Value};

use crate::Lime;
use crate::limetype::{Kind, Model, person_field};
use crate::query::{Query, plain};
use crate::record::{Record, unreadable_property};
use crate::settings::Settings;
use crate::value::decode;

/// For sentences.
pub const WHAT: &str = "the persons";

/// How many ids one query names; at ten characters each they stay far below a request line.
const IDS_A_QUERY: usize = 100;

/// A person without consents yet.
#[derive(Debug, Clone)]
pub struct Person {
    /// The id in Lime.
    pub id: i64,
    /// The contact; its consents are still to be joined.
    pub contact: Contact,
    /// The newest change among what has been read.
    pub modified: Option<Timestamp>,
}

/// What a query must name to read persons of this model.
pub fn object(model: &Model, settings: &Settings) -> Map<String, Json> {
    let mut object = plain(["_id", "_createdtime", "_timestamp"]);
    object.extend(plain(
        model
            .person
            .iter()
            .filter(|property| person_field(property, settings).is_some())
            .map(|property| property.name.as_str()),
    ));
    if !model.company.is_empty() {
        let mut company = plain(["_id", "_timestamp"]);
        company.extend(plain(model.company.iter().map(|property| property.name.as_str())));
        object.insert(settings.company_property.clone(), Json::Object(company));
    }
    object
}

/// A person from a record of the query API or of the limeobject list.
///
/// # Errors
/// `malformed` where the record has no id; `misconfigured` where it is without the property of the e-mail
/// address: not having one is null, and a record without the property says nothing.
pub fn read(record: &Record, model: &Model, settings: &Settings, zone: &TimeZone) -> Result<Person, Error> {
    let id = record.id().ok_or_else(|| Error::malformed("Lime sent a person without an id. Report it."))?;
    if record.raw(&settings.email_property).is_none() {
        return Err(unreadable_property(
            &settings.person_limetype,
            &settings.email_property,
            "email-property",
        ));
    }
    let mut fields = vec![Field { name: crate::ID.to_owned(), value: Value::Integer(id) }];
    for name in ["createdtime", "timestamp"] {
        let value = record.system_time(name, zone).map_or(Value::Null, |at| Value::Timestamp(at.to_string()));
        fields.push(Field { name: format!("_{name}"), value });
    }
    for property in &model.person {
        let Some(name) = person_field(property, settings) else { continue };
        let value = record.raw(&property.name).map_or(Value::Null, |raw| decode(property, raw, zone));
        fields.push(Field { name, value });
    }
    let company = record.related_record(&settings.company_property);
    for property in &model.company {
        let raw = company.as_ref().and_then(|company| company.raw(&property.name));
        let value = raw.map_or(Value::Null, |raw| decode(property, raw, zone));
        fields.push(Field { name: format!("company.{}", property.name), value });
    }
    let company_modified = company.and_then(|company| company.system_time("timestamp", zone));
    let modified = record.system_time("timestamp", zone).max(company_modified);
    let contact = Contact {
        id: id.to_string(),
        modified_at: modified.map(|at| at.to_string()),
        fields,
        consents: Vec::new(),
    };
    Ok(Person { id, contact, modified })
}

/// Persons by id, read by queries over many; one that is not there is left out.
///
/// # Errors
/// As Lime answers.
pub fn by_ids(
    lime: &Lime,
    model: &Model,
    ids: &BTreeSet<i64>,
    filled: &mut Filled,
) -> Result<Vec<Person>, Error> {
    let ids: Vec<i64> = ids.iter().copied().collect();
    let mut persons = Vec::new();
    for some in ids.chunks(IDS_A_QUERY) {
        let filter = serde_json::json!({"key": "_id", "op": "IN", "exp": some});
        let query = lime.persons(model, Some(filter));
        // One more than there can be is asked for, so that finding all of them already ends the read.
        let mut found = 0;
        let mut after = 0;
        while found < some.len() {
            let page = query.page(&lime.api, after, lime.page_size(u32::MAX))?;
            let last = filled.was_last(lime.page_size(u32::MAX), page.len());
            found = found.saturating_add(page.len());
            for record in &page {
                let person = read(record, model, &lime.settings, &lime.zone)?;
                after = after.max(person.id);
                persons.push(person);
            }
            if last {
                break;
            }
        }
    }
    Ok(persons)
}

/// The company relation is read as a related object only by queries; a list has to embed it.
pub fn embeds_company(model: &Model, settings: &Settings) -> bool {
    model
        .person
        .iter()
        .any(|property| property.name == settings.company_property && property.kind == Kind::Relation)
}

impl Lime {
    /// A query for persons with all fields of the model.
    pub(crate) fn persons<'a>(&'a self, model: &Model, filter: Option<Json>) -> Query<'a> {
        Query {
            limetype: &self.settings.person_limetype,
            object: object(model, &self.settings),
            filter,
            what: WHAT,
        }
    }
}
