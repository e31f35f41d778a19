//! Every limit of APSIS One that this client keeps, with its margin, in one place.
//!
//! From the APSIS One developer hub, "Limits", "Import profiles", "Export profiles" and
//! "Authentication". The rates hold for an account, whatever API key is used: within one process all
//! clients of one API key share them. They cannot be kept by URL alone, since the accounts of different
//! customers share the URL, and nothing tells which account a key belongs to. Two processes, or two keys
//! of one account, do not know of each other; then APSIS One answers 429 and the client waits. So one
//! account is to have one API key in one Sluice.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::window::{Slot, Window, Windows};

/// A request's body: 100 kB.
pub(super) const BODY_BYTES: usize = 100_000;
/// An import's file: 50 MB, less a margin for the headers of the form.
pub(super) const FILE_BYTES: u64 = 45_000_000;
/// Imports that may run at once.
pub const IMPORTS_AT_ONCE: usize = 3;
/// The longest wait for an answer.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// The longest wait for a connection.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// The longest time that an upload of one import's file may take.
pub(super) const UPLOAD_WITHIN: Duration = Duration::from_secs(900);
/// The longest answer that is read into memory: definitions of a large section.
pub(super) const ANSWER_BYTES: usize = 32 * 1024 * 1024;
/// An export that is not there after this time is given up.
pub(super) const EXPORT_WITHIN: Duration = Duration::from_secs(2 * 3600);

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Of the requests a second that an account is said to allow, so many percent are sent.
const OF_ACCOUNT: u32 = 95;
/// 10 requests a second and profile key.
const PROFILE: usize = 8;
/// 10 tokens a minute.
const TOKENS: usize = 8;
/// 10 requests for an import a minute.
const IMPORTS: usize = 9;
/// One request for an export a second.
const EXPORTS: usize = 1;
/// 60 downloads a minute; asking whether an export is there counts as one.
const DOWNLOADS: usize = 55;

/// What a request counts for besides the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quota {
    Plain,
    Token,
    Import,
    Export,
    Download,
}

/// The slots that a request holds until it is answered.
#[derive(Debug)]
pub(super) struct Slots {
    _held: Vec<Slot>,
}

impl Slots {
    /// For a request that counts for no limit.
    pub(super) fn none() -> Self {
        Self { _held: Vec::new() }
    }
}

/// The right to have one import running. Hold it until the import has ended.
#[derive(Debug)]
pub struct ImportPermit {
    _permit: Option<OwnedSemaphorePermit>,
}

/// The limits of one account.
#[derive(Debug)]
pub(super) struct Limits {
    account: Window,
    profiles: Windows<String>,
    tokens: Window,
    imports: Window,
    exports: Window,
    downloads: Window,
    running: Arc<Semaphore>,
}

/// Base URL, client id and requests a second.
type Key = (String, String, u32);

/// The limits in use.
static ACCOUNTS: LazyLock<Mutex<HashMap<Key, Weak<Limits>>>> = LazyLock::new(Mutex::default);

impl Limits {
    /// The limits of an API key, shared with every other client of it in this process.
    pub(super) fn of(url: &str, client_id: &str, per_second: u32) -> Arc<Self> {
        let mut accounts = ACCOUNTS.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.retain(|_, limits| limits.strong_count() > 0);
        let key = (url.to_owned(), client_id.to_owned(), per_second);
        if let Some(limits) = accounts.get(&key).and_then(Weak::upgrade) {
            return limits;
        }
        let limits = Arc::new(Self::new(per_second));
        accounts.insert(key, Arc::downgrade(&limits));
        limits
    }

    fn new(per_second: u32) -> Self {
        let at_once = usize::try_from((per_second * OF_ACCOUNT / 100).max(1)).unwrap_or(1);
        Self {
            // Spread over the second.
            account: Window::new(at_once, SECOND, SECOND / per_second.max(1)),
            profiles: Windows::new(PROFILE, SECOND),
            tokens: Window::new(TOKENS, MINUTE, Duration::ZERO),
            imports: Window::new(IMPORTS, MINUTE, Duration::ZERO),
            exports: Window::new(EXPORTS, SECOND, Duration::ZERO),
            downloads: Window::new(DOWNLOADS, MINUTE, Duration::ZERO),
            running: Arc::new(Semaphore::new(IMPORTS_AT_ONCE)),
        }
    }

    /// Waits until a request may be sent. The scarcest slot is waited for first, so that nobody
    /// holds a slot of the account while waiting for another.
    pub(super) async fn slots(&self, quota: Quota, profile: Option<&str>) -> Slots {
        let mut held = Vec::with_capacity(3);
        match quota {
            Quota::Plain => {}
            Quota::Token => held.push(self.tokens.slot().await),
            Quota::Import => held.push(self.imports.slot().await),
            Quota::Export => held.push(self.exports.slot().await),
            Quota::Download => held.push(self.downloads.slot().await),
        }
        if let Some(profile) = profile {
            held.push(self.profiles.slot(profile.to_owned()).await);
        }
        held.push(self.account.slot().await);
        Slots { _held: held }
    }

    /// Waits until one more import may run.
    pub(super) async fn running_import(&self) -> ImportPermit {
        // Nobody closes the semaphore.
        ImportPermit { _permit: self.running.clone().acquire_owned().await.ok() }
    }

    #[cfg(test)]
    pub(super) fn profile_keys(&self) -> usize {
        self.profiles.len()
    }
}
