//! The same over the API: an upgrade is made to what was seen, by whom it may be made.

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use sluice_tests::live::{Live, On};

use crate::versions::{CONSENTS, ONE, add, apply, remotes, used_by, version, well};

struct Asker {
    place: String,
    token: String,
}

impl Asker {
    async fn with(live: &Live, role: &str, scope: &[&str]) -> Self {
        let made = well(live, &[&["token", "create", role, "--role", role], scope].concat()).await;
        let token = made.last()["token"].as_str().unwrap().to_owned();
        Self { place: format!("{}/api/v1", live.url()), token }
    }

    async fn ask(&self, method: Method, path: &str, etag: Option<&str>, body: Option<Value>) -> (u16, Value) {
        let response = self.send(method, path, etag, body).await;
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
    }

    async fn send(&self, method: Method, path: &str, etag: Option<&str>, body: Option<Value>) -> Response {
        let mut request =
            Client::new().request(method, format!("{}{path}", self.place)).bearer_auth(&self.token);
        if let Some(etag) = etag {
            request = request.header("If-Match", etag);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    async fn etag(&self) -> String {
        let seen = self.send(Method::GET, &connector(""), None, None).await;
        seen.headers()["etag"].to_str().unwrap().to_owned()
    }
}

fn connector(rest: &str) -> String {
    format!("/integrations/{ONE}/connector{rest}")
}

/// A host with an integration of version 1.0.0, and all people synced.
async fn host() -> Live {
    let live = Live::start(On::Sqlite, remotes(), |text| text).await;
    apply(&live, ONE, &version(&live, "1.0.0"), CONSENTS).await;
    well(&live, &["sync", "start", ONE]).await;
    live
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_upgrade_at_the_same_time_one_does() {
    let live = host().await;
    let operator = Asker::with(&live, "operator", &[]).await;
    let (one, other) =
        (add(&live, &version(&live, "1.1.0")).await, add(&live, &version(&live, "1.2.0")).await);
    let etag = operator.etag().await;
    let upgrade = async |to: &str| {
        operator.ask(Method::POST, &connector("/upgrade"), Some(&etag), Some(json!({ "to": to }))).await
    };
    let (first, second) = tokio::join!(upgrade(&one), upgrade(&other));
    let mut statuses = [first.0, second.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412], "{first:?} {second:?}");
    let (lost, won) = if first.0 == 412 { (first.1, &other) } else { (second.1, &one) };
    assert_eq!(lost["code"], "integration-changed");
    assert_eq!(used_by(&live, ONE).await, *won);

    let unseen = operator.ask(Method::POST, &connector("/upgrade"), None, Some(json!({ "to": one }))).await;
    assert_eq!((unseen.0, &unseen.1["code"]), (428, &json!("precondition-missing")));
    let etag = operator.etag().await;
    let back = operator.ask(Method::POST, &connector("/rollback"), Some(&etag), Some(json!({}))).await;
    assert_eq!((back.0, &back.1["end"]), (200, &json!("switched")), "{back:?}");
    let (_, shown) = operator.ask(Method::GET, &connector(""), None, None).await;
    assert_eq!((&shown["version"], &shown["before"]), (&json!("1.0.0"), &Value::Null), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_shown_to_operators_and_kept_nowhere() {
    let live = host().await;
    let own = Asker::with(&live, "operator", &["--integration", ONE]).await;
    let to = add(&live, &version(&live, "2.0.0 shouts invents-yes")).await;
    let digits = &to["sha256:".len()..][..16];
    let (status, compared) =
        own.ask(Method::GET, &connector(&format!("/comparison?to={digits}")), None, None).await;
    assert_eq!((status, &compared["differing"]), (200, &json!(2)), "{compared}");
    assert_eq!(compared["samples"][0]["contact"], "p3");

    let etag = own.etag().await;
    let body = |accept: bool| Some(json!({ "to": to, "accept-differences": accept }));
    let (status, held) = own.ask(Method::POST, &connector("/upgrade"), Some(&etag), body(false)).await;
    assert_eq!((status, &held["code"]), (409, &json!("upgrade-held")), "{held}");
    let (status, done) = own.ask(Method::POST, &connector("/upgrade"), Some(&etag), body(true)).await;
    assert_eq!((status, &done["comparison"]["differing"]), (200, &json!(2)), "{done}");
    for answered in [held, done] {
        assert!(!answered.to_string().contains("CITY"), "{answered}");
    }

    // A component is everybody's: an operator of one integration takes none away, and rolls none out.
    let rollout = format!("/connectors/{to}/rollout");
    let refused = own.ask(Method::POST, &rollout, None, Some(json!({ "percent": 100 }))).await;
    assert_eq!((refused.0, &refused.1["code"]), (403, &json!("out-of-scope")));
    let all = Asker::with(&live, "operator", &[]).await;
    let (status, rolled) = all.ask(Method::POST, &rollout, None, Some(json!({ "percent": 100 }))).await;
    assert_eq!((status, &rolled["integrations"][0]["end"]), (200, &json!("already")), "{rolled}");
    let (status, kept) = all.ask(Method::DELETE, &format!("/connectors/{digits}"), None, None).await;
    assert_eq!((status, &kept["code"]), (409, &json!("component-in-use")));
    let (status, listed) = all.ask(Method::GET, "/connectors", None, None).await;
    let used = listed.as_array().unwrap().iter().find(|line| line["connector"] == to).unwrap();
    assert_eq!((status, &used["used-by"]), (200, &json!([ONE])));
    let stranger = Asker::with(&live, "viewer", &["--integration", "somebody-else"]).await;
    let (_, listed) = stranger.ask(Method::GET, "/connectors", None, None).await;
    assert!(!listed.to_string().contains(&format!("\"{ONE}\"]")), "who uses it is not told: {listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_which_version_is_used() {
    let live = host().await;
    let operator = Asker::with(&live, "operator", &[]).await;
    let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let form = format!("token={}", operator.token);
    let login = client.post(format!("{}/login", live.url())).body(form);
    let login = login.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
    let cookie = login.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    well(&live, &["connector", "upgrade", ONE, "--to", &version(&live, "1.1.0")]).await;
    let settings = client.get(format!("{}/integrations/{ONE}/settings", live.url())).header("cookie", cookie);
    let page = settings.send().await.unwrap().text().await.unwrap();
    for words in ["<dd>Versioned</dd>", "<dd>1.1.0</dd>", &format!("<dd>{}</dd>", used_by(&live, ONE).await)]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
}
