//! Profile import v2: begin it, upload its file, ask how far it is.
//!
//! APSIS One reports no rows: what an import did is to be read back (`export`, `compare`).

use std::fmt;

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use tokio_util::io::ReaderStream;

use super::client::Call;
use super::error::{ApsisError, Operation};
use super::inferred::{ImportAnswer, ImportStarted, ImportStatus};
use super::limits::Quota;
use super::profiles::Target;
use super::rows::ImportFile;

/// APSIS One's id for an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportId(pub String);

impl fmt::Display for ImportId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportState {
    /// APSIS One has no file yet.
    Waiting,
    /// It will be worked on.
    Queued,
    /// It is being worked on.
    Running,
    /// It is done; single rows may have failed.
    Completed,
    /// It failed.
    Error,
}

impl ImportState {
    /// Whether it changes no more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Error)
    }
}

/// An import that APSIS One has begun and that waits for its file.
pub struct BegunImport {
    id: ImportId,
    /// Where the file goes, with the form fields that permit it.
    upload: ImportStarted,
}

impl BegunImport {
    /// Its id. Store it before the upload: what is uploaded is worked on, whoever still knows of it.
    pub fn id(&self) -> &ImportId {
        &self.id
    }
}

impl fmt::Debug for BegunImport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The form fields are a permission to write.
        out.debug_struct("BegunImport").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Target {
    /// Begins an import of such a file; `upload_import` is the second step. Hold an import permit
    /// (`Client::running_import`) until it has ended. If the answer gets lost, APSIS One is left with an
    /// import that waits for a file until its upload expires.
    pub async fn begin_import(&self, file: &ImportFile) -> Result<BegunImport, ApsisError> {
        let path = ["v2", "audience", "sections", &self.scope.section.0, "imports"];
        let call = Call {
            method: Method::POST,
            body: Some(("application/json", file.columns.mapping().to_string().into_bytes())),
            quota: Quota::Import,
            ..Call::get(Operation::StartImport, &path)
        };
        let answer = self.client.send(&call).await?;
        let upload: ImportStarted =
            answer.read("it names no import_id, file_upload_url and file_upload_body")?;
        Ok(BegunImport { id: ImportId(upload.import_id.clone()), upload })
    }

    /// Uploads the file of an import that was begun with it. May be tried again by itself: the upload
    /// host takes one file under one name.
    pub async fn upload_import(&self, begun: BegunImport, file: &mut ImportFile) -> Result<(), ApsisError> {
        self.upload(&begun.upload, file).await
    }

    /// How far an import is.
    pub async fn import_state(&self, import: &ImportId) -> Result<ImportState, ApsisError> {
        let path = ["audience", "sections", &self.scope.section.0, "imports", &import.0];
        let answer = self.client.send(&Call::get(Operation::ReadImport, &path)).await?;
        let answer: ImportAnswer = answer.read("it holds no state that is known")?;
        Ok(match answer.result.status {
            ImportStatus::WaitingForFile => ImportState::Waiting,
            ImportStatus::Queued => ImportState::Queued,
            ImportStatus::InProgress => ImportState::Running,
            ImportStatus::Completed => ImportState::Completed,
            ImportStatus::Error => ImportState::Error,
        })
    }

    /// Uploads as a form: the fields that APSIS One gave first, the file last, no token.
    async fn upload(&self, started: &ImportStarted, file: &mut ImportFile) -> Result<(), ApsisError> {
        let operation = Operation::UploadImport;
        let url = self.client.given_url(operation, &started.file_upload_url)?;
        let length = file.bytes();
        let mut reader = || file.reader();
        self.client
            .policy
            .run(|| {
                let content = reader();
                let url = &url;
                async move {
                    let content = ReaderStream::new(tokio::fs::File::from_std(content?));
                    let mut form = Form::new();
                    for (name, value) in &started.file_upload_body {
                        let value = value.as_str().map_or_else(|| plain(value), str::to_owned);
                        form = form.text(name.clone(), value);
                    }
                    let part = Part::stream_with_length(reqwest::Body::wrap_stream(content), length)
                        .file_name("profiles.csv")
                        .mime_str("text/csv")
                        .map_err(|_| ApsisError::Unreadable { operation, what: "the form cannot be made" })?;
                    let request = self.client.upload(url)?.multipart(form.part("file", part));
                    let answer = self.client.answer_of_host(operation, request).await?;
                    if answer.is_success() { Ok(()) } else { Err(upload_refused(answer.status)) }
                }
            })
            .await
    }
}

/// A form field that is not text: as JSON writes it.
fn plain(value: &Value) -> String {
    value.to_string()
}

/// The upload host's refusals are its own (XML), not APSIS One's.
fn upload_refused(status: u16) -> ApsisError {
    let operation = Operation::UploadImport;
    match status {
        413 => ApsisError::TooLarge { operation, limit: "50 MB a file" },
        _ => ApsisError::Refused { operation, status, hint: super::error::Hint::default() },
    }
}
