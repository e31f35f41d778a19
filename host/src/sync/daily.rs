//! The daily run: contacts without a profile get theirs once a day, at the integration's local time.
//!
//! It is due once for each day, however long the host was away. It reads what changed in the CRM since the
//! last run that read (where the connector can say), so that a new contact is found though its message was
//! lost; then the contacts that the lane has kept for it. From then on it is a run like a full sync.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use super::failure::SyncError;
use super::fetching::{Answer, Fetched, fetch};
use super::lane::fold::is_old;
use super::line::Patience;
use super::patience::patiently;
use super::reading::{Read, decide_page, is_switched};
use super::work::Work;
use crate::connector::{CallError, SaidKind};
use crate::contact::{Contact, ContactId, Cursor, Page};
use crate::error::ErrorCode;
use crate::reason::{Reason, ReasonCode};
use crate::run::{Decided, Outcome, Run, Verdict};
use crate::store::{Newcomer, PageCommit};

/// Newcomers of one page.
const TAKE: u32 = 200;

/// How far back before the last run's beginning is read: clocks differ, and what was being stored in the CRM
/// at that moment carries an earlier time.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);

/// The newest moment up to `now` at which a daily run was due.
///
/// A time that the clocks skip is taken where they go on; one that comes twice, the first time.
pub fn last_due(now: Timestamp, at: Time, zone: &TimeZone) -> Option<Timestamp> {
    let today = now.to_zoned_datetime(zone.clone()).date();
    let due = |days_ago: i32| {
        let day = today.checked_sub(days_ago.days()).ok()?;
        Some(zone.to_zoned_datetime(day.to_datetime(at)).ok()?.timestamp())
    };
    // The day's own time may be still to come, and then it is yesterday's.
    (0..=2).filter_map(due).find(|due| *due <= now)
}

/// The first moment after `now` at which a daily run is due.
pub fn next_due(now: Timestamp, at: Time, zone: &TimeZone) -> Option<Timestamp> {
    let today = now.to_zoned_datetime(zone.clone()).date();
    let due = |days: i32| {
        let day = today.checked_add(days.days()).ok()?;
        Some(zone.to_zoned_datetime(day.to_datetime(at)).ok()?.timestamp())
    };
    (0..=2).filter_map(due).find(|due| *due > now)
}

/// Where reading goes on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Place {
    /// What changed in the CRM, from the connector's own cursor on.
    Changed(Option<Cursor>),
    /// The newcomers after this one.
    Newcomers(Option<ContactId>),
}

impl Place {
    fn of(run: &Run) -> Self {
        let cursor = run.cursor.as_ref();
        cursor.and_then(|Cursor(text)| serde_json::from_str(text).ok()).unwrap_or(Self::Changed(None))
    }

    fn cursor(&self) -> Cursor {
        // Texts in an enum always have a JSON form.
        Cursor(serde_json::to_string(self).unwrap_or_default())
    }
}

/// Reads all that may be new, page by page, from the run's cursor on.
///
/// # Errors
/// When the CRM refuses, or does not answer in spite of repeated attempts; when the store fails.
pub async fn read_new(work: &Work, run: &Run) -> Result<Read, SyncError> {
    let since = work.store.lane(&run.integration).await?.read_up_to;
    let since = since.map(|since| since.checked_sub(OVERLAP).unwrap_or(since));
    let mut place = Place::of(run);
    loop {
        if is_switched(work, run).await? {
            return Ok(Read::Switched);
        }
        let (commit, next) = match &place {
            Place::Changed(after) => match since {
                None => (None, Some(Place::Newcomers(None))),
                Some(since) => changed(work, run, since, after.as_ref()).await?,
            },
            Place::Newcomers(after) => newcomers(work, run, after.as_ref()).await?,
        };
        if let Some(commit) = commit {
            let commit = PageCommit { next: next.as_ref().map(Place::cursor), ..commit };
            work.store.commit_page(&work.fence, run.id, commit).await?;
        }
        match next {
            Some(next) => place = next,
            None => return Ok(Read::ToItsEnd),
        }
    }
}

type Taken = (Option<PageCommit>, Option<Place>);

async fn changed(
    work: &Work,
    run: &Run,
    since: Timestamp,
    after: Option<&Cursor>,
) -> Result<Taken, SyncError> {
    let connection = &work.line.connection;
    let page = patiently(Patience::Long, || connection.scan_changed(since, after, work.line.page_size)).await;
    let page = match page {
        Ok(page) => page,
        // What it cannot say, or can say no more, a full sync finds.
        Err(CallError::Said { kind: SaidKind::Unsupported | SaidKind::CursorExpired, .. }) => {
            return Ok((None, Some(Place::Newcomers(None))));
        }
        Err(error) => return Err(error.into()),
    };
    if page.next.is_some() && page.next.as_ref() == after {
        return Err(SyncError::CursorRepeated);
    }
    let next = match page.next.clone() {
        Some(cursor) => Place::Changed(Some(cursor)),
        None => Place::Newcomers(None),
    };
    Ok((Some(decide_page(work, run, page).await?), Some(next)))
}

async fn newcomers(work: &Work, run: &Run, after: Option<&ContactId>) -> Result<Taken, SyncError> {
    let kept = work.store.newcomers(&run.integration, after, TAKE).await?;
    let Some(last) = kept.last().map(|newcomer| newcomer.contact.clone()) else {
        let nothing = Page { contacts: Vec::new(), discarded: Vec::new(), next: None, total: None };
        return Ok((Some(decide_page(work, run, nothing).await?), None));
    };
    let ids: Vec<ContactId> = kept.iter().map(|newcomer| newcomer.contact.clone()).collect();
    let (mut contacts, mut gone, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
    match fetch(&work.line.connection, Patience::Long, &ids).await? {
        Answer::NotOffered => {
            let ledger = work.store.ledger(&run.integration, &ids).await?;
            for contact in states(kept) {
                // A full sync may have read it since.
                if is_old(&contact, ledger.get(&contact.id)) {
                    gone.push(contact.id);
                } else {
                    contacts.push(contact);
                }
            }
        }
        Answer::Of(fetched) => {
            for (id, fetched) in fetched {
                match fetched {
                    Fetched::Found(contact) => contacts.push(contact),
                    Fetched::Absent => gone.push(id),
                    Fetched::Unreadable(error) => unreadable.push((id, error)),
                }
            }
        }
    }
    work.store.drop_newcomers(&work.fence, &gone).await?;
    let page = Page { contacts, discarded: Vec::new(), next: None, total: None };
    let mut commit = decide_page(work, run, page).await?;
    commit.decided.extend(unreadable.into_iter().map(|(contact, error)| Decided {
        contact,
        modified_at: None,
        verdict: Verdict::Settled(Outcome::Rejected, Some(not_read(&error))),
        seen: None,
    }));
    Ok((Some(commit), Some(Place::Newcomers(Some(last)))))
}

/// The newest states that were pushed. Without one there is nothing to make a profile of.
fn states(kept: Vec<Newcomer>) -> impl Iterator<Item = Contact> {
    kept.into_iter().filter_map(|newcomer| newcomer.state)
}

fn not_read(error: &CallError) -> Reason {
    Reason::new(ReasonCode::NotRead, format!("{error} ({})", error.code()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn stockholm() -> TimeZone {
        TimeZone::get("Europe/Stockholm").unwrap()
    }

    fn clock(hour: i8, minute: i8) -> Time {
        Time::constant(hour, minute, 0, 0)
    }

    #[test]
    fn it_is_due_once_a_day_at_the_local_time() {
        for (now, last, next) in [
            ("2026-01-15T03:59:59Z", "2026-01-14T04:00:00Z", "2026-01-15T04:00:00Z"),
            ("2026-01-15T04:00:00Z", "2026-01-15T04:00:00Z", "2026-01-16T04:00:00Z"),
            ("2026-07-15T04:00:00Z", "2026-07-15T03:00:00Z", "2026-07-16T03:00:00Z"),
            ("2026-01-15T23:30:00Z", "2026-01-15T04:00:00Z", "2026-01-16T04:00:00Z"),
        ] {
            assert_eq!(last_due(at(now), clock(5, 0), &stockholm()), Some(at(last)), "{now}");
            assert_eq!(next_due(at(now), clock(5, 0), &stockholm()), Some(at(next)), "{now}");
        }
    }

    #[test]
    fn a_time_that_the_clocks_skip_comes_an_hour_later_and_one_that_comes_twice_is_due_once() {
        // On 29 March 2026 the clocks go from 02:00 to 03:00, on 25 October from 03:00 back to 02:00.
        let due = |now| last_due(at(now), clock(2, 30), &stockholm());
        assert_eq!(due("2026-03-29T12:00:00Z"), Some(at("2026-03-29T01:30:00Z")));
        assert_eq!(due("2026-10-25T00:29:00Z"), Some(at("2026-10-24T00:30:00Z")));
        assert_eq!(due("2026-10-25T00:31:00Z"), Some(at("2026-10-25T00:30:00Z")));
        assert_eq!(due("2026-10-25T01:31:00Z"), Some(at("2026-10-25T00:30:00Z")));
        assert_eq!(due("2026-10-26T01:29:00Z"), Some(at("2026-10-25T00:30:00Z")));
    }

    #[test]
    fn every_moment_has_one_last_and_one_next_time_in_every_zone() {
        for zone in ["Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu", "America/St_Johns", "UTC"] {
            let zone = TimeZone::get(zone).unwrap();
            for hour in (0..24 * 400).step_by(7) {
                let now = at("2026-01-01T00:00:00Z") + SignedDuration::from_hours(hour);
                for time in [clock(0, 0), clock(2, 30), clock(23, 59)] {
                    let (last, next) =
                        (last_due(now, time, &zone).unwrap(), next_due(now, time, &zone).unwrap());
                    assert!(last <= now && now < next, "{zone:?} {now} {last} {next}");
                    assert!(next.duration_since(last).as_hours() <= 25, "{zone:?} {now} {last} {next}");
                }
            }
        }
    }
}
