//! The small CRM as a program: `cargo run --example fake-crm`. It prints where it is as one line of JSON, answers as the
//! CRM does, takes at a second address what happens in it, and ends when its standard input does.
//!
//! With `--people 40` it has 40 people, with `--port 4100` it is at that port (and the second address at the next one),
//! and with `--stay` it does not end by itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod crm;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};

use crate::crm::{Answer, FakeCrm, KEY};

/// People, unless a number is given.
const PEOPLE: u64 = 250;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let number = |flag: &str| {
        let at = words.iter().position(|word| word == flag)?;
        Some(words.get(at + 1).and_then(|number| number.parse().ok()).expect("a number behind it"))
    };
    let port: u16 = number("--port").map_or(0, |port: u64| port.try_into().expect("a port"));
    let crm = Arc::new(Mutex::new(FakeCrm::new(number("--people").unwrap_or(PEOPLE))));
    let api = serve(port, Arc::clone(&crm), |crm, request| {
        crm.get(&request.path, &request.query, request.key.as_deref())
    });
    let control = serve(if port == 0 { 0 } else { port + 1 }, crm, control);
    println!(
        "{}",
        json!({ "settings": { "url": api }, "secrets": { "api-key": KEY }, "origins": [api], "control": control })
    );
    while words.iter().any(|word| word == "--stay") {
        std::thread::park();
    }
    // It lives as long as whoever started it wants something of it.
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
}

/// What happens in the CRM.
fn control(crm: &mut FakeCrm, request: &Request) -> Answer {
    crm.set_time(&now());
    let id = request.path.strip_prefix("/people/").unwrap_or_default();
    let done = |done: bool| if done { (204, Json::Null) } else { (404, json!({ "error": "nobody" })) };
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/people") => (200, json!(crm.ids())),
        ("POST", "/people") => (201, json!({ "id": crm.add() })),
        ("POST", _) => done(crm.change(id)),
        ("DELETE", _) => done(crm.delete(id)),
        _ => (404, json!({ "error": "nothing is here" })),
    }
}

struct Request {
    method: String,
    path: String,
    query: String,
    key: Option<String>,
}

/// Answers at an address of its own, each connection in a thread; the address.
fn serve(
    port: u16,
    crm: Arc<Mutex<FakeCrm>>,
    answer: impl Fn(&mut FakeCrm, &Request) -> Answer + Copy + Send + 'static,
) -> String {
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let crm = Arc::clone(&crm);
            std::thread::spawn(move || {
                // A connection that breaks is over, and nothing else.
                let _ = one(&stream, |request| answer(&mut crm.lock().unwrap(), request));
            });
        }
    });
    address
}

/// One request, and its answer.
fn one(stream: &TcpStream, answer: impl FnOnce(&Request) -> Answer) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let (path, query) = words.next().map_or(("", ""), |url| url.split_once('?').unwrap_or((url, "")));
    let mut request = Request { method, path: path.to_owned(), query: query.to_owned(), key: None };
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        match name.to_lowercase().as_str() {
            "authorization" => request.key = value.strip_prefix("Bearer ").map(str::to_owned),
            "content-length" => length = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    let (status, body) = answer(&request);
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut out = stream;
    write!(
        out,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// The time, RFC 3339 in UTC.
fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (mut year, mut days) = (1970, days);
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while days >= if is_leap(year) { 366 } else { 365 } {
        days -= if is_leap(year) { 366 } else { 365 };
        year += 1;
    }
    let months = [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in months {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02}T{:02}:{:02}:{:02}Z", days + 1, rest / 3600, rest / 60 % 60, rest % 60)
}
