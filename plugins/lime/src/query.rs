//! Lime Query: `GET /api/v1/query/?q=<JSON>`, as Lime's tutorial and Lime's own client use it.
//!
//! Reading many records goes by keyset: the next page is what has a greater `_id`, so that records which
//! are added or deleted meanwhile move no other. Inferred, since Lime's documentation does not say: that
//! `_id` can be used in a filter (`id` is tried where it is refused), and that a server may cap the page
//! size (so an empty page ends a read, or a short one where larger ones have been seen).

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sluice_sdk::paging::Filled;
use sluice_sdk::{Error, session};

use crate::api::{Api, in_query, status};
use crate::record::Record;

/// A request line holds about 8 kB on common servers; the address before the query is part of it.
const LONGEST: usize = 7_500;

/// The session key that remembers which name this server takes for the id in a filter.
const ID_KEY: &str = "id-key";

/// What to read of one limetype.
#[derive(Debug, Clone)]
pub struct Query<'a> {
    /// The limetype.
    pub limetype: &'a str,
    /// The properties: null, or the properties of a related object.
    pub object: Map<String, Value>,
    /// What must hold, besides the keyset.
    pub filter: Option<Value>,
    /// For sentences.
    pub what: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    objects: Vec<Record>,
}

impl Query<'_> {
    /// The records after an id, in the order of their ids; at most `limit`.
    ///
    /// # Errors
    /// As Lime answers; `misconfigured` where the query would be too long for a server.
    pub fn page(&self, api: &Api, after: i64, limit: u32) -> Result<Vec<Record>, Error> {
        let known = session::get(ID_KEY);
        let id_key = known.as_deref().unwrap_or("_id");
        match self.page_by(api, id_key, after, limit) {
            Err(error) if known.is_none() && status(&error) == Some(400) => {
                let records = self.page_by(api, "id", after, limit).map_err(|_| error)?;
                session::put(ID_KEY, "id", 3600);
                Ok(records)
            }
            result => result,
        }
    }

    /// All records. For reads whose size is bounded by what was asked, such as the consents of a page of
    /// persons; `filled` is what is known of the server's page size.
    ///
    /// # Errors
    /// As [`Query::page`].
    pub fn all(&self, api: &Api, limit: u32, filled: &mut Filled) -> Result<Vec<Record>, Error> {
        let mut all = Vec::new();
        let mut after = 0;
        loop {
            let page = self.page(api, after, limit)?;
            let last = filled.was_last(limit, page.len());
            after = last_id(&page, self.what)?.unwrap_or(after);
            all.extend(page);
            if last {
                return Ok(all);
            }
        }
    }

    fn page_by(&self, api: &Api, id_key: &str, after: i64, limit: u32) -> Result<Vec<Record>, Error> {
        let keyset = json!({"key": id_key, "op": ">", "exp": after});
        let filter = match &self.filter {
            Some(filter) => json!({"op": "AND", "exp": [keyset, filter]}),
            None => keyset,
        };
        let query = json!({
            "limetype": self.limetype,
            "responseFormat": {"object": self.object},
            "filter": filter,
            "orderBy": [{"_id": "ASC"}],
            "limit": limit,
            "offset": 0,
        });
        let query = in_query(&query.to_string());
        if query.len() > LONGEST {
            return Err(Error::misconfigured(format!(
                "There are more fields than one question to Lime can name ({} bytes of {LONGEST}). Name the \
                 fields that are mapped in the setting `fields`.",
                query.len()
            )));
        }
        let reply = api.get(&format!("v1/query/?q={query}"), self.what)?.ok(self.what)?;
        let answer: Answer = reply.json(self.what)?;
        Ok(answer.objects)
    }
}

/// The greatest id of a page, which is where the next begins.
///
/// # Errors
/// `malformed` where a record has no id.
pub fn last_id(page: &[Record], what: &str) -> Result<Option<i64>, Error> {
    let mut last = None;
    for record in page {
        let id = record.id().ok_or_else(|| {
            Error::malformed(format!("Lime sent a record without an id among {what}. Report it."))
        })?;
        last = last.max(Some(id));
    }
    Ok(last)
}

/// Properties to read, as they are.
pub fn plain<'a>(names: impl IntoIterator<Item = &'a str>) -> Map<String, Value> {
    names.into_iter().map(|name| (name.to_owned(), Value::Null)).collect()
}
