//! Which addresses a connection may be made to: public ones; loopback and private ones only where the
//! operator says so; link-local and cloud metadata addresses never. Pure.
//!
//! There is one table, for the connectors' way out and for the APSIS One client alike. Both ask it twice:
//! for an address that stands in a URL, and for every address that a name resolves to, where the
//! connection is made. An IPv4 address in the coat of an IPv6 one is judged as what it is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// How far into the operator's own network connections may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Public addresses only.
    Public,
    /// Loopback and private ones, too.
    AlsoPrivate,
}

/// Why an address may not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Only the machine itself or its neighbours have it.
    #[error("link-local")]
    LinkLocal,
    /// It hands out the machine's credentials.
    #[error("a metadata service")]
    Metadata,
    /// Multicast, reserved, or for examples.
    #[error("not an address of a host")]
    NoHost,
    /// It hides another address.
    #[error("a tunnel")]
    Tunnel,
    /// Needs the operator's word.
    #[error("loopback or private")]
    Private,
}

const fn v4(a: u8, b: u8, c: u8, d: u8) -> u32 {
    u32::from_be_bytes([a, b, c, d])
}

/// Network, length of its prefix (at least one), why not. The first that fits decides.
const V4: &[(u32, u32, Refusal)] = &[
    (v4(169, 254, 0, 0), 16, Refusal::LinkLocal),
    // Alibaba Cloud, Oracle Cloud, Azure's wire server.
    (v4(100, 100, 100, 200), 32, Refusal::Metadata),
    (v4(192, 0, 0, 192), 32, Refusal::Metadata),
    (v4(168, 63, 129, 16), 32, Refusal::Metadata),
    // This network, documentation, multicast with all that is reserved behind it.
    (v4(0, 0, 0, 0), 8, Refusal::NoHost),
    (v4(192, 0, 2, 0), 24, Refusal::NoHost),
    (v4(198, 51, 100, 0), 24, Refusal::NoHost),
    (v4(203, 0, 113, 0), 24, Refusal::NoHost),
    (v4(224, 0, 0, 0), 3, Refusal::NoHost),
    (v4(127, 0, 0, 0), 8, Refusal::Private),
    (v4(10, 0, 0, 0), 8, Refusal::Private),
    (v4(172, 16, 0, 0), 12, Refusal::Private),
    (v4(192, 168, 0, 0), 16, Refusal::Private),
    // Carrier-grade NAT, protocol assignments, benchmarks.
    (v4(100, 64, 0, 0), 10, Refusal::Private),
    (v4(192, 0, 0, 0), 24, Refusal::Private),
    (v4(198, 18, 0, 0), 15, Refusal::Private),
];

const fn v6(a: u16, b: u16, c: u16, d: u16, last: u16) -> u128 {
    Ipv6Addr::new(a, b, c, d, 0, 0, 0, last).to_bits()
}

/// As `V4`.
const V6: &[(u128, u32, Refusal)] = &[
    // Amazon's and Google's metadata services, inside the private range.
    (v6(0xfd00, 0xec2, 0, 0, 0x254), 128, Refusal::Metadata),
    (v6(0xfd20, 0xce, 0, 0, 0x254), 128, Refusal::Metadata),
    // The second is the old site-local range.
    (v6(0xfe80, 0, 0, 0, 0), 10, Refusal::LinkLocal),
    (v6(0xfec0, 0, 0, 0, 0), 10, Refusal::LinkLocal),
    (v6(0, 0, 0, 0, 0), 128, Refusal::NoHost),
    (v6(0xff00, 0, 0, 0, 0), 8, Refusal::NoHost),
    (v6(0x2001, 0xdb8, 0, 0, 0), 32, Refusal::NoHost),
    // Teredo.
    (v6(0x2001, 0, 0, 0, 0), 32, Refusal::Tunnel),
    (v6(0, 0, 0, 0, 1), 128, Refusal::Private),
    (v6(0xfc00, 0, 0, 0, 0), 7, Refusal::Private),
    // Local NAT64: which network is behind it, its operator decides.
    (v6(0x64, 0xff9b, 1, 0, 0), 48, Refusal::Private),
];

impl Network {
    /// From the operator's setting `private-network`.
    pub fn new(private_network: bool) -> Self {
        if private_network { Self::AlsoPrivate } else { Self::Public }
    }

    /// Why a connection to this address may not be made; none if it may.
    pub fn refusal(self, address: IpAddr) -> Option<Refusal> {
        let refusal = match address {
            IpAddr::V4(address) => refusal_v4(address),
            IpAddr::V6(address) => match inner(address) {
                Some(inner) => refusal_v4(inner),
                None => refusal_v6(address),
            },
        };
        refusal.filter(|refusal| *refusal != Refusal::Private || self == Self::Public)
    }

    /// The same for an address that stands in a URL in place of a name, which no resolver sees.
    pub fn literal_refusal(self, url: &Url) -> Option<Refusal> {
        match url.host() {
            Some(Host::Ipv4(address)) => self.refusal(address.into()),
            Some(Host::Ipv6(address)) => self.refusal(address.into()),
            Some(Host::Domain(_)) => None,
            None => Some(Refusal::NoHost),
        }
    }
}

fn refusal_v4(address: Ipv4Addr) -> Option<Refusal> {
    let differs = |network: u32| address.to_bits() ^ network;
    V4.iter().find(|(network, prefix, _)| differs(*network).leading_zeros() >= *prefix).map(|row| row.2)
}

fn refusal_v6(address: Ipv6Addr) -> Option<Refusal> {
    let differs = |network: u128| address.to_bits() ^ network;
    V6.iter().find(|(network, prefix, _)| differs(*network).leading_zeros() >= *prefix).map(|row| row.2)
}

/// The IPv4 address inside: mapped, compatible, translated (two prefixes), 6to4.
fn inner(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] => of(high, low),
        [0, 0, 0, 0, 0xffff, 0, high, low] => of(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => of(high, low),
        [0x2002, high, low, ..] => of(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(network: Network, text: &str) -> Option<Refusal> {
        network.refusal(text.parse().unwrap())
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
            "192.0.2.1",
            "198.51.100.255",
            "203.0.113.7",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "feff::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::",
            "ff02::1",
            "2001:db8::1",
            "::ffff:169.254.169.254",
            "::ffff:168.63.129.16",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::6464:64c8",
            "2002:a9fe:a9fe::1",
            "::ffff:0:169.254.169.254",
            "2001:0:1::1",
        ] {
            for network in [Network::Public, Network::AlsoPrivate] {
                let refusal = refusal(network, address);
                assert!(refusal.is_some_and(|refusal| refusal != Refusal::Private), "{address} {refusal:?}");
            }
        }
    }

    #[test]
    fn loopback_and_private_addresses_need_the_operators_word() {
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "::1",
            "fc00::1",
            "fd12::1",
            "fdff::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:0a00:0001::1",
        ] {
            assert_eq!(refusal(Network::Public, address), Some(Refusal::Private), "{address}");
            assert_eq!(refusal(Network::AlsoPrivate, address), None, "{address}");
        }
    }

    #[test]
    fn the_rest_is_public() {
        for address in [
            "8.8.8.8",
            "52.218.1.1",
            "172.15.255.255",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "168.63.129.15",
            "198.20.0.1",
            "223.255.255.255",
            "2a00:1450:4001::1",
            "2a05:d018::1",
            "2001:1::1",
            "::ffff:8.8.8.8",
        ] {
            assert_eq!(refusal(Network::Public, address), None, "{address}");
        }
    }

    #[test]
    fn an_address_in_a_url_is_judged_however_it_is_written() {
        let of = |network: Network, url: &str| network.literal_refusal(&url.parse().unwrap());
        assert_eq!(of(Network::AlsoPrivate, "http://169.254.169.254/latest"), Some(Refusal::LinkLocal));
        assert_eq!(of(Network::AlsoPrivate, "http://0xa9fea9fe/latest"), Some(Refusal::LinkLocal));
        assert_eq!(of(Network::AlsoPrivate, "http://168.63.129.16/"), Some(Refusal::Metadata));
        assert_eq!(of(Network::Public, "https://2130706433/"), Some(Refusal::Private));
        assert_eq!(of(Network::Public, "http://[::1]:8080/"), Some(Refusal::Private));
        assert_eq!(of(Network::AlsoPrivate, "http://[::1]:8080/"), None);
        assert_eq!(of(Network::Public, "https://acme.example/"), None);
    }
}
