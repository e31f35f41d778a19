//! The CRM's API: what is asked, and the form of what is answered.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use sluice_sdk::Error;
use sluice_sdk::request::{Call, Credential, Method};

/// The secret's name; the host puts its value in as the request leaves.
const API_KEY: &str = "api-key";

/// A person as the CRM has it. What is not named here is not read.
#[derive(Debug, Clone, Deserialize)]
pub struct Person {
    /// Its id: it stays.
    pub id: u64,
    /// When it was last changed, RFC 3339 in UTC.
    pub changed: String,
    /// First name.
    pub first: Option<String>,
    /// Last name.
    pub last: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Mobile number.
    pub mobile: Option<String>,
    /// What kind of customer it is: a key.
    pub kind: Option<String>,
    /// Whether it wants the newsletter; none: it was never asked.
    pub newsletter: Option<bool>,
}

/// The API of one customer.
pub struct Api {
    url: String,
}

impl Api {
    /// The API at this address.
    pub fn new(url: &str) -> Self {
        Self { url: url.trim_end_matches('/').to_owned() }
    }

    /// At most `limit` people whose ids are greater than `behind`, in the order of their ids; changed since a moment, where
    /// one is given.
    ///
    /// # Errors
    /// As the CRM answers.
    pub fn people(&self, behind: u64, limit: u32, since: Option<&str>) -> Result<Vec<Person>, Error> {
        let mut url = format!("{}/people?behind={behind}&limit={limit}", self.url);
        if let Some(since) = since {
            url.push_str(&format!("&since={}", utf8_percent_encode(since, NON_ALPHANUMERIC)));
        }
        self.get(url).send("people")?.ok("people")?.json("people")
    }

    /// One person; none: there is none.
    ///
    /// # Errors
    /// As the CRM answers.
    pub fn person(&self, id: &str) -> Result<Option<Person>, Error> {
        let url = format!("{}/people/{}", self.url, utf8_percent_encode(id, NON_ALPHANUMERIC));
        let answer = self.get(url).send("a person")?;
        if answer.status() == 404 {
            return Ok(None);
        }
        answer.ok("a person")?.json("a person").map(Some)
    }

    fn get(&self, url: String) -> Call {
        Call::new(Method::Get, url).credential(Credential::Bearer(API_KEY.to_owned()))
    }
}
