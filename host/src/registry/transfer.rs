//! Sending to a registry, and fetching from it.

use std::time::Duration;

use futures::TryStreamExt;
use jiff::Timestamp;
use oci_client::Client;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::DigestError;
use oci_client::manifest::OCI_IMAGE_MEDIA_TYPE;
use oci_client::secrets::RegistryAuth;
use reqwest::header::HeaderValue;
use sha2::{Digest as _, Sha256};

use super::credentials;
use super::error::RegistryError;
use super::layout::{self, Artifact, Contents, Kind, Label, Said};
use super::place::Place;
use crate::error::ErrorCode;
use crate::signature::{Signature, SignatureError};

/// The most bytes that a component has, as everywhere where the host takes one.
pub const LARGEST: u64 = 64 << 20;

const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// How long a registry may say nothing while it answers.
const SILENT_FOR: Duration = Duration::from_secs(60);

/// A digest of bytes: `sha256:<64 hex digits>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest(String);

impl Digest {
    /// That of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(format!("sha256:{}", hex::encode(Sha256::digest(bytes))))
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The component, and the signature that came with it, which nobody has looked at.
    pub artifact: Artifact,
    /// The digest of its manifest, under which the same can be fetched again.
    pub manifest: String,
}

/// Why nothing was fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PullError {
    /// It could not be.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// What came with it is no signature.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

impl ErrorCode for PullError {
    fn code(&self) -> &'static str {
        match self {
            Self::Registry(error) => error.code(),
            Self::Signature(error) => error.code(),
        }
    }
}

/// A registry, as whoever runs this program.
pub struct Registry {
    client: Client,
    auth: RegistryAuth,
}

impl Registry {
    /// The one of a place. Nothing is asked of it yet.
    ///
    /// # Errors
    /// Whom to log in as is not known; nothing can be sent from here.
    pub async fn of(place: &Place) -> Result<Self, RegistryError> {
        let registry = place.registry().to_owned();
        let found = tokio::task::spawn_blocking(move || credentials::find(&registry)).await;
        let auth = found.map_err(|error| RegistryError::Client(error.to_string()))??;
        let config = ClientConfig {
            protocol: if place.is_on_this_machine() { ClientProtocol::Http } else { ClientProtocol::Https },
            // A component is for every machine, so that no choice among several is taken for it.
            platform_resolver: None,
            connect_timeout: Some(CONNECT_WITHIN),
            read_timeout: Some(SILENT_FOR),
            user_agent: concat!("sluice/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let client = Client::try_from(config).map_err(|error| RegistryError::Client(error.to_string()))?;
        Ok(Self { client, auth })
    }

    /// Sends a component there, or a WIT package; the digest of its manifest.
    ///
    /// # Errors
    /// It is neither, or too large; the place has no tag; the registry does not take it.
    pub async fn push(
        &self,
        place: &Place,
        artifact: Artifact,
        label: Label,
    ) -> Result<Digest, RegistryError> {
        if place.tag().is_none() {
            let problem = "a digest comes of what is sent there: give a tag".to_owned();
            return Err(RegistryError::Place { place: place.to_string(), problem });
        }
        let bytes = u64::try_from(artifact.component.len()).unwrap_or(u64::MAX);
        if bytes > LARGEST {
            return Err(RegistryError::TooLarge { what: label.title, bytes, largest: LARGEST });
        }
        let (artifact, contents) = contents_of(artifact).await?;
        let contents =
            contents.map_err(|problem| RegistryError::NoComponent { what: label.title.clone(), problem })?;
        let fault = |error: serde_json::Error| RegistryError::Client(error.to_string());
        let sending = layout::lay_out(artifact, &contents, label, Timestamp::now()).map_err(fault)?;
        let manifest = serde_json::to_vec(&sending.manifest).map_err(fault)?;

        let met = |error| RegistryError::met(place, error);
        let (client, reference) = (&self.client, place.reference());
        client.store_auth_if_needed(place.registry(), &self.auth).await;
        let layer = sending.layer.sha256_digest();
        client.push_blob(reference, sending.layer.data, &layer).await.map_err(met)?;
        let config = &sending.manifest.config.digest;
        client.push_blob(reference, sending.config.data, config).await.map_err(met)?;
        let digest = Digest::of(&manifest);
        let kind = HeaderValue::from_static(OCI_IMAGE_MEDIA_TYPE);
        client.push_manifest_raw(reference, manifest, kind).await.map_err(met)?;
        Ok(digest)
    }

    /// Fetches the component that lies there.
    ///
    /// # Errors
    /// There is none, or it is damaged or too large; the registry does not give it.
    pub async fn pull(&self, place: &Place) -> Result<Pulled, PullError> {
        let met = |error| RegistryError::met(place, error);
        let (manifest, digest) =
            self.client.pull_manifest(place.reference(), &self.auth).await.map_err(met)?;
        let said = layout::read(place, manifest)?;
        if said.bytes > LARGEST {
            let what = place.to_string();
            return Err(RegistryError::TooLarge { what, bytes: said.bytes, largest: LARGEST }.into());
        }
        let signature = said.signature.as_deref().map(Signature::parse).transpose()?;
        let component = self.component(place, &said).await?;
        let (artifact, contents) = contents_of(Artifact { component, signature }).await?;
        let refuse = |problem| RegistryError::NoComponent { what: place.to_string(), problem };
        match contents.map_err(refuse)?.kind {
            Kind::Component => Ok(Pulled { artifact, manifest: digest }),
            Kind::WitPackage => Err(refuse("it is a package of interfaces".to_owned()).into()),
        }
    }

    /// The layer's bytes: not one more is read than its manifest says that it has.
    async fn component(&self, place: &Place, said: &Said) -> Result<Vec<u8>, RegistryError> {
        // By its digest alone: a layer may name other addresses to fetch it from, which are nobody's business here.
        let stream = self.client.pull_blob_stream(place.reference(), said.digest.as_str()).await;
        let mut stream = stream.map_err(|error| RegistryError::met(place, error))?.stream;
        let mut component = Vec::new();
        let is_more = |read: usize| u64::try_from(read).map_or(true, |read| read > said.bytes);
        let other_size = || RegistryError::damaged(place, "it has not as many bytes as its manifest says");
        while let Some(bytes) = stream.try_next().await.map_err(|error| broken_off(place, &error))? {
            if is_more(component.len().saturating_add(bytes.len())) {
                return Err(other_size());
            }
            component.extend_from_slice(&bytes);
        }
        if u64::try_from(component.len()) != Ok(said.bytes) {
            return Err(other_size());
        }
        Ok(component)
    }
}

/// Looking at a large component takes a while, so it does not take one of the runtime's threads.
async fn contents_of(artifact: Artifact) -> Result<(Artifact, Result<Contents, String>), RegistryError> {
    let work = move || {
        let contents = Contents::of(&artifact.component);
        (artifact, contents)
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| RegistryError::Client(error.to_string()))
}

/// The client compares the digest while it reads, and says so as if reading had failed.
fn broken_off(place: &Place, error: &std::io::Error) -> RegistryError {
    match error.get_ref().is_some_and(|inner| inner.is::<DigestError>()) {
        true => RegistryError::damaged(place, "its bytes are not those that its digest is of"),
        false => RegistryError::unreachable(place, error),
    }
}
