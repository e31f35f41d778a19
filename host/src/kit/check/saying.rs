//! Rules about what a connector says: of itself, and in its words.

use serde_json::Value as Json;

use super::Findings;
use crate::connector::Connector;
use crate::contact::{Contact, Value};

/// Looks at its description. Nothing is reached.
pub async fn try_all(connector: &Connector, findings: &mut Findings) {
    let described = connector.description();
    findings.tried("describe-pure");
    match connector.describe_again().await {
        Ok(again) if again == *described => {}
        Ok(_) => findings.broken("describe-pure", "it describes itself otherwise the second time"),
        Err(error) => findings.broken("describe-pure", error.to_string()),
    }

    findings.tried("describe-whole");
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if described.id.is_empty() || !described.id.chars().all(is_plain) {
        findings.broken("describe-whole", format!("its id is `{}`", described.id));
    }
    if described.name.trim().is_empty() {
        findings.broken("describe-whole", "it has no name for people");
    }
    let numbers = described.version.split(['-', '+']).next().unwrap_or_default().split('.');
    if numbers.clone().count() != 3 || numbers.clone().any(|part| part.parse::<u64>().is_err()) {
        findings.broken("describe-whole", format!("its version is `{}`", described.version));
    }
    for (what, name) in [("id", &described.id_field), ("e-mail", &described.email_field)] {
        if name.trim().is_empty() {
            findings.broken("describe-whole", format!("it does not say which field is the {what}"));
        }
    }

    findings.tried("settings-form");
    look_at_form(&described.settings_schema, findings);

    findings.tried("origins-named");
    let properties = described.settings_schema.get("properties").and_then(Json::as_object);
    for origin in &described.origins {
        for setting in origin.split("{settings.").skip(1).filter_map(|rest| rest.split('}').next()) {
            if properties.is_none_or(|properties| !properties.contains_key(setting)) {
                findings.broken("origins-named", format!("{origin}: there is no setting `{setting}`"));
            }
        }
        if !origin.starts_with("https://")
            && !origin.starts_with("{settings.")
            && !origin.starts_with("http://")
        {
            findings.broken("origins-named", format!("{origin}: it is neither an address nor a setting"));
        }
        if origin.contains('*') {
            findings.broken("origins-named", format!("{origin}: it stands for more than one address"));
        }
    }
}

/// Words in the names of what is to be secret.
const SECRET_WORDS: &[&str] = &["password", "passwd", "secret", "token", "api-key", "apikey", "api_key"];

fn look_at_form(schema: &Json, findings: &mut Findings) {
    for (name, property) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
        let says =
            |key: &str| property.get(key).and_then(Json::as_str).is_some_and(|text| !text.trim().is_empty());
        if !says("title") && !says("description") {
            findings.broken("settings-form", format!("`{name}` has neither a title nor a description"));
        }
        let is_secret = property.get("writeOnly") == Some(&Json::Bool(true));
        if is_secret && property.get("type") != Some(&Json::from("string")) {
            findings.broken("settings-form", format!("the secret `{name}` is no text"));
        }
        if !is_secret && SECRET_WORDS.iter().any(|word| name.to_lowercase().ends_with(word)) {
            findings.broken(
                "settings-form",
                format!("`{name}` looks like a secret, and is not marked writeOnly"),
            );
        }
    }
}

/// What the host puts in place of what must not be seen.
const TAKEN_OUT: &[&str] = &["[secret]", "[e-mail]", "[phone]"];
/// Shorter text is found in ordinary words.
const SHORTEST: usize = 5;

/// Looks at all that it wrote while it was tried; `people` are those that it read.
pub fn look_at_words(lines: &[String], people: &[Contact], findings: &mut Findings) {
    findings.tried("quiet");
    let texts = people.iter().flat_map(|contact| contact.fields.values()).filter_map(|value| match value {
        Value::Text(text) => Some(text.trim()),
        _ => None,
    });
    let personal: std::collections::BTreeSet<&str> =
        texts.filter(|text| text.chars().count() >= SHORTEST).collect();
    for line in lines {
        if let Some(mark) = TAKEN_OUT.iter().find(|mark| line.contains(*mark)) {
            findings
                .broken("quiet", format!("the host had to take something out of a line: {mark} in `{line}`"));
        } else if personal.iter().any(|text| holds_word(line, text)) {
            // The line itself is not shown: it holds what it should not.
            findings.broken("quiet", "a line holds what a contact has in a field of text");
        }
    }
}

/// Whether a text is found with no letter before or behind it.
fn holds_word(line: &str, text: &str) -> bool {
    line.match_indices(text).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        let behind = line.get(at + text.len()..).and_then(|behind| behind.chars().next());
        !before.is_some_and(char::is_alphanumeric) && !behind.is_some_and(char::is_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_as_a_word() {
        assert!(holds_word("no contact Öberg: refused", "Öberg"));
        assert!(!holds_word("the Öbergs of 2026", "Öberg"));
        assert!(!holds_word("nothing", "Öberg"));
    }
}
