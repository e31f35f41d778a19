//! Whom to log in as at a registry: whom the environment names, whom `docker login` has left, or nobody.

use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::PathBuf;

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use oci_client::secrets::RegistryAuth;

use super::error::RegistryError;

/// Go before what docker knows, for all registries alike.
const USER: &str = "SLUICE_REGISTRY_USER";
const PASSWORD: &str = "SLUICE_REGISTRY_PASSWORD";

/// Finds them. It may start a credential helper, and wait for it.
pub(super) fn find(registry: &str) -> Result<RegistryAuth, RegistryError> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (set(USER), set(PASSWORD)) {
        (Some(user), Some(password)) => Ok(RegistryAuth::Basic(user, password)),
        (None, None) => of_docker(registry, known_to_docker(registry)),
        (Some(_), None) => Err(unknown(registry, &format!("{USER} is set and {PASSWORD} is not; set both"))),
        (None, Some(_)) => Err(unknown(registry, &format!("{PASSWORD} is set and {USER} is not; set both"))),
    }
}

/// What `docker login` has left, if anything.
fn known_to_docker(registry: &str) -> Result<DockerCredential, CredentialRetrievalError> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("DOCKER_CONFIG").or_else(|| set("HOME").map(|home| home.join(".docker")));
    let file = folder.ok_or(CredentialRetrievalError::ConfigNotFound)?.join("config.json");
    match File::open(file) {
        Ok(file) => get_credential_from_reader(BufReader::new(file), registry),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(CredentialRetrievalError::ConfigNotFound),
        Err(_) => Err(CredentialRetrievalError::ConfigReadError),
    }
}

/// What docker's configuration says. What a helper printed is not told: it may be a secret.
fn of_docker(
    registry: &str,
    found: Result<DockerCredential, CredentialRetrievalError>,
) -> Result<RegistryAuth, RegistryError> {
    use CredentialRetrievalError as Failed;
    match found {
        Ok(DockerCredential::UsernamePassword(user, password)) => Ok(RegistryAuth::Basic(user, password)),
        Ok(DockerCredential::IdentityToken(_)) => Err(unknown(
            registry,
            &format!(
                "docker keeps an identity token for it, which is not understood; set {USER} and {PASSWORD}"
            ),
        )),
        Err(Failed::ConfigNotFound | Failed::NoCredentialConfigured) => Ok(RegistryAuth::Anonymous),
        Err(Failed::HelperFailure { stdout, .. }) if is_nothing_known(&stdout) => Ok(RegistryAuth::Anonymous),
        Err(Failed::HelperFailure { helper, .. }) => {
            Err(unknown(registry, &format!("the credential helper {helper} failed; try it by hand")))
        }
        Err(other) => Err(unknown(
            registry,
            &format!("{other}; mend docker's config.json (in DOCKER_CONFIG, or ~/.docker)"),
        )),
    }
}

/// Inferred: the words of docker's own helpers, which have no other way to say it.
fn is_nothing_known(stdout: &str) -> bool {
    stdout.contains("credentials not found")
}

fn unknown(registry: &str, problem: &str) -> RegistryError {
    RegistryError::Credentials { registry: registry.to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn who_is_not_known_to_docker_is_nobody_and_what_is_broken_is_told() {
        let of = |found| of_docker("registry.example.com", found);
        let failed = |stdout: &str| {
            Err(CredentialRetrievalError::HelperFailure {
                helper: "docker-credential-pass".to_owned(),
                stdout: stdout.to_owned(),
                stderr: "hush".to_owned(),
            })
        };
        let known = Ok(DockerCredential::UsernamePassword("anna".to_owned(), "hush".to_owned()));
        assert_eq!(of(known), Ok(RegistryAuth::Basic("anna".to_owned(), "hush".to_owned())));
        assert_eq!(of(Err(CredentialRetrievalError::ConfigNotFound)), Ok(RegistryAuth::Anonymous));
        assert_eq!(of(failed("credentials not found in native keychain")), Ok(RegistryAuth::Anonymous));
        for found in [
            failed("hush"),
            Err(CredentialRetrievalError::ConfigReadError),
            Ok(DockerCredential::IdentityToken("hush".to_owned())),
        ] {
            let error = of(found).unwrap_err();
            assert_eq!(error.code(), "registry-credentials");
            assert!(!error.to_string().contains("hush"), "{error}");
        }
    }
}
