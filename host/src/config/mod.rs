//! How this host is set up: one TOML file over the defaults in the binary, the environment over it, flags over that.
//!
//! `settings` brings the layers together, and knows where each value came from; here each value gets its type, once,
//! before anything else is done. A setting is added in three places: `host/config.default.toml` (its name, its default,
//! what it is for), a field below, and the line that reads it. What an integration is set up with is not here: see
//! [`crate::integration`].

mod error;
mod settings;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::server::Protection;
use crate::signature::TrustedKeys;

pub use self::error::ConfigError;
pub use self::settings::{Given, Origin, Setting, Settings, Value};

/// The settings with their defaults, as a file that says what each is for.
pub const DEFAULTS: &str = include_str!("../../config.default.toml");

/// The file whose path holds when none is named, and the one beside the user that goes over it.
pub const PLACES: [&str; 2] = ["/etc/sluice/sluice.toml", "sluice.toml"];

/// The shortest lease: below it, a busy machine would lose what it holds.
const LEASE: RangeInclusive<u64> = 2..=600;
const STOP_WITHIN: RangeInclusive<u64> = 1..=600;
const A_DAY: RangeInclusive<u64> = 0..=86_400;
const PERCENT: RangeInclusive<u8> = 1..=100;

/// A host's set-up.
#[derive(Clone)]
pub struct Config {
    /// Where the embedded store, caches and temporary files are kept.
    pub data: PathBuf,
    /// The address of a shared store.
    pub store: Option<String>,
    /// What is logged.
    pub log: String,
    /// Where the keys to the secrets in the store are.
    pub key_file: Option<PathBuf>,
    /// `[server]`.
    pub server: ServerConfig,
    /// `[connectors]`.
    pub connectors: ConnectorsConfig,
    /// `[metrics]`.
    pub metrics: MetricsConfig,
    /// `[traces]`.
    pub traces: TracesConfig,
    /// `[alerts]`.
    pub alerts: AlertsConfig,
}

/// What serving needs.
#[derive(Clone)]
pub struct ServerConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// What keeps from others what is said there.
    pub protection: Protection,
    /// Where CRMs reach it.
    pub public_url: Option<String>,
    /// How long others wait for it, with a shared store.
    pub lease: Duration,
    /// How long it may take to stop.
    pub stop_within: Duration,
    /// The folder whose components are taken when they change.
    pub watch_connectors: Option<PathBuf>,
}

/// Which connectors are taken.
#[derive(Clone)]
pub struct ConnectorsConfig {
    /// Those of whom.
    pub trusted_keys: TrustedKeys,
}

/// Where it can be measured.
#[derive(Clone)]
pub struct MetricsConfig {
    /// Where `/metrics` is.
    pub listen: Option<SocketAddr>,
}

/// Who is handed the traces.
#[derive(Clone)]
pub struct TracesConfig {
    /// The collector's address, without the path for traces.
    pub endpoint: Option<Url>,
    /// How many of the traces.
    pub sample: Percent,
}

/// So many of a hundred, and at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percent(u8);

impl Percent {
    /// As a part of one.
    pub fn ratio(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

/// Who is told when an integration needs attention.
#[derive(Clone)]
pub struct AlertsConfig {
    /// Where to.
    pub url: Option<Url>,
    /// What alerts are signed with.
    pub secret_file: Option<PathBuf>,
    /// How long it must last.
    pub after: Duration,
    /// How long a remote may be away.
    pub remote_after: Duration,
}

impl Config {
    /// Gives each setting its type.
    ///
    /// # Errors
    /// The first value that cannot be so, with where it came from.
    pub fn of(settings: &Settings) -> Result<Self, ConfigError> {
        Ok(Self {
            data: settings.required("data")?,
            store: settings.optional("store")?,
            log: settings.required("log")?,
            key_file: settings.optional("key-file")?,
            server: ServerConfig {
                listen: settings.required("server.listen")?,
                protection: protection(settings)?,
                public_url: settings.optional::<PublicUrl>("server.public-url")?.map(|url| url.0),
                lease: settings.seconds("server.lease", LEASE)?,
                stop_within: settings.seconds("server.stop-within", STOP_WITHIN)?,
                watch_connectors: settings.optional("server.watch-connectors")?,
            },
            connectors: ConnectorsConfig { trusted_keys: settings.list("connectors.trusted-keys")? },
            metrics: MetricsConfig { listen: settings.optional("metrics.listen")? },
            traces: TracesConfig {
                endpoint: settings.optional::<PlainUrl>("traces.endpoint")?.map(|url| url.0),
                sample: settings.number("traces.sample", PERCENT, " of a hundred").map(Percent)?,
            },
            alerts: AlertsConfig {
                url: settings.optional::<Http>("alerts.url")?.map(|url| url.0),
                secret_file: settings.optional("alerts.secret-file")?,
                after: settings.seconds("alerts.after", A_DAY)?,
                remote_after: settings.seconds("alerts.remote-after", A_DAY)?,
            },
        })
    }
}

fn protection(settings: &Settings) -> Result<Protection, ConfigError> {
    let [certificate, key] = ["server.tls-certificate", "server.tls-key"];
    let proxy = settings.switch("server.behind-proxy")?;
    match (settings.optional(certificate)?, settings.optional(key)?) {
        (Some(certificate), Some(key)) if !proxy => Ok(Protection::Tls { certificate, key }),
        (None, None) if proxy => Ok(Protection::Proxy),
        (None, None) => Ok(Protection::Machine),
        (Some(_), Some(_)) => Err(settings
            .refuse(certificate, "TLS is spoken here or by a proxy: leave out this or `behind-proxy`")),
        (Some(_), None) => Err(settings.refuse(certificate, "it needs its private key: give `tls-key`, too")),
        (None, Some(_)) => Err(settings.refuse(key, "it needs its certificate: give `tls-certificate`, too")),
    }
}

/// The address of a web server.
struct Http(Url);

impl std::str::FromStr for Http {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url =
            Url::parse(text).map_err(|_| "it is no address; give one such as https://sluice.example.com")?;
        if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
            return Err("it is no address of a web server; give one such as https://sluice.example.com");
        }
        Ok(Self(url))
    }
}

/// An address that others are built on.
struct PlainUrl(Url);

impl std::str::FromStr for PlainUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Http(url) = text.parse()?;
        let has_user = !url.username().is_empty() || url.password().is_some();
        if url.query().is_some() || url.fragment().is_some() || has_user {
            return Err("it has a user, a query or a fragment; give one such as https://sluice.example.com");
        }
        Ok(Self(url))
    }
}

/// An address that CRMs can be given, as it was written.
struct PublicUrl(String);

impl std::str::FromStr for PublicUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<PlainUrl>().map(|_| Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    fn read(
        files: &[(&str, &str)],
        environment: &[(&str, &str)],
        flags: &[Given],
    ) -> Result<Config, ConfigError> {
        Config::of(&settings(files, environment, flags)?)
    }

    fn settings(
        files: &[(&str, &str)],
        environment: &[(&str, &str)],
        flags: &[Given],
    ) -> Result<Settings, ConfigError> {
        let mut settings = Settings::defaults()?;
        for (name, text) in files {
            settings.lay_file(std::path::Path::new(name), text)?;
        }
        let of = |name: &str| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        settings.lay_environment(of)?;
        settings.lay_flags(flags)?;
        Ok(settings)
    }

    #[test]
    fn the_defaults_are_whole_and_every_setting_is_read() {
        let config = read(&[], &[], &[]).unwrap();
        assert_eq!(config.server.listen.to_string(), "127.0.0.1:7480");
        assert_eq!(config.server.lease, Duration::from_secs(10));
        assert!(config.store.is_none() && config.metrics.listen.is_none() && config.alerts.url.is_none());
        assert!(config.traces.endpoint.is_none() && config.traces.sample == Percent(100));
        // A wrong kind of value for each: whoever is not read would not be refused.
        for setting in Settings::defaults().unwrap().all() {
            let other = match setting.value {
                Value::Text(_) | Value::List(_) => "7",
                Value::Number(_) | Value::Switch(_) => "\"x\"",
            };
            let (section, name) = setting.key.split_once('.').unwrap_or(("", &setting.key));
            let file = if section.is_empty() {
                format!("{name} = {other}")
            } else {
                format!("[{section}]\n{name} = {other}")
            };
            assert!(read(&[("f.toml", &file)], &[], &[]).is_err(), "{}", setting.key);
        }
    }

    #[test]
    fn a_file_is_overlaid_by_the_environment_and_that_by_flags() {
        let file =
            "log = \"info\"\n[server]\nlease = 20\nstop-within = 7\n[metrics]\nlisten = \"127.0.0.1:1\"\n";
        let environment = [
            ("SLUICE_LEASE", "30"),
            ("SLUICE_METRICS_LISTEN", "127.0.0.1:2"),
            ("SLUICE_SERVER_STOP_WITHIN", "8"),
        ];
        let flags = [Given { key: "server.lease", flag: "--lease", text: "40".into() }];
        let config = read(&[("f.toml", file)], &environment, &flags).unwrap();
        assert_eq!((config.log.as_str(), config.server.lease.as_secs()), ("info", 40));
        assert_eq!(config.server.stop_within.as_secs(), 8);
        assert_eq!(config.metrics.listen.unwrap().port(), 2);
        let settings = settings(&[("f.toml", file)], &environment, &flags).unwrap();
        let from = |key: &str| settings.all().iter().find(|it| it.key == key).unwrap().origin.to_string();
        assert_eq!(from("log"), "f.toml, line 1");
        assert_eq!(from("server.lease"), "--lease");
        assert_eq!(from("metrics.listen"), "SLUICE_METRICS_LISTEN");
        assert_eq!(from("data"), "default");
    }

    #[test]
    fn several_texts_are_a_list_in_a_file_and_words_in_a_variable() {
        let [one, other] = [
            "RWTClGrWQjqK9wmtRO5XL312N4wJCRkEoWrL24hyF941azOPjqWwsBnL",
            "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3",
        ];
        let file = format!("[connectors]\ntrusted-keys = [\"{one}\", \"{other}\"]\n");
        let both = read(&[("f.toml", &file)], &[], &[]).unwrap().connectors.trusted_keys;
        assert_eq!(both, [one, other].iter().map(|key| key.parse().unwrap()).collect());
        assert!(!read(&[], &[], &[]).unwrap().connectors.trusted_keys.ask_for_signature());
        for words in [format!("{one} {other}"), format!("{one}, {other}")] {
            let set = [("SLUICE_CONNECTORS_TRUSTED_KEYS", words.as_str())];
            assert_eq!(read(&[], &set, &[]).unwrap().connectors.trusted_keys, both);
        }
        let shown = settings(&[("f.toml", &file)], &[], &[]).unwrap();
        let shown = shown.all().iter().find(|it| it.key == "connectors.trusted-keys").unwrap().shown();
        assert_eq!(shown.to_string(), format!("{one} {other}"));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (file, code, says) in [
            ("lock = 1\n", "config-unknown", "f.toml, line 1"),
            ("[server]\n\nlisen = \"x\"\n", "config-unknown", "`server.lisen` (f.toml, line 3)"),
            ("[sever]\nlisten = \"x\"\n", "config-unknown", "`sever.listen`"),
            ("[server]\nlisten = \"here\"\n", "config-invalid", "`server.listen` (f.toml, line 2)"),
            ("[server]\nlease = 1\n", "config-invalid", "2 to 600"),
            ("[server]\nlease = -1\n", "config-invalid", "2 to 600"),
            ("[server]\nlease = \"10\"\n", "config-invalid", "a number"),
            ("[server]\nlease = 1.5\n", "config-invalid", "a number"),
            ("server = 3\n", "config-invalid", "a section"),
            ("[server]\npublic-url = \"https://u@x.se\"\n", "public-url-invalid", "line 2"),
            ("[traces]\nsample = 0\n", "config-invalid", "1 to 100"),
            ("[traces]\nsample = 300\n", "config-invalid", "1 to 100"),
            ("[traces]\nendpoint = \"localhost:4318\"\n", "config-invalid", "`traces.endpoint`"),
            ("[traces]\nendpoint = \"http://:hush@x\"\n", "config-invalid", "a user"),
            ("[connectors]\ntrusted-keys = [\"RW\"]\n", "config-invalid", "minisign"),
            ("[connectors]\ntrusted-keys = [7]\n", "config-invalid", "a list"),
            ("log = \n", "config-malformed", "line 1"),
            ("[data]\nx = 1\n", "config-invalid", "`data`"),
        ] {
            let error = read(&[("f.toml", file)], &[], &[]).err().unwrap_or_else(|| panic!("{file}"));
            assert_eq!(error.code(), code, "{file}: {error}");
            assert!(error.to_string().contains(says), "{file}: {error}");
        }
        let error = read(&[], &[("SLUICE_LEASE", "soon")], &[]).err().unwrap();
        assert!(error.to_string().contains("SLUICE_LEASE"), "{error}");
    }

    #[test]
    fn secrets_are_in_no_listing_and_no_error() {
        let file =
            "store = \"postgres://sluice:hush@db/sluice\"\n[alerts]\nurl = \"https://x.se/T0/hush?k=hush\"\n";
        let all = settings(&[("f.toml", file)], &[], &[]).unwrap();
        for setting in all.all() {
            assert!(!setting.shown().to_string().contains("hush"), "{}", setting.shown());
        }
        let store = all.all().iter().find(|it| it.key == "store").unwrap();
        assert_eq!(store.shown().to_string(), "postgres://sluice:***@db/sluice");
        let error =
            read(&[("f.toml", "[alerts]\nurl = \"ftp://u:hush@x\"")], &[], &[]).err().unwrap().to_string();
        assert!(error.contains("alerts.url") && !error.contains("hush"), "{error}");
    }
}
