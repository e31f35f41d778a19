//! webCRM: log-ins, pages, queries, the limit, writes and hooks, as a client meets them.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::Uri;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use sluice_sandbox::{
    Fault, FaultRule, HookBody, SENSITIVE, Sandbox, SandboxConfig, WebcrmConfig, WebcrmSwitches, When,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::read;

struct System {
    sandbox: Sandbox,
    http: Client,
    token: String,
}

impl System {
    async fn start(persons: u64, switches: WebcrmSwitches) -> Self {
        let webcrm = WebcrmConfig { persons, seed: 7, switches, ..WebcrmConfig::default() };
        let sandbox = Sandbox::start(SandboxConfig { webcrm, ..SandboxConfig::default() }).await.unwrap();
        let mut system = Self { sandbox, http: Client::new(), token: String::new() };
        system.log_in().await;
        system
    }

    fn login(&self) -> RequestBuilder {
        self.http.post(format!("{}/Auth/ApiLogin", self.sandbox.webcrm_url()))
    }

    async fn log_in(&mut self) {
        let form = [("authCode", self.sandbox.webcrm_token())];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.login().header("content-type", "application/x-www-form-urlencoded").body(body);
        self.token = token(request).await.expect("the token is good");
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = self.http.request(method, format!("{}/{path}", self.sandbox.webcrm_url()));
        let request = request.bearer_auth(&self.token);
        read(body.iter().fold(request, RequestBuilder::json).send().await.unwrap()).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask(Method::GET, path, None).await
    }

    async fn ids(&self, path: &str) -> Vec<u64> {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{body}");
        body.as_array().unwrap().iter().map(|record| record["PersonId"].as_u64().unwrap()).collect()
    }

    async fn query(&self, script: &str) -> (u16, Value) {
        let script: String = url::form_urlencoded::byte_serialize(script.as_bytes()).collect();
        self.get(&format!("Queries?script={script}&Page=1&Size=1000")).await
    }
}

/// The token that a log-in gives; none where it says that it failed.
async fn token(request: RequestBuilder) -> Option<String> {
    let (status, body) = read(request.send().await.unwrap()).await;
    assert_eq!(status, 200);
    assert_eq!(body["IsError"], body["AccessToken"].is_null());
    body["AccessToken"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn an_application_token_is_taken_in_three_ways_and_a_wrong_one_in_none() {
    let system = System::start(3, WebcrmSwitches::default()).await;
    for (given, is_good) in [(system.sandbox.webcrm_token(), true), ("other", false)] {
        let form = system.login().header("content-type", "application/x-www-form-urlencoded");
        let multipart = reqwest::multipart::Form::new().text("authCode", given.to_owned());
        for request in [
            form.body(format!("authCode={given}")),
            system.login().header("authCode", given),
            system.login().multipart(multipart),
        ] {
            assert_eq!(token(request).await.is_some(), is_good);
        }
    }
    assert_eq!(system.get("Auth").await.0, 200);
    system.sandbox.revoke_webcrm_tokens();
    assert_eq!(system.get("Auth").await.0, 401);
}

#[tokio::test]
async fn an_access_token_ends() {
    let switches = WebcrmSwitches { lives_millis: Some(0), ..WebcrmSwitches::default() };
    let mut system = System::start(3, switches.clone()).await;
    assert_eq!(system.get("Persons").await.0, 401);
    system.sandbox.set_webcrm_switches(WebcrmSwitches { lives_millis: None, ..switches });
    system.log_in().await;
    assert_eq!(system.get("Persons").await.0, 200);
}

#[tokio::test]
async fn pages_are_from_one_to_a_thousand() {
    let system = System::start(1200, WebcrmSwitches::default()).await;
    let mut all = Vec::new();
    for page in 1..=4 {
        all.push(system.ids(&format!("Persons?Page={page}&Size=500")).await);
    }
    let lengths: Vec<usize> = all.iter().map(Vec::len).collect();
    assert_eq!(lengths, [500, 500, 200, 0]);
    let mut all: Vec<u64> = all.concat();
    all.sort_unstable();
    assert_eq!(all, system.sandbox.webcrm_ids("Person").unwrap());
    assert_eq!(system.ids("Persons?Page=1&Size=1000").await.len(), 1000);
    for wrong in ["Page=0&Size=10", "Page=1&Size=0", "Page=1&Size=1001", "Page=1000001&Size=1", "Page=x"] {
        assert_eq!(system.get(&format!("Persons?{wrong}")).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn lists_move_with_what_is_written_unless_they_are_by_id() {
    let system = System::start(20, WebcrmSwitches::default()).await;
    let last = *system.ids("Persons?Page=1&Size=20").await.last().unwrap();
    system.sandbox.webcrm_update("Person", last, &json!({"PersonTitle": "Chef"})).unwrap();
    assert_eq!(system.ids("Persons?Page=1&Size=1").await, [last]);
    let by_id = WebcrmSwitches { lists_by_change: false, ..WebcrmSwitches::default() };
    system.sandbox.set_webcrm_switches(by_id);
    assert_eq!(system.ids("Persons?Page=1&Size=20").await, (101..121).collect::<Vec<_>>());
}

#[tokio::test]
async fn queries_find_what_they_ask_for_and_can_be_absent() {
    let system = System::start(30, WebcrmSwitches::default()).await;
    let (status, found) =
        system.query("SELECT * FROM Person WHERE PersonId > 110 ORDER BY PersonId ASC").await;
    assert_eq!((status, found.as_array().unwrap().len()), (200, 20));
    assert_eq!(found[0]["PersonId"], 111);
    assert_eq!(found[0]["PersonPassword"], SENSITIVE, "it serves what nobody should take");
    assert_eq!(system.query("SELECT Name FROM Person").await.0, 400);
    let no_numbers = WebcrmSwitches { numbers_in_queries: false, ..WebcrmSwitches::default() };
    system.sandbox.set_webcrm_switches(no_numbers);
    assert_eq!(system.query("SELECT * FROM Person WHERE PersonId > 110").await.0, 400);
    system.sandbox.set_webcrm_switches(WebcrmSwitches { queries: false, ..WebcrmSwitches::default() });
    assert_eq!(system.query("SELECT * FROM Person").await.0, 404);
}

#[tokio::test]
async fn over_the_limit_it_says_how_long_to_wait() {
    let switches = WebcrmSwitches { rate_limit: 3, rate_window_seconds: 1, ..WebcrmSwitches::default() };
    let system = System::start(3, switches.clone()).await;
    // The log-in was the first of three.
    for _ in 0..2 {
        assert_eq!(system.get("Persons").await.0, 200);
    }
    let url = format!("{}/Persons", system.sandbox.webcrm_url());
    let refused = system.http.get(&url).bearer_auth(&system.token).send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "1");
    let body: Value = refused.json().await.unwrap();
    assert_eq!((&body["RetryAfterSeconds"], &body["Type"]), (&json!(1), &json!("TooManyRequestsException")));
    let (began, mut pace) = (Instant::now(), tokio::time::interval(Duration::from_millis(100)));
    while system.get("Persons").await.0 == 429 {
        pace.tick().await;
        assert!(began.elapsed() < Duration::from_secs(60));
    }
    system.sandbox.set_webcrm_switches(WebcrmSwitches { limited: false, ..switches });
    for _ in 0..5 {
        assert_eq!(system.get("Persons").await.0, 200);
    }
    assert!(system.sandbox.peaks().webcrm_per_window >= 4);
}

#[tokio::test]
async fn faults_reach_it_by_its_routes() {
    let system = System::start(3, WebcrmSwitches::default()).await;
    let fault = Fault::Status { status: 401, retry_after: None };
    system.sandbox.add_fault(FaultRule { route: "webcrm.persons".to_owned(), fault, when: When::Next(1) });
    assert_eq!(system.get("Organisations").await.0, 200);
    assert_eq!(system.get("Persons").await.0, 401);
    assert_eq!(system.get("Persons").await.0, 200);
    assert_eq!(system.sandbox.counts()["webcrm.persons"][&401], 1);
}

#[tokio::test]
async fn writes_keep_to_webcrms_rules() {
    let system = System::start(3, WebcrmSwitches::default()).await;
    let post = |body: Value| system.ask(Method::POST, "Persons", Some(body));
    let (status, id) = post(json!({"PersonLastName": "Ny", "PersonOrganisationId": 11})).await;
    assert_eq!((status, &id), (200, &json!(104)));
    assert_eq!(post(json!({"PersonFirstName": "Ny"})).await.0, 400, "a last name is mandatory");
    assert_eq!(post(json!({"PersonLastName": "Ny", "Colour": "red"})).await.0, 400);
    assert_eq!(post(json!({"PersonLastName": "Ny", "PersonCheckMark1": "Yes"})).await.0, 400);
    let moved = json!({"PersonOrganisationId": 12});
    assert_eq!(system.ask(Method::PUT, "Persons/104", Some(moved)).await.0, 400, "it stays where it is");
    assert_eq!(system.ask(Method::PUT, "Persons/104", Some(json!({"PersonTitle": "Chef"}))).await.0, 200);
    assert_eq!(system.get("Persons/104").await.1["PersonTitle"], "Chef");
    assert_eq!(system.ask(Method::DELETE, "Persons/104", None).await.0, 405, "people delete");
    system.sandbox.webcrm_delete("Person", 104).unwrap();
    assert_eq!(system.get("Persons/104").await.0, 404);
    assert_eq!(system.sandbox.webcrm_create("Person", &json!({"PersonLastName": "Ny"})).unwrap(), 105);
}

/// Gives the query and the body of each request.
async fn receiver() -> (String, mpsc::UnboundedReceiver<(String, String)>) {
    let (sender, received) = mpsc::unbounded_channel();
    let take = move |uri: Uri, body: Bytes| {
        let told = sender
            .send((uri.query().unwrap_or_default().to_owned(), String::from_utf8_lossy(&body).into_owned()));
        async move { told.unwrap() }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let router = axum::Router::new().route("/hook", axum::routing::post(take));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, received)
}

#[tokio::test]
async fn hooks_post_what_happened_in_the_shape_that_is_asked_for() {
    let system = System::start(3, WebcrmSwitches::default()).await;
    let (url, mut received) = receiver().await;
    for event in ["Create", "Update", "Delete"] {
        let hook = json!({"Id": 0, "TargetUrl": format!("{url}?event={event}"), "EventType": event,
            "IsEnabled": true, "Filter": ["All"]});
        assert_eq!(system.ask(Method::POST, "Persons/Hooks", Some(hook)).await.0, 200);
    }
    let incomplete = json!({"TargetUrl": url, "EventType": "Update"});
    assert_eq!(system.ask(Method::POST, "Persons/Hooks", Some(incomplete)).await.0, 400);
    assert_eq!(system.get("Persons/Hooks").await.1.as_array().unwrap().len(), 3);
    assert_eq!(system.get("Organisations/Hooks").await.1, json!([]));

    let sandbox = &system.sandbox;
    let id = sandbox.webcrm_create("Person", &json!({"PersonLastName": "Ny"})).unwrap();
    let address = format!("{}/Persons/{id}", sandbox.webcrm_url());
    assert_eq!(received.recv().await.unwrap(), ("event=Create".to_owned(), address.clone()));
    for shape in [HookBody::AddressInObject, HookBody::Record, HookBody::Number] {
        sandbox.set_webcrm_switches(WebcrmSwitches { hook_body: shape, ..WebcrmSwitches::default() });
        sandbox.webcrm_update("Person", id, &json!({"PersonTitle": "Chef"})).unwrap();
        let (query, body) = received.recv().await.unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(query, "event=Update");
        match shape {
            HookBody::AddressInObject => assert_eq!(body["Resource"]["Url"], address),
            HookBody::Record => {
                assert_eq!((&body["PersonId"], &body["PersonTitle"]), (&json!(id), &json!("Chef")))
            }
            _ => assert_eq!(body, json!(id)),
        }
    }
    sandbox.webcrm_delete("Person", id).unwrap();
    assert_eq!(received.recv().await.unwrap(), ("event=Delete".to_owned(), id.to_string()));

    let hooks = sandbox.webcrm_hooks();
    for hook in &hooks {
        let path = format!("Persons/Hooks/{}", hook.id);
        assert_eq!(system.ask(Method::DELETE, &path, None).await.0, 200);
        assert_eq!(system.ask(Method::DELETE, &path, None).await.0, 404);
    }
    assert!(sandbox.webcrm_hooks().is_empty());
    assert!(sandbox.webcrm_hooks_idle().await.is_idle());
}

#[tokio::test]
async fn fifty_thousand_people_are_made_up_alike_each_time() {
    let one = System::start(50_000, WebcrmSwitches::default()).await;
    assert_eq!(one.sandbox.webcrm_ids("Person").unwrap().len(), 50_000);
    let other = System::start(50_000, WebcrmSwitches::default()).await;
    for id in [101, 1111, 50_100] {
        let person = one.sandbox.webcrm_record("Person", id).unwrap();
        assert_eq!(person, other.sandbox.webcrm_record("Person", id).unwrap());
    }
}
