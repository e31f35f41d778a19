//! Somebody with a token.

use hyper::{Method, StatusCode};
use serde_json::Value;
use sluice_sandbox::{ApsisSwitches, SandboxConfig};
use sluice_tests::live::{Live, On};
use sluice_tests::rig::made_up;

/// A host with one integration and a few people.
pub async fn host() -> Live {
    // Checks and audits ask for a token each, and many of them are made here.
    let apsis = ApsisSwitches { tokens_per_minute: 1_000, ..ApsisSwitches::default() };
    Live::start(On::Sqlite, SandboxConfig { apsis, ..made_up(40) }, |text| text).await
}

/// Who asks.
#[derive(Clone)]
pub struct Asker {
    place: String,
    token: Option<String>,
    client: reqwest::Client,
}

/// What was answered.
pub struct Answered {
    pub status: StatusCode,
    pub headers: hyper::HeaderMap,
    pub text: String,
}

impl Answered {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|_| panic!("{} is no JSON: {}", self.status, self.text))
    }

    /// The answer, which is well.
    pub fn well(&self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// The code of the problem, with its status.
    pub fn problem(&self) -> (u16, String) {
        let problem = self.json();
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.text);
        assert_eq!(problem["status"], self.status.as_u16(), "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{problem}");
        (self.status.as_u16(), problem["code"].as_str().unwrap().to_owned())
    }

    pub fn etag(&self) -> String {
        self.headers["etag"].to_str().unwrap().to_owned()
    }
}

/// A request to be sent.
pub struct Request {
    asker: Asker,
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Value>,
}

impl Request {
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    pub async fn send(self) -> Answered {
        let mut request =
            self.asker.client.request(self.method, format!("{}{}", self.asker.place, self.path));
        if let Some(token) = &self.asker.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = &self.body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answered { status, headers, text: response.text().await.unwrap() }
    }
}

impl Asker {
    /// Nobody: without a token.
    pub fn nobody(live: &Live) -> Self {
        Self { place: format!("{}/api/v1", live.url()), token: None, client: reqwest::Client::new() }
    }

    /// Somebody with a token made by the command line.
    pub async fn with(live: &Live, role: &str, integrations: &[&str]) -> Self {
        let name = format!("a {role}");
        let mut arguments = vec!["token", "create", &name, "--role", role];
        for id in integrations {
            arguments.extend(["--integration", id]);
        }
        let made = live.run(&arguments).await;
        assert_eq!(made.code(), 0, "{}", made.log);
        Self::nobody(live).bearing(made.last()["token"].as_str().unwrap())
    }

    pub fn bearing(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    pub fn ask(&self, method: Method, path: &str) -> Request {
        Request { asker: self.clone(), method, path: path.to_owned(), headers: Vec::new(), body: None }
    }

    pub async fn get(&self, path: &str) -> Answered {
        self.ask(Method::GET, path).send().await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answered {
        self.ask(Method::POST, path).body(body).send().await
    }
}

impl Asker {
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap()
    }
}
