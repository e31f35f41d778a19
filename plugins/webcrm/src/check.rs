//! Does it work: what a person who sets the integration up wants to know, in sentences.
//!
//! The application token, the fields and the persons must be right, or the check fails. Everything else is told as
//! found, with what to do about it.

use sluice_sdk::{Error, ErrorKind};

use crate::WebCrm;
use crate::inferred::is_refused;
use crate::list;
use crate::metadata::Model;
use crate::query::Query;
use crate::settings::HookToken;
use crate::table::Table;

impl WebCrm {
    pub(crate) fn findings(&self) -> Result<Vec<String>, Error> {
        let model = Model::read(&self.api, &self.settings)?;
        let mut found = vec!["webCRM accepts the application token.".to_owned()];
        found.push(match model.company.len() {
            0 => format!("A person has {} fields; organisations are not joined.", model.person.len()),
            company => {
                format!("A person has {} fields, and {company} of its organisation.", model.person.len())
            }
        });
        found.push(self.reading_found(&model)?);
        found.push(match model.boxes.len() {
            0 => "No box of a person can hold a consent; the block of mass e-mail can be mapped.".to_owned(),
            boxes => format!("{boxes} boxes of a person can hold consents, beside the block of mass e-mail."),
        });
        if self.settings.unblocked_is_consent {
            found.push(
                "Persons who do not block mass e-mail count as having consented to it, as the setting \
                 `unblocked-is-consent` says."
                    .to_owned(),
            );
        }
        found.push(self.hooks_found()?);
        Ok(found)
    }

    fn reading_found(&self, model: &Model) -> Result<String, Error> {
        match (Query { table: Table::Person, condition: None }).page(&self.api, 0, 2) {
            Ok(records) => {
                self.contacts(&records, model)?;
                Ok("Persons can be read by queries.".to_owned())
            }
            Err(error) if is_refused(&error) => {
                let (records, _) = list::page(&self.api, list::Place::beginning(2), 2)?;
                self.contacts(&records, model)?;
                Ok("webCRM refuses queries: persons are read from its list, which takes longer, and what changed since \
                    a moment cannot be told. Ask webCRM to permit /Queries to the application token."
                    .to_owned())
            }
            Err(error) => Err(error),
        }
    }

    fn hooks_found(&self) -> Result<String, Error> {
        if HookToken::read()?.is_none() {
            return Ok(
                "The setting `hook-word` is not given: changes arrive only with a full sync.".to_owned()
            );
        }
        match self.hooks_readable() {
            Ok(()) => Ok("Hooks can be set up, so that changes arrive as they are made.".to_owned()),
            Err(error) if matches!(error.kind, ErrorKind::Unauthorized | ErrorKind::Misconfigured) => {
                Ok("The application token may not set hooks up: changes arrive only with a full sync. Give it the right \
                    in webCRM."
                    .to_owned())
            }
            Err(error) => Err(error),
        }
    }
}
