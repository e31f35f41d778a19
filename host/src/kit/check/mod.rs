//! `sluice connector check`: the rules that every connector has to keep, tried one by one.
//!
//! Each rule has an id, says what it protects whoever syncs from, and how to mend a connector that breaks it
//! ([`rules`]). They are tried against a simulated CRM, or against recordings; what needs a CRM in which people come and go
//! is then left open, and said so.

mod failing;
mod listening;
mod reading;
mod rules;
mod saying;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use rules::{Level, RULES, Rule, rule};

use super::fault::{Fault, Seen, Watch};
use super::fixture::{Exchange, Fixtures};
use super::question::Question;
use super::replay::Replay;
use super::trial::TrialCrm;
use super::{KitError, Setting};
use crate::change::Delivery;
use crate::connector::{Connection, Connector};
use crate::contact::ContactId;

/// What a connector is tried against.
pub enum Against {
    /// A simulated CRM that runs.
    Crm(Box<TrialCrm>),
    /// Recordings.
    Recordings(Fixtures),
    /// Nothing: only what it says of itself is looked at.
    Nothing,
}

/// What came of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is kept.
    Kept,
    /// It is broken: what was seen.
    Broken(Vec<String>),
    /// It could not be tried: why.
    Open(&'static str),
}

/// What came of a check.
#[derive(Debug)]
pub struct Checked {
    /// Each rule, in order, and what came of it.
    pub verdicts: Vec<(&'static Rule, Verdict)>,
    /// What was measured.
    pub seen: Seen,
    /// How many contacts a scan gave, where one was done.
    pub contacts: Option<usize>,
    /// How long it took.
    pub took: Duration,
}

impl Checked {
    /// Whether no rule is broken.
    pub fn passed(&self) -> bool {
        self.verdicts.iter().all(|(_, verdict)| !matches!(verdict, Verdict::Broken(_)))
    }

    /// The rules that are broken.
    pub fn broken(&self) -> impl Iterator<Item = (&'static Rule, &[String])> {
        self.verdicts.iter().filter_map(|(rule, verdict)| match verdict {
            Verdict::Broken(lines) => Some((*rule, lines.as_slice())),
            Verdict::Kept | Verdict::Open(_) => None,
        })
    }
}

/// Lines that a broken rule shows; the first say enough.
const SHOWN: usize = 10;

/// What is found, rule by rule.
#[derive(Default)]
struct Findings {
    tried: BTreeMap<&'static str, Vec<String>>,
    open: BTreeMap<&'static str, &'static str>,
}

impl Findings {
    /// A rule is tried; it is kept unless something is found.
    fn tried(&mut self, id: &'static str) {
        self.tried.entry(id).or_default();
    }

    /// A rule is broken.
    fn broken(&mut self, id: &'static str, what: impl Into<String>) {
        let lines = self.tried.entry(id).or_default();
        let what = what.into();
        if lines.len() < SHOWN && !lines.contains(&what) {
            lines.push(what);
        }
    }

    /// A rule cannot be tried.
    fn open(&mut self, id: &'static str, why: &'static str) {
        self.open.insert(id, why);
    }

    fn verdicts(mut self) -> Vec<(&'static Rule, Verdict)> {
        let verdict = |rule: &'static Rule| match (self.tried.remove(rule.id), self.open.get(rule.id)) {
            (Some(lines), _) if !lines.is_empty() => Verdict::Broken(lines),
            (Some(_), _) => Verdict::Kept,
            (None, Some(why)) => Verdict::Open(why),
            (None, None) => Verdict::Open("it came to nothing: an earlier rule is broken"),
        };
        RULES
            .iter()
            .map(verdict)
            .collect::<Vec<_>>()
            .into_iter()
            .zip(RULES)
            .map(|(verdict, rule)| (rule, verdict))
            .collect()
    }
}

/// A connector that is tried, and everything that is seen of it.
struct Bench<'a> {
    connector: &'a Connector,
    setting: Setting,
    against: &'a Against,
    watches: Vec<Arc<Watch>>,
}

impl Bench<'_> {
    /// A fresh connection, to a CRM with this fault.
    fn connect(&mut self, fault: Option<Fault>) -> Result<(Connection, Arc<Watch>), KitError> {
        let replay = match self.against {
            Against::Recordings(fixtures) => Some(Arc::new(Replay::new(all_exchanges(fixtures)))),
            Against::Crm(_) | Against::Nothing => None,
        };
        let watch = Watch::new(fault, replay);
        let connection = self.setting.open(self.connector, watch.clone())?;
        self.watches.push(watch.clone());
        Ok((connection, watch))
    }

    /// The simulated CRM.
    fn crm(&self) -> Option<&TrialCrm> {
        match self.against {
            Against::Crm(crm) => Some(crm),
            Against::Recordings(_) | Against::Nothing => None,
        }
    }

    /// How many contacts a page of the first scan has: as many as were recorded, or a number that makes several pages.
    fn page(&self) -> (u32, Option<u32>) {
        let recorded = match self.against {
            Against::Recordings(fixtures) => fixtures.cases.iter().find_map(|case| match case.question {
                Question::Scan { limit, pages } => Some((limit, pages)),
                _ => None,
            }),
            Against::Crm(_) | Against::Nothing => None,
        };
        recorded.unwrap_or((50, None))
    }

    /// Ids of people who are there; with recordings, those that were asked for.
    async fn some_ids(&self) -> Result<Vec<ContactId>, KitError> {
        Ok(match self.against {
            Against::Crm(crm) => crm.people().await?.into_iter().take(1).collect(),
            Against::Recordings(fixtures) => {
                let ids = fixtures.cases.iter().find_map(|case| match &case.question {
                    Question::Get { ids } => Some(ids.iter().cloned().map(ContactId).collect()),
                    _ => None,
                });
                ids.unwrap_or_default()
            }
            Against::Nothing => Vec::new(),
        })
    }

    /// Deliveries that were recorded.
    fn deliveries(&self) -> Vec<Delivery> {
        match self.against {
            Against::Recordings(fixtures) => {
                let cases = fixtures.cases.iter().filter(|case| case.question.has_delivery());
                cases.map(|case| case.delivery.clone()).collect()
            }
            Against::Crm(_) | Against::Nothing => Vec::new(),
        }
    }

    fn seen(&self) -> Seen {
        self.watches.iter().fold(Seen::default(), |mut all, watch| {
            let seen = watch.seen();
            all.lines.extend(seen.lines);
            all.refused.extend(seen.refused);
            all.memory = all.memory.max(seen.memory);
            all.longest = all.longest.max(seen.longest);
            all
        })
    }
}

/// Every case has the same CRM behind it.
fn all_exchanges(fixtures: &Fixtures) -> Vec<(String, Exchange)> {
    let named = fixtures.cases.iter().flat_map(|case| {
        case.exchanges.iter().map(|(name, exchange)| (format!("{}/{name}", case.name), exchange.clone()))
    });
    named.collect()
}

/// Tries all rules; `fuzzed` is how many made-up deliveries it is given.
///
/// # Errors
/// The connector cannot be opened, or the simulated CRM does not do its part.
pub async fn check(connector: &Connector, against: &Against, fuzzed: u32) -> Result<Checked, KitError> {
    let began = Instant::now();
    let mut findings = Findings::default();
    saying::try_all(connector, &mut findings).await;
    let setting = match against {
        Against::Crm(crm) => crm.setting.clone(),
        Against::Recordings(fixtures) => fixtures.setting.clone(),
        Against::Nothing => {
            return Ok(Checked {
                verdicts: nothing_behind(findings).verdicts(),
                seen: Seen::default(),
                contacts: None,
                took: began.elapsed(),
            });
        }
    };
    let mut bench = Bench { connector, setting, against, watches: Vec::new() };
    let contacts = reading::try_all(&mut bench, &mut findings).await?;
    failing::try_all(&mut bench, &mut findings).await?;
    listening::try_all(&mut bench, &mut findings, fuzzed).await?;
    let seen = bench.seen();
    for why in &seen.refused {
        findings.broken("only-granted", why.clone());
    }
    saying::look_at_words(&seen.lines, contacts.as_deref().unwrap_or_default(), &mut findings);
    Ok(Checked {
        verdicts: findings.verdicts(),
        seen,
        contacts: contacts.map(|all| all.len()),
        took: began.elapsed(),
    })
}

fn nothing_behind(mut findings: Findings) -> Findings {
    for rule in RULES.iter().filter(|rule| rule.level != Level::Says) {
        findings.open(rule.id, "it needs recordings (--fixtures) or a simulated CRM (--crm)");
    }
    findings
}
