//! The list of persons, by `Page` and `Size`, where `/Queries` is not to be had.
//!
//! A page number slips when persons are deleted meanwhile: those behind move forward, past the reader. So a page is
//! trusted only if the record just before it was read already. If it was not, pages are gone back until it was. With
//! ids that ascend this gives the promise of a keyset: whoever is before a page has an id no greater than that record,
//! also if more are deleted between the two requests; whoever is added comes at the end. webCRM does not say in which
//! order it lists, so each page is looked at, and another order is refused and not guessed at.

use serde::{Deserialize, Serialize};
use sluice_sdk::Error;

use crate::api::Api;
use crate::query::{is_after, unordered};
use crate::record::{Record, ids};
use crate::table::Table;

/// Where a list was left.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Place {
    /// The page to be read next, from 1.
    page: u32,
    /// The size of the pages.
    size: u32,
    /// The greatest id that was read.
    after: i64,
}

impl Place {
    /// The beginning, in pages of a size from 1 to 1,000.
    pub fn beginning(size: u32) -> Self {
        Self { page: 1, size: size.clamp(1, 1000), after: 0 }
    }

    /// The same place where fewer records are wanted at once.
    fn within(self, limit: u32) -> Self {
        let limit = limit.max(1);
        if self.size <= limit {
            return self;
        }
        let before = u64::from(self.page.saturating_sub(1)).saturating_mul(u64::from(self.size));
        let page = u32::try_from(before / u64::from(limit)).unwrap_or(u32::MAX).saturating_add(1);
        Self { page, size: limit, ..self }
    }

    /// Whether nobody who was not read is before the page. Asked after the page was read: what is deleted between the
    /// two only brings persons forward.
    fn is_whole(self, api: &Api) -> Result<bool, Error> {
        let before = self.page.saturating_sub(1).saturating_mul(self.size);
        if before == 0 {
            return Ok(true);
        }
        let last = records_at(api, before, 1)?;
        Ok(ids(&last, Table::Person)?.first().is_some_and(|id| *id <= self.after))
    }
}

/// The next persons, at most `limit`, in the order of their ids, and where to go on.
///
/// # Errors
/// As webCRM answers; `unsupported` where the list is in another order.
pub fn page(api: &Api, place: Place, limit: u32) -> Result<(Vec<Record>, Option<Place>), Error> {
    let mut place = place.within(limit);
    loop {
        let records = records_at(api, place.page, place.size)?;
        let ids = ids(&records, Table::Person)?;
        if !is_after(i64::MIN, &ids) {
            return Err(unordered(Table::Person));
        }
        if !place.is_whole(api)? {
            while !place.is_whole(api)? {
                place.page = place.page.saturating_sub(1);
            }
            continue;
        }
        let is_full = u32::try_from(ids.len()).is_ok_and(|got| got >= place.size);
        if !is_full && !records_at(api, place.page.saturating_add(1), place.size)?.is_empty() {
            return Err(Error::unsupported(
                "webCRM sends shorter pages than it was asked for, so that some persons could be left out. Give a smaller \
                 `page-size`.",
            ));
        }
        let after = ids.last().map_or(place.after, |last| place.after.max(*last));
        let next = Place { page: place.page.saturating_add(1), after, ..place };
        let news = records.into_iter().zip(ids).filter(|(_, id)| *id > place.after).map(|(record, _)| record);
        return Ok((news.collect(), is_full.then_some(next)));
    }
}

fn records_at(api: &Api, page: u32, size: u32) -> Result<Vec<Record>, Error> {
    api.read(&format!("Persons?Page={page}&Size={size}"), Table::Person.what())
}
