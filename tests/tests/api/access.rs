//! Who may do what: every call of the API's own description, by every role and scope.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hyper::{Method, StatusCode};
use serde_json::Value;
use sluice_tests::rig::ACME;

use crate::asking::{Asker, host};

/// The page that lists who may do what.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/access.md");

/// A call, as the description has it.
struct Call {
    method: Method,
    path: String,
    /// The words of its `security`.
    words: Vec<String>,
}

fn calls(description: &Value) -> Vec<Call> {
    let mut calls = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, call) in item.as_object().unwrap() {
            let words =
                call["security"][0]["token"].as_array().unwrap_or_else(|| panic!("{method} {path}: {call}"));
            let words = words.iter().map(|word| word.as_str().unwrap().to_owned()).collect();
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            calls.push(Call { method, path: path.trim_start_matches("/api/v1").to_owned(), words });
        }
    }
    let names = description["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values());
    let mut names: Vec<&str> = names.map(|call| call["operationId"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|two| two[0] != two[1]), "each call has a name of its own: {names:?}");
    calls.sort_by(|one, other| (&one.path, one.method.as_str()).cmp(&(&other.path, other.method.as_str())));
    calls
}

const ROLES: [&str; 3] = ["viewer", "editor", "operator"];

impl Call {
    fn role(&self) -> usize {
        ROLES.iter().position(|role| self.words.iter().any(|word| word == role)).unwrap()
    }

    /// Whether a role may, with a token for all integrations, for that of the address, for another one.
    fn may(&self, role: usize, scope: &str) -> bool {
        let of_host = self.words.iter().any(|word| word == "host");
        let in_scope = match scope {
            "all" => true,
            "this" => !of_host,
            _ => !of_host && !self.path.contains("{integration}"),
        };
        in_scope && role >= self.role()
    }
}

/// Each cell: a request that would do nothing, or fail, if it is let through; only whether it is let in is looked at.
#[tokio::test(flavor = "multi_thread")]
async fn every_call_by_every_role_and_scope() {
    let live = host().await;
    let description = Asker::nobody(&live).get("/openapi.json").await.well();
    let calls = calls(&description);
    assert!(calls.len() > 30, "{}", calls.len());
    let mut bearers = BTreeMap::new();
    for (at, role) in ROLES.into_iter().enumerate() {
        // The operator goes last in each: nothing of what is looked at is deleted by these requests.
        bearers.insert((at, "all"), Asker::with(&live, role, &[]).await);
        bearers.insert((at, "this"), Asker::with(&live, role, &[ACME]).await);
        bearers.insert((at, "another"), Asker::with(&live, role, &["somebody-else"]).await);
    }
    let nobody = Asker::nobody(&live);
    let stranger = Asker::nobody(&live).bearing(&format!("sluice_{}_{}", "0".repeat(12), "A".repeat(43)));
    let mut cells = 0;
    for call in &calls {
        // Neither a run nor a contact nor a token of these names is there.
        let path = call
            .path
            .replace("{integration}", ACME)
            .replace("{run}", "999999")
            .replace("{delivery}", "999999")
            .replace("{contact}", "no-such-contact")
            .replace("{secret}", "no-such-secret")
            .replace("{token}", "no-such-token")
            .replace("{connector}", "sha256:none");
        let ask = async |asker: &Asker| {
            // Without what a change needs: it is refused for that, if it is let in. A body of a wrong kind is, too.
            let mut request = asker.ask(call.method.clone(), &path);
            let is_plain = call.method == Method::GET || call.method == Method::DELETE;
            if !is_plain {
                request = request.body(Value::String("nothing".to_owned()));
            }
            request.send().await
        };
        assert_eq!(ask(&nobody).await.status, StatusCode::UNAUTHORIZED, "{} {path}", call.method);
        // Who tries one that is none too often has to wait for the next answer.
        let strange = ask(&stranger).await.status;
        let is_refused = matches!(strange, StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS);
        assert!(is_refused, "{} {path}: {strange}", call.method);
        cells += 2;
        // What takes no body would be done: whether it is let in is seen with an integration that is not there.
        let takes_no_body = description["paths"][format!("/api/v1{}", call.path)]
            [call.method.as_str().to_lowercase()]["requestBody"]
            .is_null();
        let does_something = call.method != Method::GET && takes_no_body;
        for ((role, scope), asker) in &bearers {
            let may = call.may(*role, scope);
            if may && does_something && call.path.ends_with("{integration}") {
                // Deleting is tried in `way`.
                continue;
            }
            let answered = ask(asker).await;
            let is_let_in = !matches!(answered.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
            assert_eq!(
                is_let_in, may,
                "{} {path} by {} ({scope}): {}",
                call.method, ROLES[*role], answered.text
            );
            assert!(!answered.status.is_server_error(), "{} {path}: {}", call.method, answered.text);
            cells += 1;
        }
    }
    println!("{cells} cells of {} calls", calls.len());

    let page = std::fs::read_to_string(PAGE).unwrap();
    let (_, listed) = page.split_once("<!-- calls -->\n").expect("the page has the list");
    assert_eq!(listed, table(&calls), "docs/access.md lists other calls than the API has: put this there");
}

/// The list of calls, as the page has it.
fn table(calls: &[Call]) -> String {
    let mut text =
        "| call | viewer | editor | operator | token must be for |\n| --- | --- | --- | --- | --- |\n"
            .to_owned();
    for call in calls {
        let may = |role: usize| if role >= call.role() { "yes" } else { "no" };
        let scope = match (call.may(2, "another"), call.may(2, "this")) {
            (true, _) => "anything; it shows what the token is for",
            (false, true) => "the integration",
            (false, false) => "all integrations",
        };
        let _ = writeln!(
            text,
            "| `{} {}` | {} | {} | {} | {scope} |",
            call.method,
            call.path,
            may(0),
            may(1),
            may(2)
        );
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_when_it_is_revoked_and_shows_its_secret_once() {
    let live = host().await;
    let operator = Asker::with(&live, "operator", &[]).await;
    let made = operator.post("/tokens", serde_json::json!({ "name": "page", "role": "viewer" })).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let made = made.well();
    let secret = made["token"].as_str().unwrap();
    let viewer = Asker::nobody(&live).bearing(secret);
    assert_eq!(viewer.get("/me").await.well()["role"], "viewer");

    let listed = operator.get("/tokens").await.well();
    assert!(!listed.to_string().contains(secret.splitn(3, '_').last().unwrap()));
    let id = made["record"]["id"].as_str().unwrap();
    let listed = listed.as_array().unwrap().iter().find(|token| token["id"] == id).unwrap().clone();
    assert!(listed["used-at"].is_string() && listed["revoked-at"].is_null(), "{listed}");

    operator.ask(Method::DELETE, &format!("/tokens/{id}")).send().await.well();
    assert_eq!(viewer.get("/me").await.problem(), (401, "token-unknown".to_owned()));
    // Neither the journal nor the store's files have the secret.
    let journal = operator.get("/journal").await.well().to_string();
    assert!(journal.contains("token.create") && !journal.contains(secret.splitn(3, '_').last().unwrap()));
    for file in std::fs::read_dir(live.data()).unwrap().flatten().filter(|file| file.path().is_file()) {
        let bytes = std::fs::read(file.path()).unwrap();
        let needle = secret.splitn(3, '_').last().unwrap().as_bytes();
        assert!(!bytes.windows(needle.len()).any(|window| window == needle), "{:?}", file.path());
    }
}

/// A list shows what the token is for, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_scope_hides_other_integrations() {
    let live = host().await;
    let other = Asker::with(&live, "operator", &["somebody-else"]).await;
    assert_eq!(other.get("/integrations").await.well()["items"], serde_json::json!([]));
    let own = Asker::with(&live, "viewer", &[ACME]).await;
    assert_eq!(own.get("/integrations").await.well()["items"][0]["id"], ACME);
    assert_eq!(other.get("/journal").await.problem(), (403, "out-of-scope".to_owned()));
}
