//! What can be checked of an integration without a CRM and without APSIS One.

use url::Url;

use super::{Integration, IntegrationError, SecretRef};

impl Integration {
    /// Checks ids, addresses and the rows against each other.
    ///
    /// # Errors
    /// The first setting that cannot be, with what to do.
    pub fn check(&self) -> Result<(), IntegrationError> {
        let id = &self.id.0;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if id.is_empty() || id.len() > 64 || !id.chars().all(plain) {
            return refuse("id", "must be lower-case letters, digits and hyphens, at most 64");
        }
        for (key, text) in [
            ("name", &self.name),
            ("connector", &self.connector),
            ("apsis.client-id", &self.apsis.client_id),
            ("apsis.section", &self.apsis.section),
            ("apsis.keyspace", &self.apsis.keyspace),
        ] {
            if text.trim().is_empty() {
                return refuse(key, "is empty");
            }
        }
        address("apsis.url", &self.apsis.url)?;
        for (at, origin) in self.grant.origins.iter().enumerate() {
            let key = format!("grant.origins, entry {}", at + 1);
            let url = address(&key, origin)?;
            if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
                return refuse(&key, "must be scheme, host and port only, such as https://acme.lime-crm.com");
            }
        }
        let named = self.secrets.iter().map(|(name, place)| (format!("secrets.{name}"), place));
        for (key, place) in named.chain([("apsis.client-secret".to_owned(), &self.apsis.client_secret)]) {
            if let SecretRef::Stored(name) = place
                && !name.is_good()
            {
                return refuse(
                    &key,
                    "must name a stored secret by lower-case letters, digits, `-`, `.` and `_`, at most 100",
                );
            }
        }
        if let Some((name, _)) = self.settings.iter().find(|(_, value)| value.is_null()) {
            return refuse(&format!("settings.{name}"), "has no value (null or NaN): give one, or remove it");
        }
        if let Some(country) = &self.default_country
            && !(country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_alphabetic()))
        {
            return refuse("default-country", "must be two letters of ISO 3166-1, such as SE");
        }
        for (key, number) in
            [("sync.page-size", self.sync.page_size), ("sync.import-rows", self.sync.import_rows)]
        {
            if number == 0 {
                return refuse(key, "must be at least 1");
            }
        }
        if !(1..=100_000).contains(&self.apsis.requests_per_second) {
            return refuse("apsis.requests-per-second", "must be from 1 to 100000; APSIS One allows 100");
        }
        if self.brake.share > 100 {
            return refuse("brake.share", "must be a percentage, from 0 to 100; 100 never stops");
        }
        self.check_real_time()?;
        self.check_rows()
    }

    fn check_real_time(&self) -> Result<(), IntegrationError> {
        if jiff::tz::TimeZone::get(&self.time_zone).is_err() {
            return refuse("time-zone", "is no time zone; give one such as Europe/Stockholm");
        }
        let settings = &self.real_time;
        for (key, number) in [
            ("real-time.attempts", settings.attempts),
            ("real-time.accept-within-hours", settings.accept_within_hours),
            ("real-time.keep-days", settings.keep_days),
            ("story.keep-days", self.story.keep_days),
        ] {
            if number == 0 {
                return refuse(key, "must be at least 1");
            }
        }
        // Once its id is forgotten, a delivery that somebody recorded would be taken a second time.
        if settings.accept_within_hours > settings.keep_days.saturating_mul(24) {
            return refuse(
                "real-time.accept-within-hours",
                "must not be longer than deliveries are kept (real-time.keep-days)",
            );
        }
        Ok(())
    }
}

fn address(key: &str, text: &str) -> Result<Url, IntegrationError> {
    match Url::parse(text) {
        Ok(url)
            if matches!(url.scheme(), "http" | "https")
                && url.username().is_empty()
                && url.password().is_none() =>
        {
            Ok(url)
        }
        _ => Err(IntegrationError::Setting {
            key: key.to_owned(),
            problem: "must be an address such as https://api.apsis.one, without user name or password"
                .to_owned(),
        }),
    }
}

pub(super) fn refuse(key: &str, problem: &str) -> Result<(), IntegrationError> {
    Err(IntegrationError::Setting { key: key.to_owned(), problem: problem.to_owned() })
}
