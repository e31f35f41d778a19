//! Who may do what on the page: every request that `server::page_needs` names, by every role and scope; and that there is
//! no other one.

use std::collections::BTreeSet;

use hyper::{Method, StatusCode};
use sluice::access::Role;
use sluice::server::api::AboutWhat;
use sluice::server::{PageNeed, page_needs};
use sluice_tests::rig::ACME;

use crate::visitor::{Browser, host, token_of};

const ROLES: [Role; 3] = [Role::Viewer, Role::Editor, Role::Operator];

/// The source of the page's routes.
const ROUTES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../host/src/server/page/mod.rs");
/// What nobody has to be known for.
const OPEN: [(&str, &str); 3] = [("GET", "/login"), ("POST", "/login"), ("GET", "/assets/{name}")];

/// Whether a role may, with a token for all integrations, for that of the address, for another one.
fn may(need: &PageNeed, role: Role, scope: &str) -> bool {
    let in_scope = match need.about {
        AboutWhat::Seen => true,
        AboutWhat::Integration => scope != "another",
        AboutWhat::Host => scope == "all",
    };
    in_scope && role >= need.role
}

/// Neither a run nor a contact nor a delivery of these names is there.
fn address(path: &str) -> String {
    path.replace("{integration}", ACME)
        .replace("{connector}", "no-such-connector")
        .replace("{run}", "999999")
        .replace("{delivery}", "999999")
        .replace("{overview}", "no-such-overview")
        .replace("{contact}", "no-such-contact")
}

/// Each cell: a request that does nothing, or fails, if it is let through; only whether it is let in is looked at.
#[tokio::test(flavor = "multi_thread")]
async fn every_request_by_every_role_and_scope() {
    let live = host().await;
    let mut needs = page_needs().to_vec();
    assert!(needs.len() > 40, "{}", needs.len());
    // What deletes the integration goes last.
    needs.sort_by_key(|need| need.path.ends_with("/delete"));
    let scopes: [(&str, &[&str]); 3] = [("another", &["somebody-else"]), ("this", &[ACME]), ("all", &[])];
    let mut visitors = Vec::new();
    for role in ROLES {
        for (scope, integrations) in scopes {
            let token = token_of(&live, role.as_str(), integrations).await;
            let browser = Browser::log_in(&live, &token).await;
            visitors.push((role, scope, token, browser));
        }
    }
    let nobody = Browser::nobody(&live);
    let stranger = nobody.with_cookie(&format!("sluice-session={}", "A".repeat(43)));
    // A dry run of what is known, which is nothing yet; an overview that is not there; rules of no revision.
    let fields = [("kind", "dry-run"), ("known", "yes"), ("overview", "no-such-overview")];
    let mut cells = 0;
    for need in &needs {
        let path = address(need.path);
        assert!(!path.contains('{'), "{path}: what stands for this part of it?");
        let method: Method = need.method.parse().unwrap();
        let ask = async |browser: &Browser| match need.method {
            "GET" => browser.get(&path).await,
            "POST" => browser.post(&path, &fields).await,
            other => panic!("{other} {path}: no browser sends this"),
        };
        for browser in [&nobody, &stranger] {
            let seen = ask(browser).await;
            assert!(seen.is_to_login(), "{method} {path} by nobody: {} {}", seen.status, seen.text);
            // For htmx, which would put the login into the middle of a page.
            let part = browser.ask(method.clone(), &path, &[("hx-request", "true")], &[]).await;
            assert_eq!(part.status, StatusCode::NO_CONTENT, "{method} {path}: {}", part.text);
            assert!(
                part.headers["hx-redirect"].to_str().unwrap().starts_with("/login?next="),
                "{method} {path}"
            );
            cells += 1;
        }
        for (role, scope, token, browser) in &visitors {
            let what = format!("{method} {path} by {} ({scope})", role.as_str());
            // Whoever logs out is asked for nothing more.
            let fresh;
            let browser = if need.path == "/logout" {
                fresh = Browser::log_in(&live, token).await;
                &fresh
            } else {
                browser
            };
            let seen = ask(browser).await;
            assert!(!seen.status.is_server_error(), "{what}: {} {}", seen.status, seen.text);
            assert!(!seen.is_to_login(), "{what}: {}", seen.location());
            if may(need, *role, scope) {
                let is_let_in = !matches!(seen.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
                assert!(is_let_in, "{what}: {} {}", seen.status, seen.text);
            } else {
                assert_eq!(seen.status, StatusCode::FORBIDDEN, "{what}: {}", seen.text);
                let code = if *role < need.role { "role-too-small" } else { "out-of-scope" };
                assert!(seen.text.contains(code), "{what}: {}", seen.text);
            }
            cells += 1;
        }
    }
    println!("{cells} cells of {} requests", needs.len());
}

/// A HEAD is a GET without its body: it needs the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_head_is_let_in_where_its_get_is() {
    let live = host().await;
    let other = Browser::log_in(&live, &token_of(&live, "operator", &["somebody-else"]).await).await;
    let nobody = Browser::nobody(&live);
    let own = Browser::log_in(&live, &token_of(&live, "viewer", &[ACME]).await).await;
    for need in
        page_needs().iter().filter(|need| need.method == "GET" && need.about == AboutWhat::Integration)
    {
        let path = address(need.path);
        assert!(nobody.ask(Method::HEAD, &path, &[], &[]).await.is_to_login(), "{path}");
        assert_eq!(other.ask(Method::HEAD, &path, &[], &[]).await.status, StatusCode::FORBIDDEN, "{path}");
        assert_ne!(own.ask(Method::HEAD, &path, &[], &[]).await.status, StatusCode::FORBIDDEN, "{path}");
    }
}

/// What is not named is not done, whoever asks.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_named_is_refused_to_everybody() {
    let live = host().await;
    let operator = Browser::log_in(&live, &token_of(&live, "operator", &[]).await).await;
    let named: BTreeSet<(&str, &str)> = page_needs().iter().map(|need| (need.method, need.path)).collect();
    assert_eq!(named.len(), page_needs().len(), "each is named once");
    let paths: BTreeSet<&str> = named.iter().map(|(_, path)| *path).collect();
    let proof = [("x-form-proof", operator.proof.as_str())];
    let mut refused = 0;
    for path in paths {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS]
        {
            if named.contains(&(method.as_str(), path)) {
                continue;
            }
            let seen = operator.ask(method.clone(), &address(path), &proof, &[]).await;
            assert_eq!(seen.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}: {}", seen.text);
            refused += 1;
        }
    }
    assert!(refused > 100, "{refused}");
    for path in [
        "/nowhere",
        "/integrations/acme-lime/rotate",
        "/integrations/acme-lime/secrets",
        "/logout/",
        "/integrations/",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let seen = operator.ask(method.clone(), path, &proof, &[]).await;
            assert_eq!(seen.status, StatusCode::NOT_FOUND, "{method} {path}: {}", seen.text);
        }
    }
    // A session opens the page, and not the API, which any other site could have a browser ask.
    for path in ["/api/v1/me", "/api/v1/integrations", "/api/v1/tokens"] {
        assert_eq!(operator.get(path).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    assert_eq!(operator.get(&format!("/integrations/{ACME}")).await.status, StatusCode::OK);
}

/// A route that is not in the table would be asked for by nobody's leave: the door lets it through to its handler.
#[test]
fn every_route_of_the_page_is_in_the_table() {
    let source = std::fs::read_to_string(ROUTES).unwrap();
    let mut routes = BTreeSet::new();
    for piece in source.split(".route(").skip(1) {
        let place = piece.split('"').nth(1).unwrap_or_else(|| panic!("no path in {piece}"));
        let before = piece.split('"').next().unwrap();
        let path = if before.contains("&one(") {
            format!("/integrations/{{integration}}{place}")
        } else {
            place.to_owned()
        };
        let mut is_any = false;
        for (call, method) in
            [("get", "GET"), ("post", "POST"), ("put", "PUT"), ("delete", "DELETE"), ("patch", "PATCH")]
        {
            // As a function or a method, not as the end of another word, nor of a path of modules.
            let is_called = piece.match_indices(&format!("{call}(")).any(|(at, _)| {
                piece[..at]
                    .chars()
                    .next_back()
                    .is_some_and(|before| before == '.' || before == '(' || before.is_whitespace())
            });
            if is_called {
                routes.insert((method.to_owned(), path.clone()));
                is_any = true;
            }
        }
        assert!(is_any, "{path}: no method is found in {piece}");
    }
    let named = page_needs().iter().map(|need| (need.method, need.path)).chain(OPEN);
    let named: BTreeSet<(String, String)> =
        named.map(|(method, path)| (method.to_owned(), path.to_owned())).collect();
    assert_eq!(routes, named);
}
