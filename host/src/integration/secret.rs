//! Reading a secret from a place on the host: a variable or a file. The value is in no error and no log.

use std::path::Path;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::IntegrationError;

/// The value of an environment variable.
///
/// # Errors
/// It is missing, empty or no text.
pub fn secret_in_variable(name: &str) -> Result<SecretString, IntegrationError> {
    let place = format!("the environment variable {name}");
    match std::env::var(name).map(Zeroizing::new) {
        Ok(value) => checked(place, &value),
        Err(std::env::VarError::NotPresent) => refuse(place, "is not set"),
        Err(std::env::VarError::NotUnicode(_)) => refuse(place, "is not UTF-8 text"),
    }
}

/// What is in a file, without its trailing newline.
///
/// # Errors
/// It is missing, empty or unreadable.
pub fn secret_in_file(path: &Path) -> Result<SecretString, IntegrationError> {
    let place = format!("the file {}", path.display());
    match std::fs::read_to_string(path).map(Zeroizing::new) {
        Ok(text) => checked(place, without_newline(&text)),
        Err(error) => refuse(place, &format!("could not be read ({})", error.kind())),
    }
}

/// A text without the newline at its end.
pub fn without_newline(text: &str) -> &str {
    let line = text.strip_suffix('\n').unwrap_or(text);
    line.strip_suffix('\r').unwrap_or(line)
}

fn checked(place: String, value: &str) -> Result<SecretString, IntegrationError> {
    match value.is_empty() {
        true => refuse(place, "is empty"),
        false => Ok(SecretString::from(value)),
    }
}

fn refuse(place: String, problem: &str) -> Result<SecretString, IntegrationError> {
    Err(IntegrationError::Secret { place, problem: problem.to_owned() })
}
