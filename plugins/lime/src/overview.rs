//! Lists of people in Lime: campaigns with their participants, and saved filters.
//!
//! Lime has no endpoint that lists saved filters, so their Lime Query JSON is pasted into the setting
//! `filters`. A filter that speaks of `$me` is refused: an API key has no coworker.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_sdk::paging::{Filled, read_cursor, write_cursor};
use sluice_sdk::{Error, Members, Overview};

use crate::Lime;
use crate::api::{is_not_permitted, status};
use crate::query::{Query, last_id, plain};
use crate::settings::SavedFilter;

const CAMPAIGN: &str = "campaign:";
const FILTER: &str = "filter:";

#[derive(Default, Serialize, Deserialize)]
struct Place {
    after: i64,
    filled: Filled,
}

impl Lime {
    pub(crate) fn overviews(&self) -> Result<Vec<Overview>, Error> {
        let is = &self.settings;
        let mut overviews = Vec::new();
        for filter in &is.filters {
            usable(filter)?;
            overviews.push(Overview {
                id: format!("{FILTER}{}", filter.id),
                name: filter.name.clone(),
                size: None,
            });
        }
        if is.campaign_limetype.is_empty() {
            return Ok(overviews);
        }
        let query = Query {
            limetype: &is.campaign_limetype,
            object: plain(["_id", is.campaign_name_property.as_str()]),
            filter: None,
            what: "the campaigns",
        };
        let campaigns =
            query.all(&self.api, self.page_size(u32::MAX), &mut Filled::default()).map_err(no_campaigns)?;
        overviews.extend(campaigns.iter().filter_map(|campaign| {
            let id = campaign.id()?;
            let name = campaign.text(&is.campaign_name_property).unwrap_or_else(|| id.to_string());
            Some(Overview { id: format!("{CAMPAIGN}{id}"), name, size: None })
        }));
        Ok(overviews)
    }

    pub(crate) fn members(&self, overview: &str, after: Option<&str>, limit: u32) -> Result<Members, Error> {
        if let Some(campaign) = overview.strip_prefix(CAMPAIGN).and_then(|id| id.parse::<i64>().ok()) {
            return self.participants(campaign, after, limit);
        }
        let filter = overview.strip_prefix(FILTER);
        match self.settings.filters.iter().find(|it| Some(it.id.as_str()) == filter) {
            Some(filter) => self.matching(filter, after, limit),
            None => Err(Error::misconfigured(format!(
                "There is no overview `{overview}` in Lime any more. Choose another."
            ))),
        }
    }

    fn participants(&self, campaign: i64, after: Option<&str>, limit: u32) -> Result<Members, Error> {
        let is = &self.settings;
        let person = is.participant_person_property.as_str();
        let query = Query {
            limetype: &is.participant_limetype,
            object: plain(["_id", person]),
            filter: Some(json!({"key": is.participant_campaign_property, "op": "=", "exp": campaign})),
            what: "the participants",
        };
        // A person may be a participant twice; over pages the host tells them apart by id.
        self.read_page(&query, Some(person), after, limit).map_err(no_campaigns)
    }

    fn matching(&self, filter: &SavedFilter, after: Option<&str>, limit: u32) -> Result<Members, Error> {
        usable(filter)?;
        let query = Query {
            limetype: &self.settings.person_limetype,
            object: plain(["_id"]),
            filter: Some(filter.filter.clone()),
            what: "the persons of a saved filter",
        };
        self.read_page(&query, None, after, limit).map_err(|error| match status(&error) {
            Some(400) => Error::misconfigured(format!(
                "Lime does not take the filter `{}` of the setting `filters`. Copy it again from Lime's filter editor.",
                filter.id
            )),
            _ => error,
        })
    }

    /// The ids of one page: of the records themselves, or of the persons that they name.
    fn read_page(
        &self,
        query: &Query<'_>,
        person: Option<&str>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Members, Error> {
        let Place { after, mut filled } = read_cursor(after)?;
        let asked = self.page_size(limit);
        let records = query.page(&self.api, after, asked)?;
        let last = filled.was_last(asked, records.len());
        let after = last_id(&records, query.what)?.unwrap_or(after);
        let ids: BTreeSet<i64> = records
            .iter()
            .filter_map(|record| person.map_or_else(|| record.id(), |property| record.related(property)))
            .collect();
        let next = if last { None } else { Some(write_cursor(&Place { after, filled })?) };
        Ok(Members { contacts: ids.iter().map(i64::to_string).collect(), next })
    }
}

fn no_campaigns(error: Error) -> Error {
    if is_not_permitted(&error) || status(&error) == Some(400) {
        return Error::misconfigured(
            "Lime's campaigns cannot be read: their limetypes have other names, or the API user may not read them. \
             Correct the settings that begin with `campaign` and `participant`; with an empty `campaign-limetype` \
             there are no campaigns.",
        );
    }
    error
}

fn usable(filter: &SavedFilter) -> Result<(), Error> {
    if names_me(&filter.filter) {
        return Err(Error::misconfigured(format!(
            "The filter `{}` asks for the logged-in user ($me), which an API key has not. Name the coworker instead.",
            filter.id
        )));
    }
    Ok(())
}

fn names_me(filter: &Value) -> bool {
    match filter {
        Value::String(text) => text == "$me" || text.starts_with("$me."),
        Value::Array(parts) => parts.iter().any(names_me),
        Value::Object(parts) => parts.values().any(names_me),
        _ => false,
    }
}
