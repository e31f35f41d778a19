//! Stands in for the host in native tests: settings, secrets by name, a session, log lines, and a CRM
//! that the test writes as a function from request to response.
//!
//! ```
//! use sluice_sdk::bench::{Bench, Response};
//! let mut bench = Bench::new(|_request| Ok(Response { status: 204, headers: vec![], body: vec![] }));
//! bench.setting("url", "https://crm.example");
//! bench.run(|| { /* call the connector */ });
//! assert!(bench.requests().is_empty());
//! ```
//!
//! A request is seen as the connector made it, with its credentials by name: the secret itself is the
//! host's affair. One that names a secret which the test did not give is denied, as the host would.

use std::cell::RefCell;
use std::collections::BTreeMap;

pub use crate::bindings::complete::sluice::crm_connector::http::{
    Credential, Error as HttpError, ErrorKind as HttpErrorKind, Method, Request, Response,
};
pub use crate::bindings::complete::sluice::crm_connector::log::Level;

type Crm = Box<dyn FnMut(&Request) -> Result<Response, HttpError>>;

/// A host of one integration, for one test.
pub struct Bench {
    // None only while a call runs: then it is with the thread.
    state: Option<State>,
}

struct State {
    settings: BTreeMap<String, String>,
    secrets: BTreeMap<String, String>,
    session: BTreeMap<String, String>,
    crm: Crm,
    requests: Vec<Request>,
    log: Vec<(Level, String)>,
}

thread_local! {
    static RUNNING: RefCell<Option<State>> = const { RefCell::new(None) };
}

impl Bench {
    /// A host whose CRM answers as the function says.
    pub fn new(crm: impl FnMut(&Request) -> Result<Response, HttpError> + 'static) -> Self {
        let state = State {
            settings: BTreeMap::new(),
            secrets: BTreeMap::new(),
            session: BTreeMap::new(),
            crm: Box::new(crm),
            requests: Vec::new(),
            log: Vec::new(),
        };
        Self { state: Some(state) }
    }

    /// Gives a setting: a string as it is, anything else as JSON, as the host does.
    pub fn setting(&mut self, name: &str, value: impl Into<serde_json::Value>) -> &mut Self {
        let text = match value.into() {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        if let Some(state) = &mut self.state {
            state.settings.insert(name.to_owned(), text);
        }
        self
    }

    /// Gives a secret.
    pub fn secret(&mut self, name: &str, value: &str) -> &mut Self {
        if let Some(state) = &mut self.state {
            state.secrets.insert(name.to_owned(), value.to_owned());
        }
        self
    }

    /// Runs one call of the connector on this host. A thread runs one at a time.
    pub fn run<R>(&mut self, call: impl FnOnce() -> R) -> R {
        RUNNING.set(self.state.take());
        let result = call();
        self.state = RUNNING.take();
        result
    }

    /// Forgets the session, as the host may at any time.
    pub fn forget_session(&mut self) {
        if let Some(state) = &mut self.state {
            state.session.clear();
        }
    }

    /// The requests so far.
    pub fn requests(&self) -> &[Request] {
        self.state.as_ref().map_or(&[], |state| &state.requests)
    }

    /// The log lines so far.
    pub fn log(&self) -> &[(Level, String)] {
        self.state.as_ref().map_or(&[], |state| &state.log)
    }
}

/// The host's imports, on this thread's bench. Without one, everything is absent and denied.
pub(crate) mod host {
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::Sha256;

    use super::{Credential, HttpError, HttpErrorKind, Level, RUNNING, Request, Response, State};

    fn with<R>(absent: R, use_it: impl FnOnce(&mut State) -> R) -> R {
        RUNNING.with_borrow_mut(|state| match state {
            Some(state) => use_it(state),
            None => absent,
        })
    }

    fn denied(message: &str) -> HttpError {
        HttpError { kind: HttpErrorKind::Denied, message: message.to_owned() }
    }

    pub(crate) fn fetch(request: &Request) -> Result<Response, HttpError> {
        with(Err(denied("no bench runs")), |state| {
            for credential in &request.credentials {
                let (Credential::Bearer(name)
                | Credential::Basic((_, name))
                | Credential::Header((_, name))
                | Credential::Form((_, name))
                | Credential::Json((_, name))) = credential;
                if !state.secrets.contains_key(name) {
                    return Err(denied(&format!("there is no secret `{name}`")));
                }
            }
            state.requests.push(request.clone());
            (state.crm)(request)
        })
    }

    pub(crate) fn setting(name: &str) -> Option<String> {
        with(None, |state| state.settings.get(name).cloned())
    }

    pub(crate) fn session_get(key: &str) -> Option<String> {
        with(None, |state| state.session.get(key).cloned())
    }

    pub(crate) fn session_put(key: &str, value: &str, _ttl_seconds: u32) {
        with((), |state| {
            state.session.insert(key.to_owned(), value.to_owned());
        });
    }

    pub(crate) fn verify_hmac_sha256(name: &str, data: &[u8], mac: &[u8]) -> bool {
        with(false, |state| {
            let keyed =
                state.secrets.get(name).and_then(|key| Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok());
            keyed.is_some_and(|hmac| hmac.chain_update(data).verify_slice(mac).is_ok())
        })
    }

    pub(crate) fn log(level: Level, message: &str) {
        with((), |state| state.log.push((level, message.to_owned())));
    }
}
