//! The schema's versions. A migration that was released is never edited; a change is a new file.
//!
//! A database without tables gets them when it is opened. One of an older program is only moved forward when
//! it is asked for, since hosts of that version may still be working on it.

use std::time::Duration;

use tokio_postgres::Client;

use super::connection::{Place, TODO};
use crate::store::StoreError;
use crate::store::fault::{EngineFault, Fault};

const STEPS: &[&str] = &[
    include_str!("migrations/0001_all.sql"),
    include_str!("migrations/0002_consents.sql"),
    include_str!("migrations/0003_why.sql"),
    include_str!("migrations/0004_needs.sql"),
    include_str!("migrations/0005_known.sql"),
    include_str!("migrations/0006_access.sql"),
    include_str!("migrations/0007_secrets.sql"),
    include_str!("migrations/0008_overviews.sql"),
    include_str!("migrations/0009_sessions.sql"),
    include_str!("migrations/0010_alerts.sql"),
    include_str!("migrations/0011_connectors.sql"),
];

/// Held while the schema is changed: "sluice" in ASCII.
const LOCK: i64 = 0x736c_7569_6365;

/// The longest time that looking at the schema may take.
const WITHIN: Duration = Duration::from_secs(20);

/// Where this program's schema is.
fn newest() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// Checks that the database has this program's schema; gives it to one that has none.
pub(super) async fn check(place: &Place) -> Result<(), StoreError> {
    let work = async {
        let client = place.connect().await?;
        match version(&client).await? {
            0 => go_forward(&client).await.map(|_| newest()),
            version => Ok(version),
        }
    };
    match in_time(place, work).await? {
        version if version > newest() => Err(too_new(place, version)),
        version if version < newest() => Err(StoreError::TooOld {
            place: place.name.to_string(),
            message: format!("its schema is {version}, and this program's is {}", newest()),
        }),
        _ => Ok(()),
    }
}

/// Moves the schema forward; the version before and after.
pub(super) async fn migrate(place: &Place) -> Result<(i64, i64), StoreError> {
    let work = async {
        let client = place.connect().await?;
        match version(&client).await? {
            version if version > newest() => Ok((version, version)),
            _ => Ok((go_forward(&client).await?, newest())),
        }
    };
    match in_time(place, work).await? {
        (version, _) if version > newest() => Err(too_new(place, version)),
        versions => Ok(versions),
    }
}

fn too_new(place: &Place, version: i64) -> StoreError {
    let message = format!("its schema is {version}, and this program knows up to {}", newest());
    StoreError::TooNew { place: place.name.to_string(), message }
}

async fn in_time<T>(place: &Place, work: impl Future<Output = Result<T, Fault>>) -> Result<T, StoreError> {
    let silent = || {
        let message = "it does not answer".to_owned();
        Err(Fault::Engine(EngineFault { message, todo: TODO, again: false }))
    };
    let ended = tokio::time::timeout(WITHIN, work).await.unwrap_or_else(|_| silent());
    ended.map_err(|fault| fault.at(&place.name))
}

async fn version(client: &Client) -> Result<i64, Fault> {
    let there = client.query_one("SELECT to_regclass('sluice_schema') IS NOT NULL", &[]).await?;
    if !there.try_get::<_, bool>(0)? {
        return Ok(0);
    }
    let version = client.query_one("SELECT coalesce(max(version), 0) FROM sluice_schema", &[]).await?;
    Ok(version.try_get(0)?)
}

/// Takes the steps that are missing, all or none, one program at a time; the version before.
async fn go_forward(client: &Client) -> Result<i64, Fault> {
    client.batch_execute("BEGIN; SET LOCAL lock_timeout = 0").await?;
    client.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let before = version(client).await?;
    client
        .batch_execute("CREATE TABLE IF NOT EXISTS sluice_schema (version BIGINT PRIMARY KEY, at TIMESTAMPTZ NOT NULL DEFAULT now())")
        .await?;
    for (step, number) in STEPS.iter().zip(1_i64..).skip(usize::try_from(before).unwrap_or(usize::MAX)) {
        client.batch_execute(step).await?;
        client.execute("INSERT INTO sluice_schema (version) VALUES ($1)", &[&number]).await?;
    }
    client.batch_execute("COMMIT").await?;
    Ok(before)
}
