//! A simulated CRM that a connector may be tried against: a program of the connector's author.
//!
//! It prints one line of JSON when it is ready, and ends when its standard input does:
//!
//! ```json
//! {"settings": {"url": "http://127.0.0.1:4000"}, "secrets": {"api-key": "k"},
//!  "origins": ["http://127.0.0.1:4000"], "control": "http://127.0.0.1:4001"}
//! ```
//!
//! At `control` it takes what happens in the CRM meanwhile: `GET /people` lists the ids that a full scan has to give,
//! `POST /people` adds somebody (`{"id": "…"}`), `POST /people/ID` changes somebody, `DELETE /people/ID` removes them.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use reqwest::{Client, Method};
use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::{KitError, Setting};
use crate::contact::ContactId;

/// How long the program may take to be ready: it may have to be compiled first.
const READY_WITHIN: Duration = Duration::from_secs(600);
/// How long it may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// A simulated CRM that runs.
#[derive(Debug)]
pub struct TrialCrm {
    command: String,
    /// What a connector is opened with to reach it.
    pub setting: Setting,
    control: String,
    client: Client,
    _program: Program,
}

/// The author's program, and whatever it started itself: they end with this.
#[derive(Debug)]
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // Nobody has waited for it, so that its number is nobody else's.
        let leader = self.0.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(leader) = leader {
            // All of them may have ended by themselves.
            let _gone = kill_process_group(leader, Signal::KILL);
        }
    }
}

#[derive(Deserialize)]
struct Ready {
    settings: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    origins: Vec<String>,
    control: String,
}

#[derive(Deserialize)]
struct Added {
    id: ContactId,
}

impl TrialCrm {
    /// Starts the program, by the shell, and waits until it is ready.
    ///
    /// # Errors
    /// It does not start, ends, or says something else.
    pub async fn start(command: &str) -> Result<Self, KitError> {
        let wrong = |problem: String| KitError::Trial { command: command.to_owned(), problem };
        let mut program = Command::new("sh")
            .args(["-c", command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map(Program)
            .map_err(|error| wrong(format!("does not start: {error}")))?;
        let Some(out) = program.0.stdout.take() else { return Err(wrong("cannot be read from".to_owned())) };
        let line = tokio::time::timeout(READY_WITHIN, BufReader::new(out).lines().next_line()).await;
        let line = match line {
            Err(_) => return Err(wrong(format!("is not ready within {} s", READY_WITHIN.as_secs()))),
            Ok(Err(error)) => return Err(wrong(format!("cannot be read from: {error}"))),
            Ok(Ok(None)) => return Err(wrong("ended before it was ready; what it said is above".to_owned())),
            Ok(Ok(Some(line))) => line,
        };
        let ready: Ready = serde_json::from_str(&line).map_err(|error| {
            wrong(format!(
                "says something else than what it is to say first ({error}): one line of JSON with `settings`, \
                 `secrets`, `origins` and `control`"
            ))
        })?;
        let client = Client::builder().no_proxy().timeout(ANSWER_WITHIN).build();
        let secrets = ready.secrets.into_iter().map(|(name, value)| (name, SecretString::from(value)));
        Ok(Self {
            command: command.to_owned(),
            setting: Setting {
                settings: ready.settings,
                secrets: secrets.collect(),
                origins: Some(ready.origins),
                limits: BTreeMap::new(),
            },
            control: ready.control.trim_end_matches('/').to_owned(),
            client: client.map_err(|error| wrong(format!("cannot be reached: {error}")))?,
            _program: program,
        })
    }

    /// Who is there now: every id that a full scan has to give.
    ///
    /// # Errors
    /// It does not say.
    pub async fn people(&self) -> Result<Vec<ContactId>, KitError> {
        self.told(Method::GET, "people").await
    }

    /// Adds somebody.
    ///
    /// # Errors
    /// It does not.
    pub async fn add(&self) -> Result<ContactId, KitError> {
        Ok(self.told::<Added>(Method::POST, "people").await?.id)
    }

    /// Changes somebody.
    ///
    /// # Errors
    /// It does not.
    pub async fn change(&self, id: &ContactId) -> Result<(), KitError> {
        self.send(Method::POST, &format!("people/{}", encoded(id))).await.map(drop)
    }

    /// Removes somebody.
    ///
    /// # Errors
    /// It does not.
    pub async fn delete(&self, id: &ContactId) -> Result<(), KitError> {
        self.send(Method::DELETE, &format!("people/{}", encoded(id))).await.map(drop)
    }

    async fn told<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<T, KitError> {
        let answer = self.send(method, path).await?;
        answer.json().await.map_err(|_| self.wrong(format!("answers something else at /{path}")))
    }

    async fn send(&self, method: Method, path: &str) -> Result<reqwest::Response, KitError> {
        let sent = self.client.request(method.clone(), format!("{}/{path}", self.control)).send().await;
        let answer = sent.map_err(|_| self.wrong(format!("does not answer {method} /{path}")))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(self.wrong(format!("answers {method} /{path} with {status}")));
        }
        Ok(answer)
    }

    fn wrong(&self, problem: String) -> KitError {
        KitError::Trial { command: self.command.clone(), problem }
    }
}

fn encoded(id: &ContactId) -> String {
    percent_encoding::utf8_percent_encode(&id.0, percent_encoding::NON_ALPHANUMERIC).to_string()
}
