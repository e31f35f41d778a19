//! The integration's settings, read into the author's own type.
//!
//! The JSON schema in the description says which settings there are; the host stores their values and
//! hands out one at a time, as text: a string as it is, anything else as JSON. Secrets (`"writeOnly":
//! true`) are never handed out.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::{Error, host};

/// The text of one setting; the schema's default where it is not set.
pub fn text(name: &str) -> Option<String> {
    host::setting(name)
}

/// Reads the settings that a schema names.
///
/// # Errors
/// `misconfigured`, naming the setting, where a value does not fit.
pub fn load<T: DeserializeOwned>(schema: &str) -> Result<T, Error> {
    from_source(schema, host::setting)
}

/// Of the schema, only what reading takes: each call begins with it.
#[derive(Deserialize)]
struct Schema<'a> {
    #[serde(borrow, default)]
    properties: BTreeMap<Cow<'a, str>, Asked<'a>>,
}

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(default, rename = "writeOnly")]
    write_only: bool,
    #[serde(borrow, default)]
    default: Option<&'a RawValue>,
}

fn from_source<T: DeserializeOwned>(schema: &str, get: impl Fn(&str) -> Option<String>) -> Result<T, Error> {
    let own = |error: serde_json::Error| {
        Error::malformed(format!("The connector's own settings schema is not JSON: {error}."))
    };
    let schema: Schema<'_> = serde_json::from_str(schema).map_err(own)?;
    let mut found = Map::new();
    for (name, asked) in schema.properties.iter().filter(|(_, asked)| !asked.write_only) {
        let value = match get(name) {
            Some(text) if asked.is_text() => Value::String(text),
            Some(text) => serde_json::from_str(&text).map_err(|_| {
                Error::misconfigured(format!(
                    "The setting `{name}` is not of the type that is asked for. Correct it."
                ))
            })?,
            None => match asked.default {
                Some(default) => serde_json::from_str(default.get()).map_err(own)?,
                None => continue,
            },
        };
        found.insert(name.clone().into_owned(), value);
    }
    serde_json::from_value(Value::Object(found))
        .map_err(|error| Error::misconfigured(format!("The settings do not fit: {error}. Correct them.")))
}

impl Asked<'_> {
    fn is_text(&self) -> bool {
        self.kind.is_some_and(|kind| kind.get() == "\"string\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[derive(Debug, serde::Deserialize)]
    struct Settings {
        server: String,
        pages: u32,
        #[serde(default)]
        names: Vec<String>,
    }

    const SCHEMA: &str = r#"{"properties": {
        "server": {"type": "string"},
        "pages": {"type": "integer", "default": 3},
        "names": {"type": "array"},
        "key": {"type": "string", "writeOnly": true}}}"#;

    #[test]
    fn text_json_and_defaults() {
        let settings: Settings = from_source(SCHEMA, |name| match name {
            "server" => Some("123".to_owned()),
            "names" => Some(r#"["a"]"#.to_owned()),
            "key" => panic!("a secret is never asked for"),
            _ => None,
        })
        .unwrap();
        assert_eq!((settings.server.as_str(), settings.pages), ("123", 3));
        assert_eq!(settings.names, ["a"]);
    }

    #[test]
    fn an_unfit_setting_is_named() {
        let error = from_source::<Settings>(SCHEMA, |name| match name {
            "pages" => Some("many".to_owned()),
            "names" => None,
            _ => Some("x".to_owned()),
        })
        .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Misconfigured);
        assert!(error.message.contains("`pages`"), "{}", error.message);
        let error = from_source::<Settings>(SCHEMA, |_| None).unwrap_err();
        assert!(error.message.contains("server"), "{}", error.message);
    }
}
