//! Which addresses the client may connect to: public ones, and loopback and private ones only where
//! the integration's `private-network` allows it. Link-local and metadata addresses never.
//!
//! The base URL comes from a setting, but the upload's and the download's URL come from an answer:
//! both are checked, and names are checked again as they resolve.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::error::ApsisError;

/// What may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) private_network: bool,
}

/// An address that may not be reached; travels through reqwest as the cause of its error.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub(super) struct Refused {
    pub(super) why: &'static str,
}

impl Reach {
    /// Checks a URL before anything is sent there.
    pub(super) fn check(self, url: &Url) -> Result<(), ApsisError> {
        let host = url.host_str().unwrap_or_default().to_owned();
        match url.scheme() {
            "https" => {}
            "http" if self.private_network => {}
            "http" => return Err(ApsisError::Forbidden { host, why: "http without TLS" }),
            _ => return Err(ApsisError::Forbidden { host, why: "neither https nor http" }),
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(ApsisError::Forbidden { host, why: "no host" }),
        };
        self.refusal(address).map_or(Ok(()), |why| Err(ApsisError::Forbidden { host, why }))
    }

    /// Why an address may not be reached; none if it may.
    pub(super) fn refusal(self, address: IpAddr) -> Option<&'static str> {
        match address {
            IpAddr::V4(address) => self.refusal_v4(address),
            IpAddr::V6(address) => match embedded_v4(address) {
                Some(inner) => self.refusal_v4(inner),
                None => self.refusal_v6(address),
            },
        }
    }

    fn refusal_v4(self, address: Ipv4Addr) -> Option<&'static str> {
        let [first, second, third, _] = address.octets();
        if address.is_link_local() {
            return Some("link-local");
        }
        if first == 0 || address.is_multicast() || first >= 240 || address.is_documentation() {
            return Some("not an address of a host");
        }
        let benchmark = first == 198 && (second == 18 || second == 19);
        let shared = first == 100 && (64..128).contains(&second);
        let reserved = first == 192 && second == 0 && third == 0;
        let private = address.is_loopback() || address.is_private() || shared || benchmark || reserved;
        (private && !self.private_network).then_some("loopback or private")
    }

    fn refusal_v6(self, address: Ipv6Addr) -> Option<&'static str> {
        let first = address.segments().first().copied().unwrap_or_default();
        // fd00:ec2::254 is the metadata service of a large cloud, inside the private range.
        if first & 0xffc0 == 0xfe80 || address == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254) {
            return Some("link-local");
        }
        if address.is_unspecified() || address.is_multicast() {
            return Some("not an address of a host");
        }
        let private = address.is_loopback() || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfec0;
        (private && !self.private_network).then_some("loopback or private")
    }
}

/// The IPv4 address inside a mapped, a compatible, a 6to4 or a NAT64 address.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let from = |at: usize| -> Option<Ipv4Addr> {
        let bytes: [u8; 4] = octets.get(at..at + 4)?.try_into().ok()?;
        Some(Ipv4Addr::from(bytes))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] => from(12),
        [0, 0, 0, 0, 0, 0, high, low] if (high, low) != (0, 0) && (high, low) != (0, 1) => from(12),
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => from(12),
        [0x2002, ..] => from(2),
        _ => None,
    }
}

impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = *self;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let refusal = found.iter().find_map(|address| reach.refusal(address.ip()));
            let allowed: Vec<SocketAddr> =
                found.into_iter().filter(|address| reach.refusal(address.ip()).is_none()).collect();
            match refusal {
                Some(why) if allowed.is_empty() => Err(Refused { why }.into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

/// The refusal among an error's causes, if that is what it was.
pub(super) fn refusal_in(error: &reqwest::Error) -> Option<&'static str> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<Refused>() {
            return Some(refused.why);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_and_metadata_are_never_reached() {
        for text in
            ["169.254.169.254", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"]
        {
            for private_network in [false, true] {
                let reach = Reach { private_network };
                assert!(reach.refusal(text.parse().unwrap()).is_some(), "{text} {private_network}");
            }
        }
    }

    #[test]
    fn loopback_and_private_only_where_allowed() {
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.9",
            "100.64.0.1",
            "::1",
            "fd12::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(Reach { private_network: false }.refusal(text.parse().unwrap()).is_some(), "{text}");
            assert!(Reach { private_network: true }.refusal(text.parse().unwrap()).is_none(), "{text}");
        }
    }

    #[test]
    fn public_addresses_are_reached() {
        for text in ["52.218.1.1", "2a05:d018::1", "100.128.0.1"] {
            assert_eq!(Reach { private_network: false }.refusal(text.parse().unwrap()), None, "{text}");
        }
    }

    #[test]
    fn a_url_needs_tls_and_a_public_host() {
        let check =
            |url: &str, private_network| Reach { private_network }.check(&url.parse().unwrap()).is_ok();
        assert!(check("https://api.apsis.one/", false));
        assert!(!check("http://api.apsis.one/", false));
        assert!(!check("https://127.0.0.1/", false));
        assert!(!check("https://[::1]/", false));
        assert!(!check("https://2130706433/", false), "an address written as one number");
        assert!(check("http://127.0.0.1:8080/", true));
        assert!(!check("http://169.254.169.254/", true));
        assert!(!check("ftp://api.apsis.one/", true));
    }
}
