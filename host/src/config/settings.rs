//! The layers of a set-up, one over the other, and where each value came from.
//!
//! The defaults say which settings there are, and of what kind each is; what any other layer says is held against
//! them.

use std::fmt;
use std::io::ErrorKind;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use url::Url;

use super::error::ConfigError;
use super::{DEFAULTS, PLACES};

/// What every variable's name begins with.
const PREFIX: &str = "SLUICE_";

/// The section whose name variables may leave out.
const SHORT: &str = "server.";

/// A value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// Text; empty for none.
    Text(String),
    /// A number.
    Number(i64),
    /// Yes or no.
    Switch(bool),
    /// Several texts, or none.
    List(Vec<String>),
}

impl Value {
    /// The value that a text is, where one of this kind is wanted.
    fn like(&self, text: &str) -> Option<Self> {
        match self {
            Self::Text(_) => Some(Self::Text(text.to_owned())),
            Self::Number(_) => text.trim().parse().ok().map(Self::Number),
            Self::Switch(_) => text.trim().parse().ok().map(Self::Switch),
            Self::List(_) => {
                let words = text.split(|letter: char| letter == ',' || letter.is_whitespace());
                Some(Self::List(words.filter(|word| !word.is_empty()).map(str::to_owned).collect()))
            }
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// What it has to be, in words.
    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "it must be a text in quotes",
            Self::Number(_) => "it must be a number without a fraction",
            Self::Switch(_) => "it must be true or false",
            Self::List(_) => "it must be a list of texts in quotes: [\"...\", \"...\"]",
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => out.write_str(text),
            Self::Number(number) => write!(out, "{number}"),
            Self::Switch(on) => write!(out, "{on}"),
            Self::List(texts) => out.write_str(&texts.join(" ")),
        }
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The binary.
    Default,
    /// A file.
    File {
        /// Which.
        path: String,
        /// The line, from 1.
        line: usize,
    },
    /// A variable.
    Environment(String),
    /// The command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::File { path, line } => write!(out, "{path}, line {line}"),
            Self::Environment(name) | Self::Flag(name) => out.write_str(name),
        }
    }
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name, with its section's before it.
    pub key: String,
    /// What holds.
    pub value: Value,
    /// Where that came from.
    pub origin: Origin,
}

impl Setting {
    /// The value as it may be shown: without a password, and without what an address may have as a secret.
    pub fn shown(&self) -> Value {
        match &self.value {
            Value::Text(text) if text.contains("://") => Value::Text(without_secrets(text)),
            other => other.clone(),
        }
    }
}

/// The path of a web address is often the secret itself; that of a database is its name.
fn without_secrets(text: &str) -> String {
    const HIDDEN: &str = "***";
    let Ok(mut url) = Url::parse(text) else { return HIDDEN.to_owned() };
    if url.password().is_some() && url.set_password(Some(HIDDEN)).is_err() {
        return HIDDEN.to_owned();
    }
    let is_web = matches!(url.scheme(), "http" | "https");
    if is_web && !url.username().is_empty() && url.set_username(HIDDEN).is_err() {
        return HIDDEN.to_owned();
    }
    if url.query().is_some() {
        url.set_query(Some(HIDDEN));
    }
    if is_web && url.path().len() > 1 {
        url.set_path(HIDDEN);
    }
    url.to_string()
}

/// What a flag says.
#[derive(Debug, Clone)]
pub struct Given {
    /// Of which setting.
    pub key: &'static str,
    /// The flag.
    pub flag: &'static str,
    /// Its value.
    pub text: String,
}

/// All settings, in the order of the file with the defaults.
#[derive(Debug, Clone)]
pub struct Settings(Vec<Setting>);

impl Settings {
    /// What this program is told: by its files, its environment and these flags. `file`: the one file, if one is named.
    ///
    /// # Errors
    /// With what cannot be read, is unknown or of the wrong kind.
    pub fn load(file: Option<&Path>, flags: &[Given]) -> Result<Self, ConfigError> {
        let mut settings = Self::defaults()?;
        let named = file
            .map(Path::to_owned)
            .or_else(|| std::env::var_os("SLUICE_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from));
        let places =
            named.as_ref().map_or_else(|| PLACES.map(PathBuf::from).to_vec(), |named| vec![named.clone()]);
        for place in places {
            match std::fs::read_to_string(&place) {
                Ok(text) => settings.lay_file(&place, &text)?,
                Err(error) if named.is_none() && error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    let file = place.display().to_string();
                    return Err(ConfigError::Unreadable { file, problem: error.to_string() });
                }
            }
        }
        settings.lay_environment(|name| std::env::var(name).ok())?;
        settings.lay_flags(flags)?;
        Ok(settings)
    }

    /// What holds when nobody says anything else.
    ///
    /// # Errors
    /// When the program's own file is broken.
    pub fn defaults() -> Result<Self, ConfigError> {
        let table = DeTable::parse(DEFAULTS).map_err(|error| ConfigError::Defaults(error.to_string()))?;
        let mut found = Vec::new();
        leaves("", table.get_ref(), &mut found);
        found.sort_by_key(|leaf| leaf.at);
        let setting = |leaf: Leaf| match leaf.value {
            Some(value) => Ok(Setting { key: leaf.key, value, origin: Origin::Default }),
            None => Err(ConfigError::Defaults(leaf.key)),
        };
        found.into_iter().map(setting).collect::<Result<_, _>>().map(Self)
    }

    /// Each of them.
    pub fn all(&self) -> &[Setting] {
        &self.0
    }

    pub(super) fn lay_file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let at = |at: usize| Origin::File { path: path.display().to_string(), line: line(text, at) };
        let table = DeTable::parse(text).map_err(|error| ConfigError::Malformed {
            origin: at(error.span().map_or(0, |span| span.start)),
            // Without the line itself, which may hold a secret.
            problem: error.message().to_owned(),
        })?;
        let mut found = Vec::new();
        leaves("", table.get_ref(), &mut found);
        found.sort_by_key(|leaf| leaf.at);
        for leaf in found {
            self.lay(&leaf.key, leaf.value, at(leaf.at))?;
        }
        Ok(())
    }

    pub(super) fn lay_environment(&mut self, of: impl Fn(&str) -> Option<String>) -> Result<(), ConfigError> {
        for setting in &mut self.0 {
            for name in variables(&setting.key) {
                // An empty one is one that is not set, as the programs that start others often have it.
                let Some(text) = of(&name).filter(|text| !text.is_empty()) else { continue };
                let origin = Origin::Environment(name);
                let Some(value) = setting.value.like(&text) else {
                    return Err(invalid(setting, origin, setting.value.kind()));
                };
                (setting.value, setting.origin) = (value, origin);
            }
        }
        Ok(())
    }

    pub(super) fn lay_flags(&mut self, flags: &[Given]) -> Result<(), ConfigError> {
        for given in flags {
            let origin = Origin::Flag(given.flag.to_owned());
            let kind = self.find(given.key)?;
            let Some(value) = kind.value.like(&given.text) else {
                return Err(invalid(kind, origin, kind.value.kind()));
            };
            self.lay(given.key, Some(value), origin)?;
        }
        Ok(())
    }

    fn lay(&mut self, key: &str, value: Option<Value>, origin: Origin) -> Result<(), ConfigError> {
        let Some(setting) = self.0.iter_mut().find(|setting| setting.key == key) else {
            let section = format!("{key}.");
            if self.0.iter().any(|setting| setting.key.starts_with(&section)) {
                let problem = format!("it is a section: write [{key}], and its settings below");
                return Err(ConfigError::Invalid { key: key.to_owned(), origin, problem });
            }
            // A section of the name of a setting.
            if let Some(setting) = self.0.iter().find(|setting| key.starts_with(&format!("{}.", setting.key)))
            {
                return Err(invalid(setting, origin, setting.value.kind()));
            }
            return Err(ConfigError::Unknown { key: key.to_owned(), origin });
        };
        match value.filter(|value| value.is_like(&setting.value)) {
            Some(value) => (setting.value, setting.origin) = (value, origin),
            None => return Err(invalid(setting, origin, setting.value.kind())),
        }
        Ok(())
    }

    fn find(&self, key: &str) -> Result<&Setting, ConfigError> {
        self.0.iter().find(|setting| setting.key == key).ok_or_else(|| ConfigError::Defaults(key.to_owned()))
    }

    fn text(&self, key: &str) -> Result<(&Setting, &str), ConfigError> {
        let setting = self.find(key)?;
        match &setting.value {
            Value::Text(text) => Ok((setting, text)),
            Value::Number(_) | Value::Switch(_) | Value::List(_) => {
                Err(ConfigError::Defaults(key.to_owned()))
            }
        }
    }

    /// A text that is to be something; none if it is empty.
    pub(super) fn optional<T: FromStr<Err: fmt::Display>>(
        &self,
        key: &str,
    ) -> Result<Option<T>, ConfigError> {
        let (setting, text) = self.text(key)?;
        if text.is_empty() {
            return Ok(None);
        }
        let problem = |problem: T::Err| invalid(setting, setting.origin.clone(), &problem.to_string());
        text.parse().map(Some).map_err(problem)
    }

    /// A text that is to be something, and may not be empty.
    pub(super) fn required<T: FromStr<Err: fmt::Display>>(&self, key: &str) -> Result<T, ConfigError> {
        let (setting, _) = self.text(key)?;
        let empty = || invalid(setting, setting.origin.clone(), "it may not be empty");
        self.optional(key)?.ok_or_else(empty)
    }

    /// Yes or no.
    pub(super) fn switch(&self, key: &str) -> Result<bool, ConfigError> {
        match self.find(key)?.value {
            Value::Switch(on) => Ok(on),
            Value::Text(_) | Value::Number(_) | Value::List(_) => Err(ConfigError::Defaults(key.to_owned())),
        }
    }

    /// Texts that are each to be something.
    pub(super) fn list<T: FromStr<Err: fmt::Display>, L: FromIterator<T>>(
        &self,
        key: &str,
    ) -> Result<L, ConfigError> {
        let setting = self.find(key)?;
        let Value::List(texts) = &setting.value else { return Err(ConfigError::Defaults(key.to_owned())) };
        let problem = |problem: T::Err| invalid(setting, setting.origin.clone(), &problem.to_string());
        texts.iter().map(|text| text.parse().map_err(problem)).collect()
    }

    /// That a setting cannot be so, beside others.
    pub(super) fn refuse(&self, key: &str, problem: &str) -> ConfigError {
        match self.find(key) {
            Ok(setting) => invalid(setting, setting.origin.clone(), problem),
            Err(error) => error,
        }
    }

    /// A number of seconds.
    pub(super) fn seconds(&self, key: &str, range: RangeInclusive<u64>) -> Result<Duration, ConfigError> {
        self.number(key, range, " seconds").map(Duration::from_secs)
    }

    /// A number; `of`: what is counted, for whoever gives another one.
    pub(super) fn number<N: TryFrom<i64> + PartialOrd + fmt::Display>(
        &self,
        key: &str,
        range: RangeInclusive<N>,
        of: &str,
    ) -> Result<N, ConfigError> {
        let setting = self.find(key)?;
        let Value::Number(number) = setting.value else { return Err(ConfigError::Defaults(key.to_owned())) };
        match N::try_from(number).ok().filter(|number| range.contains(number)) {
            Some(number) => Ok(number),
            None => {
                let problem = format!("give {} to {}{of}", range.start(), range.end());
                Err(invalid(setting, setting.origin.clone(), &problem))
            }
        }
    }
}

fn invalid(setting: &Setting, origin: Origin, problem: &str) -> ConfigError {
    ConfigError::Invalid { key: setting.key.clone(), origin, problem: problem.to_owned() }
}

/// The variables of a setting, the stronger one last.
fn variables(key: &str) -> impl Iterator<Item = String> {
    let name = |key: &str| format!("{PREFIX}{}", key.replace(['.', '-'], "_").to_uppercase());
    let short = key.strip_prefix(SHORT).map(name);
    short.into_iter().chain([name(key)])
}

/// A setting as a file has it.
struct Leaf {
    key: String,
    /// None: it is of a kind that no setting has.
    value: Option<Value>,
    at: usize,
}

fn leaves(section: &str, table: &DeTable<'_>, found: &mut Vec<Leaf>) {
    for (name, value) in table.iter() {
        let key = if section.is_empty() {
            name.get_ref().to_string()
        } else {
            format!("{section}.{}", name.get_ref())
        };
        match value.get_ref() {
            DeValue::Table(inner) => leaves(&key, inner, found),
            other => found.push(Leaf { key, value: scalar(other), at: start(name) }),
        }
    }
}

fn start<T>(spanned: &Spanned<T>) -> usize {
    spanned.span().start
}

fn scalar(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::String(text) => Some(Value::Text(text.to_string())),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(Value::Number)
        }
        DeValue::Boolean(on) => Some(Value::Switch(*on)),
        DeValue::Array(texts) => {
            texts.iter().map(|text| text_of(text.get_ref())).collect::<Option<_>>().map(Value::List)
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

fn text_of(value: &DeValue<'_>) -> Option<String> {
    match scalar(value) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

/// The line of a byte, from 1.
fn line(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}
