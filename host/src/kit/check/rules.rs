//! The rules, with what each protects whoever syncs from, and how to mend a connector that breaks it.

use serde::Serialize;

/// What a rule is about. A connector keeps a level when it keeps all rules up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// What it says of itself.
    Says,
    /// Reading.
    Reads,
    /// What it does when the CRM fails.
    Fails,
    /// Deliveries, and the CRM's lists.
    Listens,
}

impl Level {
    /// In a few words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Says => "What it says of itself",
            Self::Reads => "Reading people",
            Self::Fails => "When the CRM fails",
            Self::Listens => "Deliveries and lists",
        }
    }
}

/// One rule.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Stable.
    pub id: &'static str,
    /// What it is about.
    pub level: Level,
    /// What a connector does that keeps it.
    pub promise: &'static str,
    /// What happens to whoever syncs if it does not.
    pub protects: &'static str,
    /// How to mend it.
    pub mend: &'static str,
}

macro_rules! rules {
    ($($level:ident: $id:literal, $promise:literal, $protects:literal, $mend:literal;)*) => {
        /// All rules, in the order in which they are tried and shown.
        pub const RULES: &[Rule] = &[$(Rule {
            id: $id, level: Level::$level, promise: $promise, protects: $protects, mend: $mend,
        },)*];
    };
}

rules! {
    Says: "describe-pure", "It describes itself the same each time, and uses nothing for it.",
        "A connector could do something before anybody has granted it anything.",
        "Return a constant from `describe`: no setting, session, time or request.";
    Says: "describe-whole", "Its id, name, version and fields are said in full.",
        "People cannot tell connectors and their versions apart.",
        "Give an id of small letters, digits and hyphens, a name for people, and a version such as 1.2.0.";
    Says: "settings-form", "Each setting has a title or a description, and every secret is text marked writeOnly.",
        "Whoever enables an integration sees a form of names that say nothing, or a secret in plain sight.",
        "Add `title` and `description` to each property of the settings' schema, and `\"writeOnly\": true` to secrets.";
    Says: "origins-named", "The addresses that it asks for come from its settings or are fixed.",
        "An operator cannot see what is granted.",
        "Name only settings that the schema has, and whole origins: `https://{settings.server}`.";
    Reads: "check-works", "`check` succeeds where everything else does.",
        "Whoever tests the connection is told something else than what happens then.",
        "Let `check` make the cheapest request that needs settings and credentials, and nothing more.";
    Reads: "fields-named", "`list-fields` names the id, e-mail and mobile fields and each field once, choices with options.",
        "Rules cannot be made, or mean another field.",
        "List every field that a contact can have, under names that stay.";
    Reads: "values-typed", "A contact has only listed fields, each with its listed type; what does not fit it is text, as it is.",
        "A condition or mapping that was checked when it was saved fails later, contact by contact.",
        "Convert each value to its field's type, or list the field under the type that its values have.";
    Reads: "consents-named", "A contact has only consents that `list-consents` names.",
        "A consent that nobody can map is silently lost.",
        "List every consent type, those that are out of use as well.";
    Reads: "pages-end", "A scan ends, and never gives the same cursor twice.",
        "A full sync never ends.",
        "Return no `next` with the last page, and let each cursor say where to go on.";
    Reads: "pages-limited", "A page has at most as many contacts as were asked for.",
        "A page does not fit into memory.",
        "Pass the limit on to the CRM, or cut the page yourself and go on from there.";
    Reads: "pages-same-again", "The same cursor gives the same page to a new instance.",
        "After a crash, a run that goes on loses people or reads them twice.",
        "Put all that a page needs into the cursor; keep nothing in the instance.";
    Reads: "nobody-twice", "A scan gives everybody who is there, once.",
        "Somebody is missing in APSIS One, or counted twice.",
        "Sort by something that does not change, such as the id, and go on behind the last one.";
    Reads: "steady-crowd", "Who is there from the first page to the last comes once, whoever comes and goes meanwhile.",
        "People move to another page while a full sync runs, and are never synced.",
        "Go on behind the last id (`id > 1017`), not at a place (`page 3`): places move when somebody is deleted.";
    Reads: "get-the-same", "`get` gives what the scan gave, and leaves out who is not there.",
        "Real time writes another profile than the full sync.",
        "Build contacts by one function, for `scan` and for `get`; a missing id is no error.";
    Reads: "changed-found", "`scan-changed` gives who was changed since then, or says `unsupported`.",
        "What was missed is never made up for.",
        "Compare with the CRM's time of change, a little earlier than asked; say `unsupported` if there is none.";
    Reads: "times-utc", "Moments are RFC 3339 in UTC, and dates are YYYY-MM-DD.",
        "An older state overwrites a newer one, or a birthday moves by a day.",
        "Convert what the CRM writes, with its time zone, to `2026-11-28T09:00:00Z`; a date has no time zone.";
    Reads: "ids-stable", "A contact's id is its id field, and stays.",
        "Each sync makes new profiles.",
        "Use the CRM's own key, never a place in a list or an e-mail address.";
    Reads: "deterministic", "The same CRM gives the same contacts, field by field.",
        "Each full sync writes everybody anew.",
        "Sort what has no order, and use neither time nor chance in values.";
    Reads: "no-passwords", "No field is for a password, a token or a login.",
        "Secrets of people end up in a marketing platform.",
        "Leave such fields out of `list-fields` and of contacts.";
    Reads: "only-granted", "It asks only for addresses that were granted.",
        "A connector reaches what it has no business with.",
        "Build addresses from the setting that `origins` names; do not follow what an answer says elsewhere.";
    Reads: "within-limits", "The largest page fits into the host's limits of time, memory and size.",
        "Full syncs of large customers fail.",
        "Ask for several pages of the CRM for one of the host's only while they fit; keep no copies.";
    Reads: "quiet", "No log line, error or discard holds an address, a number, a name or a secret.",
        "Personal data is in logs for ever.",
        "Name the record by its id; never repeat what the CRM answered.";
    Fails: "unauthorized-said", "Refused credentials are `unauthorized`.",
        "A run is tried again and again until the CRM locks the key.",
        "Answer 401 and 403 with `unauthorized`, and say which credential to mend.";
    Fails: "rate-limit-said", "Too many requests are `rate-limited`, with the CRM's delay.",
        "The CRM shuts the customer out.",
        "Answer 429 with `rate-limited`, and `Retry-After` in seconds as `retry-after-ms`.";
    Fails: "unavailable-said", "A CRM that is away or at fault is `unavailable`.",
        "A run fails for good because of one bad minute.",
        "Answer 5xx and requests without an answer with `unavailable`.";
    Fails: "broken-answers", "An answer that is no answer is an error: never a crash, never fewer people.",
        "People are taken for gone, or a run ends, because a proxy answered in the CRM's place.",
        "Read every answer strictly: what is not of the expected form is `malformed`.";
    Listens: "receive-any", "`receive` and `verify` take any bytes without crashing.",
        "Anybody can stop deliveries by sending nonsense.",
        "Parse without assuming anything; what cannot be read is `malformed`.";
    Listens: "receive-alone", "`receive` and `verify` make no request.",
        "Deliveries wait for a CRM that is down.",
        "Say `touched`; the host reads the contact when its turn comes.";
    Listens: "verify-refuses", "`verify` refuses what the CRM did not sign.",
        "Anybody can change who may be mailed.",
        "Check the signature over the raw body by `verify-hmac-sha256`, and answer `unauthorized`.";
    Listens: "subscribe-twice", "Subscribing and unsubscribing may be repeated.",
        "After a crash there are two webhooks, or none that can be taken back.",
        "Look for a webhook with this address first; take a missing one for unsubscribed.";
    Listens: "members-paged", "Members of a list come page by page and end; an unknown list is an error.",
        "Somebody keeps a tag that is no longer his.",
        "As for scans; a list that is gone is `misconfigured`, never empty.";
}

/// A rule by its id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_rule_has_an_id_of_its_own_and_levels_come_in_order() {
        let ids: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), RULES.len());
        assert!(RULES.is_sorted_by_key(|rule| rule.level));
        assert!(rule("quiet").is_some() && rule("loud").is_none());
    }
}
