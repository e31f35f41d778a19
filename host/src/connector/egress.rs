//! Where requests may go: origins by name, and the addresses that those names may resolve to.
//!
//! Two layers, because a granted name may come to resolve to an address inside the operator's network:
//! the origin is compared before a request, and every address is checked where the connection is made,
//! in the resolver itself, so that there is no moment between check and use. Which addresses may be
//! reached, `reach` says.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Url;

use crate::reach::Network;

/// Scheme, host and port, in the form that compares: `https://acme.lime-crm.com`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin(String);

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Origin {
    /// The origin of an address with scheme `https` or `http`; the error is what is wrong, in words.
    pub fn of(url: &Url) -> Result<Self, &'static str> {
        if !matches!(url.scheme(), "https" | "http") {
            return Err("its scheme is neither https nor http");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it holds a user name or a password");
        }
        if url.host().is_none() {
            return Err("it names no host");
        }
        Ok(Self(url.origin().ascii_serialization()))
    }

    /// The origin of an address as text. A path behind it does no harm.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        Self::of(&Url::parse(text.trim()).map_err(|_| "it is no address of the form https://host")?)
    }

    /// Whether what is sent there can be read on the way.
    pub fn is_plain(&self) -> bool {
        self.0.starts_with("http:")
    }
}

/// The name resolves, but to no address that may be reached.
#[derive(Debug)]
pub(super) struct NoPermittedAddress;

impl fmt::Display for NoPermittedAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the host name resolves to no address that may be reached")
    }
}

impl Error for NoPermittedAddress {}

/// The name does not resolve.
#[derive(Debug)]
pub(super) struct NoAddress(std::io::Error);

impl fmt::Display for NoAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the host name does not resolve: {}", self.0)
    }
}

impl Error for NoAddress {}

/// The system's resolver, without the addresses that may not be reached.
pub(super) struct CheckedResolver(pub(super) Network);

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let network = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(NoAddress)?;
            Ok(Box::new(permitted(network, found)?.into_iter()) as Addrs)
        })
    }
}

/// What of one answer may be reached. Asked of each: an earlier answer says nothing of a later one.
fn permitted(
    network: Network,
    found: impl Iterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, NoPermittedAddress> {
    let permitted: Vec<SocketAddr> =
        found.filter(|address| network.refusal(address.ip()).is_none()).collect();
    if permitted.is_empty() { Err(NoPermittedAddress) } else { Ok(permitted) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_comes_to_lead_inside_is_reached_no_more() {
        let answer = |addresses: &[&str]| -> Vec<SocketAddr> {
            addresses.iter().map(|address| format!("{address}:0").parse().unwrap()).collect()
        };
        let reached = |addresses: &[&str]| permitted(Network::Public, answer(addresses).into_iter()).ok();
        // As a name server answers that says one thing when it is asked first, and another when it is asked again.
        assert_eq!(reached(&["93.184.215.14"]), Some(answer(&["93.184.215.14"])));
        assert_eq!(reached(&["127.0.0.1"]), None);
        assert_eq!(reached(&["169.254.169.254", "10.0.0.1", "[::1]"]), None);
        // Or both at once, so that whoever is refused the one tries the other.
        assert_eq!(reached(&["10.0.0.1", "93.184.215.14"]), Some(answer(&["93.184.215.14"])));
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert_eq!(
            Origin::parse("HTTPS://Acme.Example:443/path?q").unwrap(),
            Origin::parse("https://acme.example").unwrap()
        );
        assert_ne!(Origin::parse("https://acme.example:8443"), Origin::parse("https://acme.example"));
        assert_ne!(Origin::parse("http://acme.example"), Origin::parse("https://acme.example"));
        assert_eq!(Origin::parse("http://0x7f.1").unwrap().to_string(), "http://127.0.0.1");
        for wrong in
            ["acme.example", "ftp://acme.example", "https://user@acme.example", "file:///etc/passwd", ""]
        {
            assert!(Origin::parse(wrong).is_err(), "{wrong}");
        }
    }
}
