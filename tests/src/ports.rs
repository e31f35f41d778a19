//! Ports for programs that are to be found under the same address when they come back.
//!
//! A port that the system names (`:0`) is free for a moment only: as long as nobody listens there, the system
//! may give it to any connection that any test makes. A port from here is below those, and is named to
//! nobody else, by this process or by another, while this process lives.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;
use std::sync::Mutex;

/// Below what Linux gives to connections by itself (`ip_local_port_range`).
const PORTS: Range<u16> = 12_000..32_000;

/// Which are ours: nobody here speaks UDP, so whoever holds the UDP port of a number holds the number.
static HELD: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());

/// A port of the loopback address that nobody listens on.
pub fn free_port() -> u16 {
    let mut held = HELD.lock().unwrap();
    for port in PORTS {
        let Ok(hold) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)) else { continue };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            held.push(hold);
            return port;
        }
    }
    panic!("no port of {PORTS:?} is free")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn each_is_named_once_and_stays_free_whatever_connections_there_are() {
        let ports: BTreeSet<u16> = (0..200).map(|_| free_port()).collect();
        assert_eq!(ports.len(), 200);
        // What the system gives to connections, and to those who ask for any port.
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = server.local_addr().unwrap();
        let given = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
        let lowest: u16 = given.split_whitespace().next().unwrap().parse().unwrap();
        assert!(*ports.last().unwrap() < lowest && address.port() >= lowest, "{ports:?}, {given}");
        // Fewer than wait for being accepted.
        let connections: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
        for port in ports {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        }
        drop(connections);
    }
}
