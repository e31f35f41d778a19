//! Rules about deliveries, and about the CRM's lists.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

use super::{Bench, Findings};
use crate::change::Delivery;
use crate::connector::{CallError, SaidKind};
use crate::error::ErrorCode;
use crate::kit::KitError;
use crate::kit::question::MOST_PAGES;

/// An address that a CRM may be asked to deliver to.
const WEBHOOK: &str = "http://127.0.0.1:9/deliveries/check";
/// Why these rules do not apply.
const NO_DELIVERIES: &str = "it takes no deliveries";
const NO_OVERVIEWS: &str = "it has no lists";

/// Tries all.
///
/// # Errors
/// The connector cannot be opened.
pub async fn try_all(bench: &mut Bench<'_>, findings: &mut Findings, fuzzed: u32) -> Result<(), KitError> {
    let exports = bench.connector.exports();
    if exports.deliveries {
        deliveries(bench, findings, fuzzed).await?;
        subscriptions(bench, findings).await?;
    } else {
        for id in ["receive-any", "receive-alone", "verify-refuses", "subscribe-twice"] {
            findings.open(id, NO_DELIVERIES);
        }
    }
    if exports.overviews {
        members(bench, findings).await
    } else {
        findings.open("members-paged", NO_OVERVIEWS);
        Ok(())
    }
}

async fn deliveries(bench: &mut Bench<'_>, findings: &mut Findings, fuzzed: u32) -> Result<(), KitError> {
    for id in ["receive-any", "receive-alone", "verify-refuses"] {
        findings.tried(id);
    }
    let (connection, watch) = bench.connect(None)?;
    let mut seeds = bench.deliveries();
    seeds.extend(made_up());
    // Always the same ones: a check that fails now and then helps nobody.
    let mut chance = StdRng::seed_from_u64(1);
    for number in 0..fuzzed as usize {
        let Some(seed) = seeds.get(number % seeds.len()) else { break };
        let delivery = if number < seeds.len() { seed.clone() } else { spoiled(seed, &mut chance) };
        let is_recorded = number < bench.deliveries().len();
        let verified = connection.verify(&delivery).await;
        match &verified {
            Ok(_) if !is_recorded => {
                findings.broken(
                    "verify-refuses",
                    format!("delivery {number}, which nobody signed, was found genuine"),
                );
            }
            Ok(_) | Err(CallError::Said { .. }) => {}
            Err(error) => {
                findings.broken("receive-any", format!("verify, delivery {number}: {}", error.code()))
            }
        }
        match connection.receive(&delivery).await {
            Ok(_) | Err(CallError::Said { .. }) => {}
            Err(error) => findings.broken("receive-any", format!("receive, delivery {number}: {error}")),
        }
        if watch.asked() > 0 {
            findings.broken("receive-alone", format!("with delivery {number} it asked the CRM"));
            break;
        }
    }
    Ok(())
}

/// Deliveries that nobody's CRM sends.
fn made_up() -> Vec<Delivery> {
    let bodies: [Vec<u8>; 12] = [
        Vec::new(),
        b"{}".to_vec(),
        b"[]".to_vec(),
        b"null".to_vec(),
        b"\"text\"".to_vec(),
        b"{\"id\": 99999999999999999999999999, \"event\": null, \"body\": {\"id\": -1}}".to_vec(),
        b"{\"event\": \"person.update\", \"id\": {\"a\": []}, \"_id\": 1e400}".to_vec(),
        b"<?xml version=\"1.0\"?><person id=\"1\"/>".to_vec(),
        b"a=1&b=2&Id=17&url=https://crm.example/Persons/17".to_vec(),
        vec![0xff, 0xfe, 0x00, 0xc3, 0x28, 0xf0, 0x9f],
        [b"[".repeat(50_000), b"]".repeat(50_000)].concat(),
        b"x".repeat(500_000),
    ];
    let headers = vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        ("x-signature".to_owned(), "0".repeat(64)),
        ("x-lime-signature".to_owned(), "sha256=zz".to_owned()),
    ];
    let bodies = bodies.into_iter().enumerate();
    let deliveries = bodies.map(|(at, body)| Delivery {
        headers: if at % 2 == 0 { headers.clone() } else { Vec::new() },
        query: if at % 3 == 0 { "token=%ff&=&&a".to_owned() } else { String::new() },
        body,
    });
    deliveries.collect()
}

/// A delivery with something else in it.
fn spoiled(seed: &Delivery, chance: &mut StdRng) -> Delivery {
    let mut delivery = seed.clone();
    let body = &mut delivery.body;
    for _ in 0..chance.random_range(1..8) {
        let at = chance.random_range(0..=body.len());
        match chance.random_range(0..5) {
            0 if at < body.len() => {
                if let Some(byte) = body.get_mut(at) {
                    *byte ^= 1 << chance.random_range(0..8);
                }
            }
            1 => body.truncate(at),
            2 => body.insert(at, chance.random()),
            3 => {
                let piece: Vec<u8> = body.iter().copied().skip(at).take(chance.random_range(1..64)).collect();
                body.extend(piece);
            }
            _ => {
                let token =
                    ["null", "-1", "1e999", "\"\\ud800\"", "{", "]", "9223372036854775808", "true", "\"\""];
                let token = token.get(chance.random_range(0..token.len())).copied().unwrap_or_default();
                for (more, byte) in token.bytes().enumerate() {
                    body.insert((at + more).min(body.len()), byte);
                }
            }
        }
    }
    if chance.random_bool(0.2) {
        delivery.query = format!("{}&x={}", delivery.query, chance.next_u32());
    }
    delivery
}

async fn subscriptions(bench: &mut Bench<'_>, findings: &mut Findings) -> Result<(), KitError> {
    const ID: &str = "subscribe-twice";
    if bench.crm().is_none() {
        findings.open(ID, "it needs a simulated CRM (--crm)");
        return Ok(());
    }
    findings.tried(ID);
    let (connection, _) = bench.connect(None)?;
    let mut ids = BTreeSet::new();
    for _ in 0..2 {
        match connection.subscribe(WEBHOOK).await {
            Ok(id) => {
                ids.insert(id);
            }
            Err(error) => findings.broken(ID, format!("subscribe: {error}")),
        }
    }
    if ids.len() > 1 {
        findings.broken(ID, "asked twice for the same address, it gives two subscriptions");
    }
    for id in ids.iter().chain(ids.iter()) {
        if let Err(error) = connection.unsubscribe(id).await {
            findings.broken(ID, format!("unsubscribe, done before: {error}"));
        }
    }
    Ok(())
}

async fn members(bench: &mut Bench<'_>, findings: &mut Findings) -> Result<(), KitError> {
    const ID: &str = "members-paged";
    if bench.crm().is_none() {
        findings.open(ID, "it needs a simulated CRM (--crm)");
        return Ok(());
    }
    findings.tried(ID);
    let (connection, _) = bench.connect(None)?;
    let overviews = match connection.list_overviews().await {
        Ok(overviews) => overviews,
        Err(error) => {
            findings.broken(ID, format!("list-overviews: {error}"));
            return Ok(());
        }
    };
    for overview in overviews.iter().take(3) {
        let mut after = None;
        let mut seen = BTreeSet::new();
        for number in 0..=MOST_PAGES {
            match connection.read_members(&overview.id, after.as_ref(), 7).await {
                Err(error) => {
                    findings.broken(ID, format!("list {}: {error}", overview.id));
                    break;
                }
                Ok(page) => {
                    if page.contacts.len() > 7 {
                        findings
                            .broken(ID, format!("list {}: a page is larger than was asked for", overview.id));
                    }
                    for id in page.contacts {
                        if !seen.insert(id.clone()) {
                            findings.broken(ID, format!("list {}: contact {id} comes twice", overview.id));
                        }
                    }
                    after = page.next;
                }
            }
            if after.is_none() {
                break;
            }
            if number == MOST_PAGES {
                findings.broken(ID, format!("list {}: there was no last page", overview.id));
            }
        }
    }
    match connection.read_members("no-such-list-999999", None, 7).await {
        Err(CallError::Said {
            kind: SaidKind::Misconfigured | SaidKind::Malformed | SaidKind::Other,
            ..
        }) => {}
        Ok(_) => findings.broken(ID, "a list that is not there is read as an empty one"),
        Err(error) => findings.broken(ID, format!("a list that is not there: {error}")),
    }
    Ok(())
}
