//! What only the shared store can show: its schema, and what is said of a server that is not there.

use sluice::error::ErrorCode;
use sluice::store::{IntegrationStore, PostgresStore};
use sluice_tests::ports::free_port;
use sluice_tests::postgres;

use crate::sample::*;

#[tokio::test]
async fn an_empty_database_gets_the_schema_and_another_program_finds_it() {
    let database = postgres::database();
    let (one, other) = tokio::join!(PostgresStore::open(&database.url), PostgresStore::open(&database.url));
    let (one, other) = (one.unwrap(), other.unwrap());
    one.put_integration(&integration("a")).await.unwrap();
    assert_eq!(other.integrations().await.unwrap(), [integration("a")]);
    let (before, after) = PostgresStore::migrate(&database.url).await.unwrap();
    assert_eq!(before, after, "nothing is left to be done");
}

#[tokio::test]
async fn a_newer_schema_is_refused_with_a_sentence() {
    let database = postgres::database();
    drop(PostgresStore::open(&database.url).await.unwrap());
    database.sql("INSERT INTO sluice_schema (version) VALUES (99)");
    for refused in [
        PostgresStore::open(&database.url).await.err().unwrap(),
        PostgresStore::migrate(&database.url).await.unwrap_err(),
    ] {
        assert_eq!(refused.code(), "store-too-new");
        assert!(refused.to_string().contains("99"), "{refused}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_without_the_password() {
    let url = format!("postgres://sluice:very-secret@127.0.0.1:{}/sluice", free_port());
    let refused = PostgresStore::open(&url).await.err().unwrap();
    assert_eq!(refused.code(), "store-broken");
    let told = refused.to_string();
    assert!(!told.contains("very-secret") && told.contains("127.0.0.1"), "{told}");
}
