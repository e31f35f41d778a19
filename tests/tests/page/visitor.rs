//! Somebody before the host's door, as the host sees them: a browser that sends exactly what it is told to, and bytes that
//! no browser would send.

use hyper::HeaderMap;
use hyper::Method;
use hyper::StatusCode;
use reqwest::Certificate;
use sluice_sandbox::ApsisSwitches;
use sluice_sandbox::SandboxConfig;
use sluice_tests::live::Live;
use sluice_tests::live::On;
use sluice_tests::rig::made_up;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// How long a test waits for an answer, or for a connection to be closed, before it fails.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A host with one integration and a few people.
pub async fn host() -> Live {
    Live::start(On::Sqlite, few(), |text| text).await
}

/// The same before it serves.
pub async fn still() -> Live {
    Live::still(None, few(), |text| text).await
}

fn few() -> SandboxConfig {
    // Checks ask for a token each, and many of them are made here.
    let apsis = ApsisSwitches { tokens_per_minute: 1_000, ..ApsisSwitches::default() };
    SandboxConfig { apsis, ..made_up(40) }
}

/// A token made by the command line.
pub async fn token_of(live: &Live, role: &str, integrations: &[&str]) -> String {
    named_token(live, "page", role, integrations).await
}

pub async fn named_token(live: &Live, name: &str, role: &str, integrations: &[&str]) -> String {
    let mut arguments = vec!["token", "create", name, "--role", role];
    for id in integrations {
        arguments.extend(["--integration", id]);
    }
    let made = live.run(&arguments).await;
    assert_eq!(made.code(), 0, "{}", made.log);
    made.last()["token"].as_str().unwrap().to_owned()
}

/// A well-formed token that is none of anybody's.
pub fn no_token() -> String {
    format!("sluice_{}_{}", "0".repeat(12), "A".repeat(43))
}

/// The cookie's name where nobody speaks TLS.
pub const COOKIE: &str = "sluice-session";

/// A browser, as far as the host sees it: it keeps a cookie, goes nowhere by itself, and sends what it is told to.
#[derive(Clone)]
pub struct Browser {
    place: String,
    client: reqwest::Client,
    /// `name=value`.
    pub cookie: Option<String>,
    /// What a page of its session says that its forms are to prove.
    pub proof: String,
}

/// What it was answered.
pub struct Seen {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Where it is sent to.
    pub fn location(&self) -> &str {
        self.header("location")
    }

    /// Whether it is sent to the login.
    pub fn is_to_login(&self) -> bool {
        self.status == StatusCode::SEE_OTHER && self.location().starts_with("/login?next=")
    }

    /// The cookie that it is given: `name=value`.
    pub fn cookie(&self) -> Option<&str> {
        self.headers.get("set-cookie")?.to_str().unwrap().split(';').next()
    }

    /// It is refused as a form of somebody else.
    pub fn assert_not_ours(&self, what: &str) {
        assert_eq!(self.status, StatusCode::FORBIDDEN, "{what}: {}", self.text);
        assert!(self.text.contains("form-not-ours"), "{what}: {}", self.text);
    }
}

pub fn form(fields: &[(&str, &str)]) -> String {
    let encoded = reqwest::Url::parse_with_params("http://form/", fields).unwrap();
    encoded.query().unwrap_or_default().to_owned()
}

impl Browser {
    /// One in which nobody is logged in.
    pub fn nobody(live: &Live) -> Self {
        Self::at(&live.url(), None)
    }

    /// One before a host at this address, whose certificate it trusts.
    pub fn at(place: &str, trusted: Option<Certificate>) -> Self {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .timeout(PATIENCE);
        let client = trusted.into_iter().fold(client, reqwest::ClientBuilder::add_root_certificate);
        Self { place: place.to_owned(), client: client.build().unwrap(), cookie: None, proof: String::new() }
    }

    /// Where the host is.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// One in which whoever has this token is logged in.
    pub async fn log_in(live: &Live, token: &str) -> Self {
        let nobody = Self::nobody(live);
        let seen = nobody.enter(token).await;
        assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
        nobody.with_cookie(seen.cookie().unwrap()).at_home().await
    }

    /// The same with another cookie.
    pub fn with_cookie(&self, cookie: &str) -> Self {
        Self { cookie: Some(cookie.to_owned()), ..self.clone() }
    }

    /// The same with the proof that its pages have.
    pub async fn at_home(mut self) -> Self {
        let page = self.get("/integrations").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        let (_, proof) =
            page.text.split_once("<meta name=\"form-proof\" content=\"").expect("pages have a proof");
        self.proof = proof.split('"').next().unwrap().to_owned();
        self
    }

    /// Sends the login form.
    pub async fn enter(&self, token: &str) -> Seen {
        self.ask(Method::POST, "/login", &[], &[("token", token)]).await
    }

    /// Asks with exactly this, and the cookie.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        fields: &[(&str, &str)],
    ) -> Seen {
        let has_form = method == Method::POST;
        let mut request = self.client.request(method, format!("{}{path}", self.place));
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if has_form {
            request = request.header("content-type", "application/x-www-form-urlencoded").body(form(fields));
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Seen { status, headers, text: response.text().await.unwrap() }
    }

    /// Loads a page.
    pub async fn get(&self, path: &str) -> Seen {
        self.ask(Method::GET, path, &[], &[]).await
    }

    /// Sends a form as its page would, with the proof.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Seen {
        let mut all = vec![("proof", self.proof.as_str())];
        all.extend_from_slice(fields);
        self.ask(Method::POST, path, &[], &all).await
    }
}

/// After an attack: nobody is shown the login, and whoever is logged in is still served.
pub async fn assert_well(live: &Live, good: &Browser) {
    let login = Browser::nobody(live).get("/login").await;
    assert_eq!(login.status, StatusCode::OK, "{}", login.text);
    let page = good.get("/integrations").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
}

pub fn address(live: &Live) -> SocketAddr {
    live.url().trim_start_matches("http://").parse().unwrap()
}

/// What came of bytes that were thrown at the host.
pub struct Thrown {
    /// How many of them it took.
    pub taken: usize,
    /// None: it closed without a word, or a reset overtook it.
    pub status: Option<u16>,
    pub text: String,
}

impl Thrown {
    pub fn assert_refused(&self, what: &str, statuses: &[u16]) {
        assert!(
            self.status.is_none_or(|status| statuses.contains(&status)),
            "{what}: {:?} {}",
            self.status,
            self.text
        );
    }
}

pub fn status_of(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
}

/// All that comes until the other end closes.
pub async fn to_the_end(mut reading: impl tokio::io::AsyncRead + Unpin) -> String {
    let (mut answer, mut piece) = (Vec::new(), [0; 16 * 1024]);
    loop {
        match reading.read(&mut piece).await {
            Ok(0) | Err(_) => return String::from_utf8_lossy(&answer).into_owned(),
            Ok(some) => answer.extend_from_slice(&piece[..some]),
        }
    }
}

/// Sends bytes as they are, as far as they are taken, and reads until the host closes.
pub async fn throw(live: &Live, pieces: impl IntoIterator<Item = Vec<u8>>) -> Thrown {
    let stream = TcpStream::connect(address(live)).await.unwrap();
    let (reading, mut writing) = stream.into_split();
    let write = async move {
        let mut taken = 0;
        for piece in pieces {
            if writing.write_all(&piece).await.is_err() {
                break;
            }
            taken += piece.len();
        }
        // Given back so that the host is not told that nothing more comes.
        (taken, writing)
    };
    let thrown = async { tokio::join!(write, to_the_end(reading)) };
    let thrown = tokio::time::timeout(PATIENCE, thrown).await;
    let ((taken, _writing), text) = thrown.expect("the host answers and closes, or closes");
    Thrown { taken, status: status_of(&text), text }
}

/// A request without a body, as it is: no client that knows better makes it harmless.
pub async fn throw_head(live: &Live, target: &[u8], headers: &str) -> Thrown {
    let rest = format!(" HTTP/1.1\r\nHost: sluice\r\nConnection: close\r\n{headers}\r\n");
    throw(live, [[&b"GET "[..], target, rest.as_bytes()].concat()]).await
}

// Forms of other sites.

/// A text as a part of an address.
pub fn encoded(text: &str) -> String {
    let byte = |byte: u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(byte).collect()
}
