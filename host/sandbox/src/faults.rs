//! Faults that can be asked for: what goes wrong, on which routes, and how often.
//!
//! Promises: the same seed and the same order of requests give the same faults; a rule that counts is used
//! up after its number and then gone.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::{Deserialize, Serialize};

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// The answer comes late.
    Latency {
        /// At least, in milliseconds.
        min_millis: u64,
        /// At most, in milliseconds.
        max_millis: u64,
    },
    /// The request is not handled, and answered with this status as the side words its errors.
    Status {
        /// Such as 429 or 503.
        status: u16,
        /// Seconds of a `Retry-After` header.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// The request is not handled, and a proxy answers with this status and an HTML page.
    Html {
        /// Such as 502.
        status: u16,
    },
    /// The connection is dropped; the request is not handled.
    DropBefore,
    /// The request is handled, then the connection is dropped without an answer.
    DropAfter,
    /// The answer's body comes in pieces.
    SlowBody {
        /// Between two pieces, in milliseconds.
        piece_millis: u64,
        /// Bytes of a piece.
        piece_bytes: usize,
    },
    /// APSIS One only: the token of the request, and all others, are dead from now on.
    TokensExpire,
}

/// When a rule applies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum When {
    /// To each request with this probability, from 0 to 1.
    Probability(f64),
    /// To the next so many requests.
    Next(u32),
    /// To the next so many requests, after letting some through.
    After {
        /// Let through first.
        skip: u32,
        /// Then so many fail.
        next: u32,
    },
    /// To each request about this profile of APSIS One, as [`crate::Sandbox::profile_hash`] has it.
    Profile(u64),
}

/// A fault with its place and time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// The beginning of a route's name: `apsis`, `apsis.consents`, `lime.query`; empty for all.
    pub route: String,
    /// What goes wrong.
    pub fault: Fault,
    /// How often.
    pub when: When,
}

/// The rules that apply now.
#[derive(Debug)]
pub(crate) struct Faults {
    rules: Vec<FaultRule>,
    chance: StdRng,
}

/// What is to be done to one request.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) delay: Duration,
    /// Instead of handling: status, HTML or not, `Retry-After`.
    pub(crate) instead: Option<(u16, bool, Option<u64>)>,
    pub(crate) drop_before: bool,
    pub(crate) drop_after: bool,
    pub(crate) slow_body: Option<(Duration, usize)>,
    pub(crate) tokens_expire: bool,
}

impl Faults {
    pub(crate) fn new(rules: Vec<FaultRule>, seed: u64) -> Self {
        Self { rules, chance: StdRng::seed_from_u64(seed) }
    }

    pub(crate) fn add(&mut self, rule: FaultRule) {
        self.rules.push(rule);
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn rules(&self) -> Vec<FaultRule> {
        self.rules.clone()
    }

    /// For a request to this route, about this profile.
    pub(crate) fn plan(&mut self, route: &str, profile: Option<u64>) -> Plan {
        let mut plan = Plan::default();
        for rule in self.rules.iter_mut().filter(|rule| route.starts_with(&rule.route)) {
            let applies = match &mut rule.when {
                When::Probability(probability) => self.chance.random_bool(probability.clamp(0.0, 1.0)),
                When::Profile(only) => profile == Some(*only),
                When::After { skip, .. } if *skip > 0 => {
                    *skip -= 1;
                    false
                }
                When::Next(next) | When::After { next, .. } => {
                    let applies = *next > 0;
                    *next = next.saturating_sub(1);
                    applies
                }
            };
            if !applies {
                continue;
            }
            match &rule.fault {
                Fault::Latency { min_millis, max_millis } => {
                    let millis = self.chance.random_range(*min_millis..=(*max_millis).max(*min_millis));
                    plan.delay += Duration::from_millis(millis);
                }
                Fault::Status { status, retry_after } => plan.instead = Some((*status, false, *retry_after)),
                Fault::Html { status } => plan.instead = Some((*status, true, None)),
                Fault::DropBefore => plan.drop_before = true,
                Fault::DropAfter => plan.drop_after = true,
                Fault::SlowBody { piece_millis, piece_bytes } => {
                    plan.slow_body = Some((Duration::from_millis(*piece_millis), (*piece_bytes).max(1)));
                }
                Fault::TokensExpire => plan.tokens_expire = true,
            }
        }
        self.rules.retain(|rule| !matches!(rule.when, When::Next(0) | When::After { next: 0, .. }));
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_apply_where_and_as_often_as_they_say() {
        let rule = |route: &str, when| FaultRule { route: route.to_owned(), fault: Fault::DropBefore, when };
        let mut faults = Faults::new(
            vec![
                rule("apsis.consents", When::After { skip: 1, next: 2 }),
                rule("lime", When::Probability(0.0)),
            ],
            7,
        );
        assert!(!faults.plan("apsis.attributes.patch", None).drop_before);
        let drops: Vec<bool> = (0..5).map(|_| faults.plan("apsis.consents.post", None).drop_before).collect();
        assert_eq!(drops, [false, true, true, false, false]);
        assert!(!faults.plan("lime.query", None).drop_before);
        assert_eq!(faults.rules().len(), 1);
        faults.add(rule("apsis", When::Profile(7)));
        let drops = [Some(7), Some(8), None].map(|profile| faults.plan("apsis.create", profile).drop_before);
        assert_eq!(drops, [true, false, false]);
    }
}
