//! Lime's objects, limetypes and query answers as JSON.
//!
//! Promises: the order of an object's keys is not stable from one request to the next, as it is not in
//! Lime; hrefs are absolute and percent-encoded. Option ids and user ids are made up in Lime's style.

use serde_json::{Map, Value, json};

use super::model::{Kind, Limetype, Property};
use super::query::{Column, Field};
use super::store::Data;
use super::table::{Cell, Row};

/// The Lime user that every row of the sandbox was made by.
pub(crate) const USER: u64 = 3101;

/// How one answer is written: where links lead, and how keys are shuffled.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    pub(crate) data: &'a Data,
    /// `http://host/application/api/v1`.
    pub(crate) api: &'a str,
    /// Another number, another order of keys.
    pub(crate) shuffle: usize,
}

impl Writer<'_> {
    fn object_url(&self, limetype: &Limetype, id: u64) -> String {
        format!("{}/limeobject/{}/{id}/", self.api, limetype.name)
    }

    /// An object of the limeobject API.
    pub(crate) fn object(&self, limetype: &'static Limetype, row: &Row, embed: &[&'static str]) -> Value {
        let clock = &self.data.clock;
        let mut values: Vec<(String, Value)> = Vec::new();
        let mut links: Vec<(String, Value)> = Vec::new();
        let url = self.object_url(limetype, row.id);
        links.push(("self".to_owned(), json!({"href": url})));
        let limetype_url = format!("{}/limetype/{}/", self.api, limetype.name);
        links.push(("limetype".to_owned(), json!({"href": limetype_url, "name": limetype.name})));
        for (property, cell) in limetype.properties.iter().zip(&row.cells) {
            let name = property.name;
            if !self.data.serves(property.kind) {
                continue;
            }
            if property.kind.related().is_some() {
                links.push((
                    format!("relation_{name}"),
                    json!({"href": format!("{url}{name}/"), "name": name}),
                ));
            }
            if let Kind::HasMany(_) = property.kind {
                links.push((format!("new_{name}"), json!({"href": format!("{url}{name}/new/")})));
                continue;
            }
            values.push((name.to_owned(), self.value(property.kind, cell, true)));
        }
        values.push(("_id".to_owned(), json!(row.id)));
        values.push(("_descriptive".to_owned(), json!(self.data.descriptive(limetype, row))));
        values.push(("_createdtime".to_owned(), json!(clock.time(row.created))));
        values.push(("_timestamp".to_owned(), json!(clock.time(row.updated))));
        values.push(("_createduser".to_owned(), json!(USER)));
        values.push(("_updateduser".to_owned(), json!(USER)));
        values.push(("_links".to_owned(), self.shuffled(links)));
        let mut embedded = Map::new();
        for property in embed {
            if let Some((related, found)) = self.data.related_one(limetype, row, property) {
                embedded.insert(format!("relation_{property}"), self.object(related, &found, &[]));
            }
        }
        if !embedded.is_empty() {
            values.push(("_embedded".to_owned(), Value::Object(embedded)));
        }
        self.shuffled(values)
    }

    /// An object of a query's answer.
    pub(crate) fn selected(&self, limetype: &'static Limetype, row: &Row, fields: &[Field]) -> Value {
        let values = fields
            .iter()
            .map(|field| {
                let value = match (field.column, &field.nested) {
                    (Column::Property(name, _), Some((_, inner))) => {
                        match self.data.related_one(limetype, row, name) {
                            Some((related, found)) => self.selected(related, &found, inner),
                            None => Value::Null,
                        }
                    }
                    (Column::Property(name, kind), None) => {
                        let whole = self.data.switches.query_options_as_objects;
                        self.value(kind, row.cell(limetype, name), whole)
                    }
                    (Column::Id, _) => json!(row.id),
                    (Column::Created, _) => json!(self.data.clock.time(row.created)),
                    (Column::Updated, _) => json!(self.data.clock.time(row.updated)),
                    (Column::User, _) => json!(USER),
                    (Column::Descriptive, _) => json!(self.data.descriptive(limetype, row)),
                };
                (field.shown_as.clone(), value)
            })
            .collect();
        self.shuffled(values)
    }

    /// One value; an option as an object or as its bare key.
    pub(crate) fn value(&self, kind: Kind, cell: &Cell, whole_options: bool) -> Value {
        match (kind, cell) {
            (_, Cell::Null) => Value::Null,
            (_, Cell::Text(text)) => json!(text),
            (_, Cell::Int(number)) => json!(number),
            (_, Cell::Dec(number)) => json!(number),
            (_, Cell::Bool(yes)) => json!(yes),
            (_, Cell::Time(at)) => json!(self.data.clock.time(*at)),
            (_, Cell::Date(date)) => json!(self.data.clock.date(*date)),
            (_, Cell::Ref(id)) => json!(id),
            (Kind::Option(options), Cell::Key(key)) if whole_options => {
                let place = options.iter().position(|(known, _)| known == key).unwrap_or_default();
                let text = options.get(place).map_or("", |(_, text)| text);
                json!({"id": option_id(options, place), "key": key, "text": text})
            }
            (_, Cell::Key(key)) => json!(key),
        }
    }

    /// A limetype, with its properties when they were asked for.
    pub(crate) fn limetype(&self, limetype: &Limetype, with_properties: bool) -> Value {
        let url = format!("{}/limetype/{}/", self.api, limetype.name);
        let mut body = json!({
            "name": limetype.name,
            "localname": {"singular": limetype.singular, "plural": limetype.plural},
            "label": limetype.label,
            "_links": {"self": {"href": url}},
        });
        if with_properties && let Some(body) = body.as_object_mut() {
            let properties: Vec<Value> = limetype
                .properties
                .iter()
                .filter(|property| self.data.serves(property.kind))
                .map(|property| self.property(&url, property))
                .collect();
            body.insert("_embedded".to_owned(), json!({"properties": properties}));
        }
        body
    }

    fn property(&self, limetype_url: &str, property: &Property) -> Value {
        let mut links = Map::new();
        links.insert("self".to_owned(), json!({"href": format!("{limetype_url}{}/", property.name)}));
        if let Some(related) = property.kind.related() {
            let href = format!("{}/limetype/{related}/", self.api);
            links.insert("related_type".to_owned(), json!({"href": href, "name": related}));
        }
        let mut body = json!({
            "name": property.name,
            "localname": property.localname,
            "type": property.kind.name(),
            "required": property.required,
            "label": property.label,
            "_links": links,
        });
        if let Some(body) = body.as_object_mut() {
            if let Some(length) = property.kind.length() {
                body.insert("length".to_owned(), json!(length));
            }
            if let Kind::Option(options) = property.kind {
                let options: Vec<Value> = options
                    .iter()
                    .enumerate()
                    .map(|(at, (key, text))| {
                        json!({"id": option_id(options, at), "key": key, "text": text, "inactive": false})
                    })
                    .collect();
                body.insert("options".to_owned(), json!(options));
            }
        }
        body
    }

    /// An object whose first key depends on the number of the answer.
    pub(crate) fn shuffled(&self, mut values: Vec<(String, Value)>) -> Value {
        if !values.is_empty() {
            let by = self.shuffle % values.len();
            values.rotate_left(by);
        }
        Value::Object(values.into_iter().collect())
    }
}

/// Per database and ending in 01, as option ids do.
fn option_id(options: &[(&str, &str)], place: usize) -> usize {
    let table: usize = options.iter().map(|(key, _)| key.len() * 7 + 1).sum();
    (1000 + table * 10 + place) * 100 + 1
}
