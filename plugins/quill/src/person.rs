//! From a person of the CRM to a contact: its fields with their types, and its consents. Nothing is asked here.

use sluice_sdk::{Choice, Consent, ConsentInfo, Contact, Field, FieldInfo, FieldType, Value};

use crate::api::Person;

/// The consent type of the newsletter.
const NEWSLETTER: &str = "newsletter";

/// What kinds of customer there are: key, and what people see.
const KINDS: [(&str, &str); 3] = [("customer", "Customer"), ("partner", "Partner"), ("prospect", "Prospect")];

/// The fields that every contact has.
pub fn fields() -> Vec<FieldInfo> {
    let field = |name: &str, label: &str, type_: FieldType| FieldInfo {
        name: name.to_owned(),
        label: label.to_owned(),
        type_,
        options: if type_ == FieldType::Choice { KINDS.map(choice).to_vec() } else { Vec::new() },
    };
    vec![
        field("id", "Id", FieldType::Integer),
        field("first", "First name", FieldType::Text),
        field("last", "Last name", FieldType::Text),
        field("email", "E-mail", FieldType::Text),
        field("mobile", "Mobile", FieldType::Text),
        field("kind", "Kind", FieldType::Choice),
    ]
}

/// The consent types.
pub fn consents() -> Vec<ConsentInfo> {
    vec![ConsentInfo { name: NEWSLETTER.to_owned(), label: "Newsletter".to_owned() }]
}

/// A person as a contact. One function for scans and for single people, so that both say the same.
pub fn contact(person: Person) -> Contact {
    let text = |value: Option<String>| value.map_or(Value::Null, Value::Text);
    let kind = person.kind.map(|key| {
        // A kind that came later than this connector is shown by its key.
        let known = KINDS.into_iter().find(|(known, _)| *known == key);
        Value::Choice(known.map_or_else(|| Choice { label: key.clone(), key }, choice))
    });
    let fields = [
        ("id", i64::try_from(person.id).map_or(Value::Null, Value::Integer)),
        ("first", text(person.first)),
        ("last", text(person.last)),
        ("email", text(person.email)),
        ("mobile", text(person.mobile)),
        ("kind", kind.unwrap_or(Value::Null)),
    ];
    // Who was never asked has no consent: that is no answer, and not a "no".
    let consents = person.newsletter.map(|given| Consent {
        name: NEWSLETTER.to_owned(),
        channel: None,
        given,
        changed_at: None,
    });
    Contact {
        id: person.id.to_string(),
        modified_at: Some(person.changed),
        fields: fields.into_iter().map(|(name, value)| Field { name: name.to_owned(), value }).collect(),
        consents: consents.into_iter().collect(),
    }
}

fn choice((key, label): (&str, &str)) -> Choice {
    Choice { key: key.to_owned(), label: label.to_owned() }
}
