//! Tokens, the journal, answers that are given again, and integrations that are changed as they were seen.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sluice::access::{Role, Scope, Token, TokenId, TokenRecord};
use sluice::error::Failure;
use sluice::integration::IntegrationId;
use sluice::journal::{ActEnd, ActFilter, NewAct};
use sluice::store::{Expected, KeptAnswer, Repeatable, Repetition, Store, StoreError};

use crate::sample::integration;

fn record(token: &Token) -> TokenRecord {
    TokenRecord {
        id: token.id.clone(),
        name: "page".into(),
        role: Role::Editor,
        scope: Scope::Integrations([IntegrationId("acme".into())].into()),
        created_by: "local root".into(),
        created_at: "2026-11-28T08:00:00Z".parse().unwrap(),
        expires_at: Some("2027-11-28T08:00:00Z".parse().unwrap()),
        revoked_at: None,
        used_at: None,
    }
}

pub async fn tokens_are_kept_used_and_revoked(store: &dyn Store) {
    let (one, other) = (Token::fresh(), Token::fresh());
    store.put_token(&record(&one), one.digest()).await.unwrap();
    store.put_token(&record(&other), other.digest()).await.unwrap();
    assert_eq!(store.token(&one.id).await.unwrap(), Some((record(&one), one.digest())));
    assert_eq!(store.tokens().await.unwrap().len(), 2);
    assert_eq!(store.token(&TokenId("none".into())).await.unwrap(), None);

    let at: Timestamp = "2026-11-28T09:00:00Z".parse().unwrap();
    store.token_used(&one.id, at).await.unwrap();
    let revoked = store.revoke_token(&one.id, at).await.unwrap();
    assert_eq!((revoked.used_at, revoked.revoked_at), (Some(at), Some(at)));
    // It stays revoked since then.
    let later = at + SignedDuration::from_secs(5);
    assert_eq!(store.revoke_token(&one.id, later).await.unwrap().revoked_at, Some(at));
    assert_eq!(store.token(&other.id).await.unwrap().unwrap().0.revoked_at, None);
    let none = store.revoke_token(&TokenId("none".into()), at).await;
    assert!(matches!(none, Err(StoreError::NoToken(_))), "{none:?}");
}

pub async fn the_journal_has_what_was_begun_and_how_it_ended(store: &dyn Store) {
    let act = |what, id: Option<&str>| NewAct {
        who: "token a1 (page)".into(),
        what,
        integration: id.map(|id| IntegrationId(id.into())),
        about: Some("7".into()),
    };
    let first = store.begin_act(&act("run.start", Some("acme"))).await.unwrap();
    let second = store.begin_act(&act("token.create", None)).await.unwrap();
    let third = store.begin_act(&act("run.cancel", Some("acme"))).await.unwrap();
    let end = ActEnd { before: Some(json!({ "a": 1 })), after: Some(json!([2])), failure: None };
    store.end_act(first, end).await.unwrap();
    let failure = Failure { code: "run-ended".into(), message: "it has".into() };
    store.end_act(third, ActEnd { failure: Some(failure.clone()), ..ActEnd::default() }).await.unwrap();

    let all = store.acts(&ActFilter::default(), 10).await.unwrap();
    assert_eq!(all.iter().map(|act| act.number).collect::<Vec<_>>(), [third, second, first]);
    assert_eq!((&all[2].before, &all[2].after), (&Some(json!({ "a": 1 })), &Some(json!([2]))));
    assert_eq!((&all[0].failure, all[0].ended_at.is_some()), (&Some(failure), true));
    assert_eq!((all[1].ended_at, all[1].about.as_deref()), (None, Some("7")));

    let acme = Some(IntegrationId("acme".into()));
    let older = ActFilter { integration: acme.clone(), before: Some(third) };
    assert_eq!(store.acts(&older, 10).await.unwrap()[..], all[2..]);
    assert_eq!(store.acts(&ActFilter { integration: acme, before: None }, 1).await.unwrap()[..], all[..1]);
}

pub async fn an_answer_is_given_again_for_a_day(store: &dyn Store) {
    let request =
        |who: &str, key: &str, what: u8| Repeatable { who: who.into(), key: key.into(), request: [what; 32] };
    let one = request("anna", "k", 1);
    assert_eq!(store.begin_answer(&one).await.unwrap(), Repetition::First);
    assert_eq!(store.begin_answer(&one).await.unwrap(), Repetition::UnderWay);
    assert_eq!(store.begin_answer(&request("anna", "k", 2)).await.unwrap(), Repetition::Other);
    assert_eq!(store.begin_answer(&request("bo", "k", 2)).await.unwrap(), Repetition::First);
    let answer =
        KeptAnswer { status: 202, headers: vec![("etag".into(), "\"3\"".into())], body: b"{}".to_vec() };
    store.end_answer(&one, Some(answer.clone())).await.unwrap();
    assert_eq!(store.begin_answer(&one).await.unwrap(), Repetition::Answered(answer.clone()));
    // Without an answer it may be asked again.
    store.end_answer(&request("bo", "k", 2), None).await.unwrap();
    assert_eq!(store.begin_answer(&request("bo", "k", 2)).await.unwrap(), Repetition::First);

    let in_hours = |hours| Timestamp::now() + SignedDuration::from_hours(hours);
    while store.sweep(in_hours(23)).await.unwrap() {}
    assert_eq!(store.begin_answer(&one).await.unwrap(), Repetition::Answered(answer));
    while store.sweep(in_hours(25)).await.unwrap() {}
    assert_eq!(store.begin_answer(&one).await.unwrap(), Repetition::First);
}

pub async fn an_integration_is_changed_only_as_it_was_seen(store: &dyn Store) {
    let acme = integration("acme");
    let absent = store.put_integration_at(&acme, Expected::Revision(1)).await;
    assert!(matches!(absent, Err(StoreError::Changed { revision: 0, .. })), "{absent:?}");
    let first = store.put_integration_at(&acme, Expected::Absent).await.unwrap();
    let again = store.put_integration_at(&acme, Expected::Absent).await;
    assert!(matches!(again, Err(StoreError::Changed { revision, .. }) if revision == first), "{again:?}");
    let second = store.put_integration_at(&acme, Expected::Revision(first)).await.unwrap();
    assert!(second > first);
    let late = store.put_integration_at(&acme, Expected::Revision(first)).await;
    assert!(matches!(late, Err(StoreError::Changed { revision, .. }) if revision == second), "{late:?}");
    assert_eq!(store.standing(&acme.id).await.unwrap().unwrap().revision, second);
    store.put_integration_at(&acme, Expected::Anything).await.unwrap();
}
