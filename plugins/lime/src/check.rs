//! Does it work: what a person who sets the integration up wants to know, in sentences.
//!
//! Address, key and the limetype of persons must be right, or the check fails. Everything else is told
//! as found, with what to do about it.

use sluice_sdk::Error;
use sluice_sdk::paging::Filled;

use crate::api::{Api, is_not_permitted, status};
use crate::limetype::Model;
use crate::settings::Settings;
use crate::{Lime, consent, list, person};

impl Lime {
    pub(crate) fn findings(&self) -> Result<Vec<String>, Error> {
        let Self { api, settings, .. } = self;
        // Lime's own client uses the root of the API as its test of a connection.
        api.get("v1/", "the API")?.ok("the API")?;
        let mut found = vec!["Lime accepts the API key.".to_owned()];
        let model = Model::read(api, settings)?;
        found.push(fields_found(&model, settings)?);
        let may_query = self.with_model(|model| self.persons(model, None).page(api, 0, 1));
        let may_query = match may_query {
            Ok(_) => true,
            Err(error) if is_not_permitted(&error) => false,
            Err(error) => return Err(error),
        };
        found.push(if may_query {
            format!("{} can be read by Lime Query.", sentence_start(person::WHAT))
        } else {
            "Lime Query is not permitted to the API user: persons are read from the limeobject list, which takes \
             longer. Give the user the right to use Lime Query."
                .to_owned()
        });
        found.push(self.consents_found(may_query)?);
        found.push(webhooks_found(api)?);
        Ok(found)
    }

    fn consents_found(&self, may_query: bool) -> Result<String, Error> {
        if !self.reads_consents() {
            return Ok(
                "Consents are read only from yesno fields of the person, as the setting `consents` says."
                    .to_owned(),
            );
        }
        let types = match self.consent_types() {
            Ok(types) => types.len(),
            Err(error) if matches!(status(&error), Some(400 | 403 | 404)) => {
                return Ok(consent::MISSING.to_owned());
            }
            Err(error) => return Err(error),
        };
        if let Err(error) = self.some_consents(may_query) {
            return match status(&error) {
                Some(400 | 403 | 404) => Ok(consent::MISSING.to_owned()),
                _ => Err(error),
            };
        }
        Ok(format!("The consent add-on is there, with {types} consent types."))
    }

    /// Reads a few consents in each way that a scan would.
    fn some_consents(&self, may_query: bool) -> Result<(), Error> {
        let records = if may_query {
            self.orphans(0, 1, &mut Filled::default())?;
            self.consents(None).page(&self.api, 0, 1)?
        } else {
            let limetype = &self.settings.consent_limetype;
            list::page(&self.api, limetype, "", list::Place::default(), 1, consent::WHAT)?.0
        };
        self.answers(&records).map(drop)
    }
}

fn fields_found(model: &Model, settings: &Settings) -> Result<String, Error> {
    let email = &settings.email_property;
    if !model.person.iter().any(|property| &property.name == email) {
        return Err(Error::misconfigured(format!(
            "The limetype `{}` has no property `{email}` that the API user may read. Correct the setting \
             `email-property`, or give the user the right.",
            settings.person_limetype
        )));
    }
    Ok(match model.company.len() {
        0 => format!("A person has {} fields and no company that could be joined.", model.person.len()),
        company => format!("A person has {} fields, and {company} of its company.", model.person.len()),
    })
}

/// Statuses as Lime's page on webhooks and its client have them: 404 without the add-on, 403 outside the
/// group of webhook users.
fn webhooks_found(api: &Api) -> Result<String, Error> {
    let what = "the webhook subscriptions";
    let reply = api.get("v1/subscription/", what)?;
    Ok(match reply.status() {
        200..=299 => "Webhooks can be set up, so that changes arrive as they are made.".to_owned(),
        404 => "Lime's webhook add-on is not installed: changes arrive only with a full sync.".to_owned(),
        401 | 403 => {
            "The API user may not set webhooks up. Put it into Lime's group `Webhook Users`, so that changes \
                      arrive as they are made."
                .to_owned()
        }
        _ => return Err(reply.error(what)),
    })
}

fn sentence_start(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
