//! What pages are shown with. All of it is in the program.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};

use super::Refused;
use crate::server::api::problem::RequestError;

macro_rules! file {
    ($name:literal) => {
        include_bytes!(concat!("../../../page/assets/", $name))
    };
}

/// Gives one of them.
pub async fn asset(Path(name): Path<String>) -> Response {
    let (kind, content): (&str, &'static [u8]) = match name.as_str() {
        "page.css" => ("text/css; charset=utf-8", file!("page.css")),
        "page.js" => ("text/javascript; charset=utf-8", file!("page.js")),
        "htmx.js" => ("text/javascript; charset=utf-8", file!("htmx-2.0.11.min.js")),
        "htmx-sse.js" => ("text/javascript; charset=utf-8", file!("htmx-ext-sse-2.2.4.min.js")),
        "icon.svg" => ("image/svg+xml", file!("icon.svg")),
        _ => return Refused::from(RequestError::NoRoute).into_response(),
    };
    // Names carry no version: a browser asks each time it has been an hour.
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "public, max-age=3600")], content).into_response()
}
