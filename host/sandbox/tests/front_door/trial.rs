//! A trial, as the program that tries a connector meets it.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

struct Trial {
    process: Child,
    told: Value,
    http: Client,
}

impl Trial {
    fn start(crm: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_sluice-sandbox"))
            .args(["--trial", crm])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { process, told: serde_json::from_str(&line).unwrap(), http: Client::new() }
    }

    async fn ask(&self, method: Method, path: &str) -> Response {
        let control = self.told["control"].as_str().unwrap();
        self.http.request(method, format!("{control}/{path}")).send().await.unwrap()
    }

    async fn people(&self) -> BTreeSet<String> {
        let answer = self.ask(Method::GET, "people").await;
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    fn end(mut self) {
        drop(self.process.stdin.take());
        assert!(self.process.wait().unwrap().success());
    }
}

async fn keeps_to_the_protocol(crm: &str, secrets: &[&str]) {
    let trial = Trial::start(crm);
    let url = trial.told["settings"]["url"].as_str().unwrap();
    let origins = trial.told["origins"].as_array().unwrap();
    assert!(origins.len() == 1 && url.starts_with(origins[0].as_str().unwrap()), "{}", trial.told);
    let named: Vec<&String> = trial.told["secrets"].as_object().unwrap().keys().collect();
    assert_eq!(named, secrets);

    let before = trial.people().await;
    assert_eq!(before.len(), 250);
    let made = trial.ask(Method::POST, "people").await;
    assert_eq!(made.status(), 201);
    let made: Value = made.json().await.unwrap();
    let id = made["id"].as_str().unwrap().to_owned();
    let mut with = before.clone();
    with.insert(id.clone());
    assert_eq!(trial.people().await, with);
    assert_eq!(trial.ask(Method::POST, &format!("people/{id}")).await.status(), 204);
    assert_eq!(trial.ask(Method::DELETE, &format!("people/{id}")).await.status(), 204);
    assert_eq!(trial.people().await, before);
    for (method, path) in [
        (Method::POST, format!("people/{id}")),
        (Method::DELETE, format!("people/{id}")),
        (Method::POST, "people/x".to_owned()),
    ] {
        assert_eq!(trial.ask(method, &path).await.status(), 404, "{path}");
    }
    assert_eq!(trial.ask(Method::PUT, "people").await.status(), 405);
    trial.end();
}

#[tokio::test]
async fn of_lime() {
    keeps_to_the_protocol("lime", &["api-key", "webhook-secret"]).await;
}

#[tokio::test]
async fn of_webcrm() {
    keeps_to_the_protocol("webcrm", &["application-token"]).await;
}

#[tokio::test]
async fn a_change_moves_the_time_of_change_on() {
    for crm in ["lime", "webcrm"] {
        let trial = Trial::start(crm);
        let id = trial.people().await.into_iter().next().unwrap();
        let before = changed_at(&trial, crm, &id).await;
        assert_eq!(trial.ask(Method::POST, &format!("people/{id}")).await.status(), 204);
        assert!(changed_at(&trial, crm, &id).await > before, "{crm}");
        trial.end();
    }
}

/// As the CRM's own API tells it.
async fn changed_at(trial: &Trial, crm: &str, id: &str) -> jiff::Timestamp {
    let (url, secrets) = (trial.told["settings"]["url"].as_str().unwrap(), &trial.told["secrets"]);
    let (request, field) = if crm == "lime" {
        let request = trial.http.get(format!("{url}/api/v1/limeobject/person/{id}/"));
        (request.header("x-api-key", secrets["api-key"].as_str().unwrap()), "_timestamp")
    } else {
        let login = trial.http.post(format!("{url}/Auth/ApiLogin"));
        let login = login.header("authCode", secrets["application-token"].as_str().unwrap());
        let login: Value = login.send().await.unwrap().json().await.unwrap();
        let request = trial.http.get(format!("{url}/Persons/{id}"));
        (request.bearer_auth(login["AccessToken"].as_str().unwrap()), "PersonUpdatedAt")
    };
    let record: Value = request.send().await.unwrap().json().await.unwrap();
    record[field].as_str().unwrap_or_else(|| panic!("{}", json!(record))).parse().unwrap()
}
