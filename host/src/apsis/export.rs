//! Profile exports: asked for, waited for, stored as they come, and read profile by profile.
//!
//! Memory stays flat: the file is streamed to disk compressed, without a name there, and read with one
//! profile in memory at a time.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use futures::StreamExt;
use reqwest::{Method, Response};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use url::Url;

use super::client::Call;
use super::error::{ApsisError, Operation};
use super::inferred::{EXPORT_PROFILES, ExportBody, ExportStarted, ExportedItem};
use super::limits::{EXPORT_WITHIN, Quota};
use super::profiles::{Scope, Target};
use super::retry::{busy, is_retryable};
use super::value::FoundValue;
use crate::contact::ContactId;
use crate::profile::{AttributeId, KnownConsent};

/// How often an export that APSIS One failed to make is asked for anew.
const EXPORTS: usize = 3;

/// A profile as an export gives it, by its key in the target's keyspace.
#[derive(Clone, PartialEq, Eq)]
pub struct ExportedProfile {
    /// The profile key.
    pub key: ContactId,
    /// The attributes that have a value.
    pub attributes: BTreeMap<AttributeId, FoundValue>,
    /// The consents on our channels.
    pub consents: Vec<KnownConsent>,
}

impl fmt::Debug for ExportedProfile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ExportedProfile").field("key", &self.key).finish_non_exhaustive()
    }
}

/// A downloaded export; gone from the disk when it is dropped.
#[derive(Debug)]
pub struct ExportFile(File);

/// Profiles of an export, some at a time, read by a thread that waits for the taker.
#[derive(Debug)]
pub struct ExportPages(mpsc::Receiver<Result<Vec<ExportedProfile>, ApsisError>>);

impl ExportPages {
    /// The next profiles; none after the last. After an error there are no more.
    pub async fn next(&mut self) -> Result<Option<Vec<ExportedProfile>>, ApsisError> {
        self.0.recv().await.transpose()
    }
}

/// What a look at an export found.
enum Look {
    Ready(Response),
    NotYet,
    Failed(&'static str),
}

impl Target {
    /// Exports the section's profiles with these attributes (one at least) and their consents, into a
    /// file in `spool`. Takes as long as APSIS One takes, at most two hours.
    pub async fn export(&self, attributes: &[AttributeId], spool: &Path) -> Result<ExportFile, ApsisError> {
        let mut last = "it was never begun";
        for _ in 0..EXPORTS {
            match self.export_once(attributes, spool).await? {
                Ok(file) => return Ok(file),
                Err(why) => last = why,
            }
        }
        Err(ApsisError::ExportFailed(last))
    }

    /// One export; the inner error: APSIS One failed to make it, another try may help.
    async fn export_once(
        &self,
        attributes: &[AttributeId],
        spool: &Path,
    ) -> Result<Result<ExportFile, &'static str>, ApsisError> {
        let body = serde_json::to_vec(&ExportBody {
            section_discriminator: &self.scope.section.0,
            attributes: attributes.iter().map(|attribute| attribute.0.as_str()).collect(),
            include_topics: true,
        })
        .unwrap_or_default();
        let call = Call {
            method: Method::POST,
            body: Some(("application/json", body)),
            quota: Quota::Export,
            ..Call::get(Operation::StartExport, &["audience", "profiles", "exports"])
        };
        let answer = self.client.send(&call).await?;
        let started: ExportStarted = answer.read("it names no poll_url")?;
        let url = self.client.given_url(Operation::DownloadExport, &started.poll_url)?;
        let until = Instant::now() + EXPORT_WITHIN;
        let longest = self.client.inner.export_poll;
        let mut wait = longest / 8;
        loop {
            match self.client.policy.run(|| self.look(&url, spool)).await? {
                Ok(file) => return Ok(Ok(file)),
                Err(Some(why)) => return Ok(Err(why)),
                Err(None) if Instant::now() > until => {
                    return Err(ApsisError::ExportFailed("it was not ready within two hours"));
                }
                Err(None) => {}
            }
            sleep(wait).await;
            wait = (wait * 2).min(longest);
        }
    }

    /// Looks whether the file is there, and takes it. The inner error: why it will not come, or nothing
    /// if it is to be waited for.
    async fn look(
        &self,
        url: &Url,
        spool: &Path,
    ) -> Result<Result<ExportFile, Option<&'static str>>, ApsisError> {
        let operation = Operation::DownloadExport;
        let (response, slots) = self.client.download(operation, url).await?;
        let response = match looked(response)? {
            Look::Ready(response) => response,
            Look::NotYet => return Ok(Err(None)),
            Look::Failed(why) => return Ok(Err(Some(why))),
        };
        let failed =
            |error: std::io::Error| ApsisError::Spool { operation, message: error.kind().to_string() };
        let mut file = tokio::fs::File::from_std(tempfile::tempfile_in(spool).map_err(failed)?);
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| self.client.fault(operation, &error))?;
            file.write_all(&chunk).await.map_err(failed)?;
        }
        file.flush().await.map_err(failed)?;
        drop(slots);
        Ok(Ok(ExportFile(file.into_std().await)))
    }

    /// Reads an export, one profile after the other, until `each` breaks off. Blocks: for a thread of
    /// its own, as `export_pages` has. A profile with several keys in the keyspace comes once for each,
    /// one without any not at all.
    pub fn read_export(
        &self,
        file: ExportFile,
        each: impl FnMut(ExportedProfile) -> ControlFlow<()>,
    ) -> Result<(), ApsisError> {
        read(file.0, &self.scope, each)
    }

    /// Reads an export on a thread of its own, `size` profiles at a time.
    pub fn export_pages(&self, file: ExportFile, size: usize) -> ExportPages {
        let (pages, taken) = mpsc::channel(2);
        let scope: Arc<Scope> = self.scope.clone();
        // Not one of the runtime's threads for what blocks: those may be few, and this one waits for the taker,
        // who may need them.
        let unread = pages.clone();
        let reading = std::thread::Builder::new().name("sluice-export".to_owned()).spawn(move || {
            let mut page = Vec::new();
            let end = read(file.0, &scope, |profile| {
                page.push(profile);
                if page.len() < size {
                    return ControlFlow::Continue(());
                }
                match pages.blocking_send(Ok(std::mem::take(&mut page))) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            });
            let last = match end {
                Ok(()) if page.is_empty() => return,
                Ok(()) => Ok(page),
                Err(error) => Err(error),
            };
            // Nobody may be waiting for it any more.
            let _ = pages.blocking_send(last);
        });
        if let Err(error) = reading {
            let operation = Operation::DownloadExport;
            // There is room: nothing was sent yet.
            let _ = unread.try_send(Err(ApsisError::Spool { operation, message: error.kind().to_string() }));
        }
        ExportPages(taken)
    }
}

/// What the answer to a look says. 503 is an export that failed (APSIS One developer hub, "Export
/// profiles"), not an answer to try again.
fn looked(response: Response) -> Result<Look, ApsisError> {
    let operation = Operation::DownloadExport;
    match response.status().as_u16() {
        200 => Ok(Look::Ready(response)),
        202 | 404 => Ok(Look::NotYet),
        410 => Ok(Look::Failed("its file is gone")),
        503 => Ok(Look::Failed("it failed there")),
        status if is_retryable(status) => Err(busy(operation, &response)),
        status => Err(super::problem::error(operation, status, &[], std::iter::empty())),
    }
}

/// Reads an export's file.
fn read(
    mut file: File,
    scope: &Scope,
    each: impl FnMut(ExportedProfile) -> ControlFlow<()>,
) -> Result<(), ApsisError> {
    let operation = Operation::DownloadExport;
    let failed = |error: std::io::Error| ApsisError::Spool { operation, message: error.kind().to_string() };
    let mut magic = [0; 2];
    file.rewind().map_err(failed)?;
    let read = file.read(&mut magic).map_err(failed)?;
    file.rewind().map_err(failed)?;
    let file = BufReader::with_capacity(128 * 1024, file);
    // gzip says so in its first two bytes; a server may ignore that it was asked for.
    let compressed = read == 2 && magic == [0x1f, 0x8b];
    let content: Box<dyn Read> =
        if compressed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut reader = ProfileReader { scope, each, stopped: false, found: false };
    let mut json = serde_json::Deserializer::from_reader(BufReader::with_capacity(128 * 1024, content));
    let end = json.deserialize_map(&mut reader).and_then(|()| json.end());
    match end {
        _ if reader.stopped => Ok(()),
        Ok(()) if reader.found => Ok(()),
        Ok(()) => Err(ApsisError::Unreadable { operation, what: "the file has no member \"profiles\"" }),
        Err(error) if error.is_io() => Err(ApsisError::Unreadable { operation, what: "the file is damaged" }),
        Err(error) if error.is_eof() => {
            Err(ApsisError::Unreadable { operation, what: "the file ends too early" })
        }
        Err(_) => Err(ApsisError::Unreadable { operation, what: "the file has another shape than expected" }),
    }
}

/// Goes through the file and hands over each profile. Stops by an error when told to.
struct ProfileReader<'a, F> {
    scope: &'a Scope,
    each: F,
    stopped: bool,
    found: bool,
}

impl<'de, F: FnMut(ExportedProfile) -> ControlFlow<()>> Visitor<'de> for &mut ProfileReader<'_, F> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an export")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if name == EXPORT_PROFILES {
                self.found = true;
                map.next_value_seed(Profiles(&mut *self))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// The list of profiles inside the file.
struct Profiles<'r, 'a, F>(&'r mut ProfileReader<'a, F>);

impl<'de, F: FnMut(ExportedProfile) -> ControlFlow<()>> DeserializeSeed<'de> for Profiles<'_, '_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(ExportedProfile) -> ControlFlow<()>> Visitor<'de> for Profiles<'_, '_, F> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of profiles")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(item) = list.next_element::<ExportedItem>()? {
            for profile in self.0.scope.exported(item) {
                if (self.0.each)(profile).is_break() {
                    self.0.stopped = true;
                    return Err(serde::de::Error::custom("told to stop"));
                }
            }
        }
        Ok(())
    }
}

impl Scope {
    /// An item under each of its keys in our keyspace.
    fn exported(&self, item: ExportedItem) -> Vec<ExportedProfile> {
        let keys = item.profile_keys.into_iter().filter(|key| key.keyspace_discriminator == self.keyspace.0);
        let keys: Vec<ContactId> = keys.map(|key| ContactId(key.profile_key)).collect();
        if keys.is_empty() {
            return Vec::new();
        }
        let attributes: BTreeMap<AttributeId, FoundValue> = item
            .attributes
            .into_iter()
            .map(|(name, raw)| (AttributeId(name), FoundValue::read(&raw)))
            .collect();
        let consents = self.known_consents(item.consents);
        keys.into_iter()
            .map(|key| ExportedProfile { key, attributes: attributes.clone(), consents: consents.clone() })
            .collect()
    }
}
