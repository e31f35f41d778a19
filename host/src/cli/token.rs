//! `sluice token`: who may do what over the API.

use std::collections::BTreeSet;

use clap::Subcommand;

use super::status::moment;
use super::{Context, End, Opened, OrFail, Result, output, table};
use crate::access::{Role, Scope, TokenId, TokenRecord};
use crate::admin::NewToken;
use crate::integration::IntegrationId;

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a token. It is shown this once.
    Create {
        /// What people call it.
        name: String,
        /// What it lets its bearer do.
        #[arg(long, value_enum)]
        role: Role,
        /// Only with this integration; may be given several times. Left out: with all.
        #[arg(long = "integration", value_name = "ID")]
        integrations: Vec<String>,
        /// After how many days it ends by itself; left out: never.
        #[arg(long)]
        days: Option<u32>,
    },
    /// List all tokens, the newest first; not their secrets, which nobody has.
    List,
    /// End a token.
    Revoke {
        /// Its id.
        id: String,
    },
}

/// Runs the command.
pub async fn run(context: &Context, command: Command) -> Result<End> {
    let opened = Opened::new(context).await?;
    match command {
        Command::Create { name, role, integrations, days } => {
            let scope = match integrations.is_empty() {
                true => Scope::All,
                false => {
                    Scope::Integrations(integrations.into_iter().map(IntegrationId).collect::<BTreeSet<_>>())
                }
            };
            let created = opened.admin()?.create_token(NewToken { name, role, scope, days }).await?;
            context.say(
                "It is shown this once. Send it as `Authorization: Bearer`, or log in to the page with it",
            );
            context.answer(&created, || created.token.clone());
        }
        Command::List => {
            let tokens = opened.store.tokens().await.or_fail()?;
            if tokens.is_empty() {
                context.say("no tokens; `sluice token create` makes one");
            }
            if context.json {
                tokens.iter().for_each(|token| context.line(token));
            } else if !tokens.is_empty() {
                let head = ["id", "name", "role", "integrations", "made", "last used", "state"];
                let rows = std::iter::once(head.map(str::to_owned).to_vec()).chain(tokens.iter().map(row));
                output::text(&table::render(&rows.collect::<Vec<_>>()));
            }
        }
        Command::Revoke { id } => {
            let record = opened.admin()?.revoke_token(&TokenId(id)).await?;
            context.answer(&record, || format!("revoked {} ({})", record.id, record.name));
        }
    }
    Ok(End::Success)
}

fn row(token: &TokenRecord) -> Vec<String> {
    let scope = match &token.scope {
        Scope::All => "all".to_owned(),
        Scope::Integrations(ids) => ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let state = match (token.revoked_at, token.expires_at) {
        (Some(at), _) => format!("revoked {}", moment(at)),
        (None, Some(at)) if at <= jiff::Timestamp::now() => format!("ended {}", moment(at)),
        (None, Some(at)) => format!("until {}", moment(at)),
        (None, None) => "good".to_owned(),
    };
    vec![
        token.id.to_string(),
        token.name.clone(),
        token.role.as_str().to_owned(),
        scope,
        moment(token.created_at),
        token.used_at.map_or_else(|| "never".to_owned(), moment),
        state,
    ]
}
