//! A request's headers and secrets: which headers a connector may set, and where a secret goes.
//!
//! A connector names a secret and a place; the value is put there as the request leaves, after the
//! connector's code has let go of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value as Json;

use super::bindings::imported::http::{Credential, ErrorKind};
use super::environment::Environment;
use super::outbound::Failed;

/// Headers that belong to the connection, to the host, or to the way of the answer.
const FORBIDDEN: &[&str] = &[
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "keep-alive",
    "expect",
    "accept-encoding",
    "via",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

pub(super) fn secret_name(credential: &Credential) -> &str {
    match credential {
        Credential::Bearer(name) => name,
        Credential::Basic((_, name))
        | Credential::Header((_, name))
        | Credential::Form((_, name))
        | Credential::Json((_, name)) => name,
    }
}

pub(super) fn header_name(name: &str) -> Result<HeaderName, Failed> {
    let name = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| Failed::new(ErrorKind::Other, "a header's name cannot be read"))?;
    if FORBIDDEN.contains(&name.as_str()) || name.as_str().starts_with("proxy-") {
        return Err(Failed::denied(format!("the header `{name}` is the host's; a connector may not set it")));
    }
    Ok(name)
}

pub(super) fn unusable(name: &HeaderName) -> Failed {
    Failed::new(ErrorKind::Other, format!("the value of the header `{name}` cannot be sent"))
}

/// Puts one secret in. What the connector set in the same place would be ambiguous, so it is refused.
pub(super) fn place(
    environment: &Environment,
    credential: &Credential,
    headers: &mut HeaderMap,
    body: &mut Option<Vec<u8>>,
) -> Result<(), Failed> {
    let name = secret_name(credential);
    let secret = environment.secret(name).ok_or_else(|| {
        Failed::denied(format!("the integration has no secret `{name}`; add it under [secrets]"))
    })?;
    match credential {
        Credential::Bearer(_) => set_secret(headers, AUTHORIZATION, &format!("Bearer {secret}")),
        Credential::Basic((user, _)) => set_secret(
            headers,
            AUTHORIZATION,
            &format!("Basic {}", BASE64.encode(format!("{user}:{secret}"))),
        ),
        Credential::Header((header, _)) => set_secret(headers, header_name(header)?, secret),
        Credential::Form((field, _)) => {
            let mut form = body.take().unwrap_or_default();
            let pair =
                url::form_urlencoded::Serializer::new(String::new()).append_pair(field, secret).finish();
            if !form.is_empty() {
                form.push(b'&');
            }
            form.extend_from_slice(pair.as_bytes());
            *body = Some(form);
            headers
                .entry(CONTENT_TYPE)
                .or_insert(HeaderValue::from_static("application/x-www-form-urlencoded"));
            Ok(())
        }
        Credential::Json((pointer, _)) => {
            let mut json: Json = serde_json::from_slice(body.as_deref().unwrap_or(b"{}")).map_err(|_| {
                Failed::new(ErrorKind::Other, "a secret goes into a JSON body, and the body is none")
            })?;
            put_json(&mut json, pointer, secret)?;
            *body = Some(json.to_string().into_bytes());
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            Ok(())
        }
    }
}

fn set_secret(headers: &mut HeaderMap, name: HeaderName, value: &str) -> Result<(), Failed> {
    if headers.contains_key(&name) {
        return Err(Failed::denied(format!(
            "the header `{name}` is set twice, by the connector and by a credential"
        )));
    }
    let mut value = HeaderValue::from_str(value).map_err(|_| unusable(&name))?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

/// Puts a text where a JSON Pointer says; the last step may be new, what leads there must exist.
fn put_json(json: &mut Json, pointer: &str, secret: &str) -> Result<(), Failed> {
    let wrong = || Failed::new(ErrorKind::Other, "a secret's JSON Pointer leads nowhere in the body");
    if let Some(place) = json.pointer_mut(pointer) {
        *place = Json::String(secret.to_owned());
        return Ok(());
    }
    let (parent, last) = pointer.rsplit_once('/').ok_or_else(wrong)?;
    let parent = json.pointer_mut(parent).and_then(Json::as_object_mut).ok_or_else(wrong)?;
    parent.insert(last.replace("~1", "/").replace("~0", "~"), Json::String(secret.to_owned()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_goes_where_its_pointer_says() {
        let mut json = serde_json::json!({"auth": {"user": "u", "pass": ""}});
        put_json(&mut json, "/auth/pass", "s").unwrap_or_else(|failed| panic!("{}", failed.message));
        put_json(&mut json, "/auth/a~1b", "t").unwrap_or_else(|failed| panic!("{}", failed.message));
        assert_eq!(json, serde_json::json!({"auth": {"user": "u", "pass": "s", "a/b": "t"}}));
        assert!(put_json(&mut json, "/nowhere/pass", "s").is_err());
        assert!(put_json(&mut json, "auth", "s").is_err());
    }

    #[test]
    fn the_hosts_headers_are_the_hosts() {
        for name in ["Host", "content-length", "Proxy-Authorization", "Accept-Encoding"] {
            assert!(header_name(name).is_err_and(|failed| failed.kind == ErrorKind::Denied), "{name}");
        }
        assert!(header_name("x-api-key").is_ok());
    }

    #[test]
    fn a_header_that_is_set_already_is_not_set_again() {
        let mut headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("mine"))]);
        assert!(set_secret(&mut headers, AUTHORIZATION, "theirs").is_err());
    }
}
