//! Lists, a page at a time: each page says where the next one begins.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// As many as are given unless asked otherwise.
pub const FEW: u32 = 50;
/// As many as may be asked for.
pub const MANY: u32 = 500;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// What to give as `after` for the next page; null: this is the last.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of what was asked for with one more than fits, which says whether there is another page. `place`: where
    /// the page after an item begins.
    pub fn of(mut items: Vec<T>, limit: u32, place: impl Fn(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| has_more).map(place);
        Self { items, next }
    }
}

/// Which page of a list.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    /// Items on the page.
    #[serde(default = "few")]
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub limit: u32,
    /// Where the page begins, as the page before it says; left out: at the first.
    #[serde(default)]
    pub after: Option<String>,
}

/// For `limit` where it is left out.
pub fn few() -> u32 {
    FEW
}

/// Refuses a number of items that is none.
pub fn within(limit: u32) -> Result<u32, super::problem::RequestError> {
    match limit {
        1..=MANY => Ok(limit),
        _ => Err(super::problem::RequestError::Malformed {
            part: "query",
            problem: format!("`limit` is 1 to {MANY}"),
        }),
    }
}

/// A place in a list of numbers.
pub fn number(after: Option<&str>) -> Result<Option<i64>, super::problem::RequestError> {
    after
        .map(|text| text.parse().ok().filter(|number| *number > 0))
        .map(|number: Option<i64>| {
            number.ok_or_else(|| super::problem::RequestError::Malformed {
                part: "query",
                problem: "`after` is no place in this list: give what the page before says".to_owned(),
            })
        })
        .transpose()
}
