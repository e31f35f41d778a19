//! What came of trying a connector: as lines for people, as JSON and JUnit for machines, and as a page to be shared.

use askama::Template;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value as Json, json};

use super::check::{Checked, Level, Rule, Verdict};
use super::testing::Tested;
use crate::connector::Connector;

/// A connector in a few words: `webCRM (webcrm) 0.1.0`.
pub fn title(connector: &Connector) -> String {
    let described = connector.description();
    format!("{} ({}) {}", described.name, described.id, described.version)
}

/// A test as lines.
pub fn test_lines(tested: &[Tested]) -> Vec<String> {
    let mut lines = Vec::new();
    for one in tested {
        let word = if one.passed() { "ok    " } else { "FAILED" };
        lines.push(format!("{word} {} ({} ms)", one.case, one.took.as_millis()));
        lines.extend(one.faults.iter().map(|fault| format!("         {fault}")));
        if !one.unused.is_empty() {
            lines.push(format!("         never asked for: {}", one.unused.join(", ")));
        }
    }
    let failed = tested.iter().filter(|one| !one.passed()).count();
    lines.push(format!("{} cases, {failed} failed", tested.len()));
    lines
}

/// A test as JSON.
pub fn test_json(connector: &Connector, tested: &[Tested]) -> Json {
    json!({ "connector": named(connector), "passed": tested.iter().all(Tested::passed), "cases": tested })
}

/// A test as JUnit.
///
/// # Errors
/// It cannot be written as XML.
pub fn test_junit(connector: &Connector, tested: &[Tested]) -> Result<String, quick_junit::SerializeError> {
    let mut suite = TestSuite::new(format!("{}.fixtures", connector.description().id));
    for one in tested {
        let mut status = TestCaseStatus::success();
        if !one.passed() {
            status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message("it does not come out as expected").set_description(one.faults.join("\n"));
        }
        let mut case = TestCase::new(one.case.clone(), status);
        case.set_time(one.took);
        suite.add_test_case(case);
    }
    written(connector, suite)
}

fn written(connector: &Connector, suite: TestSuite) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new(title(connector));
    report.add_test_suite(suite);
    report.to_string()
}

fn named(connector: &Connector) -> Json {
    let described = connector.description();
    json!({
        "id": described.id, "name": described.name, "version": described.version,
        "digest": format!("sha256:{}", connector.digest()),
    })
}

/// The levels with their rules.
fn levels(checked: &Checked) -> Vec<(Level, Vec<&(&'static Rule, Verdict)>)> {
    let levels = [Level::Says, Level::Reads, Level::Fails, Level::Listens];
    let rules = |level| checked.verdicts.iter().filter(move |(rule, _)| rule.level == level).collect();
    levels.into_iter().map(|level| (level, rules(level))).collect()
}

/// A check as lines.
pub fn check_lines(connector: &Connector, checked: &Checked) -> Vec<String> {
    let mut lines = vec![format!("{}, sha256:{}", title(connector), connector.digest())];
    for (level, rules) in levels(checked) {
        lines.push(level.title().to_owned());
        for (rule, verdict) in rules {
            match verdict {
                Verdict::Kept => lines.push(format!("  kept    {}", rule.id)),
                Verdict::Open(why) => lines.push(format!("  open    {}: {why}", rule.id)),
                Verdict::Broken(found) => {
                    lines.push(format!("  BROKEN  {}: {}", rule.id, rule.promise));
                    lines.extend(found.iter().map(|line| format!("            seen: {line}")));
                    lines.push(format!("            why it matters: {}", rule.protects));
                    lines.push(format!("            mend: {}", rule.mend));
                }
            }
        }
    }
    lines.push(summary(checked));
    lines
}

fn counted(checked: &Checked) -> (usize, usize, usize) {
    let count =
        |wanted: fn(&Verdict) -> bool| checked.verdicts.iter().filter(|(_, verdict)| wanted(verdict)).count();
    (
        count(|verdict| *verdict == Verdict::Kept),
        count(|verdict| matches!(verdict, Verdict::Broken(_))),
        count(|verdict| matches!(verdict, Verdict::Open(_))),
    )
}

fn summary(checked: &Checked) -> String {
    let (kept, broken, open) = counted(checked);
    let contacts =
        checked.contacts.map_or_else(String::new, |contacts| format!("; a scan read {contacts} people"));
    format!(
        "{kept} rules kept, {broken} broken, {open} open, in {:.1} s{contacts}; a call took at most {} ms and {} KiB",
        checked.took.as_secs_f64(),
        checked.seen.longest.as_millis(),
        checked.seen.memory / 1024,
    )
}

/// A check as JSON.
pub fn check_json(connector: &Connector, checked: &Checked) -> Json {
    let rules = checked.verdicts.iter().map(|(rule, verdict)| {
        let (word, lines, why) = match verdict {
            Verdict::Kept => ("kept", &[][..], None),
            Verdict::Broken(lines) => ("broken", lines.as_slice(), None),
            Verdict::Open(why) => ("open", &[][..], Some(*why)),
        };
        json!({
            "id": rule.id, "level": rule.level, "verdict": word, "seen": lines, "open-because": why,
            "promise": rule.promise, "protects": rule.protects, "mend": rule.mend,
        })
    });
    json!({
        "connector": named(connector), "passed": checked.passed(), "rules": rules.collect::<Json>(),
        "contacts": checked.contacts, "most-memory-bytes": checked.seen.memory,
        "longest-call-ms": checked.seen.longest.as_millis(),
    })
}

/// A check as JUnit.
///
/// # Errors
/// It cannot be written as XML.
pub fn check_junit(connector: &Connector, checked: &Checked) -> Result<String, quick_junit::SerializeError> {
    let mut suite = TestSuite::new(format!("{}.conformance", connector.description().id));
    for (rule, verdict) in &checked.verdicts {
        let status = match verdict {
            Verdict::Kept => TestCaseStatus::success(),
            Verdict::Open(why) => {
                let mut status = TestCaseStatus::skipped();
                status.set_message(*why);
                status
            }
            Verdict::Broken(lines) => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(rule.promise);
                status.set_description(format!("{}\nMend: {}", lines.join("\n"), rule.mend));
                status
            }
        };
        suite.add_test_case(TestCase::new(rule.id, status));
    }
    written(connector, suite)
}

#[derive(Template)]
#[template(path = "conformance.html")]
struct Shared<'a> {
    title: String,
    digest: &'a str,
    passed: bool,
    summary: String,
    levels: Vec<(&'static str, Vec<Shown<'a>>)>,
}

struct Shown<'a> {
    rule: &'static Rule,
    word: &'static str,
    found: &'a [String],
    open: Option<&'static str>,
}

impl<'a> Shown<'a> {
    fn of(rule: &'static Rule, verdict: &'a Verdict) -> Self {
        let (word, found, open) = match verdict {
            Verdict::Kept => ("kept", &[][..], None),
            Verdict::Broken(lines) => ("broken", lines.as_slice(), None),
            Verdict::Open(why) => ("open", &[][..], Some(*why)),
        };
        Self { rule, word, found, open }
    }
}

/// A check as a page of its own.
///
/// # Errors
/// It cannot be written.
pub fn check_page(connector: &Connector, checked: &Checked) -> Result<String, askama::Error> {
    let levels = levels(checked).into_iter().map(|(level, rules)| {
        let rules = rules.into_iter().map(|(rule, verdict)| Shown::of(rule, verdict));
        (level.title(), rules.collect())
    });
    let shared = Shared {
        title: title(connector),
        digest: connector.digest(),
        passed: checked.passed(),
        summary: summary(checked),
        levels: levels.collect(),
    };
    shared.render()
}
