//! Secrets, sealed: the store neither knows nor asks what is in them.

use sluice::change::Cause;
use sluice::integration::IntegrationId;
use sluice::lane::{Pause, PauseKind};
use sluice::secret::{KeyId, NewSecret, Sealed, SecretName, SecretPlace};
use sluice::store::{Expected, Store, StoreError};

use crate::sample::{at, hold, integration};

fn sealed(key: &str, bytes: &[u8]) -> Sealed {
    Sealed { key: KeyId(key.into()), bytes: bytes.to_vec() }
}

fn secret(name: &str, key: &str, bytes: &[u8]) -> NewSecret {
    NewSecret { name: SecretName(name.into()), set_by: "local anna".into(), sealed: sealed(key, bytes) }
}

fn place(integration: &str, name: &str) -> SecretPlace {
    SecretPlace { integration: IntegrationId(integration.into()), name: SecretName(name.into()) }
}

pub async fn a_secret_is_kept_replaced_and_taken_away(store: &dyn Store) {
    let (acme, other) = (integration("acme"), integration("other"));
    let nobody = store.put_secret(&acme.id, &secret("a", "k1", b"1")).await;
    assert!(matches!(nobody, Err(StoreError::NoIntegration(_))), "{nobody:?}");
    store.put_integration(&acme).await.unwrap();
    store.put_integration(&other).await.unwrap();
    let first = store.put_secret(&acme.id, &secret("b", "k1", b"\0\xff1")).await.unwrap();
    store.put_secret(&acme.id, &secret("a", "k1", b"2")).await.unwrap();
    assert_eq!(
        (first.name.0.as_str(), first.set_by.as_str(), first.key.0.as_str()),
        ("b", "local anna", "k1")
    );
    assert_eq!(store.secret(&place("acme", "b")).await.unwrap(), Some(sealed("k1", b"\0\xff1")));
    assert_eq!(store.secret(&place("other", "b")).await.unwrap(), None);
    assert_eq!(store.secret(&place("nobody", "b")).await.unwrap(), None);

    let again = store.put_secret(&acme.id, &secret("b", "k2", b"3")).await.unwrap();
    assert!(again.set_at >= first.set_at);
    let all = store.secrets(&acme.id).await.unwrap();
    assert_eq!(all.iter().map(|one| one.name.0.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(all[1], again);
    assert!(store.secrets(&other.id).await.unwrap().is_empty());

    store.remove_secret(&place("acme", "b")).await.unwrap();
    let gone = store.remove_secret(&place("acme", "b")).await;
    assert!(matches!(&gone, Err(StoreError::NoSecret(of)) if *of == place("acme", "b")), "{gone:?}");
    assert_eq!(store.secret(&place("acme", "b")).await.unwrap(), None);
}

pub async fn secrets_go_with_their_integration(store: &dyn Store) {
    let acme = integration("acme");
    store.put_integration(&acme).await.unwrap();
    store.put_secret(&acme.id, &secret("a", "k1", b"1")).await.unwrap();
    // Replacing it leaves them.
    store.put_integration(&acme).await.unwrap();
    assert_eq!(store.secrets(&acme.id).await.unwrap().len(), 1);
    store.delete_integration(&acme.id).await.unwrap();
    assert!(store.secrets_not_under(&KeyId("k2".into())).await.unwrap().is_empty());
    store.put_integration(&acme).await.unwrap();
    assert!(store.secrets(&acme.id).await.unwrap().is_empty());
}

pub async fn an_integration_is_put_with_its_secrets_or_not_at_all(store: &dyn Store) {
    let acme = integration("acme");
    let both = [secret("a", "k1", b"1"), secret("b", "k1", b"2")];
    let absent = store.put_integration_with(&acme, &both, Expected::Revision(1)).await;
    assert!(matches!(absent, Err(StoreError::Changed { revision: 0, .. })), "{absent:?}");
    let first = store.put_integration_with(&acme, &both, Expected::Absent).await.unwrap();
    assert_eq!(store.secrets(&acme.id).await.unwrap().len(), 2);
    let other = [secret("a", "k1", b"3"), secret("c", "k1", b"4")];
    let late = store.put_integration_with(&acme, &other, Expected::Revision(first + 1)).await;
    assert!(matches!(late, Err(StoreError::Changed { .. })), "{late:?}");
    assert_eq!(store.secret(&place("acme", "a")).await.unwrap(), Some(sealed("k1", b"1")));
    assert_eq!(store.secret(&place("acme", "c")).await.unwrap(), None);
    // What is not named in it stays.
    store.put_integration_with(&acme, &other, Expected::Revision(first)).await.unwrap();
    assert_eq!(store.secret(&place("acme", "a")).await.unwrap(), Some(sealed("k1", b"3")));
    assert_eq!(store.secrets(&acme.id).await.unwrap().len(), 3);
}

pub async fn only_what_is_as_it_was_gets_another_seal(store: &dyn Store) {
    for id in ["acme", "beta"] {
        store.put_integration(&integration(id)).await.unwrap();
    }
    store.put_secret(&IntegrationId("beta".into()), &secret("a", "k1", b"1")).await.unwrap();
    store.put_secret(&IntegrationId("acme".into()), &secret("b", "k1", b"2")).await.unwrap();
    store.put_secret(&IntegrationId("acme".into()), &secret("a", "k2", b"3")).await.unwrap();
    let others = store.secrets_not_under(&KeyId("k2".into())).await.unwrap();
    assert_eq!(others, [(place("acme", "b"), sealed("k1", b"2")), (place("beta", "a"), sealed("k1", b"1"))]);

    let before = store.secrets(&IntegrationId("acme".into())).await.unwrap();
    let revision = store.standing(&IntegrationId("acme".into())).await.unwrap().unwrap().revision;
    assert!(store.reseal(&place("acme", "b"), &sealed("k1", b"2"), &sealed("k2", b"5")).await.unwrap());
    // It was set anew, or is gone.
    assert!(!store.reseal(&place("acme", "b"), &sealed("k1", b"2"), &sealed("k2", b"6")).await.unwrap());
    assert!(!store.reseal(&place("beta", "b"), &sealed("k1", b"2"), &sealed("k2", b"6")).await.unwrap());
    assert_eq!(store.secret(&place("acme", "b")).await.unwrap(), Some(sealed("k2", b"5")));
    // Who set it and when is as before, and nobody is to open anything anew.
    let after = store.secrets(&IntegrationId("acme".into())).await.unwrap();
    assert_eq!((after[1].set_at, after[1].key.0.as_str()), (before[1].set_at, "k2"));
    let standing = store.standing(&IntegrationId("acme".into())).await.unwrap().unwrap();
    assert_eq!(standing.revision, revision);
    assert_eq!(store.secrets_not_under(&KeyId("k2".into())).await.unwrap().len(), 1);
}

pub async fn a_changed_secret_wakes_its_integration(store: &dyn Store) {
    let acme = integration("acme");
    store.put_integration(&acme).await.unwrap();
    let fence = hold(store, &acme.id).await;
    let cause = Cause { code: "secret-not-set".into(), subject: None, message: "it is not".into() };
    let pause =
        Pause { kind: PauseKind::NeedsAttention, cause, failures: 3, since: at(1), until: at(4_000_000_000) };
    let look = async || {
        let revision = store.standing(&acme.id).await.unwrap().unwrap().revision;
        (revision, store.lane(&acme.id).await.unwrap().pause.is_some())
    };
    store.put_pause(&fence, Some(&pause)).await.unwrap();
    let (first, paused) = look().await;
    assert!(paused);
    store.put_secret(&acme.id, &secret("a", "k1", b"1")).await.unwrap();
    assert_eq!(look().await, (first + 1, false));
    store.remove_secret(&place("acme", "a")).await.unwrap();
    assert_eq!(look().await, (first + 2, false));
}
