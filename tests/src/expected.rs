//! What the demo's rules make of people, worked out from the data files, or from what the simulated Lime CRM
//! itself knows: a second opinion that shares no code with the host.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::{Map, Value, json};
use sluice_sandbox::Sandbox;

/// What a person must come to.
#[derive(Debug, PartialEq)]
pub enum Expected {
    Excluded,
    Rejected(&'static str),
    Profile { attributes: Map<String, Value>, consents: Consents },
}

const FIRST: &str = "com.apsis1.attributes.";
const OWN: &str = "usercreated.attributes.";

/// Consent type, topic, channel: the demo's consent mappings.
const CONSENTS: [(i64, &str, &str); 5] = [
    (1001, "usercreated.topics.newsletter-rg4kf3kt24", "com.apsis1.channels.email"),
    (1002, "usercreated.topics.newsletter-rg4kf3kt24", "com.apsis1.channels.sms"),
    (1003, "usercreated.topics.invitations-c8v7b6n5m4", "com.apsis1.channels.email"),
    (1004, "usercreated.topics.invitations-c8v7b6n5m4", "com.apsis1.channels.sms"),
    (1005, "usercreated.topics.offers-d1f2g3h4j5", "com.apsis1.channels.email"),
];

/// Every person of the data files, by id.
pub fn people() -> BTreeMap<String, Expected> {
    of(read("persons"), read("companies"), read("consents"))
}

/// Every person that a simulated Lime CRM has now, by id.
pub fn people_of(sandbox: &Sandbox) -> BTreeMap<String, Expected> {
    let all = |limetype: &str| -> Vec<Value> {
        let ids = sandbox.lime_ids(limetype).unwrap();
        ids.into_iter().map(|id| as_in_files(sandbox.lime_object(limetype, id).unwrap())).collect()
    };
    of(all("person"), all("company"), all("consent"))
}

/// Who of the data files has an address that another has, too, by id. What one of them refused stands for the
/// others after that one moved away or is gone: APSIS One cannot take a refusal back to nothing said.
pub fn sharing() -> BTreeSet<String> {
    let mut holders: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
    for row in read("persons") {
        for address in addresses(&row) {
            holders.entry(address).or_default().push(id(&row["id"]).to_string());
        }
    }
    holders.into_values().filter(|holders| holders.len() > 1).flatten().collect()
}

/// An object of Lime's API with the names and forms of the data files.
fn as_in_files(mut object: Value) -> Value {
    let id = object["_id"].clone();
    object["id"] = id;
    // Compared as text: all have the same form, and the server's one zone; a fraction is left out when it is none.
    let created = object["_createdtime"].as_str().unwrap();
    let created: jiff::Timestamp = created.parse().unwrap();
    object["createdtime"] = json!(format!("{created:.6}"));
    if let Some(date) = object["birthdate"].as_str() {
        object["birthdate"] = json!(date[..10]);
    }
    for choice in ["language", "customertype"] {
        // "No choice" has a key and no text.
        if object[choice]["text"] == json!("") {
            object[choice] = Value::Null;
        }
    }
    object
}

fn of(persons: Vec<Value>, companies: Vec<Value>, consents: Vec<Value>) -> BTreeMap<String, Expected> {
    let companies: BTreeMap<i64, Value> = companies.into_iter().map(|row| (id(&row["id"]), row)).collect();
    let answers = newest(consents.into_iter());
    let refusals = refusals(&persons, &answers);
    let person = |row: Value| {
        let mut expected = expect(&row, &companies, &answers);
        if let Expected::Profile { consents, .. } = &mut expected {
            let own = id(&row["id"]);
            for (channel, address) in addresses(&row) {
                let others =
                    refusals.get(&(channel, address)).into_iter().flatten().filter(|(by, _)| *by != own);
                for (_, topic) in others {
                    consents.insert((topic.clone(), channel.to_owned()), "opt-out".to_owned());
                }
            }
        }
        (id(&row["id"]).to_string(), expected)
    };
    persons.into_iter().map(person).collect()
}

/// By channel and address, who refuses which topic: whoever has an address counts, synced or not.
type Refusals = BTreeMap<(&'static str, String), Vec<(i64, String)>>;

fn refusals(persons: &[Value], answers: &Answers) -> Refusals {
    let mut refusals = Refusals::new();
    for row in persons {
        let own = id(&row["id"]);
        for (channel, address) in addresses(row) {
            for ((topic, of), state) in consents(own, answers) {
                if of == channel && state == "opt-out" {
                    refusals.entry((channel, address.clone())).or_default().push((own, topic));
                }
            }
        }
    }
    refusals
}

fn addresses(row: &Value) -> Vec<(&'static str, String)> {
    let email = email(row).ok().map(|email| (CONSENTS[0].2, email));
    let mobile = mobile(row["mobilephone"].as_str().unwrap_or_default());
    let mobile = mobile.as_u64().map(|digits| (CONSENTS[1].2, digits.to_string()));
    email.into_iter().chain(mobile).collect()
}

/// What a person that a simulated Lime CRM has says to the mapped consents: by topic and channel.
pub fn consents_of(sandbox: &Sandbox, person: u64) -> Consents {
    let ids = sandbox.lime_related("consent", "person", person).unwrap();
    let rows = ids.into_iter().map(|id| as_in_files(sandbox.lime_object("consent", id).unwrap()));
    consents(i64::try_from(person).unwrap(), &newest(rows))
}

/// State by topic and channel.
pub type Consents = BTreeMap<(String, String), String>;

/// By person and consent type: when it was made, its id, and what it says.
type Answers = BTreeMap<(i64, i64), (String, i64, bool)>;

fn consents(person: i64, answers: &Answers) -> Consents {
    let mapped = CONSENTS.iter().filter_map(|(kind, topic, channel)| {
        let (_, _, given) = answers.get(&(person, *kind))?;
        let state = if *given { "opt-in" } else { "opt-out" };
        Some((((*topic).to_owned(), (*channel).to_owned()), state.to_owned()))
    });
    mapped.collect()
}

/// Of several records for one person and type the newest made holds.
fn newest(consents: impl Iterator<Item = Value>) -> Answers {
    let mut answers = Answers::new();
    for row in consents {
        let (Some(person), Some(kind)) = (row["person"].as_i64(), row["consenttype"].as_i64()) else {
            continue;
        };
        let answer = (
            row["createdtime"].as_str().unwrap().to_owned(),
            id(&row["id"]),
            row["approved"].as_bool().unwrap(),
        );
        let newest = answers.entry((person, kind)).or_insert_with(|| answer.clone());
        if (&answer.0, answer.1) > (&newest.0, newest.1) {
            *newest = answer;
        }
    }
    answers
}

fn expect(row: &Value, companies: &BTreeMap<i64, Value>, answers: &Answers) -> Expected {
    if row["inactive"] == json!(true) {
        return Expected::Excluded;
    }
    let email = match email(row) {
        Ok(email) => email,
        Err(code) => return Expected::Rejected(code),
    };
    let is_too_long = |name: &str| text(&row[name]).as_str().is_some_and(|text| text.chars().count() > 1000);
    if ["firstname", "lastname", "country", "city", "position", "notes"].iter().any(|name| is_too_long(name))
    {
        return Expected::Rejected("value-too-long");
    }
    let mut attributes = Map::new();
    let mut put = |name: String, value: Value| {
        if !value.is_null() {
            attributes.insert(name, value);
        }
    };
    put(format!("{FIRST}email"), json!(email));
    put(format!("{FIRST}crmid"), json!(id(&row["id"]).to_string()));
    put(format!("{FIRST}firstname"), text(&row["firstname"]));
    put(format!("{FIRST}lastname"), text(&row["lastname"]));
    put(format!("{FIRST}mobile"), mobile(row["mobilephone"].as_str().unwrap_or_default()));
    put(format!("{FIRST}birthdate"), row["birthdate"].clone());
    put(format!("{OWN}country-k3j8d7s6a1"), text(&row["country"]));
    put(format!("{OWN}city-p0o9i8u7y6"), text(&row["city"]));
    put(format!("{OWN}language-m1n2b3v4c5"), text(&row["language"]["text"]));
    put(format!("{OWN}position-q8w7e6r5t4"), text(&row["position"]));
    put(format!("{OWN}notes-y4u3i2o1p0"), text(&row["notes"]));
    put(format!("{OWN}inactive-t5r4e3w2q1"), row["inactive"].clone());
    put(format!("{OWN}score-l9k8j7h6g5"), row["score"].clone());
    put(format!("{OWN}visits-a2s3d4f5g6"), row["visits"].clone());
    put(format!("{OWN}potential-x6c5v4b3n2"), row["potential"].clone());
    if let Some(company) = row["company"].as_i64().and_then(|id| companies.get(&id)) {
        put(format!("{OWN}company-h7g6f5d4s3"), text(&company["name"]));
        put(format!("{OWN}customer_type-z1x2c3v4b5"), text(&company["customertype"]["text"]));
    }
    let consents = consents(id(&row["id"]), answers);
    Expected::Profile { attributes, consents }
}

/// The e-mail address; or why there is none.
fn email(row: &Value) -> Result<String, &'static str> {
    let email = row["email"].as_str().unwrap_or_default().trim().to_lowercase();
    if email.is_empty() {
        return Err("email-missing");
    }
    let sane = |part: &str| !part.is_empty() && part.is_ascii() && !part.contains([' ', ';', ',', '@']);
    match email.split_once('@') {
        Some((local, domain)) if sane(local) && sane(domain) && domain.contains('.') => Ok(email),
        _ => Err("email-invalid"),
    }
}

/// Trimmed, without control characters but line ends and tabs; nothing if that leaves nothing.
fn text(value: &Value) -> Value {
    let is_kept = |letter: &char| !letter.is_control() || matches!(letter, '\n' | '\t');
    let text: String = value.as_str().unwrap_or_default().chars().filter(is_kept).collect();
    let text = text.trim();
    if text.is_empty() { Value::Null } else { json!(text) }
}

/// Digits with country code, if the numbering plan has such a number.
fn mobile(text: &str) -> Value {
    match phonenumber::parse(Some(phonenumber::country::SE), text) {
        Ok(number) if number.is_valid() => {
            let digits: String = number.format().mode(phonenumber::Mode::E164).to_string();
            json!(digits.trim_start_matches('+').parse::<u64>().unwrap())
        }
        _ => Value::Null,
    }
}

fn id(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

fn read(name: &str) -> Vec<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../host/sandbox/data/{name}.ndjson"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
