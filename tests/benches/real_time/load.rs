//! Senders: each posts one delivery after the other over a connection of its own, as Lime signs them.
//!
//! They speak just enough HTTP, so that most of what the machine has is the server's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use sluice_tests::rig::WEBHOOK_SECRET;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What came of it.
pub struct Sent {
    pub a_second: f64,
    /// Milliseconds.
    pub p99: f64,
}

/// Signs deliveries about persons, each with an id of its own.
pub struct Signer {
    name: usize,
    next: AtomicU64,
    mac: Hmac<Sha256>,
}

impl Signer {
    /// `name` is part of the ids.
    pub fn new(name: usize) -> Arc<Self> {
        let mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).unwrap();
        Arc::new(Self { name, next: AtomicU64::new(0), mac })
    }

    /// A request with a delivery of about 1 KiB, about one of so many persons.
    pub fn request(&self, path: &str, persons: u64) -> Vec<u8> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let person = 5001 + number % persons;
        let body = format!(
            r#"{{"event":"person.update","body":{{"id":{person},"limetype":"person","values":{{"city":"Lund","notes":"{}"}}}}}}"#,
            "x".repeat(900)
        );
        let id = format!("bench-{}-{number}", self.name);
        let sent = jiff::Timestamp::now().as_second();
        let mut mac = self.mac.clone();
        mac.update(format!("v2:{id}:{sent}:{}", hex::encode(Sha256::digest(&body))).as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        format!(
            "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             x-lime-delivery-id: {id}\r\nx-lime-delivery-timestamp: {sent}\r\nx-lime-signature: v2={signature}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

/// Has so many senders post for so long.
pub async fn send(
    to: SocketAddr,
    path: &str,
    signer: &Arc<Signer>,
    persons: u64,
    senders: usize,
    time: Duration,
) -> Sent {
    let until = Instant::now() + time;
    let began = Instant::now();
    let tasks: Vec<_> = (0..senders)
        .map(|_| {
            let (path, signer) = (path.to_owned(), Arc::clone(signer));
            tokio::spawn(async move {
                let mut times = Vec::new();
                let mut stream = TcpStream::connect(to).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let mut answer = Vec::with_capacity(4096);
                while Instant::now() < until {
                    let request = signer.request(&path, persons);
                    let began = Instant::now();
                    stream.write_all(&request).await.unwrap();
                    read_answer(&mut stream, &mut answer).await;
                    times.push(began.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let a_second = times.len() as f64 / began.elapsed().as_secs_f64();
    Sent { a_second, p99: crate::figures::percentile(&mut times, 99) }
}

/// Posts so many deliveries, 32 at a time.
pub async fn send_all(to: SocketAddr, path: &str, signer: &Arc<Signer>, persons: u64, count: u64) {
    let left = Arc::new(AtomicU64::new(count));
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let (path, signer, left) = (path.to_owned(), Arc::clone(signer), Arc::clone(&left));
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(to).await.unwrap();
                let mut answer = Vec::with_capacity(4096);
                let take =
                    || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
                while take().is_ok() {
                    stream.write_all(&signer.request(&path, persons)).await.unwrap();
                    read_answer(&mut stream, &mut answer).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Reads one answer, which must be a good one.
async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) {
    answer.clear();
    loop {
        let read = stream.read_buf(answer).await.unwrap();
        assert!(read > 0, "the server closed the connection: {}", String::from_utf8_lossy(answer));
        let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&answer[..end]).unwrap();
        assert!(head.starts_with("HTTP/1.1 20"), "{head}");
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
        });
        if answer.len() >= end + 4 + length.unwrap_or(0) {
            return;
        }
    }
}
