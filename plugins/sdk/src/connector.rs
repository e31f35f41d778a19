//! The traits that an author implements.
//!
//! A value of the type lives for one call: the host makes a fresh instance for each, so nothing that a
//! method changes in it is there the next time. Cursors and [`crate::session`] are what outlives a call.

use serde::de::DeserializeOwned;

use crate::{
    Change, ConsentInfo, Contact, Delivery, Description, Error, FieldInfo, Members, Overview, Page, Proof,
    Sharers,
};

/// What every connector does.
pub trait Connector: Sized {
    /// The integration's settings, as [`Connector::describe`] asks for them. Secrets are not among them.
    type Settings: DeserializeOwned;

    /// What this connector is and needs. Pure: it must not use settings, session, secrets or requests.
    fn describe() -> Description;

    /// Starts one call.
    ///
    /// # Errors
    /// `misconfigured` where a setting cannot be used.
    fn open(settings: Self::Settings) -> Result<Self, Error>;

    /// A cheap proof that settings and credentials work; what it found, in words for the user.
    ///
    /// # Errors
    /// Whatever makes every other call fail as well.
    fn check(&self) -> Result<Vec<String>, Error>;

    /// The fields of a contact.
    ///
    /// # Errors
    /// As the CRM answers.
    fn list_fields(&self) -> Result<Vec<FieldInfo>, Error>;

    /// The consent types. By default there are none.
    ///
    /// # Errors
    /// As the CRM answers.
    fn list_consents(&self) -> Result<Vec<ConsentInfo>, Error> {
        Ok(Vec::new())
    }

    /// One page of all contacts: at most `limit`; `None` starts at the beginning.
    ///
    /// # Errors
    /// As the CRM answers; `cursor-expired` for a cursor that cannot be used any more.
    fn scan(&self, after: Option<&str>, limit: u32) -> Result<Page, Error>;

    /// One page of the contacts that were created or changed since a moment (RFC 3339, UTC). By
    /// default the CRM cannot say.
    ///
    /// # Errors
    /// As [`Connector::scan`], or `unsupported`.
    fn scan_changed(&self, _since: &str, _after: Option<&str>, _limit: u32) -> Result<Page, Error> {
        Err(Error::unsupported("This CRM cannot say which contacts have changed: start a full sync instead."))
    }

    /// Contacts by id; one that is not there is left out.
    ///
    /// # Errors
    /// As the CRM answers.
    fn get(&self, ids: &[String]) -> Result<Vec<Contact>, Error>;
}

/// A CRM that sends what changes.
pub trait Deliveries: Connector {
    /// Whether the CRM sent it. Must not make requests. It is asked at the door, before anything is stored and
    /// while the CRM waits, so it has no connector with all the settings read: it takes those that it needs by
    /// [`settings::text`](crate::settings::text).
    ///
    /// # Errors
    /// `unauthorized` where it did not.
    fn verify(delivery: &Delivery) -> Result<Proof, Error>;

    /// What the delivery says. Must not make requests.
    ///
    /// # Errors
    /// `malformed` where it cannot be read.
    fn receive(&self, delivery: &Delivery) -> Result<Vec<Change>, Error>;

    /// One page of the contacts that show the values of a record which [`Deliveries::receive`] discarded as
    /// `not-relevant`, by the discard's subject: the people of a company that changed. By default there are none.
    ///
    /// # Errors
    /// As the CRM answers.
    fn contacts_of(&self, _subject: &str, _after: Option<&str>, _limit: u32) -> Result<Sharers, Error> {
        Ok(Sharers { contacts: Vec::new(), next: None })
    }

    /// Asks the CRM to send changes to `url`; safe to call twice. The CRM's id for it.
    ///
    /// # Errors
    /// As the CRM answers.
    fn subscribe(&self, url: &str) -> Result<String, Error>;

    /// Ends a subscription; one that is gone already is fine.
    ///
    /// # Errors
    /// As the CRM answers.
    fn unsubscribe(&self, id: &str) -> Result<(), Error>;
}

/// A CRM that has lists of people.
pub trait Overviews: Connector {
    /// The lists.
    ///
    /// # Errors
    /// As the CRM answers.
    fn list_overviews(&self) -> Result<Vec<Overview>, Error>;

    /// One page of the ids on a list.
    ///
    /// # Errors
    /// As the CRM answers; `misconfigured` for a list that is not there.
    fn read_members(&self, overview: &str, after: Option<&str>, limit: u32) -> Result<Members, Error>;
}
