//! What the store does, in SQL that both engines understand, written once.
//!
//! A function here is one transaction or a part of one; the engine that calls it begins and ends it. What the
//! engines have in common is nearly everything: placeholders are `?1`, `?2` ...; flags are 0 and 1; moments are
//! microseconds. Three things are written in a way of their own, which each engine translates:
//! `LIST(?n)` is a list that was given as one parameter; a comment that begins with `/*pg ` holds what only
//! PostgreSQL needs, such as a row's lock (SQLite has one writer at a time and needs none).

mod access;
mod addresses;
mod alerts;
mod batches;
mod brakes;
mod changes;
mod components;
mod deliveries;
mod doubts;
mod forgetting;
mod glue;
mod integrations;
mod known;
mod lane;
mod leases;
mod ledger;
mod leftovers;
mod listing;
mod members;
mod moves;
mod needs;
mod opt_outs;
mod overviews;
mod pages;
mod results;
mod runs;
mod secrets;
mod seen;
mod stage;
mod values;
mod webhooks;

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::broadcast;

use super::StoreError;
use super::fault::Fault;
use crate::integration::IntegrationId;

pub(super) use glue::SqlStore;

/// One value of a statement.
#[derive(Debug, Clone)]
pub enum Param<'a> {
    Null,
    Int(i64),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    /// For `LIST(?n)`.
    List(Vec<&'a str>),
}

/// One value of a row.
#[derive(Debug, Clone)]
pub enum Cell {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A row whose values are taken from the left to the right.
#[derive(Debug)]
pub struct Row {
    columns: Arc<[String]>,
    cells: std::vec::IntoIter<Cell>,
    at: usize,
}

impl Row {
    pub(super) fn new(columns: Arc<[String]>, cells: Vec<Cell>) -> Self {
        Self { columns, cells: cells.into_iter(), at: 0 }
    }

    /// The next value.
    pub(super) fn take<T: FromCell>(&mut self) -> Result<T, Fault> {
        let column = self.columns.get(self.at).map_or("?", String::as_str);
        let cell = self.cells.next().unwrap_or(Cell::Null);
        let value = T::from_cell(cell)
            .ok_or_else(|| Fault::Content(format!("column {column} holds what this program never writes")));
        self.at += 1;
        value
    }

    /// The next value, which is JSON.
    pub(super) fn json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, Fault> {
        self.some_json()?
            .ok_or_else(|| Fault::Content("a column that always has a value has none".to_owned()))
    }

    /// The next value, which is JSON or nothing.
    pub(super) fn some_json<T: serde::de::DeserializeOwned>(&mut self) -> Result<Option<T>, Fault> {
        let column = self.columns.get(self.at).cloned().unwrap_or_default();
        let text: Option<String> = self.take()?;
        text.map(|text| values::from_json(&column, &text)).transpose()
    }
}

/// A value that a cell can be.
pub trait FromCell: Sized {
    /// None: the cell is something else.
    fn from_cell(cell: Cell) -> Option<Self>;
}

/// A transaction that is under way, or a connection for reading.
pub trait Sql {
    /// Runs a statement; how many rows it changed.
    fn execute(&self, statement: &str, params: &[Param<'_>]) -> Result<u64, Fault>;

    /// Runs a statement; its rows.
    fn query(&self, statement: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Fault>;

    /// Runs one statement for each of many; the rows of each. Faster than one after the other where the
    /// database is far away.
    fn query_each(&self, statement: &str, each: &[Vec<Param<'_>>]) -> Result<Vec<Vec<Row>>, Fault>;

    /// Runs one statement for each of many; how many rows each changed.
    fn execute_each(&self, statement: &str, each: &[Vec<Param<'_>>]) -> Result<Vec<u64>, Fault>;

    /// The moment now, by a clock that all hosts share.
    fn now(&self) -> Result<Timestamp, Fault>;

    /// Tells all hosts, when the transaction is stored, that there may be something new.
    fn notify(&self, id: &IntegrationId) -> Result<(), Fault>;
}

impl dyn Sql + '_ {
    /// Runs a statement that gives at most one row.
    fn query_one(&self, statement: &str, params: &[Param<'_>]) -> Result<Option<Row>, Fault> {
        Ok(self.query(statement, params)?.into_iter().next())
    }

    /// Runs a statement that gives one value, such as a count.
    fn value<T: FromCell>(&self, statement: &str, params: &[Param<'_>]) -> Result<T, Fault> {
        match self.query_one(statement, params)? {
            Some(mut row) => row.take(),
            None => Err(Fault::Content("a statement that always gives a row gave none".to_owned())),
        }
    }
}

/// Hints that may wait to be heard.
pub(super) const HINTS: usize = 4096;

/// What runs transactions.
pub trait Engine: Send + Sync + 'static {
    /// Does `work` in a transaction; it is on disk when this returns. `work` may be done again if it met
    /// another transaction.
    fn write<T, W>(&self, work: W) -> impl Future<Output = Result<T, StoreError>> + Send
    where
        T: Send + 'static,
        W: Fn(&dyn Sql) -> Result<T, Fault> + Send + 'static;

    /// Does `work` on a connection that only reads.
    fn read<T, W>(&self, work: W) -> impl Future<Output = Result<T, StoreError>> + Send
    where
        T: Send + 'static,
        W: Fn(&dyn Sql) -> Result<T, Fault> + Send + 'static;

    /// Sees to it that nothing of rows that were deleted from these tables is left in the database's files.
    fn clean(&self, tables: &'static [&'static str]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Where hints are told.
    fn hints(&self) -> &broadcast::Sender<IntegrationId>;
}

/// The values of a statement.
macro_rules! params {
    ($($value:expr),* $(,)?) => { [$($crate::store::sql::Param::from($value)),*] };
}
pub(super) use params;
