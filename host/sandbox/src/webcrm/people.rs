//! Made-up people of the simulated webCRM: the same seed gives the same ones, some of them with odd values.
//!
//! Each has something in every sensitive field, by which a test finds it should it ever get out.

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::data::{Data, Record};
use super::model::{STATUS, TYPES, Table};

/// What is in every sensitive field of everybody.
pub const SENSITIVE: &str = "never-to-leave-webcrm";

const FIRST_PERSON: u64 = 101;
const FIRST_ORGANISATION: u64 = 11;
/// Persons of an organisation, on average.
const PEOPLE: u64 = 8;

const FIRST_NAMES: &[&str] =
    &["Søren", "Åse", "Mette", "Jürgen", "Zoë", "Nguyễn", "Олена", "Lars", "Élise", "Ida"];
const LAST_NAMES: &[&str] =
    &["Sørensen", "Østergaard", "O'Neill", "van der Berg", "Müller", "Łukasik", "Weiß", "Hansen", "Dahl"];
const CITIES: &[&str] = &["Århus", "København", "Malmö", "Køge", "Köln", ""];
const COUNTRIES: &[&str] = &["Danmark", "DK", "Sverige", "Deutschland", ""];

/// Puts so many people and their organisations into empty data.
pub(crate) fn fill(data: &mut Data, persons: u64, seed: u64) {
    let mut chance = StdRng::seed_from_u64(seed);
    let organisations = if persons == 0 { 0 } else { persons / PEOPLE + 1 };
    for id in FIRST_ORGANISATION..FIRST_ORGANISATION + organisations {
        let at = moment(&mut chance);
        data.put(Table::Organisation, id, at, organisation(&mut chance, id));
    }
    for id in FIRST_PERSON..FIRST_PERSON + persons {
        let at = moment(&mut chance);
        let of = chance.random_range(FIRST_ORGANISATION..FIRST_ORGANISATION + organisations);
        let record = person(&mut chance, id, of);
        data.put(Table::Person, id, at, record);
    }
}

fn moment(chance: &mut StdRng) -> Timestamp {
    // From 2019 on, eight years.
    let millis = 1_546_300_800_000 + chance.random_range(0..240_000_000_000_i64);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn word(chance: &mut StdRng, from: &[&'static str]) -> &'static str {
    from.choose(chance).copied().unwrap_or_default()
}

fn key(chance: &mut StdRng, from: &[(&'static str, &'static str)]) -> &'static str {
    from.choose(chance).map_or("", |(key, _)| key)
}

fn organisation(chance: &mut StdRng, id: u64) -> Record {
    record([
        (
            "OrganisationName",
            json!(format!("{} {} ApS {id}", word(chance, LAST_NAMES), word(chance, CITIES))),
        ),
        ("OrganisationType", json!(key(chance, TYPES))),
        ("OrganisationCity", json!(word(chance, CITIES))),
        ("OrganisationCountry", json!(word(chance, COUNTRIES))),
        (
            "OrganisationXInt1",
            if chance.random_bool(0.5) { json!(chance.random_range(1..5000)) } else { Value::Null },
        ),
    ])
}

fn person(chance: &mut StdRng, id: u64, organisation: u64) -> Record {
    let (first, last) = (word(chance, FIRST_NAMES), word(chance, LAST_NAMES));
    let email = match id % 40 {
        3 => String::new(),
        7 => "no address".to_owned(),
        _ => format!("person.{id}@firma{}.example", id % 97),
    };
    let mut record = record([
        ("PersonOrganisationId", json!(if id % 15 == 2 { 0 } else { organisation })),
        ("PersonFirstName", json!(if id % 31 == 5 { "" } else { first })),
        ("PersonLastName", json!(last)),
        ("PersonTitle", json!(if id.is_multiple_of(3) { "Indkøbschef" } else { "" })),
        ("PersonEmail", json!(email)),
        ("PersonMobilePhone", json!(format!("+45 {:08}", 20_000_000 + id))),
        ("PersonStatus", json!(key(chance, STATUS))),
        ("PersonBlockMassEmail", json!(id % 5 == 1)),
        ("PersonCheckMark1", json!(chance.random_bool(0.5))),
        ("PersonCheckMark2", json!(chance.random_bool(0.3))),
        ("PersonCustom3", json!(if chance.random_bool(0.4) { "Yes" } else { "" })),
        ("PersonPlus1", json!(chance.random_range(0..100).to_string())),
        ("PersonPassword", json!(SENSITIVE)),
        ("PersonCampaignPassword", json!(SENSITIVE)),
        ("PersonMemberPassword", json!(SENSITIVE)),
        ("PersonLoginLog", json!(format!("2026-01-01 {SENSITIVE}"))),
    ]);
    match id % 50 {
        11 => record.insert("PersonLastName", json!("Langeland-".repeat(40))),
        12 => record.insert("PersonComment", json!("\u{202e}abc\nTal med hende")),
        13 => record.insert("PersonBirthday", json!("1899-12-30T00:00:00")),
        14 => record.insert("PersonBirthday", json!("1972-02-29T00:00:00")),
        15 => record.insert("PersonPlus1", json!("9007199254740993")),
        _ => None,
    };
    record
}

fn record<const N: usize>(fields: [(&'static str, Value); N]) -> Record {
    fields.into_iter().collect()
}
