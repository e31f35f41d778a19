//! Every point on which the simulated APSIS One rests on inference, in one place.
//!
//! The APSIS One developer hub leaves these open (or its pages contradict each other); each can be switched
//! while the sandbox runs. The defaults are the choice that is harder on the client.

use serde::{Deserialize, Serialize};

/// What happens when a profile's e-mail, mobile or CRM id attribute is set to a value that is another
/// profile's key ("Update attributes", version 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TakenKey {
    /// 409, nothing is changed.
    Conflict,
    /// The two profiles become one.
    Merge,
}

/// What an empty text does to a text attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmptyText {
    /// 400 for the whole request.
    Refused,
    /// The value is cleared, as null does.
    Clears,
    /// It is kept as a value.
    Kept,
}

/// How exports end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExportEnd {
    /// The file is given.
    Ready,
    /// 403 when it is asked for: the key may not export.
    Forbidden,
    /// 503 at the poll URL: ask again.
    Failed,
    /// 410 at the poll URL.
    Gone,
    /// 200 with JSON of another shape than inferred.
    OtherShape,
}

/// How a started import ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImportEnd {
    /// `completed`, with the good rows in.
    Completed,
    /// `error`, with nothing in.
    Error,
    /// `error` after half of the rows.
    ErrorHalfway,
}

/// The switches.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApsisSwitches {
    /// How long a token lasts; the hub says up to 24 hours.
    pub token_seconds: u64,
    /// What a dead token is answered with: 401 by the error pages, 403 as official clients assume.
    pub dead_token_status: u16,
    /// Whether `expires_in` is truthful; the hub says it is deprecated in favour of the token's `exp`.
    pub expires_in_is_true: bool,
    /// Whether 429 carries `Retry-After`; the hub documents no header.
    pub retry_after: bool,
    /// Requests a second, account (documented; a switch so that tests can lower it).
    pub account_per_second: usize,
    /// Requests a second for one profile key (documented).
    pub profile_per_second: usize,
    /// Tokens a minute (documented).
    pub tokens_per_minute: usize,
    /// Import initialisations a minute (documented).
    pub imports_per_minute: usize,
    /// Imports at the same time (documented).
    pub imports_running: usize,
    /// Whether an import that waits for its file counts as running.
    pub waiting_imports_run: bool,
    /// Exports a second (documented).
    pub exports_per_second: usize,
    /// Export downloads a minute, polls included (documented, that polls count is inferred).
    pub downloads_per_minute: usize,
    /// Bytes of a request body (documented as 100 kB).
    pub body_bytes: usize,
    /// Bytes of an import file (documented as 50 MB).
    pub file_bytes: usize,
    /// Status of an attribute update by version 1, of a delete and of a lock.
    pub write_status: u16,
    /// Status of an import initialisation.
    pub import_status: u16,
    /// What an unknown attribute is answered with, for the whole request.
    pub unknown_attribute_status: u16,
    /// See [`TakenKey`].
    pub taken_key: TakenKey,
    /// Whether setting a mapped attribute gives a profile a key in that keyspace that it did not have.
    pub mapped_attribute_gives_key: bool,
    /// See [`EmptyText`].
    pub empty_text: EmptyText,
    /// Whether a mobile number may come as a text of digits too.
    pub mobile_as_text: bool,
    /// Whether an address may hold letters beyond ASCII.
    pub unicode_addresses: bool,
    /// Whether keys of the e-mail keyspace are compared without regard to case.
    pub email_keys_ignore_case: bool,
    /// Whether definitions of attributes say their data type (`data_type`).
    pub definitions_carry_type: bool,
    /// Whether an empty reason of a consent is refused.
    pub reason_needed: bool,
    /// Whether a consent that is set to the type it has is 409 (the hub) or 200 (an older help page).
    pub same_consent_conflicts: bool,
    /// Whether opt-in over confirmed-opt-in is 409 or a downgrade.
    pub confirmed_is_kept: bool,
    /// Whose a consent is, after the address of its profile has changed. Off: the profile's, as the hub's guide to
    /// Consent 2.0 has it ("at profile level"). On: the address's that the profile had on that channel when it was
    /// set, as Consent 1.0 has it, and the Lime article's "the new address is opted in, the old one out" assumes;
    /// what the hub's page on attributes says under "Consent addresses" is not known. Consents then read empty after a
    /// change until they are set anew, and those of a former address are there again when it comes back. What one
    /// profile sets is not seen by another one with the same address, in either reading.
    pub consents_stay_with_address: bool,
    /// Whether merging creates profiles that do not exist, or answers 404.
    pub merge_creates: bool,
    /// Whether tags that are not defined are created by setting them, or refused.
    pub unknown_tags_created: bool,
    /// How exports end.
    pub export_end: ExportEnd,
    /// Until a started export is ready.
    pub export_millis: u64,
    /// How long an export can be fetched; the hub says a day.
    pub export_seconds: u64,
    /// How imports end.
    pub import_end: ImportEnd,
    /// How long an import is `queued`.
    pub import_queued_millis: u64,
    /// How long an import is `in_progress`, besides the work itself.
    pub import_running_millis: u64,
    /// How long an upload address lasts.
    pub upload_seconds: u64,
}

impl Default for ApsisSwitches {
    fn default() -> Self {
        Self {
            token_seconds: 86_400,
            dead_token_status: 401,
            expires_in_is_true: true,
            retry_after: false,
            account_per_second: 100,
            profile_per_second: 10,
            tokens_per_minute: 10,
            imports_per_minute: 10,
            imports_running: 3,
            waiting_imports_run: false,
            exports_per_second: 1,
            downloads_per_minute: 60,
            body_bytes: 100_000,
            file_bytes: 50_000_000,
            write_status: 204,
            import_status: 202,
            unknown_attribute_status: 400,
            taken_key: TakenKey::Conflict,
            mapped_attribute_gives_key: false,
            empty_text: EmptyText::Refused,
            mobile_as_text: false,
            unicode_addresses: false,
            email_keys_ignore_case: false,
            definitions_carry_type: false,
            reason_needed: true,
            same_consent_conflicts: true,
            confirmed_is_kept: true,
            consents_stay_with_address: false,
            merge_creates: false,
            unknown_tags_created: false,
            export_end: ExportEnd::Ready,
            export_millis: 500,
            export_seconds: 86_400,
            import_end: ImportEnd::Completed,
            import_queued_millis: 300,
            import_running_millis: 500,
            upload_seconds: 3600,
        }
    }
}
