//! What a contact looked like when it was decided, for its story.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::contact::{Contact, ContactId};
use crate::rules::Rules;
use crate::run::{Outcome, Verdict};
use crate::story::Seen;

/// A contact that the CRM has not: nothing is known of it, and it is not to be taken for what it was.
pub fn nobody(id: ContactId) -> Contact {
    Contact { id, modified_at: None, fields: BTreeMap::new(), consents: Vec::new() }
}

/// That the CRM was found not to have a contact.
pub fn seen_gone(id: ContactId) -> Seen {
    Seen { at: Timestamp::now(), contact: nobody(id), explained: None }
}

/// A contact as it was decided. Of one that is unchanged the rules made what they made before, so that it is not
/// worked out and stored anew.
pub fn seen(rules: &Rules, today: Date, contact: Contact, verdict: &Verdict) -> Seen {
    let is_same = matches!(verdict, Verdict::Settled(Outcome::Unchanged, _));
    let explained = (!is_same).then(|| rules.explain(&contact, today));
    Seen { at: Timestamp::now(), contact, explained }
}
