//! Profile import, version 2: the initialisation, the form upload as S3 takes it, and the work on the file.
//!
//! Promises: states in order (waiting_for_file, queued, in_progress, then completed or error); a bad row is
//! skipped and told only in the report that a user of APSIS One would see, never by the API (developer hub:
//! no row errors); an opt-in over an opt-out only where `resubscribe_if_opted_out` says so. Inferred: that
//! the address column must hold an address for the consents of its row to be set.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Multipart, Request};
use bytes::Bytes;
use hyper::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::attributes::{Kept, from_cell, is_address, is_mobile};
use super::definitions::{self, CHANNELS};
use super::mapping::{ConsentColumn, Mapping, mapping};
use super::profiles::{Consent, ConsentType, Refusal, refuse};
use super::switches::{ApsisSwitches, ImportEnd};
use super::{State, check_key};
use crate::call::{Head, Reply};
use crate::lock::held;
use crate::world::World;

/// Rows that are worked on in one go.
const PIECE: usize = 500;
/// Failed rows that a report lists.
const LISTED: usize = 10_000;

/// Where an import stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportStatus {
    /// Initialised; the file has not come.
    WaitingForFile,
    /// The file is there.
    Queued,
    /// Being worked on.
    InProgress,
    /// Done; bad rows were skipped.
    Completed,
    /// Given up.
    Error,
}

/// What the report in the user interface would say.
#[derive(Debug, Clone, Serialize)]
pub struct ImportReport {
    /// The import's id.
    pub id: String,
    /// Where it stands.
    pub status: ImportStatus,
    /// Profiles that were created.
    pub new: u64,
    /// Profiles that existed and were in the file.
    pub updated: u64,
    /// Profiles that were left alone.
    pub not_changed: u64,
    /// Rows that were skipped.
    pub failed: u64,
    /// The first failed rows: number in the file, the first after the header being 1, and why.
    pub failures: Vec<(u64, String)>,
}

#[derive(Debug)]
struct Import {
    mapping: Mapping,
    form: Map<String, Value>,
    expires: Instant,
    report: ImportReport,
}

/// The imports of the account.
#[derive(Debug, Default)]
pub(crate) struct Imports {
    all: BTreeMap<String, Import>,
}

impl Imports {
    /// How many are queued or in progress; with `waiting`, also those that wait for a file in time.
    pub(crate) fn running(&self, waiting: bool) -> usize {
        let now = Instant::now();
        let runs = |import: &&Import| match import.report.status {
            ImportStatus::Queued | ImportStatus::InProgress => true,
            ImportStatus::WaitingForFile => waiting && import.expires > now,
            ImportStatus::Completed | ImportStatus::Error => false,
        };
        self.all.values().filter(runs).count()
    }

    pub(crate) fn reports(&self) -> Vec<ImportReport> {
        self.all.values().map(|import| import.report.clone()).collect()
    }

    fn set(&mut self, id: &str, status: ImportStatus) {
        if let Some(import) = self.all.get_mut(id) {
            import.report.status = status;
        }
    }
}

impl State {
    /// `POST /v2/audience/sections/{section}/imports`.
    pub(crate) fn start_import(&mut self, body: &Map<String, Value>, url: &str) -> Result<Reply, Refusal> {
        let mapping = mapping(body)?;
        if self.imports.running(self.switches.waiting_imports_run) >= self.switches.imports_running {
            return refuse(429, "Too many imports are pending");
        }
        let id = format!("{:032x}", rand::random::<u128>());
        let lasts = Duration::from_secs(self.switches.upload_seconds);
        let expires_at = SignedDuration::try_from(lasts)
            .ok()
            .and_then(|lasts| Timestamp::now().checked_add(lasts).ok())
            .unwrap_or(Timestamp::MAX);
        let form = json!({
            "key": format!("imports/{id}.csv"),
            "Content-Type": "text/csv",
            "x-amz-algorithm": "AWS4-HMAC-SHA256",
            "x-amz-credential": format!("{:016x}/eu-west-1/s3/aws4_request", rand::random::<u64>()),
            "policy": format!("{:064x}", rand::random::<u128>()),
            "x-amz-signature": format!("{:064x}", rand::random::<u128>()),
        });
        let answer = json!({
            "import_id": id,
            "file_upload_url": format!("{url}/_s3/imports"),
            "file_upload_body": form,
            "file_upload_url_expires_at": expires_at,
        });
        let report = ImportReport {
            id: id.clone(),
            status: ImportStatus::WaitingForFile,
            new: 0,
            updated: 0,
            not_changed: 0,
            failed: 0,
            failures: Vec::new(),
        };
        let form = form.as_object().cloned().unwrap_or_default();
        let expires = Instant::now() + lasts;
        self.imports.all.insert(id, Import { mapping, form, expires, report });
        let status = StatusCode::from_u16(self.switches.import_status).unwrap_or(StatusCode::ACCEPTED);
        Ok(Reply::json(status, &answer))
    }

    /// `GET /audience/sections/{section}/imports/{id}`: the status, and nothing of the rows.
    pub(crate) fn import_state(&self, id: &str) -> Result<Reply, Refusal> {
        match self.imports.all.get(id) {
            Some(import) => {
                Ok(Reply::json(StatusCode::OK, &json!({"result": {"status": import.report.status}})))
            }
            None => refuse(404, "Import not found"),
        }
    }
}

/// An error as S3 words it.
fn s3(status: StatusCode, code: &str, message: &str) -> Reply {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    Reply::text(status, "application/xml", body)
}

/// Takes a file as S3 takes a policy upload, and starts the work on it.
pub(crate) async fn upload(world: &Arc<World>, head: &Head, body: Body) -> Reply {
    let denied = |message: &str| s3(StatusCode::FORBIDDEN, "AccessDenied", message);
    if head.method != hyper::Method::POST {
        return s3(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "The method is not allowed.");
    }
    if head.header("authorization").is_some() {
        return s3(StatusCode::BAD_REQUEST, "InvalidArgument", "Only one auth mechanism allowed.");
    }
    if head.header("content-length").is_none() {
        return s3(StatusCode::LENGTH_REQUIRED, "MissingContentLength", "You must provide Content-Length.");
    }
    let switches = world.apsis.switches();
    let (form, file) = match read_form(head, body, switches.file_bytes).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    let field = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let id = field("key").and_then(|key| key.strip_prefix("imports/")?.strip_suffix(".csv"));
    let Some(id) = id.map(str::to_owned) else {
        return s3(
            StatusCode::BAD_REQUEST,
            "InvalidArgument",
            "Bucket POST must contain a field named 'key'.",
        );
    };
    {
        let mut state = held(&world.apsis.state);
        let Some(import) = state.imports.all.get_mut(&id) else {
            return denied("Invalid according to Policy: Policy Condition failed");
        };
        if import.expires <= Instant::now() {
            return denied("Invalid according to Policy: Policy expired.");
        }
        if import.form.iter().any(|(name, value)| field(name) != value.as_str()) {
            return denied("Invalid according to Policy: Policy Condition failed");
        }
        if import.report.status == ImportStatus::WaitingForFile {
            import.report.status = ImportStatus::Queued;
            let running = state.imports.running(false);
            held(&world.arrivals).note_running_imports(running);
            tokio::spawn(run(world.clone(), id, file));
        }
    }
    Reply::empty(StatusCode::NO_CONTENT)
}

/// The fields before the file, and the file.
async fn read_form(head: &Head, body: Body, most: usize) -> Result<(Vec<(String, String)>, Bytes), Reply> {
    let malformed = || s3(StatusCode::BAD_REQUEST, "MalformedPOSTRequest", "The body is not well-formed.");
    let mut request = Request::new(body);
    *request.headers_mut() = head.headers.clone();
    DefaultBodyLimit::disable().apply(&mut request);
    let mut parts = Multipart::from_request(request, &()).await.map_err(|_| malformed())?;
    let mut form = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(|_| malformed())? {
        let name = part.name().unwrap_or_default().to_owned();
        if name != "file" {
            form.push((name, part.text().await.map_err(|_| malformed())?));
            continue;
        }
        let file = part.bytes().await.map_err(|_| malformed())?;
        if file.len() > most {
            let message = "Your proposed upload exceeds the maximum allowed size";
            return Err(s3(StatusCode::BAD_REQUEST, "EntityTooLarge", message));
        }
        // What follows the file is ignored, as S3 ignores it; the missing fields then fail the policy.
        while parts.next_field().await.map_err(|_| malformed())?.is_some() {}
        return Ok((form, file));
    }
    Err(s3(StatusCode::BAD_REQUEST, "InvalidArgument", "POST requires exactly one file upload per request."))
}

/// Works on a file.
async fn run(world: Arc<World>, id: String, file: Bytes) {
    let switches = world.apsis.switches();
    tokio::time::sleep(Duration::from_millis(switches.import_queued_millis)).await;
    held(&world.apsis.state).imports.set(&id, ImportStatus::InProgress);
    let worker = (world.clone(), id.clone());
    let worked = tokio::task::spawn_blocking(move || work(&worker.0, &worker.1, &file)).await;
    tokio::time::sleep(Duration::from_millis(switches.import_running_millis)).await;
    let good = matches!(worked, Ok(Some(()))) && switches.import_end == ImportEnd::Completed;
    let end = if good { ImportStatus::Completed } else { ImportStatus::Error };
    held(&world.apsis.state).imports.set(&id, end);
}

/// The places of the mapped columns in the file.
struct Columns {
    key: usize,
    attributes: Vec<(usize, u16)>,
    /// Address, flag, and what the flag sets.
    consents: Vec<(usize, usize, ConsentColumn)>,
}

impl Columns {
    fn find(mapping: &Mapping, header: &csv::StringRecord) -> Option<Self> {
        let at = |name: &str| header.iter().position(|known| known == name);
        Some(Self {
            key: at(&mapping.key)?,
            attributes: mapping
                .attributes
                .iter()
                .map(|(name, place)| Some((at(name)?, *place)))
                .collect::<Option<_>>()?,
            consents: mapping
                .consents
                .iter()
                .map(|consent| Some((at(&consent.address)?, at(&consent.column)?, consent.clone())))
                .collect::<Option<_>>()?,
        })
    }
}

fn delimiter(file: &[u8]) -> u8 {
    let header = file.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |wanted: u8| header.iter().filter(|byte| **byte == wanted).count();
    [b',', b'\t', b'|', b';']
        .into_iter()
        .max_by_key(|wanted| (count(*wanted), *wanted == b','))
        .unwrap_or(b',')
}

/// `None` when the file cannot be used at all.
fn work(world: &World, id: &str, file: &[u8]) -> Option<()> {
    let (mapping, end) = {
        let state = held(&world.apsis.state);
        (state.imports.all.get(id)?.mapping.clone(), state.switches.import_end)
    };
    std::str::from_utf8(file).ok()?;
    let mut rows = csv::ReaderBuilder::new().delimiter(delimiter(file)).from_reader(file);
    let columns = Columns::find(&mapping, rows.headers().ok()?)?;
    let most = match end {
        ImportEnd::Completed => usize::MAX,
        ImportEnd::Error => 0,
        ImportEnd::ErrorHalfway => file.split(|byte| *byte == b'\n').count() / 2,
    };
    let mut rows = rows.records().take(most).zip(1..).peekable();
    while rows.peek().is_some() {
        let mut state = held(&world.apsis.state);
        for (row, number) in rows.by_ref().take(PIECE) {
            let done = match row {
                Ok(row) => state.import_row(&mapping, &columns, &row),
                Err(_) => refuse(400, "The row has another number of columns"),
            };
            state.written();
            let report = &mut state.imports.all.get_mut(id)?.report;
            match done {
                Ok(Row::New) => report.new += 1,
                Ok(Row::Updated) => report.updated += 1,
                Ok(Row::NotChanged) => report.not_changed += 1,
                Err(refusal) => {
                    report.failed += 1;
                    if report.failures.len() < LISTED {
                        report.failures.push((number, refusal.detail));
                    }
                }
            }
        }
    }
    Some(())
}

enum Row {
    New,
    Updated,
    NotChanged,
}

impl State {
    fn import_row(
        &mut self,
        mapping: &Mapping,
        columns: &Columns,
        row: &csv::StringRecord,
    ) -> Result<Row, Refusal> {
        let cell = |at: usize| row.get(at).unwrap_or_default();
        let key = cell(columns.key);
        check_key(mapping.keyspace, key, &self.switches)?;
        let found = self.profiles.find(mapping.keyspace, key, &self.switches)?;
        if found.is_some() && !mapping.update_existing {
            return Ok(Row::NotChanged);
        }
        let mut values: Vec<(u16, Option<Kept>)> = Vec::new();
        for (at, place) in &columns.attributes {
            let Some(attribute) = definitions::attribute_at(*place) else { continue };
            match from_cell(attribute, cell(*at), &self.switches) {
                Ok(None) if !mapping.clear_existing => {}
                Ok(value) => values.push((*place, value)),
                Err(detail) => return refuse(400, detail),
            }
        }
        let id = found.unwrap_or_else(|| self.made(mapping.keyspace, key));
        self.profiles.set(id, values, false, &self.switches)?;
        for (address, flag, consent) in &columns.consents {
            if matches!(cell(*flag), "1" | "true")
                && addressable(consent.channel, cell(*address), &self.switches)
            {
                self.import_consent(id, consent);
            }
        }
        Ok(if found.is_some() { Row::Updated } else { Row::New })
    }

    fn import_consent(&mut self, id: u64, wanted: &ConsentColumn) {
        use ConsentType::{ConfirmedOptIn, OptIn, OptOut, PendingOptIn};
        let State { profiles, switches, .. } = self;
        let Some(profile) = profiles.get_mut(id) else { return };
        let new = Consent {
            topic: wanted.topic,
            channel: wanted.channel,
            state: wanted.state,
            source: "Import".into(),
            reason: "Profile import".into(),
            modified_at: Timestamp::now(),
            address: None,
        };
        match profile.consent(wanted.topic, wanted.channel, switches).map(|known| known.state) {
            None => profile.put_consent(new, switches),
            Some(known) => match (known, wanted.state) {
                (OptOut, OptIn) if wanted.resubscribe => profile.put_consent(new, switches),
                (OptIn | ConfirmedOptIn | PendingOptIn, OptOut) => profile.put_consent(new, switches),
                _ => {}
            },
        }
    }
}

fn addressable(channel: u8, address: &str, switches: &ApsisSwitches) -> bool {
    match CHANNELS.get(usize::from(channel)) {
        Some(("com.apsis1.channels.sms", _)) => is_mobile(address),
        _ => is_address(address, switches.unicode_addresses),
    }
}
