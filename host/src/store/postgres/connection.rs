//! How a database is reached, and PostgreSQL's errors in words.

use std::sync::Arc;

use tokio_postgres::config::Host;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::tls;
use crate::store::StoreError;
use crate::store::fault::{EngineFault, Fault};

/// What to look at when the database fails.
pub(super) const TODO: &str =
    "Check that the database is up, that this host reaches it, and that its disk has space";

/// Where a database is, and how to get there.
#[derive(Clone)]
pub(super) struct Place {
    /// For people: without user and password.
    pub(super) name: Arc<str>,
    config: Arc<Config>,
    tls: MakeRustlsConnect,
}

impl Place {
    /// From `postgres://user:password@host:port/database`.
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        let broken = |message: String| StoreError::Broken {
            place: "the address of --store".to_owned(),
            message,
            todo: "Write it as postgres://user:password@host:5432/database",
        };
        // The parser's own message may quote what it found, which may be a password.
        let mut config: Config =
            url.parse().map_err(|_| broken("it is no address of a PostgreSQL database".to_owned()))?;
        super::settings(&mut config);
        let hosts: Vec<String> = config
            .get_hosts()
            .iter()
            .zip(config.get_ports().iter().chain(std::iter::repeat(&5432)))
            .map(|(host, port)| match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(path) => format!("{}:{port}", path.display()),
            })
            .collect();
        let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
        let name = format!("postgres://{}/{database}", hosts.join(",")).into();
        Ok(Self { name, config: Arc::new(config), tls: tls::connector().map_err(broken)? })
    }

    /// Connects; the connection ends with the client. Needs a tokio runtime, which drives it.
    pub(super) async fn connect(&self) -> Result<Client, Fault> {
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        tokio::spawn(async move {
            // Whoever uses the client meets the error, too.
            drop(connection.await);
        });
        Ok(client)
    }

    /// As `connect`, with what comes from the database by itself.
    pub(super) async fn connect_and_hear(
        &self,
    ) -> Result<
        (
            Client,
            tokio_postgres::Connection<
                tokio_postgres::Socket,
                <MakeRustlsConnect as tokio_postgres::tls::MakeTlsConnect<tokio_postgres::Socket>>::Stream,
            >,
        ),
        Fault,
    > {
        Ok(self.config.connect(self.tls.clone()).await?)
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        let again = matches!(
            error.code(),
            Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED)
        );
        // The database's own message may quote a row's values, as that of a unique key does: only its code and
        // its short text are taken, and of a refused value only the code.
        let (message, todo) = match error.as_db_error() {
            Some(database) if database.code() == &SqlState::DISK_FULL => {
                ("its disk is full; nothing of the last step was stored".to_owned(), TODO)
            }
            Some(database) if database.code().code().starts_with("28") => (
                format!("it refused this user ({})", database.code().code()),
                "Check user and password in the address, and the rights of the user",
            ),
            Some(database) if database.code().code().starts_with("22") => {
                (format!("it refused a value ({})", database.code().code()), "Report it")
            }
            Some(database) => (format!("{} ({})", database.message(), database.code().code()), TODO),
            None if error.is_closed() => ("the connection was closed".to_owned(), TODO),
            None => (chain(&error), TODO),
        };
        Self::Engine(EngineFault { message, todo, again })
    }
}

/// An error with its causes: the outermost alone says little.
fn chain(error: &tokio_postgres::Error) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words.push_str(&format!(": {error}"));
        cause = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        let place = Place::parse("postgres://sluice:hunter2@db.example:6432/main?sslmode=require").unwrap();
        assert_eq!(&*place.name, "postgres://db.example:6432/main");
        let wrong = Place::parse("postgres://sluice:hunter2@db.example:port/main").err().unwrap();
        assert!(!wrong.to_string().contains("hunter2"), "{wrong}");
    }
}
