//! Where the simulated Lime CRM's people come from: the data files of the sandbox, which the binary
//! carries inside itself.
//!
//! Promises: every value is as untidy as in the files; what Lime never serves as null (text) is empty
//! instead, as Lime has it.

use serde_json::{Map, Value};

use super::clock::{Clock, stored};
use super::generator::{self, Generator};
use super::model::{Kind, LIMETYPES, Limetype};
use super::table::{Base, Cell, Held, Row, Table};
use crate::SandboxError;

const PERSONS: &str = include_str!("../../data/persons.ndjson");
const COMPANIES: &str = include_str!("../../data/companies.ndjson");
const CONSENTS: &str = include_str!("../../data/consents.ndjson");
const CONSENTTYPES: &str = include_str!("../../data/consenttypes.ndjson");

/// Who is in the simulated CRM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum People {
    /// The 3,000 persons of the data files.
    Files,
    /// Persons made up on demand, the same ones for the same seed, with ids from 5001.
    Generated {
        /// How many.
        persons: u64,
        /// Another seed, other people.
        seed: u64,
    },
}

/// The tables, one for each limetype.
pub(crate) fn tables(people: People) -> Result<Vec<Table>, SandboxError> {
    let generated = match people {
        People::Files => Generator::new(3000, 1),
        People::Generated { persons, seed } => Generator::new(persons, seed),
    };
    LIMETYPES
        .iter()
        .map(|limetype| {
            let file = match (limetype.name, people) {
                ("consenttype", _) => Some(CONSENTTYPES),
                ("person", People::Files) => Some(PERSONS),
                ("company", People::Files) => Some(COMPANIES),
                ("consent", People::Files) => Some(CONSENTS),
                _ => None,
            };
            let base: Box<dyn Base> = match file {
                Some(file) => Box::new(Held::new(limetype, rows(limetype, file)?)),
                None => generator::base(generated, limetype.name),
            };
            Ok(Table::new(limetype, base))
        })
        .collect()
}

fn rows(limetype: &Limetype, file: &str) -> Result<Vec<Row>, SandboxError> {
    file.lines()
        .enumerate()
        .map(|(at, line)| {
            row(limetype, line)
                .ok_or(SandboxError::Data { file: limetype.name, line: at.saturating_add(1) })
        })
        .collect()
}

fn row(limetype: &Limetype, line: &str) -> Option<Row> {
    let mut values: Map<String, Value> = serde_json::from_str(line).ok()?;
    let id = values.get("id")?.as_u64()?;
    if limetype.name == "person" {
        let name = full_name(text(&values, "firstname"), text(&values, "lastname"));
        values.insert("name".to_owned(), Value::String(name));
    }
    let time = |name: &str| match values.get(name) {
        Some(Value::String(text)) => text.parse().ok().map(stored),
        _ => "2018-01-02T09:00:00Z".parse().ok(),
    };
    let (created, updated) = (time("createdtime")?, time("updatedtime")?);
    let cells = limetype
        .properties
        .iter()
        .map(|property| cell(property.kind, values.get(property.name).unwrap_or(&Value::Null)))
        .collect::<Option<_>>()?;
    Some(Row { id, created, updated, cells })
}

fn text<'a>(values: &'a Map<String, Value>, name: &str) -> &'a str {
    values.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Lime's derived `name` of a person.
pub(crate) fn full_name(first: &str, last: &str) -> String {
    format!("{first} {last}").trim().to_owned()
}

fn cell(kind: Kind, value: &Value) -> Option<Cell> {
    Some(match (kind, value) {
        (Kind::String(_) | Kind::Text(_) | Kind::Phone(_) | Kind::Link(_), Value::Null) => {
            Cell::Text(String::new())
        }
        (Kind::YesNo, Value::Null) => Cell::Bool(false),
        (Kind::Option(_), Value::Null) => Cell::Key("empty".to_owned()),
        (_, Value::Null) => Cell::Null,
        (Kind::Option(_), Value::String(key)) => Cell::Key(key.clone()),
        (Kind::Option(_), Value::Object(option)) => Cell::Key(option.get("key")?.as_str()?.to_owned()),
        (Kind::Time, Value::String(text)) => Cell::Time(stored(text.parse().ok()?)),
        (Kind::Date, Value::String(text)) => Cell::Date(Clock::read_date(text)?),
        (Kind::String(_) | Kind::Text(_) | Kind::Phone(_) | Kind::Link(_), Value::String(text)) => {
            Cell::Text(text.clone())
        }
        (Kind::YesNo, Value::Bool(yes)) => Cell::Bool(*yes),
        (Kind::Integer, value) => Cell::Int(value.as_i64()?),
        (Kind::Decimal, value) => Cell::Dec(value.as_f64()?),
        (Kind::BelongsTo(_), value) => Cell::Ref(value.as_u64()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_files_are_read_whole() {
        let tables = tables(People::Files).unwrap();
        let count =
            |name: &str| tables.iter().find(|table| table.limetype.name == name).unwrap().ids(0).count();
        assert_eq!((count("person"), count("company"), count("consent")), (3000, 500, 6376));
        assert_eq!((count("consenttype"), count("campaign")), (7, 6));
    }
}
