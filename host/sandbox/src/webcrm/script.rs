//! The scripts of `/Queries`, as far as the vendor's own code shows them: `SELECT * FROM`, comparisons of a field with
//! a text in single quotes or a number, `AND`, bracketed `OR`, `ORDER BY`.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::vec::IntoIter;

use jiff::Timestamp;
use serde_json::Value;

use super::data::Data;
use super::model::{Field, Table};

/// A script that can be run.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) table: Table,
    condition: Option<Condition>,
    /// The field, and whether the greatest comes first.
    order: Option<(&'static Field, bool)>,
}

#[derive(Debug)]
enum Condition {
    All(Vec<Self>),
    Any(Vec<Self>),
    Compare { field: &'static Field, test: Test, with: Literal },
}

#[derive(Debug, Clone, Copy)]
enum Test {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug)]
enum Literal {
    Number(i64),
    Text(String),
}

#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    Number(i64),
    Text(String),
    Sign(&'static str),
}

const SIGNS: &[&str] = &[">=", "<=", "=", ">", "<", "(", ")", "*"];

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if first == '\'' {
            let mut inner = String::new();
            let mut letters = rest.char_indices().skip(1).peekable();
            let end = loop {
                let (at, letter) = letters.next()?;
                match (letter, letters.peek()) {
                    ('\'', Some((_, '\''))) => {
                        letters.next();
                        inner.push('\'');
                    }
                    ('\'', _) => break at + 1,
                    (other, _) => inner.push(other),
                }
            };
            tokens.push(Token::Text(inner));
            end
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            tokens.push(Token::Sign(sign));
            sign.len()
        } else {
            let end = rest
                .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
                .unwrap_or(rest.len());
            let word = rest.get(..end).filter(|word| !word.is_empty())?;
            tokens.push(word.parse().map_or_else(|_| Token::Word(word.to_owned()), Token::Number));
            end
        };
        rest = rest.get(length..)?.trim_start();
    }
    Some(tokens)
}

struct Reader {
    tokens: Peekable<IntoIter<Token>>,
    table: Table,
    numbers: bool,
}

impl Reader {
    fn takes(&mut self, word: &str) -> bool {
        let is_next =
            matches!(self.tokens.peek(), Some(Token::Word(next)) if next.eq_ignore_ascii_case(word));
        if is_next {
            self.tokens.next();
        }
        is_next
    }

    fn sign(&mut self, sign: &str) -> bool {
        let is_next = matches!(self.tokens.peek(), Some(Token::Sign(next)) if *next == sign);
        if is_next {
            self.tokens.next();
        }
        is_next
    }

    fn field(&mut self) -> Option<&'static Field> {
        match self.tokens.next()? {
            Token::Word(name) => self.table.field(&name),
            _ => None,
        }
    }

    fn any(&mut self) -> Option<Condition> {
        let mut parts = vec![self.all()?];
        while self.takes("OR") {
            parts.push(self.all()?);
        }
        Some(Condition::Any(parts))
    }

    fn all(&mut self) -> Option<Condition> {
        let mut parts = vec![self.one()?];
        while self.takes("AND") {
            parts.push(self.one()?);
        }
        Some(Condition::All(parts))
    }

    fn one(&mut self) -> Option<Condition> {
        if self.sign("(") {
            let inner = self.any()?;
            return self.sign(")").then_some(inner);
        }
        let field = self.field()?;
        let test = match self.tokens.next()? {
            Token::Sign("=") => Test::Equal,
            Token::Sign("<") => Test::Less,
            Token::Sign("<=") => Test::LessOrEqual,
            Token::Sign(">") => Test::Greater,
            Token::Sign(">=") => Test::GreaterOrEqual,
            _ => return None,
        };
        let with = match self.tokens.next()? {
            Token::Number(number) if self.numbers => Literal::Number(number),
            Token::Text(text) => Literal::Text(text),
            _ => return None,
        };
        Some(Condition::Compare { field, test, with })
    }
}

impl Script {
    /// None for what is no script that was ever seen to work.
    pub(crate) fn read(text: &str, numbers: bool) -> Option<Self> {
        let mut tokens = tokens(text)?.into_iter().peekable();
        let mut begins =
            |word: &str| matches!(tokens.next(), Some(Token::Word(next)) if next.eq_ignore_ascii_case(word));
        if !begins("SELECT") {
            return None;
        }
        (tokens.next()? == Token::Sign("*")).then_some(())?;
        let mut reader = Reader { tokens, table: Table::Person, numbers };
        if !reader.takes("FROM") {
            return None;
        }
        let Token::Word(table) = reader.tokens.next()? else { return None };
        reader.table = Table::named(&table)?;
        let condition = if reader.takes("WHERE") { Some(reader.any()?) } else { None };
        let order = if reader.takes("ORDER") && reader.takes("BY") {
            let field = reader.field()?;
            let descending = reader.takes("DESC");
            let _ = descending || reader.takes("ASC");
            Some((field, descending))
        } else {
            None
        };
        reader.tokens.next().is_none().then_some(Self { table: reader.table, condition, order })
    }

    /// The ids of what is found, those of `ids` in their order where the script names none.
    pub(crate) fn run(&self, data: &Data, ids: Vec<u64>) -> Vec<u64> {
        let holds = |id: &u64| self.condition.as_ref().is_none_or(|it| it.holds(data, self.table, *id));
        let mut found: Vec<u64> = ids.into_iter().filter(holds).collect();
        if let Some((field, descending)) = self.order {
            let value = |id: u64| data.value(self.table, id, field.name).unwrap_or_default();
            found.sort_by(|left, right| {
                let order = compare(&value(*left), &value(*right)).unwrap_or(Ordering::Equal);
                if descending { order.reverse() } else { order }
            });
        }
        found
    }
}

impl Condition {
    fn holds(&self, data: &Data, table: Table, id: u64) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(data, table, id)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(data, table, id)),
            Self::Compare { field, test, with } => {
                let with = match with {
                    Literal::Number(number) => Value::from(*number),
                    Literal::Text(text) => Value::from(text.as_str()),
                };
                let own = data.value(table, id, field.name).unwrap_or_default();
                compare(&own, &with).is_some_and(|order| match test {
                    Test::Equal => order.is_eq(),
                    Test::Less => order.is_lt(),
                    Test::LessOrEqual => order.is_le(),
                    Test::Greater => order.is_gt(),
                    Test::GreaterOrEqual => order.is_ge(),
                })
            }
        }
    }
}

/// Numbers as numbers, times as times, anything else as text; none where one is null.
fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => Some(left.as_i64()?.cmp(&right.as_i64()?)),
        (Value::String(left), Value::String(right)) => {
            let times = left.parse::<Timestamp>().ok().zip(right.parse::<Timestamp>().ok());
            Some(times.map_or_else(|| left.cmp(right), |(left, right)| left.cmp(&right)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn data() -> Data {
        let mut data = Data::default();
        for (id, name, at) in [(1, "O'Neill", 30), (2, "Dahl", 20), (3, "Dahl", 10)] {
            let at = Timestamp::from_second(at).unwrap();
            data.put(Table::Person, id, at, [("PersonLastName", json!(name))].into());
        }
        data
    }

    fn run(text: &str) -> Option<Vec<u64>> {
        let data = data();
        Script::read(text, true).map(|script| script.run(&data, data.ids(script.table)))
    }

    #[test]
    fn what_is_asked_for_is_found() {
        for (script, found) in [
            ("SELECT * FROM Person", vec![1, 2, 3]),
            ("select * from Person where PersonId > 1 order by PersonId desc", vec![3, 2]),
            ("SELECT * FROM Person WHERE (PersonId = 1 OR PersonId = 3) AND PersonId < 3", vec![1]),
            ("SELECT * FROM Person WHERE PersonLastName = 'O''Neill'", vec![1]),
            ("SELECT * FROM Person WHERE PersonUpdatedAt >= '1970-01-01T00:00:20Z'", vec![1, 2]),
            ("SELECT * FROM Person ORDER BY PersonUpdatedAt ASC", vec![3, 2, 1]),
            ("SELECT * FROM Organisation", vec![]),
        ] {
            assert_eq!(run(script), Some(found), "{script}");
        }
    }

    #[test]
    fn what_was_never_seen_is_refused() {
        for script in [
            "",
            "SELECT PersonId FROM Person",
            "SELECT * FROM Deal",
            "SELECT * FROM Person WHERE Colour = 'x'",
            "SELECT * FROM Person WHERE PersonLastName = 'O'Neill'",
            "SELECT * FROM Person WHERE (PersonId = 1",
            "SELECT * FROM Person; DROP TABLE Person",
            "DELETE * FROM Person",
        ] {
            assert_eq!(run(script), None, "{script}");
        }
        assert!(Script::read("SELECT * FROM Person WHERE PersonId > 1", false).is_none());
    }
}
