//! Reading a secret from where the integration says it is. The value is in no error and no log.

use secrecy::SecretString;

use super::{IntegrationError, SecretRef};

impl SecretRef {
    /// The secret's value, read anew each time, so that a changed one is taken up.
    ///
    /// # Errors
    /// The variable or the file that is missing, empty or unreadable.
    pub fn read(&self) -> Result<SecretString, IntegrationError> {
        let (place, value) = match self {
            Self::Env(name) => {
                let place = format!("the environment variable {name}");
                match std::env::var(name) {
                    Ok(value) => (place, value),
                    Err(error) => {
                        let problem = match error {
                            std::env::VarError::NotPresent => "is not set",
                            std::env::VarError::NotUnicode(_) => "is not UTF-8 text",
                        };
                        return Err(IntegrationError::Secret { place, problem: problem.to_owned() });
                    }
                }
            }
            Self::File(path) => {
                let place = format!("the file {}", path.display());
                match std::fs::read_to_string(path) {
                    Ok(text) => (place, text),
                    Err(error) => {
                        return Err(IntegrationError::Secret {
                            place,
                            problem: format!("could not be read ({})", error.kind()),
                        });
                    }
                }
            }
        };
        let value = match self {
            Self::Env(_) => value.as_str(),
            Self::File(_) => {
                let line = value.strip_suffix('\n').unwrap_or(&value);
                line.strip_suffix('\r').unwrap_or(line)
            }
        };
        if value.is_empty() {
            return Err(IntegrationError::Secret { place, problem: "is empty".to_owned() });
        }
        Ok(SecretString::from(value))
    }
}
