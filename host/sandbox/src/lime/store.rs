//! The simulated Lime CRM's data as a whole: its tables, its clock, its switches, and the search that
//! lists and queries share.
//!
//! Promises: a search by a range of `_id`, by ids or by an indexed relation touches only the rows that it
//! may answer with; a page ordered by `_id` stops at its end, however many rows follow.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::clock::Clock;
use super::feed::{self, People};
use super::model::{self, CONSENT_ADD_ON, Kind, Limetype};
use super::query::{Checked, Column, Expr, Refused, Test, order, value};
use super::table::{Cell, Row, Table};
use crate::SandboxError;

/// What of the simulated Lime CRM can be set while it runs. Each is a point on which Lime installations
/// differ or which Lime's pages leave open; the defaults are the stricter choice.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimeSwitches {
    /// Whether the API user may use Lime Query; otherwise 403.
    pub query_permitted: bool,
    /// Whether the consent add-on is installed; otherwise its limetypes do not exist.
    pub consent_add_on: bool,
    /// Whether `/api/v2/subscription/` exists; otherwise 404.
    pub subscriptions_v2: bool,
    /// Whether the webhook add-on is installed; otherwise 404.
    pub webhooks: bool,
    /// The most objects in one page of a list, whatever `_limit` asks for.
    pub list_limit: usize,
    /// The most objects in one answer of a query, whatever `limit` asks for.
    pub query_limit: usize,
    /// Whether `next` links of lists without `_sort` page by `_offset_id` (older servers) instead of
    /// `_offset`.
    pub next_by_id: bool,
    /// Whether lists can be filtered by system properties (`min-_id`), which no client was seen to do.
    pub system_filters_in_lists: bool,
    /// Whether `_sort` takes system properties.
    pub system_sort_in_lists: bool,
    /// Whether queries answer options as `{id, key, text}` instead of the bare key.
    pub query_options_as_objects: bool,
    /// Whether `POST /query/` works as `GET` does; otherwise 405.
    pub query_by_post: bool,
    /// Whether a 429 says when to come back.
    pub retry_after: bool,
    /// The longest path and query that the web server takes; otherwise 414. Commonly 8 kB.
    pub url_bytes: usize,
    /// Requests in any window.
    pub rate_limit: usize,
    /// The window's length in seconds.
    pub rate_window_seconds: u64,
}

impl Default for LimeSwitches {
    fn default() -> Self {
        Self {
            query_permitted: true,
            consent_add_on: true,
            subscriptions_v2: true,
            webhooks: true,
            list_limit: 50,
            query_limit: 200,
            next_by_id: false,
            system_filters_in_lists: false,
            system_sort_in_lists: true,
            query_options_as_objects: false,
            query_by_post: false,
            retry_after: false,
            url_bytes: 8190,
            rate_limit: 3000,
            rate_window_seconds: 300,
        }
    }
}

/// All rows of the simulated CRM.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) clock: Clock,
    pub(crate) switches: LimeSwitches,
    tables: BTreeMap<&'static str, Table>,
}

/// What is searched for.
#[derive(Debug, Default)]
pub(crate) struct Search {
    pub(crate) filter: Option<Expr>,
    /// Columns in order, true for descending. Rows that compare equal are ordered by id.
    pub(crate) order: Vec<(Column, bool)>,
    pub(crate) after_id: u64,
    pub(crate) offset: usize,
    pub(crate) limit: usize,
}

impl Data {
    pub(crate) fn new(people: People, switches: LimeSwitches) -> Result<Self, SandboxError> {
        let tables = feed::tables(people)?.into_iter().map(|table| (table.limetype.name, table)).collect();
        Ok(Self { clock: Clock::stockholm(), switches, tables })
    }

    pub(crate) fn limetype(&self, name: &str) -> Checked<&'static Limetype> {
        let missing = CONSENT_ADD_ON.contains(&name) && !self.switches.consent_add_on;
        model::limetype(name)
            .filter(|_| !missing)
            .ok_or_else(|| Refused::NotFound(format!("The limetype \"{name}\" does not exist.")))
    }

    /// Whether a property of this kind exists now: relations to absent limetypes do not.
    pub(crate) fn serves(&self, kind: Kind) -> bool {
        kind.related().is_none_or(|related| self.limetype(related).is_ok())
    }

    pub(crate) fn table(&self, limetype: &Limetype) -> Checked<&Table> {
        self.tables
            .get(limetype.name)
            .ok_or_else(|| Refused::NotFound(format!("The limetype \"{}\" does not exist.", limetype.name)))
    }

    pub(crate) fn table_mut(&mut self, limetype: &Limetype) -> Checked<&mut Table> {
        self.tables
            .get_mut(limetype.name)
            .ok_or_else(|| Refused::NotFound(format!("The limetype \"{}\" does not exist.", limetype.name)))
    }

    /// The object that a belongsto property names.
    pub(crate) fn related_one(
        &self,
        limetype: &Limetype,
        row: &Row,
        property: &str,
    ) -> Option<(&'static Limetype, Row)> {
        let Kind::BelongsTo(name) = limetype.property(property)?.kind else { return None };
        let Cell::Ref(id) = row.cell(limetype, property) else { return None };
        let related = self.limetype(name).ok()?;
        Some((related, self.table(related).ok()?.get(*id)?))
    }

    /// Lime's text for an object: its descriptive property, or its id.
    pub(crate) fn descriptive(&self, limetype: &Limetype, row: &Row) -> String {
        let from = if limetype.name == "consenttype" { "title" } else { "name" };
        match row.cell(limetype, from) {
            Cell::Text(text) if !text.is_empty() => text.clone(),
            _ => row.id.to_string(),
        }
    }

    pub(crate) fn search(&self, limetype: &'static Limetype, search: &Search) -> Checked<Vec<Row>> {
        let table = self.table(limetype)?;
        let mut after = search.after_id;
        let mut ids: Option<Vec<u64>> = None;
        for part in search.filter.iter().flat_map(Expr::conjuncts) {
            let Expr::Compare { path, test, values } = part else { continue };
            let wanted = || -> Vec<u64> {
                values
                    .iter()
                    .filter_map(|cell| if let Cell::Ref(id) = cell { Some(*id) } else { None })
                    .collect()
            };
            match (path.own(), test) {
                (Some(Column::Id), Test::Greater) => after = wanted().into_iter().fold(after, u64::max),
                (Some(Column::Id), Test::GreaterOrEqual) => {
                    after = wanted().into_iter().fold(after, |after, id| after.max(id.saturating_sub(1)));
                }
                (Some(Column::Id), Test::Equal | Test::In) if ids.is_none() => {
                    let mut wanted = wanted();
                    wanted.sort_unstable();
                    wanted.dedup();
                    ids = Some(wanted);
                }
                (Some(Column::Property(name, Kind::BelongsTo(_))), Test::Equal | Test::In)
                    if ids.is_none() && !values.contains(&Cell::Null) =>
                {
                    ids = table.related(name, &wanted());
                }
                _ => {}
            }
        }
        let ids: Box<dyn Iterator<Item = u64>> = match ids {
            Some(ids) => Box::new(ids.into_iter().filter(move |id| *id > after)),
            None => Box::new(table.ids(after)),
        };
        let matching = ids
            .filter_map(|id| table.get(id))
            .filter(|row| search.filter.as_ref().is_none_or(|filter| filter.holds(self, limetype, row)));
        let by_id = search.order.first().is_none_or(|first| *first == (Column::Id, false));
        if by_id {
            return Ok(matching.skip(search.offset).take(search.limit).collect());
        }
        let mut keyed: Vec<(Vec<Cell>, u64)> = matching
            .map(|row| {
                let keys = search.order.iter().map(|(column, _)| value(self, limetype, &row, *column));
                (keys.collect(), row.id)
            })
            .collect();
        keyed.sort_by(|(left, left_id), (right, right_id)| {
            let keys = left.iter().zip(right).zip(&search.order).map(|((left, right), (_, descending))| {
                let order = match (left == &Cell::Null, right == &Cell::Null) {
                    (false, false) => order(left, right).unwrap_or(Ordering::Equal),
                    (left_null, right_null) => right_null.cmp(&left_null),
                };
                if *descending { order.reverse() } else { order }
            });
            keys.fold(Ordering::Equal, Ordering::then).then(left_id.cmp(right_id))
        });
        Ok(keyed
            .into_iter()
            .skip(search.offset)
            .take(search.limit)
            .filter_map(|(_, id)| table.get(id))
            .collect())
    }
}
