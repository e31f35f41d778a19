//! One connection on its own thread: statements are prepared once, transactions are begun, done again where
//! they met another one, and ended; a connection that is lost is made anew for the next caller.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures::future::try_join_all;
use jiff::Timestamp;
use tokio::runtime::Runtime;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Statement};

use super::connection::{Place, TODO};
use crate::integration::IntegrationId;
use crate::store::fault::{EngineFault, Fault};
use crate::store::sql::{Cell, Param, Row, Sql};

/// The longest wait for a connection.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The longest wait for an answer. The database gives a statement up before that; a database that stands
/// still gives up nothing.
const ANSWER_WITHIN: Duration = Duration::from_secs(75);
/// How often a transaction that met another one is done again.
const ATTEMPTS: u32 = 8;
/// Statements that are under way at once.
const AT_ONCE: usize = 256;
/// The channel on which hosts tell each other.
pub(super) const CHANNEL: &str = "sluice";

/// A connection that is made when it is needed.
pub(super) struct Session {
    place: Place,
    runtime: Runtime,
    open: Option<Open>,
}

struct Open {
    client: Client,
    statements: RefCell<HashMap<String, Statement>>,
    /// It did not answer in time. A connection whose other end is gone without a word looks open for long.
    silent: std::cell::Cell<bool>,
}

impl Open {
    fn is_lost(&self) -> bool {
        self.silent.get() || self.client.is_closed()
    }
}

/// How a transaction failed.
enum Lost {
    /// Nothing of it is stored.
    Undone(Fault),
    /// It may be stored or not.
    Unknown(Fault),
}

impl Session {
    /// A session without a connection as yet.
    pub(super) fn new(place: Place) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { place, runtime, open: None })
    }

    /// Does `work` in a transaction.
    pub(super) fn transaction<T>(&mut self, work: &dyn Fn(&dyn Sql) -> Result<T, Fault>) -> Result<T, Fault> {
        let mut attempt = 1;
        loop {
            let was_open = self.open.is_some();
            let lost = match self.attempt(work) {
                Ok(value) => return Ok(value),
                Err(lost) => lost,
            };
            let broken = self.open.as_ref().is_some_and(Open::is_lost);
            if broken {
                self.open = None;
            }
            match lost {
                Lost::Unknown(fault) => return Err(fault),
                // The connection may have been lost while nobody used it.
                Lost::Undone(_) if broken && was_open && attempt == 1 => {}
                Lost::Undone(fault) if !fault.is_passing() || attempt >= ATTEMPTS => return Err(fault),
                Lost::Undone(_) => {
                    let pause = Duration::from_millis(u64::from(attempt) * rand::random_range(2..12));
                    std::thread::sleep(pause);
                }
            }
            attempt += 1;
        }
    }

    fn attempt<T>(&mut self, work: &dyn Fn(&dyn Sql) -> Result<T, Fault>) -> Result<T, Lost> {
        let (runtime, open) = self.opened().map_err(Lost::Undone)?;
        let on = On { runtime, open };
        on.simple("BEGIN").map_err(Lost::Undone)?;
        match work(&on) {
            Ok(value) => match on.simple("COMMIT") {
                Ok(()) => Ok(value),
                Err(fault) if fault.is_passing() => Err(Lost::Undone(fault)),
                Err(fault) => Err(Lost::Unknown(fault)),
            },
            Err(fault) => {
                // Without an answer the connection is given up, and the database undoes it by itself.
                if !open.is_lost() {
                    drop(on.simple("ROLLBACK"));
                }
                Err(Lost::Undone(fault))
            }
        }
    }

    /// Does `work`, each statement by itself.
    pub(super) fn reading<T>(&mut self, work: &dyn Fn(&dyn Sql) -> Result<T, Fault>) -> Result<T, Fault> {
        let mut again = self.open.is_some();
        loop {
            let (runtime, open) = self.opened()?;
            let result = work(&On { runtime, open });
            if !self.open.as_ref().is_some_and(Open::is_lost) {
                return result;
            }
            self.open = None;
            if result.is_ok() || !again {
                return result;
            }
            again = false;
        }
    }

    /// Cleans tables of the rows that were deleted, however long that takes.
    pub(super) fn vacuum(&mut self, tables: &[&str]) -> Result<(), Fault> {
        let (runtime, open) = self.opened()?;
        let on = On { runtime, open };
        on.simple("SET statement_timeout = 0")?;
        let cleaned = tables.iter().try_for_each(|table| {
            let statement = format!("VACUUM {table}");
            runtime.block_on(open.client.batch_execute(&statement)).map_err(Fault::from)
        });
        on.simple("RESET statement_timeout")?;
        cleaned
    }

    fn opened(&mut self) -> Result<(&Runtime, &Open), Fault> {
        if self.open.is_none() {
            let client = self.runtime.block_on(async {
                let connect = tokio::time::timeout(CONNECT_WITHIN * 2, self.place.connect());
                connect.await.unwrap_or_else(|_| Err(no_answer()))
            })?;
            self.open =
                Some(Open { client, statements: RefCell::default(), silent: std::cell::Cell::default() });
        }
        match &self.open {
            Some(open) => Ok((&self.runtime, open)),
            None => Err(no_answer()),
        }
    }
}

fn no_answer() -> Fault {
    Fault::Engine(EngineFault { message: "it does not answer".to_owned(), todo: TODO, again: false })
}

/// An open connection, as the shared SQL sees it.
struct On<'a> {
    runtime: &'a Runtime,
    open: &'a Open,
}

impl On<'_> {
    fn wait<T>(&self, answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Fault> {
        self.runtime.block_on(async {
            match tokio::time::timeout(ANSWER_WITHIN, answer).await {
                Ok(answer) => Ok(answer?),
                Err(_) => {
                    self.open.silent.set(true);
                    Err(no_answer())
                }
            }
        })
    }

    fn simple(&self, statement: &str) -> Result<(), Fault> {
        self.wait(self.open.client.batch_execute(statement))
    }

    fn prepared(&self, statement: &str) -> Result<Statement, Fault> {
        if let Some(prepared) = self.open.statements.borrow().get(statement) {
            return Ok(prepared.clone());
        }
        let prepared = self.wait(self.open.client.prepare(&translated(statement)))?;
        self.open.statements.borrow_mut().insert(statement.to_owned(), prepared.clone());
        Ok(prepared)
    }
}

fn values<'a>(params: &'a [Param<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    params.iter().map(|param| param as &(dyn ToSql + Sync)).collect()
}

impl Sql for On<'_> {
    fn execute(&self, statement: &str, params: &[Param<'_>]) -> Result<u64, Fault> {
        let prepared = self.prepared(statement)?;
        self.wait(self.open.client.execute(&prepared, &values(params)))
    }

    fn query(&self, statement: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Fault> {
        let prepared = self.prepared(statement)?;
        let rows = self.wait(self.open.client.query(&prepared, &values(params)))?;
        read(&prepared, rows)
    }

    fn query_each(&self, statement: &str, each: &[Vec<Param<'_>>]) -> Result<Vec<Vec<Row>>, Fault> {
        if each.is_empty() {
            return Ok(Vec::new());
        }
        let prepared = self.prepared(statement)?;
        let mut all = Vec::with_capacity(each.len());
        // Sent one behind the other without waiting, and answered in this order.
        for some in each.chunks(AT_ONCE) {
            let some: Vec<_> = some.iter().map(|params| values(params)).collect();
            let queries = some.iter().map(|params| self.open.client.query(&prepared, params));
            for rows in self.wait(try_join_all(queries))? {
                all.push(read(&prepared, rows)?);
            }
        }
        Ok(all)
    }

    fn execute_each(&self, statement: &str, each: &[Vec<Param<'_>>]) -> Result<Vec<u64>, Fault> {
        if each.is_empty() {
            return Ok(Vec::new());
        }
        let prepared = self.prepared(statement)?;
        let mut all = Vec::with_capacity(each.len());
        for some in each.chunks(AT_ONCE) {
            let some: Vec<_> = some.iter().map(|params| values(params)).collect();
            let queries = some.iter().map(|params| self.open.client.execute(&prepared, params));
            all.extend(self.wait(try_join_all(queries))?);
        }
        Ok(all)
    }

    fn now(&self) -> Result<Timestamp, Fault> {
        let rows = self.query("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint", &[])?;
        let now = rows.into_iter().next().map(|mut row| row.take::<i64>()).transpose()?.unwrap_or_default();
        Timestamp::from_microsecond(now)
            .map_err(|_| Fault::Content("the database's clock is beyond all times".to_owned()))
    }

    fn notify(&self, id: &IntegrationId) -> Result<(), Fault> {
        self.query("SELECT pg_notify(?1, ?2)", &[Param::from(CHANNEL), Param::from(id)])?;
        Ok(())
    }
}

fn read(statement: &Statement, rows: Vec<tokio_postgres::Row>) -> Result<Vec<Row>, Fault> {
    let columns: Arc<[String]> = statement.columns().iter().map(|column| column.name().to_owned()).collect();
    let read = |row: tokio_postgres::Row| {
        let cells = (0..columns.len()).map(|at| cell(&row, at));
        Ok(Row::new(Arc::clone(&columns), cells.collect::<Result<_, Fault>>()?))
    };
    rows.into_iter().map(read).collect()
}

fn cell(row: &tokio_postgres::Row, at: usize) -> Result<Cell, Fault> {
    let of = row.columns().get(at).map_or(&Type::UNKNOWN, |column| column.type_());
    Ok(match *of {
        Type::INT8 => row.try_get::<_, Option<i64>>(at)?.map_or(Cell::Null, Cell::Int),
        Type::INT4 => row.try_get::<_, Option<i32>>(at)?.map_or(Cell::Null, |it| Cell::Int(i64::from(it))),
        Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(at)?.map_or(Cell::Null, Cell::Bytes),
        Type::VOID => Cell::Null,
        _ => row.try_get::<_, Option<String>>(at)?.map_or(Cell::Null, Cell::Text),
    })
}

/// The shared SQL as PostgreSQL has it: placeholders, lists, and what only it needs.
fn translated(statement: &str) -> Cow<'_, str> {
    let statement = statement.replace("/*pg ", "").replace("*/", "");
    let mut text = String::with_capacity(statement.len());
    let mut rest = statement.as_str();
    while let Some((before, after)) = rest.split_once("IN LIST(") {
        let (param, after) = after.split_once(')').unwrap_or((after, ""));
        text.push_str(before);
        text.push_str(&format!("= ANY({param}::text[])"));
        rest = after;
    }
    text.push_str(rest);
    Cow::Owned(text.replace('?', "$"))
}

/// A value goes as what the statement's place for it takes; that it fits is for the statement to say.
impl ToSql for Param<'_> {
    fn to_sql(
        &self,
        of: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) => match *of {
                Type::INT4 => i32::try_from(*number)?.to_sql(of, out),
                Type::INT2 => i16::try_from(*number)?.to_sql(of, out),
                _ => number.to_sql(&Type::INT8, out),
            },
            Self::Text(text) => text.as_ref().to_sql(of, out),
            Self::Bytes(bytes) => bytes.as_ref().to_sql(of, out),
            Self::List(texts) => texts.to_sql(of, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shared_sql_is_translated() {
        assert_eq!(
            translated("SELECT a FROM t WHERE b = ?1 AND c IN LIST(?2) AND d = ?12 /*pg FOR UPDATE */"),
            "SELECT a FROM t WHERE b = $1 AND c = ANY($2::text[]) AND d = $12 FOR UPDATE "
        );
    }
}
