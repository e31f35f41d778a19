//! Names made of script, in the CRM, in addresses and among the operators: shown, and never run.

use super::visitor::{Browser, Seen, assert_well, encoded, host, named_token, throw_head, token_of};
use hyper::Method;
use hyper::StatusCode;
use serde_json::json;
use sluice_tests::rig::ACME;

const SCRIPT: &str = "<script>alert(1)</script>";
const IMAGE: &str = "\"><img src=x onerror=alert(1)>";

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
