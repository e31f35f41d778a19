//! A small TCP balancer before several hosts: each connection goes to the next host that takes it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A running balancer; it ends with this.
pub struct Balancer {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Balancer {
    /// Starts it.
    pub async fn start(hosts: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let hosts = Arc::new(hosts);
        let next = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(async move {
            loop {
                let Ok((mut client, _)) = listener.accept().await else { continue };
                let (hosts, next) = (Arc::clone(&hosts), Arc::clone(&next));
                tokio::spawn(async move {
                    for _ in 0..hosts.len() {
                        let host = hosts[next.fetch_add(1, Ordering::Relaxed) % hosts.len()];
                        let connecting =
                            tokio::time::timeout(Duration::from_secs(1), TcpStream::connect(host));
                        if let Ok(Ok(mut server)) = connecting.await {
                            // However it ends, both sides are closed.
                            drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
                            return;
                        }
                    }
                });
            }
        });
        Self { address, task }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
