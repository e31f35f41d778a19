//! Logging in with a token, and out.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, Request, State};
use axum::response::IntoResponse;
use hyper::header::HeaderMap;
use serde::Deserialize;

use super::door::{self, FormError, Who, cookie, of_cookie};
use super::{Answer, Page, frame, go_to, texts as t};
use crate::error::Failure;
use crate::server::attempts::Peer;

/// The largest login.
const LOGIN_BYTES: usize = 8 * 1024;

#[derive(Template)]
#[template(path = "login.html")]
struct Login<'a> {
    next: &'a str,
    failure: Option<&'a Failure>,
}

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Next {
    next: String,
}

/// A place on this host; anything else is the list.
fn local(place: &str) -> &str {
    let is_local =
        place.starts_with('/') && !place.starts_with("//") && !place.contains(['\\', '\r', '\n', '\t']);
    if is_local { place } else { "/integrations" }
}

/// Shows the form.
pub async fn show(
    State(page): State<Arc<Page>>,
    Query(Next { next }): Query<Next>,
    headers: HeaderMap,
) -> Answer {
    if let Some(secret) = of_cookie(&page, &headers)
        && page.callers.visitor(&secret).await?.is_some()
    {
        return Ok(go_to(local(&next)));
    }
    Ok(frame::html(&Login { next: local(&next), failure: None }))
}

/// Opens a session. Whatever session the browser had ends.
pub async fn log_in(State(page): State<Arc<Page>>, request: Request) -> Answer {
    if !door::is_same_site(request.headers()) {
        return Err(FormError::NotOurs.into());
    }
    let (parts, body) = request.into_parts();
    let sent = door::form(body, LOGIN_BYTES).await?;
    let next = local(sent.exact("next"));
    let peer = parts.extensions.get::<Peer>().copied();
    match page.callers.log_in(sent.exact("token"), peer).await {
        Ok(visitor) => {
            if let Some(before) = of_cookie(&page, &parts.headers) {
                page.callers.log_out(&before).await?;
            }
            Ok(([cookie(&page, Some(&visitor.secret))], go_to(next)).into_response())
        }
        Err(refused) => {
            let page = frame::html(&Login { next, failure: Some(&refused.0) });
            Ok(frame::refused(page, &refused.0.code))
        }
    }
}

/// Ends the session.
pub async fn log_out(State(page): State<Arc<Page>>, who: Who) -> Answer {
    page.callers.log_out(&who.secret).await?;
    Ok(([cookie(&page, None)], go_to("/login")).into_response())
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn nobody_is_sent_to_another_host() {
        for (place, expected) in [
            ("/integrations/acme?x=1", "/integrations/acme?x=1"),
            ("//evil.example", "/integrations"),
            ("/\\evil.example", "/integrations"),
            ("https://evil.example", "/integrations"),
            ("javascript:alert(1)", "/integrations"),
            ("/\t/evil.example", "/integrations"),
            ("", "/integrations"),
        ] {
            assert_eq!(local(place), expected, "{place:?}");
        }
    }
}
