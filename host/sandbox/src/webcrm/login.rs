//! `/Auth/ApiLogin`: an application token for an access token.
//!
//! Promises: the application token is taken as a header, as a field of an urlencoded body and as a part of a multipart
//! one, since webCRM's pages and the vendor's code show all three; a wrong one is answered with 200 and `IsError`; an
//! access token is good until it ends, or until all are revoked.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::json;

use super::switches::WebcrmSwitches;
use crate::call::{Head, Reply};

/// The field, header or part with the application token.
const AUTH_CODE: &str = "authCode";

#[derive(Debug)]
pub(crate) struct Tokens {
    application: String,
    issued: Vec<(String, Instant)>,
}

impl Tokens {
    pub(crate) fn new(application: String) -> Self {
        Self { application, issued: Vec::new() }
    }

    pub(crate) fn revoke(&mut self) {
        self.issued.clear();
    }

    pub(crate) fn issue(&mut self, head: &Head, body: &Bytes, switches: &WebcrmSwitches) -> Reply {
        if given(head, body).as_deref() != Some(self.application.as_str()) {
            let refused = json!({"AccessToken": null, "RefreshToken": null, "ExpiresIn": 0, "TokenType": null,
                "IsError": true, "Error": "invalid_grant", "ErrorDescription": "The authCode is not valid."});
            return Reply::json(StatusCode::OK, &refused);
        }
        let token = hex::encode(rand::random::<[u8; 32]>());
        let lives = switches.lives_millis.unwrap_or(switches.expires_in_seconds.saturating_mul(1000));
        let now = Instant::now();
        self.issued.retain(|(_, until)| *until > now);
        self.issued.push((token.clone(), now + Duration::from_millis(lives)));
        let issued = json!({"AccessToken": token, "RefreshToken": "not-used", "ExpiresIn": switches.expires_in_seconds,
            "TokenType": "Bearer", "IsError": false, "Error": null, "ErrorDescription": null});
        Reply::json(StatusCode::OK, &issued)
    }

    pub(crate) fn knows(&self, head: &Head) -> bool {
        let now = Instant::now();
        let given = head.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        self.issued.iter().any(|(token, until)| given == Some(token) && *until > now)
    }
}

fn given(head: &Head, body: &Bytes) -> Option<String> {
    let kind = head.header("content-type").unwrap_or_default();
    if kind.starts_with("application/x-www-form-urlencoded") {
        let field = url::form_urlencoded::parse(body).find(|(name, _)| name == AUTH_CODE);
        return field.map(|(_, value)| value.into_owned());
    }
    if kind.starts_with("multipart/form-data") {
        return part(kind, &String::from_utf8_lossy(body));
    }
    head.header(AUTH_CODE).map(str::to_owned)
}

/// The one part that matters; a token is text without line breaks.
fn part(kind: &str, body: &str) -> Option<String> {
    let (_, boundary) = kind.split_once("boundary=")?;
    let boundary = format!("--{}", boundary.trim_matches('"'));
    body.split(boundary.as_str()).find_map(|part| {
        let (headers, value) = part.split_once("\r\n\r\n")?;
        headers.contains(&format!("name=\"{AUTH_CODE}\"")).then(|| value.trim_end().to_owned())
    })
}
