//! Lime Query, as far as Lime's tutorial and its own client show it: reading an expression, and telling
//! whether a row matches.
//!
//! Promises: a name that is no property, an operator that is none and a value of the wrong type are
//! refused with 400, as Lime refuses them. Inferred, since the tutorial does not say: text compares
//! without regard to case (as SQL Server's usual collation does), `!=` holds for a row without a value,
//! and aggregates are refused because their syntax is not known.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::clock::Clock;
use super::model::{Kind, Limetype};
use super::store::Data;
use super::table::{Cell, Row};

/// Why a query is refused: a sentence for `message`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    BadRequest(String),
    NotFound(String),
}

pub(crate) type Checked<T> = Result<T, Refused>;

pub(crate) fn bad<T>(message: impl Into<String>) -> Checked<T> {
    Err(Refused::BadRequest(message.into()))
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Test {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Contains,
    Begins,
}

/// A property, or one of a related object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Path {
    /// Belongsto properties to follow.
    relations: Vec<&'static str>,
    pub(crate) column: Column,
}

/// A system property or one of the limetype.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Id,
    Created,
    Updated,
    /// The Lime user that made the object, or changed it last.
    User,
    Descriptive,
    Property(&'static str, Kind),
}

/// A filter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    Compare { path: Path, test: Test, values: Vec<Cell> },
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
}

/// The column that a name stands for.
pub(crate) fn column(data: &Data, limetype: &'static Limetype, name: &str) -> Checked<Column> {
    Ok(match name {
        "_id" => Column::Id,
        "_createdtime" => Column::Created,
        "_timestamp" => Column::Updated,
        "_createduser" | "_updateduser" => Column::User,
        "_descriptive" => Column::Descriptive,
        _ => match limetype.property(name).filter(|property| data.serves(property.kind)) {
            Some(property) => Column::Property(property.name, property.kind),
            None => return bad(format!("The property \"{name}\" does not exist.")),
        },
    })
}

/// A dotted path; relations are followed through belongsto properties only.
pub(crate) fn path(data: &Data, limetype: &'static Limetype, text: &str) -> Checked<Path> {
    let mut relations = Vec::new();
    let mut at = limetype;
    let mut parts = text.split('.').peekable();
    while let Some(part) = parts.next() {
        let column = column(data, at, part)?;
        if parts.peek().is_none() {
            if matches!(column, Column::Property(_, Kind::HasMany(_))) {
                return bad(format!("The property \"{part}\" cannot be used in a filter."));
            }
            return Ok(Path { relations, column });
        }
        let Column::Property(name, Kind::BelongsTo(related)) = column else {
            return bad(format!("The property \"{part}\" is not a relation to one object."));
        };
        relations.push(name);
        at = data.limetype(related)?;
    }
    bad("A filter needs a key.")
}

/// Reads a filter expression.
pub(crate) fn expression(data: &Data, limetype: &'static Limetype, value: &Value) -> Checked<Expr> {
    let Some(object) = value.as_object() else { return bad("A filter must be an object.") };
    let Some(op) = object.get("op").and_then(Value::as_str) else { return bad("A filter needs an op.") };
    let exp = object.get("exp");
    match op {
        "AND" | "OR" => {
            let Some(Value::Array(parts)) = exp else { return bad(format!("{op} needs a list in exp.")) };
            let parts =
                parts.iter().map(|part| expression(data, limetype, part)).collect::<Checked<Vec<_>>>()?;
            Ok(if op == "AND" { Expr::And(parts) } else { Expr::Or(parts) })
        }
        "!" => match exp {
            Some(inner) => Ok(Expr::Not(Box::new(expression(data, limetype, inner)?))),
            None => bad("! needs an exp."),
        },
        _ => {
            let test = match op {
                "=" => Test::Equal,
                "!=" => Test::NotEqual,
                "<" => Test::Less,
                "<=" => Test::LessOrEqual,
                ">" => Test::Greater,
                ">=" => Test::GreaterOrEqual,
                "IN" => Test::In,
                "?" => Test::Contains,
                "=?" => Test::Begins,
                _ => return bad(format!("The operator \"{op}\" does not exist.")),
            };
            let Some(key) = object.get("key").and_then(Value::as_str) else {
                return bad("A comparison needs a key.");
            };
            let Some(exp) = exp else { return bad("A comparison needs an exp.") };
            compare(data, path(data, limetype, key)?, test, exp)
        }
    }
}

fn compare(data: &Data, path: Path, test: Test, exp: &Value) -> Checked<Expr> {
    let values = match (test, exp) {
        (Test::In, Value::Array(values)) => {
            values.iter().map(|value| operand(data, path.column, value)).collect::<Checked<_>>()?
        }
        (Test::In, _) => return bad("IN needs a list in exp."),
        (_, value) => vec![operand(data, path.column, value)?],
    };
    let ordered = matches!(test, Test::Less | Test::LessOrEqual | Test::Greater | Test::GreaterOrEqual);
    if ordered && values.contains(&Cell::Null) {
        return bad("Invalid field value.");
    }
    if matches!(test, Test::Contains | Test::Begins) && !values.iter().all(|it| matches!(it, Cell::Text(_))) {
        return bad("Invalid field value.");
    }
    Ok(Expr::Compare { path, test, values })
}

/// A value to compare a column with.
fn operand(data: &Data, column: Column, value: &Value) -> Checked<Cell> {
    let time = |text: &str| data.clock.read(text).map(Cell::Time);
    let cell = match (column, value) {
        (_, Value::Null) => Some(Cell::Null),
        (Column::Id | Column::User | Column::Property(_, Kind::BelongsTo(_)), value) => {
            value.as_u64().map(Cell::Ref)
        }
        (Column::Created | Column::Updated | Column::Property(_, Kind::Time), Value::String(text)) => {
            time(text)
        }
        (Column::Property(_, Kind::Date), Value::String(text)) => Clock::read_date(text).map(Cell::Date),
        (Column::Property(_, Kind::Option(_)), Value::String(key)) => Some(Cell::Key(key.clone())),
        (Column::Property(_, Kind::YesNo), Value::Bool(yes)) => Some(Cell::Bool(*yes)),
        (Column::Property(_, Kind::Integer), value) => value.as_i64().map(Cell::Int),
        (Column::Property(_, Kind::Decimal), value) => value.as_f64().map(Cell::Dec),
        (
            Column::Descriptive
            | Column::Property(
                _,
                Kind::String(_) | Kind::Text(_) | Kind::Phone(_) | Kind::Link(_),
            ),
            Value::String(text),
        ) => Some(Cell::Text(text.to_lowercase())),
        _ => None,
    };
    cell.ok_or_else(|| Refused::BadRequest("Invalid field value.".to_owned()))
}

/// A filter of the limeobject list, where every value is text: equal or, for text, beginning with.
pub(crate) fn list_filter(
    data: &Data,
    limetype: &'static Limetype,
    name: &str,
    text: &str,
) -> Checked<Expr> {
    let (test, name) = if let Some(rest) = name.strip_prefix("min-") {
        (Test::GreaterOrEqual, rest)
    } else if let Some(rest) = name.strip_prefix("max-") {
        (Test::LessOrEqual, rest)
    } else if let Some(rest) = name.strip_prefix("not-") {
        (Test::NotEqual, rest)
    } else {
        (Test::Equal, name)
    };
    if name.starts_with('_') && !data.switches.system_filters_in_lists {
        return bad(format!("The property \"{name}\" does not exist."));
    }
    let path = path(data, limetype, name)?;
    let value = match path.column {
        Column::Id | Column::User => number(text),
        Column::Property(_, kind) => match kind {
            Kind::Integer | Kind::Decimal | Kind::BelongsTo(_) => number(text),
            Kind::YesNo => text.parse().map_or(Value::Null, Value::Bool),
            _ => Value::String(text.to_owned()),
        },
        _ => Value::String(text.to_owned()),
    };
    if value.is_null() {
        return bad("Invalid field value.");
    }
    let begins = test == Test::Equal
        && matches!(
            path.column,
            Column::Property(_, Kind::String(_) | Kind::Text(_) | Kind::Phone(_) | Kind::Link(_))
        );
    compare(data, path, if begins { Test::Begins } else { test }, &value)
}

fn number(text: &str) -> Value {
    serde_json::from_str::<serde_json::Number>(text).map_or(Value::Null, Value::Number)
}

/// The value of a column in a row, as it is compared.
pub(crate) fn value(data: &Data, limetype: &Limetype, row: &Row, column: Column) -> Cell {
    match column {
        Column::Id => Cell::Ref(row.id),
        Column::Created => Cell::Time(row.created),
        Column::Updated => Cell::Time(row.updated),
        Column::User => Cell::Ref(super::render::USER),
        Column::Descriptive => Cell::Text(data.descriptive(limetype, row).to_lowercase()),
        Column::Property(name, _) => match row.cell(limetype, name) {
            Cell::Text(text) => Cell::Text(text.to_lowercase()),
            cell => cell.clone(),
        },
    }
}

/// Less, equal or greater; `None` where one side has no value.
pub(crate) fn order(left: &Cell, right: &Cell) -> Option<Ordering> {
    match (left, right) {
        (Cell::Text(left), Cell::Text(right)) | (Cell::Key(left), Cell::Key(right)) => Some(left.cmp(right)),
        (Cell::Int(left), Cell::Int(right)) => Some(left.cmp(right)),
        (Cell::Dec(left), Cell::Dec(right)) => left.partial_cmp(right),
        (Cell::Bool(left), Cell::Bool(right)) => Some(left.cmp(right)),
        (Cell::Time(left), Cell::Time(right)) => Some(left.cmp(right)),
        (Cell::Date(left), Cell::Date(right)) => Some(left.cmp(right)),
        (Cell::Ref(left), Cell::Ref(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

impl Expr {
    pub(crate) fn holds(&self, data: &Data, limetype: &'static Limetype, row: &Row) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.holds(data, limetype, row)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(data, limetype, row)),
            Self::Not(inner) => !inner.holds(data, limetype, row),
            Self::Compare { path, test, values } => {
                let found = follow(data, limetype, row, path);
                let any = |wanted: fn(Ordering) -> bool| {
                    values.iter().any(|value| order(&found, value).is_some_and(wanted))
                };
                let same = || {
                    any(Ordering::is_eq) || (found == Cell::Null && values.contains(&Cell::Null))
                };
                match test {
                    Test::Equal | Test::In => same(),
                    Test::NotEqual => !same(),
                    Test::Less => any(Ordering::is_lt),
                    Test::LessOrEqual => any(Ordering::is_le),
                    Test::Greater => any(Ordering::is_gt),
                    Test::GreaterOrEqual => any(Ordering::is_ge),
                    Test::Contains | Test::Begins => values.iter().any(|value| match (&found, value) {
                        (Cell::Text(found), Cell::Text(value)) if *test == Test::Begins => {
                            found.starts_with(value.as_str())
                        }
                        (Cell::Text(found), Cell::Text(value)) => found.contains(value.as_str()),
                        _ => false,
                    }),
                }
            }
        }
    }

    /// The parts that must all hold.
    pub(crate) fn conjuncts(&self) -> Vec<&Expr> {
        match self {
            Self::And(parts) => parts.iter().flat_map(Expr::conjuncts).collect(),
            other => vec![other],
        }
    }
}

impl Path {
    /// The column, when it is one of the row itself.
    pub(crate) fn own(&self) -> Option<Column> {
        self.relations.is_empty().then_some(self.column)
    }
}

fn follow(data: &Data, limetype: &'static Limetype, row: &Row, path: &Path) -> Cell {
    let mut limetype = limetype;
    let mut current = None;
    for relation in &path.relations {
        let here = current.as_ref().unwrap_or(row);
        let next = data.related_one(limetype, here, relation);
        let Some((related, found)) = next else { return Cell::Null };
        limetype = related;
        current = Some(found);
    }
    value(data, limetype, current.as_ref().unwrap_or(row), path.column)
}

/// What a query asks to be shown of each object.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) shown_as: String,
    pub(crate) column: Column,
    /// The fields of the related object, when they were asked for.
    pub(crate) nested: Option<(&'static Limetype, Vec<Field>)>,
}

/// Reads `responseFormat.object`.
pub(crate) fn fields(
    data: &Data,
    limetype: &'static Limetype,
    object: &Map<String, Value>,
) -> Checked<Vec<Field>> {
    object
        .iter()
        .map(|(name, spec)| {
            let column = column(data, limetype, name)?;
            if matches!(column, Column::Property(_, Kind::HasMany(_))) {
                return bad(format!("The property \"{name}\" has many objects and cannot be in a response."));
            }
            let plain = Field { shown_as: name.clone(), column, nested: None };
            match spec {
                Value::Null => Ok(plain),
                Value::String(text) if text.is_empty() => Ok(plain),
                Value::Object(inner) => {
                    if let Some(alias) = inner.get("_alias").and_then(Value::as_str) {
                        return Ok(Field { shown_as: alias.to_owned(), ..plain });
                    }
                    let Column::Property(_, Kind::BelongsTo(related)) = column else {
                        return bad(format!("The property \"{name}\" is not a relation to one object."));
                    };
                    let related = data.limetype(related)?;
                    Ok(Field { nested: Some((related, fields(data, related, inner)?)), ..plain })
                }
                _ => bad(format!("The response format of \"{name}\" is not valid.")),
            }
        })
        .collect()
}
