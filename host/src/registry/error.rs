//! What can go wrong with a registry. What it answers is told by its code and its own short words; addresses that it
//! sends elsewhere may have secrets in them, and are in no message.

use oci_client::errors::{OciDistributionError, OciEnvelope, OciErrorCode};

use super::place::Place;
use crate::error::ErrorCode;

/// The longest that is told of what a registry says itself.
const LONGEST: usize = 200;

/// What can go wrong with a registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// It is no place in a registry.
    #[error(
        "`{place}` is no place in a registry: {problem}. Write it as REGISTRY/NAME:TAG, or REGISTRY/NAME@sha256:..."
    )]
    Place {
        /// As written.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Whom to log in as cannot be found out.
    #[error("whom to log in as at {registry} is not known: {problem}")]
    Credentials {
        /// Where.
        registry: String,
        /// Why, and what to do.
        problem: String,
    },
    /// Nothing can be sent from here.
    #[error("the system gives nothing to reach a registry with ({0}); look at its certificates and limits")]
    Client(String),
    /// It does not answer.
    #[error("the registry {registry} does not answer ({problem}); check its address, and that it is there")]
    Unreachable {
        /// Which.
        registry: String,
        /// What the system said.
        problem: String,
    },
    /// It does not let us.
    #[error(
        "the registry {registry} does not allow it; log in with `docker login {registry}`, or set SLUICE_REGISTRY_USER and \
         SLUICE_REGISTRY_PASSWORD, and check what that user may do there"
    )]
    Refused {
        /// Which.
        registry: String,
    },
    /// There is nothing there.
    #[error("there is no {0}; check its name and its tag")]
    NotFound(String),
    /// It answers something else than it should.
    #[error("the registry {registry} answers wrongly ({problem}); try again, or ask whoever runs it")]
    Answer {
        /// Which.
        registry: String,
        /// What it said.
        problem: String,
    },
    /// It is something else.
    #[error("{what} is no component: {problem}; give a connector's component")]
    NoComponent {
        /// The file, or the place.
        what: String,
        /// What it is instead.
        problem: String,
    },
    /// Its bytes are not those that were sent there.
    #[error("{place} is damaged: {problem}. Do not use it; send it to the registry again")]
    Damaged {
        /// Which.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// It is too large.
    #[error("{what} has {bytes} bytes, and a component has {largest} at most")]
    TooLarge {
        /// The file, or the place.
        what: String,
        /// How many it has.
        bytes: u64,
        /// How many it may have.
        largest: u64,
    },
    /// The program's own contract cannot be made a package of.
    #[error("the contract cannot be made a package of ({0}); this is a fault of the program, report it")]
    Contract(String),
}

impl ErrorCode for RegistryError {
    fn code(&self) -> &'static str {
        match self {
            Self::Place { .. } => "registry-place",
            Self::Credentials { .. } => "registry-credentials",
            Self::Client(_) => "registry-client",
            Self::Unreachable { .. } => "registry-unreachable",
            Self::Refused { .. } => "registry-refused",
            Self::NotFound(_) => "registry-not-found",
            Self::Answer { .. } => "registry-answer",
            Self::NoComponent { .. } => "registry-no-component",
            Self::Damaged { .. } => "registry-damaged",
            Self::TooLarge { .. } => "registry-too-large",
            Self::Contract(_) => "registry-contract",
        }
    }
}

impl RegistryError {
    /// What the client of registries met at this place.
    pub(super) fn met(place: &Place, error: OciDistributionError) -> Self {
        use OciDistributionError as Met;
        let refused = || Self::Refused { registry: place.registry().to_owned() };
        let not_found = || Self::NotFound(place.to_string());
        let no_component =
            |problem: &str| Self::NoComponent { what: place.to_string(), problem: problem.to_owned() };
        match error {
            Met::UnauthorizedError { .. }
            | Met::AuthenticationFailure(_)
            | Met::ServerError { code: 401 | 403, .. } => refused(),
            Met::ImageManifestNotFoundError(_) | Met::ServerError { code: 404, .. } => not_found(),
            Met::RegistryError { envelope, .. } => match meaning(&envelope) {
                Meaning::Refused => refused(),
                Meaning::NotFound => not_found(),
                Meaning::Other => Self::answer(place, &words(&envelope)),
            },
            Met::ServerError { code, .. } => Self::answer(place, &format!("status {code}")),
            Met::RequestError(error) => Self::unreachable(place, &error.without_url()),
            Met::IoError(error) => Self::unreachable(place, &error),
            Met::DigestError(_) => Self::damaged(place, "its bytes are not those that its digest is of"),
            Met::VersionedParsingError(_) | Met::ManifestParsingError(_) | Met::ManifestEncodingError(_) => {
                no_component("its manifest cannot be read")
            }
            Met::UnsupportedMediaTypeError(_) | Met::UnsupportedSchemaVersionError(_) => {
                no_component("its manifest is of another kind")
            }
            other => Self::answer(place, &other.to_string()),
        }
    }

    pub(super) fn damaged(place: &Place, problem: &str) -> Self {
        Self::Damaged { place: place.to_string(), problem: problem.to_owned() }
    }

    /// With what lies below an error: of a connection that is not made, the error itself says the least.
    pub(super) fn unreachable(place: &Place, error: &(dyn std::error::Error + 'static)) -> Self {
        let chain = std::iter::successors(Some(error), |error| error.source());
        let words: Vec<String> = chain.map(ToString::to_string).collect();
        Self::Unreachable { registry: place.registry().to_owned(), problem: short(&words.join(": ")) }
    }

    fn answer(place: &Place, problem: &str) -> Self {
        Self::Answer { registry: place.registry().to_owned(), problem: short(problem) }
    }
}

enum Meaning {
    Refused,
    NotFound,
    Other,
}

fn meaning(envelope: &OciEnvelope) -> Meaning {
    let is = |codes: &[OciErrorCode]| envelope.errors.iter().any(|error| codes.contains(&error.code));
    if is(&[OciErrorCode::Unauthorized, OciErrorCode::Denied]) {
        Meaning::Refused
    } else if is(&[
        OciErrorCode::ManifestUnknown,
        OciErrorCode::NameUnknown,
        OciErrorCode::NotFound,
        OciErrorCode::BlobUnknown,
        OciErrorCode::ManifestBlobUnknown,
    ]) {
        Meaning::NotFound
    } else {
        Meaning::Other
    }
}

fn words(envelope: &OciEnvelope) -> String {
    envelope.errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join("; ")
}

fn short(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_registry_answers_has_its_code() {
        let place = Place::parse("registry.example.com/lime:1").unwrap();
        let url = "https://registry.example.com/v2/lime/manifests/1?token=hush".to_owned();
        let answered = |text: &str| OciDistributionError::RegistryError {
            envelope: serde_json::from_str(text).unwrap(),
            url: url.clone(),
        };
        let status =
            |code| OciDistributionError::ServerError { code, url: url.clone(), message: "hush".to_owned() };
        for (error, code) in [
            (answered(r#"{"errors":[{"code":"DENIED"}]}"#), "registry-refused"),
            (answered(r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#), "registry-not-found"),
            (answered(r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"later"}]}"#), "registry-answer"),
            (OciDistributionError::UnauthorizedError { url: url.clone() }, "registry-refused"),
            (status(403), "registry-refused"),
            (status(404), "registry-not-found"),
            (status(503), "registry-answer"),
            (OciDistributionError::UnsupportedSchemaVersionError(1), "registry-no-component"),
        ] {
            let error = RegistryError::met(&place, error);
            assert_eq!(error.code(), code, "{error}");
            assert!(!error.to_string().contains("hush"), "{error}");
        }
    }
}
