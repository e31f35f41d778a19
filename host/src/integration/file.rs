//! An integration's file: read from TOML or JSON, written as TOML.
//!
//! An error names the file, the line where known, and the key; it never repeats a value, since a
//! secret may have been written where its name belongs.

use std::path::Path;

use super::{Integration, IntegrationError, SecretRef};

impl Integration {
    /// Reads and checks a file; its ending (`.json`, or else TOML) says which form it has. Paths in
    /// it, of the connector and of secrets, become absolute: they are relative to the file.
    ///
    /// # Errors
    /// The file cannot be read, or something in it cannot be.
    pub fn read(path: &Path) -> Result<Self, IntegrationError> {
        let text = std::fs::read_to_string(path).map_err(|source| IntegrationError::Unreadable {
            file: path.display().to_string(),
            problem: source.kind().to_string(),
        })?;
        Self::parse(&text, path)
    }

    /// As [`Integration::read`], of a text that is at hand; `path` is where it is or would be.
    ///
    /// # Errors
    /// Something in it cannot be.
    pub fn parse(text: &str, path: &Path) -> Result<Self, IntegrationError> {
        let malformed = |line: Option<usize>, message: &str| IntegrationError::Malformed {
            place: match line {
                Some(line) => format!("{}, line {line}", path.display()),
                None => path.display().to_string(),
            },
            problem: without_values(message),
        };
        let of_json = |error: serde_json::Error| {
            let words = error.to_string();
            let words = words.split(" at line ").next().unwrap_or_default().to_owned();
            malformed(Some(error.line()), &words)
        };
        let of_toml = |error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            malformed(before.map(|before| before.matches('\n').count() + 1), error.message())
        };
        let mut integration: Self = if path.extension().is_some_and(|ending| ending == "json") {
            refuse_both_channels(&serde_json::from_str(text).map_err(of_json)?)?;
            serde_json::from_str(text).map_err(of_json)?
        } else {
            refuse_both_channels(&toml::from_str(text).map_err(of_toml)?)?;
            toml::from_str(text).map_err(of_toml)?
        };
        integration.check()?;
        integration.anchor(path);
        Ok(integration)
    }

    /// The integration as a TOML file. Secrets are in it by name only.
    ///
    /// # Errors
    /// A setting has no form in TOML (a null inside a table).
    pub fn to_toml(&self) -> Result<String, IntegrationError> {
        toml::to_string_pretty(self).map_err(|_| IntegrationError::Setting {
            key: "settings".to_owned(),
            problem: "hold a null, which TOML cannot write: remove it".to_owned(),
        })
    }

    fn anchor(&mut self, file: &Path) {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let Some(folder) = file.parent() else { return };
        for secret in self.secrets.values_mut().chain([&mut self.apsis.client_secret]) {
            if let SecretRef::File(path) = secret {
                *path = folder.join(&*path);
            }
        }
        if !self.connector.starts_with("sha256:") {
            self.connector = folder.join(&self.connector).to_string_lossy().into_owned();
        }
    }
}

fn refuse_both_channels(file: &serde_json::Value) -> Result<(), IntegrationError> {
    let rows = file.get("consents").and_then(serde_json::Value::as_array);
    for (at, row) in rows.into_iter().flatten().enumerate() {
        let channel = row.get("channel");
        let both = channel.is_some_and(|channel| channel.is_array() || channel.as_str() == Some("both"));
        if both {
            return Err(IntegrationError::BothChannels { row: at + 1 });
        }
    }
    Ok(())
}

/// What serde says, without the value that it found: `unknown variant `x`, expected ...`.
fn without_values(message: &str) -> String {
    let shows_value = ["unknown variant", "invalid type", "invalid value"];
    if !shows_value.iter().any(|start| message.starts_with(start)) {
        return message.to_owned();
    }
    match message.rsplit_once(", expected ") {
        Some((_, expected)) => format!("the value does not fit: expected {}", expected.trim()),
        None => "the value does not fit".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::error::ErrorCode;
    use crate::integration::{secret_in_file, secret_in_variable};
    use crate::secret::SecretName;

    fn demo() -> String {
        include_str!("../../demo/acme-lime.toml")
            .replace("{lime_url}", "http://127.0.0.1:1/acme")
            .replace("{lime_origin}", "http://127.0.0.1:1")
            .replace("{apsis_url}", "http://127.0.0.1:2")
    }

    fn parse(text: &str) -> Result<Integration, IntegrationError> {
        Integration::parse(text, Path::new("/etc/sluice/acme.toml"))
    }

    #[test]
    fn the_demo_file_is_good_and_comes_back_from_its_export() {
        let first = parse(&demo()).unwrap();
        assert_eq!(parse(&first.to_toml().unwrap()).unwrap(), first);
        let json = serde_json::to_string(&first).unwrap();
        assert_eq!(Integration::parse(&json, Path::new("/x/a.json")).unwrap(), first);
    }

    #[test]
    fn both_channels_in_one_row_are_refused_in_words() {
        let text = demo().replacen("channel = \"email\"", "channel = [\"email\", \"sms\"]", 1);
        let error = parse(&text).unwrap_err();
        assert_eq!(error.code(), "integration-both-channels");
        assert!(error.to_string().contains("two rows"), "{error}");
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let error = parse(&format!("nmae = \"x\"\n{}", demo())).unwrap_err().to_string();
        assert!(error.contains("acme.toml, line 1") && error.contains("`nmae`"), "{error}");
    }

    #[test]
    fn a_secret_in_the_wrong_place_is_not_repeated() {
        let text = demo().replace("{ env = \"SLUICE_DEMO_APSIS_SECRET\" }", "\"hunter2\"");
        let error = parse(&text).unwrap_err().to_string();
        assert!(!error.contains("hunter2") && error.contains("line "), "{error}");
    }

    #[test]
    fn rows_that_cannot_be_are_refused() {
        let with = |extra: &str| parse(&format!("{}\n{extra}", demo())).unwrap_err().to_string();
        assert!(with("[[fields]]\nfield = \"x\"\nattribute = \"Email\"").contains("mapped by itself"));
        assert!(with("[[fields]]\nfield = \"x\"\nattribute = \"Country\"").contains("another row"));
        assert!(with("[[consents]]\ntopic = \"t\"\nchannel = \"sms\"").contains("either"));
        assert!(
            with("[[consents]]\nconsent = \"a\"\nfield = \"b\"\ntopic = \"t\"\nchannel = \"sms\"")
                .contains("either")
        );
        assert!(with("[[conditions]]\nfield = \"x\"\nequals = nan").contains("conditions, row 2"));
    }

    #[test]
    fn an_origin_is_no_more_than_one() {
        let origin =
            |text: &str| parse(&demo().replace("[\"http://127.0.0.1:1\"]", &format!("[\"{text}\"]")));
        assert!(origin("https://acme.lime-crm.com:443").is_ok());
        for bad in
            ["https://acme.lime-crm.com/app", "acme.lime-crm.com", "ftp://a.example", "https://u:p@a.example"]
        {
            assert!(origin(bad).unwrap_err().to_string().contains("grant.origins, entry 1"), "{bad}");
        }
    }

    #[test]
    fn secrets_are_read_beside_the_file_without_the_trailing_newline() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), "s3cret \r\n").unwrap();
        let text = demo().replace("{ env = \"SLUICE_DEMO_APSIS_SECRET\" }", "{ file = \"key\" }");
        let read = Integration::parse(&text, &folder.path().join("a.toml")).unwrap();
        let SecretRef::File(file) = &read.apsis.client_secret else { panic!("{:?}", read.apsis) };
        assert_eq!(secret_in_file(file).unwrap().expose_secret(), "s3cret ");
        let missing = secret_in_variable("SLUICE_TEST_NOT_SET").unwrap_err();
        assert!(missing.to_string().contains("SLUICE_TEST_NOT_SET"));
    }

    #[test]
    fn a_stored_secret_is_named_by_what_can_be_a_name() {
        let with = |name: &str| {
            let place = format!("{{ stored = \"{name}\" }}");
            parse(&demo().replace("{ env = \"SLUICE_DEMO_APSIS_SECRET\" }", &place))
        };
        let read = with("apsis").unwrap();
        assert_eq!(read.apsis.client_secret, SecretRef::Stored(SecretName("apsis".into())));
        assert_eq!(parse(&read.to_toml().unwrap()).unwrap(), read);
        let error = with("Hunter2!").unwrap_err().to_string();
        assert!(error.contains("apsis.client-secret") && !error.contains("Hunter2"), "{error}");
    }
}
