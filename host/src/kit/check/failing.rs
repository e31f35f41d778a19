//! Rules about what a connector does when the CRM fails.

use std::time::Duration;

use super::{Bench, Findings};
use crate::connector::{CallError, Connection, SaidKind};
use crate::contact::ContactId;
use crate::error::ErrorCode;
use crate::kit::KitError;
use crate::kit::fault::Fault;

/// What the CRM asks to wait, in seconds.
const WAIT: &str = "7";

/// The calls that every connector has.
const CALLS: [&str; 4] = ["check", "list-fields", "scan", "get"];

/// Makes one of them.
async fn call(connection: &Connection, name: &str, limit: u32, some: &[ContactId]) -> Result<(), CallError> {
    match name {
        "check" => connection.check().await.map(drop),
        "list-fields" => connection.list_fields().await.map(drop),
        "scan" => connection.scan(None, limit).await.map(drop),
        _ => connection.get(some).await.map(drop),
    }
}

/// Tries all.
///
/// # Errors
/// The connector cannot be opened.
pub async fn try_all(bench: &mut Bench<'_>, findings: &mut Findings) -> Result<(), KitError> {
    let (limit, _) = bench.page();
    let some = bench.some_ids().await?;
    // What makes no request cannot fail with the CRM, and what fails anyhow says nothing of its failing.
    let (connection, watch) = bench.connect(None)?;
    let mut asking = Vec::new();
    for name in CALLS {
        let before = watch.asked();
        if call(&connection, name, limit, &some).await.is_ok() && watch.asked() > before {
            asking.push(name);
        }
    }
    for (fault, id, wanted) in [
        (Fault::Status(401, None), "unauthorized-said", &[SaidKind::Unauthorized][..]),
        (Fault::Status(403, None), "unauthorized-said", &[SaidKind::Unauthorized, SaidKind::Misconfigured]),
        (Fault::Status(429, Some(("retry-after", WAIT))), "rate-limit-said", &[SaidKind::RateLimited]),
        (Fault::Status(429, None), "rate-limit-said", &[SaidKind::RateLimited]),
        (Fault::Status(500, None), "unavailable-said", &[SaidKind::Unavailable]),
        (Fault::Status(502, None), "unavailable-said", &[SaidKind::Unavailable]),
        (Fault::Status(503, None), "unavailable-said", &[SaidKind::Unavailable]),
        (Fault::Connect, "unavailable-said", &[SaidKind::Unavailable]),
        (Fault::Timeout, "unavailable-said", &[SaidKind::Unavailable]),
    ] {
        findings.tried(id);
        let (connection, _) = bench.connect(Some(fault.clone()))?;
        for name in asking.iter().copied() {
            let words = fault.words();
            match call(&connection, name, limit, &some).await {
                Err(CallError::Said { kind, retry_after, .. }) if wanted.contains(&kind) => {
                    let waits = fault == Fault::Status(429, Some(("retry-after", WAIT)));
                    if waits && retry_after != Some(Duration::from_secs(7)) {
                        findings
                            .broken(id, format!("{name}: the CRM {words}, and the delay is not passed on"));
                    }
                }
                other => findings.broken(id, format!("{name}: the CRM {words}, and it {}", came_to(&other))),
            }
        }
    }
    broken_answers(bench, findings, &asking, &some).await
}

async fn broken_answers(
    bench: &mut Bench<'_>,
    findings: &mut Findings,
    asking: &[&str],
    some: &[ContactId],
) -> Result<(), KitError> {
    const ID: &str = "broken-answers";
    let (limit, _) = bench.page();
    findings.tried(ID);
    for fault in [Fault::Cut, Fault::Html, Fault::Empty, Fault::NoText, Fault::Deep, Fault::OtherForm] {
        let (connection, _) = bench.connect(Some(fault.clone()))?;
        for name in asking.iter().copied() {
            let came = call(&connection, name, limit, some).await;
            let is_wrong = match &came {
                // A check may be content with any good status; it reads nobody.
                Ok(()) => name != "check",
                Err(CallError::Said { .. }) => false,
                Err(_) => true,
            };
            if is_wrong {
                findings.broken(ID, format!("{name}: the CRM {}, and it {}", fault.words(), came_to(&came)));
            }
        }
    }
    Ok(())
}

fn came_to(came: &Result<(), CallError>) -> String {
    match came {
        Ok(()) => "succeeds".to_owned(),
        Err(CallError::Said { kind, .. }) => format!("says `{}`", crate::kit::question::kind_name(*kind)),
        Err(error) => format!("ends with {}", error.code()),
    }
}
