//! Answers from recordings. Nothing is reached.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use url::Url;

use super::fixture::{Exchange, Reply};
use crate::connector::{Answered, Asked, Placed, StandIn, Unanswered};

/// A CRM that answers what was recorded: the same request more than once, in the order of the recordings, and after the
/// last of them that one again.
pub struct Replay {
    recorded: Vec<(String, Exchange)>,
    played: Mutex<Played>,
}

#[derive(Default)]
struct Played {
    used: BTreeSet<usize>,
    unmatched: Vec<Unmatched>,
}

/// A request that was not recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmatched {
    /// What was asked: method and address.
    pub asked: String,
    /// The recording that is nearest to it, and where the two differ.
    pub nearest: Option<(String, Vec<String>)>,
}

impl Replay {
    /// Plays these, by their files' names.
    pub fn new(recorded: Vec<(String, Exchange)>) -> Self {
        Self { recorded, played: Mutex::default() }
    }

    /// The requests that were not recorded.
    pub fn unmatched(&self) -> Vec<Unmatched> {
        self.played.lock().unwrap_or_else(PoisonError::into_inner).unmatched.clone()
    }

    /// The recordings that nobody asked for.
    pub fn unused(&self) -> Vec<String> {
        let played = self.played.lock().unwrap_or_else(PoisonError::into_inner);
        let unused = self.recorded.iter().enumerate().filter(|(at, _)| !played.used.contains(at));
        unused.map(|(_, (name, _))| name.clone()).collect()
    }

    /// The answer to a request.
    pub fn reply(&self, asked: &Asked) -> Result<Answered, Unanswered> {
        let mut played = self.played.lock().unwrap_or_else(PoisonError::into_inner);
        let matching: Vec<usize> = (self.recorded.iter().enumerate())
            .filter(|(_, (_, exchange))| differences(&exchange.asked, asked).is_empty())
            .map(|(at, _)| at)
            .collect();
        let next = matching.iter().find(|at| !played.used.contains(at)).or(matching.last());
        let Some((at, (_, exchange))) = next.and_then(|at| Some((*at, self.recorded.get(*at)?))) else {
            let unmatched = self.unmatched_of(asked);
            if !played.unmatched.contains(&unmatched) {
                played.unmatched.push(unmatched);
            }
            return Err(Unanswered::Unknown);
        };
        played.used.insert(at);
        match &exchange.reply {
            Reply::Answer(answered) => Ok(answered.clone()),
            Reply::None(unanswered) => Err(*unanswered),
        }
    }

    fn unmatched_of(&self, asked: &Asked) -> Unmatched {
        let all = self.recorded.iter().map(|(name, exchange)| (name, differences(&exchange.asked, asked)));
        // Another method or path is farther away than any number of other differences; of as many, those are nearest
        // whose values begin alike.
        let nearest = all.min_by_key(|(_, differences)| {
            let far = differences.iter().filter(|one| matches!(one.what.as_str(), "method" | "address"));
            let alike: usize = differences.iter().map(Difference::alike).sum();
            (far.count(), differences.len(), Reverse(alike))
        });
        Unmatched {
            asked: format!("{} {}", asked.method, asked.url),
            nearest: nearest.map(|(name, differences)| {
                (name.clone(), differences.iter().map(Difference::to_string).collect())
            }),
        }
    }
}

impl StandIn for Replay {
    fn answer(&self, asked: &Asked) -> Option<Result<Answered, Unanswered>> {
        Some(self.reply(asked))
    }
}

/// One difference between a recorded request and one that is made.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Difference {
    what: String,
    recorded: String,
    asked: String,
}

impl Difference {
    /// How many characters both have in common at their beginning.
    fn alike(&self) -> usize {
        self.recorded.chars().zip(self.asked.chars()).take_while(|(one, other)| one == other).count()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, recorded, asked } = self;
        write!(out, "{what}: recorded is `{recorded}`, asked was `{asked}`")
    }
}

/// Where a request is another than the recorded one; nothing: it is that one.
fn differences(recorded: &Asked, asked: &Asked) -> Vec<Difference> {
    let mut lines = Vec::new();
    let mut differ = |what: &str, recorded: &str, asked: &str| {
        lines.push(Difference {
            what: what.to_owned(),
            recorded: recorded.to_owned(),
            asked: asked.to_owned(),
        });
    };
    if recorded.method != asked.method {
        differ("method", recorded.method, asked.method);
    }
    let (there, here) = (place(&recorded.url), place(&asked.url));
    if there.0 != here.0 {
        differ("address", &there.0, &here.0);
    }
    let (mut lacking, mut extra) = (there.1.clone(), here.1.clone());
    lacking.retain(|pair| !take(&mut extra, pair));
    for (name, value) in lacking {
        let other = extra.iter().position(|(other, _)| *other == name).map(|at| extra.remove(at).1);
        differ(&format!("query `{name}`"), &value, other.as_deref().unwrap_or("nothing"));
    }
    for (name, value) in extra {
        differ(&format!("query `{name}`"), "nothing", &value);
    }
    for (name, value) in &recorded.headers {
        let found = asked.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        let found = found.map_or("nothing", |(_, value)| value.as_str());
        if found != value {
            differ(&format!("header `{name}`"), value, found);
        }
    }
    if sorted(&recorded.secrets) != sorted(&asked.secrets) {
        differ("secrets", &names(&recorded.secrets), &names(&asked.secrets));
    }
    let (there, here) = (text(recorded), text(asked));
    if there != here && !is_same_json(&there, &here) {
        differ("body", &there, &here);
    }
    lines
}

/// Takes one out, if it is there.
fn take<T: PartialEq>(from: &mut Vec<T>, wanted: &T) -> bool {
    from.iter().position(|one| one == wanted).map(|at| from.remove(at)).is_some()
}

/// The address without its query, and that as pairs.
fn place(url: &str) -> (String, Vec<(String, String)>) {
    let Ok(mut url) = Url::parse(url) else { return (url.to_owned(), Vec::new()) };
    let pairs = url.query_pairs().into_owned().collect();
    url.set_query(None);
    (url.to_string(), pairs)
}

fn sorted(secrets: &[Placed]) -> Vec<&Placed> {
    let mut secrets: Vec<&Placed> = secrets.iter().collect();
    secrets.sort();
    secrets
}

fn names(secrets: &[Placed]) -> String {
    let names: Vec<String> =
        sorted(secrets).iter().map(|placed| format!("{} {}", placed.place, placed.secret)).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn text(asked: &Asked) -> String {
    String::from_utf8_lossy(asked.body.as_deref().unwrap_or_default()).trim_end().to_owned()
}

fn is_same_json(one: &str, other: &str) -> bool {
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    read(one).is_some_and(|one| read(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(url: &str) -> Asked {
        Asked { method: "GET", url: url.to_owned(), headers: Vec::new(), secrets: Vec::new(), body: None }
    }

    fn recorded(name: &str, url: &str, body: &str) -> (String, Exchange) {
        let answered = Answered { status: 200, headers: Vec::new(), body: body.into() };
        (name.to_owned(), Exchange { asked: asked(url), reply: Reply::Answer(answered) })
    }

    #[test]
    fn the_same_request_is_answered_in_order() {
        let url = "https://a.example/p?a=1&b=2";
        let replay = Replay::new(vec![recorded("1", url, "first"), recorded("2", url, "second")]);
        let same = "https://a.example/p?b=2&a=1";
        let bodies: Vec<Vec<u8>> =
            [url, same, url].map(|url| replay.reply(&asked(url)).unwrap().body).into_iter().collect();
        assert_eq!(bodies, [&b"first"[..], b"second", b"second"]);
        assert!(replay.unused().is_empty() && replay.unmatched().is_empty());
    }

    #[test]
    fn an_unmatched_request_is_shown_beside_the_nearest() {
        let replay = Replay::new(vec![
            recorded("1.http", "https://a.example/other", ""),
            recorded("2.http", "https://a.example/p?page=1&size=50", ""),
        ]);
        assert_eq!(replay.reply(&asked("https://a.example/p?page=2&size=50&x=y")), Err(Unanswered::Unknown));
        let unmatched = replay.unmatched();
        let (nearest, differences) = unmatched[0].nearest.as_ref().unwrap();
        assert_eq!(nearest, "2.http");
        assert_eq!(
            *differences,
            [
                "query `page`: recorded is `1`, asked was `2`",
                "query `x`: recorded is `nothing`, asked was `y`"
            ]
        );
        assert_eq!(replay.unused(), ["1.http", "2.http"]);
    }

    #[test]
    fn bodies_are_compared_as_json_and_secrets_by_name() {
        let with = |body: &str, secret: &str| Asked {
            body: Some(body.into()),
            secrets: vec![Placed { place: "bearer".to_owned(), secret: secret.to_owned() }],
            ..asked("https://a.example/p")
        };
        assert!(
            differences(&with("{\"a\": 1, \"b\": 2}\n", "k"), &with("{\"b\":2,\"a\":1}", "k")).is_empty()
        );
        assert_eq!(differences(&with("a", "k"), &with("b", "other")).len(), 2);
    }
}
