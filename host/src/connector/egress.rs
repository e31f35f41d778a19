//! Where requests may go: origins by name, and the addresses that those names may resolve to.
//!
//! Two layers, because a granted name may come to resolve to an address inside the operator's network:
//! the origin is compared before a request, and every address is checked where the connection is made,
//! in the resolver itself, so that there is no moment between check and use. Link-local and cloud
//! metadata addresses are never reached; loopback and private ones only where the operator says so.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

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

/// How far into the operator's own network requests may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    Public,
    AlsoPrivate,
}

impl Network {
    /// Whether a connection to this address may be made.
    pub(super) fn permits(self, address: IpAddr) -> bool {
        match reach(address) {
            Reach::Public => true,
            Reach::Private => self == Self::AlsoPrivate,
            Reach::Never => false,
        }
    }

    /// The same for an address given in place of a name, which no resolver sees.
    pub(super) fn permits_literal(self, url: &Url) -> bool {
        match url.host() {
            Some(Host::Ipv4(address)) => self.permits(address.into()),
            Some(Host::Ipv6(address)) => self.permits(address.into()),
            Some(Host::Domain(_)) => true,
            None => false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Public,
    Private,
    Never,
}

fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

/// Metadata services outside the link-local range: Alibaba Cloud, Oracle Cloud, Azure's wire server.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192), Ipv4Addr::new(168, 63, 129, 16)];

fn reach_v4(address: Ipv4Addr) -> Reach {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        _ if METADATA_V4.contains(&address) => Reach::Never,
        // Link-local, this network, multicast, reserved and broadcast.
        (169, 254, _) | (0, ..) | (224..=255, ..) => Reach::Never,
        (127 | 10, ..) | (172, 16..=31, _) | (192, 168, _) => Reach::Private,
        // Carrier-grade NAT, protocol assignments, benchmarks.
        (100, 64..=127, _) | (192, 0, 0) | (198, 18..=19, _) => Reach::Private,
        _ => Reach::Public,
    }
}

/// Amazon's metadata service.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254);

fn reach_v6(address: Ipv6Addr) -> Reach {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([p, q], [r, s]) = (high.to_be_bytes(), low.to_be_bytes());
        reach_v4(Ipv4Addr::new(p, q, r, s))
    };
    match (a, b, c, d, e, f) {
        _ if address == METADATA_V6 || address.is_unspecified() => Reach::Never,
        _ if address.is_loopback() => Reach::Private,
        // An IPv4 address in another coat: mapped, translated (two prefixes), compatible, 6to4.
        (0, 0, 0, 0, 0, 0xffff | 0) | (0, 0, 0, 0, 0xffff, 0) => v4(g, h),
        (0x64, 0xff9b, 0, 0, 0, 0) => v4(g, h),
        (0x64, 0xff9b, 1, ..) => Reach::Private,
        (0x2002, high, low, ..) => v4(high, low),
        // Link-local, the old site-local, multicast; Teredo hides an IPv4 address.
        (0xfe80..=0xfeff, ..) | (0xff00..=0xffff, ..) | (0x2001, 0, ..) => Reach::Never,
        (0xfc00..=0xfdff, ..) => Reach::Private,
        _ => Reach::Public,
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
            let permitted: Vec<SocketAddr> = found.filter(|address| network.permits(address.ip())).collect();
            if permitted.is_empty() {
                return Err(NoPermittedAddress.into());
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach_of(text: &str) -> Reach {
        reach(text.parse().unwrap())
    }

    #[test]
    fn link_local_and_metadata_addresses_are_never_reached_in_any_coat() {
        for address in [
            "169.254.169.254",
            "169.254.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "255.255.255.255",
            "224.0.0.1",
            "240.0.0.1",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "::",
            "ff02::1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "::ffff:0:169.254.169.254",
            "2001:0:1::1",
        ] {
            assert_eq!(reach_of(address), Reach::Never, "{address}");
        }
    }

    #[test]
    fn private_addresses_need_the_operators_word() {
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "::1",
            "fc00::1",
            "fdff::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:0a00:0001::1",
        ] {
            assert_eq!(reach_of(address), Reach::Private, "{address}");
        }
        assert!(!Network::Public.permits("127.0.0.1".parse().unwrap()));
        assert!(Network::AlsoPrivate.permits("127.0.0.1".parse().unwrap()));
        assert!(!Network::AlsoPrivate.permits("169.254.169.254".parse().unwrap()));
    }

    #[test]
    fn the_rest_is_public() {
        for address in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2a00:1450:4001::1", "::ffff:8.8.8.8"] {
            assert_eq!(reach_of(address), Reach::Public, "{address}");
        }
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

    #[test]
    fn an_address_in_place_of_a_name_is_checked_too() {
        let url = |text: &str| Url::parse(text).unwrap();
        assert!(!Network::AlsoPrivate.permits_literal(&url("http://169.254.169.254/latest")));
        assert!(!Network::AlsoPrivate.permits_literal(&url("http://0xa9fea9fe/latest")));
        assert!(!Network::Public.permits_literal(&url("http://[::1]:8080/")));
        assert!(Network::Public.permits_literal(&url("https://acme.example/")));
    }
}
