//! Attempts to get in that failed: how many from one address, so that whoever tries tokens is slowed down.
//!
//! A token cannot be guessed; this keeps the trying from costing anything, and shows it in the log.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failed attempts of one address within the time below.
const ALLOWED: u32 = 10;
/// That time.
const WITHIN: Duration = Duration::from_secs(60);
/// Addresses that are remembered. Beyond them the oldest are forgotten.
const REMEMBERED: usize = 10_000;

/// Whoever is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer(IpAddr);

impl Peer {
    /// One at this address. Whoever has one IPv6 address has all of its network.
    pub fn new(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = u128::from(address) & !u128::from(u64::MAX);
                Self(IpAddr::V6(Ipv6Addr::from(network)))
            }
            address @ IpAddr::V4(_) => Self(address),
        }
    }
}

/// Failed attempts, by who made them.
#[derive(Default)]
pub struct Attempts(Mutex<HashMap<Peer, (Instant, u32)>>);

impl Attempts {
    /// How long this peer has to wait before another attempt is looked at; none if not at all.
    pub fn wait(&self, peer: Peer, now: Instant) -> Option<Duration> {
        let failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = failed.get(&peer)?;
        let left = WITHIN.checked_sub(now.duration_since(*since))?;
        (*count >= ALLOWED && !left.is_zero()).then_some(left)
    }

    /// One failed.
    pub fn failed(&self, peer: Peer, now: Instant) {
        let mut failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() >= REMEMBERED && !failed.contains_key(&peer) {
            failed.retain(|_, (since, _)| now.duration_since(*since) < WITHIN);
            if failed.len() >= REMEMBERED {
                let oldest = failed.iter().min_by_key(|(_, (since, _))| *since).map(|(peer, _)| *peer);
                oldest.and_then(|peer| failed.remove(&peer));
            }
        }
        let (since, count) = failed.entry(peer).or_insert((now, 0));
        if now.duration_since(*since) >= WITHIN {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Peer {
        Peer::new(text.parse().unwrap())
    }

    #[test]
    fn ten_attempts_a_minute_and_then_a_wait() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        let one = peer("192.0.2.1");
        for _ in 0..ALLOWED {
            assert_eq!(attempts.wait(one, start), None);
            attempts.failed(one, start);
        }
        assert_eq!(attempts.wait(one, start + Duration::from_secs(20)), Some(Duration::from_secs(40)));
        assert_eq!(attempts.wait(peer("192.0.2.2"), start), None);
        assert_eq!(attempts.wait(one, start + WITHIN), None);
        attempts.failed(one, start + WITHIN);
        assert_eq!(attempts.wait(one, start + WITHIN), None);
    }

    #[test]
    fn whoever_has_many_addresses_of_one_network_is_one() {
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::ffff:1"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:1::1"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
    }

    #[test]
    fn not_more_is_remembered_than_there_is_room_for() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        for number in 0..u32::try_from(REMEMBERED).unwrap() + 10 {
            let address = std::net::Ipv4Addr::from(number);
            attempts.failed(Peer::new(address.into()), start + Duration::from_micros(number.into()));
        }
        assert_eq!(attempts.0.lock().unwrap().len(), REMEMBERED);
    }
}
