//! Where the client may send to: TLS, but on a private network, and the addresses that `crate::reach`
//! allows.
//!
//! The base URL comes from a setting, but the upload's and the download's URL come from an answer:
//! both are checked, and names are checked again as they resolve.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Url;

use super::error::ApsisError;
use crate::reach::{Network, Refusal};

/// What may be reached. As a resolver it gives only such addresses; a refusal travels through reqwest as
/// the cause of its error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach(pub(super) Network);

impl Reach {
    /// Checks a URL before anything is sent there.
    pub(super) fn check(self, url: &Url) -> Result<(), ApsisError> {
        let why = match url.scheme() {
            "https" => None,
            "http" if self.0 == Network::AlsoPrivate => None,
            "http" => Some("http without TLS".to_owned()),
            _ => Some("neither https nor http".to_owned()),
        };
        match why.or_else(|| Some(self.0.literal_refusal(url)?.to_string())) {
            Some(why) => {
                Err(ApsisError::Forbidden { host: url.host_str().unwrap_or_default().to_owned(), why })
            }
            None => Ok(()),
        }
    }
}

impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let network = self.0;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let refusal = found.iter().find_map(|address| network.refusal(address.ip()));
            let allowed: Vec<SocketAddr> =
                found.into_iter().filter(|address| network.refusal(address.ip()).is_none()).collect();
            match refusal {
                Some(refusal) if allowed.is_empty() => Err(refusal.into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

/// The refusal among an error's causes, if that is what it was.
pub(super) fn refusal_in(error: &reqwest::Error) -> Option<Refusal> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(refusal) = error.downcast_ref::<Refusal>() {
            return Some(*refusal);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_needs_tls_and_a_public_host() {
        let check = |url: &str, private_network| {
            Reach(Network::new(private_network)).check(&url.parse().unwrap()).is_ok()
        };
        assert!(check("https://api.apsis.one/", false));
        assert!(!check("http://api.apsis.one/", false));
        assert!(!check("https://127.0.0.1/", false));
        assert!(!check("https://[::1]/", false));
        assert!(!check("https://2130706433/", false), "an address written as one number");
        assert!(check("http://127.0.0.1:8080/", true));
        for never in ["169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "[2001:0:1::1]"] {
            assert!(!check(&format!("http://{never}/"), true), "{never}");
        }
        assert!(!check("https://[64:ff9b:1::1]/", false));
        assert!(!check("ftp://api.apsis.one/", true));
    }
}
