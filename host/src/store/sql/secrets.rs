//! Secrets, sealed.

use super::values::Moment;
use super::{Row, Sql, integrations, params};
use crate::integration::IntegrationId;
use crate::secret::{KeyId, NewSecret, Sealed, SecretName, SecretPlace, SecretRecord};
use crate::store::StoreError;
use crate::store::fault::Fault;

pub(super) fn put(sql: &dyn Sql, id: &IntegrationId, secret: &NewSecret) -> Result<SecretRecord, Fault> {
    let number = integrations::lock(sql, id)?;
    let record = add(sql, number, secret)?;
    changed(sql, id, number)?;
    Ok(record)
}

/// Keeps a secret; whoever uses it is told by whoever calls this.
pub(super) fn add(sql: &dyn Sql, number: i64, secret: &NewSecret) -> Result<SecretRecord, Fault> {
    let NewSecret { name, set_by, sealed } = secret;
    let row = sql.query_one(
        "INSERT INTO secrets (integration, name, set_at, set_by, key, sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (integration, name) DO UPDATE SET set_at = excluded.set_at, set_by = excluded.set_by,
             key = excluded.key, sealed = excluded.sealed
         RETURNING name, set_at, set_by, key",
        &params![number, &name.0, Moment(sql.now()?), set_by, &sealed.key.0, sealed.bytes.as_slice()],
    )?;
    match row {
        Some(row) => read(row),
        None => Err(Fault::Content("a secret was not stored".to_owned())),
    }
}

/// What was opened with the secrets before is opened anew; a lane that waits because of them looks at once.
fn changed(sql: &dyn Sql, id: &IntegrationId, number: i64) -> Result<(), Fault> {
    sql.execute("UPDATE integrations SET revision = revision + 1 WHERE number = ?1", &params![number])?;
    sql.execute("UPDATE lanes SET pause = NULL WHERE integration = ?1", &params![number])?;
    sql.notify(id)
}

pub(super) fn get(sql: &dyn Sql, place: &SecretPlace) -> Result<Option<Sealed>, Fault> {
    let row = sql.query_one(
        "SELECT key, sealed FROM secrets JOIN integrations ON integrations.number = secrets.integration
         WHERE integrations.id = ?1 AND name = ?2",
        &params![&place.integration, &place.name.0],
    )?;
    row.map(sealed).transpose()
}

pub(super) fn all(sql: &dyn Sql, id: &IntegrationId) -> Result<Vec<SecretRecord>, Fault> {
    let number = integrations::number(sql, id)?;
    let rows = sql.query(
        "SELECT name, set_at, set_by, key FROM secrets WHERE integration = ?1 ORDER BY name",
        &params![number],
    )?;
    rows.into_iter().map(read).collect()
}

fn read(mut row: Row) -> Result<SecretRecord, Fault> {
    Ok(SecretRecord {
        name: SecretName(row.take()?),
        set_at: row.take::<Moment>()?.0,
        set_by: row.take()?,
        key: KeyId(row.take()?),
    })
}

fn sealed(mut row: Row) -> Result<Sealed, Fault> {
    Ok(Sealed { key: KeyId(row.take()?), bytes: row.take()? })
}

pub(super) fn remove(sql: &dyn Sql, place: &SecretPlace) -> Result<(), Fault> {
    let number = integrations::lock(sql, &place.integration)?;
    let gone = sql.execute(
        "DELETE FROM secrets WHERE integration = ?1 AND name = ?2",
        &params![number, &place.name.0],
    )?;
    match gone {
        0 => Err(StoreError::NoSecret(place.clone()).into()),
        _ => changed(sql, &place.integration, number),
    }
}

pub(super) fn not_under(sql: &dyn Sql, key: &KeyId) -> Result<Vec<(SecretPlace, Sealed)>, Fault> {
    let rows = sql.query(
        "SELECT integrations.id, name, key, sealed
         FROM secrets JOIN integrations ON integrations.number = secrets.integration
         WHERE key <> ?1 ORDER BY integrations.id, name",
        &params![&key.0],
    )?;
    let read = |mut row: Row| {
        let place = SecretPlace { integration: row.take()?, name: SecretName(row.take()?) };
        Ok((place, sealed(row)?))
    };
    rows.into_iter().map(read).collect()
}

pub(super) fn reseal(
    sql: &dyn Sql,
    place: &SecretPlace,
    before: &Sealed,
    after: &Sealed,
) -> Result<bool, Fault> {
    let resealed = sql.execute(
        "UPDATE secrets SET key = ?3, sealed = ?4
         WHERE integration = (SELECT number FROM integrations WHERE id = ?1) AND name = ?2 AND key = ?5 AND sealed = ?6",
        &params![
            &place.integration,
            &place.name.0,
            &after.key.0,
            after.bytes.as_slice(),
            &before.key.0,
            before.bytes.as_slice(),
        ],
    )?;
    Ok(resealed > 0)
}
