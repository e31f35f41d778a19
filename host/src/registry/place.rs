//! Where something lies in a registry: `REGISTRY/NAME:TAG`, or `REGISTRY/NAME@sha256:...`.

use std::fmt;
use std::net::IpAddr;

use oci_client::Reference;

use super::error::RegistryError;

/// A place in a registry. All parts of it were written: none is filled in, so that nothing is sent to, or taken from, a
/// place that nobody named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(Reference);

impl Place {
    /// Reads one.
    ///
    /// # Errors
    /// [`RegistryError::Place`].
    pub fn parse(text: &str) -> Result<Self, RegistryError> {
        let refuse =
            |problem: &str| RegistryError::Place { place: text.to_owned(), problem: problem.to_owned() };
        let reference: Reference = text.parse().map_err(|error| refuse(&format!("{error}")))?;
        if !text.starts_with(&format!("{}/", reference.registry())) {
            return Err(refuse("it does not begin with a registry, such as registry.example.com"));
        }
        let tagged = reference.tag().is_some_and(|tag| text.contains(&format!(":{tag}")));
        if !tagged && reference.digest().is_none() {
            return Err(refuse("it has neither a tag nor a digest"));
        }
        Ok(Self(reference))
    }

    /// The registry, as it is reached.
    pub fn registry(&self) -> &str {
        self.0.resolve_registry()
    }

    /// The name in the registry.
    pub fn name(&self) -> &str {
        self.0.repository()
    }

    /// The tag, where no digest goes before it.
    pub fn tag(&self) -> Option<&str> {
        self.0.tag().filter(|_| self.0.digest().is_none())
    }

    /// Whether the registry is on this machine, where HTTP without TLS is enough.
    pub(super) fn is_on_this_machine(&self) -> bool {
        let registry = self.registry();
        let host = registry.split_once(':').map_or(registry, |(host, _)| host);
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    pub(super) fn reference(&self) -> &Reference {
        &self.0
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_place_is_named_whole() {
        let place = Place::parse("registry.example.com/acme/lime:1.2.0").unwrap();
        assert_eq!(
            (place.registry(), place.name(), place.tag()),
            ("registry.example.com", "acme/lime", Some("1.2.0"))
        );
        assert_eq!(place.to_string(), "registry.example.com/acme/lime:1.2.0");
        let place = Place::parse(&format!("localhost:5000/lime:1@{DIGEST}")).unwrap();
        assert_eq!((place.registry(), place.tag()), ("localhost:5000", None));
        assert!(Place::parse(&format!("r.example/lime@{DIGEST}")).is_ok());

        for text in [
            "",
            "lime",
            "lime:1",
            "acme/lime:1",
            "registry.example.com/lime",
            "registry.example.com/latest",
            "registry.example.com:5000/lime",
            "https://registry.example.com/lime:1",
            "registry.example.com/Lime:1",
            "registry.example.com/lime@sha256:12",
            "registry.example.com/lime:",
        ] {
            assert_eq!(Place::parse(text).map_err(|error| error.code()), Err("registry-place"), "{text}");
        }
    }

    #[test]
    fn only_this_machine_is_reached_without_tls() {
        for (registry, expected) in [
            ("localhost:5000", true),
            ("127.0.0.1:5000", true),
            ("127.9.9.9:80", true),
            ("10.0.0.1:5000", false),
            ("localhost.example.com", false),
            ("127.0.0.1.example.com", false),
            ("registry.example.com:80", false),
        ] {
            let place = Place::parse(&format!("{registry}/lime:1")).unwrap();
            assert_eq!(place.is_on_this_machine(), expected, "{registry}");
        }
    }
}
