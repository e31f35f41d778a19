//! The front door attacked: forms of other sites, scripts in names, planted sessions, guessed tokens, paths out of the
//! folder, and whoever sends slowly or without end. Each is tried, refused, and afterwards the host is as well as before.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hyper::{HeaderMap, Method, StatusCode};
use serde_json::json;
use sluice_sandbox::{ApsisSwitches, SandboxConfig};
use sluice_tests::live::{Live, On};
use sluice_tests::rig::{ACME, made_up};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

/// How long a test waits for an answer, or for a connection to be closed, before it fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// A host with one integration and a few people.
pub async fn host() -> Live {
    // Checks ask for a token each, and many of them are made here.
    let apsis = ApsisSwitches { tokens_per_minute: 1_000, ..ApsisSwitches::default() };
    Live::start(On::Sqlite, SandboxConfig { apsis, ..made_up(40) }, |text| text).await
}

/// A token made by the command line.
pub async fn token_of(live: &Live, role: &str, integrations: &[&str]) -> String {
    named_token(live, "page", role, integrations).await
}

async fn named_token(live: &Live, name: &str, role: &str, integrations: &[&str]) -> String {
    let mut arguments = vec!["token", "create", name, "--role", role];
    for id in integrations {
        arguments.extend(["--integration", id]);
    }
    let made = live.run(&arguments).await;
    assert_eq!(made.code(), 0, "{}", made.log);
    made.last()["token"].as_str().unwrap().to_owned()
}

/// A well-formed token that is none of anybody's.
fn no_token() -> String {
    format!("sluice_{}_{}", "0".repeat(12), "A".repeat(43))
}

/// The cookie's name where nobody speaks TLS.
const COOKIE: &str = "sluice-session";

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
    fn header(&self, name: &str) -> &str {
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
    fn assert_not_ours(&self, what: &str) {
        assert_eq!(self.status, StatusCode::FORBIDDEN, "{what}: {}", self.text);
        assert!(self.text.contains("form-not-ours"), "{what}: {}", self.text);
    }
}

fn form(fields: &[(&str, &str)]) -> String {
    let encoded = reqwest::Url::parse_with_params("http://form/", fields).unwrap();
    encoded.query().unwrap_or_default().to_owned()
}

impl Browser {
    /// One in which nobody is logged in.
    pub fn nobody(live: &Live) -> Self {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .timeout(PATIENCE)
            .build()
            .unwrap();
        Self { place: live.url(), client, cookie: None, proof: String::new() }
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
    async fn at_home(mut self) -> Self {
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
async fn assert_well(live: &Live, good: &Browser) {
    let login = Browser::nobody(live).get("/login").await;
    assert_eq!(login.status, StatusCode::OK, "{}", login.text);
    let page = good.get("/integrations").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
}

fn address(live: &Live) -> SocketAddr {
    live.url().trim_start_matches("http://").parse().unwrap()
}

/// What came of bytes that were thrown at the host.
struct Thrown {
    /// How many of them it took.
    taken: usize,
    /// None: it closed without a word, or a reset overtook it.
    status: Option<u16>,
    text: String,
}

impl Thrown {
    fn assert_refused(&self, what: &str, statuses: &[u16]) {
        assert!(
            self.status.is_none_or(|status| statuses.contains(&status)),
            "{what}: {:?} {}",
            self.status,
            self.text
        );
    }
}

fn status_of(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
}

/// All that comes until the other end closes.
async fn to_the_end(mut reading: impl tokio::io::AsyncRead + Unpin) -> String {
    let (mut answer, mut piece) = (Vec::new(), [0; 16 * 1024]);
    loop {
        match reading.read(&mut piece).await {
            Ok(0) | Err(_) => return String::from_utf8_lossy(&answer).into_owned(),
            Ok(some) => answer.extend_from_slice(&piece[..some]),
        }
    }
}

/// Sends bytes as they are, as far as they are taken, and reads until the host closes.
async fn throw(live: &Live, pieces: impl IntoIterator<Item = Vec<u8>>) -> Thrown {
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
async fn throw_head(live: &Live, target: &[u8], headers: &str) -> Thrown {
    let rest = format!(" HTTP/1.1\r\nHost: sluice\r\nConnection: close\r\n{headers}\r\n");
    throw(live, [[&b"GET "[..], target, rest.as_bytes()].concat()]).await
}

// Forms of other sites.

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_changed_by_a_form_that_no_page_of_the_session_has_sent() {
    let live = host().await;
    let token = token_of(&live, "operator", &[]).await;
    let ours = Browser::log_in(&live, &token).await;
    let second = Browser::log_in(&live, &token).await;
    let other = Browser::log_in(&live, &token_of(&live, "operator", &[]).await).await;
    assert!(ours.proof != second.proof && ours.proof != other.proof);
    let session = ours.cookie.as_deref().unwrap().split_once('=').unwrap().1;
    let proof = ours.proof.as_str();
    let half = &proof[..proof.len() / 2];
    let forged: [(&str, &[(&str, &str)], &[(&str, &str)]); 11] = [
        ("no proof", &[], &[]),
        ("an empty proof", &[], &[("proof", "")]),
        ("half a proof", &[], &[("proof", half)]),
        ("the session as its proof", &[], &[("proof", session)]),
        ("the proof of another session of the token", &[], &[("proof", second.proof.as_str())]),
        ("the proof of another token's session", &[], &[("proof", other.proof.as_str())]),
        ("the same in the header", &[("x-form-proof", other.proof.as_str())], &[]),
        ("from another site", &[("sec-fetch-site", "cross-site")], &[("proof", proof)]),
        ("from a neighbour", &[("sec-fetch-site", "same-site")], &[("proof", proof)]),
        (
            "from another site by the header",
            &[("sec-fetch-site", "cross-site"), ("x-form-proof", proof)],
            &[],
        ),
        (
            "from another site by htmx",
            &[("sec-fetch-site", "cross-site"), ("hx-request", "true")],
            &[("proof", proof)],
        ),
    ];
    let disable = format!("/integrations/{ACME}/disable");
    let delete = format!("/integrations/{ACME}/delete");
    for path in [disable.as_str(), delete.as_str(), "/logout"] {
        for (what, headers, fields) in forged {
            let seen = ours.ask(Method::POST, path, headers, fields).await;
            seen.assert_not_ours(&format!("{path}: {what}"));
        }
        let in_address = ours.ask(Method::POST, &format!("{path}?proof={proof}"), &[], &[]).await;
        in_address.assert_not_ours(&format!("{path}: the proof in the address"));
        // Nor is there another way to send what only a form may.
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let headers = [
                ("x-form-proof", proof),
                ("x-http-method-override", "POST"),
                ("origin", "https://evil.example"),
            ];
            let seen = ours.ask(method.clone(), path, &headers, &[]).await;
            assert_eq!(seen.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}: {}", seen.text);
            assert!(!seen.headers.contains_key("access-control-allow-origin"), "{method} {path}");
        }
    }
    assert_eq!(live.status().await["enabled"], true);
    assert_well(&live, &ours).await;

    // What a page of the session sends does what it says.
    let seen = ours.post(&disable, &[]).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
    assert_eq!(seen.location(), format!("/integrations/{ACME}?done=disabled"));
    assert_eq!(live.status().await["enabled"], false);
    let headers = [("x-form-proof", proof), ("sec-fetch-site", "same-origin")];
    let seen = ours.ask(Method::POST, &format!("/integrations/{ACME}/enable"), &headers, &[]).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
    assert_eq!(live.status().await["enabled"], true);
    assert_eq!(ours.post("/logout", &[]).await.location(), "/login");
    assert!(ours.get("/integrations").await.is_to_login());
    assert_well(&live, &second).await;
}

/// Else another site could log somebody in as somebody else, who then sees what is done.
#[tokio::test(flavor = "multi_thread")]
async fn another_site_logs_nobody_in() {
    let live = host().await;
    let token = token_of(&live, "viewer", &[]).await;
    let good = Browser::log_in(&live, &token).await;
    let nobody = Browser::nobody(&live);
    for site in ["cross-site", "same-site"] {
        for browser in [&nobody, &good] {
            let seen =
                browser.ask(Method::POST, "/login", &[("sec-fetch-site", site)], &[("token", &token)]).await;
            seen.assert_not_ours(site);
            assert_eq!(seen.cookie(), None, "{site}");
        }
    }
    assert_well(&live, &good).await;
    for site in ["same-origin", "none"] {
        let seen =
            nobody.ask(Method::POST, "/login", &[("sec-fetch-site", site)], &[("token", &token)]).await;
        assert_eq!(seen.status, StatusCode::SEE_OTHER, "{site}: {}", seen.text);
    }
}

// Scripts in names.

const SCRIPT: &str = "<script>alert(1)</script>";
const IMAGE: &str = "\"><img src=x onerror=alert(1)>";

fn encoded(text: &str) -> String {
    let byte = |byte: u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(byte).collect()
}

/// An opening tag: its name, and its attributes.
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// The opening tags of a page, as a browser finds them.
fn tags(html: &str) -> Vec<Tag> {
    let (mut tags, mut rest) = (Vec::new(), html);
    while let Some((_, after)) = rest.split_once('<') {
        rest = after;
        if !rest.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
            continue;
        }
        let ends = |letter: char| letter.is_ascii_whitespace() || matches!(letter, '/' | '>');
        let (name, mut inside) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
        let mut tag = Tag { name: name.to_ascii_lowercase(), attributes: Vec::new() };
        loop {
            inside = inside.trim_start_matches(|letter: char| letter.is_ascii_whitespace() || letter == '/');
            if inside.is_empty() || inside.starts_with('>') {
                break;
            }
            // A stray sign begins a name, too.
            let ends = |letter: char| letter.is_ascii_whitespace() || matches!(letter, '=' | '>' | '/');
            let at = inside
                .char_indices()
                .skip(1)
                .find(|(_, letter)| ends(*letter))
                .map_or(inside.len(), |(at, _)| at);
            let (name, after) = inside.split_at(at);
            let (value, after) = match after.trim_start().strip_prefix('=').map(str::trim_start) {
                None => ("", after),
                Some(after) => match after.chars().next() {
                    Some(quote @ ('"' | '\'')) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
                    _ => {
                        let ends = |letter: char| letter.is_ascii_whitespace() || letter == '>';
                        after.split_at(after.find(ends).unwrap_or(after.len()))
                    }
                },
            };
            tag.attributes.push((name.to_ascii_lowercase(), value.to_owned()));
            inside = after;
        }
        tags.push(tag);
        rest = inside;
    }
    tags
}

/// What is wrong with a page in a browser that would run what it finds there.
fn dangers(html: &str) -> Vec<String> {
    let mut found = Vec::new();
    for tag in tags(html) {
        let name = &tag.name;
        if name == "script" && !tag.attribute("src").is_some_and(|src| src.starts_with("/assets/")) {
            found.push("a script that is none of ours".to_owned());
        }
        if matches!(name.as_str(), "style" | "iframe" | "object" | "embed" | "base" | "template") {
            found.push(format!("an element {name}"));
        }
        if name == "img" && !tag.attribute("src").is_some_and(|src| src.starts_with("/assets/")) {
            found.push("a picture that is none of ours".to_owned());
        }
        for (attribute, value) in &tag.attributes {
            if attribute.starts_with("on") || attribute.starts_with("hx-on") || attribute == "style" {
                found.push(format!("an attribute {attribute} of {name}"));
            }
            let leads = matches!(attribute.as_str(), "href" | "src" | "action" | "formaction");
            let is_here = value.starts_with('#') || (value.starts_with('/') && !value.starts_with("//"));
            if leads && !is_here {
                found.push(format!("{attribute} of {name} leads to {value:?}"));
            }
        }
    }
    for raw in [SCRIPT, IMAGE, "<img src=x"] {
        if html.contains(raw) {
            found.push(format!("{raw} as it is"));
        }
    }
    found
}

#[test]
fn a_page_with_a_script_of_somebody_else_would_be_found() {
    assert_eq!(
        dangers("<p class=\"a\">1 < 2 &#60;script></p><script src=\"/assets/page.js\" defer></script>"),
        [""; 0]
    );
    for bad in [
        SCRIPT,
        "<input value=\"\"><img src=x onerror=alert(1)>\">",
        "<SCRIPT>x</SCRIPT>",
        "<script src='https://evil.example/x.js'></script>",
        "<svg/onload=alert(1)>",
        "<p style='color:red'>",
        "<a href=javascript:alert(1)>",
        "<p\nid=\"a>b\" onclick='x'>",
        "<style>p{}</style>",
        "<base href=//evil.example>",
        "<form action=\"//evil.example\">",
    ] {
        assert!(!dangers(bad).is_empty(), "{bad}");
    }
}

/// Nothing of an answer runs in a browser but what is ours.
fn assert_harmless(what: &str, seen: &Seen) {
    assert!(!seen.status.is_server_error(), "{what}: {} {}", seen.status, seen.text);
    assert!(!seen.location().contains(['<', '>', '"', '\'']), "{what}: {}", seen.location());
    let kind = seen.header("content-type");
    if !kind.starts_with("text/html") {
        let is_no_page = ["text/plain", "text/csv", "application/problem+json", "application/json", ""]
            .iter()
            .any(|known| kind.split(';').next() == Some(*known));
        assert!(is_no_page, "{what}: {kind}");
        if seen.text.contains("alert(1)") {
            assert_eq!(seen.header("x-content-type-options"), "nosniff", "{what}: {kind}");
        }
        return;
    }
    let policy = seen.header("content-security-policy");
    assert!(
        policy.contains("default-src 'none'") && policy.contains("script-src 'self'"),
        "{what}: {policy}"
    );
    for weak in ["unsafe-inline", "unsafe-eval", "unsafe-hashes", "data:", "http:", "https:", "*"] {
        assert!(!policy.contains(weak), "{what}: {policy}");
    }
    for needed in ["form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(needed), "{what}: {policy}");
    }
    assert_eq!(seen.header("x-content-type-options"), "nosniff", "{what}");
    assert_eq!(seen.header("cache-control"), "no-store", "{what}");
    let dangers = dangers(&seen.text);
    assert!(dangers.is_empty(), "{what}: {dangers:?}\n{}", seen.text);
}

/// Somebody in the CRM, in the address or among the operators is called a script.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_made_of_script_is_shown_and_never_run() {
    let live = host().await;
    let people = live.sandbox.lime_ids("person").unwrap();
    for person in &people {
        let values = json!({ "firstname": SCRIPT, "lastname": IMAGE, "city": SCRIPT, "notes": IMAGE });
        live.sandbox.lime_update("person", *person, &values).unwrap();
    }
    // The first is read, and refused for such an address; the second has a profile.
    live.sandbox.lime_update("person", people[0], &json!({ "email": IMAGE, "inactive": false })).unwrap();
    let well = json!({ "email": "victim@nya.example", "inactive": false, "mobilephone": "+46701234567" });
    live.sandbox.lime_update("person", people[1], &well).unwrap();
    for company in live.sandbox.lime_ids("company").unwrap() {
        live.sandbox.lime_update("company", company, &json!({ "name": SCRIPT })).unwrap();
    }
    live.sandbox.lime_update("consenttype", 1001, &json!({ "title": SCRIPT })).unwrap();
    live.until_quiet().await;
    for arguments in [&["sync", "start", ACME, "--dry-run"][..], &["sync", "start", ACME]] {
        let ended = live.run(arguments).await;
        // 3: some were rejected.
        assert!(matches!(ended.code(), 0 | 3), "{}", ended.log);
    }

    let good = Browser::log_in(&live, &token_of(&live, "operator", &[]).await).await;
    let of = |rest: &str| format!("/integrations/{ACME}{rest}");
    let victim = of(&format!("/contacts/{}", people[1]));
    // Where it is to be seen, or this would try nothing.
    let shown = [
        victim.clone(),
        of(&format!("/contacts/{}", people[0])),
        of("/conditions"),
        of("/fields"),
        of("/consents"),
        of(&format!("/contacts/{}", encoded(SCRIPT))),
        of(&format!("/contacts/{}", encoded(IMAGE))),
        of(&format!("/runs/2/contacts?code={}", encoded(SCRIPT))),
        of(&format!("/runs/2/contacts?outcome=created&code={}", encoded(IMAGE))),
        of(&format!("/activity?cause={}", encoded(IMAGE))),
    ];
    for path in &shown {
        let seen = good.get(path).await;
        assert_eq!(seen.status, StatusCode::OK, "{path}: {}", seen.text);
        assert!(seen.text.contains("alert(1)"), "{path}: {}", seen.text);
        assert_harmless(path, &seen);
    }
    let others = [
        "/integrations",
        "/integrations/new",
        "",
        "/full-sync",
        "/runs/1",
        "/runs/1/differences",
        "/runs/1/contacts",
        "/runs/2",
        "/runs/2/contacts",
        "/runs/2/contacts?outcome=created",
        "/runs/2/contacts?outcome=rejected",
        "/runs/2/contacts.csv",
        "/overviews",
        "/activity",
        "/activity/1",
        "/settings",
        "/runs/99",
        "/activity/999999",
    ];
    for rest in others {
        let path = if rest.starts_with("/integrations") { rest.to_owned() } else { of(rest) };
        assert_harmless(&path, &good.get(&path).await);
    }
    for payload in [SCRIPT, IMAGE] {
        let it = encoded(payload);
        for (path, status) in [
            (format!("/integrations/{it}"), 404),
            (format!("/integrations/{it}/conditions"), 404),
            (format!("/integrations/{it}/contacts/1"), 404),
            (format!("/integrations/new/{it}"), 404),
            (of(&format!("/runs/{it}")), 400),
            (of(&format!("/activity/{it}")), 400),
            (of(&format!("/overviews/{it}")), 404),
            (of(&format!("/runs/2/contacts?outcome={it}")), 400),
            (of(&format!("/runs/2/contacts?after={it}")), 200),
            (of(&format!("/contacts?id={it}")), 303),
            (of(&format!("/activity?contact={it}")), 303),
            (of(&format!("?done={it}")), 200),
            (format!("/{it}"), 404),
            (format!("/assets/{it}"), 404),
        ] {
            let seen = good.get(&path).await;
            assert_eq!(seen.status.as_u16(), status, "{path}: {}", seen.text);
            assert_harmless(&path, &seen);
        }
        let nobody = Browser::nobody(&live);
        for path in
            [format!("/login?next=/{it}"), format!("/integrations/{it}"), format!("/integrations?done={it}")]
        {
            assert_harmless(&path, &nobody.get(&path).await);
        }
        let failed = nobody
            .ask(Method::POST, "/login", &[], &[("token", payload), ("next", &format!("/{payload}"))])
            .await;
        assert_eq!(failed.status, StatusCode::UNAUTHORIZED);
        assert_harmless("a login", &failed);

        // What is being written is shown again, as a page and as a part of one.
        for (rest, fields) in [
            ("/conditions/try", [("field", "firstname"), ("operator", "equals"), ("value", payload)]),
            ("/conditions/try", [("field", payload), ("operator", "one-of"), ("value", payload)]),
            ("/conditions/try", [("field", payload), ("operator", payload), ("group", payload)]),
            ("/fields/try", [("field", payload), ("attribute", payload), ("date-format", payload)]),
            ("/fields/try", [("sample", payload), ("field", "firstname"), ("attribute", payload)]),
            ("/consents/try", [("source", payload), ("topic", payload), ("channel", payload)]),
            ("/conditions", [("revision", payload), ("field", payload), ("value", payload)]),
            ("/look-again", [("tab", payload), ("", payload), (payload, payload)]),
            ("/overviews", [("overview", payload), ("tag", payload), ("at", payload)]),
            ("/replay", [("delivery", payload), ("cause", payload), ("", "")]),
        ] {
            let path = of(rest);
            assert_harmless(&format!("{path} {fields:?}"), &good.post(&path, &fields).await);
            let mut all = fields.to_vec();
            all.push(("proof", &good.proof));
            let part = good.ask(Method::POST, &path, &[("hx-request", "true")], &all).await;
            assert_harmless(&format!("a part of {path} {fields:?}"), &part);
        }
        // As no client would send it.
        let raw = throw_head(&live, format!("/integrations/{payload}").as_bytes(), "").await;
        assert!(!raw.text.contains(payload), "{}", raw.text);
    }
    let written = good
        .post(&of("/conditions/try"), &[("field", "firstname"), ("operator", "equals"), ("value", IMAGE)])
        .await;
    assert!(written.text.contains("alert(1)"), "{}", written.text);
    let told = good.post(&format!("{victim}/try"), &[]).await;
    assert_harmless("what would be done", &told);

    let called = Browser::log_in(&live, &named_token(&live, IMAGE, "viewer", &[]).await).await;
    let seen = called.get("/integrations").await;
    assert!(seen.text.contains("alert(1)"), "{}", seen.text);
    assert_harmless("whoever is called so", &seen);
    assert_well(&live, &good).await;
}

// Sessions.

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_somebody_planted_is_nobodys() {
    let live = host().await;
    let token = token_of(&live, "operator", &[]).await;
    let nobody = Browser::nobody(&live);
    let attacker = Browser::log_in(&live, &token_of(&live, "viewer", &[]).await).await;
    let made_up = format!("{COOKIE}={}", "A".repeat(43));
    // One that is none, and one that the attacker has for himself.
    for planted in [made_up.as_str(), attacker.cookie.as_deref().unwrap()] {
        let planted = nobody.with_cookie(planted);
        let seen = planted.enter(&token).await;
        assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
        assert_ne!(seen.cookie(), planted.cookie.as_deref());
        assert!(planted.get("/integrations").await.is_to_login());
        assert_eq!(
            nobody.with_cookie(seen.cookie().unwrap()).get("/integrations").await.status,
            StatusCode::OK
        );
    }
    assert!(attacker.get("/integrations").await.is_to_login());

    // Of two nobody knows which was planted.
    let good = Browser::log_in(&live, &token).await;
    let own = good.cookie.as_deref().unwrap();
    let secret = own.split_once('=').unwrap().1;
    for both in [
        format!("{own}; {made_up}"),
        format!("{made_up}; {own}"),
        format!("{own}; {own}"),
        format!("{own}; __Host-{made_up}"),
        format!("{COOKIE}=; {own}"),
    ] {
        assert!(nobody.with_cookie(&both).get("/integrations").await.is_to_login(), "{both}");
    }
    let in_two_lines = good.ask(Method::GET, "/integrations", &[("cookie", made_up.as_str())], &[]).await;
    assert!(in_two_lines.is_to_login());
    for wrong in [
        String::new(),
        format!("{COOKIE}="),
        format!("{COOKIE}={}", &secret[1..]),
        format!("{COOKIE}={secret}A"),
    ] {
        assert!(nobody.with_cookie(&wrong).get("/integrations").await.is_to_login(), "{wrong}");
    }
    // Others beside it do not matter.
    assert_eq!(
        nobody.with_cookie(&format!("a=b; {own}; c")).get("/integrations").await.status,
        StatusCode::OK
    );

    // A session is no token, and in no address.
    let as_token = format!("Bearer {secret}");
    let seen = nobody.ask(Method::GET, "/api/v1/me", &[("authorization", &as_token)], &[]).await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED);
    assert_eq!(good.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    assert!(nobody.get(&format!("/integrations?{own}")).await.is_to_login());
    assert_well(&live, &good).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_over_after_the_next_login_after_logging_out_and_with_its_token() {
    let live = host().await;
    let token = token_of(&live, "operator", &[]).await;
    let first = Browser::log_in(&live, &token).await;
    let seen = first.enter(&token).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
    let flags = seen.header("set-cookie");
    let parts: Vec<&str> = flags.split(';').map(str::trim).collect();
    assert!(parts[0].starts_with("sluice-session="), "{flags}");
    for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(parts.contains(&part), "{part}: {flags}");
    }
    assert!(!flags.to_lowercase().contains("domain"), "{flags}");
    assert!(!flags.contains(token.rsplit('_').next().unwrap()), "the token is in the cookie");

    let second = first.with_cookie(seen.cookie().unwrap()).at_home().await;
    assert_ne!(first.cookie, second.cookie);
    assert_ne!(first.proof, second.proof);
    assert!(first.get("/integrations").await.is_to_login());
    // Whoever is logged in is not asked to.
    assert_eq!(second.get("/login").await.location(), "/integrations");

    let out = second.post("/logout", &[]).await;
    assert_eq!((out.status, out.location()), (StatusCode::SEE_OTHER, "/login"));
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{}", out.header("set-cookie"));
    assert!(second.get("/integrations").await.is_to_login());
    assert!(second.post(&format!("/integrations/{ACME}/disable"), &[]).await.is_to_login());
    assert_eq!(live.status().await["enabled"], true);

    let good = Browser::log_in(&live, &token).await;
    let revoked = token_of(&live, "operator", &[]).await;
    let ends = [Browser::log_in(&live, &revoked).await, Browser::log_in(&live, &revoked).await];
    let id = revoked.split('_').nth(1).unwrap();
    let done = live.run(&["token", "revoke", id]).await;
    assert_eq!(done.code(), 0, "{}", done.log);
    for browser in &ends {
        assert!(browser.get("/integrations").await.is_to_login());
        assert!(browser.post(&format!("/integrations/{ACME}/disable"), &[]).await.is_to_login());
    }
    assert_eq!(live.status().await["enabled"], true);
    assert_eq!(Browser::nobody(&live).enter(&revoked).await.status, StatusCode::UNAUTHORIZED);
    assert_well(&live, &good).await;
}

// Guessed tokens.

#[tokio::test(flavor = "multi_thread")]
async fn whoever_guesses_tokens_has_to_wait() {
    let live = host().await;
    let token = token_of(&live, "viewer", &[]).await;
    let good = Browser::log_in(&live, &token).await;
    let nobody = Browser::nobody(&live);
    let guesses = [
        no_token(),
        "sluice_".to_owned(),
        String::new(),
        format!("{token}A"),
        token[..token.len() - 1].to_owned(),
    ];
    for number in 1..=11 {
        let seen = nobody.enter(&guesses[number % guesses.len()]).await;
        assert_eq!(seen.cookie(), None);
        match number {
            1..10 => assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "guess {number}: {}", seen.text),
            // Whether the tenth is told already to wait does not matter.
            10 => assert!(seen.status.is_client_error()),
            _ => assert_waits(&seen),
        }
    }
    // A right one, too, since whoever guesses could not tell; and another address is not believed.
    assert_waits(&nobody.enter(&token).await);
    let elsewhere =
        [("x-forwarded-for", "192.0.2.7"), ("x-real-ip", "192.0.2.7"), ("forwarded", "for=192.0.2.7")];
    assert_waits(&nobody.ask(Method::POST, "/login", &elsewhere, &[("token", &token)]).await);
    // A machine at the same address goes on working; guessing there is no way around it.
    let me = async |token: &str| {
        let bearer = format!("Bearer {token}");
        nobody.ask(Method::GET, "/api/v1/me", &[("authorization", &bearer)], &[]).await
    };
    assert_eq!(me(&token).await.status, StatusCode::OK);
    assert_waits(&me(&no_token()).await);
    assert_eq!(me(&token).await.status, StatusCode::OK);
    assert_well(&live, &good).await;
}

fn assert_waits(seen: &Seen) {
    assert_eq!(seen.status, StatusCode::TOO_MANY_REQUESTS, "{}", seen.text);
    assert_eq!(seen.cookie(), None);
    let after: u64 = seen.header("retry-after").parse().expect("it is said in Retry-After when to try again");
    assert!((1..=61).contains(&after), "{after}");
}

// Paths out of the folder, and addresses elsewhere.

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_to_a_file() {
    let live = host().await;
    let good = Browser::log_in(&live, &token_of(&live, "operator", &[]).await).await;
    let cookie = format!("Cookie: {}\r\n", good.cookie.as_deref().unwrap());
    let there = throw_head(&live, b"/assets/page.css", "").await;
    assert_eq!(there.status, Some(200), "{}", there.text);
    let ways: [&[u8]; 24] = [
        b"/assets/../../etc/passwd",
        b"/assets/../../../../../../../../etc/passwd",
        b"/../../../../../../etc/passwd",
        b"/assets/..%2f..%2f..%2f..%2fetc%2fpasswd",
        b"/assets/%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        b"/assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        b"/assets/%252e%252e%252f%252e%252e%252fetc%252fpasswd",
        b"/assets/..\\..\\..\\etc\\passwd",
        b"/assets/..%5c..%5c..%5cetc%5cpasswd",
        b"/assets/....//....//etc/passwd",
        b"/assets//etc/passwd",
        b"/assets/%2fetc%2fpasswd",
        b"/assets/..%c0%af..%c0%afetc%c0%afpasswd",
        b"/assets/%ff%fe",
        b"/assets/page.css%00",
        b"/assets/page.css%00.svg",
        b"/assets/%00",
        b"/assets/page.css\0",
        b"/assets/\0",
        b"/assets/",
        b"/assets/page.css/",
        b"/assets/../sluice.db",
        b"/assets/..%2fsluice.db",
        b"file:///etc/passwd",
    ];
    for way in ways {
        let said = String::from_utf8_lossy(way);
        for headers in ["", cookie.as_str()] {
            let thrown = throw_head(&live, way, headers).await;
            assert!(matches!(thrown.status, Some(400 | 404)), "{said}: {:?} {}", thrown.status, thrown.text);
            for content in ["root:", "SQLite format", ".brand"] {
                assert!(!thrown.text.contains(content), "{said}: {}", thrown.text);
            }
        }
    }
    // The same as parts of addresses that are there.
    for part in ["..%2f..%2fetc%2fpasswd", "%00", "%2e%2e", "..%5c.."] {
        for path in [
            format!("/integrations/{part}"),
            format!("/integrations/new/{part}"),
            format!("/integrations/{ACME}/overviews/{part}"),
            format!("/integrations/{ACME}/runs/{part}"),
            format!("/integrations/{ACME}/activity/{part}"),
        ] {
            let thrown = throw_head(&live, path.as_bytes(), &cookie).await;
            // What becomes of `..` in an address is the client's; here it is a name that nothing has.
            assert!(matches!(thrown.status, Some(400 | 404)), "{path}: {:?} {}", thrown.status, thrown.text);
        }
        let contact = format!("/integrations/{ACME}/contacts/{part}");
        let thrown = throw_head(&live, contact.as_bytes(), &cookie).await;
        assert!(
            thrown.status.is_some_and(|status| status < 500),
            "{contact}: {:?} {}",
            thrown.status,
            thrown.text
        );
        assert!(!thrown.text.contains("root:"), "{contact}: {}", thrown.text);
    }
    assert_well(&live, &good).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_sent_to_another_host() {
    let live = host().await;
    let token = token_of(&live, "operator", &[]).await;
    let good = Browser::log_in(&live, &token).await;
    let nobody = Browser::nobody(&live);
    let own = reqwest::Url::parse(&live.url()).unwrap();
    // As a browser reads it.
    let assert_here = |what: &str, seen: &Seen| {
        let there = own.join(seen.location()).unwrap();
        assert_eq!(there.origin(), own.origin(), "{what}: {}", seen.location());
        assert!(!seen.location().contains("://"), "{what}: {}", seen.location());
    };
    let place = format!("/integrations/{ACME}/activity?outcome=dead");
    let login = format!("/login?next={}", encoded(&place));
    assert_eq!(good.get(&login).await.location(), place);
    assert_eq!(
        nobody.ask(Method::POST, "/login", &[], &[("token", &token), ("next", &place)]).await.location(),
        place
    );

    for evil in [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "\\/evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " //evil.example",
        "https://evil.example",
        "https:evil.example",
        "http:\\\\evil.example",
        "evil.example",
        "@evil.example",
        ".evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "/\r\nSet-Cookie: a=b",
        "/\r\nLocation: //evil.example",
    ] {
        let seen = good.get(&format!("/login?next={}", encoded(evil))).await;
        assert_eq!((seen.status, seen.location()), (StatusCode::SEE_OTHER, "/integrations"), "{evil:?}");
        let seen = nobody.ask(Method::POST, "/login", &[], &[("token", &token), ("next", evil)]).await;
        assert_eq!((seen.status, seen.location()), (StatusCode::SEE_OTHER, "/integrations"), "{evil:?}");
        assert_eq!(seen.headers.get_all("set-cookie").iter().count(), 1, "{evil:?}");
        // What a form is shown with, it sends.
        let shown = nobody.get(&format!("/login?next={}", encoded(evil))).await;
        assert!(shown.text.contains("name=\"next\" value=\"/integrations\""), "{evil:?}: {}", shown.text);
        // Whatever else takes part of an address into another.
        for rest in ["/contacts?id=", "/activity?contact="] {
            let path = format!("/integrations/{ACME}{rest}{}", encoded(evil));
            let seen = good.get(&path).await;
            assert_eq!(seen.status, StatusCode::SEE_OTHER, "{path}: {}", seen.text);
            assert!(
                seen.location().starts_with(&format!("/integrations/{ACME}/contacts/")),
                "{path}: {}",
                seen.location()
            );
            assert_here(&path, &seen);
        }
        let seen = good.post(&format!("/integrations/{ACME}/look-again"), &[("tab", evil)]).await;
        assert_eq!(seen.location(), format!("/integrations/{ACME}"), "{evil:?}");
    }
    // Nor by the host that is asked for, or by what stands before the path.
    for (target, headers) in [
        ("/", "Host: evil.example\r\nX-Forwarded-Host: evil.example\r\n"),
        ("/integrations", "X-Forwarded-Host: evil.example\r\n"),
        ("http://evil.example/integrations", ""),
        ("//evil.example/integrations", ""),
    ] {
        let thrown = throw_head(&live, target.as_bytes(), headers).await;
        let sent = thrown
            .text
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("location:").map(str::to_owned));
        assert!(
            sent.is_none_or(|to| to.trim().starts_with('/') && !to.trim().starts_with("//")),
            "{target}: {}",
            thrown.text
        );
    }
    assert_well(&live, &good).await;
}

// Whoever sends slowly.

/// Connections of one attack.
const CRAWLERS: usize = 200;
/// Between two bytes.
const PACE: Duration = Duration::from_millis(250);
/// What the host gives for a head (`server::listener`), and for a form (`server::page::door`).
const HEAD_WITHIN: Duration = Duration::from_secs(15);
const FORM_WITHIN: Duration = Duration::from_secs(30);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(30);

/// Somebody who sends slowly.
#[derive(Clone)]
struct Crawler {
    address: SocketAddr,
    begun: UnboundedSender<()>,
    /// How many of all were closed.
    closed: Arc<AtomicUsize>,
}

impl Crawler {
    /// Sends some bytes at once, and then one after the other for as long as they are taken: how long the host left the
    /// connection open, and what it said.
    async fn crawl(self, at_once: Vec<u8>, then: Vec<u8>) -> (Duration, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let start = Instant::now();
        let (reading, mut writing) = stream.split();
        writing.write_all(&at_once).await.unwrap();
        self.begun.send(()).unwrap();
        let write = async {
            let mut pace = tokio::time::interval(PACE);
            for byte in then.into_iter().chain(std::iter::repeat(b'a')) {
                pace.tick().await;
                if writing.write_all(&[byte]).await.is_err() {
                    break;
                }
            }
        };
        let read = async {
            let said = to_the_end(reading).await;
            self.closed.fetch_add(1, Ordering::SeqCst);
            (start.elapsed(), said)
        };
        tokio::join!(write, read).1
    }
}

/// Has all of them crawl; while they do, others are served; and each is closed within the limit.
async fn crawl(
    live: &Live,
    good: &Browser,
    crawlers: Vec<(Vec<u8>, Vec<u8>)>,
    limit: Duration,
) -> Vec<String> {
    let (begun, mut begins) = unbounded_channel();
    let closed = Arc::new(AtomicUsize::new(0));
    let crawler = Crawler { address: address(live), begun, closed: Arc::clone(&closed) };
    let (mut all, number) = (JoinSet::new(), crawlers.len());
    for (at_once, then) in crawlers {
        let crawling = crawler.clone().crawl(at_once, then);
        all.spawn(async move { tokio::time::timeout(limit, crawling).await });
    }
    drop(crawler);
    for _ in 0..number {
        begins.recv().await.expect("all begin");
    }
    assert_well(live, good).await;
    assert_eq!(closed.load(Ordering::SeqCst), 0, "others are served while all of them are open");
    let mut said = Vec::new();
    let mut open = 0;
    while let Some(crawled) = all.join_next().await {
        match crawled.unwrap() {
            Ok((after, text)) => {
                assert!(after <= limit, "{after:?}");
                said.push(text);
            }
            Err(_) => open += 1,
        }
    }
    assert_eq!(open, 0, "so many of {number} are open after {limit:?}");
    assert_well(live, good).await;
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_come_byte_by_byte_keep_nobody_waiting_and_are_cut_off() {
    let live = host().await;
    let good = Browser::log_in(&live, &token_of(&live, "viewer", &[]).await).await;
    let head = (b"G".to_vec(), b"ET /login HTTP/1.1\r\nHost: sluice\r\nX-Slow: ".to_vec());
    let said = crawl(&live, &good, vec![head; CRAWLERS], HEAD_WITHIN + SLACK).await;
    for text in said {
        assert!(matches!(status_of(&text), None | Some(400 | 408)), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_that_come_byte_by_byte_keep_nobody_waiting_and_are_cut_off() {
    let live = host().await;
    let good = Browser::log_in(&live, &token_of(&live, "operator", &[]).await).await;
    let head = |path: &str, cookie: &str, length: &str| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: sluice\r\n{cookie}Content-Type: application/x-www-form-urlencoded\r\n{length}\r\n\r\n"
        );
        (head.into_bytes(), b"next=".to_vec())
    };
    let cookie = format!("Cookie: {}\r\n", good.cookie.as_deref().unwrap());
    let disable = format!("/integrations/{ACME}/disable");
    // Longer than would come within the limit; and never a whole piece.
    let (long, pieces) = ("Content-Length: 1000", "Transfer-Encoding: chunked\r\n\r\n3e8");
    let kinds = [
        head("/login", "", long),
        head("/login", "", pieces),
        head(&disable, &cookie, long),
        head(&disable, &cookie, pieces),
    ];
    let crawlers = kinds.iter().cycle().take(CRAWLERS).cloned().collect();
    let said = crawl(&live, &good, crawlers, FORM_WITHIN + SLACK).await;
    for text in said {
        assert!(matches!(status_of(&text), None | Some(400 | 408 | 413)), "{text}");
    }
    assert_eq!(live.status().await["enabled"], true);
}

// Whoever sends without end.

const PIECE: usize = 64 * 1024;
/// 100 MB.
const HUGE: usize = 100 * 1024 * 1024;

/// A body of 100 MB, with its length said or in pieces.
fn huge(path: &str, headers: &str, is_chunked: bool) -> impl Iterator<Item = Vec<u8>> {
    let length =
        if is_chunked { "Transfer-Encoding: chunked".to_owned() } else { format!("Content-Length: {HUGE}") };
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: sluice\r\nConnection: close\r\n{headers}Content-Type: \
         application/x-www-form-urlencoded\r\n{length}\r\n\r\n"
    );
    let mut piece = vec![b'a'; PIECE];
    if is_chunked {
        piece = [format!("{PIECE:x}\r\n").as_bytes(), piece.as_slice(), &b"\r\n"[..]].concat();
    }
    std::iter::once(head.into_bytes()).chain(std::iter::repeat_n(piece, HUGE / PIECE))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huge_body_is_not_read_to_its_end() {
    let live = host().await;
    let good = Browser::log_in(&live, &token_of(&live, "operator", &[]).await).await;
    let cookie = format!("Cookie: {}\r\n", good.cookie.as_deref().unwrap());
    let proven = format!("{cookie}X-Form-Proof: {}\r\n", good.proof);
    let of = |rest: &str| format!("/integrations/{ACME}{rest}");
    let (cookie, proven) = (cookie.as_str(), proven.as_str());
    let cases: [(String, &str, &[u16]); 9] = [
        ("/login".to_owned(), "", &[413]),
        ("/login".to_owned(), cookie, &[413]),
        (of("/disable"), proven, &[413]),
        (of("/conditions"), proven, &[413]),
        (of("/fields/try"), cookie, &[403, 413]),
        ("/logout".to_owned(), cookie, &[403, 413]),
        // Whoever is not logged in is sent to the login, and nothing of it is read.
        (of("/disable"), "", &[303]),
        ("/nowhere".to_owned(), cookie, &[404, 413]),
        ("/assets/page.css".to_owned(), "", &[405, 413]),
    ];
    for is_chunked in [false, true] {
        for (path, headers, statuses) in &cases {
            let what = format!("{path} {headers:?}, in pieces: {is_chunked}");
            let thrown = throw(&live, huge(path, headers, is_chunked)).await;
            thrown.assert_refused(&what, statuses);
            // What the system's buffers hold was taken by nobody.
            assert!(thrown.taken < HUGE / 2, "{what}: {} bytes", thrown.taken);
        }
    }
    assert_eq!(live.status().await["enabled"], true);
    assert_well(&live, &good).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_headers_is_refused() {
    let live = host().await;
    let good = Browser::log_in(&live, &token_of(&live, "viewer", &[]).await).await;
    let cookie = format!("Cookie: {}\r\n", good.cookie.as_deref().unwrap());
    let many = |name: &str, times: usize| format!("{name}: a\r\n").repeat(times);
    let long = "a".repeat(1024 * 1024);
    // So much is taken of everybody, or this would try nothing.
    assert_eq!(throw_head(&live, b"/integrations", &(many("X-A", 40) + &cookie)).await.status, Some(200));

    let (line, path) = (format!("/login?next=/{long}"), format!("/assets/{long}"));
    for (what, target, headers) in [
        ("1,000 headers", "/integrations", many("X-A", 1_000) + &cookie),
        ("100,000 headers", "/integrations", many("X-A", 100_000)),
        ("1,000 cookies", "/integrations", cookie.repeat(1_000)),
        ("a header of 1 MB", "/integrations", format!("{cookie}X-A: {long}\r\n")),
        ("a cookie of 1 MB", "/integrations", format!("Cookie: sluice-session={long}\r\n")),
        ("a name of 1 MB", "/integrations", format!("{long}: a\r\n")),
        ("a request line of 1 MB", line.as_str(), String::new()),
        ("a path of 1 MB", path.as_str(), String::new()),
    ] {
        let thrown = throw_head(&live, target.as_bytes(), &headers).await;
        thrown.assert_refused(what, &[400, 414, 431]);
    }
    // A line that never ends, and what is no HTTP at all.
    let endless = throw(&live, std::iter::repeat_n(vec![b'a'; PIECE], HUGE / PIECE)).await;
    endless.assert_refused("no line", &[400, 414, 431]);
    assert!(endless.taken < HUGE / 2, "{}", endless.taken);
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /login HTTP/9.9\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: sluice\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\ntoken",
        b"POST /login HTTP/1.1\r\nHost: sluice\r\nContent-Length: -1\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: sluice\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
        b"POST /login HTTP/1.1\r\nHost: sluice\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ] {
        let thrown = throw(&live, [nonsense.to_vec()]).await;
        thrown.assert_refused(&String::from_utf8_lossy(nonsense), &[400, 413, 431, 505]);
    }
    assert_well(&live, &good).await;
}
