//! What each fault does. The name of a fault is what the setting holds.

use crate::exports::sluice::crm_connector::contacts::Page;
use crate::sluice::crm_connector::http::{self, Credential, Method, Request, Response};
use crate::sluice::crm_connector::types::{Contact, Discard, DiscardReason, Error, ErrorKind, Field, Value};
use crate::sluice::crm_connector::{log, session, settings};
use crate::{contact, error, page, setting};

pub fn scan(fault: &str, after: Option<String>, limit: u32) -> Result<Page, Error> {
    if let Some(kind) = fault.strip_prefix("says-") {
        return Err(says(kind));
    }
    match fault {
        "none" => Ok(well(after, limit)),

        // Uses up what is not its own.
        "loops" => spin(),
        "computes" => {
            // A while, by what is done and not by the clock, and then an end.
            let times: u64 = setting("times").parse().unwrap();
            for n in 0..times * 10_000 {
                std::hint::black_box(n);
            }
            Ok(well(after, limit))
        }
        "recurses" => Ok(page(vec![contact(&recurse(1).to_string())])),
        "hoards" => hoard(),
        "panics" => panic!("no such person as anna@example.com with key {}", setting("target")),
        "exits" => std::process::exit(3),
        "sleeps" => {
            std::thread::sleep(std::time::Duration::from_secs(3_600));
            Ok(well(after, limit))
        }

        "puts-without-end" => loop {
            session::put(&format!("key-{}", keep()), &format!("token-{}", keep()), 60);
        },
        "puts-giants" => {
            (0..50).for_each(|_| session::put("giant", &"x".repeat(1 << 20), 60));
            Ok(page(vec![with_text(contact("1"), session::get("giant").is_some().to_string())]))
        }
        "fails-without-end" => loop {
            http::fetch(&get(&format!("no address {}", keep()))).unwrap_err();
        },

        // Writes too much, or what it must not.
        "floods-log" => loop {
            log::log(log::Level::Error, "again");
        },
        "floods-stdout" => loop {
            println!("again");
        },
        "floods-without-newline" => loop {
            eprint!("again");
        },
        "long-line" => {
            log::log(log::Level::Warn, &"x".repeat(100_000));
            Ok(well(after, limit))
        }
        "tells-all" => {
            let secret = setting("target");
            log::log(
                log::Level::Info,
                &format!("log anna.svensson@example.com +46 70 123 45 67 {secret} end-of-log"),
            );
            println!("stdout anna.svensson%40example.com 070-123 45 67 {secret} end-of-stdout");
            eprintln!("stderr <anna.svensson@example.com> {secret} end-of-stderr");
            Err(error(ErrorKind::Other, &format!("Cannot read anna.svensson@example.com with {secret}.")))
        }

        // Answers what is not in the contract, or too much of it.
        "too-many" => Ok(page((0..=limit).map(|n| contact(&n.to_string())).collect())),
        "giant" => Ok(page(vec![with_text(contact("1"), "x".repeat(50_000_000))])),
        "twice" => Ok(page(vec![contact("1"), contact("1")])),
        "no-id" => Ok(page(vec![contact("1"), contact(" ")])),
        "bad-time" => {
            Ok(page(vec![Contact { modified_at: Some("anna@example.com".into()), ..contact("1") }]))
        }
        "field-twice" => Ok(page(vec![with_text(with_text(contact("1"), "a".into()), "b".into())])),
        "same-cursor" => Ok(Page { next: Some("round".into()), ..page(Vec::new()) }),
        "long-cursor" => Ok(Page { next: Some("c".repeat(4_097)), ..page(Vec::new()) }),
        "deep-json" => {
            let (open, close) = ("[".repeat(200_000), "]".repeat(200_000));
            let deep = Field { name: "deep".into(), value: Value::Json(open + &close) };
            Ok(page(vec![Contact { fields: vec![deep], ..contact("1") }]))
        }
        "empty-cursor" => Ok(Page { next: Some(String::new()), ..page(Vec::new()) }),

        "discards-too-many" => {
            let discarded = (0..=limit).map(|_| discard("Nothing to do.")).collect();
            Ok(Page { discarded, ..page((0..limit).map(|n| contact(&n.to_string())).collect()) })
        }
        "discards-and-tells" => {
            let told = format!("anna.svensson@example.com {} {}", setting("target"), "x".repeat(5_000));
            Ok(Page { discarded: vec![discard(&told)], ..page(Vec::new()) })
        }

        // Asks for what it must not have, or for too much.
        "fetches" => fetched(get(&setting("target"))),
        "fetches-url" => fetched(get(&setting("url"))),
        "fetches-often" => {
            let times: u32 = setting("times").parse().unwrap();
            for _ in 1..times {
                answered(get(&setting("target")))?;
            }
            fetched(get(&setting("target")))
        }
        "copes" => match http::fetch(&get(&setting("target"))) {
            Ok(_) => Err(error(ErrorKind::Other, "It worked.")),
            Err(refused) => Ok(page(vec![with_text(contact("1"), format!("{:?}", refused.kind))])),
        },
        "sends-much" => fetched(Request {
            method: Method::Post,
            body: Some(vec![b'x'; 8_000_000]),
            ..get(&setting("target"))
        }),
        "sends-many-headers" => fetched(Request {
            headers: (0..40_000).map(|n| (format!("x-{n}"), "x".into())).collect(),
            ..get(&setting("target"))
        }),
        "sends-large-header" => fetched(Request {
            headers: vec![("x-large".into(), "x".repeat(8_000_000))],
            ..get(&setting("target"))
        }),
        "sends-long-address" => fetched(get(&format!("{}/{}", setting("url"), "x".repeat(8_000_000)))),
        "sets-host" => fetched(Request {
            headers: vec![("Host".into(), "inside.example".into())],
            ..get(&setting("target"))
        }),
        "bearer" => fetched(with(Credential::Bearer("api-key".into()))),
        "basic" => fetched(with(Credential::Basic(("user".into(), "api-key".into())))),
        "header" => fetched(with(Credential::Header(("x-api-key".into(), "api-key".into())))),
        "form" => {
            let form = with(Credential::Form(("secret".into(), "api-key".into())));
            fetched(Request { body: Some(b"grant=a+b".to_vec()), ..form })
        }
        "json" => {
            let json = with(Credential::Json(("/auth/key".into(), "api-key".into())));
            fetched(Request { body: Some(br#"{"auth":{"user":"u"}}"#.to_vec()), ..json })
        }
        // Under every name that a secret of somebody else may have.
        "steals" => {
            for name in ["other", "crm-key", "healthy", "healthy/crm-key", "crm-key.previous", "", "*"] {
                let refused = http::fetch(&with(Credential::Bearer(name.into()))).unwrap_err();
                log::log(log::Level::Warn, &format!("{name}: {}", refused.message));
                for found in [settings::get(name), session::get(name)].into_iter().flatten() {
                    log::log(log::Level::Warn, &found);
                    fetched(Request {
                        body: Some(found.into_bytes()),
                        ..with(Credential::Bearer("api-key".into()))
                    })?;
                }
            }
            fetched(with(Credential::Bearer("api-key".into())))
        }
        "unknown-secret" => fetched(with(Credential::Bearer("other".into()))),

        // Looks for what others left, and for what a program usually finds.
        "remembers" => {
            let before = session::get("count").unwrap_or_else(|| "0".into());
            let now = before.parse::<u32>().unwrap() + 1;
            session::put("count", &now.to_string(), 60);
            Ok(page(vec![with_text(contact("1"), before)]))
        }
        "keeps-in-memory" => Ok(page(vec![with_text(contact("1"), keep().to_string())])),
        "looks-around" => Ok(page(vec![with_text(contact("1"), look_around())])),

        other => Err(error(ErrorKind::Misconfigured, &format!("There is no fault {other}."))),
    }
}

/// Contacts `after`+1 .. for ever in pages of `limit`, up to 25.
fn well(after: Option<String>, limit: u32) -> Page {
    let first = after.map_or(0, |after| after.parse::<u32>().unwrap());
    let last = (first + limit).min(25);
    let next = (last < 25).then(|| last.to_string());
    Page { total: Some(25), next, ..page((first..last).map(|n| contact(&(n + 1).to_string())).collect()) }
}

fn with_text(mut contact: Contact, text: String) -> Contact {
    contact.fields.push(Field { name: "text".into(), value: Value::Text(text) });
    contact
}

fn discard(message: &str) -> Discard {
    Discard { subject: None, reason: DiscardReason::NotRelevant, message: message.into() }
}

fn spin() -> ! {
    let mut n = 0_u64;
    loop {
        n = std::hint::black_box(n.wrapping_add(1));
    }
}

fn recurse(n: u64) -> u64 {
    let room = std::hint::black_box([n; 64]);
    if std::hint::black_box(n) == 0 { 0 } else { recurse(n + 1) + room.iter().sum::<u64>() }
}

fn hoard() -> ! {
    let mut hoard = Vec::new();
    loop {
        hoard.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

fn keep() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static KEPT: AtomicU32 = AtomicU32::new(0);
    KEPT.fetch_add(1, Ordering::Relaxed)
}

fn look_around() -> String {
    let variables = std::env::vars().count();
    let arguments = std::env::args().count();
    let root = std::fs::read_dir("/").is_ok();
    let file = std::fs::read("/etc/passwd").is_ok();
    let socket = std::net::TcpStream::connect(setting("target")).is_ok();
    let input = std::io::stdin().lines().count();
    let clock = std::time::SystemTime::now() > std::time::UNIX_EPOCH;
    format!(
        "variables {variables} arguments {arguments} root {root} file {file} socket {socket} input {input} clock {clock}"
    )
}

fn says(kind: &str) -> Error {
    let kind = match kind {
        "unauthorized" => ErrorKind::Unauthorized,
        "misconfigured" => ErrorKind::Misconfigured,
        "rate-limited" => ErrorKind::RateLimited,
        "unavailable" => ErrorKind::Unavailable,
        "cursor-expired" => ErrorKind::CursorExpired,
        "malformed" => ErrorKind::Malformed,
        "unsupported" => ErrorKind::Unsupported,
        _ => ErrorKind::Other,
    };
    let details = vec![("http.status".to_owned(), "502".to_owned())];
    Error { kind, message: "The CRM said so.".into(), retry_after_ms: Some(1_500), details }
}

fn get(url: &str) -> Request {
    Request { method: Method::Get, url: url.into(), headers: Vec::new(), credentials: Vec::new(), body: None }
}

fn with(credential: Credential) -> Request {
    Request { method: Method::Post, credentials: vec![credential], ..get(&setting("target")) }
}

fn answered(request: Request) -> Result<Response, Error> {
    http::fetch(&request)
        .map_err(|refused| error(ErrorKind::Unavailable, &format!("No answer: {}", refused.message)))
}

/// The answer, as the text of one contact.
fn fetched(request: Request) -> Result<Page, Error> {
    let response = answered(request)?;
    let text = format!("{} {}", response.status, String::from_utf8_lossy(&response.body));
    Ok(page(vec![with_text(contact("1"), text)]))
}
