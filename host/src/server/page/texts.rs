//! Every text of the pages, in one place. English, in the words of the product that people know.

use std::borrow::Borrow;

use crate::brake::Effect;
use crate::contact::FieldType;
use crate::difference;
use crate::integration::{Comparison, NewContacts};
use crate::lane::Health;
use crate::profile::{Answer, AttributeValue, ConsentType};
use crate::run::{Outcome, Phase, RunKind};
use crate::story::{By, Presence};

macro_rules! texts {
    ($($name:ident = $text:literal;)*) => { $(pub const $name: &str = $text;)* };
}

texts! {
    PRODUCT = "Sluice";
    SKIP = "Skip to the content";
    INTEGRATIONS = "Integrations";
    EDIT = "Edit";
    LOG_IN = "Log in";
    LOG_IN_HOW = "Log in with a token. An operator makes one for you: sluice token create NAME --role editor";
    TOKEN = "Token";
    LOG_OUT = "Log out";
    STATUS = "Status";
    CONDITIONS = "Sync Conditions";
    FIELDS = "Field Mapping";
    CONSENTS = "Consent Mappings";
    FULL_SYNC = "Full Sync";
    OVERVIEWS = "Overviews";
    ACTIVITY = "Activity";
    SETTINGS = "Settings";
    SAVE = "Save";
    REMOVE = "Remove";
    CANCEL_SYNC = "Cancel Sync";
    START_SYNC = "Start sync";
    DRY_RUN = "Dry run";
    SHOW_MORE = "Show more";
    TEST_CONNECTION = "Test connection";
    ENABLE = "Enable";
    DISABLE = "Disable";
    APPROVE = "Approve, and go on";
    DELETE = "Delete this integration";
    LOOK_AGAIN = "Ask both sides again";
    BACK = "Back";
    YES = "yes";
    NO = "no";
    NEVER = "never";
    NOTHING = "nothing";
    CONTACT = "Contact";
    CONTACTS = "Contacts";
    OUTCOME = "Outcome";
    REASON = "Reason";
    WHEN = "When";
    FIND_CONTACT = "Find a contact by its CRM id";
    FIND = "Find";

    INTEGRATION = "Integration";
    ID = "Id";
    ID_HOW = "Lower-case letters, digits and hyphens. It stays.";
    NAME = "Name";
    CRM = "CRM";
    VERSION = "Version";
    CONNECTOR = "Connector";
    COMPONENT = "Its file";
    MORE_SETTINGS = "More settings";
    SECRET_IS_SET = "It is set. Leave it empty to keep it.";
    MADE_BY_ITSELF = "Leave it empty: one is made.";
    SECRET_ELSEWHERE = "It is in a variable or a file of the host; one that is written here is kept in the store instead.";
    GRANT = "The connector may reach these addresses";
    PRIVATE_NETWORK = "They may be inside this network (private and loopback addresses)";
    ADDRESS = "Address";
    CLIENT_ID = "API key: client id";
    CLIENT_SECRET = "API key: client secret";
    SECTION = "Section";
    KEYSPACE = "Keyspace";
    SAME_ADDRESS = "Another profile with the same address";
    SAME_LEAVE = "stays beside the contact's";
    SAME_MERGE = "is merged, with the stricter of the consents";
    BEHAVIOUR = "Behaviour";
    COUNTRY = "Country of mobile numbers without a country code (SE)";
    TIME_ZONE = "Time zone";
    NEW_CONTACTS = "Completely new contacts";
    DAILY = "are created daily";
    AT_ONCE = "are created at once";
    ON_DELETE = "Of a contact that the CRM has deleted, the profile";
    DELETES = "is deleted";
    OPTS_OUT = "is kept, and opted out of everything";
    DELETE_UNMATCHED = "Delete the profile of a contact that stops matching the sync conditions";
    DELETE_HOW = "Everything that is known of this integration is deleted. Its profiles stay in APSIS One.";

    OVERVIEWS_HOW = "An overview is a list of contacts in the CRM. Imported, it is a tag on the profiles of its members; who is added or removed in the CRM shows after the next import.";
    OVERVIEWS_NO_SYNC = "No full sync is needed for it, and none touches it.";
    NOT_OFFERED = "This CRM's connector offers no overviews.";
    NO_OVERVIEWS = "The CRM has no overviews.";
    NOT_IN_CRM = "The CRM does not have it any more.";
    NO_TAGS = "The section has no tags in APSIS One yet: make one there for each overview, and load this page again.";
    LAST_IMPORT = "Last import";
    NEXT_IMPORT = "Next import";
    TAG = "Tag in APSIS One";
    RECURRING = "Import it every day";
    AT_TIME = "At";
    IMPORT_NOW = "Import now";
    CONFIRM_SHRINK = "Take the tag off that many";
    REMOVE_OVERVIEW_HOW = "The tag is taken off everybody who has it from this overview.";
    IMPORTS = "Imports";
    LEFT_AS_THEY_ARE = "Members that were left as they are";

    NO_INTEGRATIONS = "There is no integration yet.";
    ENABLE_INTEGRATION = "Enable an integration";
    CHOOSE_CONNECTOR = "Choose the CRM";
    NO_CONNECTORS = "This host has no connector yet. An operator adds one: sluice connector add FILE, or POST /api/v1/connectors.";
    LAST_FULL_SYNC = "Last full sync";
    BACKLOG = "Waiting";
    SYNC_NEEDED = "A full sync is needed";
    SYNC_NOT_NEEDED = "No full sync is needed";
    DEAD_LETTERS = "Given up";
    ATTENTION = "Needs attention";
    OVERVIEW_NOT_IMPORTED = "Not imported:";

    ADD_RULE = "Add New Rule";
    CRM_FIELD = "CRM field";
    OPERATOR = "Operator";
    VALUE = "Value";
    CONDITIONS_HOW = "Only contacts for which all rules hold are synced. A contact that stops matching is no longer updated; its profile stays.";
    CONDITIONS_DELETE = "A contact that stops matching is deleted from APSIS One: an operator has said so for this integration.";
    CONDITIONS_NO_SYNC = "No full sync is needed after a change: rules hold for what comes from then on.";
    NO_CONDITIONS = "There is no rule: all contacts are synced.";
    WHO_MATCHES = "Match";
    WHO_DOES_NOT = "Do not match";
    WHO_LEAVES = "Have a profile, and would match no more";
    NONE_KNOWN = "Nothing is known of the contacts before the first full sync that reads the CRM.";
    ONE_PER_LINE = "One value a line";
    GROUP = "A group of rules, made by command line or API";

    ADD_MAPPING = "Add new mapping";
    ATTRIBUTE = "APSIS One attribute";
    CONVERSION = "Conversion";
    SAMPLE = "Of the sample contact";
    SAMPLE_CONTACT = "Sample contact (CRM id)";
    BY_ITSELF = "Mapped by itself";
    FIELDS_NEED_SYNC = "A full sync is needed after a change of field mappings.";
    KIND = "Takes";
    KIND_TOLD = "what APSIS One says";
    ON_INVALID = "A value that does not fit";
    REJECTS = "rejects the contact";
    SKIPS = "is left out";
    ON_TOO_LONG = "A text that is too long";
    AS_INVALID = "is treated as one that does not fit";
    CUTS = "is cut";
    SHOW_OPTION = "Of an option";
    LABEL = "its label";
    KEY = "its key";
    TRUE_TEXT = "Yes is written as";
    FALSE_TEXT = "No is written as";
    DATE_FORMAT = "Dates are written as (strftime, %d/%m/%Y)";
    DECIMAL_COMMA = "Decimals after a comma";

    CRM_CONSENT = "CRM consent";
    SUBSCRIPTION = "Subscription";
    CHANNEL = "Channel";
    EMAIL = "E-mail";
    SMS = "SMS";
    CONSENTS_HOW = "One CRM consent to one subscription on one channel: e-mail and SMS of the same consent are two mappings.";
    CONSENTS_NEED_SYNC = "A full sync is needed after a change of consent mappings.";
    NO_SUBSCRIPTIONS = "There is no subscription in APSIS One yet. Make one there under Audience > Subscriptions, and ask both sides again.";
    FIELD_AS_CONSENT = "Yes/no fields";
    CONSENT_TYPES = "Consent types";

    FORCED = "Forced: write every contact, changed or not";
    FROM_KNOWN = "Read what is known of the contacts, and not the CRM";
    DRY_RUN_HOW = "A dry run does all that a full sync does but the writing, and tells what would change.";
    HISTORY = "History";
    NO_RUNS = "There was none yet.";
    GATE = "What the CRM sends meanwhile is stored, and waits until the run has ended.";
    GATE_HOLDS = "Deliveries that wait";
    RATE = "Contacts a second";
    LEFT = "Time left";
    REASONS = "Results by reason";
    DOWNLOAD = "Download as CSV";
    DIFFERENCES = "What would change";
    DISCARDED = "Discarded records";
    BEFORE = "Before";
    AFTER = "After";
    HELD_HOW = "It would do more than it may without being asked, and waits. Nothing of it is done until somebody approves.";

    REPLAY = "Try again";
    REPLAY_ALL = "Try all again";
    CAUSES = "Given up, by cause";
    CAUSES_DISCARDED = "Discarded, by cause";
    DELIVERY = "Delivery";
    ARRIVED = "Came in";
    CAME_TO = "Came to";
    WAITS = "waits";
    ANY = "any";
    FILTER = "Show";
    NO_DELIVERIES = "There is none.";
    SYNC_NOW = "Sync now";
    FORGET = "Forget this person";
    FORGET_HOW = "Erases the person from APSIS One and from here, and keeps them out from then on.";
    STORY = "What was done";
    MAY = "May be sent";
    MAY_NOT = "May not be sent";
    CONTACT_LAST_SEEN = "As it was last read";
    RULES_SAID = "What the rules made of it";

    CHART_OUTCOMES = "What deliveries came to";
    CHART_WAIT = "How long deliveries waited";
}

/// How an integration is.
pub fn health(health: impl Borrow<Health>) -> &'static str {
    match health.borrow() {
        Health::Disabled => "Off",
        Health::NeedsAttention => "Needs attention",
        Health::Held => "Waits for approval",
        Health::Waiting => "A side is away",
        Health::Running => "Full sync",
        Health::DeadLetters => "Works, some given up",
        Health::Works => "Works",
    }
}

/// The class of how an integration is: good, busy, or bad.
pub fn health_class(health: impl Borrow<Health>) -> &'static str {
    match health.borrow() {
        Health::Works => "good",
        Health::Running | Health::Waiting | Health::Disabled => "busy",
        Health::NeedsAttention | Health::Held | Health::DeadLetters => "bad",
    }
}

/// What was done, by the word in an address.
pub fn done(word: &str) -> Option<&'static str> {
    Some(match word {
        "conditions" => "Saved. No full sync is needed: the rules hold for what comes from now on.",
        "fields" => "Saved. A full sync is needed, so that all profiles become right.",
        "consents" => "Saved. A full sync is needed, so that all consents become right.",
        "enabled" => "It works again.",
        "disabled" => "It is off: the webhook is taken back, and what still comes in is held.",
        "approved" => "Approved: it goes on.",
        "cancelling" => "It stops as soon as what is being sent has been answered.",
        "replayed" => "They are tried again.",
        "added" => {
            "The integration is enabled. Now say who is synced, map fields and consents, and start a full sync."
        }
        "settings" => "Saved.",
        "deleted" => "It is deleted as soon as its webhook is taken back. Its profiles stay in APSIS One.",
        "forgetting" => "The person is being forgotten. What was erased is said here when it is done.",
        "syncing" => "The contact is read from the CRM and written; what came of it is below in a moment.",
        "overview" => "Saved.",
        "importing" => "The import has begun.",
        _ => return None,
    })
}

/// What a run is.
pub fn run_kind(kind: impl Borrow<RunKind>) -> &'static str {
    match kind.borrow() {
        RunKind::FullSync => "Full sync",
        RunKind::Daily => "Daily run",
        RunKind::DryRun => "Dry run",
    }
}

/// How a run stands.
pub fn phase(phase: impl Borrow<Phase>) -> &'static str {
    crate::progress::headline(*phase.borrow())
}

/// The class of how a run stands.
pub fn phase_class(phase: impl Borrow<Phase>) -> &'static str {
    match phase.borrow() {
        Phase::Completed => "good",
        Phase::Failed | Phase::Held => "bad",
        _ => "busy",
    }
}

/// What a contact came to.
pub fn outcome(outcome: impl Borrow<Outcome>) -> &'static str {
    outcome.borrow().as_str()
}

/// A consent.
pub fn consent(state: impl Borrow<ConsentType>) -> &'static str {
    match state.borrow() {
        ConsentType::OptOut => "opted out",
        ConsentType::OptIn => "opted in",
        ConsentType::ConfirmedOptIn => "opted in, confirmed",
        ConsentType::PendingOptIn => "asked, not confirmed",
    }
}

/// An answer that mappings made out.
pub fn answer(answer: impl Borrow<Answer>) -> &'static str {
    match answer.borrow() {
        Answer::Given(_) => "yes",
        Answer::Refused(_) => "no",
        Answer::Unsaid => "never asked",
    }
}

/// Whether a contact has a profile.
pub fn presence(presence: impl Borrow<Presence>) -> &'static str {
    match presence.borrow() {
        Presence::There => "in APSIS One",
        Presence::ThereAsBefore => "in APSIS One, no longer updated",
        Presence::Deleted => "deleted",
        Presence::NotThere => "not in APSIS One",
        Presence::WaitsForDailyRun => "waits for the daily run",
        Presence::Forgotten => "forgotten",
        Presence::Unknown => "not known",
    }
}

/// What the brake counts.
pub fn effect(effect: impl Borrow<Effect>) -> &'static str {
    match effect.borrow() {
        Effect::OptOut => "would be opted out of something",
        Effect::OptIn => "would be newly opted in to something",
        Effect::Delete => "would be deleted",
    }
}

/// What a field holds.
pub fn field_type(holds: impl Borrow<FieldType>) -> &'static str {
    match holds.borrow() {
        FieldType::Boolean => "yes or no",
        FieldType::Integer => "whole number",
        FieldType::Decimal => "number",
        FieldType::Text => "text",
        FieldType::Date => "date",
        FieldType::Timestamp => "date with time",
        FieldType::Choice => "one option",
        FieldType::Choices => "several options",
        FieldType::Json => "other",
    }
}

/// How a field is compared.
pub fn comparison(how: Comparison) -> &'static str {
    match how {
        Comparison::Greater => "is greater or later than",
        Comparison::Less => "is less or earlier than",
        Comparison::AtLeast => "is at least",
        Comparison::AtMost => "is at most",
    }
}

/// When new contacts get their profiles.
pub fn new_contacts(when: impl Borrow<NewContacts>) -> &'static str {
    match when.borrow() {
        NewContacts::Immediately => "Completely new contacts get a profile at once.",
        NewContacts::Daily => "Completely new contacts are created daily.",
    }
}

/// An attribute's value.
pub fn written(value: &Option<AttributeValue>) -> String {
    value.as_ref().and_then(difference::in_words).unwrap_or_default()
}

/// Because of what something was done.
pub fn because(by: impl Borrow<By>) -> String {
    match by.borrow() {
        By::Run(run) => format!("run {run}"),
        By::Change(number) => format!("change {}", number.0),
    }
}

/// A number, in groups of three.
pub fn number(number: impl Borrow<u64>) -> String {
    let digits = number.borrow().to_string();
    let mut words = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            words.push('\u{a0}');
        }
        words.push(digit);
    }
    words
}

/// How many of what conditions would make of contacts were looked at.
pub fn looked_at(matching: &u64, looked_at: &u64, all: &bool) -> String {
    let (matching, looked) = (number(matching), number(looked_at));
    if *all {
        format!("{matching} of {looked} known contacts match")
    } else {
        format!(
            "{matching} of the first {looked} known contacts match; there are more, which a dry run looks at"
        )
    }
}

/// A mapping that has no row for the other channel.
pub fn other_channel(channel: &str) -> String {
    format!("{channel} of this consent is not mapped: add a row for it if it should be sent there")
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_read_in_groups() {
        let of = |given: u64| number(given);
        assert_eq!(
            (of(7), of(1234), of(1_234_567)),
            ("7".into(), "1\u{a0}234".into(), "1\u{a0}234\u{a0}567".into())
        );
    }
}
