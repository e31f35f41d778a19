//! Rules about reading: fields, consents, and people while they come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::{Bench, Findings};
use crate::connector::{CallError, Connection, Limit, SaidKind};
use crate::contact::{Contact, ContactId, Cursor, Discard, FieldType, Page, Value};
use crate::error::ErrorCode;
use crate::kit::KitError;
use crate::kit::question::MOST_PAGES;

/// The largest page that a full sync asks for.
const LARGEST: u32 = 1_000;
/// Contacts that are asked for by id.
const ASKED: usize = 20;
/// People of a simulated CRM that come and go while it is scanned.
const MOVING: usize = 5;
/// Why rules are left open that need a CRM in which people come and go.
const NO_CRM: &str = "it needs a simulated CRM (--crm)";

/// One scan from the beginning.
struct Scan {
    pages: Vec<Page>,
    cursors: Vec<Option<Cursor>>,
}

impl Scan {
    fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.pages.iter().flat_map(|page| &page.contacts)
    }

    fn ids(&self) -> Vec<&ContactId> {
        self.contacts().map(|contact| &contact.id).collect()
    }
}

/// Tries all; the contacts of a scan, if there was one.
///
/// # Errors
/// The connector cannot be opened, or the simulated CRM does not do its part.
pub async fn try_all(
    bench: &mut Bench<'_>,
    findings: &mut Findings,
) -> Result<Option<Vec<Contact>>, KitError> {
    let (connection, _) = bench.connect(None)?;
    let mut words = Vec::new();
    if has(bench, |question| matches!(question, super::Question::Check)) {
        findings.tried("check-works");
        match connection.check().await {
            Ok(lines) => words.extend(lines),
            Err(error) => findings.broken("check-works", said(&error)),
        }
    } else {
        findings.open("check-works", "it was not recorded");
    }
    let types = fields(bench, &connection, findings).await;
    let consents = connection.list_consents().await;
    if let Err(error) = &consents {
        findings.broken("consents-named", said(error));
    }

    let (limit, pages) = bench.page();
    findings.tried("only-granted");
    let scan = match scan(&connection, limit, pages, findings).await {
        Ok(scan) => scan,
        Err(error) => {
            let id = match &error {
                CallError::Malformed { field, .. } if field.ends_with("-at") => "times-utc",
                CallError::Limit { limit: Limit::PageRecords, .. } => "pages-limited",
                CallError::Limit { .. } => "within-limits",
                CallError::Denied { .. } => "only-granted",
                _ => "nobody-twice",
            };
            findings.broken(id, format!("a scan failed: {}", said(&error)));
            return Ok(None);
        }
    };
    for (at, page) in scan.pages.iter().enumerate() {
        if page.contacts.len() > limit as usize {
            let found = page.contacts.len();
            findings
                .broken("pages-limited", format!("page {} has {found} contacts, asked were {limit}", at + 1));
        }
        words.extend(page.discarded.iter().map(|Discard { message, .. }| message.clone()));
    }
    once(&scan, findings);
    if let Some(types) = &types {
        typed(bench, &scan, types, findings);
    }
    if let Ok(consents) = &consents {
        findings.tried("consents-named");
        let names: BTreeSet<&str> = consents.iter().map(|consent| consent.name.as_str()).collect();
        let asked = scan.contacts().flat_map(|contact| &contact.consents);
        for consent in asked.filter(|consent| !names.contains(consent.name.as_str())) {
            findings.broken("consents-named", format!("a contact has the consent `{}`", consent.name));
        }
    }
    again(bench, &scan, limit, findings).await?;
    got(bench, &connection, &scan, findings).await;
    match bench.crm() {
        Some(_) => {
            everybody(bench, &scan, findings).await?;
            other_pages(bench, &scan, findings).await?;
            crowd(bench, findings).await?;
            changed(bench, findings).await?;
        }
        None => {
            for id in ["steady-crowd", "changed-found", "within-limits"] {
                findings.open(id, NO_CRM);
            }
        }
    }
    let contacts: Vec<Contact> = scan.contacts().cloned().collect();
    super::saying::look_at_words(&words, &contacts, findings);
    Ok(Some(contacts))
}

/// Whether recordings have such a case; a CRM answers all.
fn has(bench: &Bench<'_>, wanted: impl Fn(&super::Question) -> bool) -> bool {
    match bench.against {
        super::Against::Recordings(fixtures) => fixtures.cases.iter().any(|case| wanted(&case.question)),
        super::Against::Crm(_) | super::Against::Nothing => true,
    }
}

fn said(error: &CallError) -> String {
    format!("{}: {error}", error.code())
}

async fn fields(
    bench: &Bench<'_>,
    connection: &Connection,
    findings: &mut Findings,
) -> Option<BTreeMap<String, FieldType>> {
    findings.tried("fields-named");
    findings.tried("no-passwords");
    let fields = match connection.list_fields().await {
        Ok(fields) => fields,
        Err(error) => {
            findings.broken("fields-named", said(&error));
            return None;
        }
    };
    let described = bench.connector.description();
    let mut types = BTreeMap::new();
    for field in &fields {
        if types.insert(field.name.clone(), field.field_type).is_some() {
            findings.broken("fields-named", format!("`{}` is listed twice", field.name));
        }
        if field.label.trim().is_empty() {
            findings.broken("fields-named", format!("`{}` has no label", field.name));
        }
        if matches!(field.field_type, FieldType::Choice | FieldType::Choices) && field.options.is_empty() {
            findings.broken("fields-named", format!("`{}` is a choice without options", field.name));
        }
        let name = format!("{} {}", field.name, field.label).to_lowercase();
        if ["password", "passwd", "lösenord", "adgangskode", "token", "loginlog"]
            .iter()
            .any(|word| name.contains(word))
        {
            findings.broken("no-passwords", format!("`{}` is one", field.name));
        }
    }
    let wanted = [Some(&described.id_field), Some(&described.email_field), described.mobile_field.as_ref()];
    for name in wanted.into_iter().flatten().filter(|name| !types.contains_key(*name)) {
        findings.broken("fields-named", format!("`{name}`, which `describe` names, is not listed"));
    }
    Some(types)
}

/// Scans from the beginning; that its pages end is tried by the way.
async fn scan(
    connection: &Connection,
    limit: u32,
    pages: Option<u32>,
    findings: &mut Findings,
) -> Result<Scan, CallError> {
    for id in ["pages-end", "pages-limited", "nobody-twice"] {
        findings.tried(id);
    }
    let mut scan = Scan { pages: Vec::new(), cursors: Vec::new() };
    let mut after: Option<Cursor> = None;
    for _ in 0..pages.unwrap_or(MOST_PAGES) {
        let page = connection.scan(after.as_ref(), limit).await?;
        scan.cursors.push(after.take());
        after = page.next.clone();
        scan.pages.push(page);
        if after.is_none() {
            return Ok(scan);
        }
        if scan.cursors.contains(&after) {
            findings.broken(
                "pages-end",
                format!("page {} gives a cursor that was there before", scan.pages.len()),
            );
            return Ok(scan);
        }
    }
    if pages.is_none() {
        findings.broken("pages-end", format!("there was no last page among {MOST_PAGES}"));
    }
    Ok(scan)
}

fn once(scan: &Scan, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for id in scan.ids() {
        if !seen.insert(id) {
            findings.broken("nobody-twice", format!("contact {id} comes twice"));
        }
    }
}

fn typed(bench: &Bench<'_>, scan: &Scan, types: &BTreeMap<String, FieldType>, findings: &mut Findings) {
    findings.tried("values-typed");
    findings.tried("ids-stable");
    findings.tried("times-utc");
    let id_field = &bench.connector.description().id_field;
    // Of each field: values, and those that are text or JSON where another type is listed.
    let mut counted: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for contact in scan.contacts() {
        for (name, value) in &contact.fields {
            let Some(listed) = types.get(name) else {
                findings.broken("values-typed", format!("a contact has `{name}`, which is not listed"));
                continue;
            };
            let Some(found) = type_of(value) else { continue };
            if !is_of_time(value) {
                let id = &contact.id;
                findings.broken(
                    "times-utc",
                    format!("`{name}` of contact {id} is not written as the contract says"),
                );
            }
            let (all, unfit) = counted.entry(name).or_default();
            *all += 1;
            match (listed, found) {
                _ if found == *listed => {}
                // A whole number beyond 64 bits.
                (FieldType::Integer, FieldType::Decimal) => {}
                (_, FieldType::Text | FieldType::Json) => *unfit += 1,
                _ => findings
                    .broken("values-typed", format!("`{name}` of contact {} is of another type", contact.id)),
            }
        }
        let is_same = contact.fields.get(id_field).is_none_or(|value| match value {
            Value::Text(text) | Value::Decimal(text) => *text == contact.id.0,
            Value::Integer(number) => number.to_string() == contact.id.0,
            Value::Null => true,
            _ => false,
        });
        if !is_same {
            findings.broken("ids-stable", format!("contact {}: `{id_field}` is something else", contact.id));
        }
    }
    for (name, (all, unfit)) in counted {
        // One that does not fit is the CRM's; most of them are the connector's.
        if unfit * 2 > all {
            findings
                .broken("values-typed", format!("{unfit} of {all} values of `{name}` are not of its type"));
        }
    }
}

/// Whether a date or a moment is written as the contract says; other values are.
fn is_of_time(value: &Value) -> bool {
    match value {
        Value::Timestamp(text) => text.ends_with('Z') && text.parse::<Timestamp>().is_ok(),
        Value::Date(text) => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
        _ => true,
    }
}

fn type_of(value: &Value) -> Option<FieldType> {
    Some(match value {
        Value::Null => return None,
        Value::Boolean(_) => FieldType::Boolean,
        Value::Integer(_) => FieldType::Integer,
        Value::Decimal(_) => FieldType::Decimal,
        Value::Text(_) => FieldType::Text,
        Value::Date(_) => FieldType::Date,
        Value::Timestamp(_) => FieldType::Timestamp,
        Value::Choice(_) => FieldType::Choice,
        Value::Choices(_) => FieldType::Choices,
        Value::Json(_) => FieldType::Json,
    })
}

/// Asks for each page again, of a new instance with a new session.
async fn again(
    bench: &mut Bench<'_>,
    scan: &Scan,
    limit: u32,
    findings: &mut Findings,
) -> Result<(), KitError> {
    findings.tried("pages-same-again");
    findings.tried("deterministic");
    let (connection, _) = bench.connect(None)?;
    for (at, (cursor, page)) in scan.cursors.iter().zip(&scan.pages).enumerate() {
        let number = at + 1;
        match connection.scan(cursor.as_ref(), limit).await {
            Err(error) => findings.broken("pages-same-again", format!("page {number}: {}", said(&error))),
            Ok(other) => {
                let ids =
                    |page: &Page| page.contacts.iter().map(|contact| contact.id.clone()).collect::<Vec<_>>();
                if ids(&other) != ids(page) {
                    findings.broken(
                        "pages-same-again",
                        format!("page {number} has other contacts the second time"),
                    );
                } else if other.contacts != page.contacts {
                    findings.broken(
                        "deterministic",
                        format!("page {number} has the same contacts with other values"),
                    );
                } else if other.next != page.next {
                    findings.broken("deterministic", format!("page {number} ends with another cursor"));
                }
            }
        }
    }
    Ok(())
}

async fn got(bench: &Bench<'_>, connection: &Connection, scan: &Scan, findings: &mut Findings) {
    let recorded = match bench.against {
        super::Against::Recordings(fixtures) => {
            let ids = fixtures.cases.iter().find_map(|case| match &case.question {
                super::Question::Get { ids } => Some(ids.iter().cloned().map(ContactId).collect::<Vec<_>>()),
                _ => None,
            });
            let Some(ids) = ids else { return findings.open("get-the-same", "it was not recorded") };
            ids
        }
        super::Against::Crm(_) | super::Against::Nothing => {
            let mut ids: Vec<ContactId> = scan.ids().into_iter().take(ASKED).cloned().collect();
            ids.push(ContactId("999999999".to_owned()));
            ids
        }
    };
    findings.tried("get-the-same");
    let known: BTreeMap<&ContactId, &Contact> =
        scan.contacts().map(|contact| (&contact.id, contact)).collect();
    match connection.get(&recorded).await {
        Err(error) => findings.broken("get-the-same", said(&error)),
        Ok(found) => {
            let ids: BTreeSet<&ContactId> = found.iter().map(|contact| &contact.id).collect();
            for id in recorded.iter().filter(|id| known.contains_key(id) && !ids.contains(id)) {
                findings
                    .broken("get-the-same", format!("contact {id} was scanned, and is not there by its id"));
            }
            for contact in &found {
                if known.get(&contact.id).is_some_and(|scanned| *scanned != contact) {
                    findings.broken(
                        "get-the-same",
                        format!("contact {} is another than in the scan", contact.id),
                    );
                }
            }
        }
    }
    match connection.get(&[]).await {
        Ok(found) if found.is_empty() => {}
        Ok(_) => findings.broken("get-the-same", "asked for nobody, it gives somebody"),
        Err(error) => findings.broken("get-the-same", format!("asked for nobody: {}", said(&error))),
    }
}

/// Compares a scan with who is there.
async fn everybody(bench: &Bench<'_>, scan: &Scan, findings: &mut Findings) -> Result<(), KitError> {
    let Some(crm) = bench.crm() else { return Ok(()) };
    let there: BTreeSet<ContactId> = crm.people().await?.into_iter().collect();
    let ids: BTreeSet<ContactId> = scan.ids().into_iter().cloned().collect();
    for id in there.difference(&ids) {
        findings.broken("nobody-twice", format!("contact {id} is there, and was left out"));
    }
    for id in ids.difference(&there) {
        findings.broken("nobody-twice", format!("contact {id} is not there, and was given"));
    }
    Ok(())
}

/// Scans with very small pages and with the largest.
async fn other_pages(bench: &mut Bench<'_>, scan: &Scan, findings: &mut Findings) -> Result<(), KitError> {
    let all: BTreeSet<ContactId> = scan.ids().into_iter().cloned().collect();
    findings.tried("within-limits");
    for limit in [7, LARGEST] {
        let (connection, _) = bench.connect(None)?;
        match self::scan(&connection, limit, None, findings).await {
            Err(error @ CallError::Limit { .. }) => findings.broken("within-limits", said(&error)),
            Err(error) => {
                findings.broken("pages-limited", format!("with pages of {limit}: {}", said(&error)))
            }
            Ok(other) => {
                if other.pages.iter().any(|page| page.contacts.len() > limit as usize) {
                    findings
                        .broken("pages-limited", format!("pages of {limit} were asked for, one is larger"));
                }
                if other.ids().into_iter().cloned().collect::<BTreeSet<_>>() != all {
                    findings
                        .broken("nobody-twice", format!("with pages of {limit}, a scan gives other people"));
                }
            }
        }
    }
    Ok(())
}

/// Scans while people come and go: some of those that are before the place where it is, and some behind.
async fn crowd(bench: &mut Bench<'_>, findings: &mut Findings) -> Result<(), KitError> {
    findings.tried("steady-crowd");
    let (connection, _) = bench.connect(None)?;
    let Some(crm) = bench.crm() else { return Ok(()) };
    let before: BTreeSet<ContactId> = crm.people().await?.into_iter().collect();
    let mut gone = BTreeSet::new();
    let mut read: Vec<ContactId> = Vec::new();
    let mut after: Option<Cursor> = None;
    for number in 0..MOST_PAGES {
        let page = match connection.scan(after.as_ref(), 20).await {
            Ok(page) => page,
            Err(error) => {
                findings.broken("steady-crowd", format!("page {}: {}", number + 1, said(&error)));
                return Ok(());
            }
        };
        read.extend(page.contacts.iter().map(|contact| contact.id.clone()));
        after = page.next;
        if after.is_none() {
            break;
        }
        if (number as usize) < MOVING {
            // The first that was read, and the last that was not: what is behind them moves up.
            let of_read = read.iter().find(|id| !gone.contains(*id));
            let unread = before.iter().rev().find(|id| !read.contains(id) && !gone.contains(*id));
            for id in [of_read, unread].into_iter().flatten().cloned().collect::<Vec<_>>() {
                crm.delete(&id).await?;
                gone.insert(id);
            }
            crm.add().await?;
        }
    }
    let mut seen = BTreeSet::new();
    for id in &read {
        if !seen.insert(id) {
            findings.broken("steady-crowd", format!("contact {id} came twice while others came and went"));
        }
    }
    for id in before.iter().filter(|id| !gone.contains(*id) && !seen.contains(id)) {
        findings.broken("steady-crowd", format!("contact {id} was left out while others came and went"));
    }
    Ok(())
}

async fn changed(bench: &mut Bench<'_>, findings: &mut Findings) -> Result<(), KitError> {
    findings.tried("changed-found");
    let (connection, _) = bench.connect(None)?;
    let Some(crm) = bench.crm() else { return Ok(()) };
    let people = crm.people().await?;
    let Some(one) = people.get(people.len() / 2) else { return Ok(()) };
    // Clocks of two programs on one machine are the same; a second is for rounding.
    let since = Timestamp::now() - Duration::from_secs(1);
    crm.change(one).await?;
    let new = crm.add().await?;
    let mut found = BTreeSet::new();
    let mut after: Option<Cursor> = None;
    for _ in 0..MOST_PAGES {
        let page = match connection.scan_changed(since, after.as_ref(), 50).await {
            Ok(page) => page,
            Err(CallError::Said { kind: SaidKind::Unsupported, .. }) if after.is_none() => return Ok(()),
            Err(error) => {
                findings.broken("changed-found", said(&error));
                return Ok(());
            }
        };
        found.extend(page.contacts.into_iter().map(|contact| contact.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    for (id, what) in [(one, "changed"), (&new, "added")] {
        if !found.contains(id) {
            findings.broken("changed-found", format!("contact {id} was {what}, and is not found"));
        }
    }
    Ok(())
}
