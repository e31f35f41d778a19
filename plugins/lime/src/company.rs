//! The persons of a company that changed: they show its values, so they are read again.
//!
//! By a query; without the right to Lime Query, by Lime's list with a range over the relation, as the consents of
//! listed persons are.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_sdk::paging::{Filled, read_cursor, write_cursor};
use sluice_sdk::{Error, Sharers};

use crate::Lime;
use crate::api::is_not_permitted;
use crate::limetype::Model;
use crate::list;
use crate::person::WHAT;
use crate::query::{Query, last_id, plain};
use crate::record::Record;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Place {
    Queried { after: i64, filled: Filled },
    Listed(list::Place),
}

impl Default for Place {
    fn default() -> Self {
        Self::Queried { after: 0, filled: Filled::default() }
    }
}

impl Lime {
    /// The events about companies whose persons are to be read again. A new one has no persons yet.
    ///
    /// # Errors
    /// As Lime answers.
    pub(crate) fn company_events(&self) -> Result<Option<String>, Error> {
        let model = Model::get(&self.api, &self.settings)?;
        Ok((!model.company.is_empty()).then(|| format!("{}.update", model.company_limetype)))
    }

    /// A page of the ids of a company's persons; none if the record is no company, or persons show nothing of it.
    pub(crate) fn persons_of(
        &self,
        subject: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Sharers, Error> {
        let model = Model::get(&self.api, &self.settings)?;
        let company = subject
            .rsplit_once(' ')
            .filter(|(limetype, _)| !model.company.is_empty() && *limetype == model.company_limetype)
            .and_then(|(_, id)| id.parse::<i64>().ok());
        let Some(company) = company else {
            return Ok(Sharers { contacts: Vec::new(), next: None });
        };
        match read_cursor(after)? {
            Place::Queried { after, filled } => match self.queried(company, after, filled, limit) {
                Err(error) if is_not_permitted(&error) => self.listed(company, list::Place::default(), limit),
                page => page,
            },
            Place::Listed(place) => self.listed(company, place, limit),
        }
    }

    fn queried(&self, company: i64, after: i64, mut filled: Filled, limit: u32) -> Result<Sharers, Error> {
        let query = Query {
            limetype: &self.settings.person_limetype,
            object: plain(["_id"]),
            filter: Some(json!({"key": self.settings.company_property, "op": "=", "exp": company})),
            what: WHAT,
        };
        let asked = self.page_size(limit);
        let records = query.page(&self.api, after, asked)?;
        let last = filled.was_last(asked, records.len());
        let after = last_id(&records, WHAT)?.unwrap_or(after);
        sharers(&records, (!last).then_some(Place::Queried { after, filled }))
    }

    fn listed(&self, company: i64, place: list::Place, limit: u32) -> Result<Sharers, Error> {
        let property = &self.settings.company_property;
        let filter = format!("&min-{property}={company}&max-{property}={company}");
        let (records, next) =
            list::page(&self.api, &self.settings.person_limetype, &filter, place, limit, WHAT)?;
        sharers(&records, next.map(Place::Listed))
    }
}

fn sharers(records: &[Record], next: Option<Place>) -> Result<Sharers, Error> {
    let contacts = records.iter().filter_map(Record::id).map(|id| id.to_string()).collect();
    Ok(Sharers { contacts, next: next.map(|place| write_cursor(&place)).transpose()? })
}
