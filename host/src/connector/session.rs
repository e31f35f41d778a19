//! Small values of a connector that outlive a call, such as an access token.
//!
//! In memory only, per integration, [`CAPACITY`] in all. An integration whose settings or secrets
//! changed begins with an empty session: a token that the old credentials bought is no longer its.
//! The contract lets a value vanish at any time, so what does not fit is made to: first what has
//! expired goes, then what expires first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::redact::Hidden;
use crate::integration::IntegrationId;

/// Bytes of keys and values together (`crm-connector.wit`, session).
const CAPACITY: usize = 16 * 1024;

struct Kept {
    value: Zeroizing<String>,
    until: Instant,
}

/// One integration's values.
#[derive(Default)]
pub(super) struct Session {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    values: HashMap<String, Kept>,
    hidden: Hidden,
}

impl Session {
    pub(super) fn get(&self, key: &str, now: Instant) -> Option<String> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.values.get(key).filter(|kept| kept.until > now).map(|kept| kept.value.to_string())
    }

    /// Keeps a value, if it fits in at all; whether it is kept.
    pub(super) fn put(&self, key: String, value: &str, ttl: Duration, now: Instant) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let Held { values, hidden } = &mut *held;
        values.remove(&key);
        values.retain(|_, kept| kept.until > now);
        let size = key.len() + value.len();
        let Some(until) = now.checked_add(ttl) else { return false };
        if size > CAPACITY || ttl.is_zero() {
            return false;
        }
        while used(values) + size > CAPACITY {
            let first = values.iter().min_by_key(|(_, kept)| kept.until).map(|(key, _)| key.clone());
            match first {
                Some(first) => values.remove(&first),
                None => break,
            };
        }
        values.insert(key, Kept { value: Zeroizing::new(value.to_owned()), until });
        *hidden = Hidden::new(values.values().map(|kept| kept.value.as_str()));
        true
    }

    /// Every value there is, for the redactor: a token is as secret as what bought it.
    pub(super) fn hidden(&self) -> Hidden {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).hidden.clone()
    }
}

fn used(values: &HashMap<String, Kept>) -> usize {
    values.iter().map(|(key, kept)| key.len() + kept.value.len()).sum()
}

/// The sessions of all integrations.
#[derive(Default)]
pub(super) struct Sessions {
    open: Mutex<HashMap<IntegrationId, (String, Arc<Session>)>>,
}

impl Sessions {
    /// The session of an integration; `revision` is a digest of its connector, settings and secrets.
    pub(super) fn of(&self, integration: &IntegrationId, revision: &str) -> Arc<Session> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, session)) = open.get(integration)
            && known == revision
        {
            return Arc::clone(session);
        }
        let session = Arc::new(Session::default());
        open.insert(integration.clone(), (revision.to_owned(), Arc::clone(&session)));
        session
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_value_is_there_until_it_expires() {
        let (session, now) = (Session::default(), Instant::now());
        assert!(session.put("token".into(), "t", MINUTE, now));
        assert_eq!(session.get("token", now + MINUTE / 2).as_deref(), Some("t"));
        assert_eq!(session.get("token", now + MINUTE), None);
    }

    #[test]
    fn what_expires_first_makes_room() {
        let (session, now) = (Session::default(), Instant::now());
        assert!(session.put("old".into(), &"x".repeat(10_000), MINUTE, now));
        assert!(session.put("new".into(), &"x".repeat(10_000), MINUTE * 2, now));
        assert_eq!(session.get("old", now), None);
        assert!(session.get("new", now).is_some());
        assert!(!session.put("huge".into(), &"x".repeat(CAPACITY), MINUTE, now));
        assert_eq!(session.get("huge", now), None);
        assert!(session.get("new", now).is_some());
    }

    #[test]
    fn new_credentials_begin_anew() {
        let sessions = Sessions::default();
        let acme = IntegrationId("acme".into());
        sessions.of(&acme, "1").put("token".into(), "t", MINUTE, Instant::now());
        assert!(sessions.of(&acme, "1").get("token", Instant::now()).is_some());
        assert!(sessions.of(&acme, "2").get("token", Instant::now()).is_none());
    }
}
