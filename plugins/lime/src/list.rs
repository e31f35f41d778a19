//! The limeobject list, for API users that may not use Lime Query.
//!
//! Lime's list goes on by `next`, with an offset or, on older servers, after an id. An offset slips when
//! records are deleted meanwhile, and would skip as many as were deleted. So a page is asked for with an
//! overlap: it is trusted only if it begins with a record that was read already; else the offset goes
//! back until it does. With ascending ids that gives the same promise as a keyset. Inferred: that the list
//! can be sorted by `_id`; a list that is not in that order is refused, not guessed at.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_sdk::Error;

use crate::api::Api;
use crate::query::last_id;
use crate::record::Record;

/// The largest page that Lime's clients ask a list for.
const PAGE: u32 = 50;

/// Where a list was left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The greatest id that was read.
    last: i64,
    /// How many records came up to it, deleted ones not counted off.
    offset: u64,
    /// Whether this server goes on after an id.
    after_id: bool,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "_embedded")]
    embedded: Embedded,
    #[serde(default, rename = "_links")]
    links: Value,
}

#[derive(Deserialize)]
struct Embedded {
    limeobjects: Vec<Record>,
}

/// The next records, in the order of their ids, and where to go on. `more` are further query
/// parameters, each with its `&`.
///
/// # Errors
/// As Lime answers; `unsupported` where the list is not in the order of the ids.
pub fn page(
    api: &Api,
    limetype: &str,
    more: &str,
    place: Place,
    limit: u32,
    what: &str,
) -> Result<(Vec<Record>, Option<Place>), Error> {
    let mut place = place;
    let mut back = 1_u64;
    loop {
        let offset = if place.after_id { 0 } else { place.offset.saturating_sub(back) };
        let from = match (place.after_id, offset) {
            (true, _) => format!("&_offset_id={}", place.last),
            (false, 0) => String::new(),
            (false, offset) => format!("&_offset={offset}"),
        };
        let limit = limit.clamp(2, PAGE);
        let path = format!("v1/limeobject/{limetype}/?_limit={limit}&_sort=_id{more}{from}");
        let answer: Answer = api.get(&path, what)?.ok(what)?.json(what)?;
        let records = answer.embedded.limeobjects;
        let first = in_order(&records, what)?;
        let overlaps = first.is_some_and(|first| first <= place.last);
        if offset > 0 && !overlaps {
            back = back.saturating_mul(8);
            continue;
        }
        let next = answer.links.pointer("/next/href").and_then(Value::as_str);
        place.offset = offset.saturating_add(u64::try_from(records.len()).unwrap_or(u64::MAX));
        place.after_id |= next.is_some_and(|href| href.contains("_offset_id="));
        let was = place.last;
        place.last = last_id(&records, what)?.unwrap_or(was).max(was);
        let fresh: Vec<Record> = records.into_iter().filter(|record| record.id() > Some(was)).collect();
        match next {
            None => return Ok((fresh, None)),
            Some(_) if fresh.is_empty() => back = 1,
            Some(_) => return Ok((fresh, Some(place))),
        }
    }
}

/// All records of a small limetype.
///
/// # Errors
/// As [`page`].
pub fn all(api: &Api, limetype: &str, what: &str) -> Result<Vec<Record>, Error> {
    matching(api, limetype, "", what)
}

/// All records that further parameters choose.
///
/// # Errors
/// As [`page`].
pub fn matching(api: &Api, limetype: &str, more: &str, what: &str) -> Result<Vec<Record>, Error> {
    let mut all = Vec::new();
    let mut place = Some(Place::default());
    while let Some(at) = place {
        let (records, next) = page(api, limetype, more, at, PAGE, what)?;
        all.extend(records);
        place = next;
    }
    Ok(all)
}

/// The first id, of records whose ids ascend.
fn in_order(records: &[Record], what: &str) -> Result<Option<i64>, Error> {
    let ids: Vec<Option<i64>> = records.iter().map(Record::id).collect();
    if ids.is_sorted() {
        return Ok(ids.first().copied().flatten());
    }
    Err(Error::unsupported(format!(
        "Lime's list of {what} does not come in the order of the ids, so reading could miss some. Give the API \
         user the right to use Lime Query."
    )))
}
