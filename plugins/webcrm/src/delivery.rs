//! What webCRM's hooks send: whether it came by a hook of ours, and whom it is about.
//!
//! webCRM signs nothing and does not say what a body looks like. So a hook's address carries a token, which is what
//! proves it, and says itself for which table and event it was set up. Of the body only the record's id is taken, and
//! the host reads that record again: whoever knew the token could have persons read, and nothing else.

use percent_encoding::percent_decode_str;
use sluice_sdk::{Change, Delivery, Discard, DiscardReason, Error, Proof};

use crate::api::in_query;
use crate::company;
use crate::inferred;
use crate::settings::HookToken;
use crate::table::Table;

/// What happened to a record. webCRM has a hook for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "webCRM's names")]
pub enum Event {
    Create,
    Update,
    Delete,
}

impl Event {
    /// webCRM's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Update => "Update",
            Self::Delete => "Delete",
        }
    }
}

/// The hooks that are set up. An organisation that is new has no persons yet.
pub const HOOKS: &[(Table, Event)] = &[
    (Table::Person, Event::Create),
    (Table::Person, Event::Update),
    (Table::Person, Event::Delete),
    (Table::Organisation, Event::Update),
    (Table::Organisation, Event::Delete),
];

/// The address that a hook posts to.
pub fn address(url: &str, token: &HookToken, table: Table, event: Event) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}token={}&of={}&event={}", in_query(token.as_str()), table.name(), event.name())
}

/// Whether an address is one that [`address`] makes of this, whatever the token.
pub fn is_of(address: &str, url: &str) -> bool {
    address.strip_prefix(url).is_some_and(|rest| rest.starts_with("?token=") || rest.starts_with("&token="))
}

fn parameter(delivery: &Delivery, name: &str) -> Option<String> {
    let pairs = delivery.query.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)?;
    Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
}

/// Whether it came to an address that only webCRM was told.
///
/// # Errors
/// `unauthorized` where it did not, or where no token is set.
pub fn verify(delivery: &Delivery) -> Result<Proof, Error> {
    let Some(token) = HookToken::read()? else {
        return Err(refused("the setting `hook-word` is not given, so that no message can be proven"));
    };
    match parameter(delivery, "token") {
        Some(given) if token.is(&given) => Ok(Proof { id: None, sent_at: None }),
        Some(_) => Err(refused("the token in its address is another one")),
        None => Err(refused("its address has no token")),
    }
}

fn refused(why: &str) -> Error {
    Error::unauthorized(format!("The message was refused as not from webCRM: {why}."))
}

/// Whom a delivery is about.
///
/// # Errors
/// `malformed` where its body names no record.
pub fn receive(delivery: &Delivery) -> Result<Vec<Change>, Error> {
    let of = parameter(delivery, "of");
    let told = HOOKS.iter().map(|(table, _)| *table).find(|table| of.as_deref() == Some(table.name()));
    let resource = inferred::resource(&delivery.body, told).ok_or_else(|| {
        Error::malformed(
            "The message names no record in any way that is known of webCRM's hooks. Nothing was changed: start a full \
             sync, and report it.",
        )
    })?;
    // The address was written by this connector; a body that names another table is about that one.
    let table = resource.table.or(told).unwrap_or(Table::Person);
    let id = resource.id;
    let is_deleted = parameter(delivery, "event").as_deref() == Some(Event::Delete.name());
    Ok(vec![match table {
        Table::Person if is_deleted => Change::Deleted(id.to_string()),
        Table::Person => Change::Touched(id.to_string()),
        Table::Organisation => Change::Discarded(Discard {
            subject: Some(company::subject(id)),
            reason: DiscardReason::NotRelevant,
            message: "An organisation changed that no person shows.".to_owned(),
        }),
    }])
}
