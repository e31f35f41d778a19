//! The integration's settings, read into the author's own type.
//!
//! The JSON schema in the description says which settings there are; the host stores their values and
//! hands out one at a time, as text: a string as it is, anything else as JSON. Secrets (`"writeOnly":
//! true`) are never handed out.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Error, host};

/// Reads the settings that a schema names.
///
/// # Errors
/// `misconfigured`, naming the setting, where a value does not fit.
pub fn load<T: DeserializeOwned>(schema: &str) -> Result<T, Error> {
    from_source(schema, host::setting)
}

fn from_source<T: DeserializeOwned>(schema: &str, get: impl Fn(&str) -> Option<String>) -> Result<T, Error> {
    let schema: Value = serde_json::from_str(schema).map_err(|error| {
        Error::malformed(format!("The connector's own settings schema is not JSON: {error}."))
    })?;
    let mut found = Map::new();
    for (name, asked) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if asked.get("writeOnly").and_then(Value::as_bool) == Some(true) {
            continue;
        }
        let value = match get(name) {
            Some(text) => Some(read(name, asked, text)?),
            None => asked.get("default").cloned(),
        };
        if let Some(value) = value {
            found.insert(name.clone(), value);
        }
    }
    serde_json::from_value(Value::Object(found))
        .map_err(|error| Error::misconfigured(format!("The settings do not fit: {error}. Correct them.")))
}

fn read(name: &str, asked: &Value, text: String) -> Result<Value, Error> {
    if asked.get("type").and_then(Value::as_str) == Some("string") {
        return Ok(Value::String(text));
    }
    serde_json::from_str(&text).map_err(|_| {
        Error::misconfigured(format!(
            "The setting `{name}` is not of the type that is asked for. Correct it."
        ))
    })
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
        let error = from_source::<Settings>(SCHEMA, |name| {
            Some(if name == "pages" { "many" } else { "x" }.to_owned())
        })
        .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Misconfigured);
        assert!(error.message.contains("`pages`"), "{}", error.message);
        let error = from_source::<Settings>(SCHEMA, |_| None).unwrap_err();
        assert!(error.message.contains("server"), "{}", error.message);
    }
}
