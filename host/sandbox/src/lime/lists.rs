//! The limeobject API's reading half: pages of objects, one object, and what is related to it.
//!
//! Promises: pages are HAL with `self`, `next` while there is more, and no total; every query parameter
//! is repeated in `next`; an unknown parameter or property is refused.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::model::{Kind, Limetype};
use super::query::{Checked, Column, Expr, Refused, Test, bad, column, list_filter, path};
use super::render::Writer;
use super::store::{Data, Search};
use super::table::Cell;
use crate::call::Head;

/// The page size when none is asked for.
const DEFAULT_LIMIT: usize = 10;

/// The belongsto properties that `_embed` asks for.
pub(crate) fn embeds(data: &Data, limetype: &'static Limetype, head: &Head) -> Checked<Vec<&'static str>> {
    head.query
        .iter()
        .filter(|(name, _)| name == "_embed")
        .map(|(_, property)| match column(data, limetype, property)? {
            Column::Property(name, Kind::BelongsTo(_)) => Ok(name),
            _ => bad(format!("The property \"{property}\" cannot be embedded.")),
        })
        .collect()
}

pub(crate) fn object(writer: &Writer<'_>, name: &str, id: u64, embed: &[&'static str]) -> Checked<Value> {
    let limetype = writer.data.limetype(name)?;
    match writer.data.table(limetype)?.get(id) {
        Some(row) => Ok(writer.object(limetype, &row, embed)),
        None => Err(Refused::NotFound(format!("The object {name} {id} does not exist."))),
    }
}

pub(crate) fn related(
    writer: &Writer<'_>,
    head: &Head,
    base: &str,
    name: &str,
    id: u64,
    relation: &str,
) -> Checked<Value> {
    let data = writer.data;
    let limetype = data.limetype(name)?;
    let missing = || Refused::NotFound(format!("The object {name} {id} does not exist."));
    let row = data.table(limetype)?.get(id).ok_or_else(missing)?;
    match column(data, limetype, relation) {
        Ok(Column::Property(property, Kind::BelongsTo(_))) => {
            match data.related_one(limetype, &row, property) {
                Some((related, found)) => Ok(writer.object(related, &found, &[])),
                None => Err(Refused::NotFound("The relation is empty.".to_owned())),
            }
        }
        Ok(Column::Property(_, Kind::HasMany(many))) => {
            let back = path(data, data.limetype(many)?, name)?;
            let owner = Expr::Compare { path: back, test: Test::Equal, values: vec![Cell::Ref(id)] };
            list(writer, head, base, many, Some(owner))
        }
        _ => Err(Refused::NotFound(format!("The relation \"{relation}\" does not exist."))),
    }
}

/// A page of objects; `owner` is the filter of a relation's page.
pub(crate) fn list(
    writer: &Writer<'_>,
    head: &Head,
    base: &str,
    name: &str,
    owner: Option<Expr>,
) -> Checked<Value> {
    let data = writer.data;
    let limetype = data.limetype(name)?;
    let mut search = Search { limit: DEFAULT_LIMIT, ..Search::default() };
    let mut filters: Vec<Expr> = owner.into_iter().collect();
    let number = |name: &str, text: &str| {
        text.parse::<usize>().map_err(|_| Refused::BadRequest(format!("{name} must be a whole number.")))
    };
    for (parameter, text) in &head.query {
        match parameter.as_str() {
            "_limit" => search.limit = number(parameter, text)?.clamp(1, data.switches.list_limit),
            "_offset" => search.offset = number(parameter, text)?,
            "_offset_id" => {
                search.after_id = u64::try_from(number(parameter, text)?).unwrap_or(u64::MAX);
            }
            "_sort" => {
                let (property, descending) =
                    text.strip_prefix('-').map_or((text.as_str(), false), |property| (property, true));
                if property.starts_with('_') && !data.switches.system_sort_in_lists {
                    return bad(format!("The property \"{property}\" does not exist."));
                }
                search.order.push((column(data, limetype, property)?, descending));
            }
            "_embed" => {}
            other => filters.push(list_filter(data, limetype, other, text)?),
        }
    }
    let embed = embeds(data, limetype, head)?;
    search.filter = (!filters.is_empty()).then_some(Expr::And(filters));
    let wanted = search.limit;
    // One more than asked for tells whether there is a next page.
    search.limit = wanted.saturating_add(1);
    let mut rows = data.search(limetype, &search)?;
    let more = rows.len() > wanted;
    rows.truncate(wanted);
    let here = |query: &str| {
        let path = head.uri.path().trim_start_matches('/');
        let path = path.split_once('/').map_or("", |(_, rest)| rest);
        if query.is_empty() { format!("{base}/{path}") } else { format!("{base}/{path}?{query}") }
    };
    let mut links = json!({"self": {"href": here(head.uri.query().unwrap_or_default())}});
    if more && let Some(links) = links.as_object_mut() {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, text) in head.query.iter().filter(|(name, _)| !name.starts_with("_offset")) {
            query.append_pair(name, text);
        }
        let mut query = query.finish();
        if !query.is_empty() {
            query.push('&');
        }
        let last = rows.last().map_or(0, |row| row.id);
        let written = if data.switches.next_by_id && search.order.is_empty() {
            write!(query, "_offset_id={last}")
        } else {
            write!(query, "_offset={}", search.offset.saturating_add(wanted))
        };
        if written.is_ok() {
            links.insert("next".to_owned(), json!({"href": here(&query)}));
        }
    }
    let objects: Vec<Value> = rows.iter().map(|row| writer.object(limetype, row, &embed)).collect();
    Ok(json!({"_links": links, "_embedded": {"limeobjects": objects}}))
}
