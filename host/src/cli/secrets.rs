//! `sluice secrets`: what is kept sealed in the store, and the keys that open it.

use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;

use clap::Subcommand;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::status::moment;
use super::{Context, End, Opened, OrFail, Result, output, table};
use crate::admin::RotatedSecrets;
use crate::error::Failure;
use crate::integration::{IntegrationId, secret_in_file, without_newline};
use crate::keys::fresh_key;
use crate::secret::{LONGEST_VALUE, SecretName, SecretRecord};

/// What can be done with secrets.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the secrets that are kept of an integration: names, when and by whom they were set, under which key; no values.
    List {
        /// Its id.
        integration: String,
    },
    /// Keep a secret, in place of the one of the same name. The value comes from standard input, without the newline at its
    /// end. The integration's file names it as `{ stored = "NAME" }`.
    Set {
        /// The integration's id.
        integration: String,
        /// What the secret is called.
        name: String,
        /// Take the value from a file instead.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Take a secret away that the integration does not name.
    Remove {
        /// The integration's id.
        integration: String,
        /// What the secret is called.
        name: String,
    },
    /// Put all secrets under the first of the keys that are given; those that they are under now must be given, too.
    Rotate,
    /// Print a new key.
    Key,
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<End> {
    if matches!(command, Command::Key) {
        let (id, key) = fresh_key();
        context.say(
            "Keep it apart from the store and its backups, and give it to each host in a file (--key-file) or in SLUICE_KEY. \
             Whoever loses it has to set all secrets anew",
        );
        let key = key.expose_secret();
        context.answer(&serde_json::json!({ "id": id, "key": key }), || key.to_owned());
        return Ok(End::Success);
    }
    let opened = Opened::new(context).await?;
    let admin = opened.admin()?;
    match command {
        Command::List { integration } => list(context, &admin.secrets(&IntegrationId(integration)).await?),
        Command::Set { integration, name, file } => {
            let value = match file {
                Some(file) => secret_in_file(&file).or_fail()?,
                None => typed(context)?,
            };
            let id = IntegrationId(integration);
            let record = admin.set_secret(&id, &SecretName(name), &value).await?;
            context.answer(&record, || format!("set the secret {} of {id}", record.name));
        }
        Command::Remove { integration, name } => {
            let (id, name) = (IntegrationId(integration), SecretName(name));
            admin.remove_secret(&id, &name).await?;
            context.answer(&serde_json::json!({ "removed": name }), || {
                format!("removed the secret {name} of {id}")
            });
        }
        Command::Rotate => rotated(context, &admin.rotate_secrets().await?)?,
        // Answered before the store was opened.
        Command::Key => {}
    }
    Ok(End::Success)
}

/// A value from standard input.
fn typed(context: &Context) -> Result<SecretString> {
    let mut input = std::io::stdin();
    if input.is_terminal() {
        context.say("The value, and then ctrl-d; it is seen as it is typed:");
    }
    // With room for all that is taken, so that no copy is left where it was before it grew.
    let mut text = Zeroizing::new(String::with_capacity(LONGEST_VALUE + 4));
    let read = input.by_ref().take(LONGEST_VALUE as u64 + 3).read_to_string(&mut text);
    read.map_err(|error| Failure {
        code: "secret-unread".to_owned(),
        message: format!(
            "no secret could be read from standard input ({}); give text there, or --file",
            error.kind()
        ),
    })?;
    Ok(SecretString::from(without_newline(&text)))
}

fn list(context: &Context, secrets: &[SecretRecord]) {
    if context.json {
        return secrets.iter().for_each(|secret| context.line(secret));
    }
    if secrets.is_empty() {
        return context.say("no secrets in the store; `sluice secrets set` keeps one");
    }
    let row = |secret: &SecretRecord| {
        vec![secret.name.to_string(), moment(secret.set_at), secret.set_by.clone(), secret.key.to_string()]
    };
    let head = ["name", "set", "by", "key"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(secrets.iter().map(row)).collect();
    output::text(&table::render(&rows));
}

fn rotated(context: &Context, done: &RotatedSecrets) -> Result<()> {
    let RotatedSecrets { key, rotated, left } = done;
    context.answer(done, || format!("{rotated} secrets were put under the key {key}"));
    let Some(first) = left.first() else { return Ok(()) };
    for secret in left {
        context.say(&format!("{}: {}", secret.why.code, secret.why.message));
    }
    Err(Failure {
        code: "secrets-left".to_owned(),
        message: format!(
            "{} secrets do not open, and stay as they are, such as {} of {}: give the keys that they are under, after the \
             current one, and rotate again; or set them anew",
            left.len(),
            first.name,
            first.integration
        ),
    })
}
