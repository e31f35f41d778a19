//! One request as a simulator sees it, and what it answers.
//!
//! Promises: path segments are decoded strictly (what is not well-formed percent-encoded UTF-8 is refused
//! with 400, an unescaped `+` becomes a space, so that a client that escapes too little writes to another
//! key, as the APSIS One help centre warns), and the query keeps repeated parameters in order. Routing and
//! meaning are left to the two sides.

use axum::body::Body;
use bytes::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Response, StatusCode, Uri};
use serde_json::{Value, json};

/// A request without its body.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    /// Decoded path segments, without empty ones at the end.
    pub(crate) path: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    /// As it came, for links that repeat it.
    pub(crate) uri: Uri,
}

/// The path or the query cannot be decoded.
#[derive(Debug)]
pub(crate) struct BadPath;

impl Head {
    pub(crate) fn read(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Self, BadPath> {
        let trimmed = uri.path().trim_start_matches('/').trim_end_matches('/');
        let path = if trimmed.is_empty() {
            Vec::new()
        } else {
            trimmed.split('/').map(decode_segment).collect::<Result<_, _>>()?
        };
        let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        Ok(Self { method: method.clone(), path, query, headers: headers.clone(), uri: uri.clone() })
    }

    pub(crate) fn segments(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn decode_segment(raw: &str) -> Result<String, BadPath> {
    let bytes = raw.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(&byte) = rest.next() {
        match byte {
            b'%' => {
                let (Some(&high), Some(&low)) = (rest.next(), rest.next()) else { return Err(BadPath) };
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (Some(high), Some(low)) = (digit(high), digit(low)) else { return Err(BadPath) };
                decoded.push(u8::try_from(high * 16 + low).map_err(|_| BadPath)?);
            }
            b'+' => decoded.push(b' '),
            other => decoded.push(other),
        }
    }
    String::from_utf8(decoded).map_err(|_| BadPath)
}

/// What a simulator answers.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Body,
}

impl Reply {
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: Body::empty() }
    }

    pub(crate) fn text(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![(header::CONTENT_TYPE, HeaderValue::from_static(content_type))],
            body: Body::from(body.into()),
        }
    }

    pub(crate) fn json(status: StatusCode, body: &Value) -> Self {
        Self::text(status, "application/json", body.to_string())
    }

    /// The problem JSON of APSIS One's "handling errors" article: title, status, detail.
    pub(crate) fn problem(status: StatusCode, detail: &str) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        let body = json!({"title": title, "status": status.as_u16(), "detail": detail});
        Self::text(status, "application/problem+json", body.to_string())
    }

    /// Lime's error body as a production client reads it: one `message`.
    pub(crate) fn message(status: StatusCode, message: &str) -> Self {
        Self::json(status, &json!({"message": message}))
    }

    /// What a proxy in front of the service answers when the service does not.
    pub(crate) fn html(status: StatusCode) -> Self {
        let title = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or("Error"));
        let body = format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
             <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        );
        Self::text(status, "text/html", body)
    }

    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_decoded_once_and_strictly() {
        assert_eq!(decode_segment("a%40b%2Bc%2fd").unwrap(), "a@b+c/d");
        assert_eq!(decode_segment("a+b").unwrap(), "a b");
        assert_eq!(decode_segment("%2540").unwrap(), "%40");
        for bad in ["%", "%4", "%zz", "%ff"] {
            assert!(decode_segment(bad).is_err(), "{bad}");
        }
    }
}
