//! Creating, changing and deleting objects, by the API and by the sandbox's own control alike.
//!
//! Promises: an unknown property, a wrong type, null for text, an over-long text and an unknown option key
//! are refused and change nothing; deleting an object detaches what belonged to it, as Lime's soft delete
//! does (page "recently deleted"); every change moves `_timestamp`.

use jiff::Timestamp;
use serde_json::Value;

use super::clock::{Clock, stored};
use super::feed::full_name;
use super::model::{Kind, LIMETYPES, Limetype};
use super::query::{Checked, Refused, bad};
use super::store::Data;
use super::table::{Cell, Row};

pub(crate) fn create(data: &mut Data, name: &str, values: &Value) -> Checked<u64> {
    let limetype = data.limetype(name)?;
    let cells = limetype
        .properties
        .iter()
        .map(|property| match property.kind {
            Kind::String(_) | Kind::Text(_) | Kind::Phone(_) | Kind::Link(_) => Cell::Text(String::new()),
            Kind::YesNo => Cell::Bool(false),
            Kind::Option(_) => Cell::Key("empty".to_owned()),
            _ => Cell::Null,
        })
        .collect();
    if let Some(missing) = limetype
        .properties
        .iter()
        .find(|property| property.required && values.get(property.name).is_none_or(Value::is_null))
    {
        return bad(format!("The property \"{}\" is required.", missing.name));
    }
    let now = stored(Timestamp::now());
    let row = Row { id: data.table(limetype)?.next_id(), created: now, updated: now, cells };
    let row = changed(data, limetype, row, values)?;
    let id = row.id;
    data.table_mut(limetype)?.put(row);
    Ok(id)
}

pub(crate) fn update(data: &mut Data, name: &str, id: u64, values: &Value) -> Checked<()> {
    let limetype = data.limetype(name)?;
    let row = existing(data, limetype, id)?;
    let mut row = changed(data, limetype, row, values)?;
    row.updated = stored(Timestamp::now());
    data.table_mut(limetype)?.put(row);
    Ok(())
}

pub(crate) fn delete(data: &mut Data, name: &str, id: u64) -> Checked<()> {
    let limetype = data.limetype(name)?;
    existing(data, limetype, id)?;
    for other in LIMETYPES {
        for (at, property) in other.properties.iter().enumerate() {
            if property.kind != Kind::BelongsTo(limetype.name) {
                continue;
            }
            let table = data.table(other)?;
            let ids = match table.related(property.name, &[id]) {
                Some(ids) => ids,
                None => table
                    .ids(0)
                    .filter(|row| {
                        table.get(*row).is_some_and(|row| row.cells.get(at) == Some(&Cell::Ref(id)))
                    })
                    .collect(),
            };
            for child in ids {
                let Some(mut row) = data.table(other)?.get(child) else { continue };
                if let Some(cell) = row.cells.get_mut(at) {
                    *cell = Cell::Null;
                }
                row.updated = stored(Timestamp::now());
                data.table_mut(other)?.put(row);
            }
        }
    }
    data.table_mut(limetype)?.delete(id);
    Ok(())
}

fn existing(data: &Data, limetype: &Limetype, id: u64) -> Checked<Row> {
    let missing = || Refused::NotFound(format!("The object {} {id} does not exist.", limetype.name));
    data.table(limetype)?.get(id).ok_or_else(missing)
}

fn changed(data: &Data, limetype: &'static Limetype, mut row: Row, values: &Value) -> Checked<Row> {
    let Some(values) = values.as_object() else { return bad("The body must be an object.") };
    for (name, value) in values {
        let missing = || Refused::BadRequest(format!("The property \"{name}\" does not exist."));
        let property = limetype.property(name).filter(|it| data.serves(it.kind)).ok_or_else(missing)?;
        let cell = cell(data, property.name, property.kind, value)?;
        let at = limetype.position(name).ok_or_else(missing)?;
        if let Some(place) = row.cells.get_mut(at) {
            *place = cell;
        }
    }
    if limetype.name == "person" {
        let part = |name: &str| match row.cell(limetype, name) {
            Cell::Text(text) => text.as_str(),
            _ => "",
        };
        let name = full_name(part("firstname"), part("lastname"));
        if let Some(place) = limetype.position("name").and_then(|at| row.cells.get_mut(at)) {
            *place = Cell::Text(name);
        }
    }
    Ok(row)
}

fn cell(data: &Data, name: &str, kind: Kind, value: &Value) -> Checked<Cell> {
    let wrong = || Refused::BadRequest(format!("Invalid field value for \"{name}\"."));
    Ok(match (kind, value) {
        (
            Kind::String(length) | Kind::Text(length) | Kind::Phone(length) | Kind::Link(length),
            Value::String(text),
        ) => {
            if text.chars().count() > usize::try_from(length).unwrap_or(usize::MAX) {
                return bad(format!(
                    "Value of field '{name}' is longer than the allowed {length} characters"
                ));
            }
            Cell::Text(text.clone())
        }
        (Kind::String(_) | Kind::Text(_) | Kind::Phone(_) | Kind::Link(_) | Kind::HasMany(_), _) => {
            return Err(wrong());
        }
        (Kind::Option(options), value) => {
            let key = match value {
                Value::String(key) => key,
                Value::Object(option) => option.get("key").and_then(Value::as_str).ok_or_else(wrong)?,
                _ => return Err(wrong()),
            };
            if !options.iter().any(|(known, _)| *known == key) {
                return Err(wrong());
            }
            Cell::Key(key.to_owned())
        }
        (_, Value::Null) => Cell::Null,
        (Kind::YesNo, Value::Bool(yes)) => Cell::Bool(*yes),
        (Kind::Integer, value) => Cell::Int(value.as_i64().ok_or_else(wrong)?),
        (Kind::Decimal, value) => Cell::Dec(value.as_f64().ok_or_else(wrong)?),
        (Kind::Time, Value::String(text)) => Cell::Time(data.clock.read(text).ok_or_else(wrong)?),
        (Kind::Date, Value::String(text)) => Cell::Date(Clock::read_date(text).ok_or_else(wrong)?),
        (Kind::BelongsTo(related), value) => {
            let id = value.as_u64().ok_or_else(wrong)?;
            existing(data, data.limetype(related)?, id).map_err(|_| wrong())?;
            Cell::Ref(id)
        }
        _ => return Err(wrong()),
    })
}
