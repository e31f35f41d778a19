//! A small real HTTP server for tests: answers what a closure says, and remembers what arrived.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Arrived {
    pub(super) at: Instant,
    /// Method and path with query, as on the wire.
    pub(super) line: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Arrived {
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What the server does.
pub(super) enum Does {
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Closes the connection without an answer.
    Drops,
}

pub(super) fn json(status: u16, body: serde_json::Value) -> Does {
    Does::Answer(status, vec![("content-type", "application/json".into())], body.to_string().into_bytes())
}

pub(super) fn empty(status: u16) -> Does {
    Does::Answer(status, Vec::new(), Vec::new())
}

pub(super) struct Server {
    pub(super) url: String,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

impl Server {
    /// Starts a server on a free port; it ends with the test's runtime.
    pub(super) async fn start(answer: impl Fn(&Arrived) -> Does + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), arrived.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone(), log.clone()));
            }
        });
        Self { url, arrived }
    }

    pub(super) fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }

    /// Arrivals whose line starts so.
    pub(super) fn of(&self, start: &str) -> Vec<Arrived> {
        self.arrived().into_iter().filter(|request| request.line.starts_with(start)).collect()
    }
}

async fn serve(
    stream: TcpStream,
    answer: Arc<impl Fn(&Arrived) -> Does>,
    log: Arc<Mutex<Vec<Arrived>>>,
) -> Option<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(read.read_u8().await.ok()?);
        }
        let at = Instant::now();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        assert!(
            !headers.contains_key("transfer-encoding"),
            "an upload host needs the length before the body"
        );
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        read.read_exact(&mut body).await.ok()?;
        let request = Arrived { at, line, headers, body };
        let does = answer(&request);
        log.lock().unwrap().push(request);
        let Does::Answer(status, headers, body) = does else { return None };
        let mut out = format!("HTTP/1.1 {status} Word\r\n");
        for (name, value) in headers {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        if status != 204 {
            out.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        out.push_str("\r\n");
        write.write_all(out.as_bytes()).await.ok()?;
        write.write_all(&body).await.ok()?;
    }
}
