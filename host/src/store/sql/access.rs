//! Tokens, sessions, the journal, and answers that are given again.

use jiff::{SignedDuration, Timestamp};

use super::values::{Moment, some_to_json, to_json};
use super::{Row, Sql, params};
use crate::access::{TokenDigest, TokenId, TokenRecord};
use crate::journal::{Act, ActEnd, ActFilter, ActNumber, NewAct};
use crate::session::{LONGEST, SessionDigest, SessionRecord};
use crate::store::StoreError;
use crate::store::access::{KeptAnswer, Repeatable, Repetition};
use crate::store::fault::Fault;

const TOKEN: &str = "id, name, role, scope, created_by, created_at, expires_at, revoked_at, used_at, digest";

/// How long an answer is given again.
const ANSWERS_FOR: SignedDuration = SignedDuration::from_hours(24);
/// Rows that are swept at once.
const SWEPT: i64 = 500;

pub(super) fn put_token(sql: &dyn Sql, token: &TokenRecord, digest: TokenDigest) -> Result<(), Fault> {
    sql.execute(
        &format!("INSERT INTO tokens ({TOKEN}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"),
        &params![
            &token.id.0,
            &token.name,
            token.role.as_str(),
            to_json(&token.scope)?,
            &token.created_by,
            Moment(token.created_at),
            token.expires_at.map(Moment),
            token.revoked_at.map(Moment),
            token.used_at.map(Moment),
            digest.0.to_vec(),
        ],
    )?;
    Ok(())
}

fn read_token(mut row: Row) -> Result<(TokenRecord, TokenDigest), Fault> {
    let unreadable = |column: &str| Fault::Content(format!("column {column} holds what cannot be read"));
    let record = TokenRecord {
        id: TokenId(row.take()?),
        name: row.take()?,
        role: row.take::<String>()?.parse().map_err(|()| unreadable("role"))?,
        scope: row.json()?,
        created_by: row.take()?,
        created_at: row.take::<Moment>()?.0,
        expires_at: row.take::<Option<Moment>>()?.map(|moment| moment.0),
        revoked_at: row.take::<Option<Moment>>()?.map(|moment| moment.0),
        used_at: row.take::<Option<Moment>>()?.map(|moment| moment.0),
    };
    let digest: [u8; 32] = row.take::<Vec<u8>>()?.try_into().map_err(|_| unreadable("digest"))?;
    Ok((record, TokenDigest(digest)))
}

pub(super) fn token(sql: &dyn Sql, id: &TokenId) -> Result<Option<(TokenRecord, TokenDigest)>, Fault> {
    let row = sql.query_one(&format!("SELECT {TOKEN} FROM tokens WHERE id = ?1"), &params![&id.0])?;
    row.map(read_token).transpose()
}

pub(super) fn tokens(sql: &dyn Sql) -> Result<Vec<TokenRecord>, Fault> {
    let rows = sql.query(&format!("SELECT {TOKEN} FROM tokens ORDER BY created_at DESC, id"), &[])?;
    rows.into_iter().map(|row| Ok(read_token(row)?.0)).collect()
}

pub(super) fn token_used(sql: &dyn Sql, id: &TokenId, at: Timestamp) -> Result<(), Fault> {
    sql.execute("UPDATE tokens SET used_at = ?2 WHERE id = ?1", &params![&id.0, Moment(at)])?;
    Ok(())
}

pub(super) fn revoke_token(sql: &dyn Sql, id: &TokenId, at: Timestamp) -> Result<TokenRecord, Fault> {
    sql.execute(
        "UPDATE tokens SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL",
        &params![&id.0, Moment(at)],
    )?;
    match token(sql, id)? {
        Some((record, _)) => Ok(record),
        None => Err(StoreError::NoToken(id.clone()).into()),
    }
}

pub(super) fn put_session(sql: &dyn Sql, session: &SessionRecord) -> Result<(), Fault> {
    sql.execute(
        "INSERT INTO sessions (digest, token, token_digest, opened_at, used_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        &params![
            session.digest.0.to_vec(),
            &session.token.0,
            session.token_digest.0.to_vec(),
            Moment(session.opened_at),
            Moment(session.used_at),
        ],
    )?;
    Ok(())
}

pub(super) fn session(sql: &dyn Sql, digest: &SessionDigest) -> Result<Option<SessionRecord>, Fault> {
    let row = sql.query_one(
        "SELECT token, token_digest, opened_at, used_at FROM sessions WHERE digest = ?1",
        &params![digest.0.to_vec()],
    )?;
    let read = |mut row: Row| {
        let token = TokenId(row.take()?);
        let token_digest = row.take::<Vec<u8>>()?.try_into();
        let token_digest =
            token_digest.map_err(|_| Fault::Content("a digest has another length".to_owned()))?;
        Ok(SessionRecord {
            digest: *digest,
            token,
            token_digest: TokenDigest(token_digest),
            opened_at: row.take::<Moment>()?.0,
            used_at: row.take::<Moment>()?.0,
        })
    };
    row.map(read).transpose()
}

pub(super) fn session_used(sql: &dyn Sql, digest: &SessionDigest, at: Timestamp) -> Result<(), Fault> {
    sql.execute(
        "UPDATE sessions SET used_at = ?2 WHERE digest = ?1",
        &params![digest.0.to_vec(), Moment(at)],
    )?;
    Ok(())
}

pub(super) fn end_session(sql: &dyn Sql, digest: &SessionDigest) -> Result<(), Fault> {
    sql.execute("DELETE FROM sessions WHERE digest = ?1", &params![digest.0.to_vec()])?;
    Ok(())
}

/// Deletes sessions that have ended in any case; whether there may be more.
pub(super) fn sweep_sessions(sql: &dyn Sql, now: Timestamp) -> Result<bool, Fault> {
    let ended = now.checked_sub(LONGEST).unwrap_or(Timestamp::MIN);
    let gone = sql.execute(
        "DELETE FROM sessions WHERE digest IN (SELECT digest FROM sessions WHERE opened_at < ?1 LIMIT ?2)",
        &params![Moment(ended), SWEPT],
    )?;
    Ok(i64::try_from(gone).is_ok_and(|gone| gone >= SWEPT))
}

pub(super) fn begin_act(sql: &dyn Sql, act: &NewAct) -> Result<ActNumber, Fault> {
    let number = sql.value(
        "INSERT INTO journal (at, who, what, integration, about) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING number",
        &params![
            Moment(sql.now()?),
            &act.who,
            act.what,
            act.integration.as_ref(),
            act.about.as_ref(),
        ],
    )?;
    Ok(ActNumber(number))
}

pub(super) fn end_act(sql: &dyn Sql, number: ActNumber, end: &ActEnd) -> Result<(), Fault> {
    sql.execute(
        "UPDATE journal SET before = ?2, after = ?3, failure = ?4, ended_at = ?5 WHERE number = ?1",
        &params![
            number.0,
            some_to_json(end.before.as_ref())?,
            some_to_json(end.after.as_ref())?,
            some_to_json(end.failure.as_ref())?,
            Moment(sql.now()?),
        ],
    )?;
    Ok(())
}

pub(super) fn acts(sql: &dyn Sql, filter: &ActFilter, limit: u32) -> Result<Vec<Act>, Fault> {
    let mut params = params![limit].to_vec();
    let mut bound = String::new();
    if let Some(id) = &filter.integration {
        params.push(id.into());
        bound.push_str(&format!(" AND integration = ?{}", params.len()));
    }
    if let Some(ActNumber(before)) = filter.before {
        params.push(before.into());
        bound.push_str(&format!(" AND number < ?{}", params.len()));
    }
    let rows = sql.query(
        &format!(
            "SELECT number, at, who, what, integration, about, before, after, failure, ended_at FROM journal
             WHERE 1 = 1{bound} ORDER BY number DESC LIMIT ?1"
        ),
        &params,
    )?;
    let read = |mut row: Row| {
        Ok(Act {
            number: ActNumber(row.take()?),
            at: row.take::<Moment>()?.0,
            who: row.take()?,
            what: row.take()?,
            integration: row.take()?,
            about: row.take()?,
            before: row.some_json()?,
            after: row.some_json()?,
            failure: row.some_json()?,
            ended_at: row.take::<Option<Moment>>()?.map(|moment| moment.0),
        })
    };
    rows.into_iter().map(read).collect()
}

pub(super) fn begin_answer(sql: &dyn Sql, request: &Repeatable) -> Result<Repetition, Fault> {
    let now = sql.now()?;
    // An old one does not count, swept or not.
    sql.execute(
        "DELETE FROM answers WHERE who = ?1 AND key = ?2 AND at < ?3",
        &params![&request.who, &request.key, Moment(too_old(now))],
    )?;
    let new = sql.execute(
        "INSERT INTO answers (who, key, request, at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        &params![&request.who, &request.key, request.request.to_vec(), Moment(now)],
    )?;
    if new == 1 {
        return Ok(Repetition::First);
    }
    let row = sql.query_one(
        "SELECT request, status, headers, body FROM answers WHERE who = ?1 AND key = ?2",
        &params![&request.who, &request.key],
    )?;
    let Some(mut row) = row else { return Ok(Repetition::UnderWay) };
    if row.take::<Vec<u8>>()? != request.request {
        return Ok(Repetition::Other);
    }
    let Some(status) = row.take::<Option<u32>>()? else { return Ok(Repetition::UnderWay) };
    let headers: Option<Vec<(String, String)>> = row.some_json()?;
    let body: Option<Vec<u8>> = row.take()?;
    Ok(Repetition::Answered(KeptAnswer {
        status: u16::try_from(status).unwrap_or(500),
        headers: headers.unwrap_or_default(),
        body: body.unwrap_or_default(),
    }))
}

pub(super) fn end_answer(
    sql: &dyn Sql,
    request: &Repeatable,
    answer: Option<&KeptAnswer>,
) -> Result<(), Fault> {
    match answer {
        Some(KeptAnswer { status, headers, body }) => sql.execute(
            "UPDATE answers SET status = ?3, headers = ?4, body = ?5 WHERE who = ?1 AND key = ?2",
            &params![&request.who, &request.key, u32::from(*status), to_json(headers)?, body.as_slice()],
        )?,
        None => sql.execute(
            "DELETE FROM answers WHERE who = ?1 AND key = ?2",
            &params![&request.who, &request.key],
        )?,
    };
    Ok(())
}

fn too_old(now: Timestamp) -> Timestamp {
    now.checked_sub(ANSWERS_FOR).unwrap_or(Timestamp::MIN)
}

/// Deletes answers that are not given again; whether there may be more.
pub(super) fn sweep_answers(sql: &dyn Sql, now: Timestamp) -> Result<bool, Fault> {
    let gone = sql.execute(
        "DELETE FROM answers WHERE (who, key) IN (SELECT who, key FROM answers WHERE at < ?1 LIMIT ?2)",
        &params![Moment(too_old(now)), SWEPT],
    )?;
    Ok(i64::try_from(gone).is_ok_and(|gone| gone >= SWEPT))
}
