//! One run: watched while it goes on, and what it came to, down to each contact.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use askama::Template;
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, stream};
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use tracing::warn;

use super::door::Who;
use super::frame::{Frame, Tab, html};
use super::integrations::Done;
use super::status::{Open, Waiting, open, waiting};
use super::{Answer, Page, go_to, texts as t};
use crate::admin::Admin;
use crate::contact::{ContactId, Discard};
use crate::difference::Difference;
use crate::error::ErrorCode;
use crate::integration::IntegrationId;
use crate::progress::{Pace, Total, done, in_words};
use crate::run::{Outcome, Phase, Run, RunContact, RunId, RunKind};
use crate::store::{Store, StoreError};

/// How often the store is asked how far a run is.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Contacts of a page of results.
const LISTED: u32 = 100;
/// Contacts of a page of differences: each takes a row for each value and consent.
const COMPARED: u32 = 25;
/// Discarded records that are shown.
const DISCARDED: u32 = 200;
/// Contacts of a piece of a file.
const PIECE: u32 = 1_000;
/// Runs among which the last one of a kind is looked for.
const RUNS: u32 = 20;

/// How far a run is.
#[derive(Template)]
#[template(path = "progress.html")]
struct Progress {
    run: Run,
    total: Option<u64>,
    is_about: bool,
    rate: Option<String>,
    left: Option<String>,
    held: u64,
}

impl Progress {
    fn done(&self) -> u64 {
        done(&self.run)
    }

    fn written(&self) -> u64 {
        let counters = &self.run.counters;
        counters.created + counters.updated + counters.deleted
    }
}

#[derive(Template)]
#[template(path = "run.html")]
struct Shown {
    frame: Frame,
    run: Run,
    progress: Option<Progress>,
    waiting: Vec<Waiting>,
    reasons: Vec<(Outcome, String, u64)>,
    discarded: Vec<Discard>,
}

impl Shown {
    fn outcomes(&self) -> [(Outcome, u64); 6] {
        let mut counters = self.run.counters;
        Outcome::ALL.map(|outcome| (outcome, *counters.of(outcome)))
    }
}

/// How far a run is, for somebody who begins to watch it.
struct Watch {
    store: Arc<dyn Store>,
    run: RunId,
    last_time: Option<u64>,
    pace: Option<Pace>,
}

impl Watch {
    async fn new(store: Arc<dyn Store>, run: &Run) -> Result<Self, StoreError> {
        let runs = store.runs(&run.integration, RUNS).await?;
        let before = runs.into_iter().find(|other| other.phase == Phase::Completed && other.kind == run.kind);
        Ok(Self { store, run: run.id, last_time: before.map(|run| run.counters.read), pace: None })
    }

    async fn look(&mut self) -> Result<Progress, StoreError> {
        let run = self.store.run(self.run).await?;
        let now = Instant::now();
        let pace = self.pace.get_or_insert_with(|| Pace::new(&run, now));
        pace.see(&run, now);
        let total = Total::of(&run, self.last_time);
        let rate = pace.rate(now);
        let left = pace.left(total, now).map(in_words);
        let held = self.store.lane_status(&run.integration).await?.deliveries_waiting;
        Ok(Progress {
            total: total.number(),
            is_about: matches!(total, Total::About(_)),
            rate: (rate > 0.0).then(|| format!("{rate:.0}")),
            left,
            held,
            run,
        })
    }
}

/// Shows a run.
pub async fn show(
    State(page): State<Arc<Page>>,
    Extension(admin): Extension<Admin>,
    who: Who,
    Path((id, run)): Path<(IntegrationId, i64)>,
    Query(Done { done }): Query<Done>,
) -> Answer {
    let Open { frame, .. } = open(&page, &who, &id, Tab::FullSync, done.as_deref()).await?;
    let run = admin.run_of(&id, RunId(run)).await?;
    let store = page.callers.service().store();
    let progress = if run.phase.is_active() {
        Some(Watch::new(Arc::clone(store), &run).await?.look().await?)
    } else {
        None
    };
    let reasons = store.reasons(run.id).await?;
    let discarded = store.discards(run.id, DISCARDED).await?;
    let waiting = if run.waits() { waiting(&page, &id).await? } else { Vec::new() };
    Ok(html(&Shown { frame, run, progress, waiting, reasons, discarded }))
}

/// Tells how far a run is, as it goes on, until it has ended or waits for somebody.
pub async fn progress(
    State(page): State<Arc<Page>>,
    Extension(admin): Extension<Admin>,
    Path((id, run)): Path<(IntegrationId, i64)>,
) -> Answer {
    let run = admin.run_of(&id, RunId(run)).await?;
    let watch = Watch::new(Arc::clone(page.callers.service().store()), &run).await?;
    let events = events(watch, run.waits(), page.stop.clone());
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response())
}

fn events(
    watch: Watch,
    waited: bool,
    stop: tokio_util::sync::CancellationToken,
) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(Some((watch, true)), move |state| {
        let stop = stop.clone();
        async move {
            let (mut watch, is_first) = state?;
            if !is_first {
                stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await?;
            }
            let progress = match watch.look().await {
                Ok(progress) => progress,
                Err(error) => {
                    warn!(run = %watch.run, code = error.code(), "a run cannot be watched");
                    return None;
                }
            };
            let run = &progress.run;
            // Whoever watches loads the page anew, which then shows what it came to, or what it waits for.
            if !run.phase.is_active() || run.waits() != waited {
                let end = Event::default().event("end").data("<span></span>");
                return Some((Ok(end), None));
            }
            let shown = Event::default().event("progress").data(progress.render().unwrap_or_default());
            Some((Ok(shown), Some((watch, false))))
        }
    })
}

/// Asks a run to stop.
pub async fn cancel(
    Extension(admin): Extension<Admin>,
    Path((id, run)): Path<(IntegrationId, i64)>,
) -> Answer {
    admin.cancel_run(&id, RunId(run)).await?;
    Ok(go_to(&format!("/integrations/{id}/runs/{run}?done=cancelling")))
}

/// Which contacts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Which {
    outcome: Option<Outcome>,
    code: Option<String>,
    after: Option<String>,
}

impl Which {
    fn fits(&self, contact: &RunContact) -> bool {
        let code = contact.reason.as_ref().map(|reason| reason.code.as_str());
        self.code.as_deref().is_none_or(|wanted| code == Some(wanted))
    }
}

#[derive(Template)]
#[template(path = "run_contacts.html")]
struct Contacts {
    frame: Frame,
    run: Run,
    which: Which,
    contacts: Vec<RunContact>,
    next: Option<String>,
}

impl Contacts {
    fn query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if let Some(outcome) = self.which.outcome {
            query.append_pair("outcome", outcome.as_str());
        }
        if let Some(code) = &self.which.code {
            query.append_pair("code", code);
        }
        query.finish()
    }
}

/// A run's contacts that fit, up to a limit; and where the next ones begin, if there are more.
async fn fitting(
    store: &dyn Store,
    run: RunId,
    which: &Which,
    after: Option<ContactId>,
    limit: usize,
) -> Result<(Vec<RunContact>, Option<ContactId>), StoreError> {
    let (mut fitting, mut after) = (Vec::new(), after);
    loop {
        let some = store.run_contacts(run, which.outcome, after.as_ref(), PIECE).await?;
        let is_last = some.len() < usize::try_from(PIECE).unwrap_or(usize::MAX);
        for contact in some {
            after = Some(contact.contact.clone());
            if which.fits(&contact) {
                fitting.push(contact);
                if fitting.len() == limit {
                    return Ok((fitting, after));
                }
            }
        }
        if is_last {
            return Ok((fitting, None));
        }
    }
}

/// Lists a run's contacts.
pub async fn contacts(
    State(page): State<Arc<Page>>,
    Extension(admin): Extension<Admin>,
    who: Who,
    Path((id, run)): Path<(IntegrationId, i64)>,
    Query(which): Query<Which>,
) -> Answer {
    let Open { frame, .. } = open(&page, &who, &id, Tab::FullSync, None).await?;
    let run = admin.run_of(&id, RunId(run)).await?;
    let store = page.callers.service().store();
    let after = which.after.clone().map(ContactId);
    let limit = usize::try_from(LISTED).unwrap_or(usize::MAX);
    let (contacts, next) = fitting(&**store, run.id, &which, after, limit).await?;
    Ok(html(&Contacts { frame, run, which, contacts, next: next.map(|next| next.0) }))
}

/// Gives a run's contacts as a file: id, outcome, reason. No personal data but the ids.
pub async fn csv(
    State(page): State<Arc<Page>>,
    Extension(admin): Extension<Admin>,
    Path((id, run)): Path<(IntegrationId, i64)>,
    Query(which): Query<Which>,
) -> Answer {
    let run = admin.run_of(&id, RunId(run)).await?.id;
    let store = Arc::clone(page.callers.service().store());
    let head = piece(&[["contact", "outcome", "code", "subject", "message"].map(str::to_owned)]);
    let rest = stream::unfold(Some(None::<ContactId>), move |after| {
        let (store, which) = (Arc::clone(&store), which.clone());
        async move {
            let limit = usize::try_from(PIECE).unwrap_or(usize::MAX);
            match fitting(&*store, run, &which, after?, limit).await {
                Ok((contacts, next)) => {
                    let rows: Vec<_> = contacts.into_iter().map(row).collect();
                    Some((Ok(piece(&rows)), next.map(Some)))
                }
                // A file that ends in the middle is not taken for a whole one.
                Err(error) => Some((Err(std::io::Error::other(error.code())), None)),
            }
        }
    });
    let body = futures::StreamExt::chain(stream::once(async { Ok(head) }), rest);
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    let name = format!("attachment; filename=\"{id}-run-{run}.csv\"");
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

fn row(contact: RunContact) -> [String; 5] {
    let outcome = contact.outcome.map(Outcome::as_str).unwrap_or_default().to_owned();
    let (code, subject, message) = match contact.reason {
        Some(reason) => (reason.code.to_string(), reason.subject.unwrap_or_default(), reason.message),
        None => Default::default(),
    };
    [contact.contact.0, outcome, code, subject, message].map(harmless)
}

/// A cell that no spreadsheet takes for a formula.
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell }
}

fn piece(rows: &[[String; 5]]) -> Bytes {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        // Into memory.
        let _ = writer.write_record(row);
    }
    Bytes::from(writer.into_inner().unwrap_or_default())
}

/// Where a page of differences begins.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct From {
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "differences.html")]
struct Differences {
    frame: Frame,
    run: Run,
    differences: Vec<(RunContact, Difference)>,
    next: Option<String>,
}

/// Lists what a dry run would change.
pub async fn differences(
    State(page): State<Arc<Page>>,
    Extension(admin): Extension<Admin>,
    who: Who,
    Path((id, run)): Path<(IntegrationId, i64)>,
    Query(From { after }): Query<From>,
) -> Answer {
    let Open { frame, .. } = open(&page, &who, &id, Tab::FullSync, None).await?;
    let run = admin.run_of(&id, RunId(run)).await?;
    let store = page.callers.service().store();
    let after = after.map(ContactId);
    let differences = store.differences(run.id, after.as_ref(), COMPARED).await?;
    let is_full = differences.len() == usize::try_from(COMPARED).unwrap_or(usize::MAX);
    let next = differences.last().filter(|_| is_full).map(|(of, _)| of.contact.0.clone());
    Ok(html(&Differences { frame, run, differences, next }))
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn no_cell_is_a_formula() {
        assert_eq!(harmless("=1+1".into()), "'=1+1");
        assert_eq!(harmless("1001".into()), "1001");
    }
}
