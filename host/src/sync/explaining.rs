//! What a contact looked like when it was decided, for its story.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::contact::Contact;
use crate::rules::Rules;
use crate::run::{Outcome, Verdict};
use crate::story::Seen;

/// A contact as it was decided. Of one that is unchanged the rules made what they made before, so that it is not
/// worked out and stored anew.
pub fn seen(rules: &Rules, today: Date, contact: Contact, verdict: &Verdict) -> Seen {
    let is_same = matches!(verdict, Verdict::Settled(Outcome::Unchanged, _));
    let explained = (!is_same).then(|| rules.explain(&contact, today));
    Seen { at: Timestamp::now(), contact, explained }
}
