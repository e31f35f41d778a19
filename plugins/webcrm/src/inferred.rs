//! What this connector takes webCRM to do though no page of webCRM says so, in one place.
//!
//! Known otherwise, from webCRM's REST page, its published API definition and the vendor's own integration code: the
//! log-in, the rate limit, `Page` and `Size`, the names of fields, `/FieldsMetadata`, hooks and their event types,
//! and of `/Queries` that it takes `SELECT * FROM`, comparisons, `AND`, bracketed `OR` and `ORDER BY`. Everything
//! here is a conclusion from these. Each is guarded where it is used: a wrong one ends in an error that says so, or in
//! a slower way of reading, and never in a person who is left out in silence.

use serde_json::Value as Json;
use sluice_sdk::Error;

use crate::metadata::Kind;
use crate::table::Table;

/// How long an access token is used, of the time that webCRM says it lives: a client that is known renews after 3,000
/// of 3,600 seconds.
pub fn seconds_of_use(expires_in: u32) -> u32 {
    expires_in.saturating_sub(expires_in / 6)
}

/// How long an access token lives where the answer does not say: an hour, as webCRM's page has it.
pub const EXPIRES_IN: u32 = 3600;

/// That `/Queries` is not there, not permitted, or refuses the way in which it is asked. It is in the vendor's code
/// and not in the published definition. Numbers in comparisons were never seen, so 400 can mean that.
pub fn is_refused(error: &Error) -> bool {
    error.detail(UNORDERED).is_some() || matches!(status(error), Some(400 | 403 | 404 | 405 | 410 | 501))
}

/// The detail of an error about records that are not in the order that was asked for.
pub const UNORDERED: &str = "webcrm.unordered";

/// The HTTP status that an error came with.
pub fn status(error: &Error) -> Option<u16> {
    error.detail("http.status").and_then(|status| status.parse().ok())
}

/// A text in a script: a quote within it is doubled, as in SQL. None of what is asked for has one.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What a field holds, by its name where that is certain, or else by its display type. The definition names the
/// types and does not say what they mean; one that is not here is text.
pub fn kind_of(name: &str, display_type: &str, has_options: bool) -> Kind {
    let own = name.strip_prefix("Person").or_else(|| name.strip_prefix("Organisation")).unwrap_or(name);
    match own {
        "Id" | "OrganisationId" | "MarketDateId" | "TerritoryId" | "SupportLanguageId" => {
            return Kind::Integer;
        }
        "CreatedAt" | "UpdatedAt" => return Kind::Time,
        "BlockMassEmail" | "BlockMassEmail2" | "EmailBounces" | "Email2Bounces" => return Kind::YesNo,
        _ => {}
    }
    if own.strip_prefix("CheckMark").is_some_and(is_number) {
        return Kind::YesNo;
    }
    match display_type {
        "C" => Kind::YesNo,
        "D" | "SD" => Kind::Date,
        "DT" | "DTGMT" => Kind::Time,
        "I" => Kind::Integer,
        "R" | "REV" => Kind::Decimal,
        _ if has_options => Kind::Choice,
        _ => Kind::Text,
    }
}

/// Whether a field of the person is a box that people tick, and so can hold a consent: the ten marks, and the free
/// fields that are shown as checkboxes.
pub fn is_consent_box(name: &str, kind: Kind) -> bool {
    let free = ["PersonCheckMark", "PersonCustom", "PersonPlus"];
    kind == Kind::YesNo && free.iter().any(|prefix| name.strip_prefix(prefix).is_some_and(is_number))
}

/// A checkbox in a free text field holds `Yes` when it is ticked (the vendor's code says so); what else it can hold is
/// not known, and is not ticked.
pub fn is_ticked(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case("yes")
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit())
}

/// What the body of a hook is about. Nothing says what it looks like; the vendor's code has a reader of resource
/// addresses that takes the type and the trailing number, so an address is looked for first, wherever it is: then
/// the id by its own name, then a number alone.
#[derive(Debug, PartialEq, Eq)]
pub struct Resource {
    /// Where the body says it.
    pub table: Option<Table>,
    /// The record's id.
    pub id: i64,
}

/// The record that a hook's body names. `expected` is the table that the hook was set up for.
pub fn resource(body: &[u8], expected: Option<Table>) -> Option<Resource> {
    let text = String::from_utf8_lossy(body);
    let json = serde_json::from_slice(body).unwrap_or_else(|_| Json::String(text.trim().to_owned()));
    in_address(&json, 0).or_else(|| by_name(&json, expected))
}

/// Bodies are shallow; one that is not is none of webCRM's.
const DEPTH: u32 = 8;

fn in_address(json: &Json, depth: u32) -> Option<Resource> {
    match json {
        Json::String(text) => address(text),
        Json::Array(items) if depth < DEPTH => items.iter().find_map(|item| in_address(item, depth + 1)),
        Json::Object(members) if depth < DEPTH => {
            members.values().find_map(|member| in_address(member, depth + 1))
        }
        _ => None,
    }
}

/// `https://api.webcrm.com/Persons/123`, perhaps with something behind the number, perhaps as a form's field.
fn address(text: &str) -> Option<Resource> {
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8_lossy().to_lowercase();
    [Table::Person, Table::Organisation].into_iter().find_map(|table| {
        let (_, rest) = decoded.rsplit_once(&format!("/{}/", table.path().to_lowercase()))?;
        let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let id = rest.get(..end)?.parse().ok()?;
        Some(Resource { table: Some(table), id })
    })
}

fn by_name(json: &Json, expected: Option<Table>) -> Option<Resource> {
    let number = |json: &Json| match json {
        Json::Number(number) => number.as_i64(),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    if let Some(id) = number(json) {
        return Some(Resource { table: None, id });
    }
    if let Json::Array(items) = json {
        return items.iter().find_map(|item| by_name(item, expected));
    }
    let members = json.as_object()?;
    let tables = match expected {
        Some(table) => vec![table],
        // A person names its organisation, too; so what it is comes first.
        None => vec![Table::Person, Table::Organisation],
    };
    let own = tables.into_iter().find_map(|table| {
        Some(Resource { table: Some(table), id: members.get(table.id()).and_then(number)? })
    });
    own.or_else(|| {
        let id = ["Id", "id", "EntityId", "ResourceId"]
            .iter()
            .find_map(|name| members.get(*name).and_then(number));
        id.map(|id| Resource { table: None, id })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_of_many_shapes() {
        let person = |id| Some(Resource { table: Some(Table::Person), id });
        for body in [
            "https://api.webcrm.com/Persons/123",
            "\"https://api.webcrm.com/Persons/123\"",
            "https://api.webcrm.com/Persons/123/?x=1",
            r#"{"ResourceUrl": "/persons/123", "Id": 7}"#,
            r#"{"Data": [{"Url": "https://api.webcrm.com/Persons/123"}]}"#,
            r#"{"PersonId": 123, "PersonOrganisationId": 9}"#,
            r#"{"PersonId": "123"}"#,
            "url=https%3A%2F%2Fapi.webcrm.com%2FPersons%2F123",
        ] {
            assert_eq!(resource(body.as_bytes(), None), person(123), "{body}");
        }
        let organisation = Some(Resource { table: Some(Table::Organisation), id: 9 });
        assert_eq!(resource(b"https://api.webcrm.com/Organisations/9", None), organisation);
        assert_eq!(resource(br#"{"OrganisationId": 9}"#, Some(Table::Organisation)), organisation);
        for body in ["123", r#"{"Id": 123}"#, r#"[{"EntityId": "123"}]"#] {
            assert_eq!(resource(body.as_bytes(), None), Some(Resource { table: None, id: 123 }), "{body}");
        }
        for body in ["", "{}", "null", "https://api.webcrm.com/Deals/5", r#"{"Name": "x"}"#, "/Persons/"] {
            assert_eq!(resource(body.as_bytes(), Some(Table::Person)), None, "{body}");
        }
    }

    #[test]
    fn kinds_by_name_and_by_display_type() {
        for (name, display_type, kind) in [
            ("PersonId", "T", Kind::Integer),
            ("PersonUpdatedAt", "", Kind::Time),
            ("PersonBlockMassEmail", "T", Kind::YesNo),
            ("PersonCheckMark10", "", Kind::YesNo),
            ("PersonCustom3", "C", Kind::YesNo),
            ("PersonCustom3", "T", Kind::Text),
            ("PersonBirthday", "D", Kind::Date),
            ("OrganisationXInt1", "I", Kind::Integer),
            ("PersonTitle", "KPI", Kind::Text),
        ] {
            assert_eq!(kind_of(name, display_type, false), kind, "{name} {display_type}");
        }
        assert_eq!(kind_of("PersonStatus", "L", true), Kind::Choice);
        assert!(is_consent_box("PersonCheckMark1", Kind::YesNo));
        assert!(is_consent_box("PersonCustom3", Kind::YesNo));
        assert!(!is_consent_box("PersonBlockMassEmail", Kind::YesNo));
        assert!(!is_consent_box("PersonCustom3", Kind::Text));
    }

    #[test]
    fn a_quote_ends_no_text() {
        assert_eq!(quoted("a' OR 'b"), "'a'' OR ''b'");
    }

    #[test]
    fn tokens_are_renewed_before_they_end() {
        assert_eq!([3600, 6, 1, 0].map(seconds_of_use), [3000, 5, 1, 0]);
    }
}
